"""Reads stretches of partitions, from one offset to another, and ends: what commands need, and no member of a group.

Joins no group and commits nothing. Every call has a time-out, and a stretch ends at the offset that it was asked for,
however fast the topic grows. All of it blocks. `letters` and `replay` call it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from connector.errors import FatalError
from connector.kafka.causes import Causes
from connector.kafka.properties import alone
from connector.records import Partition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import Self

    from confluent_kafka import Message

CALL_TIMEOUT_S = 20.0
SILENCE_S = 30.0  # so long nothing came of what must be there
POLL_S = 0.5
AT_ONCE = 1_000


class Ranges:
    """A consumer of its own.

    Attributes:
        reached: how far the last `read` saw each partition; less than asked for where a transaction is still open.
    """

    def __init__(self, properties: Mapping[str, Any], *, name: str, committed: bool = True) -> None:
        """Make the consumer.

        Args:
            properties: of the service's consumer.
            name: appended to the group's name, which librdkafka demands.
            committed: whether only records of committed transactions are given.
        """
        self.reached: dict[Partition, int] = {}
        self._causes = Causes()
        isolation = "read_committed" if committed else "read_uncommitted"
        own = {"isolation.level": isolation, "logger": self._causes.logger}
        self._consumer = Consumer(alone(properties, name) | own)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def partitions(self) -> dict[str, int]:
        """How many partitions each topic of the cluster has.

        Raises:
            FatalError: no broker answers.
        """
        try:
            topics = self._consumer.list_topics(timeout=CALL_TIMEOUT_S).topics
        except KafkaException:
            raise self._no_answer() from None
        return {name: len(topic.partitions) for name, topic in topics.items() if topic.error is None}

    def bounds(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, int]]:
        """The first offset of each partition, and the one after the last.

        Raises:
            FatalError: no broker answers.
        """
        try:
            found = {
                partition: self._consumer.get_watermark_offsets(TopicPartition(*partition), timeout=CALL_TIMEOUT_S)
                for partition in partitions
            }
        except KafkaException:
            raise self._no_answer() from None
        return found

    def first_since(self, partitions: Iterable[Partition], since_ms: int) -> dict[Partition, int | None]:
        """The first offset of each partition whose record is of that time or later; None: there is none.

        Raises:
            FatalError: no broker answers.
        """
        asked = [TopicPartition(*partition, since_ms) for partition in partitions]
        try:
            found = self._consumer.offsets_for_times(asked, timeout=CALL_TIMEOUT_S) if asked else []
        except KafkaException:
            raise self._no_answer() from None
        return {
            Partition(one.topic, one.partition): None if one.offset in {OFFSET_END, -1} else one.offset for one in found
        }

    def read(self, ranges: Mapping[Partition, tuple[int, int]]) -> Iterator[Message]:
        """Give the records of each partition from the first offset up to before the second, in its order.

        Raises:
            FatalError: they may not be read, or nothing comes for too long.
        """
        left = {partition: end for partition, (first, end) in ranges.items() if first < end}
        self.reached = {partition: end for partition, (_, end) in ranges.items()}
        assigned = [TopicPartition(*partition, ranges[partition][0]) for partition in left]
        self._consumer.assign(assigned)
        self._consumer.resume(assigned)  # the pause at the end of an earlier read outlives its assignment
        heard_at = time.monotonic()
        while left:
            messages = self._consumer.consume(AT_ONCE, POLL_S)
            heard_at = time.monotonic() if messages else heard_at
            if time.monotonic() - heard_at > SILENCE_S:
                raise FatalError(f"nothing came of {_named(left)} for {SILENCE_S:.0f} s: {self._causes.taken()}")
            for message in messages:
                partition = Partition(message.topic(), message.partition())  # type: ignore[arg-type]
                if partition in left and self._goes_on(message, partition, left):
                    yield message
        self._consumer.unassign()

    def _no_answer(self) -> FatalError:
        self._consumer.poll(0)  # its log comes with it, and holds the cause
        return FatalError(f"Kafka does not answer: {self._causes.taken()}")

    def _goes_on(self, message: Message, partition: Partition, left: dict[Partition, int]) -> bool:
        """Whether the message is within its range; strikes out the partition at its end."""
        error, offset = message.error(), message.offset()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise FatalError(f"{partition.topic} can't be read ({error.str()}); grant Read and Describe on it")
        if offset is None:
            return False
        if error is not None:
            self.reached[partition] = min(offset, left.pop(partition))
            return False
        if offset + 1 < left[partition]:
            return True
        self._consumer.pause([TopicPartition(*partition)])
        return offset < left.pop(partition)


def _named(partitions: Iterable[Partition]) -> str:
    return ", ".join(f"{topic}/{partition}" for topic, partition in partitions)
