"""The call budget: never more than the share in any minute, whatever happens to the share."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.target.budget import MINUTE_S, Budget


def calls_until(budget: Budget, start: float, end: float) -> list[float]:
    """The times of calls of a replica that always wants to call."""
    now, calls = start, []
    while (now := now + budget.wait_s(now)) < end:
        budget.spend(now)
        calls.append(now)
    return calls


def most_in_a_minute(calls: list[float]) -> int:
    """The most calls in any half-open minute (a hair is taken off for the clock's rounding)."""
    ordered = sorted(calls)
    return max((sum(t <= c < t + MINUTE_S - 1e-6 for c in ordered) for t in ordered), default=0)


def test_nothing_may_be_called_before_a_partition_is_ours() -> None:
    """A replica without partitions has no share."""
    budget = Budget(35, 0.0)
    assert budget.wait_s(1000.0) == MINUTE_S
    budget.set_share(0, 12, 1000.0)
    assert budget.wait_s(2000.0) == MINUTE_S


def test_the_first_call_waits_one_space_and_no_longer() -> None:
    """A fresh replica may have followed another one, so its first call keeps the distance; then it may call."""
    budget = Budget(30, 0.0)
    budget.set_share(4, 4, 10.0)
    assert budget.wait_s(10.0) == pytest.approx(2.0)
    assert budget.wait_s(12.0) == 0


@pytest.mark.parametrize("replicas", [1, 2, 3, 5, 7, 35])
def test_replicas_together_stay_within_the_account(replicas: int) -> None:
    """Replicas that share all partitions never make more calls together than the account has, in any minute."""
    calls: list[float] = []
    for number in range(replicas):
        budget = Budget(35, 0.0)
        budget.set_share(1, replicas, 0.1 * number)
        calls += calls_until(budget, 0.0, 300.0)
    assert most_in_a_minute(calls) <= 35


def test_a_share_below_one_call_a_minute_is_still_a_share() -> None:
    """With more replicas than calls each waits over a minute between two calls, but none starves."""
    budget = Budget(10, 0.0)
    budget.set_share(1, 20, 0.0)
    assert [b - a for a, b in pairwise(calls_until(budget, 0.0, 1000.0))] == pytest.approx([120.0] * 7)


def test_a_hold_stops_every_call() -> None:
    """After a throttle nothing is called before the hold is over; a shorter hold does not end a longer one."""
    budget = Budget(35, 0.0)
    budget.set_share(1, 1, 0.0)
    budget.hold(60.0, 100.0)
    budget.hold(5.0, 101.0)
    assert budget.wait_s(101.0) == pytest.approx(59.0)
    assert budget.wait_s(160.0) == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(1, 90), st.integers(1, 6)), min_size=1, max_size=6), st.integers(6, 50))
def test_rebalances_keep_the_account_within_its_budget(phases: list[tuple[float, int]], per_minute: int) -> None:
    """However often partitions move between replicas, each replica adds at most one call to the account's minute."""
    partitions, now, calls = 60, 0.0, []
    budgets = [Budget(per_minute, 0.0) for _ in range(6)]
    for seconds, replicas in phases:
        for index, budget in enumerate(budgets):
            budget.set_share(partitions // replicas if index < replicas else 0, partitions, now)
        for budget in budgets[:replicas]:
            calls += calls_until(budget, now, now + seconds)
        now += seconds
    assert most_in_a_minute(calls) <= per_minute + len(budgets)
