"""Expressions in columns are what they are row by row: random ones against an evaluator of their own.

Each strategy draws the text of an expression together with what it means in plain Python, which knows nothing of
Polars, nor of the parser.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.profiles.expressions.expression import Expression
from connector.profiles.expressions.tree import ExpressionError

if TYPE_CHECKING:
    from collections.abc import Callable

Row = dict[str, Any]
LETTERS = "aAbBzéßΣ %_',.🙂0"
DTYPES = {
    "s": pl.String(),
    "t.u": pl.String(),
    "n": pl.Int32(),
    "m": pl.Int64(),
    "b": pl.Boolean(),
    "d": pl.Date(),
}
ROWS = st.fixed_dictionaries(
    {
        "s": st.none() | st.text(LETTERS + "\t\n", max_size=6),
        "t.u": st.none() | st.text(LETTERS, max_size=3) | st.integers(-12, 12).map(str),
        "n": st.none() | st.integers(-5, 5),
        "m": st.none() | st.integers(-(2**63), 2**63 - 1),
        "b": st.none() | st.booleans(),
        "d": st.none() | st.dates(),
    }
)


@dataclass(frozen=True)
class Said:
    """An expression: its text, and its value for a row."""

    text: str
    of: Callable[[Row], Any]


def strict(function: Callable[..., Any]) -> Callable[..., Any]:
    """As SQL's functions are: NULL of NULL."""
    return lambda *given: None if any(one is None for one in given) else function(*given)


def applied(text: str, function: Callable[..., Any], *of: Said) -> Said:
    return Said(text.format(*(one.text for one in of)), lambda row: function(*(one.of(row) for one in of)))


def literal(value: object) -> Said:
    if value is None or isinstance(value, bool):
        return Said({None: "NULL", True: "TRUE", False: "FALSE"}[value], lambda _: value)
    if isinstance(value, date):
        return Said(f"DATE '{value.isoformat()}'", lambda _: value)
    return Said(str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'", lambda _: value)


def field(name: str) -> Said:
    return Said(name, lambda row: row[name])


def both(left: Any, right: Any) -> Any:
    return False if left is False or right is False else None if left is None or right is None else True


def either(left: Any, right: Any) -> Any:
    return True if left is True or right is True else None if left is None or right is None else False


def like(text: str, pattern: str) -> bool:
    """Letter by letter, with the two wildcards."""
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(like(text[start:], pattern[1:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in {"_", text[0]} and like(text[1:], pattern[1:])


def whole(text: str) -> int | None:
    """As CAST reads a number of 64 bits."""
    found = int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else None
    return found if found is not None and -(2**63) <= found < 2**63 else None


def within(value: Any, members: list[Any]) -> Any:
    return None if value is None else value in members


def german(day: date) -> str:
    return f"{day.day:02}.{day.month:02}.{day.year:04} {day.timetuple().tm_yday:03}"


def texts(depth: int) -> st.SearchStrategy[Said]:
    plain = st.sampled_from([field("s"), field("t.u")]) | st.text(LETTERS, max_size=4).map(literal)
    if not depth:
        return plain
    some, count, width = texts(depth - 1), st.integers(0, 5), st.integers(1, 5)
    more = [
        some.map(lambda one: applied("lower({})", strict(str.lower), one)),
        some.map(lambda one: applied("UPPER({})", strict(str.upper), one)),
        some.map(lambda one: applied("trim({})", strict(str.strip), one)),
        st.tuples(some, count).map(lambda it: applied(f"left({{}}, {it[1]})", strict(lambda s: s[: it[1]]), it[0])),
        st.tuples(some, count).map(
            lambda it: applied(f"right({{}}, {it[1]})", strict(lambda s: s[max(len(s) - it[1], 0) :]), it[0])
        ),
        st.tuples(some, width, count).map(
            lambda it: applied(f"substr({{}}, {it[1]}, {it[2]})", strict(lambda s: s[it[1] - 1 :][: it[2]]), it[0])
        ),
        st.tuples(some, width).map(
            lambda it: applied(f"lpad({{}}, {it[1]}, 'é')", strict(lambda s: s.rjust(it[1], "é")[: it[1]]), it[0])
        ),
        some.map(lambda one: applied("replace({}, 'a.', 'é')", strict(lambda s: s.replace("a.", "é")), one)),
        st.tuples(some, some, some).map(lambda it: applied("{} || {} || {}", strict(lambda *s: "".join(s)), *it)),
        numbers(depth - 1).map(lambda one: applied("CAST({} AS VARCHAR)", strict(str), one)),
        days(depth - 1).map(lambda one: applied("strftime({}, '%d.%m.%Y %j')", strict(german), one)),
        numbers(depth - 1).map(lambda one: applied("strftime(from_epoch({}, 's'), '%d %T')", strict(since_epoch), one)),
        choices(some, depth),
    ]
    return plain | st.one_of(more).map(bracketed)


def numbers(depth: int) -> st.SearchStrategy[Said]:
    plain = st.sampled_from([field("n"), field("m")]) | st.integers(-5, 5).map(literal)
    if not depth:
        return plain
    more = [
        texts(depth - 1).map(lambda one: applied("length({})", strict(len), one)),
        texts(depth - 1).map(lambda one: applied("CAST({} AS BIGINT)", strict(whole), one)),
        choices(numbers(depth - 1), depth),
    ]
    return plain | st.one_of(more).map(bracketed)


def since_epoch(seconds: int) -> str | None:
    """As text, where the years have four digits."""
    if not -62_135_596_800 <= seconds < 253_402_300_800:
        return None
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).strftime("%d %H:%M:%S")


def days(depth: int) -> st.SearchStrategy[Said]:
    plain = st.just(field("d")) | st.dates().map(literal)
    return plain | choices(days(depth - 1), depth) if depth else plain


def choices(some: st.SearchStrategy[Said], depth: int) -> st.SearchStrategy[Said]:
    """What is of any kind: CASE, coalesce, nullif."""
    same = strict(lambda left, right: left == right)
    return st.one_of(
        st.tuples(some, some).map(lambda it: applied("coalesce({}, {})", lambda a, b: b if a is None else a, *it)),
        st.tuples(some, some).map(lambda it: applied("nullif({}, {})", lambda a, b: None if same(a, b) else a, *it)),
        st.tuples(truths(depth - 1), some, some).map(
            lambda it: applied("CASE WHEN {} THEN {} ELSE {} END", lambda c, a, b: a if c else b, *it)
        ),
        st.tuples(some, some, some).map(
            lambda it: applied("CASE {} WHEN {} THEN {} END", lambda a, b, c: c if same(a, b) else None, *it)
        ),
    )


def truths(depth: int) -> st.SearchStrategy[Said]:
    plain = st.just(field("b")) | st.sampled_from([literal(value) for value in (True, False, None)])
    if not depth:
        return plain
    some, text, kinds = truths(depth - 1), texts(depth - 1), [texts, numbers, days]
    pairs = st.sampled_from(kinds).flatmap(lambda kind: st.tuples(kind(depth - 1), kind(depth - 1)))
    triples = st.sampled_from(kinds).flatmap(lambda kind: st.tuples(*[kind(depth - 1)] * 3))
    members = st.lists(st.text(LETTERS, max_size=2), min_size=1, max_size=3)
    more = [
        pairs.map(lambda it: applied("{} = {}", strict(lambda a, b: a == b), *it)),
        pairs.map(lambda it: applied("{} <> {}", strict(lambda a, b: a != b), *it)),
        pairs.map(lambda it: applied("{} < {}", strict(lambda a, b: a < b), *it)),
        pairs.map(lambda it: applied("{} >= {}", strict(lambda a, b: a >= b), *it)),
        triples.map(
            lambda it: applied(
                "{} BETWEEN {} AND {}",
                lambda a, b, c: both(strict(lambda x, y: x >= y)(a, b), strict(lambda x, y: x <= y)(a, c)),
                *it,
            )
        ),
        st.one_of(text, numbers(depth - 1), some).map(lambda one: applied("{} IS NULL", lambda a: a is None, one)),
        st.tuples(text, members).map(
            lambda it: applied(
                f"{{}} IN ({', '.join(literal(one).text for one in it[1])})", lambda a: within(a, it[1]), it[0]
            )
        ),
        st.tuples(text, st.text(LETTERS, max_size=4)).map(
            lambda it: applied(f"{{}} LIKE {literal(it[1]).text}", strict(lambda a: like(a, it[1])), it[0])
        ),
        some.map(lambda one: applied("NOT {}", strict(lambda a: not a), one)),
        st.tuples(some, some).map(lambda it: applied("{} AND {}", both, *it)),
        st.tuples(some, some).map(lambda it: applied("{} OR {}", either, *it)),
    ]
    return plain | st.one_of(more).map(bracketed)


def bracketed(said: Said) -> Said:
    return Said(f"({said.text})", said.of)


FEW = settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.too_slow])


@FEW
@given(st.one_of(texts(3), numbers(3), days(2), truths(3)), st.lists(ROWS, min_size=1, max_size=5))
def test_columns_are_what_each_row_is(said: Said, rows: list[Row]) -> None:
    """Whatever is combined, each cell is the value of its own row, and the type does not depend on the rows."""
    frame = pl.DataFrame(rows, schema=DTYPES)
    built = Expression.parse(said.text).column(frame.schema)
    found = frame.with_columns(built.column.alias("#it"))["#it"]
    assert found.to_list() == [said.of(row) for row in rows]
    assert found.dtype == built.dtype


@FEW
@given(st.one_of(texts(3), numbers(3), days(2), truths(3)), ROWS)
def test_columns_of_one_value_are_what_their_row_is(said: Said, row: Row) -> None:
    """Polars keeps such columns as that value, which must not change what comes out, nor how often."""
    alike = pl.DataFrame({"#row": [0, 1, 2]}).with_columns(
        pl.lit(row[name], dtype=dtype).alias(name) for name, dtype in DTYPES.items()
    )
    found = alike.with_columns(Expression.parse(said.text).column(alike.schema).column.alias("#it"))["#it"]
    assert found.to_list() == [said.of(row)] * 3


@FEW
@given(truths(3), st.lists(ROWS, min_size=1, max_size=5))
def test_a_condition_keeps_the_rows_that_it_is_true_of(said: Said, rows: list[Row]) -> None:
    """Neither those of which it is false nor those of which it is not known."""
    frame = pl.DataFrame(rows, schema=DTYPES).with_row_index()
    kept = frame.filter(Expression.parse(said.text).condition(frame.schema))
    assert kept["index"].to_list() == [index for index, row in enumerate(rows) if said.of(row) is True]


@FEW
@given(
    st.lists(st.sampled_from([*"ab'\".,()=<>|-% 10_", " OR ", " NOT ", " IN ", "lower(", "CASE ", " END"])).map("".join)
)
def test_any_text_is_an_expression_or_told_what_is_wrong(text: str) -> None:
    """No text, however broken, brings out anything but one line."""
    told = ""
    try:
        Expression.parse(text)
    except ExpressionError as error:
        told = str(error)
    assert not told or told.isprintable()
