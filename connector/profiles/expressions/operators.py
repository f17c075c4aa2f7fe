"""What the operators of the grammar do, and which kinds they take; NULL as in SQL: nothing is equal to it."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Final

import polars as pl
from polars.exceptions import PolarsError

from connector.profiles.expressions.kinds import UTC, Kind, Typed, as_one, held
from connector.profiles.expressions.tree import ExpressionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector.profiles.expressions.tree import Literal, Place

MAX_PATTERN: Final = 200  # characters; Rust's regular expressions take linear time, and memory by the pattern
_WILDCARDS: Final = {"%": ".*", "_": "."}


def check_pattern(pattern: Literal) -> None:
    """Bound what LIKE compares with.

    Raises:
        ExpressionError: it is too long.
    """
    if len(str(pattern.value)) > MAX_PATTERN:
        raise ExpressionError(f"a pattern of more than {MAX_PATTERN} characters", pattern.place.at)


def check_zone(zone: Literal) -> None:
    """Look a zone up in the list that Polars brings with it.

    Raises:
        ExpressionError: there is none of that name.
    """
    try:
        pl.select(pl.lit(0).cast(pl.Datetime("us", UTC)).dt.convert_time_zone(str(zone.value)))
    except PolarsError:
        why = "is not a time zone; write one such as 'Europe/Vienna'"
        raise ExpressionError(f"`{zone.place.shown}` {why}", zone.place.at) from None


def _compare(name: str) -> Callable[[Sequence[Typed], Place], Typed]:
    compares = _COMPARISONS[name]

    def build(values: Sequence[Typed], place: Place) -> Typed:
        (left, right), dtype = as_one(values, f"`{name}`")
        if isinstance(dtype, pl.Null):
            return Typed(pl.lit(None, pl.Boolean), pl.Boolean(), place)
        if isinstance(dtype, pl.Boolean) and name not in {"=", "<>"}:
            raise values[0].wrong(f"is true or false, which `{name}` cannot order; write `=`, or the condition itself")
        return Typed(compares(left, right), pl.Boolean(), place)

    return build


def _joined(name: str) -> Callable[[Sequence[Typed], Place], Typed]:
    joins = {"and": pl.all_horizontal, "or": pl.any_horizontal}[name]

    def build(values: Sequence[Typed], place: Place) -> Typed:
        truths = [held(value, Kind.TRUTH, by=name.upper()) for value in values]
        return Typed(joins(truths), pl.Boolean(), place)

    return build


def _negated(values: Sequence[Typed], place: Place) -> Typed:
    return Typed(~held(values[0], Kind.TRUTH, by="NOT"), pl.Boolean(), place)


def _is_null(values: Sequence[Typed], place: Place) -> Typed:
    return Typed(values[0].column.is_null(), pl.Boolean(), place)


def within(values: Sequence[Typed], members: Sequence[object], place: Place) -> Typed:
    """Look for the first of these values among the others, which are literals of these values."""
    if values[0].kind is Kind.NULL:
        return Typed(pl.lit(None, pl.Boolean), pl.Boolean(), place)
    (column, *others), dtype = as_one(values, "IN")
    if isinstance(dtype, pl.String):
        return Typed(column.is_in(members), pl.Boolean(), place)
    return Typed(pl.any_horizontal(column == other for other in others), pl.Boolean(), place)


def like(value: Typed, pattern: str, place: Place) -> Typed:
    """Match a whole text; the pattern knows `%` and `_`."""
    compiled = "".join(_WILDCARDS.get(character, re.escape(character)) for character in pattern)
    return Typed(held(value, Kind.TEXT, by="LIKE").str.contains(f"^(?s:{compiled})$"), pl.Boolean(), place)


def _concatenated(values: Sequence[Typed], place: Place) -> Typed:
    return Typed(pl.concat_str(held(value, Kind.TEXT, by="`||`") for value in values), pl.String(), place)


def at_zone(value: Typed, zone: str, place: Place) -> Typed:
    """Give the time on a clock of that zone."""
    column = held(value, Kind.MOMENT, by="AT TIME ZONE")
    unit = value.dtype.time_unit if isinstance(value.dtype, pl.Datetime) else "us"
    return Typed(column.dt.convert_time_zone(zone).dt.replace_time_zone(None), pl.Datetime(unit), place)


def _case(values: Sequence[Typed], place: Place) -> Typed:
    *branches, default = values
    conditions = [held(value, Kind.TRUTH, by="WHEN") for value in branches[::2]]
    results, dtype = as_one([*branches[1::2], default], "CASE")
    built: pl.Expr = results[-1]
    for condition, result in reversed(list(zip(conditions, results, strict=False))):
        built = pl.when(condition).then(result).otherwise(built)
    return Typed(built, dtype, place)


_COMPARISONS: Final[dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
RULES: Final[dict[str, Callable[[Sequence[Typed], Place], Typed]]] = {
    **{name: _compare(name) for name in _COMPARISONS},
    "and": _joined("and"),
    "or": _joined("or"),
    "not": _negated,
    "is null": _is_null,
    "||": _concatenated,
    "case": _case,
}
