"""Figures for Prometheus: every name in one table, and the object that counts.

Promises that no figure exists which `METRICS` does not list with its meaning and with what an operator does about it;
`docs/telemetry.md` prints that table. Every label's values form a closed list. `Metrics` is told by all parts, from
any thread; `health` serves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from connector.profiles.window import Due
from connector.records import Reason
from connector.target.answer import Outcome
from connector.telemetry import Part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric as Family

    from connector.telemetry import BatchReport

# Calls take from a fraction of a second to the time-out, 60 s by default; ages run to the longest hold and beyond.
_CALL_SECONDS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120)
_AGE_SECONDS: Final = (1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
_BODY_BYTES: Final = (1e3, 1e4, 1e5, 1e6, 5e6, 1e7, 2e7, 3e7, 4e7, 5e7)  # Target's limit is the last


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure.

    Attributes:
        name: as Prometheus sees it, unit last.
        kind: what it is to Prometheus.
        meaning: one sentence.
        action: what an operator does about it.
        labels: their names.
        buckets: upper bounds, for a histogram.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    action: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


METRICS: Final = (
    Metric(
        "target_connector_build_info",
        "gauge",
        "Always 1; its label names the version that runs.",
        "Compare replicas after a roll-out.",
        labels=("version",),
    ),
    Metric(
        "target_connector_records_polled_total",
        "counter",
        "Records that came from Kafka.",
        "Flat while the lag grows: see target_connector_trouble; Target may be full, so that the source is paused.",
    ),
    Metric(
        "target_connector_polled_bytes_total",
        "counter",
        "Bytes of these records' values.",
        "Divide by the records for their mean size, when sizing the memory.",
    ),
    Metric(
        "target_connector_assigned_partitions",
        "gauge",
        "Partitions that this replica owns.",
        "0 for long: there are more replicas than partitions, or the group cannot settle.",
    ),
    Metric(
        "target_connector_topic_partitions",
        "gauge",
        "Partitions of all topics together, once known; the call budget is shared by this.",
        "The sum of assigned partitions over all replicas should equal it.",
    ),
    Metric(
        "target_connector_lag_records",
        "gauge",
        "Records in the owned partitions beyond what is settled.",
        "Alert when it grows for longer than Target's outages may last; add replicas up to the number of partitions.",
    ),
    Metric(
        "target_connector_dead_letters_total",
        "counter",
        "Records that went to the dead-letter topic, by reason.",
        "Any: their headers in the dead-letter topic say why and where from; mend the source, send them again.",
        labels=("reason",),
    ),
    Metric(
        "target_connector_records_skipped_total",
        "counter",
        "Records left out by a setting (`tombstone`), or because they had nothing to say (`empty`).",
        "A sudden rise of `empty`: the source no longer fills the mapped fields.",
        labels=("why",),
    ),
    Metric(
        "target_connector_target_calls_total",
        "counter",
        "Calls to Target, by outcome.",
        "`throttled`: lower target.calls_per_minute; `unauthorized`: renew the token; `misconfigured`: see the log.",
        labels=("outcome",),
    ),
    Metric(
        "target_connector_target_call_seconds",
        "histogram",
        "How long a call to Target took, whatever its outcome.",
        "Near target.timeout: smaller windows, or ask Adobe.",
        buckets=_CALL_SECONDS,
    ),
    Metric(
        "target_connector_target_body_bytes",
        "histogram",
        "Size of the bodies sent to Target.",
        "Far under window.max_bytes at a high call rate: let windows grow older.",
        buckets=_BODY_BYTES,
    ),
    Metric(
        "target_connector_budget_wait_seconds_total",
        "counter",
        "How long calls waited for the account's budget.",
        "Rises steadily: larger windows, so that fewer calls are needed.",
    ),
    Metric(
        "target_connector_batches_accepted_total",
        "counter",
        "Batches that are settled, by why their window was closed.",
        "Mostly `rows` or `bytes`: the service is at its limit; mostly `age`: it keeps up.",
        labels=("due",),
    ),
    Metric(
        "target_connector_records_settled_total",
        "counter",
        "Records that these batches settled: their offsets may be committed.",
        "Its rate against that of the polled records shows whether delivery keeps up.",
    ),
    Metric(
        "target_connector_rows_accepted_total",
        "counter",
        "Rows, one per profile and batch, that Target accepted.",
        "Compare with Target's own figures.",
    ),
    Metric(
        "target_connector_rows_refused_total",
        "counter",
        "Rows that Target refused; their records are dead letters.",
        "Any: see the dead letters with the reason `refused`.",
    ),
    Metric(
        "target_connector_batch_age_seconds",
        "histogram",
        "From the arrival of a batch's first record to its acceptance.",
        "This is how late profiles are; alert on what your site can bear.",
        buckets=_AGE_SECONDS,
    ),
    Metric(
        "target_connector_trouble",
        "gauge",
        "1 while a part is in trouble.",
        "Alert after some minutes; /readyz and the log say what it is and the remedy. `pipeline` waits for a human.",
        labels=("part",),
    ),
)
_BY_NAME: Final = {metric.name: metric for metric in METRICS}


class Metrics:
    """Counts what it is told (see Telemetry), in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._gauge("target_connector_build_info").labels(version("target-connector")).set(1)
        self._records = self._counter("target_connector_records_polled_total")
        self._bytes = self._counter("target_connector_polled_bytes_total")
        self._assigned = self._gauge("target_connector_assigned_partitions")
        self._partitions = self._gauge("target_connector_topic_partitions")
        self._lag = self._gauge("target_connector_lag_records")
        self._dead_letters = self._counter("target_connector_dead_letters_total")
        self._skipped = self._counter("target_connector_records_skipped_total")
        self._calls = self._counter("target_connector_target_calls_total")
        self._call_seconds = self._histogram("target_connector_target_call_seconds")
        self._body_bytes = self._histogram("target_connector_target_body_bytes")
        self._held = self._counter("target_connector_budget_wait_seconds_total")
        self._batches = self._counter("target_connector_batches_accepted_total")
        self._settled = self._counter("target_connector_records_settled_total")
        self._rows = self._counter("target_connector_rows_accepted_total")
        self._refused = self._counter("target_connector_rows_refused_total")
        self._age = self._histogram("target_connector_batch_age_seconds")
        self._trouble = self._gauge("target_connector_trouble")
        self._start_at_zero()

    def _start_at_zero(self) -> None:
        """A series that first appears at 1 has no rate, so the first dead letter would raise no alert."""
        for reason in Reason:
            self._dead_letters.labels(reason)
        for outcome in Outcome:
            self._calls.labels(outcome)
        for why in ("tombstone", "empty"):
            self._skipped.labels(why)
        for part in Part:
            self._trouble.labels(part)
        for due in Due:
            self._batches.labels(due)

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

    def polled(self, records: int, size_bytes: int) -> None:
        """See Telemetry."""
        self._records.inc(records)
        self._bytes.inc(size_bytes)

    def assigned(self, partitions: int, all_partitions: int | None) -> None:
        """See Telemetry."""
        self._assigned.set(partitions)
        if all_partitions is not None:
            self._partitions.set(all_partitions)

    def lag(self, records: int) -> None:
        """See Telemetry."""
        self._lag.set(records)

    def dead_lettered(self, reason: Reason, count: int) -> None:
        """See Telemetry."""
        self._dead_letters.labels(reason).inc(count)

    def skipped(self, why: str, count: int) -> None:
        """See Telemetry."""
        self._skipped.labels(why).inc(count)

    def called(self, outcome: str, seconds: float, size_bytes: int) -> None:
        """See Telemetry."""
        self._calls.labels(outcome).inc()
        self._call_seconds.observe(seconds)
        self._body_bytes.observe(size_bytes)

    def held(self, seconds: float) -> None:
        """See Telemetry."""
        self._held.inc(seconds)

    def accepted(self, report: BatchReport) -> None:
        """See Telemetry."""
        self._batches.labels(report.due).inc()
        self._settled.inc(report.records)
        self._rows.inc(report.rows)
        self._refused.inc(report.refused)
        self._age.observe(report.age_s)

    def trouble(self, part: Part, text: str | None) -> None:
        """See Telemetry."""
        self._trouble.labels(part).set(text is not None)
