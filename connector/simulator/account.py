"""The simulated account: what is accepted, ingested and counted.

Owns the state behind the addresses: call limit, accepted batches on their way into the profiles, statuses, counts.
Promises that batches are ingested in the order they were accepted, and that what is asked for includes every batch
whose delay has passed. No I/O; the clock is injected. Called by `adobe_api`, `admin_api` and `app`, on one thread.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connector.errors import SettingError
from connector.simulator.limits import CallMeter
from connector.simulator.profiles import ProfileStore, Reading
from connector.simulator.statuses import BatchStatus, Statuses

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connector.simulator.body import Batch, Decode, Refusal


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """What kind of account is simulated.

    Attributes:
        client: the client code in the addresses.
        calls_per_minute: calls to batchUpdate and batchStatus in any 60 seconds; beyond that 503.
        reading: what a batch does to the pending attributes of an earlier one, see `profiles`.
        decode: which reading of the percent-encoding, see `body`.
        token: what a call must carry as a bearer token; None if authentication is off.
        ingestion_delay_s: from acceptance until the batch is complete and its rows can be read.
        version_attribute: an integer attribute that never decreases if nothing is sent out of order.
        bare_ampersand: give the status address a second parameter, with the `&` not escaped, as Adobe's old samples.
        seed: of the faults that strike with a probability.

    Raises:
        SettingError: a number that makes no sense.
    """

    client: str = "acme"
    calls_per_minute: int = 50
    reading: Reading = "replace"
    decode: Decode = "strict"
    token: str | None = field(default=None, repr=False)
    ingestion_delay_s: float = 0.0
    version_attribute: str | None = None
    bare_ampersand: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.calls_per_minute < 1:
            raise SettingError("calls_per_minute: at least 1")
        if self.ingestion_delay_s < 0:
            raise SettingError("ingestion_delay_s: at least 0")


@dataclass(frozen=True, slots=True)
class Summary:
    """What happened so far.

    Attributes:
        calls: calls to batchUpdate and batchStatus by outcome: `accepted`, `refused`, `too_large`, `over_budget`,
            `forbidden`, `unknown_client`, `status`, `unknown_batch`, `hung_up`, or `fault_` and the fault's kind.
        calls_in_last_60_s: those of the 60 seconds before now.
        most_calls_in_60_s: the busiest 60 seconds.
        batches: accepted.
        rows: of the accepted batches.
        ingesting: accepted batches whose rows cannot be read yet.
        duplicate_rows: ingested rows that changed nothing.
        evicted_attributes: the oldest of profiles that were over their limit, see `eviction`.
        went_backwards: ingested rows that lowered the version attribute.
        profiles: how many there are.
        refusals: refused batches by reason, see `body.Refusal`; those of the fault `success_false` are not among them.
    """

    calls: Mapping[str, int]
    calls_in_last_60_s: int
    most_calls_in_60_s: int
    batches: int
    rows: int
    ingesting: int
    duplicate_rows: int
    evicted_attributes: int
    went_backwards: int
    profiles: int
    refusals: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Queued:
    due: float
    batch: Batch
    create: bool
    stuck: bool
    status: BatchStatus


class Account:
    """The state of the simulated account.

    Args:
        options: what kind of account.
        clock: seconds that never decrease.

    Attributes:
        options: as given.
        token: what a call must carry now; may be changed.
        held: while true, no batch is ingested, however long ago it was accepted; may be changed.
    """

    def __init__(self, options: SimulatorOptions, clock: Callable[[], float]) -> None:
        self.options = options
        self.token = options.token
        self.held = False
        self._clock = clock
        self._meter = CallMeter(options.calls_per_minute)
        self._store = ProfileStore(options.reading, options.version_attribute)
        self._statuses = Statuses()
        self._queue: deque[_Queued] = deque()
        self._calls: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()
        self._batches = 0
        self._rows = 0

    @property
    def profiles(self) -> ProfileStore:
        """The profiles as they are now."""
        self._ingest()
        return self._store

    def call(self) -> bool:
        """Count a call that comes now; False if it is beyond the limit."""
        return self._meter.admit(self._clock())

    def answered(self, outcome: str) -> None:
        """Count how a call ended."""
        self._calls[outcome] += 1

    def refuse(self, reason: Refusal) -> None:
        """Count a batch that is refused for what it says."""
        self._refusals[reason] += 1

    def accept(self, batch: Batch, *, create: bool, stuck: bool = False, failing: Sequence[str] = ()) -> str:
        """Take a batch in and give its batchId.

        Args:
            batch: what the body said.
            create: whether unknown profiles are created (v2) or not (v1).
            stuck: never ingest it.
            failing: ids of rows that ingestion leaves out and the status tells of.
        """
        now = self._clock()
        self._batches += 1
        self._rows += len(batch.rows)
        batch_id = f"{self.options.client}-{int(now * 1000)}-{self._batches}"
        status = BatchStatus(batch_id, submitted_at=now, size=len(batch.rows), failed=tuple(failing))
        self._statuses.add(status)
        self._queue.append(_Queued(now + self.options.ingestion_delay_s, batch, create, stuck, status))
        self._ingest()
        return batch_id

    def status(self, batch_id: str) -> BatchStatus | None:
        """The status of a batch, or None if there never was one or it is forgotten."""
        self._ingest()
        return self._statuses.get(batch_id, self._clock())

    def visit(self, profile_id: str) -> None:
        """An mbox call of this visitor."""
        self.profiles.visit(profile_id, self._clock())

    def reversals(self) -> list[tuple[float, float, str, int]]:
        """Which rows lowered the version attribute: when the last one before them came, and they; batch; how many."""
        return [(*when, rows) for when, rows in self.profiles.reversals.items()]

    def summary(self) -> Summary:
        """What happened so far."""
        profiles = self.profiles
        return Summary(
            calls=dict(self._calls),
            calls_in_last_60_s=self._meter.last_minute(self._clock()),
            most_calls_in_60_s=self._meter.most,
            batches=self._batches,
            rows=self._rows,
            ingesting=len(self._queue),
            duplicate_rows=profiles.duplicate_rows,
            evicted_attributes=profiles.evicted,
            went_backwards=profiles.reversals.total(),
            profiles=len(profiles),
            refusals=dict(self._refusals),
        )

    def _ingest(self) -> None:
        now = self._clock()
        while self._queue and self._queue[0].due <= now and not self.held:
            queued = self._queue.popleft()
            status = queued.status
            if queued.stuck:
                status.state = "stuck"
                continue
            rows = {one: row for one, row in queued.batch.rows.items() if one not in status.failed}
            status.not_found = self._store.apply(rows, now, create=queued.create, batch=status.batch_id)
            status.consumed = status.size
            status.state = "complete"
