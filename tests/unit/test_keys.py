"""Records without a value, whose id is in the key."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import fastavro
import polars as pl
import pytest

from connector.errors import BlockedError
from connector.kafka.reread import Gone
from connector.records import ASSIGNMENT, OFFSET, ROW, Partition
from connector.records import KEY as OF_RECORD
from tests.samples.files import SAMPLES
from tests.unit.test_shapes import FLAT, feed, frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector.feeds import Read

KEY = {"type": "record", "name": "Key", "namespace": "crm.public.customers", "fields": FLAT["fields"]}
SEND = {"on_delete": "send", "deleted": {"status": "gone"}}


@dataclass(frozen=True)
class Keyed(Gone):
    """A record of which a test knows the key."""

    said: bytes | None

    def key(self) -> Any:
        return self.said


def keyed(*keys: bytes | None) -> list[Keyed]:
    return [Keyed(Partition("crm", 0), offset, key) for offset, key in enumerate(keys)]


def avro_key(customer: str, schema_id: int = 1) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(dict(KEY)), {"customer_id": customer})
    return b"\0" + schema_id.to_bytes(4, "big") + out.getvalue()


async def read(keys: Sequence[bytes | None], **source: Any) -> Read:
    """A create of c-0, then records without a value and with these keys."""
    polled = frame(FLAT, [{"customer_id": "c-0"}, *[None] * len(keys)])
    records = keyed(b"c-0", *keys)
    ours = feed(FLAT, id="customer_id", attributes={"name": "customer_id"}, **SEND, **source)
    return await ours.read("crm", polled, records)


def rows(read: Read) -> list[tuple[Any, ...]]:
    return read.rows.select(ROW, "#id", "name", "status").rows()


async def test_a_key_that_is_the_id_deletes_its_profile() -> None:
    """In Kafka's order among the others; a key that is none, or no text, is a dead letter."""
    told = await read([b"c-0", None, b"\xff\xfe", "ü".encode(), b""], key_framing="text")
    assert rows(told) == [(0, "c-0", "c-0", None), (1, "c-0", None, "gone"), (4, "ü", None, "gone")]
    assert told.rows.select(ASSIGNMENT, OFFSET).rows() == [(7, 0), (7, 1), (7, 4)]
    assert sorted((number, reason) for one in told.refused for number, reason, _ in one.iter_rows()) == [
        (2, "id_missing"), (3, "unreadable"), (5, "id_missing"),
    ]  # fmt: skip
    details = {number: detail for one in told.refused for number, _, detail in one.iter_rows()}
    assert details[3] == "the key: it is no UTF-8 text (key_framing: text)"
    assert (told.counts.deletes, told.skipped) == (2, {})


async def test_a_key_that_is_a_record_names_the_id() -> None:
    """As Debezium and Confluent's converter write it; a key that is no such record is a dead letter that says so."""
    told = await read([avro_key("c-1"), None, b"c-2"], key_framing="confluent")
    assert rows(told) == [(0, "c-0", "c-0", None), (1, "c-1", None, "gone")]
    letters = pl.concat(one for one in told.refused if one.height).sort(ROW)
    assert letters["reason"].to_list() == ["id_missing", "framing"]
    assert letters["detail"][1].startswith("the key: ")


async def test_a_key_without_the_id_blocks() -> None:
    """The settings are wrong then, not one record."""
    ours = feed(FLAT, id="customer_id", attributes="all", key_framing="confluent", **SEND)
    with pytest.raises(BlockedError, match="topic crm, schema 1: the schema has no field `number`"):
        await feed(FLAT, id="number", attributes={"a": "customer_id"}, key_framing="confluent", **SEND).read(
            "crm", frame(FLAT, [None]), keyed(avro_key("c-1"))
        )
    assert (await ours.read("crm", frame(FLAT, [None]), keyed(avro_key("c-1")))).counts.deletes == 1


async def test_an_envelopes_deletes_and_tombstones_say_the_same() -> None:
    """Debezium sends both for one delete: the profile gets the same row twice."""
    sample = SAMPLES["debezium-sqlserver"]
    delete = sample.events[-1].datum
    customer = delete["before"]["ContactId"]
    ours = feed(sample.schema, **sample.source, key_framing="text")
    told = await ours.read("crm", frame(sample.schema, [delete, None]), keyed(*[customer.encode()] * 2))
    assert told.rows.select("#id", "email", "state").rows() == [(customer, None, "gone")] * 2


async def test_keys_are_not_looked_at_without_need() -> None:
    """Records with a value may have any key, and none is asked for."""
    ours = feed(FLAT, id="customer_id", attributes={"a": "customer_id"}, key_framing="text", **SEND)
    assert (await ours.read("crm", frame(FLAT, [{"customer_id": "c-1"}]), [])).rows.height == 1


@pytest.mark.parametrize(
    ("framing", "path", "key"), [("text", "key", str.encode), ("confluent", "key.customer_id", avro_key)]
)
async def test_the_id_may_stand_in_every_key(framing: str, path: str, key: Callable[[str], bytes]) -> None:
    """Also of records without a value: each is its own key's delete, and a field of the value is no id."""
    keys = [key("c-0"), key("c-1"), None, key("c-0"), None]
    polled = frame(FLAT, [{"customer_id": "a"}, None, {"customer_id": "b"}, {"customer_id": "c"}, None])
    ours = feed(FLAT, id=path, attributes={"name": "customer_id"}, key_framing=framing, **SEND)
    told = await ours.read("crm", polled.with_columns(pl.Series(OF_RECORD, keys)), keyed(*keys))
    assert rows(told) == [(0, "c-0", "a", None), (1, "c-1", None, "gone"), (3, "c-0", "c", None)]
    assert sorted((number, reason) for one in told.refused for number, reason, _ in one.iter_rows()) == [
        (2, "id_missing"), (4, "id_missing"),
    ]  # fmt: skip
    assert (told.counts.deletes, told.skipped) == (1, {})


async def test_an_envelope_and_a_key_that_is_the_id() -> None:
    """The shape needs none of its own: changes and deletes are the key's; what it leaves out may have any key."""
    sample = SAMPLES["debezium-unwrapped"]
    chosen = {"create", "delete, with what the row was", "truncate"}
    events = [one for one in sample.events if one.what in chosen]
    keys = [b"\xff" if one.what == "truncate" else b"k-%d" % number for number, one in enumerate(events)]
    ours = feed(sample.schema, **sample.source | {"id": "key", "key_framing": "text"})
    polled = frame(sample.schema, [one.datum for one in events]).with_columns(pl.Series(OF_RECORD, keys))
    told = await ours.read("crm", polled, keyed(*keys))
    assert told.rows.select("#id", "tier", "status").rows() == [("k-0", "gold", None), ("k-1", None, "gone")]
    assert (told.skipped, [one.height for one in told.refused if one.height]) == ({"truncate": 1}, [])
    offered = await ours.decoder.newest("crm")
    assert offered is not None
    assert {"key", "tier"} <= set(offered)


async def test_the_key_stands_before_a_field_that_is_called_so() -> None:
    """With every field as an attribute, too."""
    schema = {"type": "record", "name": "Row", "fields": [{"name": "key", "type": "string"}, *FLAT["fields"]]}
    polled = frame(schema, [{"key": "value's", "customer_id": "c-1"}]).with_columns(pl.Series(OF_RECORD, [b"key's"]))
    told = await feed(schema, id="key", attributes="all", key_framing="text").read("crm", polled)
    assert told.rows["#id"].to_list() == ["key's"]


async def test_a_field_that_is_called_like_the_key_is_not_read() -> None:
    """So it may be of any type, even one that no column can hold."""
    schema = {"type": "record", "name": "Row", "fields": [{"name": "key", "type": ["null", "Row"]}, *FLAT["fields"]]}
    polled = frame(schema, [{"key": None, "customer_id": "c-1"}]).with_columns(pl.Series(OF_RECORD, [b"key's"]))
    told = await feed(schema, id="key", attributes={"a": "customer_id"}, key_framing="text").read("crm", polled)
    assert told.rows.select("#id", "a").rows() == [("key's", "c-1")]
