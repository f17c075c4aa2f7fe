"""A Kafka and a topic for as long as a benchmark runs. Called by whatever here needs one."""

from __future__ import annotations

import sys
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from benchmarks.events import PARTITIONS
from tests.containers import KAFKA_IMAGE, Kafka, missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future


@contextmanager
def kafka(running: str | None) -> Iterator[str]:
    """Gives the address of a Kafka that runs already, or starts one in Docker."""
    if running is not None:
        yield running
        return
    if (why_not := missing(KAFKA_IMAGE)) is not None:
        sys.exit(f"{why_not}; give --bootstrap-servers of a Kafka that runs")
    with Kafka() as broker:
        yield broker.address


@contextmanager
def topic(brokers: str, partitions: int = PARTITIONS) -> Iterator[str]:
    """Makes a topic, and deletes it at the end."""
    admin = AdminClient({"bootstrap.servers": brokers, "log_level": 4})  # warnings and worse
    name = f"benchmark-{uuid.uuid4().hex[:8]}"
    _done(admin.create_topics([NewTopic(name, partitions, 1)]).values())
    try:
        yield name
    finally:
        _done(admin.delete_topics([name]).values())


def _done(futures: Iterable[Future[None]]) -> None:
    for future in futures:
        future.result(30)
