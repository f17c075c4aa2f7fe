"""Reads single records again, by their position.

A row that Target refuses has to become dead letters of the records it was made of. Keeping every record in memory
until its batch is accepted would cost more than the window itself, so the few that are needed are read again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaError, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connector.records import Partition, Record

READ_TIMEOUT_S = 10.0  # for one record; a stop may have to wait for it


@dataclass(frozen=True, slots=True)
class Gone:
    """A record that Kafka no longer has (its retention ended or it was compacted away): only its position is known."""

    position: Partition
    at: int

    def topic(self) -> str:
        """See Record."""
        return self.position.topic

    def partition(self) -> int:
        """See Record."""
        return self.position.partition

    def offset(self) -> int:
        """See Record."""
        return self.at

    def key(self) -> None:
        """See Record."""

    def value(self) -> None:
        """See Record."""

    def headers(self) -> None:
        """See Record."""


def reread(properties: Mapping[str, Any], positions: Iterable[tuple[Partition, int]]) -> list[Record]:
    """Read the records at these positions again; blocks, so call it in a thread.

    Args:
        properties: of the consumer; it joins no group and commits nothing.
        positions: partition and offset of each record.

    Returns:
        The records in the order asked for, `Gone` in place of those that Kafka no longer has.

    Raises:
        TimeoutError: the brokers did not give a record in time.
    """
    alone = {
        **properties,
        "group.id": f"{properties['group.id']}-reread",
        "group.protocol": "classic",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "error_cb": lambda _error: None,
    }
    alone.pop("group.instance.id", None)
    consumer = Consumer(alone)
    try:
        return [_read(consumer, partition, offset) for partition, offset in positions]
    finally:
        consumer.close()


def _read(consumer: Consumer, partition: Partition, offset: int) -> Record:
    consumer.assign([TopicPartition(*partition, offset)])
    until = time.monotonic() + READ_TIMEOUT_S
    while time.monotonic() < until:
        message = consumer.poll(1.0)
        if message is None:
            continue
        error = message.error()
        if error is None:
            return message if message.offset() == offset else Gone(partition, offset)
        if error.code() == KafkaError._PARTITION_EOF:
            return Gone(partition, offset)
    msg = f"{partition.topic}/{partition.partition} did not give offset {offset} within {READ_TIMEOUT_S:.0f} s"
    raise TimeoutError(msg)
