"""What a part of an expression gives: a column, its type, and which kind of thing that is for the rules.

The kinds keep apart what must not be compared or joined; within a kind columns of different types become one type.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import polars as pl

from connector.profiles.expressions.tree import ExpressionError
from connector.profiles.text import is_union

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector.profiles.expressions.tree import Place

UTC: Final = "UTC"
_MAX_DIGITS: Final = 38  # of a decimal
_WHOLE_DIGITS: Final = 19  # of a number of 64 bits


class Kind(StrEnum):
    """What a value is, as messages say it."""

    TEXT = "text"
    NUMBER = "a number"
    TRUTH = "true or false"
    DATE = "a date"
    TIME = "a time of day"
    MOMENT = "a timestamp"
    LOCAL = "a timestamp without a zone"
    NULL = "null"
    MANY = "a list or map"
    OTHER = "of a type that has no text"


@dataclass(frozen=True, slots=True, eq=False)
class Typed:
    """A column to be.

    Attributes:
        column: the expression that gives it.
        dtype: its type.
        place: the part of the text that it comes from.
        literal: that text gives the value itself.
    """

    column: pl.Expr
    dtype: pl.DataType
    place: Place
    literal: bool = False

    @property
    def kind(self) -> Kind:
        """Which kind it is of."""
        return kind_of(self.dtype)

    def wrong(self, why: str) -> ExpressionError:
        """Say what is wrong with it."""
        return ExpressionError(f"`{self.place.shown}` {why}", self.place.at)


def kind_of(dtype: pl.DataType) -> Kind:
    """Give the kind of a type; a union of several types is text, as its branches have nothing else in common."""
    if isinstance(dtype, pl.Datetime):
        return Kind.LOCAL if dtype.time_zone is None else Kind.MOMENT
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum) or (isinstance(dtype, pl.Struct) and is_union(dtype)):
        return Kind.TEXT
    if dtype.is_numeric():
        return Kind.NUMBER
    return next((kind for known, kind in _OF_TYPES if isinstance(dtype, known)), Kind.OTHER)


def held(value: Typed, *kinds: Kind, by: str) -> pl.Expr:
    """Give a column that must be of one of these kinds, or null.

    Raises:
        ExpressionError: it is not.
    """
    if value.kind in kinds:
        return value.column
    if value.kind is Kind.NULL:
        return value.column.cast(_PLAIN[kinds[0]])
    raise value.wrong(f"is {value.kind}, where {by} needs {' or '.join(kinds)}; {remedy(value, kinds[0])}")


def as_one(values: Sequence[Typed], by: str) -> tuple[list[pl.Expr], pl.DataType]:
    """Give columns of one type, and that type; those that are null fit any.

    Raises:
        ExpressionError: they are of different kinds, or of one that can only be looked at for null.
    """
    known = [value for value in values if value.kind is not Kind.NULL]
    if not known:
        return [value.column for value in values], pl.Null()
    first = known[0]
    for value in known:
        if value.kind in {Kind.MANY, Kind.OTHER}:
            raise value.wrong(f"is {value.kind}, which {by} cannot take; {remedy(value, Kind.TEXT)}")
        if value.kind is not first.kind:
            raise _different(first, value, by)
    dtype = _joint([value.dtype for value in known])
    return [value.column if value.dtype == dtype else value.column.cast(dtype, strict=False) for value in values], dtype


def remedy(value: Typed, wanted: Kind) -> str:
    """Say how a value becomes one of another kind."""
    return _way(value, wanted) or _NO_WAY


def _way(value: Typed, wanted: Kind) -> str | None:
    shown = value.place.shown
    stamps = {Kind.TEXT, Kind.MOMENT, Kind.LOCAL}
    if value.literal and wanted in _WRITTEN and (value.kind is Kind.TEXT or {value.kind, wanted} <= stamps):
        return f"write {_WRITTEN[wanted]}"
    if wanted is Kind.LOCAL and value.kind is Kind.MOMENT:
        return f"write {shown} AT TIME ZONE 'Europe/Vienna'"
    return f"write CAST({shown} AS {_CASTS[wanted]})" if value.kind in _CASTABLE.get(wanted, ()) else None


_NO_WAY: Final = "compare and join like with like, or let the producer send another type"
_OF_TYPES: Final[Sequence[tuple[type[pl.DataType], Kind]]] = (
    (pl.Boolean, Kind.TRUTH),
    (pl.Date, Kind.DATE),
    (pl.Time, Kind.TIME),
    (pl.Null, Kind.NULL),
    (pl.List, Kind.MANY),
)
_PLAIN: Final[dict[Kind, pl.DataType]] = {
    Kind.TEXT: pl.String(),
    Kind.NUMBER: pl.Int64(),
    Kind.TRUTH: pl.Boolean(),
    Kind.DATE: pl.Date(),
    Kind.TIME: pl.Time(),
    Kind.MOMENT: pl.Datetime("us", UTC),
    Kind.LOCAL: pl.Datetime("us"),
}
_CASTS: Final = {Kind.TEXT: "VARCHAR", Kind.NUMBER: "BIGINT", Kind.TRUTH: "BOOLEAN", Kind.DATE: "DATE"}
_CASTABLE: Final = {
    Kind.TEXT: frozenset(Kind) - {Kind.OTHER},
    Kind.NUMBER: {Kind.TEXT, Kind.TRUTH},
    Kind.TRUTH: {Kind.TEXT, Kind.NUMBER},
    Kind.DATE: {Kind.TEXT, Kind.MOMENT, Kind.LOCAL},
}
_WRITTEN: Final = {
    Kind.NUMBER: "the number without quotes",
    Kind.TRUTH: "TRUE or FALSE without quotes",
    Kind.DATE: "DATE '2024-01-31'",
    Kind.MOMENT: "TIMESTAMP '2024-01-31T12:00:00Z'",
    Kind.LOCAL: "TIMESTAMP '2024-01-31T12:00:00'",
}


def _different(first: Typed, second: Typed, by: str) -> ExpressionError:
    """Blame a literal, or what is text, as that is the easiest to write otherwise; or else what can be."""
    odd, other = (first, second) if first.literal and not second.literal else (second, first)
    if odd.kind is not Kind.TEXT and other.kind is Kind.TEXT:
        odd, other = other, odd
    if _way(odd, other.kind) is None:
        odd, other = other, odd
    why = f"is {odd.kind}, and `{other.place.shown}` is {other.kind}, which {by} cannot bring together"
    return odd.wrong(f"{why}; {remedy(odd, other.kind)}")


def _joint(dtypes: Sequence[pl.DataType]) -> pl.DataType:
    """The type of one kind that holds all of these as far as there is one."""
    first = dtypes[0]
    if all(dtype == first for dtype in dtypes) and kind_of(first) is not Kind.TEXT:
        return first
    kind = kind_of(first)
    if kind is not Kind.NUMBER:
        return _PLAIN[kind]
    decimals = [dtype for dtype in dtypes if isinstance(dtype, pl.Decimal)]
    if not decimals:
        return pl.Float64() if any(dtype.is_float() for dtype in dtypes) else pl.Int64()
    scale = max(dtype.scale for dtype in decimals)
    before = max(_WHOLE_DIGITS if dtype.is_integer() else 0 for dtype in dtypes)
    before = max(before, *(dtype.precision - dtype.scale for dtype in decimals))
    if any(dtype.is_float() for dtype in dtypes) or before + scale > _MAX_DIGITS:
        return pl.Float64()
    return pl.Decimal(_MAX_DIGITS, scale)
