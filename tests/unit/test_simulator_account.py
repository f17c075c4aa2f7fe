"""The simulated account: acceptance, ingestion and counts."""

from __future__ import annotations

import pytest

from connector.errors import SettingError
from connector.simulator.account import Account, SimulatorOptions
from connector.simulator.body import Batch, Refusal


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def batch(**rows: str) -> Batch:
    """A batch with one attribute `a` for each id."""
    return Batch("thirdPartyId", {profile_id: {"a": value} for profile_id, value in rows.items()})


def test_a_batch_is_complete_and_readable_after_the_delay() -> None:
    """Until then its status is incomplete and its rows cannot be read."""
    clock = Clock()
    account = Account(SimulatorOptions(ingestion_delay_s=30), clock)
    batch_id = account.accept(batch(x="1", y="2"), create=True)
    status = account.status(batch_id)
    assert status is not None
    assert (status.state, status.size, status.consumed, len(account.profiles)) == ("incomplete", 2, 0, 0)
    assert account.summary().ingesting == 1
    clock.now += 30
    assert dict(account.profiles) == {"x": {"a": "1"}, "y": {"a": "2"}}
    assert (status.state, status.consumed, account.summary().ingesting) == ("complete", 2, 0)


def test_held_batches_are_not_ingested_however_old() -> None:
    """A test decides when Target is done, and no clock; once released, what is due is ingested at once."""
    clock = Clock()
    account = Account(SimulatorOptions(), clock)
    account.held = True
    status = account.status(account.accept(batch(x="1"), create=True))
    clock.now += 1_000
    assert status is not None
    assert (dict(account.profiles), status.state) == ({}, "incomplete")
    account.held = False
    assert (dict(account.profiles), status.state) == ({"x": {"a": "1"}}, "complete")


def test_batches_are_ingested_in_the_order_they_were_accepted() -> None:
    """Two batches that fall due together leave the newer value."""
    clock = Clock()
    account = Account(SimulatorOptions(ingestion_delay_s=5, version_attribute="a"), clock)
    account.accept(batch(x="1"), create=True)
    account.accept(batch(x="2"), create=True)
    clock.now += 5
    assert dict(account.profiles) == {"x": {"a": "2"}}
    assert account.summary().went_backwards == 0


def test_a_failed_row_is_left_out_and_counted() -> None:
    """Its batch completes, its siblings are ingested, and only it is missing; before ingestion nothing has failed."""
    clock = Clock()
    account = Account(SimulatorOptions(ingestion_delay_s=5), clock)
    status = account.status(account.accept(batch(x="1", y="2"), create=True, failing=["x"]))
    assert status is not None
    assert (status.state, status.successful) == ("incomplete", 0)
    clock.now += 5
    assert dict(account.profiles) == {"y": {"a": "2"}}
    assert (status.state, status.consumed, status.successful, status.failed) == ("complete", 2, 1, ("x",))


def test_a_stuck_batch_is_never_ingested() -> None:
    """Its status says so, and the batches after it go on."""
    account = Account(SimulatorOptions(), Clock())
    stuck = account.status(account.accept(batch(x="1"), create=True, stuck=True))
    account.accept(batch(y="1"), create=True)
    assert stuck is not None
    assert stuck.state == "stuck"
    assert list(account.profiles) == ["y"]


def test_v1_counts_the_profiles_it_did_not_find() -> None:
    """Only visited profiles are written."""
    account = Account(SimulatorOptions(), Clock())
    account.visit("x")
    status = account.status(account.accept(batch(x="1", y="1"), create=False))
    assert status is not None
    assert (status.consumed, status.not_found) == (2, 1)
    assert dict(account.profiles) == {"x": {"a": "1"}}


def test_the_summary_counts_what_happened() -> None:
    """Calls, outcomes, batches, rows, duplicates and refusals add up."""
    clock = Clock()
    account = Account(SimulatorOptions(calls_per_minute=2), clock)
    assert [account.call() for _ in range(3)] == [True, True, False]
    account.answered("accepted")
    account.refuse(Refusal.BOM)
    first = account.accept(batch(x="1", y="1"), create=True)
    second = account.accept(batch(x="1", y="2"), create=True)
    clock.now += 61
    summary = account.summary()
    assert first != second
    assert (summary.calls, summary.refusals) == ({"accepted": 1}, {"bom": 1})
    assert (summary.calls_in_last_60_s, summary.most_calls_in_60_s) == (0, 3)
    assert (summary.batches, summary.rows, summary.duplicate_rows, summary.profiles) == (2, 4, 1, 2)


@pytest.mark.parametrize(
    "wrong", [{"calls_per_minute": 0}, {"ingestion_delay_s": -1}], ids=lambda wrong: next(iter(wrong))
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    """The error names the option."""
    with pytest.raises(SettingError, match=next(iter(wrong))):
        SimulatorOptions(**wrong)  # type: ignore[arg-type] # mypy cannot see which name it is


def test_the_token_is_not_shown() -> None:
    """The options' text form leaves it out."""
    assert "hunter2" not in repr(SimulatorOptions(token="hunter2"))
