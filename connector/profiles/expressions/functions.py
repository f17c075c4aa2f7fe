"""The functions: a closed table of what each takes, gives and means, with examples that a test runs and the docs show.

None can make a text longer than a small multiple of what it was given, and none reads anything but its arguments.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from connector.profiles.expressions.kinds import UTC, Kind, Typed, as_one, held
from connector.profiles.expressions.signatures import Function, Whole, Word
from connector.profiles.text import text, unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MAX_WIDTH: Final = 100
MAX_CUT: Final = 10_000
MAX_FORMAT: Final = 100
MAX_SEPARATOR: Final = 3
_PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000}
_FIRST_S: Final = -62_135_596_800  # 0001-01-01T00:00:00Z
_END_S: Final = 253_402_300_800  # 10000-01-01T00:00:00Z
_CODE: Final = re.compile(r"%(\.?[0-9]?-?[A-Za-z%]?)")
# chrono's codes that mean the same whatever the place, by what they need; no code for widths.
OF_DATES: Final = frozenset({*"YymdejbBaAuVGF", "-d", "-m"})
OF_TIMES: Final = frozenset({*"HIMSpTR", "-H", "-I", ".3f", ".6f"})


def _some(text: str) -> str | None:
    return None if text else "must not be empty"


def _single(text: str) -> str | None:
    return None if len(text) == 1 else "must be one character"


def _unit(text: str) -> str | None:
    return None if text in _PER_SECOND else f"must be one of {', '.join(map(repr, _PER_SECOND))}"


def _short(text: str) -> str | None:
    return None if len(text) <= MAX_SEPARATOR else f"must have at most {MAX_SEPARATOR} characters"


def _grows(literals: Sequence[Any]) -> str | None:
    _, old, new = literals
    return "puts in no more characters than it takes out" if len(new) > len(old) else None


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


def _other_than(value: Typed, other: Typed) -> tuple[pl.Expr, pl.DataType]:
    (column, unwanted), dtype = as_one([value, other], "nullif")
    return pl.when(column == unwanted).then(None).otherwise(column), dtype


def _since_epoch(number: Typed, unit: str) -> tuple[pl.Expr, pl.DataType]:
    """Nothing for what is not of the years 1 to 9999: later times have no text, and Polars panics at very late ones."""
    column, per_second = held(number, Kind.NUMBER, by="from_epoch"), _PER_SECOND[unit]
    there = column.is_between(_FIRST_S * per_second, _END_S * per_second, closed="left")
    dtype = pl.Datetime("us" if unit == "us" else "ms", UTC)
    return (pl.when(there).then(column).cast(pl.Int64, strict=False) * (1000 if unit == "s" else 1)).cast(dtype), dtype


def _entries(entries: Typed, separator: str) -> tuple[pl.Expr, pl.DataType]:
    if entries.kind is Kind.NULL:
        return pl.lit(None, pl.String), pl.String()
    inner = entries.dtype.inner if isinstance(entries.dtype, pl.List) else None
    if inner is None:
        raise entries.wrong(f"is {entries.kind}, where array_to_string needs a list; leave the function out")
    held_type = inner() if isinstance(inner, type) else inner
    if held_type.is_nested() or unsupported(held_type):
        raise entries.wrong("is a list of lists, maps, records or bytes, which do not join; name another field")
    return entries.column.list.eval(text(pl.element(), held_type)).list.join(separator, ignore_nulls=True), pl.String()


def _digest(values: pl.Series) -> pl.Series:
    # Value by value, as Polars has no SHA-256 and a plugin for it would be a dependency more: 0.6 µs each.
    digests = [None if value is None else hashlib.sha256(value.encode()).hexdigest() for value in values]
    return pl.Series(values.name, digests, pl.String)


def _text(makes: Callable[..., pl.Expr]) -> Callable[..., tuple[pl.Expr, pl.DataType]]:
    return lambda *given: (makes(*given), pl.String())


TABLE: Final[dict[str, Function]] = {
    "array_to_string": Function(
        "array_to_string(list, separator)", (None, Word(_short)),
        "The entries of a list that are not NULL, with the separator between two: `a;b` instead of the JSON "
        '`["a","b"]`.',
        {}, _entries,
    ),
    "coalesce": Function(
        "coalesce(value, …)", (None,), "The first that is not NULL: a default.",
        {"coalesce(NULL, 'none')": "none"}, _first_present, more=True,
    ),
    "from_epoch": Function(
        "from_epoch(number, unit)", (None, Word(_unit)),
        "The timestamp so many `'s'`, `'ms'` or `'us'` after 1970 began in UTC; NULL beyond the years 1 to 9999.",
        {"from_epoch(1706702400, 's')": "2024-01-31T12:00:00.000Z",
         "strftime(from_epoch(1706702400000, 'ms'), '%F')": "2024-01-31"}, _since_epoch, uses=2,
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
        {"nullif('n/a', 'n/a')": None, "nullif('gold', 'n/a')": "gold"}, _other_than, uses=2,
    ),
    "replace": Function(
        "replace(text, from, to)", (Kind.TEXT, Word(_some), Word(lambda _: None)),
        "Every `from` becomes `to`, which is no longer than it; both as they stand, not as patterns.",
        {"replace('red, large', ', ', ';')": "red;large"},
        _text(lambda text, old, new: text.str.replace_all(old, new, literal=True)), together=_grows,
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
