"""The whole pipeline against an embedded broker and a simulated Target: what may never happen does not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError

from connector.errors import SettingError
from connector.kafka.embedded import Api
from connector.records import Reason
from connector.simulator.faults import Fault, FaultKind
from connector.telemetry import Part
from tests.embedded.road import TOPIC, road, until

if TYPE_CHECKING:
    from pathlib import Path


async def test_every_profile_equals_its_newest_event(tmp_path: Path) -> None:
    """Target ends with the newest event of every profile, each batch holds a profile once, all is committed."""
    async with road(tmp_path) as it:
        for _ in range(4):
            it.produce(range(500))
        async with it.member() as member:
            await until(it.arrived)
            it.produce(range(10), city="Zürich, not", good=False)
            it.produce(range(250, 750), city="Zürich")
            await until(it.arrived)
        assert it.committed() == 2510
        assert it.simulator.summary().went_backwards == 0
        assert it.simulator.summary().refusals == {}
        assert sum(batch.records for batch in member.batches) == 2500
        assert member.dead == {Reason.UNSAFE_TEXT: 10}


async def test_a_stop_delivers_what_is_open(tmp_path: Path) -> None:
    """A stop does not wait for the window's age: it drains, commits and leaves."""
    async with road(tmp_path) as it:
        it.produce(range(100))
        async with it.member(window__max_age="10m") as member:
            await until(lambda: member.partitions == 4)
            await asyncio.sleep(1)
            assert it.simulator.summary().batches == 0
        assert it.arrived()
        assert it.committed() == 100
        assert [batch.due for batch in member.batches] == ["drain"]


async def test_partitions_move_between_members_without_loss(tmp_path: Path) -> None:
    """While members come and go under load, nothing is lost and no older value overtakes a newer one."""
    async with road(tmp_path) as it:
        it.produce(range(400))
        async with it.member() as first:
            await until(lambda: first.partitions == 4)
            async with it.member() as second:
                for _ in range(6):
                    it.produce(range(400))
                    await asyncio.sleep(0.5)
                await until(lambda: second.partitions > 0 and first.partitions < 4)
                it.produce(range(400))
                await until(it.arrived)
                assert first.partitions + second.partitions == 4
            it.produce(range(400))
            await until(lambda: first.partitions == 4)
            await until(it.arrived)
        assert it.simulator.summary().went_backwards == 0
        assert it.simulator.summary().most_calls_in_60_s <= 50
        assert it.committed() == 400 * 9


async def test_a_revoke_waits_for_the_call_on_the_wire(tmp_path: Path) -> None:
    """A partition changes hands only between calls, so its new owner's newer rows cannot be overtaken by one.

    That what was accepted is committed by then is tested on real Kafka: the mock refuses some commits in a rebalance.
    """
    # Each of the mock's two rebalances takes a second less than a session; without the wait they end before the call.
    slowly = {
        "kafka__properties": {"session.timeout.ms": 3000, "heartbeat.interval.ms": 100},
        "target__timeout": "30s",
    }
    async with road(tmp_path) as it:
        it.produce(range(50))
        it.simulator.faults.add(FaultKind.SLOW, times=1, delay_s=8.0)
        async with it.member(**slowly) as first:
            await until(lambda: not it.simulator.faults.active())
            async with it.member(**slowly) as second:
                await until(lambda: second.partitions > 0)
                assert first.batches
                await until(it.arrived)
        assert it.simulator.summary().went_backwards == 0


async def test_a_retry_never_overtakes_the_new_owner(tmp_path: Path) -> None:
    """A batch that waits for Target loses the rows of partitions that go; their new owner's newer ones stand."""
    async with road(tmp_path) as it:
        it.produce(range(100))
        it.simulator.faults.add(FaultKind.SERVER_ERROR)
        async with it.member() as first:
            await until(lambda: len(first.outcomes) >= 4)  # its next attempt is seconds away
            async with it.member() as second:
                await until(lambda: second.partitions > 0 and first.partitions < 4)
                it.produce(range(100))
                it.simulator.faults.clear()
                await until(lambda: bool(second.batches))
                await until(lambda: bool(first.batches))
                await until(it.arrived)
        assert it.simulator.summary().went_backwards == 0
        assert it.simulator.summary().duplicate_rows == 0


@pytest.mark.parametrize(
    "fault",
    [FaultKind.UNAVAILABLE, FaultKind.SERVER_ERROR, FaultKind.CUT_BEFORE, FaultKind.CUT_AFTER, FaultKind.GARBAGE,
     FaultKind.UNAUTHORIZED, FaultKind.THROTTLED],
)  # fmt: skip
async def test_target_in_trouble_is_waited_for(tmp_path: Path, fault: FaultKind) -> None:
    """Whatever ails Target, the batch waits, the trouble is told, and all arrives once it is well."""
    async with road(tmp_path) as it:
        it.simulator.faults.add(fault, times=2, retry_after_s=1)
        it.produce(range(100))
        async with it.member() as member:
            await until(lambda: len(member.outcomes) >= 1)
            it.produce(range(50, 150))
            await until(it.arrived)
            await until(lambda: Part.TARGET not in member.troubles)
        assert any("Target" in text or "HTTP" in text or "call" in text for text in member.told)
        assert it.committed() == 200
        assert it.simulator.summary().went_backwards == 0


async def test_a_batch_whose_answer_was_lost_is_sent_again_before_anything_newer(tmp_path: Path) -> None:
    """Target applied a batch and cut its answer: the same rows come again, nothing in between, nothing goes back."""
    async with road(tmp_path) as it:
        it.produce(range(100))
        it.simulator.faults.add(FaultKind.CUT_AFTER, times=3)
        async with it.member(window__max_age="1s") as member:
            await until(lambda: bool(member.outcomes))
            it.produce(range(100))  # newer, in the window behind the batch that is in doubt
            await until(it.arrived)
            await until(lambda: it.committed() == 200)
        assert member.outcomes == ["unavailable"] * 3 + ["accepted"] * 2
        assert len(set(member.sizes[:4])) == 1  # the same bytes as far as sizes tell; the unit test has the bytes
        assert it.simulator.summary().batches == 5
        assert it.simulator.summary().duplicate_rows == 300  # each repetition changed nothing
        assert it.simulator.summary().went_backwards == 0


async def test_a_revoke_waits_for_a_call_whose_answer_is_lost(tmp_path: Path) -> None:
    """Target applies a slow call and cuts its answer: no partition leaves before, and no value goes back after."""
    async with road(tmp_path) as it:
        it.produce(range(100))
        it.simulator.faults.add(FaultKind.SLOW, times=1, delay_s=7.0)  # two rebalances of the mock take 5 s
        it.simulator.faults.add(FaultKind.CUT_AFTER, times=1)
        async with it.member(target__timeout="20s") as first:
            await until(lambda: len(it.simulator.faults.active()) == 1)  # the call is on the wire
            async with it.member(target__timeout="20s") as second:
                it.produce(range(100))
                await until(lambda: second.partitions > 0)
                assert first.outcomes[:1] == ["unavailable"]  # the call was over before
                await until(it.arrived)
        assert it.simulator.summary().went_backwards == 0


async def test_nothing_is_committed_before_acceptance(tmp_path: Path) -> None:
    """While Target does not accept, no offset moves, not even by a stop; the next member reads all again."""
    async with road(tmp_path) as it:
        it.produce(range(100))
        it.simulator.faults.add(FaultKind.SERVER_ERROR)
        async with it.member(service__drain="1s") as member:
            await until(lambda: len(member.outcomes) >= 2)
            await asyncio.sleep(1.5)  # longer than librdkafka's commit interval
            assert it.committed() == 0
        assert it.committed() == 0
        it.simulator.faults.clear()
        async with it.member():
            await until(it.arrived)
        assert it.committed() == 100


async def test_success_false_is_searched_and_its_row_becomes_a_dead_letter(tmp_path: Path) -> None:
    """The row that Target refuses becomes dead letters of all its records, as Kafka holds them; others arrive."""
    async with road(tmp_path) as it:
        it.simulator.faults.add(FaultKind.POISON, profile_id="customer-3")
        it.produce(range(8))
        it.produce(range(3, 4))
        async with it.member() as member:
            await until(lambda: bool(member.batches))
        del it.expected["customer-3"]
        assert it.arrived()
        assert member.dead == {Reason.REFUSED: 2}
        letters = it.dead_letters(2)
        assert {headers["__connect.errors.exception.class.name"] for _, headers in letters} == {b"refused"}
        assert all(value is not None and b"customer-3" in value for value, _ in letters)
        assert it.committed() == 9


async def test_a_profile_over_targets_limit_becomes_a_dead_letter(tmp_path: Path) -> None:
    """Target would drop attributes of it in silence; its records are letters instead, and its neighbours arrive."""
    async with road(tmp_path) as it:
        it.produce(range(4))
        it.produce(range(3, 4), city="é" * 33_000, good=False)
        async with it.member() as member:
            await until(lambda: bool(member.batches))
        del it.expected["customer-3"]
        assert it.arrived()
        assert member.dead == {Reason.PROFILE_TOO_LARGE: 2}
        assert it.simulator.summary().evicted_attributes == 0
        assert {headers["target-connector.reason"] for _, headers in it.dead_letters(2)} == {b"profile_too_large"}
        assert it.committed() == 5


async def test_a_long_value_is_clipped_where_the_setting_says_so(tmp_path: Path) -> None:
    """From the settings to Target's profile: no more than 256 characters, and all of a value within the limit."""
    async with road(tmp_path) as it:
        it.produce(range(2), city="é" * 256)
        it.produce(range(2, 3), city="é" * 300)
        it.expected["customer-2"]["city"] = "é" * 256
        async with it.member(sources__long_values="clip") as member:
            await until(it.arrived)
        assert member.dead == {}


async def test_bad_records_become_dead_letters_as_they_were(tmp_path: Path) -> None:
    """Unreadable records are stored with key, value, position and reason; the good ones around them arrive."""
    async with road(tmp_path) as it:
        it.produce(range(10))
        it.produce_raw(b"no framing at all", b"k1")
        it.produce_raw(b"\0\0\0\0\1\xff\xff", b"k2")
        it.produce_raw(None, b"k3")
        it.produce(range(10, 20))
        async with it.member() as member:
            await until(it.arrived)
        assert member.dead == {Reason.FRAMING: 1, Reason.UNREADABLE: 1}
        letters = {headers["target-connector.reason"]: value for value, headers in it.dead_letters(2)}
        assert letters == {b"framing": b"no framing at all", b"unreadable": b"\0\0\0\0\1\xff\xff"}
        assert it.committed() == 23


async def test_a_finished_window_does_not_wait_for_the_next_chunk(tmp_path: Path) -> None:
    """While a chunk waits for the registry, what is in the window is delivered when its time comes."""
    async with road(tmp_path) as it:
        it.produce(range(10))
        async with it.member(window__max_age="2s") as member:
            await until(lambda: member.polled_records >= 10)
            await asyncio.sleep(0.3)
            it.produce_raw(b"\0\0\0\x63\x63\0")  # an id that the registry may still learn, for five seconds
            await until(it.arrived, 4)
            assert member.dead == {}
            await until(lambda: member.dead == {Reason.SCHEMA_UNKNOWN: 1})


async def test_no_offset_passes_a_dead_letter_that_is_not_stored(tmp_path: Path) -> None:
    """While the dead-letter topic can't be written nothing below is committed, and the trouble is told."""
    async with road(tmp_path) as it:
        it.produce_raw(b"no framing at all")
        it.broker.fail_requests(Api.PRODUCE, [KafkaError.TOPIC_AUTHORIZATION_FAILED] * 5)
        async with it.member() as member:
            await until(lambda: Part.DEAD_LETTERS in member.troubles)
            assert it.committed() == 0
            await until(lambda: member.dead == {Reason.FRAMING: 1})
            await until(lambda: bool(member.batches))
        assert it.committed() == 1
        assert len(it.dead_letters(1)) == 1


async def test_the_brake_stops_before_the_topic_is_emptied(tmp_path: Path) -> None:
    """A topic that is all bad blocks the service: alive, not ready, nothing stored or committed, and it says where."""
    async with road(tmp_path) as it:
        it.produce_raw(b"no framing at all", times=60)
        async with it.member(dead_letters__brake__at_least=1) as member:  # however many come in at a time
            await until(lambda: Part.PIPELINE in member.troubles)
            assert "too many dead letters" in member.troubles[Part.PIPELINE]
            assert TOPIC in member.troubles[Part.PIPELINE]
        assert member.dead == {}
        assert it.committed() == 0


async def test_a_redirecting_target_blocks_and_nothing_is_committed(tmp_path: Path) -> None:
    """What no retry can help waits for a human."""
    async with road(tmp_path) as it:
        it.produce(range(5))
        it.simulator.faults.add(FaultKind.REDIRECT)
        async with it.member() as member:
            await until(lambda: Part.PIPELINE in member.troubles)
            assert "target.base_url" in member.troubles[Part.PIPELINE]
        assert len(member.outcomes) == 1
        assert it.committed() == 0


@pytest.mark.parametrize(
    "codes",
    [
        pytest.param([KafkaError.REBALANCE_IN_PROGRESS] * 2, id="a rebalance is under way"),
        pytest.param([KafkaError.ILLEGAL_GENERATION], id="the generation is an old one"),
        pytest.param([KafkaError.UNKNOWN_MEMBER_ID], id="the member is unknown"),
        pytest.param([KafkaError.NOT_COORDINATOR] * 2, id="the coordinator moved"),
    ],
)
async def test_a_failing_commit_costs_nothing_but_a_repetition(tmp_path: Path, codes: list[int]) -> None:
    """Whatever the broker answers to a commit, all profiles arrive and nothing goes backwards."""
    async with road(tmp_path) as it:
        it.produce(range(100))
        it.broker.fail_requests(Api.OFFSET_COMMIT, codes)
        async with it.member():
            await until(it.arrived)
            it.produce(range(50))
            await until(it.arrived)
            it.produce(range(50))
            await until(it.arrived)
        assert it.simulator.summary().went_backwards == 0
        async with it.member():
            it.produce(range(10))
            await until(it.arrived)


async def test_a_broker_that_goes_away_comes_back(tmp_path: Path) -> None:
    """A lost broker is waited for, said so, and nothing is missed."""
    async with road(tmp_path) as it:
        it.produce(range(100))
        async with it.member() as member:
            await until(it.arrived)
            it.broker.set_broker_down(1)
            await until(lambda: Part.KAFKA in member.troubles, 40)
            it.broker.set_broker_up(1)
            it.produce(range(50, 150))
            await until(it.arrived)
            await until(lambda: Part.KAFKA not in member.troubles)


async def test_a_missing_topic_is_said_and_waited_for(tmp_path: Path) -> None:
    """A topic that does not exist: not ready, a line that names it, and off it goes once it is there."""
    async with road(tmp_path) as it:
        other = "pos.customers"
        async with it.member(sources__topics=[TOPIC, other]) as member:
            await until(lambda: other in member.troubles.get(Part.KAFKA, ""))
            it.produce(range(10))
            await until(it.arrived)
            it.broker.create_topic(other, 2)
            await until(lambda: Part.KAFKA not in member.troubles)


async def test_an_unreachable_broker_is_said_and_waited_for(tmp_path: Path) -> None:
    """No broker at all: the service lives, says which address does not answer, and can be stopped at once."""
    async with road(tmp_path) as it, it.member(kafka__bootstrap_servers="127.0.0.1:1") as member:
        await until(lambda: "127.0.0.1:1" in member.troubles.get(Part.KAFKA, ""))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"sources__id": "customerid"}, r"topic crm\.customers: .*customerid.*customer_id", id="the id"),
        pytest.param({"sources__attributes": {"town": "cty"}}, r"topic crm\.customers: .*cty.*city", id="an attribute"),
    ],
)
async def test_a_path_that_no_schema_has_ends_the_start(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    """A mapping that the newest schema does not bear is one line with the nearest name."""
    async with road(tmp_path) as it:
        it.broker.create_topic("unused", 1)
        with pytest.raises(SettingError, match=expected):
            async with it.member(**changes) as member:
                await asyncio.wait({member.running}, timeout=10)


def test_faults_are_a_closed_list() -> None:
    """Every fault that these tests switch is one that the simulator documents."""
    assert {kind.value for kind in FaultKind} >= {"503", "500", "cut_before", "cut_after", "poison"}
    assert Fault(kind=FaultKind.SLOW).on == "update"
