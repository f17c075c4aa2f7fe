"""Which batches are followed and when each is asked for."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.target.addresses import Address
from connector.target.status import State, Status
from connector.target.watchlist import GONE_TIMES, KEPT, KEPT_S, RECENT, End, Ration, Watchlist

if TYPE_CHECKING:
    from connector.target.watchlist import Followed

COMPLETE = Status(State.COMPLETE)
INCOMPLETE = Status(State.INCOMPLETE)
GONE = Status(State.GONE)


def address(name: object) -> Address:
    return Address(f"https://acme.tt.omtrdc.net/m2/acme/profile/batchStatus?batchId={name}")


class List:
    """A watchlist with what it told."""

    def __init__(self) -> None:
        self.ended: list[tuple[int, End | None]] = []
        self.watchlist = Watchlist(60.0)
        self.number = 0

    def add(self, now: float, *parts: Address | None) -> None:
        """One window; by default it was sent as one batch."""
        self.number += 1
        for part in parts or (address(self.number),):
            self.watchlist.accepted(part, now)
        self.watchlist.close(self.number, 10, now, self._then)

    def _then(self, window: Followed) -> None:
        self.ended.append((window.number, window.end))

    def ask(self, now: float, status: Status) -> int | None:
        """Answer the question that is due, if one is; gives the number of its window."""
        due = self.watchlist.due(now)
        if due is None:
            return None
        self.watchlist.told(*due, status, now)
        return due[0].number


def test_questions_come_ever_later() -> None:
    """The first comes after a minute, each gap is half as long again, and none is longer than ten minutes."""
    it = List()
    it.add(0.0)
    asked = [second for second in range(2 * 3600) if it.ask(second, INCOMPLETE) is not None]
    assert asked[:5] == [60, 150, 285, 488, 792]
    assert max(b - a for a, b in pairwise(asked)) == 600


def test_a_batch_ends_as_target_says() -> None:
    """Complete and stuck end it, with the rows that failed; it is not asked for again."""
    it = List()
    it.add(0.0)
    it.add(0.0)
    assert it.ask(60.0, Status(State.COMPLETE, failed=3, not_found=1)) == 1
    assert it.ask(60.0, Status(State.STUCK)) == 2
    assert it.ask(10_000.0, COMPLETE) is None
    assert it.ended == [(1, End.COMPLETE), (2, End.STUCK)]
    newest, oldest = it.watchlist.recent()
    assert [(part.failed, part.not_found) for part in oldest.parts] == [(3, 1)]
    assert (newest.end, newest.ended_at) == (End.STUCK, 60.0)


@pytest.mark.parametrize("state", [State.UNANSWERED, State.UNAUTHORIZED, State.THROTTLED, State.INCOMPLETE])
def test_what_says_nothing_of_the_batch_ends_nothing(state: State) -> None:
    """It is asked again for a day; then Target has forgotten it."""
    it = List()
    it.add(0.0)
    for now in range(0, int(KEPT_S), 60):
        it.ask(now, Status(state))
    assert it.ended == []
    it.ask(KEPT_S, Status(state))
    assert it.ended == [(1, End.UNCONFIRMED)]


def test_a_batch_is_gone_only_once_that_was_said_repeatedly() -> None:
    """An edge that does not know the batch yet is no end; three times in a row is."""
    it = List()
    it.add(0.0)
    for status in (GONE, GONE, INCOMPLETE, GONE, GONE):
        it.ask(it.watchlist.recent()[0].parts[0].next_at, status)
    assert it.ended == []
    it.ask(it.watchlist.recent()[0].parts[0].next_at, GONE)
    assert it.ended == [(1, End.GONE)]
    assert GONE_TIMES == 3


def test_only_what_target_keeps_is_followed() -> None:
    """An eleventh batch pushes out the first, ended or not; before that the first is asked for once more."""
    it = List()
    for number in range(KEPT):
        it.add(float(number))
    assert it.watchlist.due(KEPT - 0.5) is not None  # long before its minute is over
    assert it.ask(KEPT - 0.5, INCOMPLETE) == 1
    assert it.watchlist.due(KEPT - 0.5) is None
    it.add(11.0)
    assert it.ended == [(1, End.UNCONFIRMED)]


def test_replicas_share_what_target_keeps() -> None:
    """A replica with a third of the partitions follows three batches, one with hardly any follows one."""
    it = List()
    it.watchlist.share(4, 12)
    for _ in range(4):
        it.add(0.0)
    assert it.ended == [(1, End.UNCONFIRMED)]
    it.watchlist.share(1, 100)
    assert len(it.ended) == 1  # a rebalance makes Target forget nothing
    it.add(1.0)
    assert len(it.ended) == 4
    assert it.watchlist.due(30.0) is None  # the only one is not asked for as soon as it was accepted


def test_there_is_room_while_no_open_batch_would_be_pushed_out() -> None:
    """Ended batches make room once none that is open lies before them."""
    it = List()
    it.watchlist.share(3, 10)
    rooms = []
    for _ in range(3):
        rooms.append(it.watchlist.room())
        it.add(0.0)
    rooms.append(it.watchlist.room())
    assert it.ask(60.0, INCOMPLETE) == 1
    assert it.ask(60.0, COMPLETE) == 2
    rooms.append(it.watchlist.room())
    assert it.ask(150.0, COMPLETE) == 1
    rooms.append(it.watchlist.room())
    assert rooms == [True, True, True, False, False, True]


def test_a_window_of_several_batches_ends_with_the_last_of_them() -> None:
    """It ends as the worst of its batches did."""
    it = List()
    it.add(0.0, address("a"), address("b"))
    it.ask(60.0, Status(State.STUCK))
    assert it.ended == []
    it.ask(60.0, COMPLETE)
    assert it.ended == [(1, End.STUCK)]


def test_a_batch_that_is_complete_stays_so_when_it_is_pushed_out() -> None:
    """What was confirmed once is not unconfirmed by newer batches, while the rest of its window is open."""
    it = List()
    it.watchlist.share(2, 10)
    it.add(0.0, address("a"), address("b"))
    assert it.ask(60.0, COMPLETE) == 1
    it.watchlist.accepted(address("c"), 61.0)
    it.ask(61.0, COMPLETE)
    assert it.ended == [(1, End.COMPLETE)]


def test_a_window_whose_batches_ended_before_it_was_whole_ends_with_it() -> None:
    """A search takes many calls; the first accepted parts may be complete before the last is accepted."""
    it = List()
    it.watchlist.accepted(address("a"), 0.0)
    assert it.ask(60.0, COMPLETE) == 0
    assert it.ended == []
    it.add(70.0)
    it.ask(130.0, COMPLETE)
    assert it.ended == [(1, End.COMPLETE)]


def test_a_window_without_a_row_is_complete() -> None:
    """Where nothing was sent there is nothing to confirm, and nothing to show."""
    it = List()
    it.watchlist.close(1, 0, 0.0, it._then)
    assert it.ended == [(1, End.COMPLETE)]
    assert it.watchlist.recent() == []


def test_a_batch_without_an_address_is_unconfirmed() -> None:
    """What cannot be asked for is not taken for complete, whatever becomes of its siblings."""
    it = List()
    it.add(0.0, None)
    it.add(0.0, None, address("b"))
    it.ask(60.0, COMPLETE)
    assert it.ended == [(1, End.UNCONFIRMED), (2, End.UNCONFIRMED)]


def test_an_answer_that_comes_too_late_changes_nothing() -> None:
    """A batch that was pushed out while its answer was on its way has ended already, once."""
    it = List()
    it.watchlist.share(1, 10)
    it.add(0.0)
    due = it.watchlist.due(60.0)
    assert due is not None
    it.add(60.0)
    it.watchlist.told(*due, COMPLETE, 61.0)
    assert it.ended == [(1, End.UNCONFIRMED)]


def test_a_window_that_nobody_waits_for_is_given_up() -> None:
    """Its place is free."""
    it = List()
    it.watchlist.share(1, 10)
    it.add(0.0)
    assert not it.watchlist.room()
    it.watchlist.give_up(1, 5.0)
    assert it.watchlist.room()
    assert it.ended == [(1, End.UNCONFIRMED)]


def test_the_recent_ones_are_bounded() -> None:
    """What is kept for the page does not grow."""
    it = List()
    for _ in range(3 * RECENT):
        it.add(0.0)
    assert [window.number for window in it.watchlist.recent()] == list(range(3 * RECENT, 2 * RECENT, -1))
    assert it.watchlist.unconfirmed() == KEPT


@given(
    st.lists(st.tuples(st.sampled_from(["add", "ask", "share"]), st.sampled_from(State), st.integers(1, 12))),
)
def test_every_window_ends_once_and_never_more_are_open_than_target_keeps(
    steps: list[tuple[str, State, int]],
) -> None:
    """Whatever happens in whatever order; and after a day nothing is open."""
    it = List()
    for now, (what, state, number) in enumerate(steps):
        if what == "add":
            it.add(60.0 * now, *(address((now, part)) for part in range(1 + number // 6)))
        elif what == "ask":
            it.ask(60.0 * now, Status(state))
        else:
            it.watchlist.share(number, 12)
        assert sum(part.end is None for window in it.watchlist.recent() for part in window.parts) <= KEPT
    it.watchlist.due(60.0 * len(steps) + KEPT_S)
    assert sorted(number for number, _ in it.ended) == list(range(1, it.number + 1))
    assert it.watchlist.unconfirmed() == 0


@pytest.mark.parametrize(
    ("calls", "assigned", "partitions", "most"),
    [
        pytest.param(35, 1, 1, 7, id="a fifth of 35"),
        pytest.param(50, 1, 1, 10, id="a fifth of 50"),
        pytest.param(35, 1, 3, 2, id="a fifth of a third of 35, rounded down"),
        pytest.param(35, 1, 35, 1, id="a question in five minutes"),
        pytest.param(35, 0, 3, 0, id="none without a partition"),
    ],
)
def test_questions_are_a_fifth_of_the_calls_at_most(calls: int, assigned: int, partitions: int, most: int) -> None:
    """In any minute, for any share of the budget; with a small share a question takes its minutes."""
    ration = Ration(calls)
    ration.share(assigned, partitions)
    asked: list[float] = []
    for half in range(20 * 60 * 2):
        now = half / 2
        if ration.allows(now):
            ration.spend(now)
            asked.append(now)
    assert max((sum(now <= one < now + 60 for one in asked) for now in asked), default=0) == most
    assert len(asked) <= 0.2 * calls * assigned / partitions * 20 + 1
