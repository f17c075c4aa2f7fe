"""Reads single records again, by their position.

A row that Target refuses has to become dead letters of the records it was made of. Keeping every record in memory
until its batch is accepted would cost more than the window itself, so the few that are needed are read again. Joins no
group and commits nothing. It blocks, so the dead-letter office calls it in a thread; `close` lets that thread end soon.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from connector.kafka.causes import Causes, plain
from connector.kafka.properties import alone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from confluent_kafka import Message

    from connector.records import Partition, Record

SILENCE_S = 10.0  # so long nothing came of what must be there
READ_TIMEOUT_S = 120.0  # for all that is asked for in one go
POLL_S = 0.2  # how soon `close` is heard
METADATA_TIMEOUT_S = 2.0
ASK_AFTER_S = 1.0  # of silence: is there such a partition at all?
FAR = 1_000  # records: over so many it is quicker to fetch anew than to read on
_MISSING = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}


@dataclass(frozen=True, slots=True)
class Gone:
    """A record that Kafka no longer has (retention, compaction, its topic is gone): only its position is known."""

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


class Reread:
    """Reads records by their positions, with a consumer for each call."""

    def __init__(self, properties: Mapping[str, Any], clock: Callable[[], float] = time.monotonic) -> None:
        """Keep the properties.

        Args:
            properties: of the service's consumer.
            clock: monotonic, in seconds.
        """
        # A fetch at the end of the log must not hold up the next one.
        self._properties = alone(properties, "reread") | {"fetch.wait.max.ms": 10}
        self._clock = clock
        self._closing = threading.Event()

    def close(self) -> None:
        """Give up what is being read, soon."""
        self._closing.set()

    def __call__(self, positions: Sequence[tuple[Partition, int]]) -> list[Record]:
        """Read the records at these positions again.

        Args:
            positions: partition and offset of each record.

        Returns:
            The records in the order asked for, `Gone` in place of those that Kafka no longer has.

        Raises:
            TimeoutError: the brokers did not give the records, and why as far as known; or `close` was called.
        """
        wanted: dict[Partition, set[int]] = {}
        for partition, offset in positions:
            wanted.setdefault(partition, set()).add(offset)
        causes = Causes()
        found: dict[tuple[Partition, int], Record] = {}
        try:
            reader = Consumer(self._properties | {"logger": causes.logger})
            try:
                until = self._clock() + READ_TIMEOUT_S
                for partition, offsets in wanted.items():
                    for record in self._read(reader, partition, sorted(offsets), until):
                        found[partition, record.offset() or 0] = record
            finally:
                reader.close()
        except KafkaException as error:
            raise TimeoutError(plain(error.args[0].str())) from error
        except _SilenceError as silence:
            raise TimeoutError(f"{silence}: {causes.taken()}") from silence
        return [found.get(position) or Gone(*position) for position in positions]

    def _read(self, reader: Consumer, partition: Partition, offsets: Sequence[int], until: float) -> Iterator[Record]:
        """Give those of a partition that Kafka still has; `offsets` ascend."""
        left = deque(offsets)
        reader.assign([TopicPartition(*partition, left[0])])
        while left:
            message = self._next(reader, partition, until)
            if message is None:
                return
            offset = message.offset() or 0
            while left and left[0] < offset:
                left.popleft()  # it is gone, as a later one came
            if left and left[0] == offset:
                left.popleft()
                yield message
            if left and left[0] - offset > FAR:
                reader.assign([TopicPartition(*partition, left[0])])

    def _next(self, reader: Consumer, partition: Partition, until: float) -> Message | None:
        """The next record; None if there is none, at the end of the log or as the partition is no more."""
        began = self._clock()
        asked = False
        while self._clock() < min(until, began + SILENCE_S):
            if self._closing.is_set():
                raise TimeoutError("the service stops")
            message = reader.poll(POLL_S)
            error = None if message is None else message.error()
            if error is not None and error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                continue  # of the group, which is only named and never joined: it needs no right of its own
            if message is not None and error is None:
                return message
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                return None
            if error is not None and error.code() not in _MISSING:
                msg = f"{partition.topic}/{partition.partition}: {plain(error.str())}"
                raise TimeoutError(msg)
            if not asked and (error is not None or self._clock() - began > ASK_AFTER_S):
                asked = True
                if _missing(reader, partition):
                    return None
        msg = f"{partition.topic}/{partition.partition} gives nothing"
        raise _SilenceError(msg)


class _SilenceError(Exception):
    """Nothing came, and only librdkafka's log may say why."""


def _missing(reader: Consumer, partition: Partition) -> bool:
    """Whether the brokers say that there is no such topic or partition; librdkafka waits 30 s with that itself."""
    try:
        known = reader.list_topics(partition.topic, timeout=METADATA_TIMEOUT_S).topics[partition.topic]
    except KafkaException:
        return False
    code = None if known.error is None else known.error.code()
    return code in _MISSING or (code is None and partition.partition not in known.partitions)
