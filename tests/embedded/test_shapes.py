"""Envelopes on the whole road: what a CDC topic says is what Target has."""

from __future__ import annotations

import asyncio
import io
import struct
from typing import TYPE_CHECKING, Any

import fastavro

from connector.records import Reason
from connector.service.demo.demo import DemoOptions, run
from connector.service.demo.screen import Screen
from connector.telemetry import Part
from tests.embedded.road import Watcher, road, until
from tests.embedded.test_blocked import unblock
from tests.samples import salesforce
from tests.samples.debezium import UNAVAILABLE, change
from tests.samples.files import SAMPLES

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = SAMPLES["debezium-postgresql"].schema
SOURCE: dict[str, Any] = {
    "sources__shape": "debezium",
    "sources__attributes": {"tier": "tier", "notes": "notes"},
    "sources__on_delete": "send",
    "sources__deleted": {"tier": "none", "status": "gone"},
}


def value(schema_id: int, op: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> bytes:
    out = io.BytesIO()
    at = {"schema": "public", "txId": 1, "lsn": 2}
    fastavro.schemaless_writer(out, fastavro.parse_schema(dict(SCHEMA)), change("postgresql", op, before, after, **at))
    return b"\0" + struct.pack(">I", schema_id) + out.getvalue()


def customer(number: int, tier: str | None, notes: str | None) -> dict[str, Any]:
    return {"customer_id": f"c-{number}", "tier": tier, "notes": notes, "tags": None, "updated_at": None}


async def test_what_a_debezium_topic_says_is_what_target_has(tmp_path: Path) -> None:
    """Creates, updates with placeholders, deletes, tombstones and a truncate, in one window and over several."""
    async with road(tmp_path) as it:
        schema_id = await it.register(SCHEMA)
        for number in range(50):
            old, key = customer(number, "basic", f"note {number}"), f"c-{number}".encode()
            it.produce_raw(value(schema_id, "c", None, old), key)
            it.produce_raw(value(schema_id, "u", None, customer(number, "gold", UNAVAILABLE)), key)
        it.produce_raw(value(schema_id, "t", None, None))
        it.produce_raw(value(schema_id, "x", None, customer(0, "stolen", "never")), b"c-0")
        expected = {f"c-{number}": {"tier": "gold", "notes": f"note {number}"} for number in range(50)}
        async with it.member(**SOURCE) as member:
            await until(lambda: dict(it.simulator.profiles) == expected)
            for number in range(10):
                key = f"c-{number}".encode()
                it.produce_raw(value(schema_id, "d", customer(number, None, None), None), key)
                it.produce_raw(None, key)
                # Nothing of before, as the simulated Target lets a later batch replace what no page view picked up.
                expected[f"c-{number}"] = {"tier": "none", "status": "gone"}
            await until(lambda: dict(it.simulator.profiles) == expected)
        assert it.committed() == 50 * 2 + 2 + 10 * 2
        assert member.dead == {Reason.SHAPE: 1}
        assert it.simulator.summary().refusals == {}


async def test_a_placeholder_never_hides_a_value_of_the_same_window(tmp_path: Path) -> None:
    """A value and then "unchanged" in one window of full events: the value is sent, not lost to the newer row."""
    async with road(tmp_path) as it:
        schema_id = await it.register(SCHEMA)
        it.produce_raw(value(schema_id, "c", None, customer(1, "basic", "kept")), b"c-1")
        it.produce_raw(value(schema_id, "u", None, customer(1, "gold", UNAVAILABLE)), b"c-1")
        async with it.member(**SOURCE, window__max_age="2s") as member:
            await until(lambda: dict(it.simulator.profiles) == {"c-1": {"tier": "gold", "notes": "kept"}})
        assert [batch.records for batch in member.batches] == [2]


class Nulls(Watcher):
    """Counts nulls that were sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0

    def stood_in(self, deletes: int, nulls_left: int, nulls_sent: int) -> None:
        self.sent += nulls_sent


async def test_a_gap_blocks_until_a_human_has_looked(tmp_path: Path) -> None:
    """What came before the gap waits with it; once released the event is a letter, and all else arrives."""
    async with road(tmp_path) as it:
        schema_id, parsed = await it.register(salesforce.SCHEMA), fastavro.parse_schema(dict(salesforce.SCHEMA))

        def produce(head: dict[str, Any], **fields: Any) -> None:
            out = io.BytesIO()
            fastavro.schemaless_writer(out, parsed, salesforce.event(head, **fields))
            it.produce_raw(b"\0" + struct.pack(">I", schema_id) + out.getvalue(), b"account")

        first, second = salesforce.FIRST, salesforce.SECOND
        produce(salesforce.header("CREATE", first), Tier__c="gold", Phone="123")
        produce(salesforce.header("UPDATE", first, second, changed=["0x0400"]), Tier__c="basic")
        produce(salesforce.header("GAP_UPDATE", first))
        produce(salesforce.header("UPDATE", second, nulled=["0x20"]), LastModifiedDate=1)
        source = SAMPLES["salesforce"].source | {"gaps": "block"}
        given: dict[str, Any] = {f"sources__{key}": value for key, value in source.items()}
        async with it.watched(Nulls(), **given) as member:
            await until(lambda: "GAP_UPDATE" in member.troubles.get(Part.PIPELINE, ""))
            assert member.dead == {}
            assert await unblock(member) == 202
            expected = {first: {"tier": "basic", "phone": "123"}, second: {"tier": "basic", "phone": "NONE"}}
            await until(lambda: dict(it.simulator.profiles) == expected)
            assert member.dead == {Reason.GAP: 1}
            assert member.troubles == {}
            assert isinstance(member, Nulls)
            assert member.sent == 1
        assert it.committed() == 4


async def test_a_tombstone_of_a_flat_topic_says_its_key(tmp_path: Path) -> None:
    """A compacted topic deletes by a key without a value; a later create brings the profile's values back."""
    async with road(tmp_path) as it:
        it.produce(range(3))
        it.produce_raw(None, b"customer-1")
        deletes = {"sources__on_delete": "send", "sources__deleted": {"city": "gone"}, "sources__key_framing": "text"}
        async with it.member(**deletes) as member:
            await until(lambda: it.simulator.profiles.get("customer-1") == {"city": "gone"})
            it.produce(range(1, 2))
            await until(it.arrived)
        assert it.committed() == 5
        assert member.dead == {}


async def test_the_demo_plays_in_envelopes() -> None:
    """`demo --shape debezium`: bad records, a schema that changes, deletes and an outage, and every promise is kept."""
    told = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    assert await run(DemoOptions(1_200, 500, shape="debezium"), Screen(told), asyncio.Event())
