"""The window: rows gather here, one per profile, until there are enough of them or they are old enough.

It promises that a batch holds each profile once, with its newest values in the order of arrival, and that a row can be
traced to every record it was made of. Told the time, never asks for it. Called by the pipeline, one call at a time.

Contract with the caller: all records of one profile in one feed come from one partition (Kafka orders nothing else),
and two feeds share no attribute.

Lines wait in a pile and are merged only when they might make the window full, and then only if the pile is an eighth of
what is merged already: so each is copied about nine times at worst, however often its profile changes. A window may
therefore exceed its limits by an eighth and by what one `add` brought; that, and about 30 bytes and the id for each of
`max_records` records, is all it keeps in memory. The limits of a body are kept by `target.search`.

What takes long needs nothing that changes: `lines` and `merge` run in threads, and what a merge made is dropped if the
window changed meanwhile. All else takes less than a millisecond, and is called one call at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import polars as pl

from connector.errors import BlockedError
from connector.profiles import merging
from connector.profiles.batch import Batch, Heap, few
from connector.profiles.claims import Claims
from connector.profiles.lines import KEYS, NOTHING, Lines, cell_bytes, lined
from connector.profiles.merging import Events, Totals, stacked, without
from connector.records import ID, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

# The trail of this many records is 60 to 120 MB. Ten seconds of a topic at 200,000 records/s.
MAX_RECORDS: Final = 2_000_000

_GROWTH: Final = 8  # a pile is merged when it is at least 1/8 of what is merged already
_SMALL: Final = 8_192  # below so many rows merging takes about a millisecond: no need to wait for a pile


class Due(StrEnum):
    """Why a window is closed."""

    ROWS = "rows"
    BYTES = "bytes"
    RECORDS = "records"  # so many changes of so few profiles that tracing them takes too much memory
    AGE = "age"
    DRAIN = "drain"  # never said by the window: the service stops


@dataclass(frozen=True, slots=True)
class Limits:
    """When a window is due.

    Attributes:
        max_rows: profiles.
        max_bytes: of the encoded rows, without the header of the body.
        max_age_s: since the first record, or the first position without one, came in.
        max_records: bounds the memory of the trail.
    """

    max_rows: int
    max_bytes: int
    max_age_s: float
    max_records: int = MAX_RECORDS


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """What `merge` made: what of, what, and how much it is."""

    of: tuple[Heap, ...]
    feeds: tuple[Heap, ...]
    totals: Totals


def merge(feeds: tuple[Heap, ...]) -> Merged:
    """Merge what `Window.mergeable` gave; may run in any thread. 100,000 rows take 20 ms, partial ones up to 150 ms."""
    merged = tuple(feed.merged() for feed in feeds)
    return Merged(feeds, merged, merging.measured([(feed.names, stacked(feed.frames)) for feed in merged]))


class Window:
    """Gathers rows until they are due."""

    def __init__(self, limits: Limits, feeds: Sequence[Events], encode: Callable[[pl.DataFrame], pl.Series]) -> None:
        """Open an empty window.

        Args:
            limits: when it is due.
            feeds: how each feed merges; `add` names a feed by its index here.
            encode: what ID, and the cells of a row, go through to become part of a body, as `Encoder.lines` of
                `target.encoding`.
        """
        self._limits = limits
        self._events = tuple(feeds)
        self._encode = encode
        self._claims = Claims()
        self._empty()

    def _empty(self) -> None:
        self._feeds = tuple(Heap(events) for events in self._events)
        self._trail: tuple[pl.DataFrame, ...] = ()
        self._spans: list[Span] = []
        self._opened_at: float | None = None
        self._records = 0
        self._count(Totals(0, 0, 0))

    def _count(self, totals: Totals) -> None:
        """So much is merged, and there is no pile."""
        self._totals = totals
        self._merged_rows = sum(feed.height for feed in self._feeds) if totals.ids else 0
        self._pile_rows = self._pile_bytes = 0

    def _count_in(self, names: Sequence[str], frame: pl.DataFrame) -> None:
        self._pile_rows += frame.height
        self._pile_bytes += int(frame.select(cell_bytes(names).sum() + pl.col(ID).str.len_bytes().sum()).item())

    @property
    def records(self) -> int:
        """How many records went in."""
        return self._records

    @property
    def rows(self) -> int:
        """How many profiles it holds at most: those that came in since it was last merged count one per record."""
        return self._totals.ids + self._pile_rows

    @property
    def size_bytes(self) -> int:
        """How many bytes they make at most in a body, without the header."""
        return self._totals.size_bytes + self._pile_bytes + self._pile_rows * (len(self._claims) + 1)

    def lines(self, feed: int, rows: pl.DataFrame, *, partial: bool = False) -> Lines:
        """Make of rows what `add` takes; may run in any thread while anything else is called.

        Args:
            feed: index of the feed that they are of.
            rows: as `Mapped.rows`, in Kafka order; the columns do not matter if there are none.
            partial: whether there may be a row whose null means "the older value stands", whatever the feed's events
                are; then the window that it is added to merges that feed by attribute from there on.
        """
        held = self._feeds[feed]  # only the order of its names matters, and `add` does not rely on it
        return lined(rows, held.names, self._encode, whole=held.events is Events.FULL and not partial)

    def add(self, feed: int, lines: Lines, spans: Sequence[Span], now: float) -> None:
        """Take lines in.

        Args:
            feed: index of the feed that they are of.
            lines: made by `lines`.
            spans: the positions that they came from, and those of records that gave no row.
            now: seconds on the caller's clock.

        Raises:
            BlockedError: another feed has an attribute of the same name already; nothing was taken in.
        """
        if lines.trail.height:
            self._claim(feed, lines.names)
            self._feeds = tuple(
                held.with_lines(lines) if index == feed else held for index, held in enumerate(self._feeds)
            )
            self._trail = few((*self._trail, lines.trail))
            self._count_in(lines.names, lines.stack)
            self._records += lines.trail.height
        self._spans = _joined([*self._spans, *spans])
        if self._opened_at is None and (lines.trail.height or spans):
            self._opened_at = now

    def forget(self, assignments: Collection[int]) -> None:
        """Let go the rows, records and spans of these assignments: somebody else reads them now."""
        self._feeds = tuple(feed.without(assignments) for feed in self._feeds)
        self._trail = tuple(without(frame, assignments) for frame in self._trail)
        self._spans = [span for span in self._spans if span.assignment.number not in assignments]
        self._records = sum(frame.height for frame in self._trail)
        self._count(Totals(0, 0, 0))  # all of it is pile again, which needs no merge to be counted
        for feed in self._feeds:
            for frame in feed.frames:
                self._count_in(feed.names, frame)
        if not self._records and not self._spans:
            self._opened_at = None

    def mergeable(self) -> tuple[Heap, ...] | None:
        """What `merge` is to merge for `due` to know; None if it needs not, or not yet."""
        maybe_full = self.rows >= self._limits.max_rows or self.size_bytes >= self._limits.max_bytes
        cheap = self._merged_rows <= _SMALL or self._pile_rows * _GROWTH >= self._merged_rows
        long = self._pile_bytes * _GROWTH >= self._totals.size_bytes
        return self._feeds if self._pile_rows and maybe_full and (cheap or long) else None

    def merged(self, merged: Merged) -> None:
        """Put what `merge` made in the place of what it was made of, if that is still here."""
        if all(ours is theirs for ours, theirs in zip(self._feeds, merged.of, strict=True)):
            self._feeds = merged.feeds
            self._count(merged.totals)

    def due(self, now: float) -> Due | None:
        """Tell whether and why it is to be closed, as far as what is merged tells."""
        if self._opened_at is None:
            return None
        if self._totals.ids >= self._limits.max_rows:
            return Due.ROWS
        if self._totals.size_bytes >= self._limits.max_bytes:
            return Due.BYTES
        if self._records >= self._limits.max_records:
            return Due.RECORDS
        return Due.AGE if now - self._opened_at >= self._limits.max_age_s else None

    def seconds_left(self, now: float) -> float | None:
        """How long until it is due by age; None while it is empty."""
        return None if self._opened_at is None else max(0.0, self._opened_at + self._limits.max_age_s - now)

    def closes_in(self, now: float, last_turn_s: Callable[[float], float]) -> float | None:
        """How long until it is to be closed for its age; None while it is empty.

        Args:
            now: seconds on the caller's clock.
            last_turn_s: how long until the last call that may begin within so many seconds; those if none may. If that
                is in the second half of the window's life, it is closed then, as the next turn comes after its age.
        """
        left = self.seconds_left(now)
        if left is None:
            return None
        turn = last_turn_s(left)
        return turn if left - turn <= self._limits.max_age_s / 2 else left

    def closing_by_turn(self, now: float, last_turn_s: Callable[[float], float]) -> Due | None:
        """Tell whether it is to be closed for its age now; see `closes_in`."""
        return Due.AGE if self.closes_in(now, last_turn_s) == 0 else None

    def close(self) -> Batch:
        """Hand out what it holds, not merged yet, and begin anew.

        Raises:
            ValueError: it is empty.
        """
        if self._opened_at is None:
            raise ValueError("an empty window makes no batch")
        trail = stacked(self._trail) if self._trail else NOTHING.select(KEYS)
        batch = Batch(feeds=self._feeds, trail=trail, spans=tuple(self._spans), opened_at=self._opened_at)
        self._empty()
        return batch

    def _claim(self, feed: int, names: Sequence[str]) -> None:
        for clash in self._claims.clashes(feed, names):
            raise BlockedError(clash)
        self._claims.take(feed, names)


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Join spans of one assignment that touch or overlap, as those of one poll after another do."""
    joined: dict[int, list[Span]] = {}
    for span in spans:
        ours = joined.setdefault(span.assignment.number, [])
        if ours and ours[-1].first <= span.first <= ours[-1].next:
            ours[-1] = replace(ours[-1], next=max(ours[-1].next, span.next))
        else:
            ours.append(span)
    return [span for ours in joined.values() for span in ours]
