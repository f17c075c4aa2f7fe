"""The call budget: never more calls than the account has in any minute, whatever happens to the replicas."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.records import Partition
from connector.target.budget import DRIFT_S, MINUTE_S, OPEN_S, Budget

EPOCH = 1_790_000_000.0  # seconds since 1970, as large as those that a clock gives


def partitions(count: int, topic: str = "crm.customers") -> list[Partition]:
    return [Partition(topic, number) for number in range(count)]


def alone(per_minute: int = 35, count: int = 4, now: float = EPOCH) -> Budget:
    """A replica that owns everything."""
    budget = Budget(per_minute)
    budget.share(partitions(count), partitions(count), now)
    return budget


def calls_until(budget: Budget, start: float, end: float, late: float = 0.0) -> list[float]:
    """The times of calls of a replica that always wants to call, and wakes so late for each."""
    now, calls = start, []
    while (now := now + budget.wait_s(now)) < end:
        now += late
        if budget.wait_s(now) == 0:
            budget.spend(now)
            calls.append(now)
    return calls


def most_in_a_minute(calls: list[float]) -> int:
    """The most calls in any half-open minute."""
    ordered = sorted(calls)
    return max((sum(t <= c < t + MINUTE_S for c in ordered) for t in ordered), default=0)


@given(
    within=st.floats(0, 30),
    after=st.floats(0, 200),
    owned=st.integers(0, 8),
    hold=st.one_of(st.none(), st.floats(0, 60)),
)
def test_the_latest_call_within_a_time_is_a_call_and_the_last_one(
    within: float, after: float, owned: int, hold: float | None
) -> None:
    """What is told as the last turn in time can be used then, and from there to the time's end no other begins."""
    budget, now = Budget(35), EPOCH + after
    budget.share(partitions(8)[:owned], partitions(8), EPOCH)
    if hold is not None:
        budget.hold(hold, EPOCH)
    latest = budget.latest_s(within, now)
    assert 0 <= latest <= within
    if latest == within and budget.wait_s(now + within) > 0:
        assert budget.wait_s(now) > within - 1e-3, "there was one"
        return
    assert budget.wait_s(now + latest) == pytest.approx(0, abs=1e-3)
    budget.spend(now + latest + 1e-5)
    rest = within - latest
    assert budget.wait_s(now + latest + 1e-5) >= rest - 1e-3 or hold is not None


def test_nothing_may_be_called_before_a_partition_is_ours() -> None:
    """A replica without partitions, or that does not know yet how many there are, has no turn."""
    budget = Budget(35)
    assert budget.wait_s(EPOCH) == MINUTE_S
    budget.share([], partitions(12), EPOCH)
    assert budget.wait_s(EPOCH) == MINUTE_S
    budget.share(partitions(1), [], EPOCH)
    assert budget.wait_s(EPOCH) == MINUTE_S
    budget.share(partitions(12)[11:], partitions(11), EPOCH)
    assert budget.wait_s(EPOCH) == MINUTE_S
    known = alone()
    known.share(partitions(4), [], EPOCH)  # a rebalance
    assert known.wait_s(EPOCH) == MINUTE_S
    known.share(partitions(4), partitions(4), EPOCH + 1)
    assert known.wait_s(EPOCH + 1) < 4


def test_one_replica_has_all_turns() -> None:
    """Whoever owns all partitions may call 35 times in a minute less a hair, and soon after it got them."""
    calls = calls_until(alone(), EPOCH, EPOCH + 600)
    assert calls[0] - EPOCH <= 2 * 61 / 35
    assert len(calls) >= 340
    assert most_in_a_minute(calls) == 35


@pytest.mark.parametrize("late", [pytest.param(0.0, id="on time"), pytest.param(0.4, id="late")])
@pytest.mark.parametrize("per_minute", [1, 2, 5, 35, 50])
@pytest.mark.parametrize("replicas", [1, 2, 3, 5, 7, 35, 80])
def test_replicas_together_stay_within_the_account(replicas: int, per_minute: int, late: float) -> None:
    """Replicas never make more calls together than the account has, not even if they are more than the calls."""
    everyone, calls = partitions(80), []
    for number in range(replicas):
        budget = Budget(per_minute)
        budget.share(everyone[number::replicas], everyone, EPOCH)
        # Every other one wakes late.
        calls += calls_until(budget, EPOCH, EPOCH + 300, late if number % 2 else 0.0)
    assert most_in_a_minute(calls) <= per_minute
    assert len(calls) >= 300 / 61 * per_minute - 2


def test_a_share_below_one_call_a_minute_is_still_a_share() -> None:
    """With more replicas than calls each waits over a minute between two calls, but none starves."""
    everyone = partitions(20)
    for number in range(20):
        budget = Budget(10)
        budget.share(everyone[number : number + 1], everyone, EPOCH)
        calls = calls_until(budget, EPOCH, EPOCH + 1000)
        assert [b - a for a, b in pairwise(calls)] == pytest.approx([122.0] * (len(calls) - 1))
        assert len(calls) >= 7


def test_a_turn_is_missed_rather_than_taken_late() -> None:
    """A call late in its turn would come too close to those a minute on."""
    budget = alone(per_minute=10)
    turn_s = budget.wait_s(EPOCH) + EPOCH
    assert budget.wait_s(turn_s + OPEN_S - 0.01) == 0
    assert budget.wait_s(turn_s + OPEN_S + 0.01) == pytest.approx(6.1 - OPEN_S - 0.01)


def test_a_partition_that_changes_hands_within_a_turn_gives_no_second_call() -> None:
    """The old owner may have called at the beginning of this turn, so the new one waits for the next."""
    budget = alone(per_minute=10)
    turn = EPOCH + budget.wait_s(EPOCH)
    other = Budget(10)
    other.share(partitions(4), partitions(4), turn + 0.1)
    assert other.wait_s(turn + 0.1) == pytest.approx(6.0)


@pytest.mark.parametrize("asks_s", [0.3, 3.0, 14.0])
def test_a_replica_that_started_after_a_topic_grew_shares_no_turn_with_an_older_one(asks_s: float) -> None:
    """The new one knows only the new order; the older one calls by none until it has asked, however long that takes."""
    old, new = partitions(8), partitions(12)
    for offset in range(60):  # by where in the rounds the rebalance comes
        now = EPOCH + offset
        older, fresh = Budget(35), Budget(35)
        older.share(old, old, now - 100)
        calls = calls_until(older, now - 100, now)
        for budget, held, answer_s in ((older, old[:4], asks_s), (fresh, [*old[4:], *new[8:]], 0.1)):
            budget.share(held, [], now)
            calls += calls_until(budget, now, now + answer_s)
            budget.share(held, new, now + answer_s)
            calls += calls_until(budget, now + answer_s, now + 100)
        turns = [round(call * 35 / 61, 3) for call in calls]
        assert len(set(turns)) == len(turns)
        assert most_in_a_minute(calls) <= 35


def test_a_hold_stops_every_call() -> None:
    """After a throttle nothing is called before the hold is over; a shorter hold does not end a longer one."""
    budget = alone()
    budget.hold(60.0, EPOCH + 100)
    budget.hold(5.0, EPOCH + 101)
    assert budget.wait_s(EPOCH + 101) >= 59.0
    assert calls_until(budget, EPOCH + 100, EPOCH + 170)[0] >= EPOCH + 160


def test_after_a_hold_the_pace_is_half_and_grows_by_a_tenth_each_minute() -> None:
    """Target's throttle is answered by half the calls, and the full number comes back after five minutes."""
    budget = alone()
    assert budget.pace(EPOCH) == 1
    budget.hold(60.0, EPOCH)
    calls = calls_until(budget, EPOCH, EPOCH + 60 + 420)
    minutes = [sum(EPOCH + 60 * n <= call < EPOCH + 60 * (n + 1) for call in calls) for n in range(8)]
    assert minutes[0] == 0
    assert minutes[1] == pytest.approx(35 * 0.55, abs=2)
    assert minutes[2] == pytest.approx(35 * 0.65, abs=2)
    assert minutes[4] == pytest.approx(35 * 0.85, abs=2)
    assert minutes[7] in {34, 35}
    assert budget.pace(EPOCH + 60 + 300) == 1


def test_each_throttle_halves_again_down_to_an_eighth() -> None:
    """A Target that goes on throttling gets fewer and fewer calls, but some."""
    budget, now, paces = alone(), EPOCH, []
    for _ in range(6):
        budget.hold(60.0, now)
        now += 60
        paces.append(budget.pace(now))
    assert paces == [0.5, 0.25, 0.125, 0.125, 0.125, 0.125]
    assert len(calls_until(budget, now, now + 60)) >= 4


def test_a_shared_pace_is_half_of_the_share() -> None:
    """A replica with a third of the partitions comes back at half of its third."""
    budget, everyone = Budget(36), partitions(12)
    budget.share(everyone[::3], everyone, EPOCH)
    budget.hold(60.0, EPOCH)
    assert len(calls_until(budget, EPOCH + 60, EPOCH + 120)) == pytest.approx(36 / 3 * 0.55, abs=1)


def test_a_spare_call_takes_no_turn_that_delivery_needs() -> None:
    """Calls that can wait get every other turn while nothing is delivered, none while all turns are used."""
    idle, spare, now = alone(), 0, EPOCH
    while (now := now + max(idle.wait_s(now), 0.01)) < EPOCH + 61:
        if idle.spare(now):
            idle.spend(now)
            spare += 1
    assert 16 <= spare <= 18
    busy, now = alone(), EPOCH
    busy.spend(now + busy.wait_s(now))
    for _ in range(100):
        now += busy.wait_s(now)
        assert not busy.spare(now)
        busy.spend(now)


def test_there_is_no_spare_call_after_a_throttle() -> None:
    """Until the pace is full again every call is for rows."""
    budget = alone()
    budget.hold(60.0, EPOCH)
    times = [EPOCH + 60 + n / 10 for n in range(2900)]
    assert not any(budget.spare(time) for time in times)


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, list[tuple[float, list[int], set[int], bool]]]:
    """Calls a minute, and phases: how long, the owner of each partition, the replicas that started anew, a hold.

    A phase begins with a rebalance, or with new partitions that nobody owns yet.
    """
    owners = draw(st.lists(st.integers(0, 5), min_size=1, max_size=8))
    phases: list[tuple[float, list[int], set[int], bool]] = []
    for _ in range(draw(st.integers(1, 6))):
        restarted: set[int] = set()
        if draw(st.booleans()):
            owners = draw(st.lists(st.integers(0, 5), min_size=len(owners), max_size=len(owners)))
            restarted = draw(st.sets(st.integers(0, 5)))
        else:
            owners = [*owners, *[NOBODY] * draw(st.integers(1, 4))]
        phases.append((draw(st.floats(0.5, 90)), owners, restarted, draw(st.integers(0, 9)) == 0))
    return draw(st.integers(1, 50)), phases


NOBODY = -1


@settings(max_examples=200)
@given(histories(), st.lists(st.floats(0, 0.5), min_size=6, max_size=6), st.lists(st.floats(0, 0.45), min_size=6))
def test_no_minute_ever_holds_more_than_the_account_has(
    history: tuple[int, list[tuple[float, list[int], set[int], bool]]], clocks: list[float], late: list[float]
) -> None:
    """However partitions move and topics grow, with clocks and wake-ups that differ, six replicas keep the budget.

    After a rebalance all of them ask what partitions there are; of a topic that grows without one the odd ones learn
    up to 15 s after the others. A replica that started anew knows nothing of before.
    """
    per_minute, phases = history
    now, calls, known = EPOCH, [], [len(phases[0][1])] * 6
    behind: dict[int, float] = {}  # since when a replica does not know of the newest partitions
    budgets = [Budget(per_minute) for _ in range(6)]
    for seconds, owners, restarted, held in phases:
        rebalance = NOBODY not in owners
        for number in range(6):
            budgets[number] = Budget(per_minute) if number in restarted else budgets[number]
            budget, at = budgets[number], now + clocks[number] - DRIFT_S
            mine = [Partition("crm.customers", p) for p, owner in enumerate(owners) if owner == number]
            learns = 0.0
            if rebalance:
                budget.share(mine, [], at)
            elif number % 2 and known[number] < len(owners):
                learns = max(0.0, behind.setdefault(number, now) + 15.0 - now)
            calls += [call - at + now for call in calls_until(budget, at, at + min(learns, seconds), late[number])]
            if learns < seconds:
                budget.share(mine, partitions(len(owners)), at + learns)
                known[number] = len(owners)
                behind.pop(number, None)
            if held:
                budget.hold(30.0, at + min(learns, seconds))
            told, end = at + min(learns, seconds), at + seconds
            calls += [call - at + now for call in calls_until(budget, told, end, late[number])]
        now += seconds
    assert most_in_a_minute(calls) <= per_minute
