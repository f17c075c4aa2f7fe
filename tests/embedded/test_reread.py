"""Records are read again by their positions: those and no others, and a stop need not wait for them."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from connector.kafka import reread
from connector.kafka.embedded import EmbeddedBroker
from connector.kafka.reread import Gone, Reread
from connector.records import Partition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.records import Record

TOPIC = "crm.customers"
P0, P1 = Partition(TOPIC, 0), Partition(TOPIC, 1)
COUNT = 5_000


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as broker:
        broker.create_topic(TOPIC, partitions=2)
        producer = broker.producer()
        for partition in range(2):
            for number in range(COUNT):
                producer.produce(TOPIC, f"{partition}:{number}".encode(), partition=partition)
        producer.flush(20.0)
        yield broker


def make(servers: str) -> Reread:
    return Reread({"bootstrap.servers": servers, "group.id": "g", "group.instance.id": "one"})


def values(records: list[Record]) -> list[bytes | None]:
    return [None if isinstance(record, Gone) else record.value() for record in records]


def test_records_come_in_the_order_asked_for(broker: EmbeddedBroker) -> None:
    """Of several partitions, near and far from each other, twice the same one, and up to the end of the log."""
    asked = [(P1, 7), (P0, 4_999), (P0, 0), (P1, 7), (P0, 1), (P1, 4_000)]
    records = make(broker.bootstrap_servers)(asked)
    assert values(records) == [b"1:7", b"0:4999", b"0:0", b"1:7", b"0:1", b"1:4000"]
    assert [(record.partition(), record.offset()) for record in records] == [(p.partition, at) for p, at in asked]


def test_hundreds_of_records_take_seconds(broker: EmbeddedBroker) -> None:
    """They are read on the way, and not one by one with a wait for each."""
    began = time.monotonic()
    records = make(broker.bootstrap_servers)([(p, at) for p in (P0, P1) for at in range(0, COUNT, 5)])
    assert len(values(records)) == 2 * COUNT // 5
    assert not any(isinstance(record, Gone) for record in records)
    assert time.monotonic() - began < 8


@pytest.mark.parametrize(
    "position",
    [
        pytest.param((P0, COUNT), id="behind the end of the log"),
        pytest.param((Partition("no.such.topic", 0), 3), id="of a topic that is no more"),
        pytest.param((Partition(TOPIC, 9), 3), id="of a partition that is no more"),
    ],
)
def test_what_kafka_does_not_have_is_gone(broker: EmbeddedBroker, position: tuple[Partition, int]) -> None:
    """Only its position is known, and the others come nevertheless."""
    records = make(broker.bootstrap_servers)([position, (P0, 1)])
    assert records[0] == Gone(*position)
    assert values(records)[1] == b"0:1"


def test_what_retention_removed_is_gone(broker: EmbeddedBroker) -> None:
    """A later record is never given in its place."""
    broker.create_topic("short", partitions=1)
    producer = broker.producer()
    for number in range(20):
        producer.produce("short", b"%d" % number, partition=0)
    producer.flush(20.0)
    broker.delete_records("short", 0, 10)
    short = Partition("short", 0)
    records = make(broker.bootstrap_servers)([(short, at) for at in (3, 10, 12)])
    assert values(records) == [None, b"10", b"12"]


def test_brokers_that_do_not_answer_are_told_with_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits hears why."""
    monkeypatch.setattr(reread, "SILENCE_S", 1.0)
    with pytest.raises(TimeoutError, match=r"crm\.customers/0 gives nothing: nothing listens there"):
        make("127.0.0.1:1")([(P0, 1)])


def test_a_consumer_that_cannot_be_made_is_told() -> None:
    """An error of the client's own is waited out as well, instead of ending the process."""
    again = Reread(
        {"bootstrap.servers": "127.0.0.1:1", "group.id": "g", "ssl.ca.location": "/nowhere", "security.protocol": "ssl"}
    )
    with pytest.raises(TimeoutError, match=r"ssl\.ca\.location"):
        again([(P0, 1)])


def test_a_stop_need_not_wait() -> None:
    """Closing ends a read that waits for brokers within a moment."""
    again = make("127.0.0.1:1")
    timer = threading.Timer(0.3, again.close)
    timer.start()
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="the service stops"):
        again([(P0, 1)])
    assert time.monotonic() - began < 3
    timer.join()
