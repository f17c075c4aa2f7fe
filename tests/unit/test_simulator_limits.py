"""The simulated Target's call limit and how long it keeps statuses."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.simulator.limits import CallMeter
from connector.simulator.statuses import KEPT_S, BatchStatus, Statuses


def test_the_51st_call_of_a_minute_is_turned_away() -> None:
    """Fifty calls get through in any 60 seconds; the next one after the oldest is a minute old."""
    meter = CallMeter(50)
    assert all(meter.admit(10.0) for _ in range(50))
    assert not meter.admit(69.9)
    assert meter.admit(70.0)


def test_calls_turned_away_do_not_prolong_the_wait() -> None:
    """A sender that keeps knocking gets through as soon as the admitted calls are a minute old."""
    meter = CallMeter(1)
    assert [meter.admit(now) for now in (0.0, 20.0, 40.0, 59.0, 60.0)] == [True, False, False, False, True]


def test_every_call_shows_in_the_counts() -> None:
    """Calls that were turned away are told as well, and the busiest minute stays known."""
    meter = CallMeter(2)
    for now in (0.0, 1.0, 2.0, 61.5):
        meter.admit(now)
    assert (meter.most, meter.last_minute(61.5), meter.last_minute(200.0)) == (3, 2, 0)


@given(gaps=st.lists(st.floats(0, 40), max_size=60), limit=st.integers(1, 6))
@settings(max_examples=60)
def test_no_minute_has_more_than_the_limit(gaps: list[float], limit: int) -> None:
    """In no 60 seconds are more calls admitted than the limit, and `most` is the true maximum."""
    meter, now, calls = CallMeter(limit), 0.0, list[tuple[float, bool]]()
    for gap in gaps:
        now += gap
        calls.append((now, meter.admit(now)))
    admitted = [[at for at, got_in in calls if got_in and end - 60 < at <= end] for end, _ in calls]
    arrived = [[at for at, _ in calls if end - 60 < at <= end] for end, _ in calls]
    assert max(map(len, admitted), default=0) <= limit
    assert max(map(len, arrived), default=0) == meter.most


def test_only_the_ten_newest_statuses_are_kept() -> None:
    """The eleventh batch pushes the first one out."""
    statuses = Statuses()
    for number in range(11):
        statuses.add(BatchStatus(f"b{number}", submitted_at=0.0, size=1))
    assert [statuses.get(f"b{number}", 1.0) is not None for number in range(11)] == [False] + [True] * 10


def test_a_status_is_kept_for_a_day() -> None:
    """After 24 hours a status is gone, as is one that never was."""
    statuses = Statuses()
    statuses.add(BatchStatus("b", submitted_at=5.0, size=1))
    assert statuses.get("b", 5.0 + KEPT_S - 1) is not None
    assert statuses.get("b", 5.0 + KEPT_S) is None
    assert statuses.get("other", 5.0) is None
