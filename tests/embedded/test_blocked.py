"""Whatever blocks the service heals in each of three ways: a restart, changed settings, a human's word."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from confluent_kafka import KafkaError

from connector.errors import StartOverError
from connector.kafka.embedded import Api
from connector.records import Reason
from connector.service.admin import HEADER, UNBLOCK
from connector.simulator.faults import FaultKind
from connector.telemetry import Part
from tests.changes import changed
from tests.embedded.road import SCHEMA, Watcher, road, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from connector.telemetry import BatchReport
    from tests.embedded.road import Road

BAD = 60  # over the least number that the brake minds


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Road]:
    async with road(tmp_path) as opened:
        yield opened


async def unblock(member: Watcher, **body: Any) -> int:
    return (await unblocked(member, **body))[0]


async def unblocked(member: Watcher, **body: Any) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession(headers={HEADER: UNBLOCK}) as session,
        session.post(f"{member.admin_url}/unblock", json=body) as answer,
    ):
        return answer.status, await answer.json()


def change(member: Watcher, **changes: Any) -> None:
    """Edit the settings file of a member that runs."""
    member.config.write_text(json.dumps(changed(json.loads(member.config.read_text()), changes)))


async def blocked(member: Watcher, words: str) -> None:
    await until(lambda: words in member.troubles.get(Part.PIPELINE, ""))
    assert "target-connector unblock" in member.troubles[Part.PIPELINE]


async def test_a_released_brake_lets_bad_records_become_dead_letters(it: Road) -> None:
    """An operator who says that these records are bad gets them out of the way, and all others arrive."""
    it.produce_raw(b"no framing at all", times=BAD)
    async with it.member() as member:
        await blocked(member, f"{BAD} framing")
        assert it.committed() < BAD
        assert await unblock(member) == 202
        await until(lambda: member.dead.get(Reason.FRAMING, 0) >= BAD)
        it.produce(range(10))
        await until(it.arrived)
        assert member.troubles == {}
        assert member.partitions == 4
    assert it.committed() == BAD + 10


async def test_a_release_ends_with_the_records_asked_for(it: Road) -> None:
    """After them the brake counts from zero, and trips again."""
    it.produce_raw(b"no framing at all", times=BAD)
    async with it.member() as member:
        await blocked(member, "framing")
        assert await unblock(member, records=1) == 202
        await until(lambda: it.committed() == BAD)
        before = member.dead[Reason.FRAMING]  # on a busy machine some were letters before they were too many
        it.produce_raw(b"no framing at all", times=BAD)
        await blocked(member, "framing")
        assert member.dead[Reason.FRAMING] < before + BAD


async def test_a_batch_of_bad_rows_only_can_be_released(it: Road) -> None:
    """Though Target took rows before, the settings may be wrong by now: a human is asked, and can say what it is."""
    bad = range(100, 112)
    for number in bad:
        it.simulator.faults.add(FaultKind.POISON, profile_id=f"customer-{number}")
    async with it.member() as member:
        it.produce(range(10))
        await until(it.arrived)
        it.produce(bad, good=False)
        await blocked(member, "Target refuses every row")
        assert await unblock(member) == 202
        await until(lambda: member.dead.get(Reason.REFUSED, 0) == len(bad))
        await until(lambda: it.committed() == 10 + len(bad))
        assert member.troubles == {}


async def test_only_the_brake_is_released(it: Road) -> None:
    """Who unblocks for Target's sake has said nothing of bad records: the brake trips on the next ones as ever."""
    it.produce(range(5))
    it.simulator.faults.add(FaultKind.REDIRECT)
    async with it.member() as member:
        await blocked(member, "target.base_url")
        it.simulator.faults.clear()
        assert await unblocked(member, records=10_000) == (202, {"starting_over": True, "records": 0})
        await until(it.arrived)
        it.produce_raw(b"no framing at all", times=BAD)
        await blocked(member, "framing")
        assert member.dead.get(Reason.FRAMING, 0) < BAD  # those that came in before they were too many
        assert await unblocked(member, records=100) == (202, {"starting_over": True, "records": 100})
        await until(lambda: member.dead.get(Reason.FRAMING, 0) >= BAD)


async def test_changed_settings_heal_the_brake(it: Road) -> None:
    """What the settings caused they mend: the same records arrive, and none is a dead letter."""
    it.produce(range(BAD), city="Graz, Austria")
    for attributes in it.expected.values():
        attributes["city"] = "Graz  Austria"
    async with it.member(dead_letters__brake__at_least=1) as member:  # however many come in at a time
        await blocked(member, "in city")
        change(member, sources__unsafe_text="replace")
        await until(it.arrived)
        assert member.dead == {}


async def test_a_restart_heals_the_brake(it: Road) -> None:
    """The next life reads what the blocked one did not commit."""
    it.produce(range(BAD), city="Graz, Austria")
    for attributes in it.expected.values():
        attributes["city"] = "Graz  Austria"
    async with it.member(dead_letters__brake__at_least=1) as member:
        await blocked(member, "in city")
    async with it.member(sources__unsafe_text="replace"):
        await until(it.arrived)


async def test_settings_with_a_problem_stay_unread(it: Road, capfd: pytest.CaptureFixture[str]) -> None:
    """A file that does not load is told of once and changes nothing; the next good one heals."""
    it.produce(range(BAD), city="Graz, Austria", good=False)
    async with it.member() as member:
        await blocked(member, "in city")
        good = member.config.read_text()
        member.config.write_text("kafka: {")
        said = ""

        def told() -> bool:
            nonlocal said
            said += capfd.readouterr().out
            return "the changed settings can't be used" in said

        await until(told)
        await until(lambda: Part.PIPELINE in member.troubles)
        member.config.write_text(good)
        change(member, dead_letters__brake__at_least=BAD + 1)
        await until(lambda: member.dead.get(Reason.UNSAFE_TEXT, 0) >= BAD)
        said += capfd.readouterr().out
        assert said.count("the changed settings can't be used") == 1


@pytest.mark.parametrize("way", ["unblock", "settings", "restart"])
async def test_a_misconfigured_target_heals_in_every_way(it: Road, way: str) -> None:
    """A Target that answers with a redirect blocks until it does not and somebody says so."""
    it.produce(range(5))
    it.simulator.faults.add(FaultKind.REDIRECT)
    async with it.member() as member:
        await blocked(member, "target.base_url")
        it.simulator.faults.clear()
        if way == "unblock":
            assert await unblock(member) == 202
        elif way == "settings":
            change(member, target__timeout="6s")
        if way != "restart":
            await until(it.arrived)
            assert member.troubles == {}
    async with it.member():
        await until(it.arrived)


@pytest.mark.parametrize("way", ["unblock", "settings", "restart"])
async def test_a_target_that_refuses_all_heals_in_every_way(it: Road, way: str) -> None:
    """Rows that Target refused before are sent again, and no dead letter was made of them."""
    it.produce(range(6))
    it.simulator.faults.add(FaultKind.SUCCESS_FALSE)
    async with it.member() as member:
        await blocked(member, "Target refuses every")
        it.simulator.faults.clear()
        if way == "unblock":
            assert await unblock(member) == 202
        elif way == "settings":
            change(member, target__timeout="6s")
        if way != "restart":
            await until(it.arrived)
        assert member.dead == {}
    async with it.member():
        await until(it.arrived)


@pytest.mark.parametrize("way", ["unblock", "settings", "restart"])
async def test_a_schema_that_the_mapping_does_not_fit_heals_in_every_way(it: Road, way: str) -> None:
    """A new schema without the id blocks; so does trying again, until settings or schema fit."""
    it.produce(range(5))
    async with it.member() as member:
        await until(it.arrived)
        it.schema_id = await it.register(
            SCHEMA | {"fields": [{"name": "key", "type": "string"}, *SCHEMA["fields"][1:]]}
        )
        it.produce(range(5, 10), city="Linz")
        await blocked(member, "customer_id")
        if way == "unblock":
            assert await unblock(member) == 202
            await until(lambda: len([text for text in member.told if text.startswith("blocked")]) == 2)
        if way != "restart":
            change(member, sources__id="key")
            await until(it.arrived)
            assert member.troubles == {}
    async with it.member(sources__id="key"):
        await until(it.arrived)


@pytest.mark.parametrize("way", ["unblock", "settings", "restart"])
async def test_a_dead_letter_that_is_too_large_heals_in_every_way(it: Road, way: str) -> None:
    """A topic that does not take a letter blocks; nothing passes it until the topic takes it."""
    it.produce_raw(b"no framing at all")
    it.broker.fail_requests(Api.PRODUCE, [KafkaError.MSG_SIZE_TOO_LARGE])
    async with it.member() as member:
        await blocked(member, "max.message.bytes")
        assert it.committed() == 0
        if way == "unblock":
            assert await unblock(member) == 202
        elif way == "settings":
            change(member, target__timeout="6s")
        if way != "restart":
            await until(lambda: member.dead == {Reason.FRAMING: 1})
    async with it.member() as member:
        await until(lambda: it.committed() == 1)


class GivesUp(Watcher):
    """Has the pipeline give up what is open, so many times, when a batch is settled."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def accepted(self, report: BatchReport) -> None:
        super().accepted(report)
        self.times -= 1
        if self.times >= 0:
            raise StartOverError("a batch was not confirmed")


async def test_what_is_given_up_is_read_again(it: Road) -> None:
    """A pipeline that gives up what is open starts over by itself, later each time, and loses nothing."""
    it.produce(range(100))
    async with it.watched(GivesUp(2)) as member:
        await until(lambda: member.troubles.get(Part.CONSUMER, "").startswith("starting over in 1 s: a batch was not"))
        it.produce(range(50, 150))
        await until(lambda: "starting over in 2 s: a batch was not confirmed" in member.told)
        await until(it.arrived)
        await until(lambda: member.troubles == {})
        assert member.partitions == 4
    assert it.committed() == 200
    assert it.simulator.summary().went_backwards == 0


async def test_what_is_not_blocked_cannot_be_unblocked(it: Road) -> None:
    """Nobody starts a healthy service over by mistake."""
    it.produce(range(5))
    async with it.member() as member:
        await until(it.arrived)
        assert await unblock(member) == 409
        assert member.partitions == 4


async def test_a_blocked_member_stays_in_its_group(it: Road) -> None:
    """It keeps its partitions, so that nobody else runs into the same."""
    it.produce_raw(b"no framing at all", times=BAD)
    async with it.member() as member:
        await blocked(member, "framing")
        assert member.partitions == 4
        assert member.running.done() is False
