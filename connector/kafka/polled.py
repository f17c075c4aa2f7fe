"""What one poll brought, in columns, before it is known whose it is; and the reader that asks the client for a list.

The source polls by way of a reader: this one wherever nothing else can be had, `drain` where the C extension is. Both
give the same; the tests of the source run with each. Belongs to the consumer thread.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import polars as pl
from confluent_kafka import KafkaError, TopicPartition

from connector.kafka.headers import columns_of
from connector.records import NOTHING, OFFSET, VALUE, Partition

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from confluent_kafka import Consumer, Message

    from connector.records import Alongside, Record

RUN: Final = "#run"  # UInt32: index of the run that the record belongs to
# A pause drops what librdkafka has fetched, and for most of a second nothing comes afterwards: so a pipeline that was
# only a little behind got 53,000 records a second, and 140,000 since the first pause waits (both on a busy machine).
# A rebalance waits as long for its callbacks; heartbeats do not.
PATIENCE_S: Final = 0.5
_COLUMNS: Final = {RUN: pl.UInt32, OFFSET: pl.Int64, VALUE: pl.Binary}


class Run(NamedTuple):
    """Records of one partition that came one after the other, without a gap between their offsets.

    Attributes:
        topic, partition: where they are from.
        first: the first one's offset.
        records: how many; 0 is the end of the partition (`_PARTITION_EOF`), `first` then the offset of the next record.
    """

    topic: str
    partition: int
    first: int
    records: int


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll brought.

    Attributes:
        frame: RUN, OFFSET, VALUE, and what was asked for of headers (`header_column`) and KEY, in the order of
            consumption.
        runs: in that order.
        records: row i of the frame is `records[i]`.
        failures: errors, with the topic that each is of.
        beside_bytes: of keys and headers, as far as they are held.
    """

    frame: pl.DataFrame
    runs: Sequence[Run]
    records: Sequence[Record]
    failures: Sequence[tuple[KafkaError, str | None]]
    beside_bytes: int = 0


class Reader(Protocol):
    """What the source asks of either."""

    @property
    def name(self) -> str:
        """What the operator sees."""

    def coming(self, partitions: Iterable[Partition]) -> None:
        """These are about to be ours, or still are; called in the callback too, so it never raises."""

    def hold(self, partitions: Sequence[Partition], *, shut: bool) -> None:
        """Give no records of these, which are all that are ours, or give them again; the membership lives on."""

    def poll(self, most: int, timeout_s: float) -> Polled:
        """Take so many records, or those that come within the time; callbacks of the client run in here."""

    def close(self) -> None:
        """Before the consumer is closed."""


class ListReader:
    """Takes lists of messages, an object for each."""

    name = "client"

    def __init__(self, consumer: Consumer, alongside: Alongside = NOTHING) -> None:
        """Read from this consumer."""
        self._consumer = consumer
        self._alongside = alongside
        self._held: list[TopicPartition] = []  # to be paused if this lasts
        self._waited_s = 0.0
        self._shut = self._paused = False

    def coming(self, partitions: Iterable[Partition]) -> None:
        """See Reader: the client's own queue has them."""

    def hold(self, partitions: Sequence[Partition], *, shut: bool) -> None:
        """See Reader. A short hold only waits; a long one pauses, so that callbacks are heard."""
        self._held = [TopicPartition(*partition) for partition in partitions]
        self._waited_s = self._waited_s if self._shut else 0.0
        self._shut = shut
        if self._paused:
            self._pause(paused=shut)

    def _pause(self, *, paused: bool) -> None:
        self._paused = paused
        if self._held:
            (self._consumer.pause if paused else self._consumer.resume)(self._held)

    def poll(self, most: int, timeout_s: float) -> Polled:
        """See Reader."""
        if self._shut and not self._paused:
            if self._waited_s < PATIENCE_S:
                self._waited_s += timeout_s
                time.sleep(timeout_s)
                return listed((), self._alongside)
            self._pause(paused=True)
        return listed(self._consumer.consume(most, timeout_s), self._alongside)

    def close(self) -> None:
        """See Reader."""


def listed(messages: Iterable[Message], alongside: Alongside = NOTHING) -> Polled:
    """Put messages, and what of them is asked for alongside their values, into columns."""
    runs: list[list[Any]] = []
    records: list[Message] = []
    numbers: list[int] = []
    offsets: list[int] = []
    values: list[bytes | None] = []
    failures: list[tuple[KafkaError, str | None]] = []
    partition = expected = None
    # The client hands out objects, so here, and only here, each record is touched on its own: 0.22 us for each.
    for message in messages:
        offset: int = message.offset()  # type: ignore[assignment]
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                runs.append([message.topic(), message.partition(), offset, 0])
            else:
                failures.append((error, message.topic()))
            expected = None
            continue
        if offset != expected or message.partition() != partition or message.topic() != runs[-1][0]:
            partition = message.partition()
            runs.append([message.topic(), partition, offset, 0])
        expected = offset + 1
        runs[-1][3] += 1
        records.append(message)
        numbers.append(len(runs) - 1)
        offsets.append(offset)
        values.append(message.value())
    frame = pl.DataFrame({RUN: numbers, OFFSET: offsets, VALUE: values}, schema=_COLUMNS)
    frame = frame.with_columns(columns_of(records, alongside))
    return Polled(frame, [Run(*run) for run in runs], records, failures)
