"""What Target tells of a batch after it was accepted.

Owns the statuses and how long they are kept: the 10 newest, 24 hours at most (Adobe's older batch_update page, never
withdrawn). Pure: the time is passed in. Called by `account`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

KEPT = 10
KEPT_S = 24 * 3600.0

State = Literal["incomplete", "complete", "stuck"]


@dataclass(slots=True)
class BatchStatus:
    """One accepted batch.

    Attributes:
        batch_id: opaque to the sender.
        submitted_at: when it was accepted.
        size: its rows.
        state: as Target words it.
        consumed: rows that were read so far.
        not_found: rows of profiles that v1 did not find.
        failed: ids of the rows that could not be applied.
    """

    batch_id: str
    submitted_at: float
    size: int
    state: State = "incomplete"
    consumed: int = 0
    not_found: int = 0
    failed: tuple[str, ...] = field(default=(), repr=False)

    @property
    def successful(self) -> int:
        """Rows that were applied so far."""
        return self.consumed - self.not_found - (len(self.failed) if self.consumed else 0)


class Statuses:
    """The statuses that can still be asked for."""

    def __init__(self) -> None:
        self._statuses: dict[str, BatchStatus] = {}  # oldest first

    def add(self, status: BatchStatus) -> None:
        """Keep one more; beyond 10 the oldest is forgotten."""
        self._statuses[status.batch_id] = status
        if len(self._statuses) > KEPT:
            del self._statuses[next(iter(self._statuses))]

    def get(self, batch_id: str, now: float) -> BatchStatus | None:
        """The status of a batch, or None if it was never there or is forgotten."""
        status = self._statuses.get(batch_id)
        return None if status is None or now - status.submitted_at >= KEPT_S else status
