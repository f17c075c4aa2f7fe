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

    def __init__(self, limits: BrakeLimits) -> None:
        self._limits = limits
        self._lists: deque[tuple[int, int]] = deque()
        self._records = 0
        self._bad = 0

    def trips(self, records: int, bad: int) -> bool:
        """Count `records` more, of which `bad` are to be dead letters; whether that is too many."""
        self._lists.append((records, bad))
        self._records += records
        self._bad += bad
        # The oldest list goes once the others alone hold enough records; so between `of` and `of` + a list are counted.
        while self._lists and self._records - self._lists[0][0] >= self._limits.of:
            gone_records, gone_bad = self._lists.popleft()
            self._records -= gone_records
            self._bad -= gone_bad
        return self._bad >= self._limits.at_least and self._bad > self._limits.share * self._records
