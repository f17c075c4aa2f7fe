from __future__ import annotations

import datetime as dt
import json
import math
import re
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.profiles.text import text, unsupported

NOON = dt.datetime(2024, 1, 31, 12, 0, 0, 123_456, tzinfo=dt.UTC)
UNION = pl.Struct({"?string": pl.String(), "?long": pl.Int64()})
COUNTS = pl.List(pl.Struct({"key": pl.String(), "value": pl.Boolean()}))
ITEMS = pl.List(pl.Struct({"sku": pl.String(), "count": pl.Int32()}))


def texts(column: pl.Series) -> list[str | None]:
    found: list[str | None] = column.alias("x").to_frame().select(text(pl.col("x"), column.dtype)).to_series().to_list()
    return found


def as_series(values: list[Any], dtype: Any) -> list[str | None]:
    return texts(pl.Series(values, dtype=dtype))


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        pytest.param(
            [NOON], pl.Datetime("ms", "Asia/Tokyo"), "2024-01-31T12:00:00.123Z", id="another zone becomes UTC"
        ),
        pytest.param([dt.datetime(1, 1, 1)], pl.Datetime("us"), "0001-01-01T00:00:00.000000", id="the first year"),  # noqa: DTZ001 (a local time)
        pytest.param([dt.date(9999, 12, 31)], pl.Date(), "9999-12-31", id="the last day"),
        pytest.param([dt.time(0)], pl.Time(), "00:00:00.000000", id="midnight"),
        pytest.param([Decimal("-0.05")], pl.Decimal(38, 2), "-0.05", id="a small negative decimal"),
        pytest.param([-0.0], pl.Float64(), "-0.0", id="minus zero"),
        pytest.param([1e16], pl.Float64(), "1e+16", id="a large float"),
        pytest.param(["Å"], pl.Categorical(), "Å", id="a category"),
        pytest.param([[]], pl.List(pl.String), "[]", id="an empty array"),
        pytest.param([[]], COUNTS, "{}", id="an empty map"),
        pytest.param([[[1], None, []]], pl.List(pl.List(pl.Int32)), "[[1],null,[]]", id="arrays in an array"),
        pytest.param([[None, None]], pl.List(pl.Null), "[null,null]", id="an array of nothing but null"),
        pytest.param([[1.5, math.nan, math.inf]], pl.List(pl.Float64), "[1.5,null,null]", id="no NaN in JSON"),
        pytest.param([[Decimal("1.50")]], pl.List(pl.Decimal(9, 2)), "[1.50]", id="a decimal in JSON is a number"),
        pytest.param([[NOON]], pl.List(pl.Datetime("ms", "UTC")), '["2024-01-31T12:00:00.123Z"]', id="time in JSON"),
        pytest.param([[None, {"sku": None, "count": 1}]], ITEMS, '[null,{"sku":null,"count":1}]', id="null in records"),
        pytest.param([[{"?string": "a"}, {"?long": 5}, {}]], pl.List(UNION), '["a",5,null]', id="unions in an array"),
        pytest.param([{"?string": ""}], UNION, "", id="empty text in a union"),
        pytest.param([{}], UNION, None, id="a union that holds null"),
        pytest.param([None], pl.List(pl.Int32), None, id="a null array"),
    ],
)
def test_text_of_a_value(values: list[Any], dtype: pl.DataType, expected: str | None) -> None:
    """A value has the text that docs/types.md describes, at the edges too."""
    assert as_series(values, dtype) == [expected]


def test_a_record_in_a_union_is_json() -> None:
    """Where one branch of a union is a record, its text is a JSON object."""
    dtype = pl.Struct({"?string": pl.String(), "?Address": pl.Struct({"city": pl.String()})})
    assert as_series([{"?Address": {"city": "Graz"}}, {"?string": "x"}], dtype) == ['{"city":"Graz"}', "x"]


@pytest.mark.parametrize(
    ("dtype", "remedy"),
    [
        pytest.param(pl.Binary(), "let the producer send text", id="bytes"),
        pytest.param(pl.List(pl.Binary), "let the producer send text", id="bytes in an array"),
        pytest.param(pl.Struct({"?a": pl.Binary(), "?b": pl.String()}), "let the producer send text", id="in a union"),
        pytest.param(pl.Struct({"city": pl.String()}), "name one of its fields", id="a record"),
        pytest.param(pl.Struct([]), "name one of its fields", id="a record without fields"),
        pytest.param(pl.Duration("us"), "leave it out", id="a type that no Avro type becomes"),
    ],
)
def test_a_type_without_text_is_refused_with_the_remedy(dtype: pl.DataType, remedy: str) -> None:
    """Bytes and records have no text: the reason says what to do instead, and `text` will not guess."""
    assert remedy in (unsupported(dtype) or "")
    with pytest.raises(ValueError, match=re.escape(remedy)):
        text(pl.col("x"), dtype)


@settings(max_examples=60)
@given(st.lists(st.lists(st.none() | st.text()) | st.none(), min_size=1))
def test_json_reads_back_as_the_same_texts(values: list[list[str | None] | None]) -> None:
    """Whatever text an array holds, its JSON reads back as that array."""
    found = as_series(values, pl.List(pl.String))
    assert [None if one is None else json.loads(one) for one in found] == values


@settings(max_examples=60)
@given(st.dictionaries(st.text(), st.none() | st.floats(allow_nan=False, allow_infinity=False)))
def test_json_of_a_map_reads_back_in_its_order(value: dict[str, float | None]) -> None:
    """Whatever keys a map has, its JSON reads back as that map, in the same order."""
    entries = [{"key": key, "value": number} for key, number in value.items()]
    (found,) = as_series([entries], pl.List(pl.Struct({"key": pl.String(), "value": pl.Float64()})))
    assert list(json.loads(found or "").items()) == list(value.items())


@settings(max_examples=60)
@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_a_float_reads_back_as_the_same_number(values: list[float]) -> None:
    """The text of a double loses nothing."""
    assert [float(one or "") for one in as_series(values, pl.Float64())] == values


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_a_point_in_time_may_stand_for_all_rows(unit: Any) -> None:
    """One that is a literal or the first of its column becomes the text of each row."""
    rows = pl.DataFrame({"x": pl.Series([NOON, None], dtype=pl.Datetime(unit, "UTC"))})
    for one in (pl.lit(NOON, rows.schema["x"]), pl.col("x").first()):
        found = rows.select("x", text(one, rows.schema["x"]).alias("text"))["text"]
        assert found.to_list() == [f"2024-01-31T12:00:00.{'123456000'[: {'ms': 3, 'us': 6, 'ns': 9}[unit]]}Z"] * 2
