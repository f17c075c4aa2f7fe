"""What the rooms tell the operator, as one interface.

`service` turns it into metrics, logs and the health page; tests give a `Silent` one or their own. No argument ever
holds an attribute value, a profile's id or a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from connector.records import Jump, Reason


class Part(StrEnum):
    """What can be in trouble."""

    KAFKA = "kafka"  # the cluster: brokers, topics
    CONSUMER = "consumer"  # our membership and what it may read
    REGISTRY = "registry"
    TARGET = "target"
    DEAD_LETTERS = "dead_letters"
    PIPELINE = "pipeline"  # blocked: waits for a human


@dataclass(frozen=True, slots=True)
class BatchReport:
    """One batch, once it is settled.

    Attributes:
        number: counts from 1 in this process, whatever starts over in it.
        due: why the window was closed: rows, bytes, records, age or drain.
        records: how many records it settles.
        rows: how many rows Target got.
        size_bytes: of the bodies that were accepted.
        calls: how many calls it took, retries included.
        refused: rows that became dead letters because Target refused them, or would not keep them whole.
        age_s: from the first record's arrival to acceptance.
        status_url: where Target tells of the batch's progress, if it said so.
    """

    number: int
    due: str
    records: int
    rows: int
    size_bytes: int
    calls: int
    refused: int
    age_s: float
    status_url: str | None


@dataclass(frozen=True, slots=True)
class FollowReport:
    """What became of one batch after it was accepted, as far as Target told.

    Attributes:
        number: of the batch, as in its BatchReport.
        end: `complete`, `stuck`, `gone` or `unconfirmed` (a name of `target.watchlist.End`).
        rows: that Target accepted.
        failed: of these, what Target then could not apply.
        not_found: of these, what belonged to profiles that Target did not find.
        asked: how many questions it took.
        after_s: from acceptance to the end.
    """

    number: int
    end: str
    rows: int
    failed: int
    not_found: int
    asked: int
    after_s: float


class Telemetry(Protocol):
    """What is told, by whom it may be told from any thread."""

    def reads(self, reader: str, why_not: str | None) -> None:
        """Records are read by this reader (`extension` or `client`), and why not by the extension if it was wanted."""

    def polled(self, records: int, size_bytes: int) -> None:
        """A chunk came in; `size_bytes` counts the values."""

    def assigned(self, partitions: int, all_partitions: int | None) -> None:
        """How many partitions this replica owns now, of how many the topics have (None: not known yet)."""

    def lag(self, records: int, unknown: int) -> None:
        """How many records the topics hold beyond what is settled, over the partitions owned.

        `unknown` of these are left out, as their end or what is committed of them is not known yet.
        """

    def columns(self, why_not: str | None, slowly: str | None = None) -> None:
        """Records are decoded in columns from now on (None), or all one by one, as no fast decoder is usable.

        `slowly` is why some records take longer than they could: one of the fast decoders is not usable.
        """

    def read_singly(self, why: str, count: int) -> None:
        """So many records were decoded one by one, not in columns: `damaged`, `schema` or `engine` (avro.reading)."""

    def jumped(self, jump: Jump) -> None:
        """A partition did not go on with the record that was next."""

    def dead_lettered(self, reason: Reason, count: int) -> None:
        """So many records are in the dead-letter topic now."""

    def skipped(self, why: str, count: int) -> None:
        """So many records were left out, by why: a name of `connector.records.SKIPPED`."""

    def stood_in(self, deletes: int, nulls_left: int, nulls_sent: int) -> None:
        """So many rows are sent for deletes; so many nulls are left as they are, for so many the sentinel is sent."""

    def long_values(self, rule: str, counts: Mapping[str, int]) -> None:
        """So many values of each attribute were over Target's limit, and sent or clipped: a name of LongValues."""

    def called(self, outcome: str, seconds: float, size_bytes: int) -> None:
        """One call to Target: its outcome (a name of `target.answer.Outcome`), time and body size."""

    def held(self, seconds: float) -> None:
        """A call had to wait so long for the account's budget."""

    def paced(self, pace: float) -> None:
        """A call is made while so much of the replica's part of the budget is used: 1, or less after a throttle."""

    def narrowed(self, size_bytes: int) -> None:
        """Bodies are no larger than this from now on: Target found larger ones too large, and took one of this size."""

    def accepted(self, report: BatchReport) -> None:
        """A batch is settled."""

    def asked(self, state: str) -> None:
        """One question for a batch's status: what the answer was (a name of `target.status.State`).

        Or `refused_address`, if none was asked, as Target named a place that the token must not go to.
        """

    def unconfirmed(self, batches: int) -> None:
        """So many batches are accepted, and followed to their completion."""

    def followed(self, report: FollowReport) -> None:
        """Following a batch has ended."""

    def token_expires(self, at: datetime | None, now: datetime) -> None:
        """Target's token expires then (None: the file that says so can't be read now); both with a zone."""

    def trouble(self, part: Part, text: str | None) -> None:
        """Something is wrong with `part` (one line, with the remedy), or None: it is well again."""


class Silent:
    """Tells nobody."""

    def reads(self, reader: str, why_not: str | None) -> None:
        """See Telemetry."""

    def polled(self, records: int, size_bytes: int) -> None:
        """See Telemetry."""

    def assigned(self, partitions: int, all_partitions: int | None) -> None:
        """See Telemetry."""

    def lag(self, records: int, unknown: int) -> None:
        """See Telemetry."""

    def columns(self, why_not: str | None, slowly: str | None = None) -> None:
        """See Telemetry."""

    def read_singly(self, why: str, count: int) -> None:
        """See Telemetry."""

    def jumped(self, jump: Jump) -> None:
        """See Telemetry."""

    def dead_lettered(self, reason: Reason, count: int) -> None:
        """See Telemetry."""

    def skipped(self, why: str, count: int) -> None:
        """See Telemetry."""

    def stood_in(self, deletes: int, nulls_left: int, nulls_sent: int) -> None:
        """See Telemetry."""

    def long_values(self, rule: str, counts: Mapping[str, int]) -> None:
        """See Telemetry."""

    def called(self, outcome: str, seconds: float, size_bytes: int) -> None:
        """See Telemetry."""

    def held(self, seconds: float) -> None:
        """See Telemetry."""

    def paced(self, pace: float) -> None:
        """See Telemetry."""

    def narrowed(self, size_bytes: int) -> None:
        """See Telemetry."""

    def accepted(self, report: BatchReport) -> None:
        """See Telemetry."""

    def asked(self, state: str) -> None:
        """See Telemetry."""

    def unconfirmed(self, batches: int) -> None:
        """See Telemetry."""

    def followed(self, report: FollowReport) -> None:
        """See Telemetry."""

    def token_expires(self, at: datetime | None, now: datetime) -> None:
        """See Telemetry."""

    def trouble(self, part: Part, text: str | None) -> None:
        """See Telemetry."""
