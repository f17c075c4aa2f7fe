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

    def assign(self, assignments: Iterable[Assignment]) -> None:
        """These partitions are ours from now on."""
        for assignment in assignments:
            self._held[assignment.number] = _Progress(assignment.partition)

    def release(self, assignments: Iterable[Assignment]) -> None:
        """These partitions are no longer ours: nothing of them will be stored."""
        for assignment in assignments:
            self._held.pop(assignment.number, None)

    def holds(self, assignment: Assignment) -> bool:
        """Whether the assignment is still ours."""
        return assignment.number in self._held

    def held(self) -> frozenset[int]:
        """The numbers of the assignments that are ours."""
        return frozenset(self._held)

    def take(self, spans: Iterable[Span]) -> list[Span]:
        """Note what was fetched, before anything of it can be settled; returns the spans that are still ours."""
        ours = [span for span in spans if self.holds(span.assignment)]
        for span in ours:
            progress = self._held[span.assignment.number]
            if progress.settled is None:
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

    def unsettled(self, end_offsets: Mapping[Partition, int]) -> int:
        """How many offsets lie between what is settled and the given ends, over the partitions held."""
        return sum(
            max(0, end_offsets[progress.partition] - progress.settled)
            for progress in self._held.values()
            if progress.settled is not None and progress.partition in end_offsets
        )
