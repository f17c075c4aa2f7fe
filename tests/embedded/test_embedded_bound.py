"""The embedded broker's bound: it refuses what the mock cluster would have dropped, and counts what got past it."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

from connector.errors import BlockedError, ConnectorError
from connector.kafka.embedded import CAPACITY_BYTES, EmbeddedBroker

if TYPE_CHECKING:
    from collections.abc import Iterator

TOPIC = "crm.customers"
PATIENCE_S = 20.0  # for what takes milliseconds on a quiet machine


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """One broker with the topic on 12 partitions."""
    with EmbeddedBroker() as broker:
        broker.create_topic(TOPIC, partitions=12)
        yield broker


def read(consumer: Consumer, upto: int) -> list[int | None]:
    """Consume through the offset `upto`; gives the offsets."""
    offsets: list[int | None] = []
    deadline = time.monotonic() + PATIENCE_S
    while upto not in offsets[-1:]:
        if time.monotonic() > deadline:
            pytest.fail(f"{offsets[-1:]} after {PATIENCE_S} s, not {upto}")
        offsets += [message.offset() for message in consumer.consume(10_000, 0.1)]
    return offsets


@pytest.mark.parametrize(
    ("value", "headers", "overhead"),
    [
        pytest.param(b"", [], 97, id="43,240 records of no bytes"),
        pytest.param(b"v" * 60_000, [], 97, id="69 records that nearly fill a batch"),
        pytest.param(b"v" * 900_000, [], 97, id="four records larger than a batch"),
        pytest.param(b"v", [("h", b"h" * 1000)], 97 + 10 + 1 + 1000, id="records that are all header"),
    ],
)
def test_a_full_partition_refuses_and_has_dropped_nothing(
    broker: EmbeddedBroker, value: bytes, headers: list[tuple[str, bytes]], overhead: int
) -> None:
    """While its consumer is paused a partition takes its bound and refuses the next; all it took is there later."""
    room = CAPACITY_BYTES // (overhead + len(value))
    place = TopicPartition(TOPIC, 3, 0)
    with closing(Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "paused"})) as consumer:
        consumer.assign([place])
        consumer.pause([place])
        producer = broker.producer()
        for _ in range(room):
            producer.produce(TOPIC, value, partition=3, headers=headers)
        with pytest.raises(BlockedError, match=r"drop the oldest records of crm\.customers, partition 3"):
            producer.produce(TOPIC, value, partition=3, headers=headers)
        producer.flush(PATIENCE_S)
        assert consumer.consume(1, 0.1) == []
        consumer.resume([place])
        assert read(consumer, upto=room - 1) == list(range(room))
    assert broker.dropped(TOPIC) == 0


def test_the_room_is_shared_by_all_producers_but_not_by_partitions(broker: EmbeddedBroker) -> None:
    """What one producer took, another one lacks, in that partition only."""
    one, other = broker.producer(), broker.producer()
    for _ in range(4):
        one.produce(TOPIC, b"v" * 990_000, partition=0)
    assert broker.room_bytes(TOPIC, 0) == CAPACITY_BYTES - 4 * 990_097
    with pytest.raises(BlockedError):
        other.produce(TOPIC, b"v" * 990_000, partition=0)
    other.produce(TOPIC, b"v" * 990_000, partition=1)
    assert broker.room_bytes(TOPIC, 1) == CAPACITY_BYTES - 990_097


def test_the_bound_holds_when_every_record_is_a_batch_of_its_own(broker: EmbeddedBroker) -> None:
    """As many of the smallest records as a partition takes fit even as batches of one record."""
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "batch.num.messages": 1})
    for _ in range(CAPACITY_BYTES // 97):
        producer.produce(TOPIC, b"", partition=0)
    assert producer.flush(PATIENCE_S) == 0
    assert broker.dropped(TOPIC) == 0


def test_a_record_that_the_client_refuses_takes_no_room(broker: EmbeddedBroker) -> None:
    """A record over the client's own limit fails at once and is not counted."""
    with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
        broker.producer().produce(TOPIC, b"v" * 2_000_000, partition=0)
    assert broker.room_bytes(TOPIC, 0) == CAPACITY_BYTES


def test_what_other_producers_push_out_is_told(broker: EmbeddedBroker) -> None:
    """Seven megabytes from a producer without the guard: the count of what was dropped is exact."""
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "batch.size": 100_000})
    for _ in range(70):
        producer.produce(TOPIC, b"v" * 100_000, partition=5)
    assert producer.flush(PATIENCE_S) == 0
    with closing(Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "late"})) as consumer:
        consumer.assign([TopicPartition(TOPIC, 5, OFFSET_BEGINNING)])
        kept = read(consumer, upto=69)
    assert kept == list(range(70 - len(kept), 70))
    assert 0 < broker.dropped(TOPIC) == 70 - len(kept)


def test_a_lost_answer_repeats_one_batch_at_most(broker: EmbeddedBroker) -> None:
    """Answers are lost with 2,000 records of 1 kB under way: no more than 64 KiB of them are stored twice."""
    producer = broker.producer()
    producer.produce(TOPIC, b"connected", partition=0)
    producer.flush(PATIENCE_S)
    broker.set_rtt(1, 30_000)
    for _ in range(2000):
        producer.produce(TOPIC, b"v" * 1000, partition=0)
    with pytest.raises(ConnectorError, match="2000 waiting"):
        producer.flush(0.5)  # long enough to be stored, unless the machine is very busy, and too short to be told
    broker.set_broker_down(1)
    broker.set_rtt(1, 0)
    broker.set_broker_up(1)
    producer.flush(PATIENCE_S)
    with closing(Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "count"})) as consumer:
        _, stored = consumer.get_watermark_offsets(TopicPartition(TOPIC, 0), timeout=PATIENCE_S)
    assert 2001 <= stored <= 2001 + 64 * 1024 // 1000
