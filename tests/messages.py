"""As much of a confluent_kafka.Message as this project takes, for tests without a broker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError

if TYPE_CHECKING:
    from connector.records import Partition


@dataclass(frozen=True)
class Message:
    """A record, or with `end` the end of a partition."""

    where: Partition
    at: int
    data: bytes | None = b"x"
    said: Any = None
    end: bool = False

    def error(self) -> Any:
        return KafkaError(KafkaError._PARTITION_EOF) if self.end else None

    def topic(self) -> str:
        return self.where.topic

    def partition(self) -> int:
        return self.where.partition

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes:
        return b"key"

    def value(self) -> bytes | None:
        return self.data

    def headers(self) -> Any:
        return self.said
