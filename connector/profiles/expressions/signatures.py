"""What a function is, and what it takes: columns of some kind, and literals that stand in the expression itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector.profiles.expressions.kinds import Kind, Typed, held
from connector.profiles.expressions.tree import ExpressionError, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import polars as pl

    from connector.profiles.expressions.tree import Call


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number that stands in the expression itself, from `low` to `high`."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Word:
    """A text that stands in the expression itself.

    Attributes:
        problem: what is wrong with it, if anything.
    """

    problem: Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Function:
    """A function.

    Attributes:
        signature: as the docs show it.
        takes: the kind of each argument, or what a literal must be; None is anything.
        meaning: what it gives.
        examples: expressions and the text each gives; None for NULL.
        build: its column and type; given the arguments, of literals their values.
        more: the last argument may come again; `build` gets all of them as one list.
        uses: how often `build` uses a column that it is given, so that the size of an expression is that of the work.
        together: what is wrong with literals that do not go with each other, if anything.
    """

    signature: str
    takes: tuple[Kind | Whole | Word | None, ...]
    meaning: str
    examples: Mapping[str, str | None]
    build: Callable[..., tuple[pl.Expr, pl.DataType]]
    more: bool = False
    uses: int = 1
    together: Callable[[Sequence[Any]], str | None] = lambda _: None


def check(function: Function, call: Call) -> None:
    """Look at what needs no schema: how many arguments, and those that must be literals.

    Raises:
        ExpressionError: something does not fit.
    """
    given, wanted = call.arguments, len(function.takes)
    if len(given) != wanted and not (function.more and len(given) > wanted):
        raise ExpressionError(f"{call.name} takes {function.signature}", call.place.at)
    for argument, takes in zip(given, function.takes, strict=False):
        if isinstance(takes, Whole | Word):
            _check_literal(call, argument, takes)
    if why := function.together([_value(argument) for argument in given]):
        raise ExpressionError(f"{call.name} {why}", call.place.at)


def build(function: Function, call: Call, arguments: Sequence[Typed]) -> Typed:
    """Build the column of a call that `check` let through.

    Raises:
        ExpressionError: an argument is of another kind.
    """
    given: list[Any] = [arguments] if function.more else []
    for typed, node, takes in zip(arguments, call.arguments, () if function.more else function.takes, strict=False):
        if isinstance(takes, Whole | Word):
            given.append(_value(node))
        else:
            given.append(typed if takes is None else held(typed, takes, by=call.name))
    column, dtype = function.build(*given)
    return Typed(column, dtype, call.place)


def _value(node: object) -> Any:
    return node.value if isinstance(node, Literal) else None


def _check_literal(call: Call, argument: Any, takes: Whole | Word) -> None:
    value, place = _value(argument), argument.place
    if isinstance(takes, Whole):
        fits = isinstance(value, int) and not isinstance(value, bool) and takes.low <= value <= takes.high
        why = None if fits else f"must be a whole number from {takes.low} to {takes.high}"
    else:
        why = takes.problem(value) if isinstance(value, str) else "must be a text in single quotes"
    if why:
        raise ExpressionError(f"`{place.shown}` of {call.name} {why}", place.at)
