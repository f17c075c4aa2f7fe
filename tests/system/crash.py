"""What the crash tests have of their own: the image as a process, the feed, and the truth about every profile.

The tests of this folder use what a user has, the installed command and the image, and import nothing of the package.
"""

from __future__ import annotations

import io
import json
import random
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import docker
import fastavro
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

if TYPE_CHECKING:
    from pathlib import Path

    from tests.containers import Kafka, Registry
    from tests.processes import Target

PARTITIONS = 8
CUSTOMERS = 20_000
SCHEMA = {
    "type": "record",
    "name": "Customer",
    "fields": [
        {"name": "customer_id", "type": "string"},
        {"name": "version", "type": "int"},
        {"name": "note", "type": "string"},
    ],
}


class Connector(Protocol):
    """One life of the connector."""

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""

    def stop(self) -> int:
        """SIGTERM; its exit code."""

    def alive(self) -> bool:
        """Whether it runs."""


class FromImage:
    """The image, read-only and without privileges, in the network of this machine."""

    def __init__(self, config: Path, image: str) -> None:
        config.chmod(0o644)
        self._docker = docker.from_env()
        self._container = self._docker.containers.run(
            image,
            ["run", "--config", "/etc/connector.yaml"],
            volumes={str(config): {"bind": "/etc/connector.yaml", "mode": "ro"}},
            network_mode="host",
            read_only=True,
            cap_drop=["ALL"],
            labels={"org.testcontainers": "true"},  # so that the clean-up of CONTRIBUTING.md finds it
            detach=True,
        )

    def kill(self) -> None:
        self._container.kill("SIGKILL")
        self._remove()

    def stop(self) -> int:
        self._container.kill("SIGTERM")
        code: int = self._container.wait(timeout=60)["StatusCode"]
        self._remove()
        return code

    def _remove(self) -> None:
        self._container.remove(force=True)
        self._docker.close()

    def alive(self) -> bool:
        self._container.reload()
        return bool(self._container.status == "running")


@dataclass
class Feed:
    """Change events in a topic, and the newest version of every customer."""

    brokers: str
    registry: str
    topic: str
    total: int
    allowed: int | None = None
    newest: dict[str, int] = field(default_factory=dict)

    def run(self, per_second: float) -> threading.Thread:
        """Write events at an even pace, in a thread, until all are written; no more than are `allowed` by now."""
        with SchemaRegistryClient({"url": self.registry}) as registry:
            schema_id = registry.register_schema(f"{self.topic}-value", Schema(json.dumps(SCHEMA), "AVRO"))
        # A daemon: where a test fails early, the run must not wait for what is no longer allowed.
        thread = threading.Thread(daemon=True, target=self._write, args=(schema_id, per_second))
        thread.start()
        return thread

    def _write(self, schema_id: int, per_second: float) -> None:
        producer = Producer({"bootstrap.servers": self.brokers, "enable.idempotence": True, "linger.ms": 20})
        parsed, began = fastavro.parse_schema(SCHEMA), time.monotonic()
        chance = random.Random(7)  # noqa: S311 (which customer changes)
        for version in range(1, self.total + 1):
            while self.allowed is not None and version > self.allowed:
                began += 0.02  # the pace is kept from here on, not made up for
                time.sleep(0.02)
            key = f"customer-{chance.randrange(CUSTOMERS)}"
            datum = io.BytesIO()
            fastavro.schemaless_writer(datum, parsed, {"customer_id": key, "version": version, "note": f"n {version}"})
            producer.produce(self.topic, b"\0" + struct.pack(">I", schema_id) + datum.getvalue(), key=key)
            self.newest[key] = version
            if version % 500 == 0:
                producer.poll(0)
                time.sleep(max(0.0, began + version / per_second - time.monotonic()))
        assert producer.flush(60) == 0


def committed(brokers: str, group: str, topic: str) -> int:
    """How many records lie below the committed offsets."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": group, "enable.auto.commit": False})
    try:
        found = consumer.committed([TopicPartition(topic, p) for p in range(PARTITIONS)], timeout=30)
        return sum(max(0, partition.offset) for partition in found)
    finally:
        consumer.close()


def write_settings(path: Path, kafka: Kafka, registry: Registry, target: Target, topic: str) -> None:
    settings = {
        "kafka": {
            "bootstrap_servers": kafka.address,
            "group_id": topic,
            # A killed member keeps its partitions for the session's time-out: short, so that twenty kills take minutes.
            "properties": {"session.timeout.ms": 2000, "heartbeat.interval.ms": 500},
        },
        "registry": {"url": registry.url},
        "sources": [{"topics": [topic], "id": "customer_id", "attributes": {"version": "version", "note": "note"}}],
        "window": {"max_age": "300ms"},
        "target": {"client": "acme", "base_url": target.url, "throttle_hold": "1s"},
        "dead_letters": {"topic": f"{topic}.dead-letters"},
        "service": {"host": "127.0.0.1", "port": 0},
    }
    path.write_text(json.dumps(settings))
