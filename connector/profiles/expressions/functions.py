"""The functions: a closed table of what each takes, gives and means, with examples that a test runs and the docs show.

None can make a text longer than a small multiple of what it was given, none reads anything but its arguments, and each
uses a column once, so that the work is that of the text as it stands.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from connector.profiles.expressions.kinds import Kind, Typed, as_one, held
from connector.profiles.expressions.tree import ExpressionError, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connector.profiles.expressions.tree import Call

_MAX_WIDTH: Final = 100
MAX_CUT: Final = 10_000
MAX_FORMAT: Final = 100
_CODE: Final = re.compile(r"%(\.?[0-9]?-?[A-Za-z%]?)")
# chrono's codes that mean the same whatever the place, by what they need; no code for widths.
OF_DATES: Final = frozenset({*"YymdejbBaAuVGF", "-d", "-m"})
OF_TIMES: Final = frozenset({*"HIMSpTR", "-H", "-I", ".3f", ".6f"})


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
        build: its column; given the arguments, of literals their values. None: the parser puts it in other words.
        more: the last argument may come again.
    """

    signature: str
    takes: tuple[Kind | Whole | Word | None, ...]
    meaning: str
    examples: Mapping[str, str | None]
    build: Callable[..., tuple[pl.Expr, pl.DataType]] | None
    more: bool = False


def check(call: Call) -> None:
    """Look at what needs no schema: how many arguments, and those that must be literals.

    Raises:
        ExpressionError: something does not fit.
    """
    function, given = TABLE[call.name], call.arguments
    wanted = len(function.takes)
    if len(given) != wanted and not (function.more and len(given) > wanted):
        raise ExpressionError(f"{call.name} takes {function.signature}", call.place.at)
    for argument, takes in zip(given, function.takes, strict=False):
        if isinstance(takes, Whole | Word):
            _check_literal(call, argument, takes)
    if call.name == "replace" and len(str(_value(given[2]))) > len(str(_value(given[1]))):
        raise ExpressionError("replace puts in no more characters than it takes out", given[2].place.at)


def build(call: Call, arguments: Sequence[Typed]) -> Typed:
    """Build the column of a call that `check` let through.

    Raises:
        ExpressionError: an argument is of another kind.
    """
    function = TABLE[call.name]
    if function.build is None:
        raise ExpressionError(f"{call.name} cannot stand here", call.place.at)
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


def _some(text: str) -> str | None:
    return None if text else "must not be empty"


def _single(text: str) -> str | None:
    return None if len(text) == 1 else "must be one character"


def _format_problem(form: str) -> str | None:
    if len(form) > MAX_FORMAT:
        return f"must have at most {MAX_FORMAT} characters"
    known = OF_DATES | OF_TIMES | {"%"}
    unknown = next((code for code in _CODE.findall(form) if code not in known), None)
    return None if unknown is None else f"has `%{unknown}`, which is no code; docs/expressions.md lists those there are"


def _formatted(value: Typed, form: str) -> tuple[pl.Expr, pl.DataType]:
    if value.kind is Kind.NULL:
        return pl.lit(None, pl.String), pl.String()
    kinds = (Kind.DATE, Kind.MOMENT, Kind.LOCAL, Kind.TIME)
    column = held(value, *kinds, by="strftime")
    codes = {*_CODE.findall(form)}
    lacking = {Kind.DATE: OF_TIMES, Kind.TIME: OF_DATES}.get(value.kind, frozenset())
    if odd := sorted(codes & lacking):
        raise value.wrong(f"is {value.kind}, which has nothing for `%{odd[0]}`; leave that out of the format")
    return column.dt.strftime(form), pl.String()


def _rounded(value: Typed, places: int) -> tuple[pl.Expr, pl.DataType]:
    column = held(value, Kind.NUMBER, by="round")
    if not value.dtype.is_integer():
        column = column.round(places, mode="half_away_from_zero")
    return column.cast(pl.Decimal(38, places), strict=False), pl.Decimal(38, places)


def _first_present(values: Sequence[Typed]) -> tuple[pl.Expr, pl.DataType]:
    columns, dtype = as_one(values, "coalesce")
    return pl.coalesce(columns), dtype


def _digest(values: pl.Series) -> pl.Series:
    # Value by value, as Polars has no SHA-256 and a plugin for it would be a dependency more: 0.6 µs each.
    digests = [None if value is None else hashlib.sha256(value.encode()).hexdigest() for value in values]
    return pl.Series(values.name, digests, pl.String)


def _text(makes: Callable[..., pl.Expr]) -> Callable[..., tuple[pl.Expr, pl.DataType]]:
    return lambda *given: (makes(*given), pl.String())


TABLE: Final[dict[str, Function]] = {
    "coalesce": Function(
        "coalesce(value, …)", (None,), "The first that is not NULL: a default.",
        {"coalesce(NULL, 'none')": "none"}, _first_present, more=True,
    ),
    "left": Function(
        "left(text, count)", (Kind.TEXT, Whole(0, MAX_CUT)), "The first characters: a clip.",
        {"left('Übermorgen', 4)": "Über"}, _text(lambda text, count: text.str.head(count)),
    ),
    "length": Function(
        "length(text)", (Kind.TEXT,), "How many characters.",
        {"length('Köln')": "4"}, lambda text: (text.str.len_chars().cast(pl.Int64), pl.Int64()),
    ),
    "lower": Function(
        "lower(text)", (Kind.TEXT,), "In lower case.",
        {"lower('Anna@Example.COM')": "anna@example.com"}, _text(lambda text: text.str.to_lowercase()),
    ),
    "lpad": Function(
        "lpad(text, width, fill)", (Kind.TEXT, Whole(1, _MAX_WIDTH), Word(_single)),
        f"At that width, at most {_MAX_WIDTH}: filled up from the left with one character, or cut at the right.",
        {"lpad('42', 6, '0')": "000042", "lpad('1234567', 6, '0')": "123456"},
        _text(lambda text, width, fill: text.str.pad_start(width, fill).str.head(width)),
    ),
    "nullif": Function(
        "nullif(value, other)", (None, None), "NULL where both are equal, otherwise the value.",
        {"nullif('n/a', 'n/a')": None, "nullif('gold', 'n/a')": "gold"}, None,
    ),
    "replace": Function(
        "replace(text, from, to)", (Kind.TEXT, Word(_some), Word(lambda _: None)),
        "Every `from` becomes `to`, which is no longer than it; both as they stand, not as patterns.",
        {"replace('red, large', ', ', ';')": "red;large"},
        _text(lambda text, old, new: text.str.replace_all(old, new, literal=True)),
    ),
    "right": Function(
        "right(text, count)", (Kind.TEXT, Whole(0, MAX_CUT)), "The last characters.",
        {"right('AT-4711', 4)": "4711"}, _text(lambda text, count: text.str.tail(count)),
    ),
    "round": Function(
        "round(number, places)", (None, Whole(0, 10)),
        "With exactly so many digits after the point, halves away from zero; NULL for what is no finite number.",
        {"round(2.5, 0)": "3", "round(9.9, 2)": "9.90"}, _rounded,
    ),
    "sha256": Function(
        "sha256(text)", (Kind.TEXT,), "The SHA-256 of its UTF-8, in 64 lower-case hexadecimal digits.",
        {"sha256(lower(trim(' Anna@Example.com ')))":
            "f7d54c22dda5b1780276601cd005909b70543fc4a6ba72d735b4cb9bbb611f01"},
        _text(lambda text: text.map_batches(_digest, return_dtype=pl.String(), is_elementwise=True)),
    ),
    "strftime": Function(
        "strftime(when, format)", (None, Word(_format_problem)), "A date or time in the form of your codes.",
        {"strftime(DATE '2024-01-31', '%d.%m.%Y')": "31.01.2024"}, _formatted,
    ),
    "substr": Function(
        "substr(text, first, count)", (Kind.TEXT, Whole(1, MAX_CUT), Whole(0, MAX_CUT)),
        "So many characters from the first on, which is 1.",
        {"substr('AT-4711', 4, 2)": "47"}, _text(lambda text, first, count: text.str.slice(first - 1, count)),
    ),
    "trim": Function(
        "trim(text)", (Kind.TEXT,), "Without white space at both ends.",
        {"trim('  Graz ')": "Graz"}, _text(lambda text: text.str.strip_chars()),
    ),
    "upper": Function(
        "upper(text)", (Kind.TEXT,), "In upper case.",
        {"upper('at')": "AT"}, _text(lambda text: text.str.to_uppercase()),
    ),
}  # fmt: skip
