"""CAST: from one kind to another; NULL where a value has no counterpart, so that no one value stops the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from connector.profiles.expressions.kinds import Kind, Typed
from connector.profiles.expressions.tokens import Sort
from connector.profiles.expressions.tree import ExpressionError
from connector.profiles.text import text

if TYPE_CHECKING:
    from connector.profiles.expressions.tokens import Token
    from connector.profiles.expressions.tree import Place

# As databases call them; the first of each is what messages and the docs say.
_NAMES: Final = {
    "varchar": "varchar", "text": "varchar", "string": "varchar",
    "bigint": "bigint", "integer": "bigint", "int": "bigint",
    "double": "double", "float": "double",
    "boolean": "boolean", "bool": "boolean",
    "date": "date",
}  # fmt: skip
# What comes nearest to types that we do not have.
_ELSEWHERE: Final = {
    **dict.fromkeys(("decimal", "numeric"), "write round(number, places)"),
    **dict.fromkeys(("timestamp", "timestamptz", "datetime"), "write from_epoch(number, unit) if it is a number"),
}
TARGETS: Final = tuple(dict.fromkeys(_NAMES.values()))
_TRUTHS: Final = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


def target(token: Token) -> str:
    """Tell which type is meant.

    Raises:
        ExpressionError: none of ours.
    """
    name = _NAMES.get(token.text.lower()) if token.sort is Sort.WORD else None
    if name is None:
        known = _ELSEWHERE.get(token.text.lower()) or f"there are {', '.join(TARGETS).upper()}"
        raise ExpressionError(f"`{token.text}` is no type of CAST; {known}", token.start + 1)
    return name


def cast(value: Typed, kind: str, place: Place) -> Typed:
    """Build the column of a cast to one of TARGETS.

    Raises:
        ExpressionError: values of this kind have no counterpart at all.
    """
    if value.kind is Kind.NULL:
        return Typed(value.column.cast(_DTYPES[kind]), _DTYPES[kind], place)
    column = _SENT[kind](value)
    if column is None:
        raise value.wrong(f"is {value.kind}, which is never a {kind.upper()}; leave it out, or cast it to VARCHAR")
    return Typed(column, _DTYPES[kind], place)


def _to_text(value: Typed) -> pl.Expr | None:
    return None if value.kind is Kind.OTHER else text(value.column, value.dtype)


def _to_whole(value: Typed) -> pl.Expr | None:
    return _to_number(value, pl.Int64())


def _to_fraction(value: Typed) -> pl.Expr | None:
    return _to_number(value, pl.Float64())


def _to_number(value: Typed, dtype: pl.DataType) -> pl.Expr | None:
    if value.kind not in {Kind.TEXT, Kind.NUMBER, Kind.TRUTH}:
        return None
    return value.column.cast(dtype, strict=False)


def _to_truth(value: Typed) -> pl.Expr | None:
    if value.kind is Kind.TEXT:
        lowered = value.column.str.strip_chars().str.to_lowercase()
        return lowered.replace_strict(_TRUTHS, default=None, return_dtype=pl.Boolean)
    return value.column.cast(pl.Boolean) if value.kind in {Kind.NUMBER, Kind.TRUTH} else None


def _to_date(value: Typed) -> pl.Expr | None:
    if value.kind is Kind.TEXT:
        # Four digits of the year: later dates have no text, and Polars panics at very late ones.
        return value.column.str.extract(r"^([0-9]{4}-[0-9]{2}-[0-9]{2})$").str.to_date("%Y-%m-%d", strict=False)
    return value.column.cast(pl.Date) if value.kind in {Kind.DATE, Kind.MOMENT, Kind.LOCAL} else None


_SENT: Final = {
    "varchar": _to_text,
    "bigint": _to_whole,
    "double": _to_fraction,
    "boolean": _to_truth,
    "date": _to_date,
}
_DTYPES: Final[dict[str, pl.DataType]] = {
    "varchar": pl.String(),
    "bigint": pl.Int64(),
    "double": pl.Float64(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
}
