"""The figures."""

from __future__ import annotations

import math
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from connector.records import Jump, Partition, Reason
from connector.service.figures import METRICS
from connector.service.metrics import Metrics
from connector.target.answer import Outcome
from connector.target.following import REFUSED_ADDRESS
from connector.target.status import State
from connector.target.watchlist import End
from connector.telemetry import BatchReport, FollowReport, Part

ROOT = Path(__file__).parents[2]
REPORT = BatchReport(
    number=1, due="age", records=12, rows=10, size_bytes=900, calls=2, refused=1, age_s=7.5, status_url=None
)


def read(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """All samples, by name and the values of their labels."""
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def test_each_thing_that_is_told_is_counted_under_its_name() -> None:
    """What the parts tell is what Prometheus reads."""
    metrics = Metrics()
    metrics.polled(100, 5000)
    metrics.assigned(3, 12)
    metrics.lag(77, 2)
    metrics.jumped(Jump(Partition("crm", 3), 5, 50, 45))
    metrics.jumped(Jump(Partition("crm", 3), 50, 0, None))
    metrics.dead_lettered(Reason.ID_MISSING, 2)
    metrics.skipped("tombstone", 4)
    metrics.long_values("clip", {"city": 2, "tier": 3})
    metrics.called(Outcome.THROTTLED, 1.5, 800)
    metrics.called(Outcome.ACCEPTED, 0.5, 900)
    metrics.held(2.5)
    metrics.accepted(REPORT)
    metrics.asked(State.INCOMPLETE)
    metrics.asked(State.COMPLETE)
    metrics.asked(REFUSED_ADDRESS)
    metrics.unconfirmed(3)
    metrics.followed(FollowReport(number=1, end="complete", rows=9, failed=2, not_found=1, asked=2, after_s=150.0))
    metrics.followed(FollowReport(number=2, end="stuck", rows=9, failed=4, not_found=0, asked=1, after_s=60.0))
    metrics.trouble(Part.TARGET, "no answer")
    found = read(metrics)
    expected = {
        ("target_connector_records_polled_total",): 100,
        ("target_connector_polled_bytes_total",): 5000,
        ("target_connector_assigned_partitions",): 3,
        ("target_connector_topic_partitions",): 12,
        ("target_connector_lag_records",): 77,
        ("target_connector_lag_unknown_partitions",): 2,
        ("target_connector_offset_resets_total",): 2,
        ("target_connector_records_lost_total",): 45,
        ("target_connector_dead_letters_total", "id_missing"): 2,
        ("target_connector_records_skipped_total", "tombstone"): 4,
        ("target_connector_long_values_total", "clip"): 5,
        ("target_connector_target_calls_total", "throttled"): 1,
        ("target_connector_target_calls_total", "accepted"): 1,
        ("target_connector_target_call_seconds_sum",): 2.0,
        ("target_connector_target_body_bytes_sum",): 1700,
        ("target_connector_budget_wait_seconds_total",): 2.5,
        ("target_connector_batches_accepted_total", "age"): 1,
        ("target_connector_records_settled_total",): 12,
        ("target_connector_rows_accepted_total",): 10,
        ("target_connector_rows_refused_total",): 1,
        ("target_connector_batch_age_seconds_sum",): 7.5,
        ("target_connector_status_calls_total", "incomplete"): 1,
        ("target_connector_status_calls_total", "complete"): 1,
        ("target_connector_status_calls_total", "refused_address"): 1,
        ("target_connector_unconfirmed_batches",): 3,
        ("target_connector_batches_followed_total", "complete"): 1,
        ("target_connector_batches_followed_total", "stuck"): 1,
        ("target_connector_rows_failed_total",): 6,
        ("target_connector_rows_not_found_total",): 1,
        ("target_connector_batch_completion_seconds_sum",): 150,
        ("target_connector_trouble", "target"): 1,
        ("target_connector_trouble", "kafka"): 0,
        ("target_connector_build_info", version("target-connector")): 1,
    }
    assert {name: found.get(name) for name in expected} == expected


def test_trouble_ends() -> None:
    """The gauge falls back when the part is well again."""
    metrics = Metrics()
    metrics.trouble(Part.KAFKA, "gone")
    metrics.trouble(Part.KAFKA, None)
    assert read(metrics)["target_connector_trouble", "kafka"] == 0


def test_a_token_of_unknown_expiry_is_not_one_that_expired() -> None:
    """NaN, as nothing compares with it: an alert on the time left stays silent."""
    metrics = Metrics()
    name = ("target_connector_token_expiry_timestamp_seconds",)
    assert math.isnan(read(metrics)[name])
    now = datetime(2026, 11, 24, tzinfo=UTC)
    metrics.token_expires(datetime(2027, 2, 22, 9, tzinfo=UTC), now)
    assert read(metrics)[name] == 1803286800
    metrics.token_expires(None, now)
    assert math.isnan(read(metrics)[name])


def test_an_unknown_number_of_partitions_keeps_the_last_known() -> None:
    """None means not known yet, not none."""
    metrics = Metrics()
    metrics.assigned(3, 12)
    metrics.assigned(2, None)
    assert read(metrics)["target_connector_topic_partitions",] == 12


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        pytest.param("target_connector_dead_letters_total", Reason, id="every reason of a dead letter"),
        pytest.param("target_connector_target_calls_total", Outcome, id="every outcome of a call"),
        pytest.param("target_connector_trouble", Part, id="every part"),
        pytest.param("target_connector_status_calls_total", State, id="every answer to a question"),
        pytest.param("target_connector_batches_followed_total", End, id="every end of a batch"),
    ],
)
def test_a_series_is_there_before_anything_happened(
    name: str, labels: type[Reason | Outcome | Part | State | End]
) -> None:
    """An alert on the rate of a series that begins at 1 would miss the first."""
    found = read(Metrics())
    assert {label: found.get((name, label)) for label in labels} == dict.fromkeys(labels, 0)


def test_every_figure_is_declared_and_every_declared_one_is_there() -> None:
    """The table, and with it docs/telemetry.md, is what Prometheus sees."""
    text = Metrics().exposition().decode()
    families = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    assert {name for name in families if not name.startswith("process_")} == {metric.name for metric in METRICS}
    assert "_created" not in text


def test_no_file_names_a_figure_that_is_not_declared() -> None:
    """Dashboards, alerts and texts cannot outlive a figure that was renamed."""
    declared = {metric.name for metric in METRICS}
    derived = {name + suffix for name in declared for suffix in ("_bucket", "_sum", "_count")}
    files = [path for folder in ("connector", "deploy", "docs") for path in (ROOT / folder).rglob("*.*")]
    texts = [path.read_text("utf-8") for path in files if path.suffix in {".py", ".md", ".yaml", ".yml", ".json"}]
    named = {name for text in texts for name in re.findall(r"\btarget_connector_[a-z_]*[a-z]\b", text)}
    assert named - declared - derived == set()


@pytest.mark.parametrize("metric", METRICS, ids=[metric.name for metric in METRICS])
def test_a_figure_carries_unit_meaning_and_remedy(metric: object) -> None:
    """Prometheus' conventions: counters end in _total; and an operator is told what to do."""
    declared = next(one for one in METRICS if one is metric)
    assert declared.name.endswith("_total") == (declared.kind == "counter")
    assert declared.meaning.endswith(".")
    assert declared.action.endswith(".")


def poll_often(metrics: Metrics) -> None:
    for _ in range(500):
        metrics.polled(1, 10)


def test_no_count_is_lost_among_threads() -> None:
    """The consumer's thread and the event loop tell at the same time."""
    metrics = Metrics()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(poll_often, metrics)
    assert read(metrics)["target_connector_records_polled_total",] == 2000


def test_two_services_in_one_process_count_apart() -> None:
    """No registry is shared, so tests and the demo can have several."""
    first, second = Metrics(), Metrics()
    first.polled(1, 1)
    assert read(second)["target_connector_records_polled_total",] == 0
