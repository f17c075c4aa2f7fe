"""Several feeds of different shapes at once: their attributes stand side by side under one profile's id."""

from __future__ import annotations

import asyncio
import io
import json
import struct
from typing import TYPE_CHECKING, Any

import fastavro
import pytest
from confluent_kafka.schema_registry import Schema

from connector.errors import SettingError
from connector.telemetry import Part
from tests.embedded.road import TOPIC, road, until
from tests.samples import salesforce
from tests.samples.debezium import change
from tests.samples.files import SAMPLES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.embedded.road import Road

POS, ACCOUNTS = "pos.baskets", "sales.accounts"
BASKET: dict[str, Any] = {
    "type": "record",
    "name": "Basket",
    "fields": [
        {"name": "customer", "type": {"type": "record", "name": "Who", "fields": [{"name": "id", "type": "string"}]}},
        {"name": "lastStore", "type": "string"},
        {"name": "total", "type": "double"},
    ],
}
ANNA, BERT, CARL = "001Dp00000KtyAaIAJ", "001Dp00000KtyAbIAJ", "001Dp00000KtyAcIAJ"
CRM_SOURCE = {"topics": [TOPIC], "shape": "debezium", "id": "customer_id", "attributes": {"tier": "tier"}}
POS_SOURCE = {
    "topics": [POS],
    "id": "customer.id",
    "attributes": {"lastStore": "lastStore", "basket": "total"},
}
ACCOUNT_SOURCE = {
    "topics": [ACCOUNTS],
    "shape": "salesforce",
    "id": "ChangeEventHeader.recordIds",
    "attributes": {"phone": "Phone", "salesTier": "Tier__c"},
}


async def produce(it: Road, topic: str, schema: dict[str, Any], *datums: dict[str, Any]) -> None:
    """Register the schema as the topic's newest, and write records of it, all with one key."""
    schema_id = await it.registry.register_schema(f"{topic}-value", Schema(json.dumps(schema), "AVRO"))
    for datum in datums:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(dict(schema)), datum)
        it.producer.produce(topic, b"\0" + struct.pack(">I", schema_id) + out.getvalue(), key=b"one partition")
    it.producer.flush(20)


def crm(customer: str, tier: str) -> dict[str, Any]:
    after = {"customer_id": customer, "tier": tier, "notes": None, "tags": None, "updated_at": None}
    return change("postgresql", "u", None, after, schema="public", txId=1, lsn=2)


def basket(customer: str, store: str, total: float) -> dict[str, Any]:
    return {"customer": {"id": customer}, "lastStore": store, "total": total}


async def test_feeds_of_three_shapes_are_one_row_per_profile(tmp_path: Path) -> None:
    """A Debezium table, a till's own records and Salesforce's events: a profile has what each of them knows of it."""
    async with road(tmp_path) as it:
        for topic in (POS, ACCOUNTS):
            it.broker.create_topic(topic, 2)
        await produce(it, TOPIC, SAMPLES["debezium-postgresql"].schema, crm(ANNA, "basic"), crm(BERT, "gold"),
                      crm(ANNA, "silver"))  # fmt: skip
        await produce(it, POS, BASKET, basket(ANNA, "Graz", 9.5), basket(CARL, "Wien", 3.0), basket(ANNA, "Linz", 1.5))
        phone = salesforce.event(salesforce.header("CREATE", ANNA, BERT), Phone="123", Tier__c="a")
        tier = salesforce.event(salesforce.header("UPDATE", BERT, changed=["0x0400"]), Tier__c="b")
        await produce(it, ACCOUNTS, salesforce.SCHEMA, phone, tier)
        # One window, as the simulated Target lets a later batch replace what no page view picked up.
        sources = [CRM_SOURCE, POS_SOURCE, ACCOUNT_SOURCE]
        async with it.member(sources=sources, window__max_age="4s") as member:
            await until(lambda: bool(member.batches))
        assert dict(it.simulator.profiles) == {
            ANNA: {"tier": "silver", "lastStore": "Linz", "basket": "1.5", "phone": "123", "salesTier": "a"},
            BERT: {"tier": "gold", "phone": "123", "salesTier": "b"},
            CARL: {"lastStore": "Wien", "basket": "3.0"},
        }
        assert [batch.rows for batch in member.batches] == [3]
        assert member.dead == {}
        assert it.simulator.summary().refusals == {}


ALL = [CRM_SOURCE | {"attributes": {"lastStore": "tier"}}, POS_SOURCE | {"attributes": "all"}]


async def test_a_name_that_a_schema_brings_to_two_sources_ends_the_start(tmp_path: Path) -> None:
    """`attributes: all` names what only the schema knows: it is held against the other sources before a record is."""
    async with road(tmp_path) as it:
        it.broker.create_topic(POS, 2)
        await produce(it, TOPIC, SAMPLES["debezium-postgresql"].schema)
        await produce(it, POS, BASKET)
        told = r"topic pos\.baskets: attribute lastStore is written by sources\[0\] and sources\[1\]; .*list the"
        with pytest.raises(SettingError, match=told) as ended:
            async with it.member(sources=ALL) as member:
                await asyncio.wait({member.running}, timeout=20)
        assert "\n" not in str(ended.value)


async def test_a_name_that_a_newer_schema_brings_to_two_sources_blocks(tmp_path: Path) -> None:
    """A field that appears while the service runs is not sent over the other source's; nothing after it is settled."""
    async with road(tmp_path) as it:
        it.broker.create_topic(POS, 2)
        fields = [field for field in BASKET["fields"] if field["name"] != "lastStore"]
        older = basket(ANNA, "", 1.0)
        del older["lastStore"]
        await produce(it, TOPIC, SAMPLES["debezium-postgresql"].schema, crm(ANNA, "gold"))
        await produce(it, POS, BASKET | {"fields": fields}, older)
        async with it.member(sources=ALL) as member:
            await until(lambda: ANNA in it.simulator.profiles and sum(batch.records for batch in member.batches) == 2)
            before = dict(it.simulator.profiles)
            await produce(it, POS, BASKET, basket(ANNA, "Graz", 2.0))
            await until(lambda: "attribute lastStore is written by" in member.troubles.get(Part.PIPELINE, ""))
            assert "\n" not in member.troubles[Part.PIPELINE]
        assert dict(it.simulator.profiles) == before
        assert member.dead == {}
