"""The account's budget, shared by processes that come and go, as the simulated Target counted their calls."""

from __future__ import annotations

import io
import json
import struct
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import fastavro
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from tests.processes import Installed, simulated_target, wait_for
from tests.system.crash import SCHEMA, write_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.containers import Kafka, Registry
    from tests.processes import Target

CALLS_PER_MINUTE = 35  # the default
PARTITIONS, GROWN = 8, 12


class Feed(threading.Thread):
    """Writes a new profile to every partition, five times a second, so that each replica always has a batch to send."""

    def __init__(self, kafka: Kafka, registry: Registry, topic: str) -> None:
        super().__init__(daemon=True)
        with SchemaRegistryClient({"url": registry.url}) as client:
            self._schema_id = client.register_schema(f"{topic}-value", Schema(json.dumps(SCHEMA), "AVRO"))
        self._producer = Producer({"bootstrap.servers": kafka.address, "linger.ms": 5})
        self._topic = topic
        self._end = threading.Event()
        self._partitions = PARTITIONS
        self.written = 0

    def run(self) -> None:
        parsed = fastavro.parse_schema(SCHEMA)
        while not self._end.wait(0.2):
            for partition in range(self._partitions):
                self.written += 1
                datum = io.BytesIO()
                customer = {"customer_id": f"customer-{self.written}", "version": 1, "note": "n"}
                fastavro.schemaless_writer(datum, parsed, customer)
                value = b"\0" + struct.pack(">I", self._schema_id) + datum.getvalue()
                self._producer.produce(self._topic, value, partition=partition)
            self._producer.poll(0)

    def grow(self, kafka: Kafka) -> None:
        """Give the topic more partitions, and write to them too once the producer has seen them."""
        admin = AdminClient({"bootstrap.servers": kafka.address})
        admin.create_partitions([NewPartitions(self._topic, GROWN)])[self._topic].result(timeout=30)
        wait_for(lambda: self._known() == GROWN, 30, "the producer knows them")
        self._partitions = GROWN

    def _known(self) -> int:
        return len(self._producer.list_topics(self._topic, timeout=10).topics[self._topic].partitions)

    def stop(self) -> None:
        assert self.is_alive()
        self._end.set()
        self.join(20)
        assert self._producer.flush(30) == 0


@contextmanager
def replicas(count: int, config: Path) -> Iterator[None]:
    """So many more processes; stopped together at the end."""
    with ExitStack() as stack:
        running: list[Installed] = []
        for number in range(count):
            own = config.with_name(f"{config.stem}-{count}-{number}.yaml")
            own.write_text(config.read_text())
            running.append(Installed(own))
            stack.callback(running[-1].kill)
        yield
        assert all(one.alive() for one in running)
        stack.pop_all()
        stopping = [threading.Thread(target=one.stop) for one in running]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join(60)


def more_calls(target: Target, count: int, seconds: float) -> None:
    """Wait until so many more batches were accepted, and at least so long: more would be the mistake to look for."""
    began, before = time.monotonic(), target.summary()["batches"]
    wait_for(lambda: target.summary()["batches"] >= before + count, 60, f"{count} more batches")
    time.sleep(max(0.0, began + seconds - time.monotonic()))


@pytest.mark.system
@pytest.mark.containers
def test_no_minute_holds_more_calls_than_the_account_has(tmp_path: Path, kafka: Kafka, registry: Registry) -> None:
    """One replica, three, seven, three again, and a topic that grows meanwhile: at most 35 calls in any 60 seconds.

    The windows are so small that only the budget holds the calls back.
    """
    topic = f"budget.{time.time_ns()}"
    kafka.create_topic(topic, partitions=PARTITIONS)
    feed, config = Feed(kafka, registry, topic), tmp_path / "connector.yaml"
    # A limit far above, so that what is too much is recorded and not refused.
    with simulated_target("--calls-per-minute", "1000") as target:
        write_settings(config, kafka, registry, target, topic)
        feed.start()
        with replicas(1, config):
            more_calls(target, 6, 15)
            with replicas(2, config):
                more_calls(target, 6, 20)
                feed.grow(kafka)  # so that those that start now know nothing of the order before
                with replicas(4, config):
                    more_calls(target, 6, 30)
                more_calls(target, 6, 22)
                feed.stop()
                wait_for(lambda: target.summary()["profiles"] == feed.written, 180, "all arrived")
        summary = target.summary()
    print(f"\n{summary['most_calls_in_60_s']} calls in the busiest minute, {summary['calls']}")  # noqa: T201 (the point)
    # What became of batches is asked for within the budget too, also of such as the account has forgotten.
    assert summary["calls"].keys() <= {"accepted", "status", "unknown_batch"}
    assert summary["most_calls_in_60_s"] <= CALLS_PER_MINUTE
    assert summary["most_calls_in_60_s"] >= CALLS_PER_MINUTE / 2  # it was the budget that held them back
