"""The gate: whether fetching goes on, by how much the hand-off to the event loop holds, and how much at once.

Pausing throws away what librdkafka has fetched ahead, so it must not flutter: shut at the high water mark, open again
at half of it. Pure; belongs to the consumer thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Of the whole road, lists of 10,000 records of 83 bytes cost 3.5 µs of CPU a record, 20,000 3.0 and 30,000 2.6, as each
# step has a cost per list; the peak of the memory grew from 330 to 367 MB, and would by bytes, not by records.
LIST_BYTES: Final = 4_000_000
LEAST_RECORDS: Final = 1_000


@dataclass(slots=True)
class Gate:
    """What was handed over and not yet taken.

    Attributes:
        high_records, high_bytes: the high water marks.
        records, size_bytes: what the hand-off holds.
        suspended: shut for good, as the service is stopping or blocked.
        shut: as the partitions are now.
        mean_bytes: of a record's value, in the last chunk; before the first one so that a list has 10,000.
    """

    high_records: int
    high_bytes: int
    records: int = 0
    size_bytes: int = 0
    suspended: bool = False
    shut: bool = False
    mean_bytes: float = LIST_BYTES / 10_000

    def portion(self, most: int) -> int:
        """How many records the next list may have: about LIST_BYTES, if they are as large as the last ones."""
        return max(LEAST_RECORDS, min(most, int(LIST_BYTES / max(1.0, self.mean_bytes))))

    def put(self, records: int, size_bytes: int) -> None:
        """A chunk is handed over; one of no records counts as one, or any number of them would fit."""
        self.records += max(1, records)
        self.size_bytes += size_bytes
        self.mean_bytes = size_bytes / records if records else self.mean_bytes

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
