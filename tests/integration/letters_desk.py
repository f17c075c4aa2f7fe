"""Source records, dead letters of them, and the installed command, for the tests of dead letters on real Kafka."""

from __future__ import annotations

import asyncio
import io
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import fastavro
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from connector.kafka.dead_letters import DeadLetterTopic
from connector.records import DeadLetter, Reason
from connector.telemetry import Silent
from tests.changes import GONE
from tests.system.command import Ended, command, minimal

if TYPE_CHECKING:
    from pathlib import Path

    from connector.records import Record
    from tests.containers import Kafka

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Customer",
    "fields": [{"name": "customer_id", "type": "string"}, {"name": "city", "type": "string"}],
}


def datum(who: str, city: str) -> bytes:
    """A record's value, as `framing: plain` has it."""
    written = io.BytesIO()
    fastavro.schemaless_writer(written, SCHEMA, {"customer_id": who, "city": city})
    return written.getvalue()


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as a topic holds it."""

    place: tuple[str, int, int]
    its_key: bytes | None
    its_value: bytes | None
    its_headers: tuple[tuple[str, bytes], ...] = ()

    def topic(self) -> str:
        return self.place[0]

    def partition(self) -> int:
        return self.place[1]

    def offset(self) -> int:
        return self.place[2]

    def key(self) -> bytes | None:
        return self.its_key

    def value(self) -> bytes | None:
        return self.its_value

    def headers(self) -> list[tuple[str, bytes]]:
        return list(self.its_headers)


@dataclass
class Desk:
    """Topics of its own, and the settings that name them."""

    kafka: Kafka
    folder: Path
    source: str = field(default_factory=lambda: f"letters.{time.time_ns()}")

    def __post_init__(self) -> None:
        self._looking: Consumer | None = None
        self.dead = f"{self.source}.dead"
        self.kafka.create_topic(self.source, partitions=2)
        self.kafka.create_topic(self.dead, partitions=1)
        self.properties = {"bootstrap.servers": self.kafka.address, "group.id": self.source}
        self._producer = Producer({"bootstrap.servers": self.kafka.address, "enable.idempotence": True, "linger.ms": 5})
        schema = self.folder / "customer.avsc"
        schema.write_text(json.dumps(SCHEMA))
        self.settings = minimal(
            kafka__bootstrap_servers=self.kafka.address,
            kafka__group_id=self.source,
            registry=GONE,
            sources__topics=[self.source],
            sources__framing="plain",
            sources__schema_file=str(schema),
            dead_letters__topic=self.dead,
        )
        self.config = self.folder / "connector.yaml"
        self.config.write_text(json.dumps(self.settings))

    def write(self, key: bytes | None, value: bytes | None, *headers: tuple[str, bytes], partition: int = 0) -> Stored:
        """Write a record to the source topic."""
        at: list[Any] = []
        self._producer.produce(
            self.source, value, key=key, partition=partition, headers=list(headers),
            on_delivery=lambda _error, message: at.append(message.offset()),
        )  # fmt: skip
        assert self._producer.flush(30) == 0
        return Stored((self.source, partition, at[0]), key, value, headers)

    def write_all(self, count: int) -> list[Stored]:
        """Write so many records, each of its own key, to partition 0."""
        keys = [f"customer-{number}".encode() for number in range(count)]
        records: list[Stored] = []

        def written(_error: object, message: Any) -> None:
            records.append(Stored((message.topic(), 0, message.offset()), message.key(), message.value()))

        for key in keys:
            value = datum(key.decode(), "Graz, Styria")
            self._producer.produce(self.source, value, key=key, partition=0, on_delivery=written)
        assert self._producer.flush(30) == 0
        return records

    def dead_letter(
        self, *records: Record, reason: Reason = Reason.UNSAFE_TEXT, detail: str = "attribute city"
    ) -> None:
        """Make dead letters of records, as the service does."""
        topic = DeadLetterTopic(self.properties, self.dead, self.source, Silent())
        asyncio.run(topic.send([DeadLetter(record, reason, detail) for record in records]))

    def raw_letter(self, key: bytes | None, value: bytes | None, *headers: tuple[str, bytes]) -> None:
        """Write a record to the dead-letter topic as it is."""
        self._producer.produce(self.dead, value, key=key, headers=list(headers))
        assert self._producer.flush(30) == 0

    def run(self, *arguments: str) -> Ended:
        """Run `target-connector dead-letters …` to its end."""
        name, *rest = arguments
        return command("dead-letters", name, "--config", str(self.config), *rest)

    def counts(self, *arguments: str) -> dict[str, int]:
        """Run `dead-letters replay …`, which must end well; gives its counts by the first word of each."""
        ended = self.run("replay", *arguments)
        assert ended.code == 0, ended
        lines = [line.split(maxsplit=1) for line in ended.out.splitlines()]
        return {text.removeprefix("would be "): int(number.replace(",", "")) for number, text in lines}

    def listed(self, *arguments: str) -> list[dict[str, Any]]:
        """Run `dead-letters list --json …`, which must end well."""
        ended = self.run("list", "--json", *arguments)
        assert ended.code == 0, ended
        return [json.loads(line) for line in ended.out.splitlines()]

    def end(self) -> int:
        """The offset after the last record of partition 0 of the source topic, of open transactions too."""
        if self._looking is None:
            own = {"isolation.level": "read_uncommitted", "group.id": "looking"}
            self._looking = Consumer(self.properties | own)
        return int(self._looking.get_watermark_offsets(TopicPartition(self.source, 0), timeout=30)[1])

    def committed(self, topic: str, *, isolation: str = "read_committed") -> list[Any]:
        """All records of a topic that a reader of committed records sees, by partition and offset."""
        own = {"group.id": "judge", "enable.auto.commit": False, "enable.partition.eof": True}
        consumer = Consumer(self.properties | own | {"isolation.level": isolation})
        try:
            left = set(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
            consumer.assign([TopicPartition(topic, number, 0) for number in left])
            found = []
            until = time.monotonic() + 60
            while left and time.monotonic() < until:
                for message in consumer.consume(1_000, 0.2):
                    if (error := message.error()) is None:
                        found.append(message)
                    elif error.code() == KafkaError._PARTITION_EOF:
                        left.discard(message.partition())
            assert not left
            return sorted(found, key=lambda one: (one.partition(), one.offset()))
        finally:
            consumer.close()
