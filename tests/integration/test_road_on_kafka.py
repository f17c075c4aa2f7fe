"""The road on real Kafka and a real registry: what the embedded broker cannot show."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import TYPE_CHECKING, Any

import pytest

from connector.records import Reason
from connector.telemetry import Part
from tests.containers import KAFKA_IMAGE, Kafka, missing
from tests.embedded.road import until as once
from tests.integration.kafka_road import CUSTOMER, PARTITIONS, Proxy, Writer, kafka_road, transactions
from tests.system.command import command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.containers import Registry

pytestmark = pytest.mark.containers

ADDRESS = {"type": "record", "name": "crm.Address", "fields": [{"name": "street", "type": "string"}]}
TOWN = {"name": "town", "type": "string"}
TIER = {"name": "tier", "type": ["null", "string"], "default": None}
CITY = {"name": "city", "type": "string", "aliases": ["town"]}
AT = {"name": "address", "type": ["null", "crm.Address"], "default": None}


def customer(*fields: dict[str, Any]) -> dict[str, Any]:
    """A customer's schema with these fields beside id and version."""
    return {**CUSTOMER, "fields": [*CUSTOMER["fields"][:2], *fields]}


async def until(condition: Callable[[], bool]) -> None:
    """As the embedded tests do it, with the patience that containers on a busy machine want."""
    await once(condition, 90)


@pytest.fixture(scope="module")
def fragile() -> Iterator[Kafka]:
    """A broker that may be paused, and that creates no topic by itself."""
    if why_not := missing(KAFKA_IMAGE):
        pytest.skip(why_not)
    with Kafka(KAFKA_AUTO_CREATE_TOPICS_ENABLE="false") as broker:
        yield broker


async def test_schemas_evolve_within_a_topic(tmp_path: Path, kafka: Kafka, registry: Registry) -> None:
    """Whatever version a record was written with, the mapping finds its fields: by name, by alias, by reference.

    What is registered while the service runs counts as well.
    """
    async with kafka_road(kafka, registry.url, tmp_path) as it:
        it.register(ADDRESS, f"{it.topic}-address")
        first = it.register(customer(TOWN))
        second = it.register(customer(TOWN, TIER))
        third = it.register(customer(CITY, TIER, AT), refers_to=[f"crm.Address={it.topic}-address"])
        attributes = {"version": "version", "city": "city", "tier": "tier", "street": "address.street"}
        async with it.member(sources__attributes=attributes) as member:
            for turn in range(3):
                for number in range(120):
                    who, city = {"customer_id": f"customer-{number}"}, f"Graz {number}"
                    match (number + turn) % 4:
                        case 0:
                            it.write(first, {**who, "town": city}, {"city": city})
                        case 1:
                            it.write(second, {**who, "town": city, "tier": "gold"}, {"city": city, "tier": "gold"})
                        case 2:
                            it.write(third, {**who, "city": city, "tier": None, "address": None}, {"city": city})
                        case _:
                            it.write(
                                third,
                                {**who, "city": city, "tier": "gold", "address": {"street": "Annenstraße 1"}},
                                {"city": city, "tier": "gold", "street": "Annenstraße 1"},
                            )
            it.flush()
            await until(it.arrived)
            # Its field is found only by what the newest version says, and that was not yet known when reading began.
            late = it.register(customer({**TOWN, "name": "ort"}))
            it.register(customer({**CITY, "aliases": ["town", "ort"]}))
            it.write(late, {"customer_id": "customer-0", "ort": "Linz"}, {"city": "Linz"})
            it.flush()
            await until(it.arrived)
        await it.all_committed()
        assert member.dead == {}
        assert it.simulator.summary().went_backwards == 0


async def test_a_topic_without_a_registry(tmp_path: Path, kafka: Kafka) -> None:
    """With `framing: plain` each record is a datum of the schema in the file; one with bytes left is a dead letter."""
    path = tmp_path / "customer.avsc"
    path.write_text(json.dumps(CUSTOMER))
    async with kafka_road(kafka, "http://127.0.0.1:1", tmp_path) as it:
        plain = Writer(None, CUSTOMER)
        it.write_raw(plain.value({"customer_id": "nobody", "version": 0, "city": "x"}) + b"\0")
        async with it.member(registry=None, sources__framing="plain", sources__schema_file=str(path)) as member:
            it.write_cities(plain, range(300))
            await until(it.arrived)
            await until(lambda: member.dead == {Reason.UNREADABLE: 1})
        await it.all_committed()


async def test_topics_by_expression_join_when_they_appear(tmp_path: Path, kafka: Kafka, registry: Registry) -> None:
    """A topic that an expression means is read, also if it is created later; one that it does not mean is not."""
    async with kafka_road(kafka, registry.url, tmp_path) as it:
        shop, later, other = f"{it.topic}.shop.at", f"{it.topic}.shop.de", f"{it.topic}.other"
        writer = it.register(CUSTOMER, f"{shop}-value")
        for topic in (shop, other):
            kafka.create_topic(topic, partitions=2)
        expression = f"^{it.topic.replace('.', '[.]')}[.]shop[.][a-z]+$"
        async with it.member(sources__topics=[expression]) as member:
            it.write_cities(writer, range(50), topic=shop)
            await until(it.arrived)
            assert member.partitions == 2
            kafka.create_topic(later, partitions=3)
            it.register(CUSTOMER, f"{later}-value")
            it.write_cities(writer, range(50, 100), city="Ulm", topic=later)
            await once(it.arrived, 25)
            await until(lambda: member.partitions == 5)
            assert Part.KAFKA not in member.troubles
        await it.all_committed(shop)
        await it.all_committed(later)
        assert it.simulator.summary().rows == 100


@pytest.mark.parametrize(
    "properties",
    [
        pytest.param({"session.timeout.ms": 3000, "heartbeat.interval.ms": 500}, id="cooperative-sticky"),
        pytest.param({"group.protocol": "consumer"}, id="the newer consumer protocol"),
    ],
)
async def test_partitions_move_under_load(
    tmp_path: Path, kafka: Kafka, registry: Registry, properties: dict[str, Any]
) -> None:
    """A second member takes partitions and gives them back while events flow: none lost, none stale."""
    async with kafka_road(kafka, registry.url, tmp_path) as it:
        writer = it.register(CUSTOMER)
        async with it.member(kafka__properties=properties) as first:
            await until(lambda: first.partitions == PARTITIONS)
            async with it.loaded(writer):
                async with it.member(kafka__properties=properties) as second:
                    await until(lambda: second.partitions > 0)
                    await until(lambda: first.partitions + second.partitions == PARTITIONS)
                    await until(lambda: len(second.batches) > 1)
                await until(lambda: first.partitions == PARTITIONS)
            await until(it.arrived)
        await it.all_committed()
        assert it.simulator.summary().went_backwards == 0
        assert it.simulator.summary().most_calls_in_60_s <= 50


async def test_a_registry_that_is_away_is_waited_for(tmp_path: Path, kafka: Kafka, registry: Registry) -> None:
    """A new schema while the registry is away: the service waits, says so, and goes on; nothing is a dead letter."""
    proxy = Proxy(registry.url)
    await proxy.open()
    async with kafka_road(kafka, registry.url, tmp_path) as it:
        old = it.register(customer(CITY))
        async with it.member(registry__url=proxy.url) as member:
            it.write_cities(old, range(50))
            await until(it.arrived)
            new = it.register(customer(CITY, TIER))
            await proxy.cut()
            for number in range(25, 75):
                datum = {"customer_id": f"customer-{number}", "city": "Wien", "tier": "gold"}
                it.write(new, datum, {"city": "Wien"})
            it.flush()
            await until(lambda: "does not answer" in member.troubles.get(Part.REGISTRY, ""))
            await asyncio.sleep(7)  # longer than an unknown id is asked for
            assert not it.arrived()
            await proxy.open()
            await until(it.arrived)
            await until(lambda: Part.REGISTRY not in member.troubles)
            assert member.dead == {}
        await it.all_committed()
    await proxy.cut()


async def test_an_id_that_the_registry_does_not_know_is_a_dead_letter(
    tmp_path: Path, kafka: Kafka, registry: Registry
) -> None:
    """After a few seconds a record of an unknown schema is a dead letter that Kafka Connect's tools can read."""
    async with kafka_road(kafka, registry.url, tmp_path) as it:
        writer = it.register(CUSTOMER)
        value = b"\0" + struct.pack(">I", 2_000_000_001) + b"datum"
        it.write_raw(value, key=b"key", headers=[("trace", b"abc")])
        it.write_cities(writer, range(20))
        async with it.member() as member:
            await until(it.arrived)
            assert member.dead == {Reason.SCHEMA_UNKNOWN: 1}
        await it.all_committed()
        [(letter, headers)] = it.dead_letters(1)
        assert letter == value
        assert headers.pop("__connect.errors.exception.message").startswith(b"the registry does not know schema 2000")
        assert int(headers.pop("__connect.errors.partition")) in range(PARTITIONS)
        assert headers == {
            "trace": b"abc",
            "__connect.errors.topic": it.topic.encode(),
            "__connect.errors.offset": b"0",
            "__connect.errors.connector.name": it.topic.encode(),
            "__connect.errors.task.id": b"0",
            "__connect.errors.stage": b"VALUE_CONVERTER",
            "__connect.errors.class.name": b"target-connector",
            "__connect.errors.exception.class.name": b"schema_unknown",
            "__connect.errors.exception.stacktrace": b"",
            "target-connector.reason": b"schema_unknown",
        }


async def test_a_dead_letter_topic_that_goes_is_told_and_waited_for(
    tmp_path: Path, fragile: Kafka, registry: Registry
) -> None:
    """Without a dead-letter topic nothing passes a bad record: told, not committed, and well once it is created."""
    async with kafka_road(fragile, registry.url, tmp_path) as it:
        writer = it.register(CUSTOMER)
        async with it.member() as member:
            await until(lambda: member.partitions == PARTITIONS)
            it.delete_topic(it.dead_letter_topic)
            it.write_raw(b"no framing")
            await until(lambda: "no such topic; create it" in member.troubles.get(Part.DEAD_LETTERS, ""))
            assert it.left() == 1
            it.write_cities(writer, range(20))
            fragile.create_topic(it.dead_letter_topic, partitions=1)
            await until(it.arrived)
            await until(lambda: Part.DEAD_LETTERS not in member.troubles)
            assert member.dead == {Reason.FRAMING: 1}
        await it.all_committed()
        assert [value for value, _ in it.dead_letters(1)] == [b"no framing"]


async def test_gaps_between_offsets_hold_nothing_up(tmp_path: Path, kafka: Kafka, registry: Registry) -> None:
    """Transaction markers and aborted records leave gaps: what follows is committed, no aborted record arrives."""
    async with kafka_road(kafka, registry.url, tmp_path) as it:
        writer = it.register(CUSTOMER)
        await asyncio.to_thread(transactions, it, writer)
        async with it.member() as member:
            await until(it.arrived)
            it.write_cities(writer, range(100, 200))
            await until(it.arrived)
        await it.all_committed()
        assert sum(batch.records for batch in member.batches) == 3 * 10 + 100


async def test_a_check_holds_the_mapping_against_the_registrys_newest_schema(
    tmp_path: Path, kafka: Kafka, registry: Registry
) -> None:
    """None registered yet, one that lacks a field, one that fits: not sure, wrong, well; and nobody joins the group."""
    async with kafka_road(kafka, registry.url, tmp_path) as it:
        config = it.settings({})
        told = []
        for fields in (None, [], [CITY]):
            if fields is not None:
                it.register(customer(*fields))
            ended = await asyncio.to_thread(command, "check", "--config", str(config))
            told.append((ended.code, next(line for line in ended.out.splitlines() if line[2:].startswith("schema"))))
        assert [(code, line[0]) for code, line in told] == [(0, "?"), (1, "✗"), (0, "✓")]
        assert f"the registry has none under {it.topic}-value" in told[0][1]
        assert "the schema has no field `city`" in told[1][1]
        assert "id `customer_id` and 2 attributes fit" in told[2][1]
