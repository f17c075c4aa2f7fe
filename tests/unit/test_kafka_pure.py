"""The pure parts of the Kafka side: assignments and chunks, the gate, the brake, topics, properties, troubles."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from confluent_kafka import KafkaError
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import FatalError
from connector.kafka import properties
from connector.kafka.brake import Brake, BrakeLimits
from connector.kafka.dead_letters import headers
from connector.kafka.gate import Gate
from connector.kafka.pulse import Pulse
from connector.kafka.reread import Gone
from connector.kafka.topics import TopicState, counted, match
from connector.kafka.troubles import meaning
from connector.records import DeadLetter, Partition, Reason
from tests.messages import Message

P1 = Partition("crm.customers", 1)


def test_chunks_without_a_record_fill_the_gate() -> None:
    """Or the hand-off would hold any number of them."""
    gate = Gate(high_records=2, high_bytes=1000)
    gate.put(0, 0)
    gate.put(0, 0)
    assert gate.turn()
    gate.take(0, 0)
    gate.take(0, 0)
    assert gate.turn()
    assert gate.records == 0


def test_the_gate_does_not_flutter() -> None:
    """It shuts at the mark, by records or by bytes, and opens at half of it."""
    gate = Gate(high_records=100, high_bytes=1000)
    gate.records = 99
    assert not gate.turn()
    gate.records = 100
    assert gate.turn()
    assert gate.shut
    gate.records = 50
    assert not gate.turn()
    gate.records = 49
    assert gate.turn()
    gate.size_bytes = 1000
    assert gate.turn()
    gate.size_bytes = 499
    assert gate.turn()
    gate.suspended = True
    assert gate.turn()
    assert gate.shut


@pytest.mark.parametrize(
    ("lists", "trips"),
    [
        pytest.param([(10_000, 49)], False, id="fewer than the least number never trip it"),
        pytest.param([(50, 50)], True, id="a topic that is all bad trips it at once"),
        pytest.param([(10_000, 100)], False, id="exactly the share is not over it"),
        pytest.param([(10_000, 101)], True, id="over the share trips it"),
        pytest.param([(5_000, 60), (5_000, 41)], True, id="lists add up"),
        pytest.param([(10_000, 90), (10_000, 90)], False, id="what is long past is forgotten"),
        pytest.param([(1_000_000, 0), (10_000, 150)], True, id="a long good past is no excuse"),
        pytest.param([(100_000, 60)], False, id="a long list counts whole"),
    ],
)
def test_the_brake_trips_on_a_share_of_recent_records(lists: list[tuple[int, int]], *, trips: bool) -> None:
    """Over 1 % of the last 10,000 and at least 50: something is misconfigured."""
    brake = Brake(BrakeLimits())
    assert [brake.trips(records, bad) for records, bad in lists][-1] is trips


def test_a_released_brake_counts_from_zero_afterwards() -> None:
    """While released it lets all pass and counts nothing; after that it trips as on the first day."""
    brake = Brake(BrakeLimits(), released=10_000)
    assert [brake.trips(5_000, 5_000) for _ in range(2)] == [False, False]
    assert not brake.trips(5_000, 49)
    assert brake.trips(50, 50)


def test_a_released_brake_lets_each_record_pass_twice() -> None:
    """What comes in under the release and is refused by Target much later was decided upon as well."""
    brake = Brake(BrakeLimits(), released=1_000)
    assert not brake.trips(50_000, 0)
    assert not brake.trips_on_batch(50_000, 5_000)
    assert brake.trips_on_batch(50_000, 5_000)


def test_rows_that_target_refused_count_too() -> None:
    """Records that were good when they came in can still be too many bad ones."""
    brake = Brake(BrakeLimits())
    assert not brake.trips(10_000, 0)
    assert not brake.trips_on_batch(5_000, 60)
    assert brake.trips_on_batch(5_000, 60)


def test_a_large_batch_is_held_against_its_own_records() -> None:
    """Of a batch of 500,000 records 500 refused are 0.1 %, however few records the brake looks back upon."""
    brake = Brake(BrakeLimits())
    assert not any(brake.trips(10_000, 0) for _ in range(50))
    assert not brake.would_trip_on_batch(500_000, 500)
    assert not brake.trips_on_batch(500_000, 500)
    assert not brake.trips(1_000, 0)  # nor are they held against the few that come next
    assert brake.trips_on_batch(500_000, 5_001)


def test_the_refused_of_a_large_good_batch_do_not_excuse_the_next() -> None:
    """Each record that a batch settles counts among the last so many, not for as long as nothing else comes in."""
    brake = Brake(BrakeLimits())
    assert not brake.trips(500_000, 0)
    assert not brake.trips(10_000, 0)
    assert not brake.trips_on_batch(500_000, 0)
    assert brake.trips_on_batch(10_000, 200)


def test_a_good_batch_passes_a_brake_that_has_tripped() -> None:
    """A batch without bad records is settled although others tripped the brake while it was on its way."""
    brake = Brake(BrakeLimits(share=0.01, of=1_000, at_least=5))
    assert brake.trips(100, 50)
    assert not brake.would_trip_on_batch(100, 0)
    assert not brake.trips_on_batch(100, 0)
    assert brake.trips_on_batch(100, 1)


def test_asking_the_brake_counts_nothing() -> None:
    """While a batch is searched the brake is asked again and again about the same rows."""
    brake = Brake(BrakeLimits())
    assert not brake.trips(10_000, 0)
    assert [brake.would_trip_on_batch(10_000, bad) for bad in (100, 100, 101)] == [False, False, True]
    assert [brake.would_trip_on_batch(5_000, 60) for _ in range(3)] == [False] * 3
    assert not brake.trips_on_batch(10_000, 100)
    assert not Brake(BrakeLimits(), released=1).would_trip_on_batch(10_000, 10_000)


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 20)), max_size=50))
def test_the_brake_never_trips_on_few(lists: list[tuple[int, int]]) -> None:
    """Below the least number within any stretch nothing trips, whatever the order."""
    brake = Brake(BrakeLimits(at_least=1 + sum(bad for _, bad in lists)))
    assert not any(brake.trips(records, bad) for records, bad in lists)


def test_topics_are_found_by_name_and_by_expression() -> None:
    """Missing names are told; an expression that matches nothing is not a missing name."""
    existing = {"crm.customers": 12, "crm.orders": 3, "pos": 1}
    assert match(["crm.customers", "gone"], existing) == TopicState(
        ["crm.customers"], [Partition("crm.customers", number) for number in range(12)], ["gone"]
    )
    found = match([r"^crm\..*", "pos"], existing)
    assert (found.topics, len(found.partitions), found.missing) == (["crm.customers", "crm.orders", "pos"], 16, [])
    assert found.partitions == sorted(found.partitions)
    assert match(["^none"], existing) == TopicState([], [], [])


def test_the_consumer_never_stores_or_skips_by_itself() -> None:
    """Our defaults hold the promises; a user's other properties pass."""
    made = properties.consumer("b:9092", "g", {"fetch.min.bytes": 1000, "security.protocol": "SSL"})
    assert made["enable.auto.offset.store"] is False
    assert made["auto.offset.reset"] == "earliest"
    assert made["partition.assignment.strategy"] == "cooperative-sticky"
    assert (made["bootstrap.servers"], made["group.id"], made["fetch.min.bytes"]) == ("b:9092", "g", 1000)


def test_the_newer_group_protocol_goes_without_classic_properties() -> None:
    """Librdkafka refuses three properties there."""
    made = properties.consumer("b:9092", "g", {"group.protocol": "consumer", "session.timeout.ms": 9000})
    assert not {"partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms"} & set(made)


def test_a_producer_gets_only_what_concerns_the_connection() -> None:
    """Nothing that librdkafka would warn about goes to the producer of dead letters."""
    made = properties.connection(properties.consumer("b:9092", "g", {"sasl.username": "u", "fetch.min.bytes": 5}))
    assert made["sasl.username"] == "u"
    assert not [name for name in made if name.startswith(("fetch.", "queued.", "group.", "auto.", "enable.auto"))]


@dataclass(frozen=True)
class Error:
    """As much of a KafkaError as is asked."""

    called: str
    ends: bool = False

    def code(self) -> int:
        return 0

    def name(self) -> str:
        return self.called

    def str(self) -> str:
        return "what librdkafka says"

    def fatal(self) -> bool:
        return self.ends


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(Error("_TRANSPORT"), None, id="a lost connection is librdkafka's business"),
        pytest.param(Error("_ALL_BROKERS_DOWN"), None, id="no broker at all is told by the watch"),
        pytest.param(Error("_AUTHENTICATION"), "kafka.properties", id="credentials that are refused are told"),
        pytest.param(
            Error("TOPIC_AUTHORIZATION_FAILED"),
            "crm.customers may not be read; grant the service's user Read on the topic",
            id="a missing right names the topic",
        ),
        pytest.param(
            Error("GROUP_AUTHORIZATION_FAILED"),
            "the group target-profiles may not be joined; grant the service's user Read on the group",
            id="a missing right names the group",
        ),
        pytest.param(Error("UNKNOWN_TOPIC_OR_PART"), None, id="a missing topic is told by the watch"),
    ],
)
def test_errors_name_their_remedy(error: Error, expected: str | None) -> None:
    """Only what an operator can mend is told, with the remedy."""
    text = meaning(error, "target-profiles", "crm.customers")
    assert text is None if expected is None else expected in str(text)


@pytest.mark.parametrize(
    "error", [Error("_FATAL"), Error("FENCED_INSTANCE_ID"), Error("_TRANSPORT", ends=True)], ids=lambda e: e.called
)
def test_a_fenced_member_ends_the_process(error: Error) -> None:
    """A fatal error of the client cannot be mended from inside, whether it has the flag or only the code."""
    assert isinstance(meaning(error, "target-profiles"), FatalError)


def test_no_offset_to_go_on_from_ends_the_process() -> None:
    """With `auto.offset.reset: error` a human sets the group's offsets, for which all members must be gone."""
    fatal = meaning(Error("_AUTO_OFFSET_RESET"), "target-profiles")
    assert isinstance(fatal, FatalError)
    assert "set the group's offsets" in str(fatal)


def test_a_topic_in_error_keeps_its_partitions() -> None:
    """An election must not make the sum smaller, and so the share of the call budget larger; a deletion may."""
    before = {"crm": 12, "pos": 3, "web": 6}
    electing, deleted = KafkaError(KafkaError.LEADER_NOT_AVAILABLE), KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
    seen = {"crm": (0, electing), "pos": (0, deleted), "web": (8, None), "new": (0, electing)}
    assert counted(seen, before) == {"crm": 12, "web": 8}


def test_after_a_gap_the_pulse_is_steady_only_once_it_went_on_for_a_while() -> None:
    """A process that was stopped must give librdkafka the time to find out what that cost."""
    pulse = Pulse(last=10.0)
    assert pulse.steady(10.0)
    assert pulse.steady(12.0)
    assert not pulse.steady(12.1)  # a gap that is not over
    pulse.beat(40.0)
    assert not pulse.steady(40.0)  # the first beat after it proves nothing
    for tenth in range(401, 411):
        pulse.beat(tenth / 10)
    assert not pulse.steady(40.9)
    assert pulse.steady(41.0)


def test_a_dead_letter_says_where_from_and_why() -> None:
    """Kafka Connect's header names, so that existing tools read them; the record's own headers come first."""
    record = Message(P1, 42, b"value", [("trace", b"1"), ("__connect.errors.topic", b"an earlier one")])
    said = headers(DeadLetter(record, Reason.UNREADABLE, "schema 7: ends too early"), "target-profiles")
    assert said[0] == ("trace", b"1")
    assert dict(said) == {
        "trace": b"1",
        "__connect.errors.topic": b"crm.customers",
        "__connect.errors.partition": b"1",
        "__connect.errors.offset": b"42",
        "__connect.errors.connector.name": b"target-profiles",
        "__connect.errors.task.id": b"0",
        "__connect.errors.stage": b"VALUE_CONVERTER",
        "__connect.errors.class.name": b"target-connector",
        "__connect.errors.exception.class.name": b"unreadable",
        "__connect.errors.exception.message": b"schema 7: ends too early",
        "__connect.errors.exception.stacktrace": b"",
        "target-connector.reason": b"unreadable",
    }
    assert len(said) == len(dict(said))


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_stage_of_kafka_connect(reason: Reason) -> None:
    """Connect's `Stage` has a closed list of words."""
    assert DeadLetter(Message(P1, 0), reason, "").stage in {"VALUE_CONVERTER", "TRANSFORMATION", "TASK_PUT"}


def test_a_record_that_kafka_no_longer_has_keeps_its_position() -> None:
    """Retention may have taken it: its dead letter says at least where it was."""
    gone = Gone(P1, 42)
    assert (gone.topic(), gone.partition(), gone.offset()) == ("crm.customers", 1, 42)
    assert (gone.key(), gone.value(), gone.headers()) == (None, None, None)  # type: ignore[func-returns-value]


@pytest.mark.parametrize(
    ("size_bytes", "records"),
    [
        pytest.param(83, 30_000, id="small records, as many as may be"),
        pytest.param(400, 10_000, id="records of 400 bytes"),
        pytest.param(1_000_000, 1_000, id="large records, a thousand"),
    ],
)
def test_a_list_has_as_many_records_as_make_4_mb(size_bytes: int, records: int) -> None:
    """Each list costs something, so it is long; but not in bytes. Chunks without a value change nothing."""
    gate = Gate(high_records=40_000, high_bytes=16_000_000)
    assert gate.portion(30_000) == 10_000
    gate.put(500, 500 * size_bytes)
    gate.put(0, 0)
    assert gate.portion(30_000) == records
    gate.put(10, 0)
    assert gate.portion(30_000) == 30_000
