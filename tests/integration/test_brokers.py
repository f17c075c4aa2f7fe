"""Three real brokers of which some are killed: nothing lost, nothing stale, and it goes on by itself.

Each test counts every profile: Target must equal the newest event of each customer, and no version may go down.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from connector.records import Reason
from connector.telemetry import Part
from tests.embedded.road import until as once
from tests.integration.kafka_road import PARTITIONS, PLAIN, KafkaRoad, kafka_road, without_registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.cluster import Cluster
    from tests.integration.kafka_road import Witness

pytestmark = pytest.mark.containers

ALL_DOWN_S = 15.0  # a minute was tried by hand
NODES = (1, 2, 3)
# Long enough for a busy machine: if a session ends before a commit, what it delivered is sent again from the committed
# offsets, in other windows, and older values stand in Target for a moment.
SESSION = {"session.timeout.ms": 20_000, "heartbeat.interval.ms": 500}


async def until(condition: Callable[[], bool]) -> None:
    """With the patience that three brokers on a busy machine want."""
    await once(condition, 180)


@asynccontextmanager
async def under_load(cluster: Cluster, folder: Path, **changes: Any) -> AsyncIterator[tuple[KafkaRoad, Witness]]:
    """A member that carries events which are written all the time; on leaving, every profile is judged."""
    async with kafka_road(cluster, "http://127.0.0.1:1", folder, topic="brokers") as it:
        async with it.member(**changes, **without_registry(folder)) as member:
            await until(lambda: member.partitions == PARTITIONS)
            async with it.loaded(PLAIN):
                await until(lambda: len(member.batches) > 2)
                yield it, member
            await until(it.arrived)
            await until(lambda: member.troubles == {})
            await it.all_committed()
        assert it.simulator.summary().went_backwards == 0
        assert it.simulator.summary().most_calls_in_60_s <= 50


async def gone_on(it: KafkaRoad, what: str) -> None:
    """Wait until whatever was written before now, in every partition, is in Target or overtaken there."""
    written, began = dict(it.expected), time.monotonic()
    have = it.simulator.profiles
    await until(lambda: all(int(have[one]["version"]) >= int(new["version"]) for one, new in written.items()))
    print(f"{what}: went on after {time.monotonic() - began:.1f} s")  # noqa: T201 (pytest -s shows it)


@pytest.mark.parametrize("role", ["leader", "coordinator"])
async def test_a_broker_is_killed(tmp_path: Path, cluster: Cluster, role: str) -> None:
    """SIGKILL for the leader of a partition, or for the group's coordinator: nothing lost, and it goes on by itself."""
    async with under_load(cluster, tmp_path, kafka__properties=SESSION) as (it, _):
        node = cluster.leader_of(it.topic, 0) if role == "leader" else cluster.coordinator(it.topic)
        assert node is not None
        await asyncio.to_thread(cluster.kill, node)
        await gone_on(it, f"without the {role}, which stays away")


async def test_all_brokers_are_down(tmp_path: Path, cluster: Cluster) -> None:
    """It says so, stays alive, and goes on without a restart when they are back."""
    async with under_load(cluster, tmp_path) as (it, member):
        await asyncio.gather(*(asyncio.to_thread(cluster.kill, node) for node in NODES))
        await until(lambda: "start the brokers" in member.troubles.get(Part.KAFKA, ""))
        await asyncio.sleep(ALL_DOWN_S)
        assert not member.running.done()
        for node in NODES:
            cluster.start(node)
        await gone_on(it, f"all brokers down for {ALL_DOWN_S:.0f} s")


async def test_letters_wait_for_their_replicas(tmp_path: Path, cluster: Cluster) -> None:
    """With fewer replicas than `min.insync.replicas` no letter is acknowledged: told, nothing stored, and it heals."""
    async with kafka_road(cluster, "http://127.0.0.1:1", tmp_path, topic="replicas") as it:
        cluster.create_topic(it.dead_letter_topic, partitions=1, min_insync_replicas="3")
        async with it.member(**without_registry(tmp_path)) as member:
            it.write_cities(PLAIN, range(20))
            await until(it.arrived)
            await it.all_committed()
            node = (cluster.leader_of(it.dead_letter_topic, 0) or 0) % len(NODES) + 1
            await asyncio.to_thread(cluster.kill, node)
            it.write_raw(b"no datum")
            it.write_cities(PLAIN, range(10, 30), city="Wien")
            await until(lambda: "2 of 3 replicas are in sync" in member.troubles.get(Part.DEAD_LETTERS, ""))
            assert it.left() > 0
            assert member.dead == {}
            cluster.start(node)
            await until(it.arrived)
            await until(lambda: member.dead == {Reason.UNREADABLE: 1})
            await until(lambda: member.troubles == {})
            await it.all_committed()
        assert {value for value, _ in it.dead_letters(5)} == {b"no datum"}
        assert it.simulator.summary().went_backwards == 0
