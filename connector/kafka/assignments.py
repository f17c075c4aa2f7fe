"""Which partitions are ours, how far each has been read, and a poll's messages made into a chunk.

Every assignment of a partition has a number of its own, which the rows carry from here to the body, so that whatever
belongs to an earlier assignment can be told from what is ours. Belongs to the consumer thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from connector.records import ASSIGNMENT, OFFSET, ROW, VALUE, Assignment, Chunk, Partition, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from confluent_kafka import Message

COLUMNS = {ROW: pl.UInt32, ASSIGNMENT: pl.UInt32, OFFSET: pl.Int64, VALUE: pl.Binary}


class Assignments:
    """The partitions of this consumer."""

    def __init__(self) -> None:
        self._held: dict[Partition, Assignment] = {}
        self._next_offsets: dict[Assignment, int] = {}
        self._numbers = 0

    def add(self, partitions: Iterable[Partition]) -> list[Assignment]:
        """These partitions are ours from now on, each under a new number."""
        fresh = []
        for partition in partitions:
            self._numbers += 1
            self._held[partition] = Assignment(self._numbers, partition)
            fresh.append(self._held[partition])
        return fresh

    def remove(self, assignments: Iterable[Assignment]) -> None:
        """These are no longer ours."""
        for assignment in assignments:
            self._held.pop(assignment.partition, None)
            self._next_offsets.pop(assignment, None)

    def of(self, partitions: Iterable[Partition]) -> list[Assignment]:
        """The assignments of those of the partitions that are ours."""
        return [self._held[partition] for partition in partitions if partition in self._held]

    def holds(self, assignment: Assignment) -> bool:
        """Whether it is ours, under this very number."""
        return self._held.get(assignment.partition) == assignment

    def partitions(self) -> list[Partition]:
        """All that are ours."""
        return list(self._held)

    def chunk(self, messages: Sequence[Message]) -> tuple[Chunk, int, list[tuple[Assignment, Assignment]]]:
        """Make a chunk of messages without an error, in the order in which they were consumed.

        Returns:
            The chunk; the size of its values in bytes; and the assignments that had to be replaced by new ones, as
            their offsets went back (the topic was made anew, or its beginning was cut off behind the position).
        """
        records: list[Message] = []
        numbers: list[int] = []
        offsets: list[int] = []
        values: list[bytes | None] = []
        firsts: dict[Assignment, int] = {}
        rewound: list[tuple[Assignment, Assignment]] = []
        # confluent-kafka hands out objects, so here, and only here, each record is touched on its own.
        for message in messages:
            partition = Partition(message.topic(), message.partition())  # type: ignore[arg-type]
            offset: int = message.offset()  # type: ignore[assignment]
            assignment = self._held.get(partition)
            if assignment is None:
                continue  # of a partition that went away in this very poll: its new owner reads it
            if offset < self._next_offsets.get(assignment, 0):
                assignment = self._replace(assignment, rewound)
            firsts.setdefault(assignment, self._next_offsets.get(assignment, offset))
            self._next_offsets[assignment] = offset + 1
            records.append(message)
            numbers.append(assignment.number)
            offsets.append(offset)
            values.append(message.value())
        rows = range(len(records))
        frame = pl.DataFrame({ROW: rows, ASSIGNMENT: numbers, OFFSET: offsets, VALUE: values}, schema=COLUMNS)
        spans = [Span(a, first, self._next_offsets[a]) for a, first in firsts.items() if self.holds(a)]
        return Chunk(frame, records, spans), sum(len(value) for value in values if value), rewound

    def _replace(self, assignment: Assignment, rewound: list[tuple[Assignment, Assignment]]) -> Assignment:
        self.remove([assignment])
        (fresh,) = self.add([assignment.partition])
        rewound.append((assignment, fresh))
        return fresh
