"""Salesforce's bitmaps: the expressions against the plain reading of them."""

from __future__ import annotations

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.avro.lowering import parse
from connector.avro.shapes.bitmaps import Listed, Place, place

ADDRESS = {"type": "record", "name": "A", "fields": [{"name": f"p{n}", "type": "string"} for n in range(9)]}
SCHEMA = parse(
    json.dumps(
        {
            "type": "record",
            "name": "E",
            "fields": [{"name": f"f{n}", "type": ["null", ADDRESS if n == 5 else "int"]} for n in range(70)],
        }
    ),
    "schema 1",
)


def found(entries: list[str] | None, field: Place, *, bitmaps: bool = True) -> bool:
    lists = pl.Series([[], entries, ["0x0"]], dtype=pl.List(pl.String))
    before, found, after = Listed(lists, bitmaps=bitmaps).holds(field)
    assert not before
    assert not after
    return bool(found)


@given(st.sets(st.integers(0, 80)), st.sets(st.integers(0, 12)), st.booleans(), st.integers(0, 69), st.integers(0, 8))
def test_bits_are_fields_of_the_writer(outer: set[int], inner: set[int], upper: bool, number: int, part: int) -> None:  # noqa: FBT001
    """Bit i of `0x…` is field i, of `5-0x…` field i inside of field 5, whatever the number of digits and their case."""
    texts = [
        f"0x{sum(1 << bit for bit in outer):{'X' if upper else 'x'}}",
        f"5-0x{sum(1 << bit for bit in inner):x}",
        "4-0xFFFF",
    ]
    assert found(texts, place(f"f{number}", SCHEMA)) == (number in outer)
    assert found(texts, place(f"f5.p{part}", SCHEMA)) == (5 in outer or part in inner)


def test_the_bitmaps_of_a_real_event_are_read_as_salesforce_reads_them() -> None:
    """`0x650004E0` holds the bits 5, 6, 7, 10, 24, 26, 29 and 30."""
    bits = [number for number in range(40) if found(["0x650004E0", "1-0x06"], Place("x", number))]
    assert bits == [5, 6, 7, 10, 24, 26, 29, 30]
    assert [number for number in range(8) if found(["1-0x06"], Place("Name.x", 1, number))] == [1, 2]


@pytest.mark.parametrize(
    ("entries", "listed"),
    [
        pytest.param(["f5.p1"], True, id="its own name"),
        pytest.param(["f5"], True, id="the name of the compound field"),
        pytest.param(["f5.p2", "p1"], False, id="other names"),
        pytest.param([], False, id="nothing"),
        pytest.param(None, False, id="no list"),
    ],
)
def test_names_count_as_well(entries: list[str] | None, listed: bool) -> None:  # noqa: FBT001
    """The Streaming API lists fields by name."""
    assert found(entries, place("f5.p1", SCHEMA)) == listed
    assert found(entries, place("f5.p1", SCHEMA), bitmaps=False) == listed


def test_bitmaps_over_another_schema_are_not_read() -> None:
    """Confluent's source has a schema of its own, to which the bits do not belong."""
    assert not found(["0xFFFF", "5-0xFF"], place("f5.p1", SCHEMA), bitmaps=False)


def test_a_field_that_the_writer_lacks_is_in_no_bitmap() -> None:
    """It has no number."""
    assert not found(["0xFFFFFFFFFFFFFFFFFFFFFFFF"], place("other.part", SCHEMA))


@pytest.mark.parametrize(
    ("entry", "odd"),
    [
        ("0x06", False), ("12-0x06", False), ("Name.FirstName", False), ("0x", True), ("0xZ", True), ("7", True),
        ("1-06", True), ("", False), (None, True),
    ],
)  # fmt: skip
def test_what_is_neither_bitmap_nor_name_is_told(entry: str | None, odd: bool) -> None:  # noqa: FBT001
    """A list that cannot be read must not pass for one that lists nothing."""
    lists = pl.Series([None, ["0x01", entry], ["0x01"]], dtype=pl.List(pl.String))
    assert Listed(lists).broken().to_list() == [False, odd, False]
