"""The account's call budget, as far as it is this replica's.

Target takes 50 calls a minute from an account, all its tools together, and answers 503 beyond (AdobeDocs
target-limits.md). Time since 1970 is cut into turns of equal length, and the turns go round all partitions of all
topics: whoever owns the partition may make one call at the turn's beginning. As a partition has one owner at most,
replicas stay within the budget together without talking to each other: at any number of them, while partitions move,
and across restarts. docs/adr/0007 has the arithmetic and what it costs. Pure: told the time, never waits itself;
`delivery` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from connector.records import Partition

MINUTE_S: Final = 60.0
OPEN_S: Final = 0.5  # a call may begin so long after its turn began: the loop wakes late where a machine is busy
DRIFT_S: Final = 0.5  # by so much may the replicas' clocks, and the network's delays, differ

# Every replica looks for new partitions each 10 s (`kafka.topics`); until the last one has seen them, the old round
# must be kept as well.
OLD_ROUND_S: Final = 20.0

LEAST_PACE: Final = 0.125
RECOVERY_PER_S: Final = 0.1 / MINUTE_S


class Budget:
    """When the next call may be made; all times are those of one clock, in seconds since 1970."""

    def __init__(self, calls_per_minute: int) -> None:
        """A budget of which nothing is ours yet; `calls_per_minute` are those of the account for all our replicas."""
        # So many turns and one more begin over a minute apart, though the first was late and the last is early.
        self._turn_s = (MINUTE_S + OPEN_S + DRIFT_S) / calls_per_minute
        self._calls_per_minute = calls_per_minute
        self._held: frozenset[Partition] = frozenset()
        self._round: Sequence[Partition] = ()
        self._old_rounds: list[tuple[Sequence[Partition], float]] = []  # and until when they are kept
        self._spent = -1  # the last turn used
        self._hold_until = 0.0
        self._least_pace = 1.0  # at the end of the last hold
        self._paced_until = 0.0  # at less than full pace: when the next call is due

    def share(self, held: Collection[Partition], everyone: Sequence[Partition], now: float) -> None:
        """This replica owns `held` of all partitions from now on.

        Args:
            held: a partition that is not in `everyone` yet has no turn yet.
            everyone: of all topics, in the same order in all replicas; empty while that is not known for sure, and no
                turn is ours meanwhile. When it changes, a turn is ours for a while only if it is by the old order as
                well: other replicas may not know yet.
            now: the time.
        """
        if not self._held.issuperset(held):  # who owned it until now may have used this turn, by its own clock
            self._spent = max(self._spent, self._turn(now + DRIFT_S))
        self._held = frozenset(held)
        kept = [(old, until) for old, until in self._old_rounds if until > now and old != self._round]
        if self._round and everyone != self._round:
            kept.append((self._round, now + OLD_ROUND_S))
        self._round, self._old_rounds = everyone, kept

    def hold(self, seconds: float, now: float) -> None:
        """No call for so long, then at half the pace: Target said that the account has made too many."""
        if now >= self._hold_until:
            self._least_pace = max(LEAST_PACE, self.pace(now) / 2)
        self._hold_until = max(self._hold_until, now + seconds)
        self._paced_until = self._hold_until + self._between_s()

    def pace(self, now: float) -> float:
        """The part of our turns that may be used: halved by a hold, then a tenth more with each minute without one."""
        return min(1.0, self._least_pace + RECOVERY_PER_S * max(0.0, now - self._hold_until))

    def wait_s(self, now: float) -> float:
        """Seconds until the next call is allowed; 0 if it is now, a minute if that is farther away or never."""
        first = self._first(now)
        current = self._turn(first)
        for turn in range(current, current + self._calls_per_minute + 1):
            if (begins := self._begins(turn, first)) is not None:
                return min(MINUTE_S, begins - now)
        return MINUTE_S

    def latest_s(self, within_s: float, now: float) -> float:
        """Seconds until the last call that may begin within so many seconds, a minute at most; those if none may."""
        first, end = self._first(now), now + within_s
        last = self._turn(end)
        for turn in range(last, max(self._turn(first), last - self._calls_per_minute) - 1, -1):
            begins = self._begins(turn, first)
            if begins is not None and begins <= end:
                return begins - now
        return within_s

    def spare(self, now: float) -> bool:
        """Whether a call that can wait (the progress of a batch) may be made now.

        It may if the turn of ours before this one was left unused: so such calls take half of our turns at most, none
        while delivery needs them all, and none while we come back from a throttle. Whoever makes it also `spend`s.
        """
        if self.pace(now) < 1 or self.wait_s(now) > 0:
            return False
        turn = self._turn(now)
        before = (past for past in range(turn - 1, turn - 1 - len(self._round), -1) if self._ours(past))
        return self._spent < next(before, turn)

    def spend(self, now: float) -> None:
        """A call is made now."""
        self._spent = self._turn(now)
        self._paced_until = max(self._paced_until, now) + self._between_s() / self.pace(now)

    def _first(self, now: float) -> float:
        """The earliest time at which a call may begin, whoever's turn it is."""
        if self.pace(now) < 1:
            # A turn early, so that the mean is right though turns come at intervals that the pace does not divide.
            return max(now, self._hold_until, self._paced_until - self._between_s())
        return max(now, self._hold_until)

    def _begins(self, turn: int, first: float) -> float | None:
        """When in a turn a call may begin, not before `first`; None if it may not."""
        begins = max(first, turn * self._turn_s)
        ours = turn != self._spent and begins < turn * self._turn_s + OPEN_S and self._ours(turn)
        return begins if ours else None

    def _turn(self, now: float) -> int:
        return int(now / self._turn_s + 1e-6)  # a microsecond early is in time: clocks and waits are rounded

    def _ours(self, turn: int) -> bool:
        rounds = [self._round, *(old for old, until in self._old_rounds if turn * self._turn_s < until)]
        return all(one and one[turn % len(one)] in self._held for one in rounds)

    def _between_s(self) -> float:
        """Seconds between two turns of ours, on average."""
        return self._turn_s * max(1, len(self._round)) / max(1, len(self._held))
