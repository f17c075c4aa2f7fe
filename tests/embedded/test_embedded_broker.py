"""The embedded broker: what it keeps, how groups share it and the faults it can play."""

from __future__ import annotations

import time
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from connector.errors import ConnectorError
from connector.kafka.embedded import Api, EmbeddedBroker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOPIC = "crm.customers"
PATIENCE_S = 20.0  # for what takes milliseconds on a quiet machine


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """One broker with the topic on 12 partitions."""
    with EmbeddedBroker() as broker:
        broker.create_topic(TOPIC, partitions=12)
        yield broker


def member(broker: EmbeddedBroker, group: str = "group") -> Consumer:
    """A consumer as the source configures it, with heartbeats quick enough for a test."""
    return Consumer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": group,
            "partition.assignment.strategy": "cooperative-sticky",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 2000,  # so that a rebalance takes one second
            "heartbeat.interval.ms": 100,
            "reconnect.backoff.max.ms": 200,
            "log_level": 2,
        }
    )


def take(consumer: Consumer, count: int) -> list[Message]:
    """Consume until there are `count` records and nothing more has come for a moment."""
    taken: list[Message] = []
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        got = consumer.consume(10_000, 0.2)
        assert [message.error() for message in got if message.error()] == []
        taken += got
        if len(taken) >= count and not got:
            return taken
    pytest.fail(f"{len(taken)} of {count} records after {PATIENCE_S} s")


def until(what: str, holds: Callable[[], bool]) -> None:
    """Ask again and again, `holds` itself takes a moment each time."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"not after {PATIENCE_S} s: {what}")


def reading(broker: EmbeddedBroker, partition: int) -> Consumer:
    """A consumer of one partition from its start, in no group's way."""
    consumer = member(broker, "reader")
    consumer.assign([TopicPartition(TOPIC, partition, 0)])
    return consumer


# What it keeps


def test_what_was_produced_comes_back_from_every_partition_in_order(broker: EmbeddedBroker) -> None:
    """Twelve partitions each give back their records, all of them, in the order they were written."""
    producer = broker.producer()
    for number in range(1200):
        producer.produce(TOPIC, b"%d" % number, partition=number % 12)
    producer.flush(PATIENCE_S)
    with closing(member(broker)) as consumer:
        consumer.subscribe([TOPIC])
        taken = take(consumer, 1200)
    values: dict[int | None, list[bytes | str | None]] = {}
    for message in taken:
        values.setdefault(message.partition(), []).append(message.value())
    assert values == {p: [b"%d" % number for number in range(p, 1200, 12)] for p in range(12)}


def test_key_value_and_headers_come_back_as_they_were(broker: EmbeddedBroker) -> None:
    """A tombstone with a key and headers is stored as it is, in the partition that its key's CRC-32 names."""
    producer = broker.producer()
    producer.produce(TOPIC, None, key=b"customer-7", headers=[("origin", b"crm"), ("origin", b"")])
    producer.flush(PATIENCE_S)
    with closing(reading(broker, zlib.crc32(b"customer-7") % 12)) as consumer:
        (message,) = take(consumer, 1)
    assert (message.key(), message.value()) == (b"customer-7", None)
    assert message.headers() == [("origin", b"crm"), ("origin", b"")]


# What it refuses


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda broker: broker.create_topic(TOPIC), id="a topic that is there already"),
        pytest.param(lambda broker: broker.set_broker_down(9), id="a broker that is not there"),
        pytest.param(lambda broker: broker.set_broker_up(9), id="the same, up"),
        pytest.param(lambda broker: broker.set_rtt(9, 1), id="the same, slow"),
        pytest.param(lambda broker: broker.set_partition_leader(TOPIC, 0, 9), id="the same as a leader"),
        pytest.param(
            lambda broker: broker.set_partition_leader(TOPIC, 0, -1), id="no leader, a crash at the next fetch"
        ),
        pytest.param(lambda broker: broker.set_partition_leader("typo", 0, 1), id="a topic that is not there"),
        pytest.param(lambda broker: broker.delete_records(TOPIC, 0, 1), id="an offset that is not there"),
        pytest.param(lambda broker: broker.producer().produce("typo", b"", key=b"k"), id="a record for no topic"),
        pytest.param(lambda broker: broker.producer().produce(TOPIC, b"", partition=12), id="for no partition"),
        pytest.param(lambda broker: broker.producer().produce(TOPIC, b"", partition=-1), id="for any partition"),
        pytest.param(lambda broker: broker.dropped("typo"), id="the drops of no topic"),
        pytest.param(lambda _: EmbeddedBroker(0), id="a cluster of no brokers"),
    ],
)
def test_nonsense_is_refused(broker: EmbeddedBroker, call: Callable[[EmbeddedBroker], object]) -> None:
    """What the cluster can't do is an error, never silence."""
    with pytest.raises(ConnectorError):
        call(broker)


# Groups


def test_two_members_share_the_partitions(broker: EmbeddedBroker) -> None:
    """The first member is served at once; a second one takes half of the partitions, and gives them back at its end."""
    with closing(member(broker)) as first:
        begin = time.monotonic()
        first.subscribe([TOPIC])
        until("alone", lambda: not first.consume(1, 0.05) and len(first.assignment()) == 12)
        assert time.monotonic() - begin < 3  # which is what a real broker would wait for others
        with closing(member(broker)) as second:
            second.subscribe([TOPIC])

            def shared() -> bool:
                first.consume(1, 0.05)
                second.consume(1, 0.05)
                return len(first.assignment()) == len(second.assignment()) == 6

            until("six each", shared)
            owned = {place.partition for place in first.assignment() + second.assignment()}
            assert owned == set(range(12))
        until("alone again", lambda: not first.consume(1, 0.05) and len(first.assignment()) == 12)


def test_a_commit_survives_the_member_that_made_it(broker: EmbeddedBroker) -> None:
    """The next member of the group begins where the last one committed."""
    producer = broker.producer()
    for number in range(100):
        producer.produce(TOPIC, b"%d" % number, partition=0)
    producer.flush(PATIENCE_S)
    with closing(member(broker)) as consumer:
        consumer.subscribe([TOPIC])
        take(consumer, 100)
        consumer.commit(offsets=[TopicPartition(TOPIC, 0, 60)], asynchronous=False)
    with closing(member(broker)) as consumer:
        consumer.subscribe([TOPIC])
        assert [message.offset() for message in take(consumer, 40)] == list(range(60, 100))


# Faults


def test_an_injected_error_is_seen_once(broker: EmbeddedBroker) -> None:
    """The next commit fails with the code that was asked for, the one after it succeeds."""
    with closing(member(broker)) as consumer:
        consumer.subscribe([TOPIC])
        until("assigned", lambda: not consumer.consume(1, 0.05) and bool(consumer.assignment()))
        broker.fail_requests(Api.OFFSET_COMMIT, [KafkaError.REBALANCE_IN_PROGRESS])
        position = [TopicPartition(TOPIC, 0, 5)]
        with pytest.raises(KafkaException) as caught:
            consumer.commit(offsets=position, asynchronous=False)
        assert caught.value.args[0].code() == KafkaError.REBALANCE_IN_PROGRESS
        consumer.commit(offsets=position, asynchronous=False)
        assert consumer.committed(position)[0].offset == 5


def test_a_record_the_broker_refuses_for_good_is_told_by_flush(broker: EmbeddedBroker) -> None:
    """A failed delivery is never silent."""
    broker.fail_requests(Api.PRODUCE, [KafkaError.TOPIC_AUTHORIZATION_FAILED])
    producer = broker.producer()
    producer.produce(TOPIC, b"v", partition=0)
    with pytest.raises(ConnectorError, match="1 failed records, 0 waiting"):
        producer.flush(PATIENCE_S)


def test_a_broker_goes_down_and_comes_up_without_loss(broker: EmbeddedBroker) -> None:
    """While it is down records wait, which flush tells; once it is up again all are there, in order."""
    with closing(reading(broker, 0)) as consumer:
        producer = broker.producer()
        producer.produce(TOPIC, b"before", partition=0)
        producer.flush(PATIENCE_S)
        broker.set_broker_down(1)
        producer.produce(TOPIC, b"while", partition=0)
        with pytest.raises(ConnectorError, match="0 failed records, 1 waiting"):
            producer.flush(0.2)
        broker.set_broker_up(1)
        producer.produce(TOPIC, b"after", partition=0)
        producer.flush(PATIENCE_S)
        assert [message.value() for message in take(consumer, 3)] == [b"before", b"while", b"after"]


def test_a_slow_broker_answers_late(broker: EmbeddedBroker) -> None:
    """An answer takes the round-trip time that was set."""
    consumer = member(broker)
    with closing(consumer):
        consumer.list_topics(TOPIC, timeout=PATIENCE_S)
        broker.set_rtt(1, 300)
        begin = time.monotonic()
        consumer.list_topics(TOPIC, timeout=PATIENCE_S)
        assert time.monotonic() - begin > 0.25


def test_deleted_records_are_gone_but_not_dropped(broker: EmbeddedBroker) -> None:
    """A reader from the start begins at the first offset kept, and no drop is counted."""
    producer = broker.producer()
    for _ in range(10):
        producer.produce(TOPIC, b"v", partition=0)
    producer.flush(PATIENCE_S)
    broker.delete_records(TOPIC, 0, 10)
    producer.produce(TOPIC, b"v", partition=0)
    producer.flush(PATIENCE_S)
    with closing(reading(broker, 0)) as consumer:
        assert [message.offset() for message in take(consumer, 1)] == [10]
    assert broker.dropped(TOPIC) == 0


@pytest.mark.parametrize("whole", [1, 2])
def test_a_group_does_not_miss_a_broker_it_is_not_on(whole: int) -> None:
    """Coordinator and leaders can be placed on either broker, so that the other one's fall leaves the group whole."""
    with EmbeddedBroker(brokers=2) as broker:
        broker.create_topic(TOPIC, partitions=2, replication=2)
        broker.set_coordinator("group", whole)
        for partition in range(2):
            broker.set_partition_leader(TOPIC, partition, whole)
        with closing(member(broker)) as consumer:
            consumer.subscribe([TOPIC])
            partitions = consumer.list_topics(TOPIC, timeout=PATIENCE_S).topics[TOPIC].partitions
            assert [partitions[number].leader for number in range(2)] == [whole, whole]
            broker.set_broker_down(3 - whole)
            producer = broker.producer()
            producer.produce(TOPIC, b"v", partition=0)
            producer.flush(PATIENCE_S)
            taken = take(consumer, 1)
            consumer.commit(message=taken[0], asynchronous=False)
