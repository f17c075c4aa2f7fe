"""The brake: too many dead letters at once mean that something is misconfigured, not that the data is bad.

A wrong schema or mapping would otherwise empty a topic into the dead letters while the service looks well. Pure; the
pipeline asks before it writes dead letters.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BrakeLimits:
    """Stop if over `share` of the last `of` records, and at least `at_least` of them, are about to be dead letters."""

    share: float = 0.01
    of: int = 10_000
    at_least: int = 50


class Brake:
    """Counts over a sliding number of records."""

    def __init__(self, limits: BrakeLimits, released: int = 0) -> None:
        """A brake that has counted nothing yet.

        Args:
            limits: when it trips.
            released: for so many records from now on it neither trips nor counts, as a human has decided that they
                are truly bad; whole lists, so it may be one list more.
        """
        self._limits = limits
        self._lists: deque[tuple[int, int]] = deque()
        self._records = 0
        self._bad = 0
        # Each record passes twice, when it comes in and with the batch that settles it: both times it is let through.
        self._released_in = self._released_out = released

    def trips(self, records: int, bad: int) -> bool:
        """Count `records` that came in, of which `bad` are to be dead letters; whether that is too many."""
        if self._released_in > 0:
            self._released_in -= records
            return False
        return self._count(records, bad)

    def trips_on_batch(self, records: int, bad: int) -> bool:
        """Count `bad` more of the `records` that a batch settles, as Target refused them; whether that is too many."""
        if self._released_out > 0:
            self._released_out -= records
            return False
        return self._count(0, bad)

    def _count(self, records: int, bad: int) -> bool:
        self._lists.append((records, bad))
        self._records += records
        self._bad += bad
        # The oldest list goes once the others alone hold enough records; so between `of` and `of` + a list are counted.
        while self._lists and self._records - self._lists[0][0] >= self._limits.of:
            gone_records, gone_bad = self._lists.popleft()
            self._records -= gone_records
            self._bad -= gone_bad
        return self._bad >= self._limits.at_least and self._bad > self._limits.share * self._records
