"""What is going on, as figures: listens to the service as its metrics do, and is asked by the screen.

Told from any thread. `stage` hands it to the service; `demo` makes `Figures` of it several times a second.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Final

from connector.telemetry import Silent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector.records import Reason
    from connector.telemetry import BatchReport, Part

_RATE_OVER_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What the service told so far; sums of records, rows and bytes."""

    consumed: int
    settled: int
    batches: int
    rows: int
    size_bytes: int
    calls: Mapping[str, int]
    last_outcome: str | None
    letters: Mapping[Reason, int]
    troubles: Mapping[Part, str]


@dataclass(frozen=True, slots=True)
class Figures:
    """One moment of the demo.

    Attributes:
        elapsed_s: since the curtain rose.
        events: how many records there will be.
        produced: how many there are.
        produced_per_s: over the last three seconds.
        consumed_per_s: the same for what the service read.
        heard: from the service.
        calls_in_last_60_s: as Target counts them.
        profiles: how many Target has.
        faults: what goes wrong in Target now, on purpose.
    """

    elapsed_s: float
    events: int
    produced: int
    produced_per_s: float
    consumed_per_s: float
    heard: Heard
    calls_in_last_60_s: int
    profiles: int
    faults: Sequence[str]


class Progress(Silent):
    """Keeps what it is told (see Telemetry)."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._consumed = self._settled = self._batches = self._rows = self._size_bytes = 0
        self._calls: Counter[str] = Counter()
        self._last_outcome: str | None = None
        self._letters: Counter[Reason] = Counter()
        self._troubles: dict[Part, str] = {}

    def heard(self) -> Heard:
        """All of it, at one moment."""
        with self._lock:
            return Heard(
                consumed=self._consumed,
                settled=self._settled,
                batches=self._batches,
                rows=self._rows,
                size_bytes=self._size_bytes,
                calls=dict(self._calls),
                last_outcome=self._last_outcome,
                letters=dict(self._letters),
                troubles=dict(self._troubles),
            )

    def polled(self, records: int, size_bytes: int) -> None:  # noqa: ARG002 (see Telemetry)
        """See Telemetry."""
        with self._lock:
            self._consumed += records

    def dead_lettered(self, reason: Reason, count: int) -> None:
        """See Telemetry."""
        with self._lock:
            self._letters[reason] += count
            self._settled += count

    def skipped(self, why: str, count: int) -> None:  # noqa: ARG002 (see Telemetry)
        """See Telemetry."""
        with self._lock:
            self._settled += count

    def called(self, outcome: str, seconds: float, size_bytes: int) -> None:  # noqa: ARG002 (see Telemetry)
        """See Telemetry."""
        with self._lock:
            self._calls[outcome] += 1
            self._last_outcome = outcome

    def accepted(self, report: BatchReport) -> None:
        """See Telemetry."""
        with self._lock:
            self._batches += 1
            self._settled += report.records
            self._rows += report.rows
            self._size_bytes += report.size_bytes

    def trouble(self, part: Part, text: str | None) -> None:
        """See Telemetry."""
        with self._lock:
            if text is None:
                self._troubles.pop(part, None)
            else:
                self._troubles[part] = text


class Rate:
    """How fast a count grows, over the last three seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def per_s(self, count: int, now: float) -> float:
        """The count is this now; gives its growth a second."""
        self._seen.append((now, count))
        while self._seen[0][0] < now - _RATE_OVER_S:
            self._seen.popleft()
        then, before = self._seen[0]
        return (count - before) / (now - then) if now > then else 0.0
