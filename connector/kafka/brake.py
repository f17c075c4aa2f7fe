"""The brake: too many dead letters at once mean that something is misconfigured, not that the data is bad.

A wrong schema or mapping would otherwise empty a topic into the dead letters while the service looks well. Pure; the
pipeline asks before it writes dead letters.
"""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector.records import Reason


@dataclass(frozen=True, slots=True)
class BrakeLimits:
    """Stop if over `share` of the last `of` records, and at least `at_least` of them, are about to be dead letters."""

    share: float = 0.01
    of: int = 10_000
    at_least: int = 50


class _Slide:
    """The last records, in the lists that they came in: `of` of them, and less than one list more."""

    def __init__(self, of: int) -> None:
        self._of = of
        self._lists: deque[tuple[int, int]] = deque()
        self.records = 0
        self.bad = 0

    def add(self, records: int, bad: int) -> None:
        """Count one list more; the oldest goes once the others alone hold enough records."""
        if records or bad:
            self._lists.append((records, bad))
        self.records += records
        self.bad += bad
        while self._lists and self.records - self._lists[0][0] >= self._of:
            gone_records, gone_bad = self._lists.popleft()
            self.records -= gone_records
            self.bad -= gone_bad


class Brake:
    """Counts over a sliding number of records.

    Each record passes twice, when it comes in and with the batch that settles it, and may be found bad either time. A
    batch may hold many more records than the slide of those that came in, so it is held against its own number. A list
    without bad records never trips it: there is nothing to keep from the dead letters, and a batch that was on its way
    when the brake tripped is settled once it is accepted.
    """

    def __init__(self, limits: BrakeLimits, released: int = 0, holds: frozenset[Reason] = frozenset()) -> None:
        """A brake that has counted nothing yet.

        Args:
            limits: when it trips.
            released: for so many records from now on it neither trips nor counts, as a human has decided that they
                are truly bad; whole lists, so it may be one list more. Each is let through both times.
            holds: reasons of which a human is to decide before any record is a dead letter, however few.
        """
        self._holds = holds
        self._limits = limits
        self._in = _Slide(limits.of)
        self._out = _Slide(limits.of)
        self._released_in = self._released_out = released

    @property
    def released(self) -> bool:
        """Whether the records of the next batch are let through."""
        return self._released_out > 0

    def holds(self, reason: Reason) -> bool:
        """Whether no record that comes in next may become a dead letter of this reason."""
        return reason in self._holds and self._released_in <= 0

    def trips(self, records: int, bad: int) -> bool:
        """Count `records` that came in, of which `bad` are to be dead letters; whether that is too many."""
        if self._released_in > 0:
            self._released_in -= records
            return False
        self._in.add(records, bad)
        return bad > 0 and self._too_many(self._out)

    def trips_on_batch(self, records: int, bad: int) -> bool:
        """Count the `records` that a batch settles, `bad` of them refused by Target; whether that is too many."""
        if self._released_out > 0:
            self._released_out -= records
            return False
        self._out.add(records, bad)
        return bad > 0 and self._too_many(self._out)

    def would_trip_on_batch(self, records: int, bad: int) -> bool:
        """Whether `trips_on_batch` would say yes; counts nothing."""
        if self._released_out > 0:
            return False
        out = copy.deepcopy(self._out)
        out.add(records, bad)
        return bad > 0 and self._too_many(out)

    def _too_many(self, out: _Slide) -> bool:
        bad, records = self._in.bad + out.bad, max(self._in.records, out.records)
        return bad >= self._limits.at_least and bad > self._limits.share * records
