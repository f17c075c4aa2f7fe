"""The whole road in one process, for the tests of this folder: broker, registry, simulated Target, and members.

A `Road` knows what it produced, so that `expected` can be held against what Target has.
"""

from __future__ import annotations

import asyncio
import io
import json
import socket
import struct
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import fastavro
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import AsyncSchemaRegistryClient, Schema

from connector.avro.registry import Registry
from connector.avro.registry_access import RegistryAccess
from connector.kafka.embedded import EmbeddedBroker
from connector.service.app import serve
from connector.service.settings_watch import SettingsWatch
from connector.simulator.account import SimulatorOptions
from connector.simulator.app import Simulator
from connector.telemetry import Silent
from tests.changes import changed
from tests.readers import CHOICE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime
    from pathlib import Path

    from connector.kafka.embedded import EmbeddedProducer
    from connector.records import Jump, Reason
    from connector.telemetry import BatchReport, FollowReport, Part

TOPIC = "crm.customers"
DEAD_LETTERS = "dead-letters"
GROUP = "target-profiles"
PARTITIONS = 4
SCHEMA = {
    "type": "record",
    "name": "Customer",
    "fields": [
        {"name": "customer_id", "type": "string"},
        {"name": "version", "type": "int"},
        {"name": "city", "type": ["null", "string"], "default": None},
    ],
}
_PARSED = fastavro.parse_schema(SCHEMA)


class Watcher(Silent):
    """Keeps what a member tells."""

    running: asyncio.Task[None]
    admin_url: str
    config: Path

    def __init__(self) -> None:
        self.troubles: dict[Part, str] = {}
        self.told: list[str] = []
        self.batches: list[BatchReport] = []
        self.followed_batches: list[FollowReport] = []
        self.expires: datetime | None = None
        self.dead: dict[Reason, int] = {}
        self.partitions = -1
        self.polled_records = 0
        self.outcomes: list[str] = []
        self.jumps: list[Jump] = []
        self.sizes: list[int] = []

    def polled(self, records: int, size_bytes: int) -> None:
        self.polled_records += records

    def assigned(self, partitions: int, all_partitions: int | None) -> None:
        self.partitions = partitions

    def jumped(self, jump: Jump) -> None:
        self.jumps.append(jump)

    def called(self, outcome: str, seconds: float, size_bytes: int) -> None:
        self.outcomes.append(outcome)
        self.sizes.append(size_bytes)

    def dead_lettered(self, reason: Reason, count: int) -> None:
        self.dead[reason] = self.dead.get(reason, 0) + count

    def accepted(self, report: BatchReport) -> None:
        self.batches.append(report)

    def token_expires(self, at: datetime | None, now: datetime) -> None:
        self.expires = at

    def followed(self, report: FollowReport) -> None:
        self.followed_batches.append(report)

    def trouble(self, part: Part, text: str | None) -> None:
        if text is None:
            self.troubles.pop(part, None)
        else:
            self.troubles[part] = text
            self.told.append(text)


@dataclass
class Road:
    """What a test drives."""

    broker: EmbeddedBroker
    simulator: Simulator
    base_url: str
    registry: AsyncSchemaRegistryClient
    schema_id: int
    folder: Path
    producer: EmbeddedProducer
    expected: dict[str, dict[str, str]] = field(default_factory=dict)
    version: int = 0
    members: int = 0

    def produce(self, customers: range, *, city: str = "Graz", good: bool = True) -> None:
        """One event for each customer, newer than all before; `good=False`: not meant to arrive."""
        for number in customers:
            self.version += 1
            key = f"customer-{number}"
            datum = io.BytesIO()
            fastavro.schemaless_writer(datum, _PARSED, {"customer_id": key, "version": self.version, "city": city})
            self.producer.produce(TOPIC, b"\0" + struct.pack(">I", self.schema_id) + datum.getvalue(), key=key.encode())
            if good:
                self.expected[key] = {"version": str(self.version), "city": city}
        self.producer.flush(20)

    def register(self, schema: dict[str, Any]) -> Coroutine[Any, Any, int]:
        """Make this the topic's newest schema; gives its id."""
        return self.registry.register_schema(f"{TOPIC}-value", Schema(json.dumps(schema), "AVRO"))

    def produce_raw(self, value: bytes | None, key: bytes = b"raw", *, times: int = 1) -> None:
        """As many records, all in one piece, so that they are seldom fetched apart."""
        for _ in range(times):
            self.producer.produce(TOPIC, value, key=key)
        self.producer.flush(20)

    def member(self, **changes: Any) -> AbstractAsyncContextManager[Watcher]:
        """Run one replica; leaves it by a stop and its drain. `changes` are dotted settings with `__` for the dot."""
        return self.watched(Watcher(), **changes)

    @asynccontextmanager
    async def watched(self, watcher: Watcher, **changes: Any) -> AsyncIterator[Watcher]:
        """Run one replica that tells this watcher."""
        stop = asyncio.Event()
        self.members += 1
        admin_port = free_port()
        watcher.config = self._settings({"service__admin_port": admin_port, **changes})
        watcher.admin_url = f"http://127.0.0.1:{admin_port}"
        watch = SettingsWatch(watcher.config, {})
        settings = watch.load()
        access = RegistryAccess(self.registry, telemetry=watcher)
        running = asyncio.create_task(serve(settings, stop, also=[watcher], schemas=Registry(access), watch=watch))
        watcher.running = running
        try:
            yield watcher
        finally:
            stop.set()
            await asyncio.wait_for(running, 40)

    def arrived(self) -> bool:
        """Whether every profile in Target equals its newest event."""
        return dict(self.simulator.profiles) == self.expected

    def committed(self) -> int:
        """How many records of the topic lie below the committed offsets."""
        return committed(self.broker)

    def dead_letters(self, count: int) -> list[tuple[bytes | None, dict[str, bytes]]]:
        """Read so many dead letters: value and headers of each."""
        return read_letters(self.broker.bootstrap_servers, DEAD_LETTERS, count, 10)

    def _settings(self, changes: dict[str, Any]) -> Path:
        settings: dict[str, Any] = {
            "kafka": {
                "bootstrap_servers": self.broker.bootstrap_servers,
                "group_id": GROUP,
                # The mock ends a rebalance only just before the session's time-out, so that is made short.
                "properties": {"session.timeout.ms": 2000, "heartbeat.interval.ms": 100},
            },
            "registry": {"url": "http://127.0.0.1:1"},
            "sources": [{"topics": [TOPIC], "id": "customer_id", "attributes": {"version": "version", "city": "city"}}],
            "window": {"max_age": "200ms"},
            "target": {
                "client": "acme",
                "base_url": self.base_url,
                "calls_per_minute": 50,
                "throttle_hold": "1s",
                "timeout": "5s",
            },
            "dead_letters": {"topic": DEAD_LETTERS},
            "service": {"host": "127.0.0.1", "port": 0, "drain": "15s", "extension": CHOICE.extension},
        }
        path = self.folder / f"member-{self.members}.yaml"
        path.write_text(json.dumps(changed(settings, changes)))
        return path


@asynccontextmanager
async def road(folder: Path) -> AsyncIterator[Road]:
    """Open a road with an empty topic of four partitions, to a Target that takes so long to apply a batch."""
    with EmbeddedBroker() as broker:
        broker.create_topic(TOPIC, PARTITIONS)
        broker.create_topic(DEAD_LETTERS, 1)
        simulator = Simulator(SimulatorOptions(version_attribute="version"))
        base_url = await simulator.start()
        registry = AsyncSchemaRegistryClient.new_client({"url": "mock://"})
        schema_id = await registry.register_schema(f"{TOPIC}-value", Schema(json.dumps(SCHEMA), "AVRO"))
        try:
            yield Road(broker, simulator, base_url, registry, schema_id, folder, broker.producer())
        finally:
            await simulator.stop()


def committed(broker: EmbeddedBroker) -> int:
    """How many records of the topic lie below the committed offsets."""
    # Without auto-commit, or closing it would commit what this reader of offsets never read.
    nobody = {"bootstrap.servers": broker.bootstrap_servers, "group.id": GROUP, "enable.auto.commit": False}
    consumer = Consumer(nobody)
    try:
        found = consumer.committed([TopicPartition(TOPIC, p) for p in range(PARTITIONS)], timeout=10)
        return sum(max(0, partition.offset) for partition in found)
    finally:
        consumer.close()


def read_letters(brokers: str, topic: str, count: int, seconds: float) -> list[tuple[bytes | None, dict[str, bytes]]]:
    """Value and headers of the first dead letters, as many as there are within so many seconds."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "judge", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        messages = consumer.consume(count, timeout=seconds)
        return [(message.value(), dict(message.headers() or [])) for message in messages]  # type: ignore[arg-type]
    finally:
        consumer.close()


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for a condition of another task's making.

    Raises:
        TimeoutError: it did not come true.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            msg = "it did not come true in time"
            raise TimeoutError(msg)
        await asyncio.sleep(0.02)
