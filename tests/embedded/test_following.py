"""Batches followed to their completion on the whole road, and offsets that wait for it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from connector.simulator.faults import FaultKind
from connector.telemetry import Part
from tests.embedded.road import road, until

if TYPE_CHECKING:
    from pathlib import Path

SOON = {"target__follow_after": "300ms"}
COMPLETE = {**SOON, "target__commit_on": "complete"}


@pytest.mark.parametrize("changes", [SOON, COMPLETE], ids=["accepted", "complete"])
async def test_what_became_of_a_batch_is_told(tmp_path: Path, changes: dict[str, str]) -> None:
    """A row that Target accepts and then does not apply is counted; its siblings arrive, and offsets go on."""
    async with road(tmp_path) as it:
        it.simulator.faults.add(FaultKind.FAILED_ROW, profile_id="customer-3", times=1)
        it.produce(range(50))
        async with it.member(**changes) as member:
            await until(lambda: any(report.failed for report in member.followed_batches))
            await until(lambda: it.committed() == 50)
        assert {report.end for report in member.followed_batches} == {"complete"}
        assert sum(report.failed for report in member.followed_batches) == 1
        del it.expected["customer-3"]
        assert it.arrived()


async def test_offsets_wait_for_completion(tmp_path: Path) -> None:
    """With `commit_on: complete` nothing is committed while Target works, and everything once it has finished.

    Target asks for a token here, for the questions too; its end is told.
    """
    (tmp_path / "token").write_text("secret")
    (tmp_path / "expires").write_text("2027-02-22T09:00:00Z")
    token = {
        f"target__token{name}_file": str(tmp_path / file) for name, file in (("", "token"), ("_expires", "expires"))
    }
    async with road(tmp_path) as it:
        it.simulator.hold_ingestion()
        it.simulator.change_token("secret")
        it.produce(range(100))
        async with it.member(**COMPLETE, **token) as member:
            await until(lambda: member.expires == datetime(2027, 2, 22, 9, tzinfo=UTC))
            await until(lambda: sum(batch.records for batch in member.batches) == 100)
            await asyncio.sleep(1.5)  # a commit comes each second
            assert not it.arrived()
            assert it.committed() == 0
            it.simulator.release_ingestion()
            await until(lambda: it.committed() == 100)
            assert it.arrived()


async def test_delivery_waits_while_enough_is_unconfirmed(tmp_path: Path) -> None:
    """One batch that may be unconfirmed is one: the next is sent once it is complete, and nothing is lost."""
    async with road(tmp_path) as it:
        it.simulator.hold_ingestion()
        async with it.member(**COMPLETE, target__unconfirmed={"batches": 1}) as member:
            it.produce(range(50))
            await until(lambda: len(member.batches) == 1)
            it.produce(range(50, 100))
            await asyncio.sleep(1.5)
            assert it.simulator.summary().batches == 1
            it.simulator.release_ingestion()
            await until(it.arrived)
            await until(lambda: it.committed() == 100)
        assert it.simulator.summary().duplicate_rows == 0


async def test_unconfirmed_batches_survive_a_restart_as_re_delivery(tmp_path: Path) -> None:
    """A stop in the middle commits nothing that is not complete; the next process delivers it again."""
    async with road(tmp_path) as it:
        it.simulator.hold_ingestion()
        it.produce(range(100))
        async with it.member(**COMPLETE) as member:
            await until(lambda: sum(batch.records for batch in member.batches) == 100)
        assert it.committed() == 0
        sent = it.simulator.summary().rows
        it.simulator.release_ingestion()
        async with it.member(**COMPLETE):
            await until(lambda: it.committed() == 100)
        assert it.simulator.summary().rows - sent == 100
        assert it.arrived()
        assert it.simulator.summary().went_backwards == 0


async def test_a_stuck_batch_is_sent_again_from_the_committed_offsets(tmp_path: Path) -> None:
    """What Target will never finish is neither committed nor posted again as it was: newer rows go with it."""
    async with road(tmp_path) as it:
        it.produce(range(100))
        async with it.member(**COMPLETE) as member:
            await until(lambda: it.committed() == 100)
            it.simulator.faults.add(FaultKind.STUCK, times=1)
            it.produce(range(50))
            await until(lambda: "stuck" in [report.end for report in member.followed_batches])
            assert it.committed() == 100
            it.produce(range(50))
            await until(lambda: it.committed() == 200)
            assert it.arrived()
            assert any("did not complete it (stuck)" in told for told in member.told)
        assert it.simulator.summary().went_backwards == 0


async def test_a_stuck_batch_can_wait_for_a_human(tmp_path: Path) -> None:
    """With `on_timeout: block` nothing more is sent or committed, and the line names the batch."""
    async with road(tmp_path) as it:
        it.simulator.faults.add(FaultKind.STUCK)
        it.produce(range(50))
        block = {"on_timeout": "block"}
        async with it.member(**COMPLETE, target__unconfirmed=block) as member:
            await until(lambda: Part.PIPELINE in member.troubles)
            assert "did not complete it (stuck)" in member.troubles[Part.PIPELINE]
            batches = it.simulator.summary().batches
            it.produce(range(50, 60))
            await asyncio.sleep(1.5)
            assert it.simulator.summary().batches == batches
        assert it.committed() == 0
