"""Expressions: what is understood, what each part gives, and what is told of those that are wrong."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from connector.profiles.expressions.expression import Expression
from connector.profiles.expressions.functions import TABLE
from connector.profiles.expressions.tree import MAX_CHARS, MAX_DEPTH, MAX_SIZE, ExpressionError
from connector.profiles.text import text

ROWS = pl.DataFrame(
    {
        "tier": ["gold", None, " Basic"],
        "address.city": ["Graz", "São Paulo", None],
        "case": ["a", "b", "c"],
        "points": [1, 2, None],
        "score": [0.125, None, float("nan")],
        "amount": [Decimal("19.90"), Decimal("-0.05"), None],
        "consent": [True, False, None],
        "born": [date(1980, 2, 29), None, date(2001, 12, 1)],
        "seen": [datetime(2024, 1, 31, 23, 30, tzinfo=UTC), None, datetime(2024, 7, 1, 12, 0, 0, 250_000, tzinfo=UTC)],
        "opened": [datetime(2024, 1, 31, 8, 5, tzinfo=UTC), None, None],
        "at": [time(7, 45), None, None],
        "tags": [["x", "y"], [], None],
        "photo": [b"x", None, b""],
        "mixed": [{"?string": "7", "?long": None}, {"?string": None, "?long": 7}, None],
        "address": [{"city": "Graz"}] * 3,
        "nested": [[[1]], None, []],
        "huge": [Decimal(10**37), Decimal(-1), None],
    },
    schema_overrides={
        "opened": pl.Datetime("us"),
        "mixed": pl.Struct({"?string": pl.String, "?long": pl.Int64}),
        "amount": pl.Decimal(10, 2),
        "points": pl.Int32,
        "huge": pl.Decimal(38, 0),
    },
)


def values(expression: str, rows: pl.DataFrame = ROWS) -> list[str | None]:
    """The texts that an expression gives for each row; its type is the one that was promised."""
    built = Expression.parse(expression).column(rows.schema)
    held = rows.with_columns(built.column.alias("it"))["it"]
    assert held.dtype == built.dtype
    texts: list[str | None] = held.to_frame().select(text(pl.col("it"), held.dtype)).to_series().to_list()
    return texts


def refusal(expression: str) -> str:
    with pytest.raises(ExpressionError) as error:
        Expression.parse(expression).column(ROWS.schema)
    return str(error.value)


EXAMPLES = [(example, gives) for function in TABLE.values() for example, gives in function.examples.items()]


@pytest.mark.parametrize(("example", "gives"), EXAMPLES, ids=[example for example, _ in EXAMPLES])
def test_a_function_gives_what_its_example_says(example: str, gives: str | None) -> None:
    """The examples in the docs are what comes out, in each row and where there is none."""
    assert values(example) == [gives] * ROWS.height
    assert values(example, ROWS.clear()) == []


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # Fields and literals.
        ("tier", ["gold", None, " Basic"]),
        ("address.city", ["Graz", "São Paulo", None]),
        ('"address.city"', ["Graz", "São Paulo", None]),
        ('"address"."city"', ["Graz", "São Paulo", None]),
        ('"case"', ["a", "b", "c"]),
        ("'it''s'", ["it's"] * 3),
        ("-12", ["-12"] * 3),
        ("1.50", ["1.50"] * 3),
        ("TRUE", ["true"] * 3),
        ("NULL", [None] * 3),
        ("DATE '2024-02-29'", ["2024-02-29"] * 3),
        ("TIMESTAMP '2024-01-31T13:00:00+01:00'", ["2024-01-31T12:00:00.000000Z"] * 3),
        ("TIMESTAMP '2024-01-31 13:00:00'", ["2024-01-31T13:00:00.000000"] * 3),
        ("mixed", ["7", "7", None]),
        ("tags", ['["x","y"]', "[]", None]),
        # Comparisons: of texts, and of numbers, dates and times whatever their types.
        ("tier = 'gold'", ["true", None, "false"]),
        ("tier <> 'gold'", ["false", None, "true"]),
        ("tier != 'gold'", ["false", None, "true"]),
        ("address.city < 'H'", ["true", "false", None]),
        ("points >= 1.5", ["false", "true", None]),
        ("points = amount", ["false", "false", None]),
        ("amount > 19.899", ["true", "false", None]),
        ("amount = 19.9", ["true", "false", None]),
        ("huge > 1.5", ["true", "false", None]),
        ("huge > points", ["true", "false", None]),
        ("round(amount, 2) = 19.9", ["true", "false", None]),
        ("coalesce(round(amount, 2), 0)", ["19.90", "-0.05", "0.00"]),
        ("0.05 > amount", ["false", "true", None]),
        ("score <= amount", ["true", None, None]),
        ("score > 0", ["true", None, "true"]),
        ("born < DATE '2000-01-01'", ["true", None, "false"]),
        ("seen > TIMESTAMP '2024-02-01T00:00:00+01:00'", ["true", None, "true"]),
        ("opened = TIMESTAMP '2024-01-31 08:05:00'", ["true", None, None]),
        ("consent = FALSE", ["false", "true", None]),
        ("mixed = '7'", ["true", "true", None]),
        ("tier = NULL", [None] * 3),
        ("NULL = NULL", [None] * 3),
        # Tests.
        ("tier IS NULL", ["false", "true", "false"]),
        ("photo IS NOT NULL", ["true", "false", "true"]),
        ("tags IS NULL", ["false", "false", "true"]),
        ("mixed IS NULL", ["false", "false", "true"]),
        ("tier IN ('gold', 'silver')", ["true", None, "false"]),
        ("points NOT IN (2, 3.5)", ["true", "false", None]),
        ("born IN (DATE '1980-02-29')", ["true", None, "false"]),
        ("NULL IN ('a')", [None] * 3),
        ("points BETWEEN 2 AND 3", ["false", "true", None]),
        ("points NOT BETWEEN 2 AND 3", ["true", "false", None]),
        ("address.city LIKE 'S_o%'", ["false", "true", None]),
        ("tier NOT LIKE '%old'", ["false", None, "true"]),
        ("tier LIKE 'ol'", ["false", None, "false"]),
        ("tier LIKE 'gol'", ["false", None, "false"]),
        ("tier LIKE 'g.ld'", ["false", None, "false"]),
        # Logic has three values.
        ("consent AND FALSE", ["false", "false", "false"]),
        ("consent AND TRUE", ["true", "false", None]),
        ("consent OR TRUE", ["true", "true", "true"]),
        ("consent OR FALSE", ["true", "false", None]),
        ("NOT consent", ["false", "true", None]),
        ("NULL OR consent", ["true", None, None]),
        ("tier = 'gold' OR points = 2 AND consent", ["true", None, None]),
        ("(tier = 'gold' OR points = 2) AND consent", ["true", "false", None]),
        ("NOT tier IS NULL", ["true", "false", "true"]),
        # Texts.
        ("tier || '-' || address.city", ["gold-Graz", None, None]),
        ("sha256(NULL)", [None] * 3),
        ("substr(tier, 2, 100)", ["old", None, "Basic"]),
        ("right(tier, 0)", ["", None, ""]),
        ("replace(tier, '.', '!')", ["gold", None, " Basic"]),
        ("length(mixed)", ["1", "1", None]),
        # Cases.
        ("CASE WHEN consent THEN 'y' WHEN points = 2 THEN 'n' END", ["y", "n", None]),
        ("CASE tier WHEN 'gold' THEN 1 ELSE 2.5 END", ["1.0", "2.5", "2.5"]),
        ("CASE WHEN NULL THEN 'y' ELSE 'n' END", ["n"] * 3),
        ("coalesce(tier, address.city, 'none')", ["gold", "São Paulo", " Basic"]),
        ("coalesce(points, amount)", ["1.00", "2.00", None]),
        ("nullif(tier, 'gold')", [None, None, " Basic"]),
        # Dates and times.
        ("strftime(born, '%-d.%-m.%y %%')", ["29.2.80 %", None, "1.12.01 %"]),
        ("strftime(seen, '%F %T%.3f')", ["2024-01-31 23:30:00.000", None, "2024-07-01 12:00:00.250"]),
        ("strftime(seen AT TIME ZONE 'Europe/Vienna', '%d.%m. %R')", ["01.02. 00:30", None, "01.07. 14:00"]),
        ("strftime(at, '%H.%M')", ["07.45", None, None]),
        ("strftime(NULL, '%H')", [None] * 3),
        ("CAST(seen AT TIME ZONE 'Europe/Vienna' AS DATE)", ["2024-02-01", None, "2024-07-01"]),
        ("array_to_string(tags, ';')", ["x;y", "", None]),
        ("array_to_string(NULL, ';')", [None] * 3),
        ("from_epoch(points, 's')", ["1970-01-01T00:00:01.000Z", "1970-01-01T00:00:02.000Z", None]),
        ("from_epoch(amount, 'ms')", ["1970-01-01T00:00:00.019Z", "1970-01-01T00:00:00.000Z", None]),
        ("from_epoch(score, 'us')", ["1970-01-01T00:00:00.000000Z", None, None]),
        ("from_epoch(-62135596800, 's')", ["0001-01-01T00:00:00.000Z"] * 3),
        ("from_epoch(-62135596801, 's')", [None] * 3),
        ("from_epoch(253402300799999, 'ms')", ["9999-12-31T23:59:59.999Z"] * 3),
        ("from_epoch(253402300800000, 'ms')", [None] * 3),
        ("from_epoch(NULL, 's')", [None] * 3),
        # Numbers.
        ("round(score, 2)", ["0.13", None, None]),
        ("round(amount, 1)", ["19.9", "-0.1", None]),
        ("round(points, 2)", ["1.00", "2.00", None]),
        # A field that the schema lacks.
        ("later", [None] * 3),
        ("later IS NULL AND lower(later) IS NULL", ["true"] * 3),
        ("coalesce(later, tier)", ["gold", None, " Basic"]),
        ("later > 5 OR later LIKE 'x'", [None] * 3),
    ],
)  # fmt: skip
def test_an_expression_gives_what_sql_would(expression: str, expected: list[str | None]) -> None:
    """Row by row, NULL for what is not known; keywords and functions in any case."""
    assert values(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("'a' = coalesce(tier, 'a')", "true"),
        ("nullif('a', CASE WHEN consent THEN tier ELSE 'a' END)", None),
        ("lower('A') || coalesce(tier, 'b')", "ab"),
        ("strftime(nullif(DATE '2024-01-31', CASE WHEN consent THEN born ELSE DATE '2024-02-01' END), '%j')", "031"),
        ("sha256('a') = sha256(coalesce(tier, 'a'))", "true"),
        ("CAST(TIMESTAMP '2024-01-31T00:00:00Z' AS VARCHAR) || '!'", "2024-01-31T00:00:00.000000Z!"),
        ("CAST(coalesce(seen, TIMESTAMP '2024-01-31T00:00:00Z') AS VARCHAR)", "2024-01-31T00:00:00.000000Z"),
    ],
)  # fmt: skip
def test_what_is_the_same_in_all_rows_is_in_all_rows(expression: str, expected: str | None) -> None:
    """Of a chunk without a value in some field, too; Polars makes one row of some of these."""
    nothing = ROWS.with_columns(pl.lit(None).cast(dtype).alias(name) for name, dtype in ROWS.schema.items())
    apart = pl.DataFrame({name: [None] * 3 for name in ROWS.columns}, schema=ROWS.schema)
    for rows in (nothing, apart):
        assert values(expression, rows) == [expected] * 3
        kept = rows.filter(Expression.parse(f"({expression}) IS NOT NULL").condition(rows.schema))
        assert kept.height == (0 if expected is None else 3)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([["a", None, "b"], [None], []], ["a;b", "", ""]),
        ([[1, 2], [-3], None], ["1;2", "-3", None]),
        ([[datetime(2024, 1, 31, tzinfo=UTC)]], ["2024-01-31T00:00:00.000000Z"]),
    ],
)
def test_a_list_is_joined_as_its_entries_are_sent(given: list[Any], expected: list[str | None]) -> None:
    """Each in the text of its type, those that are null left out."""
    assert values("array_to_string(it, ';')", pl.DataFrame({"it": given})) == expected


def test_keywords_and_functions_are_of_any_case_but_paths_are_not() -> None:
    """As in SQL, but Avro's names are what they are."""
    assert values("Case When TIER is Null Then Upper(tier) else 'x' end") == ["GOLD", None, " BASIC"]


@pytest.mark.parametrize(
    ("expression", "given", "expected"),
    [
        ("CAST(it AS BIGINT)", ["12", "-3", "12.5", "", "x", "9" * 19, None], ["12", "-3", *[None] * 5]),
        ("CAST(it AS INTEGER)", [1.9, -1.9, float("nan"), 1e300], ["1", "-1", None, None]),
        ("CAST(it AS DOUBLE)", ["12.5", "1e3", "x"], ["12.5", "1000.0", None]),
        ("CAST(it AS BOOLEAN)", ["true", " F", "1", "yes", ""], ["true", "false", "true", None, None]),
        ("CAST(it AS BOOL)", [1, 0, None], ["true", "false", None]),
        ("CAST(it AS DATE)", ["2024-02-29", "2023-02-29", "31.1.2024", "+12024-01-01"], ["2024-02-29", *[None] * 3]),
        ("CAST(it AS VARCHAR)", [1.5, None], ["1.5", None]),
        ("CAST(it AS TEXT)", [[1, None]], ["[1,null]"]),
        ("CAST(it AS STRING) || 'Z'", [time(7, 45)], ["07:45:00.000000Z"]),
    ],
)  # fmt: skip
def test_a_cast_gives_null_where_there_is_no_counterpart(
    expression: str, given: list[Any], expected: list[str | None]
) -> None:
    """One strange value costs its own cell, not the service."""
    assert values(expression, pl.DataFrame({"it": given})) == expected


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        pytest.param("", "is empty; write an expression", id="nothing"),
        pytest.param("tier tier", "character 6: `tier` stands where the end, or an operator should be", id="two"),
        pytest.param("tier =", "character 7: it ends where a field, a value", id="a missing side"),
        pytest.param("'abc", "character 1: a text without its closing `'`", id="an open text"),
        pytest.param('"abc', 'character 1: a name without its closing `"`', id="an open name"),
        pytest.param("'a\nb'", "character 1: a text or name must be one line", id="a text of two lines"),
        pytest.param("points + 1", "character 8: `+` is not understood: there is no arithmetic", id="arithmetic"),
        pytest.param("tier; x", "character 5: `;` is not understood", id="another sign"),
        pytest.param("tier\x00", r"character 5: `\x00` is not understood", id="a control character"),
        pytest.param("lower(tier", "character 11: it ends where `)` of the list should be", id="an open list"),
        pytest.param("(tier", "`)` of the parenthesis", id="an open parenthesis"),
        pytest.param("tier IN 'a'", "`(` of IN (…) should be", id="IN without a list"),
        pytest.param("tier IN (points)", "character 10: IN takes texts, numbers and dates", id="IN of fields"),
        pytest.param("tier NOT 'a'", "IN, LIKE or BETWEEN after NOT", id="NOT of nothing"),
        pytest.param("tier LIKE tier", "a text in single quotes after LIKE", id="LIKE of a field"),
        pytest.param("points BETWEEN 1 OR 2", "`AND` of BETWEEN … AND …", id="BETWEEN without AND"),
        pytest.param("tier IS 5", "`NULL` of IS NULL", id="IS of something"),
        pytest.param("CASE tier END", "WHEN of CASE", id="CASE without WHEN"),
        pytest.param("CASE WHEN consent END", "`THEN` of CASE", id="CASE without THEN"),
        pytest.param("CASE WHEN consent THEN 1", "`END` of CASE", id="CASE without END"),
        pytest.param("end", "a field of that name goes in double quotes", id="a keyword as a field"),
        pytest.param("a.", "a field's name after the dot", id="half a path"),
        pytest.param("-tier", "the digits of a number", id="a sign before a field"),
        pytest.param("1234567890123456789", "more than 18 digits", id="a long number"),
        pytest.param("DATE '2024-02-30'", "is not a date; write it as in DATE '2024-01-31'", id="no date"),
        pytest.param("TIMESTAMP '0001-01-01T00:00:00+01:00'", "is not a timestamp", id="a timestamp before all time"),
        pytest.param("TIMESTAMP 'x'", "is not a timestamp; write it as in TIMESTAMP", id="no timestamp"),
        pytest.param("CAST(tier AS BLOB)", "there are VARCHAR, BIGINT, DOUBLE, BOOLEAN, DATE", id="an unknown type"),
        pytest.param("CAST(tier, DATE)", "`AS` of CAST(… AS …)", id="CAST without AS"),
        pytest.param("lowr(tier)", "there is no function lowr; did you mean lower?", id="a misspelt function"),
        pytest.param("read_csv('x')", "no function read_csv; there are array_to_string", id="an unknown function"),
        pytest.param("concat(tier, tier)", "write a || b", id="another database's function"),
        pytest.param("NVL(tier, 'x')", "no function nvl; write coalesce(value, default)", id="Oracle's function"),
        pytest.param("CAST(points AS DECIMAL(9, 2))", "is no type of CAST; write round(number", id="a decimal"),
        pytest.param("lower()", "lower takes lower(text)", id="no argument"),
        pytest.param("left(tier)", "left takes left(text, count)", id="an argument too few"),
        pytest.param("trim(tier, tier)", "trim takes trim(text)", id="an argument too many"),
        pytest.param("left(tier, points)", "must be a whole number from 0 to 10000", id="a field for a literal"),
        pytest.param("lpad(tier, 101, ' ')", "must be a whole number from 1 to 100", id="a literal out of range"),
        pytest.param("lpad(tier, 5, 'ab')", "must be one character", id="a literal of another form"),
        pytest.param("replace(tier, '', '')", "must not be empty", id="nothing to replace"),
        pytest.param("replace(tier, 'a', 'bb')", "no more characters than it takes out", id="a growing text"),
        pytest.param("from_epoch(points, 'h')", "must be one of 's', 'ms', 'us'", id="an unknown unit"),
        pytest.param("from_epoch(tier, 's')", "where from_epoch needs a number; write CAST(tier AS", id="text of time"),
        pytest.param("array_to_string(tags, ' and ')", "must have at most 3 characters", id="a long separator"),
        pytest.param("array_to_string(tier, ';')", "`tier` is text, where array_to_string needs a list", id="no list"),
        pytest.param("array_to_string(nested, ';')", "is a list of lists, maps, records", id="a list of lists"),
        pytest.param("strftime(born, '%Q')", "has `%Q`, which is no code", id="an unknown code"),
        pytest.param("strftime(born, '%9999d')", "which is no code", id="a width"),
        pytest.param("strftime(born, '%')", "has `%`, which is no code", id="half a code"),
        pytest.param("strftime(born, tier)", "must be a text in single quotes", id="a format of a field"),
        pytest.param("strftime(born, '" + "x" * 101 + "')", "at most 100 characters", id="a long format"),
        pytest.param("seen AT TIME ZONE 'Mars'", "is not a time zone; write one such as", id="an unknown zone"),
        pytest.param("tier LIKE '" + "x" * 201 + "'", "a pattern of more than 200", id="a long pattern"),
        pytest.param("x" * (MAX_CHARS + 1), f"has more than {MAX_CHARS} characters", id="a long expression"),
        pytest.param("(" * (MAX_DEPTH + 1), f"has more than {MAX_DEPTH} levels", id="a deep one"),
        pytest.param("nullif(" * 9 + "tier" + ", 'x')" * 9, f"has more than {MAX_SIZE} parts", id="a multiple"),
        # Types.
        pytest.param("points > '5'", "`'5'` is text, and `points` is a number, which `>` cannot bring together; write "
                     "the number without quotes", id="a number in quotes"),
        pytest.param("tier < 5", "character 1: `tier` is text, and `5` is a number, which `<` cannot bring together; "
                     "write CAST(tier AS BIGINT)", id="a text as a number"),
        pytest.param("born > '2024-01-31'", "write DATE '2024-01-31'", id="a date in quotes"),
        pytest.param("tier = born", "write CAST(tier AS DATE)", id="a text as a date"),
        pytest.param("seen > opened", "write seen AT TIME ZONE 'Europe/Vienna'", id="with and without zone"),
        pytest.param("seen > TIMESTAMP '2024-01-31 00:00:00'", "write TIMESTAMP '2024-01-31T12:00:00Z'", id="no zone"),
        pytest.param("seen = born", "write CAST(seen AS DATE)", id="a timestamp as a date"),
        pytest.param("consent = 'true'", "write TRUE or FALSE without quotes", id="a truth in quotes"),
        pytest.param("consent < TRUE", "cannot order; write `=`, or the condition itself", id="an order of truths"),
        pytest.param("at = 5", "compare and join like with like", id="no way out"),
        pytest.param("tags = 'x'", "`tags` is a list or map, which `=` cannot take; write CAST(tags", id="a list"),
        pytest.param("photo = 'x'", "`photo` is of a type that has no text, which `=` cannot take", id="bytes"),
        pytest.param("points AND consent", "where AND needs true or false; write CAST(points AS", id="no truth"),
        pytest.param("tier || points", "where `||` needs text; write CAST(points AS VARCHAR)", id="a joined number"),
        pytest.param("lower(points)", "where lower needs text; write CAST(points AS VARCHAR)", id="a number for text"),
        pytest.param("round(tier, 1)", "where round needs a number; write CAST(tier AS", id="text for a number"),
        pytest.param("CASE WHEN tier THEN 1 END", "where WHEN needs true or false", id="a condition of text"),
        pytest.param("CASE WHEN consent THEN tier ELSE 5 END", "CASE cannot bring together", id="a mixed CASE"),
        pytest.param("coalesce(tier, points)", "coalesce cannot bring together", id="a mixed default"),
        pytest.param("strftime(born, '%H')", "`born` is a date, which has nothing for `%H`", id="no time of a date"),
        pytest.param("strftime(at, '%Y')", "`at` is a time of day, which has nothing for `%Y`", id="no year of a time"),
        pytest.param("strftime(tier, '%Y')", "where strftime needs a date or", id="no date at all"),
        pytest.param("born AT TIME ZONE 'UTC'", "where AT TIME ZONE needs a timestamp", id="no zone of a date"),
        pytest.param("CAST(consent AS DATE)", "is true or false, which is never a DATE", id="a truth as a date"),
        pytest.param("CAST(photo AS VARCHAR)", "which is never a VARCHAR; leave it out", id="bytes as text"),
        pytest.param("photo", "`photo` holds bytes", id="bytes to send"),
        pytest.param("address", "`address` is a record, which has no text form of its own", id="a record"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place_and_a_remedy(expression: str, told: str) -> None:
    """One line that names the part at fault, on one line itself."""
    line = refusal(expression)
    assert told in line
    assert len(line) < 250
    assert line.isprintable()


@pytest.mark.parametrize(
    ("expression", "told"),
    [("tier", "`tier` is text, which is no condition"), ("'x'", "which is no condition"), ("points", "which is no")],
)
def test_a_condition_is_true_or_false(expression: str, told: str) -> None:
    """A value by itself says nothing about which records count."""
    with pytest.raises(ExpressionError, match=told):
        Expression.parse(expression).condition(ROWS.schema)


def test_a_condition_may_be_a_field_or_null() -> None:
    """A field that is true or false, or one that the schema does not have, needs no comparison."""
    for expression, kept in (("consent", 1), ("later", 0), ("TRUE", 3)):
        assert ROWS.filter(Expression.parse(expression).condition(ROWS.schema)).height == kept


def test_the_paths_of_an_expression_are_what_it_reads() -> None:
    """Each once, in the order of the text, those within CASE and BETWEEN too."""
    text_of_it = "CASE a.b WHEN c THEN d ELSE lower(a.b) END || e || CAST(f BETWEEN 1 AND g AS VARCHAR)"
    assert Expression.parse(text_of_it).paths == ("a.b", "c", "d", "e", "f", "g")
    assert Expression.parse("'crm'").paths == ()


@pytest.mark.parametrize(
    "expression",
    [
        " OR ".join(["points = 1"] * 120),
        "||".join(["'a'"] * 250),
        "CASE " + " ".join(f"WHEN points = {n} THEN {n}" for n in range(80)) + " END",
        "tier IN (" + ",".join(f"'{n}'" for n in range(250)) + ")",
        "(" * (MAX_DEPTH - 1) + "tier" + ")" * (MAX_DEPTH - 1),
        "lower(" * (MAX_DEPTH - 1) + "tier" + ")" * (MAX_DEPTH - 1),
    ],
    ids=lambda expression: expression[:20],
)
def test_the_largest_expressions_still_work(expression: str) -> None:
    """What the limits let through neither overflows a stack nor takes long."""
    assert len(values(expression)) == ROWS.height
