"""However a life of the pipeline ends, the call on the wire ends first; and what ends it is heard at once."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError

from connector.errors import FatalError, StartOverError
from connector.kafka.embedded import Api
from connector.records import Reason
from connector.simulator.faults import FaultKind
from connector.telemetry import Part
from tests.embedded.road import Watcher, road, until
from tests.embedded.test_blocked import BAD, blocked, change, unblock

if TYPE_CHECKING:
    from pathlib import Path

    from connector.telemetry import FollowReport
    from tests.embedded.road import Road


async def on_the_wire(it: Road) -> None:
    """Until the slow call has begun."""
    await until(lambda: not it.simulator.faults.active())


@pytest.mark.parametrize(
    "changes",
    [{}, {"target__commit_on": "complete", "target__unconfirmed__batches": 1}],
    ids=["as usual", "while no further batch may go"],
)
async def test_a_stop_lets_the_call_on_the_wire_end(tmp_path: Path, changes: dict[str, Any]) -> None:
    """A call that takes longer than the drain is not cut: Target could apply it after what the next owner sends."""
    async with road(tmp_path) as it:
        it.produce(range(100))
        it.simulator.faults.add(FaultKind.SLOW, times=1, delay_s=3.0)
        async with it.member(service__drain="100ms", window__max_age="2s", **changes) as member:
            await on_the_wire(it)
        assert it.arrived()
        assert "hung_up" not in it.simulator.summary().calls
        assert member.outcomes == ["accepted"]
        assert it.committed() == (0 if changes else 100)


async def test_a_stop_is_bounded_by_the_time_out_of_the_call(tmp_path: Path) -> None:
    """A Target that hangs holds a stop up for the rest of the call, and no call is begun after the drain."""
    async with road(tmp_path) as it:
        it.produce(range(100))
        it.simulator.faults.add(FaultKind.SLOW, times=1, delay_s=30.0)
        async with it.member(service__drain="100ms", target__timeout="2s") as member:
            await on_the_wire(it)
        assert member.outcomes == ["unavailable"]
        assert it.committed() == 0


@pytest.mark.parametrize("way", ["unblock", "settings"])
async def test_a_life_that_starts_over_lets_the_call_on_the_wire_end(tmp_path: Path, way: str) -> None:
    """Whatever heals the service sends nothing while a call of the life before may still be applied."""
    async with road(tmp_path) as it:
        it.produce(range(10))
        it.simulator.faults.add(FaultKind.SLOW, times=1, delay_s=4.0)
        async with it.member() as member:
            await on_the_wire(it)
            it.produce_raw(b"no framing at all", times=BAD)
            await blocked(member, "framing")
            assert member.outcomes == []
            if way == "unblock":
                assert await unblock(member) == 202
            else:
                change(member, dead_letters__brake__at_least=BAD + 1)
            await until(lambda: member.dead.get(Reason.FRAMING, 0) >= BAD)
        assert "hung_up" not in it.simulator.summary().calls
        assert member.outcomes[:1] == ["accepted"]
        assert it.committed() == BAD + 10


class Forgets(Watcher):
    """Gives up what is open once a batch was followed to its end."""

    gave_up = False

    def followed(self, report: FollowReport) -> None:
        super().followed(report)
        if not self.gave_up:
            self.gave_up = True
            raise StartOverError("a batch was not confirmed")


async def test_giving_up_lets_the_call_on_the_wire_end(tmp_path: Path) -> None:
    """What is given up and read again is not sent while a call of the life before may still be applied."""
    async with road(tmp_path) as it:
        it.produce(range(10))
        async with it.watched(Forgets(), target__follow_after="1s") as member:
            await until(lambda: member.outcomes == ["accepted"])
            it.simulator.faults.add(FaultKind.SLOW, times=1, delay_s=4.0)
            it.produce(range(10))
            await on_the_wire(it)
            await until(lambda: any("starting over" in text for text in member.told))
            assert member.outcomes == ["accepted"] * 2
            await until(it.arrived)
        assert "hung_up" not in it.simulator.summary().calls


async def test_a_blocked_service_sends_nothing(tmp_path: Path) -> None:
    """The batch in flight is given up between two calls: nothing of it arrives while a human is waited for."""
    async with road(tmp_path) as it:
        it.produce(range(10))
        it.simulator.faults.add(FaultKind.SERVER_ERROR)
        async with it.member() as member:
            await until(lambda: bool(member.outcomes))
            it.produce_raw(b"no framing at all", times=BAD)
            await blocked(member, "framing")
            it.simulator.faults.clear()
            calls = len(member.outcomes)
            with pytest.raises(TimeoutError):
                await until(lambda: len(member.outcomes) > calls + 1, 3)
            assert it.simulator.summary().batches == 0
            assert it.committed() == 0
            assert await unblock(member) == 202
            await until(it.arrived)


async def test_what_blocks_the_batch_in_flight_is_told_too(tmp_path: Path) -> None:
    """Two causes are two things to mend."""
    async with road(tmp_path) as it:
        it.produce(range(10))
        it.simulator.faults.add(FaultKind.SLOW, times=1, delay_s=3.0)
        it.simulator.faults.add(FaultKind.REDIRECT)
        async with it.member() as member:
            await until(lambda: len(it.simulator.faults.active()) == 1)
            it.produce_raw(b"no framing at all", times=BAD)
            await blocked(member, "framing")
            await blocked(member, "target.base_url")
            assert "framing" in member.troubles[Part.PIPELINE]


async def test_what_blocks_a_drain_is_told(tmp_path: Path) -> None:
    """Whoever stops a service learns that the next one will block."""
    async with road(tmp_path) as it:
        it.produce(range(10))
        it.simulator.faults.add(FaultKind.REDIRECT)
        async with it.member(window__max_age="10m") as member:
            await until(lambda: member.polled_records == 10)
            await asyncio.sleep(1)  # into the window
        assert "target.base_url" in member.troubles[Part.PIPELINE]


async def fence_while_full(it: Road) -> None:
    """Run a member until its window is full and its group does not want it any more."""
    async with it.member(window__max_rows=1) as member:
        await until(lambda: bool(member.outcomes))
        it.produce(range(10, 14))  # fills the window behind the batch in flight
        await until(lambda: member.polled_records == 8)
        await asyncio.sleep(1)
        it.broker.fail_requests(Api.HEARTBEAT, [KafkaError.FENCED_INSTANCE_ID])
        await asyncio.wait({member.running}, timeout=10)
        assert member.running.done()


async def test_a_full_window_hides_no_end_of_the_membership(tmp_path: Path) -> None:
    """While Target is down for hours and nothing is taken in, a member that was fenced ends nevertheless."""
    async with road(tmp_path) as it:
        it.produce(range(4))
        it.simulator.faults.add(FaultKind.SERVER_ERROR)
        with pytest.raises(FatalError, match="ended the membership"):
            await fence_while_full(it)
        # Librdkafka would never end the client, and take a core for it until the process goes.
        assert "kafka-consumer" not in {thread.name for thread in threading.enumerate()}
