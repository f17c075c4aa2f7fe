"""Figures for Prometheus: the object that counts.

Promises that no figure exists which `figures.METRICS` does not list. Every label's values form a closed list.
`Metrics` is told by all parts, from any thread; `health` serves it.
"""

from __future__ import annotations

from importlib.metadata import version
from math import nan
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from connector.avro.reading import Singly
from connector.profiles.limits import LongValues
from connector.profiles.window import Due
from connector.records import SKIPPED, Reason
from connector.service.figures import METRICS
from connector.target.answer import Outcome
from connector.target.following import REFUSED_ADDRESS
from connector.target.status import State
from connector.target.watchlist import End
from connector.telemetry import Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from prometheus_client.metrics_core import Metric as Family

    from connector.records import Jump
    from connector.telemetry import BatchReport, FollowReport

_BY_NAME: Final = {metric.name: metric for metric in METRICS}


class Metrics:
    """Counts what it is told (see Telemetry), in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._gauge("target_connector_build_info").labels(version("target-connector")).set(1)
        self._records = self._counter("target_connector_records_polled_total")
        self._bytes = self._counter("target_connector_polled_bytes_total")
        self._columns = self._gauge("target_connector_columns")
        self._singly = self._counter("target_connector_records_read_singly_total")
        self._assigned = self._gauge("target_connector_assigned_partitions")
        self._partitions = self._gauge("target_connector_topic_partitions")
        self._lag = self._gauge("target_connector_lag_records")
        self._lag_unknown = self._gauge("target_connector_lag_unknown_partitions")
        self._resets = self._counter("target_connector_offset_resets_total")
        self._lost = self._counter("target_connector_records_lost_total")
        self._dead_letters = self._counter("target_connector_dead_letters_total")
        self._skipped = self._counter("target_connector_records_skipped_total")
        self._deletes = self._counter("target_connector_deletes_sent_total")
        self._nulls = self._counter("target_connector_nulls_total")
        self._long = self._counter("target_connector_long_values_total")
        self._calls = self._counter("target_connector_target_calls_total")
        self._call_seconds = self._histogram("target_connector_target_call_seconds")
        self._body_bytes = self._histogram("target_connector_target_body_bytes")
        self._held = self._counter("target_connector_budget_wait_seconds_total")
        self._pace = self._gauge("target_connector_budget_pace")
        self._body_limit = self._gauge("target_connector_target_body_limit_bytes")
        self._batches = self._counter("target_connector_batches_accepted_total")
        self._settled = self._counter("target_connector_records_settled_total")
        self._rows = self._counter("target_connector_rows_accepted_total")
        self._refused = self._counter("target_connector_rows_refused_total")
        self._age = self._histogram("target_connector_batch_age_seconds")
        self._questions = self._counter("target_connector_status_calls_total")
        self._unconfirmed = self._gauge("target_connector_unconfirmed_batches")
        self._followed = self._counter("target_connector_batches_followed_total")
        self._rows_failed = self._counter("target_connector_rows_failed_total")
        self._rows_not_found = self._counter("target_connector_rows_not_found_total")
        self._completion = self._histogram("target_connector_batch_completion_seconds")
        self._token_expiry = self._gauge("target_connector_token_expiry_timestamp_seconds")
        self._trouble = self._gauge("target_connector_trouble")
        self._reader = self._gauge("target_connector_reader_info")
        self._begin()

    def _begin(self) -> None:
        """Every series begins at 0: one that first appears at 1 has no rate, so it would raise no alert."""
        self._pace.set(1)
        self._token_expiry.set(nan)  # 0 would have expired long ago
        of_one_label: Sequence[tuple[Counter | Gauge, Iterable[str]]] = (
            (self._dead_letters, Reason),
            (self._calls, Outcome),
            (self._skipped, SKIPPED),
            (self._singly, Singly),
            (self._nulls, ("left", "sentinel")),
            (self._long, (LongValues.SEND, LongValues.CLIP)),
            (self._trouble, Part),
            (self._batches, Due),
            (self._questions, (*State, REFUSED_ADDRESS)),
            (self._followed, End),
        )
        for figure, values in of_one_label:
            for value in values:
                figure.labels(value)

    def _counter(self, name: str) -> Counter:
        metric = _BY_NAME[name]
        return Counter(name, metric.meaning, metric.labels, registry=self._registry)

    def _gauge(self, name: str) -> Gauge:
        metric = _BY_NAME[name]
        return Gauge(name, metric.meaning, metric.labels, registry=self._registry)

    def _histogram(self, name: str) -> Histogram:
        metric = _BY_NAME[name]
        return Histogram(name, metric.meaning, metric.labels, registry=self._registry, buckets=metric.buckets)

    def exposition(self) -> bytes:
        """Returns all figures in Prometheus' text format, UTF-8."""
        return generate_latest(self)

    def collect(self) -> Iterator[Family]:
        """Gives the figures to prometheus-client, less the time stamps of creation that it adds unasked."""
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family

    def reads(self, reader: str, why_not: str | None) -> None:  # noqa: ARG002 (the journal tells why)
        """See Telemetry."""
        self._reader.clear()
        self._reader.labels(reader).set(1)

    def polled(self, records: int, size_bytes: int) -> None:
        """See Telemetry."""
        self._records.inc(records)
        self._bytes.inc(size_bytes)

    def assigned(self, partitions: int, all_partitions: int | None) -> None:
        """See Telemetry."""
        self._assigned.set(partitions)
        if all_partitions is not None:
            self._partitions.set(all_partitions)

    def lag(self, records: int, unknown: int) -> None:
        """See Telemetry."""
        self._lag.set(records)
        self._lag_unknown.set(unknown)

    def columns(self, why_not: str | None, slowly: str | None = None) -> None:  # noqa: ARG002 (for the log)
        """See Telemetry."""
        self._columns.set(why_not is None)

    def read_singly(self, why: str, count: int) -> None:
        """See Telemetry."""
        self._singly.labels(why).inc(count)

    def jumped(self, jump: Jump) -> None:
        """See Telemetry."""
        self._resets.inc()
        self._lost.inc(jump.lost or 0)

    def dead_lettered(self, reason: Reason, count: int) -> None:
        """See Telemetry."""
        self._dead_letters.labels(reason).inc(count)

    def skipped(self, why: str, count: int) -> None:
        """See Telemetry."""
        self._skipped.labels(why).inc(count)

    def stood_in(self, deletes: int, nulls_left: int, nulls_sent: int) -> None:
        """See Telemetry."""
        self._deletes.inc(deletes)
        self._nulls.labels("left").inc(nulls_left)
        self._nulls.labels("sentinel").inc(nulls_sent)

    def long_values(self, rule: str, counts: Mapping[str, int]) -> None:
        """See Telemetry."""
        self._long.labels(rule).inc(sum(counts.values()))

    def called(self, outcome: str, seconds: float, size_bytes: int) -> None:
        """See Telemetry."""
        self._calls.labels(outcome).inc()
        self._call_seconds.observe(seconds)
        self._body_bytes.observe(size_bytes)

    def held(self, seconds: float) -> None:
        """See Telemetry."""
        self._held.inc(seconds)

    def paced(self, pace: float) -> None:
        """See Telemetry."""
        self._pace.set(pace)

    def narrowed(self, size_bytes: int) -> None:
        """See Telemetry."""
        self._body_limit.set(size_bytes)

    def accepted(self, report: BatchReport) -> None:
        """See Telemetry."""
        self._batches.labels(report.due).inc()
        self._settled.inc(report.records)
        self._rows.inc(report.rows)
        self._refused.inc(report.refused)
        self._age.observe(report.age_s)

    def asked(self, state: str) -> None:
        """See Telemetry."""
        self._questions.labels(state).inc()

    def unconfirmed(self, batches: int) -> None:
        """See Telemetry."""
        self._unconfirmed.set(batches)

    def followed(self, report: FollowReport) -> None:
        """See Telemetry."""
        self._followed.labels(report.end).inc()
        self._rows_failed.inc(report.failed)
        self._rows_not_found.inc(report.not_found)
        if report.end == End.COMPLETE:
            self._completion.observe(report.after_s)

    def token_expires(self, at: datetime | None, now: datetime) -> None:  # noqa: ARG002 (the log wants it)
        """See Telemetry."""
        self._token_expiry.set(nan if at is None else at.timestamp())

    def trouble(self, part: Part, text: str | None) -> None:
        """See Telemetry."""
        self._trouble.labels(part).set(text is not None)
