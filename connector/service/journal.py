"""What the parts tell, as log lines, and the way to tell several.

Promises one line per settled batch and one per change of trouble, never one per second. Made by `app`, told by all
parts, from any thread.
"""

from __future__ import annotations

from dataclasses import asdict
from threading import Lock
from typing import TYPE_CHECKING

from connector.service import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import FilteringBoundLogger

    from connector.records import Reason
    from connector.telemetry import BatchReport, Part, Telemetry


class Journal:
    """Logs what an operator wants to read later (see Telemetry); figures are for the metrics."""

    def __init__(self, log: FilteringBoundLogger, clock: Callable[[], float]) -> None:
        self._log = log
        self._clock = clock  # seconds, monotonic
        self._lock = Lock()
        self._share: tuple[int, int | None] | None = None
        self._troubles: dict[Part, tuple[str, float]] = {}

    def polled(self, records: int, size_bytes: int) -> None:
        """See Telemetry."""

    def assigned(self, partitions: int, all_partitions: int | None) -> None:
        """See Telemetry."""
        with self._lock:
            changed = self._share != (partitions, all_partitions)
            self._share = (partitions, all_partitions)
        if changed:
            self._log.info(events.ASSIGNED, partitions=partitions, all_partitions=all_partitions)

    def lag(self, records: int) -> None:
        """See Telemetry."""

    def dead_lettered(self, reason: Reason, count: int) -> None:
        """See Telemetry."""
        self._log.warning(events.DEAD_LETTERED, reason=reason, count=count)

    def skipped(self, why: str, count: int) -> None:
        """See Telemetry."""

    def called(self, outcome: str, seconds: float, size_bytes: int) -> None:
        """See Telemetry."""

    def held(self, seconds: float) -> None:
        """See Telemetry."""

    def accepted(self, report: BatchReport) -> None:
        """See Telemetry."""
        self._log.info(events.BATCH_ACCEPTED, **asdict(report) | {"age_s": round(report.age_s, 3)})

    def trouble(self, part: Part, text: str | None) -> None:
        """See Telemetry."""
        now = self._clock()
        with self._lock:
            before, since = self._troubles.get(part, (None, now))
            if text is None:
                self._troubles.pop(part, None)
            else:
                self._troubles[part] = (text, since)
        if text is None and before is not None:
            self._log.info(events.RECOVERED, part=part, after_s=round(now - since, 3))
        elif text is not None and text != before:
            self._log.warning(events.TROUBLE, part=part, text=text)


class Tee:
    """Tells several what it is told (see Telemetry), in their order."""

    def __init__(self, *listeners: Telemetry) -> None:
        self._listeners = listeners

    def polled(self, records: int, size_bytes: int) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.polled(records, size_bytes)

    def assigned(self, partitions: int, all_partitions: int | None) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.assigned(partitions, all_partitions)

    def lag(self, records: int) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.lag(records)

    def dead_lettered(self, reason: Reason, count: int) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.dead_lettered(reason, count)

    def skipped(self, why: str, count: int) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.skipped(why, count)

    def called(self, outcome: str, seconds: float, size_bytes: int) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.called(outcome, seconds, size_bytes)

    def held(self, seconds: float) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.held(seconds)

    def accepted(self, report: BatchReport) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.accepted(report)

    def trouble(self, part: Part, text: str | None) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.trouble(part, text)
