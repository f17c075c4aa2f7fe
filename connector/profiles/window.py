"""The window: rows gather here, one per profile, until there are enough of them or they are old enough.

It promises that a batch holds each profile once, with its newest values in the order of arrival, and that a row can be
traced to every record it was made of. Told the time, never asks for it. Called by the pipeline, one call at a time.

Contract with the caller: all records of one profile in one feed come from one partition (Kafka orders nothing else),
and two feeds share no attribute.

Rows wait in a pile and are merged only when they might make the window full, and then only if the pile is an eighth of
what is merged already: so each row is copied about nine times at worst, however often its profile changes. A window may
therefore exceed its limits by an eighth and by what one `add` brought; that, and about 30 bytes and the id for each of
`max_records` records, is all it keeps in memory. The limits of a body are kept by `target.search`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import polars as pl

from connector.errors import BlockedError
from connector.profiles import merging
from connector.profiles.merging import NOTHING, Totals, stacked, without
from connector.records import ASSIGNMENT, ID, OFFSET, ROW, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

# The trail of this many records is 60 to 120 MB. Ten seconds of a topic at 200,000 records/s.
MAX_RECORDS: Final = 2_000_000

_GROWTH: Final = 8  # a pile is merged when it is at least 1/8 of what is merged already
_SMALL: Final = 8_192  # below so many rows merging takes about a millisecond: no need to wait for a pile
_MANY_FRAMES: Final = 1_024  # frames of single rows are put together before there are too many of them
_ENCODED_PER_BYTE: Final = 3  # percent-encoding makes `%XX` of a byte


class Events(StrEnum):
    """What an event of a feed holds, hence how events of one profile merge."""

    FULL = "full"  # all that the source knows of the profile: the newest event replaces the others
    PARTIAL = "partial"  # what changed: the newest present value of each attribute


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
class Batch:
    """A closed window.

    Attributes:
        feeds: for each feed ID, ASSIGNMENT, OFFSET of the newest record and the attributes; each id once; encoded.
        trail: ID (encoded), ASSIGNMENT, OFFSET of every record that went in.
        spans: the positions that are settled once the batch is.
        opened_at: when the first of them came in, on the caller's clock.
    """

    feeds: tuple[pl.DataFrame, ...]
    trail: pl.DataFrame
    spans: tuple[Span, ...]
    opened_at: float

    @property
    def records(self) -> int:
        """How many records went in."""
        return self.trail.height

    @property
    def assignments(self) -> frozenset[int]:
        """The numbers of all assignments that it holds positions of."""
        return frozenset(span.assignment.number for span in self.spans)

    def rows(self) -> tuple[pl.DataFrame, int]:
        """What Target gets.

        Returns:
            ID and the attributes of all feeds side by side, encoded, one row per profile, the columns feed by feed in
            the order in which they first came; and how many profiles were left out for having no value at all.
        """
        return merging.side_by_side(self.feeds)

    def without(self, assignments: Collection[int]) -> Batch:
        """Make the same batch without the rows, records and spans of these assignments."""
        return replace(
            self,
            feeds=tuple(without(feed, [*assignments]) for feed in self.feeds),
            trail=without(self.trail, [*assignments]),
            spans=tuple(span for span in self.spans if span.assignment.number not in assignments),
        )


@dataclass(slots=True)
class _Feed:
    """The rows of one feed: merged and encoded ones, and the pile of those that came since."""

    events: Events
    merged: pl.DataFrame = field(default_factory=NOTHING.clone)
    pile: list[pl.DataFrame] = field(default_factory=list)

    def merge(self, encode: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        """Merge the pile in itself, encode only what survives, then merge that into the rest."""
        if self.pile:
            newest = merging.newest_whole if self.events is Events.FULL else merging.newest_by_attribute
            fresh = encode(newest(stacked(self.pile)))
            self.merged = fresh if self.merged.is_empty() else newest(stacked([self.merged, fresh]))
            self.pile = []

    def forget(self, assignments: Sequence[int]) -> None:
        self.merged = without(self.merged, assignments)
        self.pile = [without(frame, assignments) for frame in self.pile]


class Window:
    """Gathers rows until they are due."""

    def __init__(self, limits: Limits, feeds: Sequence[Events], encode: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        """Open an empty window.

        Args:
            limits: when it is due.
            feeds: how each feed merges; `add` names a feed by its index here.
            encode: what ID and cells go through before their bytes are counted: `target.batchfile.encode`.
        """
        self._limits = limits
        self._events = tuple(feeds)
        self._encode = encode
        self._feed_of: dict[str, int] = {}
        self._empty()

    def _empty(self) -> None:
        self._feeds = [_Feed(events) for events in self._events]
        self._trail: list[pl.DataFrame] = []
        self._spans: list[Span] = []
        self._opened_at: float | None = None
        self._count()

    def _count(self) -> None:
        """Count everything anew, which `add` needs not."""
        self._records = sum(frame.height for frame in self._trail)
        self._merged_rows = sum(feed.merged.height for feed in self._feeds)
        self._totals = merging.measured([feed.merged for feed in self._feeds]) if self._merged_rows else Totals(0, 0, 0)
        self._pile_rows = self._pile_bytes = 0
        for frame in (frame for feed in self._feeds for frame in feed.pile):
            self._count_in(frame)

    def _count_in(self, frame: pl.DataFrame) -> None:
        self._pile_rows += frame.height
        self._pile_bytes += _ENCODED_PER_BYTE * merging.text_bytes(frame) + frame.height * (len(self._feed_of) + 1)

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
        """How many bytes they make at most, encoded, without the header."""
        return self._totals.size_bytes + self._pile_bytes

    def add(self, feed: int, rows: pl.DataFrame, spans: Sequence[Span], now: float, *, partial: bool = False) -> None:
        """Take rows in.

        Args:
            feed: index of the feed that they are of.
            rows: as `Mapped.rows`, in Kafka order; the columns do not matter if there are none.
            spans: the positions that they came from, and those of records that gave no row.
            now: seconds on the caller's clock.
            partial: whether there may be a row whose null means "the older value stands", whatever the feed's events
                are; then this window merges that feed by attribute from here on.

        Raises:
            BlockedError: another feed has an attribute of the same name already; nothing was taken in.
        """
        if rows.height:
            stack = rows.select(ID, ASSIGNMENT, OFFSET, pl.exclude(ROW, ID, ASSIGNMENT, OFFSET))
            self._claim(feed, merging.attributes(stack))
            if partial:
                self._feeds[feed].events = Events.PARTIAL
            _put(self._feeds[feed].pile, stack)
            _put(self._trail, stack.select(ID, ASSIGNMENT, OFFSET))
            self._count_in(stack)
            self._records += stack.height
        self._spans = _joined([*self._spans, *spans])
        if self._opened_at is None and (rows.height or spans):
            self._opened_at = now

    def forget(self, assignments: Collection[int]) -> None:
        """Let go the rows, records and spans of these assignments: somebody else reads them now."""
        gone = [*assignments]
        for feed in self._feeds:
            feed.forget(gone)
        self._trail = [without(frame, gone) for frame in self._trail]
        self._spans = [span for span in self._spans if span.assignment.number not in assignments]
        self._count()
        if not self._records and not self._spans:
            self._opened_at = None

    def due(self, now: float) -> Due | None:
        """Tell whether and why it is to be closed; may merge the pile to know."""
        if self._opened_at is None:
            return None
        self._merge_if_worth_it()
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

    def close(self) -> Batch:
        """Hand out what it holds and begin anew.

        Raises:
            ValueError: it is empty.
        """
        if self._opened_at is None:
            raise ValueError("an empty window makes no batch")
        for feed in self._feeds:
            feed.merge(self._encode)
        batch = Batch(
            feeds=tuple(feed.merged for feed in self._feeds),
            trail=self._encode(stacked(self._trail)),
            spans=tuple(self._spans),
            opened_at=self._opened_at,
        )
        self._empty()
        return batch

    def _merge_if_worth_it(self) -> None:
        maybe_full = self.rows >= self._limits.max_rows or self.size_bytes >= self._limits.max_bytes
        cheap = self._merged_rows <= _SMALL or self._pile_rows * _GROWTH >= self._merged_rows
        long = self._pile_bytes * _GROWTH >= self._totals.size_bytes * _ENCODED_PER_BYTE
        if self._pile_rows and maybe_full and (cheap or long):
            for feed in self._feeds:
                feed.merge(self._encode)
            self._count()

    def _claim(self, feed: int, names: Sequence[str]) -> None:
        for name in names:
            if self._feed_of.get(name, feed) != feed:
                raise BlockedError(f"two sources both give attribute `{name}`: rename it in one of them")
        self._feed_of |= dict.fromkeys(names, feed)


def _put(frames: list[pl.DataFrame], frame: pl.DataFrame) -> None:
    frames.append(frame)
    if len(frames) >= _MANY_FRAMES:
        frames[:] = [stacked(frames)]


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
