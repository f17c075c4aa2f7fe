"""The road with real Kafka and a real registry, for the tests of this folder: topics, members, and the truth.

As `tests/embedded/road.py` with what only the real ones have: schemas that evolve, more than one topic, other clients.
"""

from __future__ import annotations

import asyncio
import io
import json
import struct
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import fastavro
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient

from connector.service.app import serve
from connector.service.loading import load
from connector.simulator.account import SimulatorOptions
from connector.simulator.app import Simulator
from tests.changes import changed
from tests.embedded.road import Watcher, read_letters
from tests.readers import CHOICE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from tests.containers import Kafka


PARTITIONS = 4
CUSTOMER: dict[str, Any] = {
    "type": "record",
    "name": "Customer",
    "fields": [
        {"name": "customer_id", "type": "string"},
        {"name": "version", "type": "int"},
        {"name": "city", "type": "string"},
    ],
}


class Brokers(Protocol):
    """What holds the topics: `tests.containers.Kafka`, or the three of `tests.cluster`."""

    @property
    def address(self) -> str: ...
    def create_topic(self, name: str, *, partitions: int) -> None: ...


class Witness(Watcher):
    """A watcher that also hears of the lag, and how often partitions moved."""

    last_lag: int | None = None
    unknown: int | None = None
    all_partitions: int | None = None
    moves: int = 0

    def lag(self, records: int, unknown: int) -> None:
        self.last_lag, self.unknown = records, unknown

    def assigned(self, partitions: int, all_partitions: int | None) -> None:
        self.moves += partitions != self.partitions
        super().assigned(partitions, all_partitions)
        self.all_partitions = all_partitions


@dataclass(frozen=True, slots=True)
class Writer:
    """A schema that records are written with.

    Attributes:
        schema_id: the registry's, or None for `framing: plain`.
        parsed: with all that it refers to.
    """

    schema_id: int | None
    parsed: Any

    def value(self, datum: dict[str, Any]) -> bytes:
        """A record's value."""
        written = io.BytesIO()
        fastavro.schemaless_writer(written, self.parsed, datum)
        head = b"" if self.schema_id is None else b"\0" + struct.pack(">I", self.schema_id)
        return head + written.getvalue()


PLAIN = Writer(None, CUSTOMER)
"""Writes records without a schema id; see `without_registry`."""


@dataclass
class KafkaRoad:
    """What a test drives."""

    kafka: Brokers
    registry_url: str
    simulator: Simulator
    base_url: str
    topic: str
    folder: Path
    producer: Producer
    expected: dict[str, dict[str, str]] = field(default_factory=dict)
    version: int = 0
    members: int = 0

    @property
    def dead_letter_topic(self) -> str:
        return f"{self.topic}.dead"

    def register(self, schema: dict[str, Any], subject: str | None = None, *, refers_to: Sequence[str] = ()) -> Writer:
        """Register a schema, by default as the newest of the topic's values; `refers_to` are `name=subject`."""
        with SchemaRegistryClient({"url": self.registry_url}) as client:
            references: list[SchemaReference] = []
            named: dict[str, Any] = {}
            for name, other in (one.split("=") for one in refers_to):
                found = client.get_latest_version(other)
                references.append(SchemaReference(name, other, found.version))
                fastavro.parse_schema(json.loads(found.schema.schema_str or ""), named_schemas=named)
            registered = Schema(json.dumps(schema), "AVRO", references)
            schema_id = client.register_schema(subject or f"{self.topic}-value", registered)
        return Writer(schema_id, fastavro.parse_schema(schema, named_schemas=named))

    def write(self, writer: Writer, datum: dict[str, Any], expected: dict[str, str], topic: str | None = None) -> None:
        """Write one event; `expected` are the attributes that its profile has from then on, beside the version."""
        self.version += 1
        key = datum["customer_id"]
        value = writer.value({**datum, "version": self.version})
        self.producer.produce(topic or self.topic, value, key=key)
        self.producer.poll(0)
        self.expected[key] = {"version": str(self.version), **expected}

    def write_cities(self, writer: Writer, customers: range, *, city: str = "Graz", topic: str | None = None) -> None:
        """Write one event of the schema CUSTOMER for each customer, newer than all before."""
        for number in customers:
            self.write(writer, {"customer_id": f"customer-{number}", "city": city}, {"city": city}, topic)
        self.flush()

    def write_raw(self, value: bytes, key: bytes = b"raw", headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Write a record that is not meant to arrive."""
        self.producer.produce(self.topic, value, key=key, headers=list(headers))
        self.flush()

    @asynccontextmanager
    async def loaded(self, writer: Writer) -> AsyncIterator[None]:
        """Write 200 events of the schema CUSTOMER every tenth of a second meanwhile."""
        stop = asyncio.Event()

        async def load() -> None:
            while not stop.is_set():
                await asyncio.to_thread(self.write_cities, writer, range(200), city=f"Graz {self.version}")
                await asyncio.sleep(0.1)

        loading = asyncio.create_task(load())
        try:
            yield
        finally:
            stop.set()
            await loading

    def delete_topic(self, topic: str) -> None:
        admin = AdminClient({"bootstrap.servers": self.kafka.address})
        for gone in admin.delete_topics([topic]).values():
            gone.result(timeout=30)

    def flush(self) -> None:
        assert self.producer.flush(180) == 0  # three brokers that come back on a busy machine take a minute

    @asynccontextmanager
    async def member(self, **changes: Any) -> AsyncIterator[Witness]:
        """Run one replica; leaves it by a stop and its drain. `changes` are dotted settings with `__` for the dot."""
        watcher, stop = Witness(), asyncio.Event()
        self.members += 1
        settings = load(self.settings(changes), {})
        watcher.running = asyncio.create_task(serve(settings, stop, also=[watcher]))
        try:
            yield watcher
        finally:
            stop.set()
            await asyncio.wait_for(watcher.running, 60)

    def arrived(self) -> bool:
        """Whether every profile in Target equals its newest event."""
        return dict(self.simulator.profiles) == self.expected

    def left(self, topic: str | None = None) -> int:
        """How many offsets lie between the committed ones and a topic's ends: the lag that Kafka's own tools tell."""
        topic = topic or self.topic
        consumer = Consumer(
            {"bootstrap.servers": self.kafka.address, "group.id": self.topic, "enable.auto.commit": False}
        )
        try:
            numbers = consumer.list_topics(topic, timeout=30).topics[topic].partitions
            committed = consumer.committed([TopicPartition(topic, number) for number in numbers], timeout=30)
            ends = [consumer.get_watermark_offsets(one, timeout=30) for one in committed]
            return sum(high - max(low, one.offset) for one, (low, high) in zip(committed, ends, strict=True))
        finally:
            consumer.close()

    async def all_committed(self, topic: str | None = None) -> None:
        """Wait until nothing is left."""
        deadline = time.monotonic() + 30
        while left := await asyncio.to_thread(self.left, topic):
            assert time.monotonic() < deadline, f"{left} are not committed"
            await asyncio.sleep(0.2)

    def dead_letters(self, count: int) -> list[tuple[bytes | None, dict[str, bytes]]]:
        """Read so many dead letters: value and headers of each."""
        return read_letters(self.kafka.address, self.dead_letter_topic, count, 20)

    def settings(self, changes: dict[str, Any]) -> Path:
        settings: dict[str, Any] = {
            "kafka": {
                "bootstrap_servers": self.kafka.address,
                "group_id": self.topic,
                "properties": {"session.timeout.ms": 3000, "heartbeat.interval.ms": 500},
            },
            "registry": {"url": self.registry_url},
            "sources": [
                {"topics": [self.topic], "id": "customer_id", "attributes": {"version": "version", "city": "city"}}
            ],
            "window": {"max_age": "200ms"},
            "target": {"client": "acme", "base_url": self.base_url, "calls_per_minute": 50, "throttle_hold": "1s"},
            "dead_letters": {"topic": self.dead_letter_topic},
            "service": {"host": "127.0.0.1", "port": 0, "drain": "20s", "extension": CHOICE.extension},
        }
        path = self.folder / f"member-{self.members}.yaml"
        path.write_text(json.dumps(changed(settings, changes)))
        return path


@asynccontextmanager
async def kafka_road(kafka: Brokers, registry_url: str, folder: Path, *, topic: str = "") -> AsyncIterator[KafkaRoad]:
    """Open a road with an empty topic of its own."""
    topic = f"{topic or 'road'}.{time.time_ns()}"
    kafka.create_topic(topic, partitions=PARTITIONS)
    simulator = Simulator(SimulatorOptions(version_attribute="version"))
    base_url = await simulator.start()
    # Wide bounds, since a test may pause the broker while it writes.
    producer = Producer(
        {"bootstrap.servers": kafka.address, "enable.idempotence": True, "linger.ms": 5, "log_level": 0}
    )
    try:
        yield KafkaRoad(kafka, registry_url, simulator, base_url, topic, folder, producer)
    finally:
        await simulator.stop()


def transactions(it: KafkaRoad, writer: Writer) -> None:
    """Write thirty events in transactions that are committed, and sixty in ones that are aborted, in turns."""
    within = Producer({"bootstrap.servers": it.kafka.address, "transactional.id": it.topic, "log_level": 0})
    within.init_transactions(60)
    outside, it.producer = it.producer, within
    for turn in range(3):
        within.begin_transaction()
        it.write_cities(writer, range(10), city=f"Graz {turn}")
        within.commit_transaction(60)
        before = dict(it.expected)
        within.begin_transaction()
        it.write_cities(writer, range(20), city="never")
        within.abort_transaction(60)
        it.expected = before
    it.producer = outside


@asynccontextmanager
async def paused(broker: Kafka) -> AsyncIterator[None]:
    container = broker.get_wrapped_container()
    container.pause()
    try:
        yield
    finally:
        container.unpause()


def without_registry(folder: Path) -> dict[str, Any]:
    """Settings, as `member` takes them, for records that `PLAIN` wrote."""
    schema = folder / "customer.avsc"
    schema.write_text(json.dumps(CUSTOMER))
    return {"registry": None, "sources__framing": "plain", "sources__schema_file": str(schema)}


class Proxy:
    """A TCP connection to elsewhere that can be cut: what a client sees when a service goes away."""

    def __init__(self, url: str) -> None:
        """`url` is that of an HTTP service; `Proxy.url` is the same by way of the proxy, once opened."""
        self._to = url.split("/")[2].split(":")
        self._path = url.split("/", 3)[3]
        self._port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/{self._path}"

    async def open(self) -> None:
        """Let connections through, at the same port as before."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Cut all connections and refuse new ones."""
        if self._server is not None:
            self._server.close()
            for writer in self._open:
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._to[0], int(self._to[1]))
        self._open |= {writer, back}
        await asyncio.gather(_pump(reader, back), _pump(there, writer))
        self._open -= {writer, back}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
