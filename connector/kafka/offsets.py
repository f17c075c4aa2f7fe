"""The ledger: which positions are settled, and so which offsets may be stored.

A position is settled once its record was accepted by Target, stored as a dead letter, or skipped by a setting. Spans
may be settled in any order; only the contiguous prefix of an assignment may be stored, so that a restart reads again
whatever is not settled. What belongs to an assignment that is no longer ours is ignored. Pure: the pipeline calls it
on the event loop, and hands what it returns to `source`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connector.records import Assignment, Partition, Span


@dataclass(slots=True)
class _Progress:
    partition: Partition
    settled: int | None = None  # all below is settled; None until the first span is taken
    ahead: dict[int, int] = field(default_factory=dict)  # first -> next, settled but not yet contiguous


class Ledger:
    """What is settled, per assignment."""

    def __init__(self) -> None:
        self._held: dict[int, _Progress] = {}
        self._detached: set[int] = set()

    def assign(self, assignments: Iterable[Assignment], starts: Mapping[Partition, int] | None = None) -> None:
        """These partitions are ours from now on; all below `starts`, where known, is settled already."""
        for assignment in assignments:
            self._held[assignment.number] = _Progress(assignment.partition, (starts or {}).get(assignment.partition))

    def detach(self, assignments: Iterable[Assignment]) -> None:
        """What was read of these is still ours to deliver, but their partitions began anew: nothing is stored."""
        for assignment in assignments:
            if self._held.pop(assignment.number, None) is not None:
                self._detached.add(assignment.number)

    def release(self, assignments: Iterable[Assignment]) -> None:
        """These partitions are no longer ours: nothing of them will be stored."""
        for assignment in assignments:
            self._held.pop(assignment.number, None)
            self._detached.discard(assignment.number)

    def holds(self, assignment: Assignment) -> bool:
        """Whether what was read under the assignment is still ours to deliver."""
        return assignment.number in self._held or assignment.number in self._detached

    def held(self) -> frozenset[int]:
        """The numbers of the assignments whose records are ours to deliver."""
        return frozenset(self._held) | self._detached

    def detached(self) -> frozenset[int]:
        """The numbers of those among them whose partitions began anew: their offsets mean other records now."""
        return frozenset(self._detached)

    def partitions(self) -> frozenset[Partition]:
        """The partitions that are ours."""
        return frozenset(progress.partition for progress in self._held.values())

    def take(self, spans: Iterable[Span]) -> list[Span]:
        """Note what was fetched, before anything of it can be settled; returns the spans that are still ours."""
        ours = [span for span in spans if self.holds(span.assignment)]
        for span in ours:
            progress = self._held.get(span.assignment.number)
            if progress is not None and progress.settled is None:
                progress.settled = span.first
        return ours

    def settle(self, spans: Iterable[Span]) -> dict[Assignment, int]:
        """Mark spans as settled.

        Returns:
            For each assignment whose contiguous prefix grew: the offset to store, which is that of the next record
            to read.

        Raises:
            ValueError: a span was settled that had never been taken.
        """
        grown: dict[Assignment, int] = {}
        for span in spans:
            progress = self._held.get(span.assignment.number)
            if progress is None:
                continue
            if progress.settled is None:
                msg = f"settled before it was taken: {span}"
                raise ValueError(msg)
            progress.ahead[span.first] = max(span.next, progress.ahead.get(span.first, 0))
            while (reached := progress.ahead.pop(progress.settled, None)) is not None:
                progress.settled = reached
                grown[span.assignment] = reached
        return grown

    def unsettled(self, end_offsets: Mapping[Partition, int]) -> tuple[int, int]:
        """Hold what is settled against the ends.

        Returns:
            How many offsets lie between, over the partitions where both are known; and how many of the partitions
            that are ours are not among them.
        """
        known = [
            end_offsets[progress.partition] - progress.settled
            for progress in self._held.values()
            if progress.settled is not None and progress.partition in end_offsets
        ]
        return sum(max(0, records) for records in known), len(self._held) - len(known)
