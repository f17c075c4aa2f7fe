"""The gate: whether fetching goes on, by how much the hand-off to the event loop holds.

Pausing throws away what librdkafka has fetched ahead, so it must not flutter: shut at the high water mark, open again
at half of it. Pure; belongs to the consumer thread.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Gate:
    """What was handed over and not yet taken.

    Attributes:
        high_records, high_bytes: the high water marks.
        records, size_bytes: what the hand-off holds.
        suspended: shut for good, as the service is stopping or blocked.
        shut: as the partitions are now.
    """

    high_records: int
    high_bytes: int
    records: int = 0
    size_bytes: int = 0
    suspended: bool = False
    shut: bool = False

    def put(self, records: int, size_bytes: int) -> None:
        """A chunk is handed over; one of no records counts as one, or any number of them would fit."""
        self.records += max(1, records)
        self.size_bytes += size_bytes

    def take(self, records: int, size_bytes: int) -> None:
        """The same chunk was taken."""
        self.records -= max(1, records)
        self.size_bytes -= size_bytes

    def suspend(self) -> None:
        """Shut it for good."""
        self.suspended = True

    def turn(self) -> bool:
        """Shut or open it as the levels want; whether it moved."""
        mark = 0.5 if self.shut else 1.0
        full = self.records >= self.high_records * mark or self.size_bytes >= self.high_bytes * mark
        was, self.shut = self.shut, self.suspended or full
        return was != self.shut
