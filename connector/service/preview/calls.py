"""How many calls an hour a feed needs, by arithmetic: how fast records come, how they merge, when a window closes.

Pure. All of it is an estimate for one replica, made of what was read and of what the topics got lately.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from connector.profiles.window import Limits

HOUR_S: Final = 3_600
DAY_H: Final = 24


@dataclass(frozen=True, slots=True)
class Rate:
    """How many offsets topics gained; markers of transactions and records that were compacted away count too.

    Attributes:
        hour: in the last hour.
        day: in the last 24 hours, that hour included.
    """

    hour: int
    day: int

    @property
    def an_hour(self) -> float:
        """The larger of the last hour's and the day's average: calls have to suffice for the busier of both."""
        return max(self.hour, self.day / DAY_H)


class Closed(StrEnum):
    """What closes windows at that rate."""

    AGE = "max_age"
    ROWS = "max_rows"
    BYTES = "max_bytes"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a feed needs.

    Attributes:
        records, rows: an hour.
        calls: an hour, if no window had to wait for its turn.
        full_calls: an hour, if every window were full: fewer can't do.
        closed: what closes windows; None where nothing comes.
    """

    records: float
    rows: float
    calls: float
    full_calls: float
    closed: Closed | None


def estimate(records: float, rows: float, size_bytes: float, limits: Limits) -> Estimate:
    """Reckon the calls.

    Args:
        records: an hour, of all feeds.
        rows: an hour, after records of one profile in one window were merged.
        size_bytes: an hour, of these rows in bodies.
        limits: of a window.
    """
    if not records or not rows:
        return Estimate(records, rows, 0.0, 0.0, None)
    by_rows, by_bytes = rows / limits.max_rows, size_bytes / limits.max_bytes
    full_calls = max(by_rows, by_bytes)
    # A window opens with the first record after the last one was closed, and by age it closes so long after that.
    by_age = HOUR_S / (limits.max_age_s + HOUR_S / records)
    if full_calls > by_age:
        closed = Closed.ROWS if by_rows >= by_bytes else Closed.BYTES
        return Estimate(records, rows, full_calls, full_calls, closed)
    return Estimate(records, rows, by_age, full_calls, Closed.AGE)
