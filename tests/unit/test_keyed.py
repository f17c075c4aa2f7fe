"""Ids that stand in the records' keys."""

from __future__ import annotations

import io
import json
import struct
from typing import TYPE_CHECKING, Any

import fastavro
import polars as pl
import pytest

from connector.avro.decoder import Decoder
from connector.avro.keys import KeyedDecoder
from connector.avro.lowering import parse
from connector.avro.stores import Refused
from connector.avro.wire import Framing
from connector.errors import BlockedError
from connector.kafka.assignments import COLUMNS
from connector.kafka.headers import columns_of
from connector.records import Alongside, Reason
from tests.framings import CUSTOMERS, SCHEMA, golden, record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector.avro.schema import Schema

KEYS: dict[int, dict[str, Any]] = {
    7: {"type": "record", "name": "Key", "fields": [{"name": "number", "type": "string"}]},
    8: {"type": "record", "name": "Key", "fields": [{"name": "number", "type": "int"}]},
    9: {"type": "record", "name": "Key", "fields": [{"name": "other", "type": "string"}]},
}


class Shelf:
    """The customers' schema, and those of keys."""

    def __init__(self, newest: dict[str, Any] | None = None) -> None:
        self._newest = newest

    async def schema(self, key: bytes) -> Schema | Refused:
        """Give one by its number; there is none of a high one."""
        number = int.from_bytes(key, "big")
        return Refused("none") if number > 9 else parse(json.dumps(KEYS.get(number, SCHEMA)), f"schema {number}")

    async def newest(self, topic: str) -> Schema | Refused | None:
        """Give what the test calls newest."""
        return None if self._newest is None else parse(json.dumps(self._newest), topic)


def avro(schema_id: int, **fields: Any) -> bytes:
    """A key as Confluent's serializer writes it."""
    written = io.BytesIO(struct.pack(">bI", 0, schema_id))
    written.seek(0, io.SEEK_END)
    fastavro.schemaless_writer(written, KEYS[schema_id], fields)
    return written.getvalue()


def frame(records: Sequence[tuple[bytes | None, bytes | None]]) -> pl.DataFrame:
    """A chunk of keys and values."""
    rows = [(row, 1, row, value) for row, (_, value) in enumerate(records)]
    keys = [record(None, key) for key, _ in records]
    return pl.DataFrame(rows, schema=COLUMNS, orient="row").with_columns(columns_of(keys, Alongside(key=True)))


def decoder(keys: str | None, paths: Sequence[str] | None = ("tier",)) -> KeyedDecoder:
    """One whose keys are Avro with this path, or text."""
    values = Decoder(framing=Framing.CONFLUENT, schemas=Shelf(SCHEMA), paths=paths)
    if keys is None:
        return KeyedDecoder(values, None, "key")
    of_keys = Decoder(framing=Framing.CONFLUENT, schemas=Shelf(KEYS[8]), paths=[keys])
    return KeyedDecoder(values, of_keys, f"key.{keys}")


VALUES = [one.value for one in golden("confluent")]


async def test_a_key_of_text_is_the_id() -> None:
    """Of its own record; without a key there is none, and a tombstone stays one."""
    records = [(b"a", VALUES[0]), (None, VALUES[1]), (b"t", None), ("ü".encode(), VALUES[2])]
    changes = await decoder(None).decode("crm", frame(records))
    assert changes.frames[0].select("#row", "tier", "key").rows() == [
        (0, CUSTOMERS[0][1], "a"),
        (1, CUSTOMERS[1][1], None),
        (3, CUSTOMERS[2][1], "ü"),
    ]
    assert changes.tombstones["#row"].to_list() == [2]
    assert changes.unreadable.is_empty()


async def test_every_record_comes_out_once_whatever_is_wrong_with_it() -> None:
    """With its value, its key, or both; the detail says which, and not what it holds."""
    records = [(b"\xff", VALUES[0]), (b"b", b"x"), (b"\xff", b"x"), (b"d", VALUES[0])]
    changes = await decoder(None).decode("crm", frame(records))
    assert changes.frames[0]["#row"].to_list() == [3]
    assert changes.unreadable.select("#row", "reason").rows() == [
        (0, Reason.UNREADABLE),
        (1, Reason.FRAMING),
        (2, Reason.FRAMING),
    ]
    assert changes.unreadable["detail"][0] == "the key: it is no UTF-8 text (key_framing: text)"


async def test_a_key_may_be_a_record() -> None:
    """Of several writer schemas in one chunk: the id is text where one of them says so."""
    records = [(avro(7, number="a"), VALUES[0]), (avro(8, number=5), VALUES[1]), (None, VALUES[2])]
    changes = await decoder("number").decode("crm", frame(records))
    assert changes.frames[0].select("#row", "key.number").rows() == [(0, "a"), (1, "5"), (2, None)]


async def test_keys_that_cannot_be_read_are_dead_letters() -> None:
    """By the reasons of values, with a word that it was the key."""
    records = [(b"a", VALUES[0]), (struct.pack(">bI", 0, 99), VALUES[1]), (avro(8, number=5)[:5], VALUES[2])]
    changes = await decoder("number").decode("crm", frame(records))
    assert [one.height for one in changes.frames] == [0]
    reasons = [Reason.FRAMING, Reason.SCHEMA_UNKNOWN, Reason.UNREADABLE]
    assert changes.unreadable.select("#row", "reason").rows() == list(enumerate(reasons))
    assert all(detail.startswith("the key: ") for detail in changes.unreadable["detail"])


async def test_a_key_whose_schema_lacks_the_field_blocks() -> None:
    """As it does with a value's, named by the key's schema; keys of which none can be read give no column."""
    told = r"topic crm, schema 9 \(the newest is crm\): the schema of the key has no field `number`"
    with pytest.raises(BlockedError, match=told):
        await decoder("number").decode("crm", frame([(avro(9, other="a"), VALUES[0])]))
    changes = await decoder("number").decode("crm", frame([(avro(9, other="a")[:5], VALUES[0])]))
    assert "key.number" not in changes.frames[0].columns


async def test_every_field_and_the_key() -> None:
    """With `attributes: all` the id stands beside all fields of the value."""
    changes = await decoder(None, paths=None).decode("crm", frame([(b"a", VALUES[0])]))
    assert changes.frames[0].select("customer_id", "tier", "key").rows() == [(*CUSTOMERS[0], "a")]


@pytest.mark.parametrize(("keys", "path", "dtype"), [(None, "key", pl.String()), ("number", "key.number", pl.Int32())])
async def test_the_check_knows_the_key(keys: str | None, path: str, dtype: pl.DataType) -> None:
    """Text, or what the newest schema of the topic's keys has."""
    newest = await decoder(keys).newest("crm")
    assert newest is not None
    assert newest[path] == dtype
    assert "tier" in newest
