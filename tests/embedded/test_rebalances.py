"""Partitions that go, are lost, begin anew or were overtaken: on the embedded broker, where each can be made to happen.

Some tests drive a `Source` alone, with a listener of their own that may hang; the others the whole road.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError

from connector.errors import FatalError
from connector.kafka import properties
from connector.kafka.embedded import Api, EmbeddedBroker
from connector.kafka.source import Source, SourceOptions
from connector.records import Jump, Partition
from connector.simulator.faults import FaultKind
from tests.embedded.road import GROUP, PARTITIONS, TOPIC, Watcher, committed, road, until
from tests.readers import CHOICE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from connector.kafka.assignments import Remade
    from connector.records import Assignment, Chunk

pytestmark = pytest.mark.usefixtures("each_reader")

QUICK = {"session.timeout.ms": 2000, "heartbeat.interval.ms": 100, "topic.metadata.refresh.interval.ms": 500}


class Owner:
    """A listener that keeps what it is told, and may be slow to let go."""

    source: Source

    def __init__(self) -> None:
        self.telemetry = Watcher()
        self.held: dict[Partition, Assignment] = {}
        self.revokes: list[bool] = []
        self.may_let_go = asyncio.Event()
        self.may_let_go.set()
        self.chunks: list[Chunk] = []
        self.known_ends: Mapping[Partition, int] = {}

    def assigned(self, assignments: Sequence[Assignment], starts: Mapping[Partition, int]) -> None:
        self.held |= {assignment.partition: assignment for assignment in assignments}

    def remade(self, remade: Sequence[Remade]) -> None:
        self.held |= {one.fresh.partition: one.fresh for one in remade}

    async def revoked(self, assignments: Sequence[Assignment], *, lost: bool) -> None:
        self.revokes.append(lost)
        await self.may_let_go.wait()
        for assignment in assignments:
            self.held.pop(assignment.partition, None)

    def ends(self, offsets: Mapping[Partition, int]) -> None:
        self.known_ends = offsets

    def numbers(self) -> frozenset[int]:
        return frozenset(assignment.number for assignment in self.held.values())

    def records(self) -> int:
        return sum(len(chunk.records) for chunk in self.chunks)

    async def take(self) -> None:
        while True:
            self.chunks.append(await self.source.chunk())


@asynccontextmanager
async def owner(  # noqa: PLR0913 (what the tests vary, named)
    brokers: str,
    *,
    topic: str = TOPIC,
    group: str = GROUP,
    own: Mapping[str, Any] = QUICK,
    revoke_timeout_s: float = 10.0,
    clock: Callable[[], float] | None = None,
) -> AsyncIterator[Owner]:
    """Run a source on its own."""
    listener = Owner()
    given = properties.consumer(brokers, group, own)
    options = SourceOptions(given, [topic], revoke_timeout_s=revoke_timeout_s, extension=CHOICE.extension)
    listener.source = Source(options, listener, listener.telemetry, **({"clock": clock} if clock else {}))
    listener.source.start()
    taking = asyncio.create_task(listener.take())
    try:
        yield listener
    finally:
        listener.may_let_go.set()
        taking.cancel()
        assert await listener.source.close(20)


@asynccontextmanager
async def filled(records: int) -> AsyncIterator[EmbeddedBroker]:
    """A broker whose topic holds so many records in each partition."""
    with EmbeddedBroker() as broker:
        broker.create_topic(TOPIC, PARTITIONS)
        producer = broker.producer()
        for partition in range(PARTITIONS):
            for _ in range(records):
                producer.produce(TOPIC, b"x", partition=partition)
        producer.flush(20)
        yield broker


@pytest.mark.parametrize("strategy", ["cooperative-sticky", "range"])
async def test_what_comes_just_after_its_topic_was_made_anew_is_read_whole(strategy: str) -> None:
    """The former owner may have committed offsets of the old topic: they are no place to begin in the new one."""
    own = QUICK | {"partition.assignment.strategy": strategy}
    async with filled(10) as broker:
        async with owner(broker.bootstrap_servers, own=own) as first:
            await until(lambda: first.records() == 40)
            first.source.store(dict.fromkeys(first.held.values(), 7))
        async with owner(broker.bootstrap_servers, own=own) as second:
            second.source.reread(TOPIC)
            await until(lambda: second.records() == 40)
            second.source.store(dict.fromkeys(second.held.values(), 5))
            await until(lambda: committed(broker) == 20)
        async with owner(broker.bootstrap_servers, own=own) as third:
            await until(lambda: third.records() == 20)


async def test_a_revoke_that_hangs_gives_up_and_what_comes_late_is_not_stored() -> None:
    """After the bound the partitions go; the source knows at once, and no late offset reaches their new owner."""
    async with filled(10) as broker, owner(broker.bootstrap_servers, revoke_timeout_s=0.5) as first:
        await until(lambda: first.records() == 40)
        before = dict(first.held)
        assert first.source.ours(first.numbers())
        first.may_let_go.clear()
        async with owner(broker.bootstrap_servers) as second:
            await until(lambda: len(second.held) == 2)
            gone = [before[partition] for partition in second.held]
            assert not any(first.source.ours(frozenset({one.number})) for one in gone)
            assert any("held up a rebalance" in text for text in first.telemetry.told)
            await until(lambda: second.records() == 20)
            first.source.store(dict.fromkeys(gone, 7))
            second.source.store(dict.fromkeys(second.held.values(), 10))
            await asyncio.sleep(1.5)
            assert committed(broker) == 20


async def test_nothing_is_stored_of_what_was_lost(tmp_path: Path) -> None:
    """A call that is accepted after the partitions were lost moves no offset, also if they came back meanwhile."""
    async with road(tmp_path) as it:
        it.produce(range(50))
        it.simulator.faults.add(FaultKind.SLOW, times=1, delay_s=15.0)  # longer than losing and coming back may take
        # A window that waits until it has all of the first 50, however slowly they come in.
        async with it.member(service__drain="1s", target__timeout="25s", window__max_age="2s") as member:
            await until(lambda: not it.simulator.faults.active())
            it.produce(range(50, 60))
            # What is read again is a larger batch, and waits: only the late acceptance could move an offset.
            it.simulator.faults.add(FaultKind.SERVER_ERROR, min_rows=51)
            it.broker.fail_requests(Api.HEARTBEAT, [KafkaError.UNKNOWN_MEMBER_ID])
            await until(lambda: member.polled_records >= 110)
            assert it.simulator.summary().rows == 0
            await until(lambda: it.simulator.summary().rows == 50)
            await asyncio.sleep(1.5)
            assert it.committed() == 0
        assert it.committed() == 0
        it.simulator.faults.clear()
        async with it.member():
            await until(lambda: it.committed() == 60)


async def test_an_offset_of_an_earlier_assignment_is_not_stored() -> None:
    """Librdkafka would take it, as the partition is ours again; but others may have owned it meanwhile."""
    async with filled(10) as broker, owner(broker.bootstrap_servers) as member:
        await until(lambda: member.records() == 40)
        before = dict(member.held)
        broker.fail_requests(Api.HEARTBEAT, [KafkaError.UNKNOWN_MEMBER_ID])
        await until(lambda: member.records() == 80)
        assert member.revokes == [True]
        member.source.store(dict.fromkeys(before.values(), 7))
        await asyncio.sleep(1.5)
        assert committed(broker) == 0
        member.source.store(dict.fromkeys(member.held.values(), 9))
        await until(lambda: committed(broker) == 36)


async def test_after_a_stop_of_the_process_nothing_is_ours_beyond_doubt() -> None:
    """The clock went on while the process did not: no call may begin until the membership had time to end."""
    now = 100.0
    async with filled(1) as broker, owner(broker.bootstrap_servers, clock=lambda: now) as member:
        await until(lambda: member.records() == 4)
        assert member.source.ours(member.numbers())
        now = 130.0
        assert not member.source.ours(member.numbers())
        steady = asyncio.create_task(member.source.steady())
        await asyncio.sleep(0.5)
        assert not member.source.ours(member.numbers())
        assert not steady.done()
        now = 131.0
        await asyncio.wait_for(steady, 5)
        assert member.source.ours(member.numbers())


async def test_a_partition_stands_where_the_group_is_before_anything_is_fetched() -> None:
    """Of what is committed and not read the lag is known, and a topic without a record is known to have none."""
    with EmbeddedBroker() as broker:
        broker.create_topic(TOPIC, PARTITIONS)
        async with owner(broker.bootstrap_servers) as member:
            await until(lambda: len(member.chunks) > 0 and len(member.known_ends) == PARTITIONS)
            assert [(span.first, span.next) for chunk in member.chunks for span in chunk.spans] == [(0, 0)] * 4


async def test_records_deleted_before_they_were_read_are_counted(tmp_path: Path) -> None:
    """Retention that overtakes the service is told with topic, partition, both offsets and the number lost."""
    async with road(tmp_path) as it:
        for _ in range(10):
            it.producer.produce(TOPIC, None, partition=0)
        it.producer.flush(20)
        async with it.member() as member:
            await until(lambda: it.committed() == 10)
        for _ in range(40):
            it.producer.produce(TOPIC, None, partition=0)
        it.producer.flush(20)
        it.broker.delete_records(TOPIC, 0, 35)
        async with it.member() as member:
            await until(lambda: it.committed() == 50)
            assert member.jumps == [Jump(Partition(TOPIC, 0), 10, 35, 25)]


async def test_without_an_offset_to_go_on_from_the_process_ends_if_told_so(tmp_path: Path) -> None:
    """`auto.offset.reset: error`: one line that says what to do, nothing sent, nothing committed."""
    async with road(tmp_path) as it:
        it.produce(range(10))
        with pytest.raises(FatalError, match=r"no offset to go on from.*set the group's offsets"):
            async with it.member(kafka__properties={**QUICK, "auto.offset.reset": "error"}) as member:
                await asyncio.wait({member.running}, timeout=20)
        assert it.committed() == 0
        assert it.simulator.summary().batches == 0


async def test_rows_of_partitions_that_went_leave_the_batch_that_waits(tmp_path: Path) -> None:
    """The new owner's newer values are in Target before the old owner's batch gets through: it must not undo them."""
    async with road(tmp_path) as it:
        it.produce(range(100))
        it.simulator.faults.add(FaultKind.SERVER_ERROR)
        async with it.member() as first:
            await until(lambda: len(first.outcomes) >= 2)
            async with it.member() as second:
                await until(lambda: (first.partitions, second.partitions) == (2, 2))
                it.produce(range(100))
                # Now only a batch of both members' profiles is kept waiting: the one from before, were it still whole.
                it.simulator.faults.clear()
                it.simulator.faults.add(FaultKind.SERVER_ERROR, min_rows=75)
                await until(lambda: bool(second.batches))
                await until(lambda: len(first.outcomes) >= 3)
                it.simulator.faults.clear()
                await until(it.arrived)
                await until(lambda: bool(first.batches))
        assert it.simulator.summary().went_backwards == 0
        assert it.arrived()
