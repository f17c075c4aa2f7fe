"""Topics that grow or begin anew, members that restart, a broker that hangs past the session: on real Kafka."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from connector.simulator.faults import FaultKind
from connector.telemetry import Part
from tests.containers import KAFKA_IMAGE, Kafka, missing
from tests.embedded.road import until as once
from tests.embedded.test_rebalances import owner
from tests.integration.kafka_road import CUSTOMER, PARTITIONS, KafkaRoad, kafka_road, paused, transactions
from tests.system import crash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.containers import Registry

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("each_reader")]

CLASSIC = {"session.timeout.ms": 3000, "heartbeat.interval.ms": 500}
protocols = pytest.mark.parametrize(
    "properties",
    [
        pytest.param(CLASSIC, id="cooperative-sticky"),
        pytest.param({"group.protocol": "consumer"}, id="the newer consumer protocol"),
    ],
)


async def until(condition: Callable[[], bool]) -> None:
    """As the embedded tests do it, with the patience that containers on a busy machine want."""
    await once(condition, 90)


@pytest.fixture(scope="module")
def fragile() -> Iterator[Kafka]:
    """A broker that may be paused, and that creates no topic by itself, as a topic is to be missing for a while."""
    if why_not := missing(KAFKA_IMAGE):
        pytest.skip(why_not)
    with Kafka(KAFKA_AUTO_CREATE_TOPICS_ENABLE="false") as broker:
        yield broker


def grow(it: KafkaRoad, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": it.kafka.address})
    for grown in admin.create_partitions([NewPartitions(it.topic, partitions)]).values():
        grown.result(timeout=30)


async def make_anew(it: KafkaRoad) -> None:
    """Delete the topic and create it at once, so that no member sees it missing."""
    it.delete_topic(it.topic)
    for _ in range(100):
        try:
            it.kafka.create_topic(it.topic, partitions=PARTITIONS)
        except KafkaException:
            await asyncio.sleep(0.05)  # not gone yet
        else:
            return


@protocols
async def test_a_topic_that_grows_is_read_whole(
    tmp_path: Path, fragile: Kafka, registry: Registry, properties: dict[str, Any]
) -> None:
    """New partitions are read from their first record, and the share of the budget follows."""
    async with kafka_road(fragile, registry.url, tmp_path) as it:
        writer = it.register(CUSTOMER)
        async with it.member(kafka__properties=properties) as member:
            it.write_cities(writer, range(100))
            await until(it.arrived)
            grow(it, PARTITIONS + 2)
            it.producer = Producer({"bootstrap.servers": it.kafka.address})  # which knows of the new ones
            it.write_cities(writer, range(100, 400), city="Linz")
            await until(it.arrived)
            await until(lambda: (member.partitions, member.all_partitions) == (PARTITIONS + 2, PARTITIONS + 2))
        await it.all_committed()


@protocols
async def test_a_topic_made_anew_is_read_whole(
    tmp_path: Path, fragile: Kafka, registry: Registry, properties: dict[str, Any]
) -> None:
    """What was read of the old topic and not yet sent arrives, and every record of the new one.

    Also those below the offset that the old one had reached, where the client goes on as if nothing had happened.
    """
    async with kafka_road(fragile, registry.url, tmp_path) as it:
        writer = it.register(CUSTOMER)
        async with it.member(kafka__properties=properties) as member:
            it.write_cities(writer, range(100))
            await until(it.arrived)
            it.simulator.faults.add(FaultKind.SERVER_ERROR)
            it.write_cities(writer, range(100, 120), city="Wien")
            await until(lambda: member.polled_records >= 120)
            await make_anew(it)
            it.write_cities(writer, range(200, 600), city="Ulm")  # further than the old one's ends
            await asyncio.sleep(1)
            it.simulator.faults.clear()
            await until(it.arrived)
        await it.all_committed()


async def test_a_topic_that_is_deleted_is_told_and_waited_for(
    tmp_path: Path, fragile: Kafka, registry: Registry
) -> None:
    """A deleted topic: told by name, and read again once it is created."""
    async with kafka_road(fragile, registry.url, tmp_path) as it:
        writer = it.register(CUSTOMER)
        async with it.member(kafka__properties=CLASSIC) as member:
            it.write_cities(writer, range(20))
            await until(it.arrived)
            it.delete_topic(it.topic)
            await until(lambda: it.topic in member.troubles.get(Part.KAFKA, ""))
            it.kafka.create_topic(it.topic, partitions=PARTITIONS)
            it.write_cities(writer, range(10, 40), city="Linz")
            await until(it.arrived)
            await until(lambda: Part.KAFKA not in member.troubles)
        await it.all_committed()


@protocols
async def test_what_is_settled_while_a_revoke_waits_is_committed(kafka: Kafka, properties: dict[str, Any]) -> None:
    """The call on the wire ends, its offsets are stored while the partitions are still ours, and go with them.

    Not on the embedded broker: where a member is slow to sync, it begins another rebalance, and refuses commits in it.
    """
    topic = f"settled.{uuid.uuid4()}"
    kafka.create_topic(topic, partitions=PARTITIONS)
    producer = Producer({"bootstrap.servers": kafka.address})
    for number in range(PARTITIONS * 10):
        producer.produce(topic, b"x", partition=number % PARTITIONS)
    assert producer.flush(30) == 0
    async with owner(kafka.address, topic=topic, group=topic, own=properties) as first:
        await until(lambda: first.records() == PARTITIONS * 10)
        first.may_let_go.clear()
        async with owner(kafka.address, topic=topic, group=topic, own=properties) as second:
            await until(lambda: first.revokes == [False])
            first.source.store(dict.fromkeys(first.held.values(), 10))
            first.may_let_go.set()
            await until(lambda: len(first.held) == 2 == len(second.held))
            await asyncio.sleep(1)
            assert second.records() == 0
    assert crash.committed(kafka.address, topic, topic) == PARTITIONS * 10


@pytest.mark.parametrize(
    "properties",
    [
        pytest.param({"session.timeout.ms": 30_000, "heartbeat.interval.ms": 500}, id="cooperative-sticky"),
        pytest.param({"group.protocol": "consumer"}, id="the newer consumer protocol"),
    ],
)
async def test_a_static_member_that_restarts_keeps_its_partitions(
    tmp_path: Path, kafka: Kafka, registry: Registry, properties: dict[str, Any]
) -> None:
    """With `group.instance.id` a restart within the session moves nothing: the others do not even notice."""
    async with kafka_road(kafka, registry.url, tmp_path) as it:
        writer = it.register(CUSTOMER)
        first_of, second_of = ({**properties, "group.instance.id": name} for name in ("one", "two"))
        async with it.member(kafka__properties=first_of) as first:
            await until(lambda: first.partitions == PARTITIONS)
            async with it.member(kafka__properties=second_of) as second:
                await until(lambda: (first.partitions, second.partitions) == (2, 2))
                it.write_cities(writer, range(100))
                await until(it.arrived)
            moves = first.moves
            it.write_cities(writer, range(50, 150), city="Linz")
            async with it.member(kafka__properties=second_of) as again:
                await until(lambda: again.partitions == 2)
                await until(it.arrived)
                assert first.moves == moves
        await it.all_committed()
        assert it.simulator.summary().went_backwards == 0


async def test_a_broker_that_hangs_past_the_session_is_waited_for(
    tmp_path: Path, fragile: Kafka, registry: Registry
) -> None:
    """Frozen for 15 s with a session of 3 s: told, joined again soon, nothing lost, nothing out of order.

    The client may have lost its brokers for good by then (librdkafka #5301), so that only a new one helps.
    """
    async with kafka_road(fragile, registry.url, tmp_path) as it:
        writer = it.register(CUSTOMER)
        async with it.member(kafka__properties=CLASSIC) as member:
            it.write_cities(writer, range(200))
            await until(it.arrived)
            async with paused(fragile):
                for number in range(100, 300):
                    it.write(writer, {"customer_id": f"customer-{number}", "city": "Wien"}, {"city": "Wien"})
                await asyncio.sleep(15)
                await until(lambda: Part.KAFKA in member.troubles)
            await asyncio.to_thread(it.flush)
            await once(it.arrived, 40)
            await until(lambda: Part.KAFKA not in member.troubles)
            await it.all_committed()
        assert it.simulator.summary().went_backwards == 0


async def test_markers_at_the_end_of_a_partition_leave_no_lag(tmp_path: Path, kafka: Kafka, registry: Registry) -> None:
    """The last thing that a transaction writes is no record; the lag still ends at 0, as Kafka's own tools tell it."""
    async with kafka_road(kafka, registry.url, tmp_path) as it:
        writer = it.register(CUSTOMER)
        async with it.member() as member:
            await asyncio.to_thread(transactions, it, writer)
            await until(it.arrived)
            await it.all_committed()
            await until(lambda: (member.last_lag, member.unknown) == (0, 0))
