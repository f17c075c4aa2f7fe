"""Both readers, each on its own: what they give is the same, whatever happens to the partitions meanwhile."""

from __future__ import annotations

import gc
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from connector.kafka import drain, properties
from connector.kafka.embedded import EmbeddedBroker
from connector.kafka.polled import PATIENCE_S, RUN
from connector.records import KEY, NOTHING, OFFSET, VALUE, Alongside, Partition, header_column
from connector.telemetry import Silent
from tests.readers import CHOICE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from connector.kafka.polled import Polled, Reader, Run

TOPIC = "crm.customers"
RECORDS: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]] | None]] = [
    (b"a", b"one", None),
    (None, b"no key", [("trace", b"1"), ("trace", None), ("größe", b"")]),
    (b"tombstone", None, [("op", b"d")]),
    (b"", b"", None),
    (b"long", bytes(range(256)) * 300, [("long", b"x" * 5000)]),
]

pytestmark = pytest.mark.usefixtures("each_reader")


class Told(Silent):
    """Keeps which reader it is."""

    said: tuple[str, str | None] | None = None

    def reads(self, reader: str, why_not: str | None) -> None:
        self.said = reader, why_not


@contextmanager
def broker(records: int = 0) -> Iterator[EmbeddedBroker]:
    """With a topic of two partitions, and so many records in each."""
    with EmbeddedBroker() as it:
        it.create_topic(TOPIC, 2)
        write(it, [(None, b"%d" % number, None) for number in range(records)])
        yield it


def write(it: EmbeddedBroker, records: Sequence[tuple[Any, Any, Any]], partitions: Sequence[int] = (0, 1)) -> None:
    producer = Producer({"bootstrap.servers": it.bootstrap_servers})
    for partition in partitions:
        for key, value, headers in records:
            producer.produce(TOPIC, value, key, partition, headers=headers)
    assert producer.flush(20) == 0


@contextmanager
def reading(
    it: EmbeddedBroker, *, expected: bool = True, alongside: Alongside = NOTHING
) -> Iterator[tuple[Consumer, Reader]]:
    """A consumer of both partitions from their beginning, and its reader, told of them or not."""
    given = properties.consumer(it.bootstrap_servers, "readers", {})
    consumer, reader = drain.client(given, Silent(), extension=CHOICE.extension, alongside=alongside)
    assert reader.name == ("extension" if CHOICE.extension else "client")
    come(consumer, reader, {0: 0, 1: 0}, expected=expected)
    yield consumer, reader
    reader.close()
    consumer.close()


def come(consumer: Consumer, reader: Reader, starts: dict[int, int], *, expected: bool = True) -> None:
    if expected:
        reader.coming([Partition(TOPIC, partition) for partition in starts])
    consumer.incremental_assign([TopicPartition(TOPIC, *start) for start in starts.items()])


def take(
    reader: Reader, enough: Callable[[list[Polled]], bool], most: int = 1000, timeout_s: float = 0.05
) -> list[Polled]:
    polled: list[Polled] = []
    until = time.monotonic() + 20
    while not enough(polled):
        assert time.monotonic() < until
        polled.append(reader.poll(most, timeout_s))
    return polled


def runs(polled: list[Polled]) -> list[Run]:
    return [run for one in polled for run in one.runs]


def offsets(polled: list[Polled], partition: int) -> list[int]:
    """Of the records, in the order in which they came; from the runs, which are held to the frame."""
    found = []
    for one in polled:
        told = [run.first + n for run in one.runs for n in range(run.records)]
        assert told == one.frame[OFFSET].to_list() == [record.offset() for record in one.records]
        found += [run.first + n for run in one.runs if run.partition == partition for n in range(run.records)]
    return found


def ends(polled: list[Polled]) -> set[tuple[int, int]]:
    return {(run.partition, run.first) for run in runs(polled) if not run.records}


def test_records_come_as_kafka_holds_them() -> None:
    """Key, value and headers, missing and empty ones told apart, and the end of each partition after its records."""
    with broker() as it:
        write(it, RECORDS)
        with reading(it) as (_, reader):
            polled = take(reader, lambda polled: len(ends(polled)) == 2)
    assert ends(polled) == {(0, 5), (1, 5)}
    for partition in (0, 1):
        records = [one for each in polled for one in each.records if one.partition() == partition]
        assert [(one.key(), one.value(), one.headers()) for one in records] == RECORDS
        assert {one.topic() for one in records} == {TOPIC}
        assert offsets(polled, partition) == [0, 1, 2, 3, 4]
    values = [value for one in polled for value in one.frame[VALUE].to_list()]
    assert sorted(values, key=str) == sorted((value for _, value, _ in RECORDS * 2), key=str)


def test_keys_and_headers_travel_alongside_where_they_are_asked_for() -> None:
    """A column each, a row per record: null where a record lacks it, the last where it has several of a name."""
    names = ("trace", "größe", "op", "of nobody")
    with broker() as it:
        write(it, RECORDS)
        with reading(it, alongside=Alongside(names, key=True)) as (_, reader):
            polled = take(reader, lambda polled: len(ends(polled)) == 2)
        with reading(it, alongside=Alongside(key=True)) as (_, reader):
            keys = take(reader, lambda polled: len(ends(polled)) == 2)
    held = (pl.Series([each.key() for each in one.records], dtype=pl.Binary) for one in polled)
    frame = pl.concat(one.frame.with_columns(key=keys_held) for one, keys_held in zip(polled, held, strict=True))
    assert frame[KEY].equals(frame["key"], null_equal=True)
    found = sorted(frame.select(VALUE, *map(header_column, names)).rows(), key=str)
    told = [dict(headers or ()) for _, _, headers in RECORDS]
    each = [(value, *map(one.get, names)) for one, (_, value, _) in zip(told, RECORDS, strict=True)]
    assert found == sorted(each * 2, key=str)
    assert {tuple(one.frame.columns) for one in keys} == {(RUN, OFFSET, VALUE, KEY)}


def test_offsets_that_go_on_in_another_partition_are_told_apart() -> None:
    """Whatever the offsets look like, a run is of one partition: else its records would be stored for another one."""
    with broker(20) as it:
        given = properties.consumer(it.bootstrap_servers, "apart", {"enable.partition.eof": False})
        consumer, reader = drain.client(given, Silent(), extension=CHOICE.extension)
        come(consumer, reader, {0: 0})
        polled = take(reader, lambda polled: bool(runs(polled)), most=1)
        come(consumer, reader, {1: 20})
        write(it, [(None, b"later", None)], [1])
        polled += take(reader, lambda polled: sum(run.records for run in runs(polled)) == 20, timeout_s=2)
        assert [offsets(polled, partition) for partition in (0, 1)] == [list(range(20)), [20]]
        reader.close()
        consumer.close()


def test_nothing_of_a_partition_that_went_comes_out() -> None:
    """What was fetched of it is its new owner's; when it comes back, it goes on where it is told to."""
    with broker(100) as it, reading(it) as (consumer, reader):
        take(reader, lambda polled: {0, 1} <= {run.partition for run in runs(polled)}, most=60)
        consumer.incremental_unassign([TopicPartition(TOPIC, 0)])
        assert offsets(take(reader, lambda polled: (1, 100) in ends(polled)), 0) == []
        come(consumer, reader, {0: 30})
        assert offsets(take(reader, lambda polled: (0, 100) in ends(polled)), 0) == list(range(30, 100))


def test_a_pause_holds_back_what_was_fetched() -> None:
    """Nothing comes meanwhile, and afterwards it goes on with the next record."""
    both = [TopicPartition(TOPIC, partition) for partition in (0, 1)]
    with broker(100) as it, reading(it) as (consumer, reader):
        before = take(reader, lambda polled: bool(runs(polled)), most=10)
        consumer.pause(both)
        assert [reader.poll(1000, 0.05).runs for _ in range(5)] == [[]] * 5
        consumer.resume(both)
        polled = before + take(reader, lambda polled: len(ends(polled)) == 2)
        assert [offsets(polled, partition) for partition in (0, 1)] == [list(range(100))] * 2


@pytest.mark.parametrize("seconds", [0.1, PATIENCE_S + 0.3], ids=["for a moment", "for long"])
def test_what_is_held_comes_afterwards(seconds: float) -> None:
    """Nothing comes while the pipeline is behind, and nothing is missing or comes twice when it goes on."""
    both = [Partition(TOPIC, partition) for partition in (0, 1)]
    with broker(100) as it, reading(it) as (_, reader):
        polled = take(reader, lambda polled: bool(runs(polled)), most=10)
        for _ in range(2):
            reader.hold(both, shut=True)
            reader.hold(both, shut=True)
            assert [reader.poll(10, 0.05).runs for _ in range(int(seconds / 0.05))] == [[]] * int(seconds / 0.05)
            reader.hold(both, shut=False)
            polled += take(reader, lambda polled: bool(runs(polled)), most=10)
        polled += take(reader, lambda polled: len(ends(polled)) == 2)
        assert [offsets(polled, partition) for partition in (0, 1)] == [list(range(100))] * 2


def test_callbacks_are_heard_while_records_are_held() -> None:
    """A group that waits for this member would come to a halt otherwise, for as long as Target is down."""
    assigned: list[TopicPartition] = []
    with broker() as it:
        given = properties.consumer(it.bootstrap_servers, "held", {"session.timeout.ms": 2000})
        consumer, reader = drain.client(given, Silent(), extension=CHOICE.extension)
        consumer.subscribe([TOPIC], on_assign=lambda _, partitions: assigned.extend(partitions))
        reader.hold([], shut=True)
        take(reader, lambda _: len(assigned) == 2)
        reader.close()
        consumer.close()


def test_a_seek_drops_what_was_fetched() -> None:
    """The next record is the one that was sought, forward or back."""
    with broker(100) as it, reading(it) as (consumer, reader):
        for start in (70, 20):
            take(reader, lambda polled: any(run.partition == 0 for run in runs(polled)), most=10)
            consumer.seek(TopicPartition(TOPIC, 0, start))
            polled = take(reader, lambda polled: (0, 100) in ends(polled), most=60)
            assert offsets(polled, 0) == list(range(start, 100))
            consumer.seek(TopicPartition(TOPIC, 0, 0))


def test_records_outlive_their_reader() -> None:
    """A chunk is decoded and its dead letters are written long after the poll."""
    with broker(10) as it:
        with reading(it) as (_, reader):
            polled = take(reader, lambda polled: len(ends(polled)) == 2)
        del reader
        gc.collect()
        values = sorted(one.value() for each in polled for one in each.records)
        assert (
            values
            == sorted(value for each in polled for value in each.frame[VALUE])
            == [b"%d" % (n // 2) for n in range(20)]
        )


def test_a_partition_that_nobody_announced_is_read_too() -> None:
    """By way of the client's own queue: slower, but nothing is lost."""
    with broker(10) as it, reading(it, expected=False) as (_, reader):
        polled = take(reader, lambda polled: len(ends(polled)) == 2)
        assert [offsets(polled, partition) for partition in (0, 1)] == [list(range(10))] * 2


def test_it_may_be_announced_late_and_again() -> None:
    """What was fetched meanwhile comes out in its order, once."""
    with broker(100) as it, reading(it, expected=False) as (_, reader):
        early = take(reader, lambda polled: bool(runs(polled)), most=10)
        reader.coming([Partition(TOPIC, 0), Partition(TOPIC, 1)])
        reader.coming([Partition(TOPIC, 0), Partition(TOPIC, 1)])
        polled = early + take(reader, lambda polled: len(ends(polled)) == 2)
        assert [offsets(polled, partition) for partition in (0, 1)] == [list(range(100))] * 2


def test_a_reader_that_is_closed_lets_partitions_come() -> None:
    """The callbacks of the consumer's close still run; nothing may raise in them."""
    with broker() as it, reading(it) as (_, reader):
        reader.close()
        reader.coming([Partition(TOPIC, 0)])


@pytest.mark.parametrize("plugin", [None, "/nowhere/at/all.so"], ids=["not installed", "not taken"])
def test_without_the_extension_the_client_does_all(plugin: str | None) -> None:
    """Whoever asked for it is told why it is not used; whoever did not is not."""
    told = Told()
    given = properties.consumer("127.0.0.1:1", "readers", {"log_level": 0})
    consumer, reader = drain.client(given, told, extension=CHOICE.extension, plugin=plugin)
    assert told.said is not None
    assert (reader.name, told.said[0], told.said[1] is not None) == ("client", "client", CHOICE.extension)
    consumer.close()
