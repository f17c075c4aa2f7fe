"""Placeholders of values that did not change, in the form of each type."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from connector.avro.shapes.placeholders import UNAVAILABLE, without
from connector.records import ASSIGNMENT, DELETED, OFFSET, ROW, absent

TEXTS, MAP = pl.List(pl.String), pl.List(pl.Struct({"key": pl.String, "value": pl.String}))
FILLED = {"key": UNAVAILABLE, "value": UNAVAILABLE}
BYTES = list(UNAVAILABLE.encode())


def rows(dtype: Any, *values: Any) -> pl.DataFrame:
    height = len(values)
    positions = {ROW: range(height), ASSIGNMENT: [1] * height, OFFSET: range(height), DELETED: [False] * height}
    return pl.DataFrame(positions | {"id": [UNAVAILABLE] * height}).with_columns(pl.Series("held", values, dtype))


@pytest.mark.parametrize(
    ("dtype", "placeholder", "other"),
    [
        pytest.param(pl.String, UNAVAILABLE, "text", id="text"),
        pytest.param(pl.String, f'{{"{UNAVAILABLE}":"{UNAVAILABLE}"}}', "{}", id="hstore as JSON"),
        pytest.param(TEXTS, [UNAVAILABLE], [UNAVAILABLE, "b"], id="list of text"),
        # What Java gives for UUID.nameUUIDFromBytes("__debezium_unavailable_value".getBytes()).
        pytest.param(
            TEXTS, ["b68a35a7-17ad-35b3-af2a-ae46edb4545a"], ["d0b7a5d5-0000-3000-8000-000000000000"], id="list of uuid"
        ),
        pytest.param(pl.List(pl.Int32), BYTES, [*BYTES[:-1], 0], id="list of int"),
        pytest.param(pl.List(pl.Int64), BYTES, BYTES[:-1], id="list of long"),
        pytest.param(MAP, [{"key": UNAVAILABLE, "value": UNAVAILABLE}], [{"key": "a", "value": UNAVAILABLE}], id="map"),
        pytest.param(MAP, [FILLED], [FILLED, {"key": "a", "value": "b"}], id="map beside one of two entries"),
    ],
)
def test_a_placeholder_is_absent_and_nothing_else_is(dtype: Any, placeholder: Any, other: Any) -> None:
    """It becomes a marked null; another value, null, and the id stay as they are."""
    given = rows(dtype, placeholder, other, None)
    clean = without(given, UNAVAILABLE, ["id"])
    assert clean[absent("held")].to_list() == [True, False, False]
    assert clean["held"].to_list() == [None, other, None]
    assert clean["id"].to_list() == [UNAVAILABLE] * 3
    assert without(given.tail(2), UNAVAILABLE, ["id"]).equals(given.tail(2))


@pytest.mark.parametrize(
    "dtype", [pl.Int64, pl.Boolean, pl.Date, pl.Binary, pl.List(pl.Float64), pl.Struct({"?a": pl.String})]
)
def test_other_types_hold_none(dtype: Any) -> None:
    """There is nothing to look for in them."""
    given = rows(dtype, None)
    assert without(given, UNAVAILABLE, ["id"]).equals(given)
