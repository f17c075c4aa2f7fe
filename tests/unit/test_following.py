"""Following: who is asked, when, and what is told of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from connector.records import Partition
from connector.target.budget import Budget
from connector.target.following import PATIENCE_S, REFUSED_ADDRESS, Following
from connector.target.status import State, Status
from connector.target.watchlist import End, Ration, Watchlist
from connector.telemetry import Silent

if TYPE_CHECKING:
    from connector.target.addresses import Address
    from connector.target.watchlist import Followed
    from connector.telemetry import FollowReport

BASE = "https://acme.tt.omtrdc.net"
FIRST_S = 60.0
HOLD_S = 60.0
P0 = Partition("crm", 0)


def status_url(name: object, host: str = "mboxedge45.tt.omtrdc.net") -> str:
    return f"http://{host}/m2/acme/profile/batchStatus?batchId={name}"


class Told(Silent):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.states: list[str] = []
        self.reports: list[FollowReport] = []
        self.open: list[int] = []

    def asked(self, state: str) -> None:
        self.states.append(state)

    def followed(self, report: FollowReport) -> None:
        self.reports.append(report)

    def unconfirmed(self, batches: int) -> None:
        self.open.append(batches)


class World:
    """A follower with a Target that answers by list, and a clock that passes only when somebody sleeps."""

    def __init__(self, *answers: Status, first_s: float = FIRST_S) -> None:
        self.now = 0.0
        self.until = 0.0
        self.answers = list(answers)
        self.asked: list[tuple[float, str]] = []
        self.told = Told()
        self.ended: list[Followed] = []
        self.budget = Budget(50)
        self.budget.share([P0], [P0], 0.0)
        self.following = Following(
            self,
            self.budget,
            Ration(50),
            Watchlist(first_s),
            self.told,
            base_url=BASE,
            hold_s=HOLD_S,
            clock=lambda: self.now,
            sleep=self.sleep,
        )
        self.following.share(1, 1)

    async def ask(self, address: Address) -> Status:
        self.asked.append((self.now, address))
        await asyncio.sleep(0)
        return self.answers.pop(0) if self.answers else Status(State.INCOMPLETE)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)
        if self.now >= self.until:
            raise asyncio.CancelledError

    async def pass_time(self, seconds: float) -> None:
        self.until = self.now + seconds
        with pytest.raises(asyncio.CancelledError):
            await self.following.run()

    def accept(self, number: int, *urls: str | None) -> None:
        for url in urls or (status_url(number),):
            self.following.accepted(url)
        self.following.close(number, 10, self.ended.append)


async def test_an_accepted_batch_is_followed_to_its_end() -> None:
    """It is asked for at Target's address over https until it is complete; then what became of it is told, once."""
    it = World(Status(State.INCOMPLETE), Status(State.COMPLETE, failed=2, not_found=1))
    it.accept(7)
    await it.pass_time(1000)
    assert {address for _, address in it.asked} == {status_url(7).replace("http:", "https:")}
    assert [round(when) for when, _ in it.asked] == [60, 150]
    assert it.told.states == ["incomplete", "complete"]
    (report,) = it.told.reports
    assert (report.number, report.end, report.rows, report.failed, report.not_found) == (7, "complete", 10, 2, 1)
    assert (report.asked, round(report.after_s)) == (2, 150)
    assert [window.number for window in it.ended] == [7]
    assert (it.told.open[0], it.told.open[-1]) == (1, 0)


@pytest.mark.parametrize("host", ["evil.example", "evil.tt.omtrdc.net.example", "127.0.0.1", "u@acme.tt.omtrdc.net"])
async def test_an_address_of_somebody_elses_is_never_asked(host: str) -> None:
    """It is counted, no call is made, and the batch is unconfirmed."""
    it = World()
    it.accept(1, status_url(1, host))
    await it.pass_time(1000)
    assert it.asked == []
    assert it.told.states == [REFUSED_ADDRESS]
    assert [report.end for report in it.told.reports] == ["unconfirmed"]


async def test_an_acceptance_that_names_no_address_is_unconfirmed() -> None:
    """It is nobody's attack, so nothing is counted as refused."""
    it = World()
    it.accept(1, None)
    assert it.told.states == []
    assert [report.end for report in it.told.reports] == ["unconfirmed"]


async def test_no_question_is_asked_while_batches_need_the_budget() -> None:
    """While calls follow each other at the full pace there is none to spare; once they rest, questions go on."""
    it = World()
    it.accept(1)
    it.now = 200.0
    for _ in range(100):
        it.budget.spend(it.now)
        await it.pass_time(1.2)
    assert it.asked == []
    await it.pass_time(5)
    assert len(it.asked) == 1


async def test_questions_are_spent_from_the_budget() -> None:
    """A question is a call like any other: the next one keeps its distance."""
    it = World()
    it.accept(1)
    await it.pass_time(FIRST_S + 0.5)
    assert len(it.asked) == 1
    assert it.budget.wait_s(it.asked[0][0]) > 0.5


async def test_questions_are_rationed() -> None:
    """Of 50 calls a minute at most 10 are questions, however many batches are due."""
    it = World(first_s=6.0)
    for number in range(10):
        it.accept(number)
    await it.pass_time(600)
    times = [when for when, _ in it.asked]
    assert max(sum(when <= one < when + 60 for one in times) for when in times) <= 10


async def test_without_partitions_nothing_is_asked() -> None:
    """The budget is others' then."""
    it = World()
    it.accept(1)
    it.following.share(0, 4)
    it.budget.share([], [P0], 0.0)
    await it.pass_time(1000)
    assert it.asked == []


async def test_a_throttled_question_holds_all_calls() -> None:
    """Target has had enough calls, whoever made them."""
    it = World(Status(State.THROTTLED, retry_after_s=300.0))
    it.accept(1)
    await it.pass_time(FIRST_S + 1)
    assert all(it.budget.wait_s(it.now + seconds) > 0 for seconds in range(298))
    it = World(Status(State.THROTTLED))
    it.accept(1)
    await it.pass_time(FIRST_S + 1)
    assert all(it.budget.wait_s(it.now + seconds) > 0 for seconds in range(int(HOLD_S) - 2))


async def test_failed_rows_are_asked_for_anew_and_kept_nowhere() -> None:
    """An operator gets the ids of all batches of a window; what is kept and told of it holds none."""
    failed = Status(State.COMPLETE, failed=1, failed_ids=("anna",))
    it = World(failed, failed, failed, Status(State.COMPLETE, failed=1, failed_ids=("bert",)))
    it.accept(1, status_url("a"), status_url("b"))
    await it.pass_time(100)
    it.until = it.now + 100
    assert await it.following.failed_rows("1") == ["anna", "bert"]
    assert "anna" not in repr(it.following.recent()) + repr(it.told.reports)
    assert it.told.reports[0].failed == 2


def test_a_batch_is_found_by_our_number_and_by_targets_name() -> None:
    """Both stand in the log; neither is mistaken for the other."""
    it = World()
    it.accept(1, status_url("acme-17-1"), status_url("acme-17-2"))
    it.accept(2, status_url("acme-18-1"))
    found = [it.following.find(batch) for batch in ("1", "acme-17-2", "acme-18-1", "17", "acme-17", "")]
    assert [None if window is None else window.number for window in found] == [1, 1, 2, None, None, None]


async def test_failed_rows_of_an_unknown_batch_are_a_clear_error() -> None:
    """Only recent batches can be asked for."""
    with pytest.raises(LookupError, match="that batch is none of the recent ones"):
        await World().following.failed_rows("3")


async def test_an_operators_question_waits_for_its_call_and_not_for_ever() -> None:
    """It counts against the budget too, and ends with a line that says so."""
    it = World(Status(State.COMPLETE))
    it.accept(1)
    it.until = 10_000.0
    it.budget.hold(20.0, it.now)
    assert await it.following.failed_rows("1") == []
    it.budget.hold(2 * PATIENCE_S, it.now)
    with pytest.raises(TimeoutError, match="ask again later"):
        await it.following.failed_rows("1")


@pytest.mark.parametrize("state", [State.GONE, State.UNANSWERED, State.THROTTLED, State.UNAUTHORIZED])
async def test_a_batch_that_target_does_not_tell_of_has_no_list(state: State) -> None:
    """No list is not an empty list."""
    it = World(Status(state))
    it.accept(1)
    it.now, it.until = 10.0, 100.0
    with pytest.raises(TimeoutError, match="does not tell"):
        await it.following.failed_rows("1")


def test_ends_are_a_closed_list() -> None:
    """Metrics and docs name these."""
    assert {str(end) for end in End} == {"complete", "unconfirmed", "gone", "stuck"}
