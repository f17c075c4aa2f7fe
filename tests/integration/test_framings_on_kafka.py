"""Framings on the whole road, with real Kafka: headers that travel, and records of another framing."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from connector.records import Reason
from tests.embedded.road import until
from tests.framings import golden
from tests.integration.kafka_road import CUSTOMER, PLAIN, KafkaRoad, kafka_road, without_registry
from tests.system.command import command

if TYPE_CHECKING:
    from pathlib import Path

    from tests.containers import Kafka, Registry

pytestmark = pytest.mark.containers


def write(it: KafkaRoad, number: int, name: str, header: bytes) -> None:
    """Write a bare datum, whose schema a header names."""
    it.version += 1
    customer = f"customer-{number}"
    value = PLAIN.value({"customer_id": customer, "version": it.version, "city": "Graz"})
    it.producer.produce(it.topic, value, key=customer, headers=[("other", b"x"), (name, header)])
    it.expected[customer] = {"version": str(it.version), "city": "Graz"}


@pytest.mark.parametrize(
    ("framing", "name"),
    [("confluent-header", "__value_schema_id"), ("apicurio-header", "apicurio.value.contentId")],
)
async def test_schemas_are_named_in_headers(
    tmp_path: Path, kafka: Kafka, registry: Registry, framing: str, name: str
) -> None:
    """Every record arrives; one without the header is a dead letter; `check` sees that the framing is right."""
    async with kafka_road(kafka, registry.url, tmp_path) as it:
        schema_id = it.register(CUSTOMER).schema_id or 0
        header = struct.pack(">bI", 0, schema_id) if framing == "confluent-header" else struct.pack(">q", schema_id)
        for number in range(50):
            await asyncio.to_thread(write, it, number, name, header)
        it.flush()
        ended = await asyncio.to_thread(command, "check", "--config", str(it.settings({"sources__framing": framing})))
        assert (ended.code, f"✓ framing       the newest 50 records of {it.topic} are framed" in ended.out) == (0, True)
        it.write_raw(b"no datum", headers=[("other", b"x")])
        async with it.member(sources__framing=framing) as member:
            await until(it.arrived, seconds=60)
            await it.all_committed()
        assert member.dead == {Reason.FRAMING: 1}


@pytest.mark.parametrize("framing", ["text", "confluent"])
async def test_ids_stand_in_keys(tmp_path: Path, kafka: Kafka, registry: Registry, framing: str) -> None:
    """Each profile by its record's own key; a record without a key is a dead letter; `check` knows the id."""
    async with kafka_road(kafka, registry.url, tmp_path) as it:
        writer = it.register(CUSTOMER)
        key: dict[str, Any] = {"type": "record", "name": "Key", "fields": [{"name": "number", "type": "string"}]}
        of_key = it.register(key, f"{it.topic}-key")
        for number in range(50):
            it.version += 1
            profile, datum = f"key-{number}", {"customer_id": "nobody", "version": it.version, "city": "Graz"}
            named = profile.encode() if framing == "text" else of_key.value({"number": profile})
            it.producer.produce(it.topic, writer.value(datum), key=named)
            it.expected[profile] = {"version": str(it.version), "city": "Graz"}
        it.producer.produce(it.topic, writer.value({"customer_id": "nobody", "version": 0, "city": ""}))
        it.flush()
        changes = {"sources__key_framing": framing, "sources__id": "key" if framing == "text" else "key.number"}
        ended = await asyncio.to_thread(command, "check", "--config", str(it.settings(changes)))
        assert (ended.code, "id `key" in ended.out) == (0, True), ended.out
        assert f"? key framing   1 of the newest 51 records of {it.topic} have no key" in ended.out
        async with it.member(**changes) as member:
            await until(it.arrived, seconds=60)
            await it.all_committed()
        assert member.dead == {Reason.ID_MISSING: 1}


async def test_records_of_another_framing_stop_the_service_before_a_letter(
    tmp_path: Path, kafka: Kafka, registry: Registry
) -> None:
    """Glue's, read as bare datums: `check` and the blocked service name what they look like; no letter is written."""
    async with kafka_road(kafka, registry.url, tmp_path) as it:
        for one in golden("glue", "zlib") * 40:
            it.producer.produce(it.topic, one.value)
        it.flush()
        plain = without_registry(tmp_path)
        ended = await asyncio.to_thread(command, "check", "--config", str(it.settings(plain)))
        assert "look like `framing: glue`, and the source says plain" in ended.out
        async with it.member(**plain) as member:
            await until(lambda: any("these look like `framing: glue`" in text for text in member.told), seconds=60)
        assert member.dead == {}


@pytest.mark.parametrize("framing", ["text", "confluent"])
async def test_init_proposes_what_the_newest_records_tell(
    tmp_path: Path, kafka: Kafka, registry: Registry, framing: str
) -> None:
    """Framing, and the id in the key where no field looks like one; with that file as it is every profile is found."""
    async with kafka_road(kafka, registry.url, tmp_path) as it:
        anonymous = CUSTOMER | {"fields": CUSTOMER["fields"][1:]}
        writer = it.register(anonymous)
        key: dict[str, Any] = {"type": "record", "name": "Key", "fields": [{"name": "number", "type": "string"}]}
        of_key = it.register(key, f"{it.topic}-key")
        for number in range(20):
            profile, datum = f"key-{number}", {"version": number, "city": "Graz"}
            named = profile.encode() if framing == "text" else of_key.value({"number": profile})
            it.producer.produce(it.topic, writer.value(datum), key=named)
            it.expected[profile] = {"version": str(number), "city": "Graz"}
        it.flush()
        output = tmp_path / "proposed.yaml"
        asked = ["--registry", registry.url, "--bootstrap-servers", kafka.address, "--output", str(output)]
        ended = await asyncio.to_thread(command, "init", it.topic, *asked, "--property", "client.id=init")
        assert (ended.code, ended.err) == (0, ""), ended
        source = yaml.safe_load(output.read_text("utf-8"))["sources"][0]
        path = "key" if framing == "text" else "key.number"
        assert (source["framing"], source["key_framing"], source["id"]) == ("confluent", framing, path)
        ended = await asyncio.to_thread(command, "preview", "--json", "--config", str(output))
        (seen,) = json.loads(ended.out)["sources"]
        assert (seen["rows"], seen["profiles"], seen["dead_letters"]) == (20, 20, {})


async def test_init_does_without_brokers(tmp_path: Path, registry: Registry, kafka: Kafka) -> None:
    """Where they have no such topic it says so, and writes what the schema tells."""
    async with kafka_road(kafka, registry.url, tmp_path) as it:
        it.register(CUSTOMER, "no.such.topic-value")
        asked = ["--registry", registry.url, "--bootstrap-servers", kafka.address]
        ended = await asyncio.to_thread(command, "init", "no.such.topic", *asked)
        assert (ended.code, "no topic no.such.topic is there" in ended.err) == (0, True)
        assert "a guess: no record was looked at" in ended.out


async def test_init_takes_the_schema_of_a_record(tmp_path: Path, kafka: Kafka, registry: Registry) -> None:
    """Where the producer registers it under another subject than the topic's, and says so."""
    async with kafka_road(kafka, registry.url, tmp_path) as it:
        it.write_cities(it.register(CUSTOMER, f"{it.topic}-Customer"), range(5))
        asked = ["--registry", registry.url, "--bootstrap-servers", kafka.address]
        ended = await asyncio.to_thread(command, "init", it.topic, *asked)
        assert (ended.code, f"the registry has no {it.topic}-value, so" in ended.err) == (0, True), ended
        source = yaml.safe_load(ended.out)["sources"][0]
        assert (source["id"], source["attributes"]) == ("customer_id", {"version": "version", "city": "city"})
