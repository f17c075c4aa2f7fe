"""The account's call budget, as far as it is this replica's.

Target takes 50 calls a minute from an account, all its tools together, and answers 503 beyond (AdobeDocs
target-limits.md). A replica may use the share of the budget that its partitions are of all partitions, so replicas
need not talk to each other to stay within it together. Calls are spaced evenly rather than counted: at no place can
more than the share fall into a minute, a restart forgets nothing that matters, and a share that moves between
replicas moves at the same pace. Pure: told the time, never waits itself; `delivery` does.
"""

from __future__ import annotations

MINUTE_S = 60.0


class Budget:
    """When the next call may be made."""

    def __init__(self, calls_per_minute: int, now: float) -> None:
        """A budget of which nothing is ours yet.

        Args:
            calls_per_minute: of the whole account, for this connector's replicas together.
            now: any monotonic clock's time, in seconds, as in every method.
        """
        self._calls_per_minute = calls_per_minute
        self._share = 0.0
        self._paced_from = now  # the last call, or the time at which the share last grew
        self._held_until = now

    def set_share(self, assigned: int, partitions: int, now: float) -> None:
        """This replica owns `assigned` of all `partitions` from now on.

        A share that grows is paced from now: the replica that had it until now may just have made its call.
        """
        share = min(1.0, assigned / max(partitions, 1))
        if share > self._share:
            self._paced_from = max(self._paced_from, now)
        self._share = share

    def spacing_s(self) -> float | None:
        """Seconds between two calls; None if no call may be made.

        Whole calls: three replicas of 35 calls take 11 each and not 11.67, as a minute could hold 12 of those.
        """
        calls = self._calls_per_minute * self._share
        if calls == 0:
            return None
        return MINUTE_S / (int(calls) if calls >= 1 else calls)

    def hold(self, seconds: float, now: float) -> None:
        """No call for so long: Target said that the account has made too many."""
        self._held_until = max(self._held_until, now + seconds)

    def wait_s(self, now: float) -> float:
        """Seconds until the next call is allowed; 0 if it is, a minute while no partition is ours."""
        spacing_s = self.spacing_s()
        if spacing_s is None:
            return MINUTE_S
        return max(0.0, self._paced_from + spacing_s - now, self._held_until - now)

    def spend(self, now: float) -> None:
        """A call is made now."""
        self._paced_from = now
