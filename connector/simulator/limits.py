"""The account's call limit and the record of when calls came.

Owns the sliding minute: 50 calls of Admin, Reporting and bulk profile APIs together, 503 beyond (AdobeDocs
target-limits.md). Promises exact counts over any 60 seconds. Pure: the time is passed in. Called by `account`.
"""

from __future__ import annotations

from collections import deque

MINUTE_S = 60.0


class CallMeter:
    """Counts calls and says which are within the limit.

    A call that was turned away does not count against the limit (invented: Adobe does not say), so a sender that
    knocks without pause gets through again. It does count in what `last_minute` and `most` tell.

    Args:
        calls_per_minute: how many calls are let in within any 60 seconds.

    Attributes:
        most: the highest number of calls that came within any 60 seconds so far.
    """

    def __init__(self, calls_per_minute: int) -> None:
        self._limit = calls_per_minute
        self._calls: deque[float] = deque()
        self._admitted: deque[float] = deque()
        self.most = 0

    def admit(self, now: float) -> bool:
        """Count a call that comes now; False if it is beyond the limit. Times never decrease."""
        self._calls.append(now)
        # The busiest 60 seconds end with a call, so it is enough to look back from each.
        self.most = max(self.most, self.last_minute(now))
        _forget(self._admitted, now)
        if len(self._admitted) >= self._limit:
            return False
        self._admitted.append(now)
        return True

    def last_minute(self, now: float) -> int:
        """How many calls came in the 60 seconds before now."""
        _forget(self._calls, now)
        return len(self._calls)


def _forget(times: deque[float], now: float) -> None:
    while times and times[0] <= now - MINUTE_S:
        times.popleft()
