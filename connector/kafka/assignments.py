"""Which partitions are ours, how far each has been read, and what a poll brought made into a chunk.

Every assignment of a partition has a number of its own, which the rows carry from here to the body, so that whatever
belongs to an earlier assignment can be told from what is ours. Belongs to the consumer thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from connector.kafka.polled import RUN
from connector.records import ASSIGNMENT, OFFSET, ROW, VALUE, Assignment, Chunk, Jump, Partition, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from connector.kafka.polled import Polled, Run

COLUMNS = {ROW: pl.UInt32, ASSIGNMENT: pl.UInt32, OFFSET: pl.Int64, VALUE: pl.Binary}


@dataclass(frozen=True, slots=True)
class Remade:
    """A partition that began anew: `fresh` takes the place of `old`, and its first record is that at `start`."""

    old: Assignment
    fresh: Assignment
    start: int


@dataclass(frozen=True, slots=True)
class Gathered:
    """What one poll brought.

    Attributes:
        chunk: its records and spans.
        size_bytes: of the values.
        remade: assignments that others took the place of.
        jumps: in the order in which they were met.
    """

    chunk: Chunk
    size_bytes: int
    remade: Sequence[Remade]
    jumps: Sequence[Jump]


@dataclass(slots=True)
class _Held:
    """A partition of ours.

    Attributes:
        assignment: under which its records come in.
        next: the offset of the record that comes next, as far as known.
        former: assignments that it had since it became ours, which it does not go on with.
        went_back: it began anew by itself, and `remake` was not told of it yet.
    """

    assignment: Assignment
    next: int | None
    former: list[Assignment] = field(default_factory=list)
    went_back: bool = False


@dataclass(slots=True)
class _Poll:
    """What one poll brought, while it is gathered."""

    low: Callable[[Partition], int]
    firsts: dict[int, tuple[Assignment, int]] = field(default_factory=dict)  # by the assignment's number
    nexts: dict[int, int] = field(default_factory=dict)  # of those that were replaced meanwhile
    remade: list[Remade] = field(default_factory=list)
    jumps: list[Jump] = field(default_factory=list)
    lows: dict[Partition, int] = field(default_factory=dict)

    def skipped(self, held: _Held, expected: int, offset: int) -> None:
        """Offsets are missing: most often no record has them, but Kafka may have deleted records."""
        partition = held.assignment.partition
        if partition not in self.lows:
            self.lows[partition] = self.low(partition)
        if (lost := min(self.lows[partition], offset) - expected) > 0:
            self.jumps.append(Jump(partition, expected, offset, lost))

    def spans(self, held: Mapping[tuple[str, int], _Held]) -> list[Span]:
        ends = self.nexts | {one.assignment.number: one.next or 0 for one in held.values()}
        return [Span(assignment, first, ends[number]) for number, (assignment, first) in self.firsts.items()]


class Assignments:
    """The partitions of this consumer."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, int], _Held] = {}
        self._numbers = 0

    def add(self, partitions: Iterable[Partition], starts: Mapping[Partition, int] | None = None) -> list[Assignment]:
        """These partitions are ours from now on, each under a new number, to be read from `starts` where known."""
        fresh = []
        for partition in partitions:
            fresh.append(self._number(partition))
            self._held[partition] = _Held(fresh[-1], (starts or {}).get(partition))
        return fresh

    def remove(self, partitions: Iterable[Partition]) -> list[Assignment]:
        """These are no longer ours; returns what was, with the assignments that had been replaced."""
        gone = self.of(partitions)
        for assignment in gone:
            self._held.pop(assignment.partition, None)
        return gone

    def of(self, partitions: Iterable[Partition]) -> list[Assignment]:
        """The assignments of those of the partitions that are ours, with those that had been replaced."""
        ours = [self._held[partition] for partition in partitions if partition in self._held]
        return [assignment for held in ours for assignment in (*held.former, held.assignment)]

    def holds(self, assignment: Assignment) -> bool:
        """Whether it is ours, under this very number, so that its offsets may be stored."""
        held = self._held.get(assignment.partition)
        return held is not None and held.assignment.number == assignment.number

    def partitions(self) -> list[Partition]:
        """All that are ours."""
        return [held.assignment.partition for held in self._held.values()]

    def numbers(self) -> frozenset[int]:
        """The numbers of all assignments that are ours to deliver, the replaced ones among them."""
        return frozenset(assignment.number for assignment in self.of(self.partitions()))

    def remake(self, topic: str) -> list[Remade]:
        """The topic was made anew: replace its assignments, to be read from 0.

        Leaves out those whose partition had gone back by itself before, or had not been read at all.
        """
        remade = []
        for held in self._held.values():
            if held.assignment.partition.topic == topic:
                if held.next and not held.went_back:
                    remade.append(self._replace(held, 0))
                held.went_back = False
        return remade

    def gather(self, polled: Polled, low: Callable[[Partition], int]) -> Gathered:
        """Make a chunk of what one poll brought.

        Args:
            polled: records, and ends of partitions. An end moves a span past what no record has: markers of
                transactions, aborted records.
            low: the first offset that Kafka still has of a partition, or a negative number where that is not known.
        """
        poll = _Poll(low)
        numbers = pl.Series(ASSIGNMENT, [self._take(run, poll) for run in polled.runs], pl.UInt32)
        frame = polled.frame.select(numbers.gather(polled.frame[RUN]), pl.exclude(RUN))
        records = polled.records
        if frame[ASSIGNMENT].null_count():
            kept = frame[ASSIGNMENT].is_not_null()
            frame, records = frame.filter(kept), [records[row] for row in kept.arg_true()]
        frame = frame.with_row_index(ROW)
        chunk = Chunk(frame, records, poll.spans(self._held))
        return Gathered(chunk, int(frame[VALUE].bin.size().sum()), poll.remade, poll.jumps)

    def _take(self, run: Run, poll: _Poll) -> int | None:
        """Note how far a partition is read by now, and give the number of its assignment."""
        held = self._held.get((run.topic, run.partition))
        if held is None:
            return None  # of a partition that went away in this very poll: its new owner reads it
        if held.next is not None and run.first != held.next:
            self._move(held, held.next, run.first, poll)
        elif held.next is not None and not run.records:
            return None  # an end that was known
        number = held.assignment.number
        if number not in poll.firsts:
            poll.firsts[number] = held.assignment, run.first if held.next is None else held.next
        held.next = run.first + run.records
        return number

    def _move(self, held: _Held, expected: int, offset: int, poll: _Poll) -> None:
        """Another record came than the one after the last."""
        if offset > expected:
            poll.skipped(held, expected, offset)
            return
        poll.jumps.append(Jump(held.assignment.partition, expected, offset, None))
        poll.nexts[held.assignment.number] = expected
        poll.remade.append(self._replace(held, offset))
        held.went_back = True

    def _replace(self, held: _Held, start: int) -> Remade:
        old, fresh = held.assignment, self._number(held.assignment.partition)
        held.former.append(old)
        held.assignment, held.next = fresh, start
        return Remade(old, fresh, start)

    def _number(self, partition: Partition) -> Assignment:
        self._numbers += 1
        return Assignment(self._numbers, partition)
