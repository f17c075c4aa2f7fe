"""What one feed has gathered, and the batch: what all of them gathered, closed.

Both never change, so that a thread can merge them while the event loop goes on; whoever made them can tell by identity
whether they are still what it has. Called by `window` and the pipeline.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from connector.profiles import merging
from connector.profiles.lines import relaid
from connector.profiles.merging import Events, stacked, without

if TYPE_CHECKING:
    from collections.abc import Collection

    import polars as pl

    from connector.profiles.lines import Lines
    from connector.records import Rows, Span

_MANY_FRAMES = 1_024  # frames of single rows are put together before there are too many of them


@dataclass(frozen=True, slots=True, eq=False)
class Heap:
    """The lines of one feed, in Kafka's order.

    Attributes:
        events: how those of one profile merge.
        names: the attributes, in the order of the cells of every line.
        frames: ID (encoded), ASSIGNMENT, OFFSET, LINE, older first.
    """

    events: Events
    names: tuple[str, ...] = ()
    frames: tuple[pl.DataFrame, ...] = ()

    @property
    def height(self) -> int:
        """How many lines."""
        return sum(frame.height for frame in self.frames)

    def with_lines(self, lines: Lines) -> Heap:
        """Put newer lines below; where they bring attributes or have them in another order, all get one order."""
        names = (*self.names, *(name for name in lines.names if name not in self.names))
        held = (relaid(frame, self.names, names) for frame in self.frames)
        events = self.events if lines.whole else Events.PARTIAL
        return replace(self, events=events, names=names, frames=few((*held, relaid(lines.stack, lines.names, names))))

    def merged(self) -> Heap:
        """Make one frame with each id once."""
        if not self.frames:
            return self
        stack = stacked(self.frames)
        if self.events is Events.FULL:
            return replace(self, frames=(merging.newest_whole(stack),))
        return replace(self, frames=(merging.newest_by_attribute(stack, self.names),))

    def without(self, assignments: Collection[int]) -> Heap:
        """Leave out what came in by these assignments."""
        return replace(self, frames=tuple(without(frame, assignments) for frame in self.frames))


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """A closed window.

    Attributes:
        feeds: what each feed gathered.
        trail: ID (encoded), ASSIGNMENT, OFFSET of every record that went in.
        spans: the positions that are settled once the batch is.
        opened_at: when the first of them came in, on the caller's clock.
    """

    feeds: tuple[Heap, ...]
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

    def made(self, gone: Collection[int] = ()) -> tuple[Batch, Rows, int]:
        """Merge it and make the rows that Target gets; may run in any thread.

        Args:
            gone: assignments that it is to be made without.

        Returns:
            The same batch with each id once in each feed, so that what is replaced takes no memory any more; rows with
            the attributes of all feeds side by side, feed by feed in the order in which they first came; and how many
            profiles were left out for having no value at all.
        """
        kept = self.without(gone)
        kept = replace(kept, feeds=tuple(feed.merged() for feed in kept.feeds))
        rows, empty = merging.side_by_side([(feed.names, stacked(feed.frames)) for feed in kept.feeds])
        return kept, rows, empty

    def without(self, assignments: Collection[int]) -> Batch:
        """Make the same batch without the rows, records and spans of these assignments."""
        if not assignments:
            return self
        return replace(
            self,
            feeds=tuple(feed.without(assignments) for feed in self.feeds),
            trail=without(self.trail, assignments),
            spans=tuple(span for span in self.spans if span.assignment.number not in assignments),
        )


def few(frames: tuple[pl.DataFrame, ...]) -> tuple[pl.DataFrame, ...]:
    """The same rows in one frame, if they were in too many."""
    return frames if len(frames) < _MANY_FRAMES else (stacked(frames).rechunk(),)
