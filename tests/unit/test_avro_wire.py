from __future__ import annotations

import struct

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connector.avro.wire import DATUM, SCHEMA, Framing, split
from connector.records import ROW, VALUE


def _split(framing: Framing, *values: bytes) -> list[tuple[bytes | None, bytes]]:
    rows = pl.Series(ROW, range(len(values)), pl.UInt32)
    frame = split(pl.DataFrame([rows, pl.Series(VALUE, values, pl.Binary)]), framing)
    assert frame.schema == {ROW: pl.UInt32, SCHEMA: pl.Binary, DATUM: pl.Binary}
    assert frame[ROW].to_list() == list(range(len(values)))
    return list(zip(frame[SCHEMA].to_list(), frame[DATUM].to_list(), strict=True))


@given(st.integers(1, 2**32 - 1), st.binary())
@settings(max_examples=100)
def test_confluent_framing_gives_id_and_datum(schema_id: int, datum: bytes) -> None:
    """Every id of four bytes comes back with the bytes after it, an empty datum included."""
    key = struct.pack(">bI", 0, schema_id)
    assert _split(Framing.CONFLUENT, key + datum) == [(key, datum)]


@given(st.binary().filter(lambda value: len(value) < 5 or value[0] > 1 or (value[0] == 1 and len(value) < 17)))
@example(bytes(5))
@example(b"\x00\x00\x00\x01")
@settings(max_examples=100)
def test_everything_else_has_no_schema(value: bytes) -> None:
    """A value that is too short, begins with another byte than 0 or 1, or has the id 0, is framed otherwise."""
    assert [schema_id for schema_id, _ in _split(Framing.CONFLUENT, value)] == [None]


def test_plain_values_are_datums_as_they_are() -> None:
    """Without framing nothing is taken off, whatever the bytes look like."""
    values = (b"", b"\x00\x00\x00\x00\x05abc", b"x")
    assert _split(Framing.PLAIN, *values) == [(b"", value) for value in values]


def test_no_records_are_no_rows() -> None:
    """A frame without rows keeps its types."""
    assert _split(Framing.CONFLUENT) == []
    assert _split(Framing.PLAIN) == []
