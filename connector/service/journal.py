"""What the parts tell, as log lines, and the way to tell several.

Promises one line per settled batch, one per change of trouble, and at most one per reason of dead letters and ten
seconds, so that a flood of letters is no flood of lines. Made by `app`, told by all
parts, from any thread.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC
from threading import Lock
from typing import TYPE_CHECKING, Final

from connector.service import events
from connector.target.following import REFUSED_ADDRESS
from connector.target.watchlist import End
from connector.telemetry import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from structlog.typing import FilteringBoundLogger

    from connector.records import Jump, Reason
    from connector.telemetry import BatchReport, FollowReport, Part, Telemetry


SOON_S: Final = 7 * 24 * 3600.0  # time enough for whoever may issue a token
AGAIN_S: Final = 24 * 3600.0
DEAD_LETTERS_EVERY_S: Final = 10.0


@dataclass(slots=True)
class _Letters:
    """The dead letters of one reason: when they were last told, and how many came since."""

    told_at: float
    untold: int = 0


class Journal(Silent):
    """Logs what an operator wants to read later (see Telemetry); the figures are for the metrics."""

    def __init__(self, log: FilteringBoundLogger, clock: Callable[[], float]) -> None:
        self._log = log
        self._clock = clock  # seconds, monotonic
        self._lock = Lock()
        self._share: tuple[int, int | None] | None = None
        self._troubles: dict[Part, tuple[str, float]] = {}
        self._address_told = False
        self._expiry: tuple[str | None, float] = (None, 0.0)  # what was last told of the token, and when
        self._letters: dict[Reason, _Letters] = {}
        self._long: set[str] = set()  # the attributes of which it was told

    def reads(self, reader: str, why_not: str | None) -> None:
        """See Telemetry."""
        self._log.info(events.READING, reader=reader)
        if why_not is not None:
            self._log.warning(events.READING_SLOWLY, why=why_not)

    def assigned(self, partitions: int, all_partitions: int | None) -> None:
        """See Telemetry."""
        with self._lock:
            changed = self._share != (partitions, all_partitions)
            self._share = (partitions, all_partitions)
        if changed:
            self._log.info(events.ASSIGNED, partitions=partitions, all_partitions=all_partitions)

    def lag(self, records: int, unknown: int) -> None:  # noqa: ARG002 (the figures are for the metrics)
        """See Telemetry; it is told every few seconds, so it is the moment to tell the rest of a flood of letters."""
        self._tell_letters(self._clock() - DEAD_LETTERS_EVERY_S)

    def columns(self, why_not: str | None, slowly: str | None = None) -> None:
        """See Telemetry."""
        if why_not is not None:
            self._log.warning(events.COLUMNS_OFF, why=why_not)
        elif slowly is not None:
            self._log.warning(events.READING_SLOWLY, why=slowly)

    def jumped(self, jump: Jump) -> None:
        """See Telemetry."""
        self._log.warning(
            events.OFFSET_RESET,
            topic=jump.partition.topic,
            partition=jump.partition.partition,
            from_offset=jump.expected,
            to_offset=jump.found,
            lost=jump.lost,
        )

    def dead_lettered(self, reason: Reason, count: int) -> None:
        """See Telemetry; the first is told at once."""
        now = self._clock()
        with self._lock:
            self._letters.setdefault(reason, _Letters(now - DEAD_LETTERS_EVERY_S)).untold += count
        self._tell_letters(now - DEAD_LETTERS_EVERY_S)

    def close(self) -> None:
        """Tell what is untold: the service ends."""
        self._tell_letters(self._clock())

    def _tell_letters(self, told_before: float) -> None:
        """Tell of the reasons that were last told at this time or before."""
        with self._lock:
            due = {reason: one for reason, one in self._letters.items() if one.untold and one.told_at <= told_before}
            counts = {reason: one.untold for reason, one in due.items()}
            for one in due.values():
                one.told_at, one.untold = self._clock(), 0
        for reason, count in counts.items():
            self._log.warning(events.DEAD_LETTERED, reason=reason, count=count)

    def long_values(self, rule: str, counts: Mapping[str, int]) -> None:
        """See Telemetry; each attribute is told once, the metrics count."""
        with self._lock:
            untold = [attribute for attribute in counts if attribute not in self._long]
            self._long.update(untold)
        for attribute in untold:
            self._log.warning(events.LONG_VALUES, attribute=attribute, rule=rule)

    def narrowed(self, size_bytes: int) -> None:
        """See Telemetry."""
        self._log.warning(events.NARROWED, size_bytes=size_bytes)

    def accepted(self, report: BatchReport) -> None:
        """See Telemetry."""
        self._log.info(events.BATCH_ACCEPTED, **asdict(report) | {"age_s": round(report.age_s, 3)})

    def asked(self, state: str) -> None:
        """See Telemetry; an address that is refused is told once."""
        if state == REFUSED_ADDRESS and not self._address_told:
            self._address_told = True
            self._log.warning(events.STATUS_ADDRESS_REFUSED)

    def followed(self, report: FollowReport) -> None:
        """See Telemetry."""
        self._log.info(events.BATCH_FOLLOWED, **asdict(report) | {"after_s": round(report.after_s, 3)})
        if report.failed or report.end == End.STUCK:
            self._log.warning(events.ROWS_FAILED, number=report.number, end=report.end, failed=report.failed)

    def token_expires(self, at: datetime | None, now: datetime) -> None:
        """See Telemetry; warned of once a day."""
        state, text = _expiry(at, now)
        told, when = self._expiry
        if state is None or state != told or self._clock() - when >= AGAIN_S:
            self._expiry = (state, self._clock())
            if state is not None:
                self._log.warning(events.EXPIRES, text=text)

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


def _expiry(at: datetime | None, now: datetime) -> tuple[str | None, str]:
    """What is to be said of the token, in a word and in a sentence; None if all is well."""
    if at is None:
        return "unknown", "target.token_expires_file cannot be read any more, or holds no time of RFC 3339"
    left_s = (at - now).total_seconds()
    date = at.astimezone(UTC).isoformat()
    if left_s <= 0:
        return "over", f"the token expired at {date}; put a new one into target.token_file"
    if left_s < SOON_S:
        left = f"{left_s / AGAIN_S:.0f} days" if left_s >= 2 * AGAIN_S else f"{left_s / 3600:.0f} h"
        return "soon", f"the token expires in {left}, at {date}; put a new one into target.token_file"
    return None, ""


class Tee:
    """Tells several what it is told (see Telemetry), in their order."""

    def __init__(self, *listeners: Telemetry) -> None:
        self._listeners = listeners

    def silence(self) -> None:
        """Tell nobody any more."""
        self._listeners = ()

    def polled(self, records: int, size_bytes: int) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.polled(records, size_bytes)

    def assigned(self, partitions: int, all_partitions: int | None) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.assigned(partitions, all_partitions)

    def lag(self, records: int, unknown: int) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.lag(records, unknown)

    def columns(self, why_not: str | None, slowly: str | None = None) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.columns(why_not, slowly)

    def read_singly(self, why: str, count: int) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.read_singly(why, count)

    def jumped(self, jump: Jump) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.jumped(jump)

    def dead_lettered(self, reason: Reason, count: int) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.dead_lettered(reason, count)

    def reads(self, reader: str, why_not: str | None) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.reads(reader, why_not)

    def skipped(self, why: str, count: int) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.skipped(why, count)

    def stood_in(self, deletes: int, nulls_left: int, nulls_sent: int) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.stood_in(deletes, nulls_left, nulls_sent)

    def long_values(self, rule: str, counts: Mapping[str, int]) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.long_values(rule, counts)

    def called(self, outcome: str, seconds: float, size_bytes: int) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.called(outcome, seconds, size_bytes)

    def held(self, seconds: float) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.held(seconds)

    def paced(self, pace: float) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.paced(pace)

    def narrowed(self, size_bytes: int) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.narrowed(size_bytes)

    def accepted(self, report: BatchReport) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.accepted(report)

    def asked(self, state: str) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.asked(state)

    def unconfirmed(self, batches: int) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.unconfirmed(batches)

    def followed(self, report: FollowReport) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.followed(report)

    def token_expires(self, at: datetime | None, now: datetime) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.token_expires(at, now)

    def trouble(self, part: Part, text: str | None) -> None:
        """See Telemetry."""
        for listener in self._listeners:
            listener.trouble(part, text)
