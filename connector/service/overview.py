"""What the page and `status` show: the figures since start, and the newest batches.

Keeps no value of a profile and no id. Promises bounded memory: 50 batches, and counts by closed lists. Told by all
parts, from any thread (see Telemetry); asked by the page and the admin port.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from connector.target.addresses import batch_id
from connector.telemetry import Silent

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from connector.records import Reason
    from connector.service.health import Health
    from connector.service.settings import Settings
    from connector.telemetry import BatchReport, FollowReport

RECENT: Final = 50


@dataclass(frozen=True, slots=True)
class SettledBatch:
    """One batch, as an operator looks at it.

    Attributes:
        number: of all batches of this process.
        at: when it was settled.
        batch_id: Target's name for it, or for the last of those that it was sent as; None if Target gave none.
        due, records, rows, size_bytes, calls, refused, age_s: as in `BatchReport`.
        end: what became of it (a name of `target.watchlist.End`); None while that is not known.
        failed, not_found, followed_s: as in `FollowReport`, once it has ended.
    """

    number: int
    at: datetime
    batch_id: str | None
    due: str
    records: int
    rows: int
    size_bytes: int
    calls: int
    refused: int
    age_s: float
    end: str | None = None
    failed: int = 0
    not_found: int = 0
    followed_s: float | None = None


class Overview(Silent):
    """Counts and keeps what it is told (see Telemetry)."""

    def __init__(self, health: Health, settings: Callable[[], Settings], now: Callable[[], datetime]) -> None:
        """Nothing has happened yet.

        Args:
            health: knows state, troubles and assignment.
            settings: as they are now.
            now: the time, with its zone.
        """
        self._health = health
        self._settings = settings
        self._now = now
        self._since = now()
        self._lock = Lock()
        self._totals: Counter[str] = Counter()
        self._dead_letters: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()
        self._lag: dict[str, int] | None = None
        self._pace = 1.0
        self._token_expires: datetime | None = None
        self._batches: deque[SettledBatch] = deque(maxlen=RECENT)

    def polled(self, records: int, size_bytes: int) -> None:
        """See Telemetry."""
        with self._lock:
            self._totals.update(polled_records=records, polled_bytes=size_bytes)

    def lag(self, records: int, unknown: int) -> None:
        """See Telemetry."""
        with self._lock:
            self._lag = {"records": records, "unknown_partitions": unknown}

    def dead_lettered(self, reason: Reason, count: int) -> None:
        """See Telemetry."""
        with self._lock:
            self._dead_letters[str(reason)] += count

    def skipped(self, why: str, count: int) -> None:
        """See Telemetry."""
        with self._lock:
            self._skipped[why] += count

    def called(self, outcome: str, seconds: float, size_bytes: int) -> None:  # noqa: ARG002 (the metrics have those)
        """See Telemetry."""
        with self._lock:
            self._calls[str(outcome)] += 1

    def held(self, seconds: float) -> None:
        """See Telemetry."""
        with self._lock:
            self._totals["held_ms"] += round(1000 * seconds)

    def paced(self, pace: float) -> None:
        """See Telemetry."""
        with self._lock:
            self._pace = pace

    def token_expires(self, at: datetime | None, now: datetime) -> None:  # noqa: ARG002 (the page is newer)
        """See Telemetry."""
        with self._lock:
            self._token_expires = at

    def accepted(self, report: BatchReport) -> None:
        """See Telemetry."""
        given = asdict(report) | {"batch_id": batch_id(report.status_url)}
        del given["status_url"]
        with self._lock:
            self._batches.appendleft(SettledBatch(at=self._now(), **given))
            self._totals.update(
                batches=1,
                records=report.records,
                rows=report.rows,
                size_bytes=report.size_bytes,
                refused=report.refused,
            )

    def followed(self, report: FollowReport) -> None:
        """See Telemetry."""
        with self._lock:
            for i, batch in enumerate(self._batches):
                if batch.number == report.number:
                    self._batches[i] = replace(
                        batch,
                        end=report.end,
                        failed=report.failed,
                        not_found=report.not_found,
                        followed_s=round(report.after_s, 1),
                    )

    def batch(self, name: str) -> SettledBatch | None:
        """One of the newest batches, by its number or Target's id of it."""
        with self._lock:
            return next((one for one in self._batches if name in {str(one.number), one.batch_id}), None)

    def told(self) -> dict[str, Any]:
        """All of it, for JSON and the page; times in ISO 8601 with their zone."""
        now = self._now()
        state, since = self._health.state()
        share = self._health.ready()[1]
        with self._lock:
            totals = {name: self._totals[name] for name in _TOTALS}
            return {
                "version": version("target-connector"),
                "now": now.isoformat(),
                "since": self._since.isoformat(),
                "state": str(state),
                "state_since": since.isoformat(),
                "troubles": [asdict(one) | {"since": one.since.isoformat()} for one in self._health.troubles()],
                "partitions": share["partitions"],
                "all_partitions": share["all_partitions"],
                "lag": self._lag,
                "budget": self._budget(share["partitions"], share["all_partitions"]),
                "totals": totals | {"held_s": self._totals["held_ms"] / 1000},
                "calls": dict(self._calls),
                "dead_letters": dict(self._dead_letters),
                "skipped": dict(self._skipped),
                "token_expires": None if self._token_expires is None else self._token_expires.isoformat(),
                "batches": [shown(one) for one in self._batches],
            }

    def _budget(self, partitions: int | None, all_partitions: int | None) -> dict[str, float]:
        calls = self._settings().target.calls_per_minute
        share = (partitions or 0) / max(all_partitions or 0, partitions or 0, 1)
        return {"calls_per_minute": calls, "share": round(share, 4), "pace": self._pace}


_TOTALS: Final = ("polled_records", "polled_bytes", "batches", "records", "rows", "size_bytes", "refused")


def shown(batch: SettledBatch) -> dict[str, Any]:
    """A batch for JSON."""
    return asdict(batch) | {"at": batch.at.isoformat(), "age_s": round(batch.age_s, 3)}
