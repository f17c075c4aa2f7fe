"""Reads the dead-letter topic: which letters it holds, why they are there, and which were replayed.

A letter is told by its position, partition and offset in the dead-letter topic. Letters of Kafka Connect are read too,
as far as their headers go. A marker, a record with neither key nor value, says that the letter at another position was
replayed; `replay` writes it together with the copy. Keeps no values. Blocks; the commands call it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE

from connector.errors import SettingError
from connector.kafka.dead_letters import REASON_HEADER
from connector.records import OF_ROWS, Partition, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from confluent_kafka import Message

    from connector.kafka.ranges import Ranges

OURS = "target-connector."
CONNECT = "__connect.errors."
REPLAYED_HEADER = "target-connector.replayed"  # of a marker: the letter's position
FROM_HEADER = "target-connector.replayed-from"  # of a copy: topic and position of the letter
# Of a copy: the offset that the record had when it first came. A copy is as old as what it is a copy of.
FIRST_HEADER = "target-connector.first-offset"
_POSITION = re.compile(r"([0-9]{1,9}):([0-9]{1,18})", re.ASCII)


class Position(NamedTuple):
    """Where a letter stands in the dead-letter topic; written `partition:offset`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read `partition:offset`.

        Raises:
            ValueError: it is something else.
        """
        found = _POSITION.fullmatch(text)
        if found is None:
            raise ValueError("is not a position; write partition:offset, such as 0:12, as `list` shows it")
        return cls(int(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the record of a letter was.

    Attributes:
        partition: topic and partition.
        offset: in it.
        first_offset: the offset it had when it first came; another one only for a copy that failed again.
        copy_of: the letter that it was a copy of, if it was one.
    """

    partition: Partition
    offset: int
    first_offset: int
    copy_of: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, without its value.

    Attributes:
        position: in the dead-letter topic.
        at_ms: when it was written, in ms since 1970; None if the brokers do not say.
        reason: one of ours, or the exception's class in a letter of others.
        origin: None if the letter does not say it.
        stage: where on the road it failed, in Kafka Connect's words.
        detail: the whole text; see `discreet`.
        key: of the record.
        value_bytes: the size of its value; None if it has none.
    """

    position: Position
    at_ms: int | None
    reason: str
    origin: Origin | None
    stage: str
    detail: str
    key: bytes | None
    value_bytes: int | None

    @property
    def discreet(self) -> bool:
        """Whether the detail is of our making and so names no value: Target and other programs may repeat one.

        What Target says of a row that is too large is its own text, too.
        """
        return self.reason in set(Reason) - {Reason.REFUSED, Reason.ROW_TOO_LARGE}

    @property
    def gone(self) -> bool:
        """Whether the record was gone from Kafka before its letter was written: a letter without content.

        That can be of records only whose row was not taken, as they are read again; without a value these have a key.
        """
        return self.reason in OF_ROWS and self.value_bytes is None and self.key is None


def read(ranges: Ranges, topic: str, since_ms: int | None = None) -> Iterator[Letter | Position]:
    """Give the letters of a topic as it is now, and the positions of those that were replayed.

    Args:
        ranges: reads what is committed.
        topic: the dead-letter topic.
        since_ms: leave out what was written before, as far as the brokers know.

    Raises:
        SettingError: there is no such topic.
        FatalError: it can't be read.
    """
    for message in ranges.read(_stretches(ranges, topic, since_ms)):
        yield parse(message)


def fetch(ranges: Ranges, topic: str, positions: Iterable[Position]) -> Iterator[Message]:
    """Give the records at these positions, ascending within a partition; those that are no more are left out.

    Raises:
        SettingError: there is no such topic.
        FatalError: it can't be read.
    """
    bounds = _stretches(ranges, topic, None)
    wanted = set()
    for position in positions:
        low, high = bounds.get(Partition(topic, position.partition), (0, 0))
        if low <= position.offset < high:
            wanted.add(position)
    stretches: dict[Partition, tuple[int, int]] = {}
    for number, offset in wanted:
        first, end = stretches.get(Partition(topic, number), (offset, offset + 1))
        stretches[Partition(topic, number)] = (min(first, offset), max(end, offset + 1))
    for message in ranges.read(stretches):
        if position_of(message) in wanted:
            yield message


def _stretches(ranges: Ranges, topic: str, since_ms: int | None) -> dict[Partition, tuple[int, int]]:
    count = ranges.partitions().get(topic)
    if count is None:
        raise SettingError(f"dead_letters.topic: there is no topic {topic}; correct it, or start the service once")
    bounds = ranges.bounds(Partition(topic, number) for number in range(count))
    if since_ms is None:
        return bounds
    firsts = ranges.first_since(bounds, since_ms)
    return {one: (end if (first := firsts[one]) is None else first, end) for one, (_, end) in bounds.items()}


def position_of(message: Message) -> Position:
    """Where a record of the dead-letter topic stands."""
    return Position(message.partition(), message.offset())  # type: ignore[arg-type]


def parse(message: Message) -> Letter | Position:
    """Understand a record of the dead-letter topic: a letter, or the position that a marker names."""
    headers = _texts(message)
    key, value = message.key(), message.value()
    if key is None and value is None and _POSITION.fullmatch(headers.get(REPLAYED_HEADER, "")):
        return Position.parse(headers[REPLAYED_HEADER])
    kind, at_ms = message.timestamp()
    unknown = headers.get(f"{CONNECT}exception.class.name", "unknown")
    return Letter(
        position=position_of(message),
        at_ms=None if kind == TIMESTAMP_NOT_AVAILABLE else at_ms,
        reason=headers.get(REASON_HEADER, unknown),
        origin=_origin(headers),
        stage=headers.get(f"{CONNECT}stage", ""),
        detail=headers.get(f"{CONNECT}exception.message", ""),
        key=_bytes(key),
        value_bytes=None if value is None else len(value),
    )


def first_offset(message: Message) -> int:
    """The offset that a record of a source topic had when it first came."""
    text = _texts(message).get(FIRST_HEADER, "")
    return int(text) if _is_offset(text) else message.offset() or 0


def _origin(headers: Mapping[str, str]) -> Origin | None:
    topic, number, offset = (headers.get(f"{CONNECT}{name}", "") for name in ("topic", "partition", "offset"))
    if not topic or not _is_offset(number) or not _is_offset(offset):
        return None
    first = headers.get(FIRST_HEADER, "")
    first_offset = int(first) if _is_offset(first) else int(offset)
    return Origin(Partition(topic, int(number)), int(offset), first_offset, headers.get(FROM_HEADER, ""))


def _is_offset(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,18}", text, re.ASCII) is not None


def _texts(message: Message) -> dict[str, str]:
    """Headers as text; of those of one name the last, as ours stand after the record's own."""
    pairs: Any = message.headers() or []
    return {name: (_bytes(value) or b"").decode("utf-8", "replace") for name, value in pairs}


def _bytes(given: str | bytes | None) -> bytes | None:
    return given.encode() if isinstance(given, str) else given
