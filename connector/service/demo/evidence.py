"""What the brokers can testify: which offsets are committed, and what is in the dead-letter topic.

Asks with clients of its own, beside the service. Every call blocks, so `demo` makes them on threads, one at a time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from connector.kafka.dead_letters import REASON_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confluent_kafka import Message

    from connector.simulator.account import Summary

_ASK_TIMEOUT_S: Final = 5.0
_READ_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, as its headers tell."""

    topic: str
    partition: int
    offset: int
    reason: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is there at the end.

    Attributes:
        committed: the group's offset by partition, of those that have one.
        letters: all dead letters.
        profiles: id to attributes, as Target answers.
        summary: what Target counted.
    """

    committed: Mapping[int, int]
    letters: Sequence[Letter]
    profiles: Mapping[str, Mapping[str, str]]
    summary: Summary


class Witness:
    """Asks the brokers.

    Args:
        bootstrap_servers: where they are.
        group_id: the service's group; asked about, never joined.
    """

    def __init__(self, bootstrap_servers: str, group_id: str) -> None:
        # 2: only what is critical, on standard error; a broker that goes away at the end is not.
        self._consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": group_id, "log_level": 2})

    def committed(self, topic: str, partitions: int) -> dict[int, int]:
        """The group's committed offsets by partition; empty if the brokers do not answer in time."""
        asked = [TopicPartition(topic, number) for number in range(partitions)]
        try:
            answered = self._consumer.committed(asked, timeout=_ASK_TIMEOUT_S)
        except KafkaException:
            return {}
        return {one.partition: one.offset for one in answered if one.error is None and one.offset >= 0}

    def ends(self, topic: str, partitions: int) -> dict[int, int]:
        """How many records each partition has.

        Raises:
            KafkaException: the brokers do not answer in time.
        """
        places = [TopicPartition(topic, number) for number in range(partitions)]
        asked = [self._consumer.get_watermark_offsets(place, timeout=_ASK_TIMEOUT_S) for place in places]
        return {place.partition: end for place, (_, end) in zip(places, asked, strict=True)}

    def letters(self, topic: str) -> list[Letter]:
        """All dead letters of a topic of one partition; fewer if the brokers are too slow, which the verdict shows."""
        end = self.ends(topic, 1)[0]
        self._consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        found: list[Letter] = []
        deadline = time.monotonic() + _READ_TIMEOUT_S
        while len(found) < end and time.monotonic() < deadline:
            messages = self._consumer.consume(end - len(found), timeout=0.5)
            found += [_letter(message) for message in messages if message.error() is None]
        self._consumer.unassign()
        return found

    def close(self) -> None:
        """Leave the brokers."""
        self._consumer.close()


def _letter(message: Message) -> Letter:
    headers: Any = message.headers() or []  # the client's types know several forms, but it gives only pairs
    said = {name: value.decode() for name, value in headers if value is not None}
    return Letter(
        topic=said["__connect.errors.topic"],
        partition=int(said["__connect.errors.partition"]),
        offset=int(said["__connect.errors.offset"]),
        reason=said[REASON_HEADER],
    )
