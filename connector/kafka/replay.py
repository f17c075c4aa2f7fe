"""Writes letters back to the topics that they came from, each exactly once for whoever reads committed records.

A copy of the record and the marker that its letter was replayed are written in one transaction, so a crash leaves both
or neither. `Copier.begin` ends whatever an earlier replay of the same topic left open, and shuts that one out if it
still runs: so read what was replayed after it, not before. Blocks; `service.dead_letters` calls it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, Producer

from connector.errors import FatalError
from connector.kafka.dead_letters import MAX_LETTER_BYTES, REASON_HEADER
from connector.kafka.letters import CONNECT, FIRST_HEADER, FROM_HEADER, OURS, REPLAYED_HEADER, Letter, first_offset
from connector.kafka.properties import connection
from connector.records import Partition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from confluent_kafka import Message

    from connector.kafka.letters import Position
    from connector.kafka.ranges import Ranges

CALL_TIMEOUT_S = 30.0
# The brokers end a transaction that is open for longer. Readers of committed records, the service among them, wait at
# an open one, so after a crash they wait so long, or until the next replay begins.
TRANSACTION_TIMEOUT_MS = 30_000

_SHUT_OUT = {KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED}
_RIGHTS = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}

Keys = dict[Partition, dict[bytes, int]]
"""By partition and key the newest offset, counted as `letters.first_offset` does."""


@dataclass(frozen=True, slots=True)
class Copy:
    """What is to be written for one letter.

    Attributes:
        letter: it has an origin.
        message: the letter as it stands in the dead-letter topic.
        also: the positions of other letters of the same record.
    """

    letter: Letter
    message: Message
    also: Sequence[Position] = ()


class Copier:
    """The one replay of a dead-letter topic."""

    def __init__(self, properties: Mapping[str, Any], topic: str) -> None:
        """Make the producer; `topic` is the dead-letter topic."""
        self._topic = topic
        self._producer = Producer(
            {"message.max.bytes": MAX_LETTER_BYTES}
            | connection(properties)
            | {
                # Of the topic and not of the group: whoever shares the letters must not replay them at the same time.
                "transactional.id": f"{topic}.replay",
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
                "message.timeout.ms": TRANSACTION_TIMEOUT_MS,
                "linger.ms": 5,
                "error_cb": lambda _error: None,
            }
        )

    def begin(self) -> None:
        """Be the only replay from now on.

        Raises:
            FatalError: the brokers don't let it.
        """
        self._call(self._producer.init_transactions)

    def write(self, copies: Iterable[Copy]) -> dict[Partition, int]:
        """Write copies and markers into a new transaction, to be ended by `commit` or `abort`.

        Returns:
            For each partition the offset after its last copy: whatever comes later, comes after the copies.

        Raises:
            FatalError: the brokers did not take all of it.
        """
        ends: dict[Partition, int] = {}
        errors: list[KafkaError] = []

        def written(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                errors.append(error)
            elif message.topic() != self._topic:
                partition = Partition(message.topic(), message.partition())  # type: ignore[arg-type]
                ends[partition] = max(ends.get(partition, 0), (message.offset() or 0) + 1)

        self._call(lambda _timeout: self._producer.begin_transaction())
        try:
            for copy in copies:
                self._copy(copy, written)
                self._mark([copy.letter.position, *copy.also], written)
        except KafkaException as error:
            errors.append(error.args[0])
        if self._producer.flush(CALL_TIMEOUT_S):
            errors.append(KafkaError(KafkaError._TIMED_OUT))
        if errors:
            raise self._failed(next((one for one in errors if one.code() in _SHUT_OUT), errors[0]))
        return ends

    def mark(self, positions: Sequence[Position]) -> None:
        """Note that these letters were replayed by other means.

        Raises:
            FatalError: the brokers did not take it: they will be replayed again.
        """
        self._call(lambda _timeout: self._producer.begin_transaction())
        self._mark(positions, lambda _error, _message: None)  # an error makes the end of the transaction fail
        self.commit()

    def _mark(self, positions: Iterable[Position], written: Callable[[KafkaError | None, Message], None]) -> None:
        """Write a marker for each of these letters into the open transaction."""
        for position in positions:
            self._producer.produce(
                self._topic,
                partition=position.partition,
                headers=[(REPLAYED_HEADER, str(position).encode())],
                on_delivery=written,
            )

    def commit(self) -> None:
        """Make it count.

        Raises:
            FatalError: the brokers refused it, or did not answer: then the next replay finds out what counted.
        """
        self._call(self._producer.commit_transaction)

    def abort(self) -> None:
        """Make it as if nothing had been written."""
        self._call(self._producer.abort_transaction)

    def _copy(self, copy: Copy, written: Callable[[KafkaError | None, Message], None]) -> None:
        origin = copy.letter.origin
        if origin is None:
            raise ValueError("a letter that does not say where it is from has no place to go")
        self._producer.produce(
            origin.partition.topic,
            partition=origin.partition.partition,  # by its number: producers differ in how they choose it by the key
            key=copy.message.key(),
            value=copy.message.value(),
            headers=_headers(copy, self._topic),
            on_delivery=written,
        )

    def _call(self, call: Callable[[float], None]) -> None:
        """Call once more where librdkafka says that it may help."""
        try:
            try:
                call(CALL_TIMEOUT_S)
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise
                call(CALL_TIMEOUT_S)
        except KafkaException as error:
            raise self._failed(error.args[0]) from None

    def _failed(self, error: KafkaError) -> FatalError:
        if error.code() in _SHUT_OUT:
            return FatalError("another replay of these letters has begun and does the rest; what was done counts")
        if error.code() in _RIGHTS:
            rights = f"grant Write on it, on the letters' own topics, and on the transactional id {self._topic}.replay"
            return FatalError(f"the letters of {self._topic} can't be replayed ({error.str()}); {rights}")
        return FatalError(f"the replay stopped ({error.str()}); run it again, no letter is replayed twice")


def _headers(copy: Copy, topic: str) -> list[tuple[str, str | bytes | None]]:
    """The record's own headers, then where the copy is from and how old it is."""
    pairs: Any = copy.message.headers() or []
    own = [(name, value) for name, value in pairs if not name.startswith((CONNECT, OURS)) and name != REASON_HEADER]
    first = copy.letter.origin.first_offset if copy.letter.origin else 0
    return [*own, (FROM_HEADER, f"{topic}:{copy.letter.position}".encode()), (FIRST_HEADER, str(first).encode())]


def newest(ranges: Ranges, wanted: Keys, stretches: Mapping[Partition, tuple[int, int]]) -> Keys:
    """Find the newest record of each key within stretches of their partitions.

    Args:
        ranges: reads them; how far it came, `reached` tells.
        wanted: the keys to look for; their offsets do not matter.
        stretches: by partition the first offset and the one after the last.

    Returns:
        Only keys that were found. A copy counts by the offset that its record had first, whenever it was replayed.
    """
    found: Keys = {partition: {} for partition in stretches}
    for message in ranges.read(stretches):
        partition = Partition(message.topic(), message.partition())  # type: ignore[arg-type]
        key = message.key()
        if key is not None and key in wanted[partition]:
            offset = first_offset(message)
            found[partition][key] = max(offset, found[partition].get(key, offset))
    return found
