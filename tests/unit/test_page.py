"""The page and what it shows: every state, nothing that runs, nothing that nobody should see."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser

import pytest

from connector.records import Reason
from connector.service.health import Health
from connector.service.overview import RECENT, Overview
from connector.service.page.render import HEADERS, page, size, span, whole
from connector.service.settings import Settings
from connector.telemetry import BatchReport, FollowReport, Part
from tests.system.command import minimal

STATUS_URL = "http://mboxedge45.tt.omtrdc.net/m2/acme/profile/batchStatus?batchId=acme-170-3"


@dataclass
class Stage:
    """A service of twelve partitions at eight in the morning."""

    now: datetime = datetime(2026, 5, 1, 8, tzinfo=UTC)
    health: Health = field(init=False)
    overview: Overview = field(init=False)

    def __post_init__(self) -> None:
        settings = Settings.model_validate(minimal())
        self.health = Health(lambda: self.now)
        self.overview = Overview(self.health, lambda: settings, lambda: self.now)

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)

    def batch(self, number: int, status_url: str | None = STATUS_URL) -> None:
        self.overview.accepted(BatchReport(number, "age", 1200, 1000, 3_400_000, 2, 0, 10.4, status_url))

    def page(self) -> str:
        return page(self.overview.told())

    def text(self) -> str:
        """What a reader sees."""
        bare = unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", self.page(), flags=re.DOTALL))
        return re.sub(r"[ \n]+", " ", bare)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_it_says_that_it_starts(stage: Stage) -> None:
    """Before the first assignment nothing is claimed."""
    stage.later(seconds=7)
    assert "Starting Waiting for Kafka's assignment · for 7 s" in stage.text()
    assert "None yet." in stage.text()


def test_it_says_what_it_carries(stage: Stage) -> None:
    """Share, lag, throughput, budget, batches and their completion, dead letters by reason, since when."""
    stage.health.assigned(4, 12)
    stage.later(hours=3, minutes=20)
    stage.overview.lag(48_213, 0)
    stage.batch(3)
    stage.overview.followed(FollowReport(3, "complete", 1000, 0, 0, 2, 95.0))
    stage.overview.dead_lettered(Reason.UNSAFE_TEXT, 250)
    stage.overview.skipped("tombstone", 7)
    stage.overview.paced(0.5)
    text = stage.text()
    for words in (
        "Ready Carrying changes · for 3 h 20 min",
        "4 of 12 owned by this replica",
        "48\u202f213 records not settled",
        "1\u202f200 records settled since start",
        "1\u202f000 rows 3.4 MB in 1 batches",
        "11.7/min of 35 for all replicas; at 50 % after a throttle",
        "3 11:20:00 age 1\u202f200 1\u202f000 3.4 MB 2 10.4 s 0 complete acme-170-3",
        "unsafe_text 250",
        "tombstone 7",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("end", "failed", "words"),
    [
        pytest.param("complete", 3, "complete, 3 rows failed", id="failed rows"),
        pytest.param("stuck", 0, "stuck", id="stuck"),
        pytest.param("gone", 0, "gone", id="forgotten by Target"),
    ],
)
def test_it_says_what_became_of_a_batch(stage: Stage, end: str, failed: int, words: str) -> None:
    """What Target did not do is not called complete."""
    stage.batch(3)
    assert "accepted" in stage.text()
    stage.overview.followed(FollowReport(3, end, 1000, failed, 0, 2, 95.0))
    assert f">{words}<" in stage.page()


def test_it_says_every_trouble_with_its_remedy(stage: Stage) -> None:
    """Two parts are away: both are named, since when, and what to do."""
    stage.health.trouble(Part.TARGET, "the token is not accepted (HTTP 401); put a valid one into target.token_file")
    stage.later(seconds=75)
    stage.health.trouble(Part.KAFKA, "no broker answers")
    stage.later(seconds=5)
    text = stage.text()
    assert text.index("Waiting Something is away") < text.index("Adobe Target for 1 min 20 s") < text.index("Kafka for")
    assert "put a valid one into target.token_file" in text


def test_it_says_why_it_is_blocked_and_what_to_do(stage: Stage) -> None:
    """The reason, and the command, line by line."""
    stage.health.assigned(4, 12)
    stage.health.trouble(
        Part.PIPELINE, "blocked: too many; at crm/0 offset 7; goes on after `target-connector unblock`"
    )
    stage.later(minutes=4)
    assert "Blocked Stopped so that nothing is lost; waits for you · for 4 min 0 s" in stage.text()
    assert "<p>too many</p>" in stage.page()
    assert "<code>target-connector unblock</code>" in stage.page()


def test_starting_over_begins_a_state_anew(stage: Stage) -> None:
    """Once unblocked it is not blocked any more, nor ready yet."""
    stage.health.assigned(4, 12)
    stage.health.trouble(Part.PIPELINE, "blocked: it")
    stage.later(minutes=4)
    stage.health.start_over()
    assert "Starting Waiting for Kafka's assignment · for 0 s" in stage.text()


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "`<b>`; <i>"])
def test_texts_stay_texts(stage: Stage, text: str) -> None:
    """Whatever a broker, a registry or Target says cannot become a part of the page."""
    stage.health.trouble(Part.KAFKA, text)
    stage.batch(1, f"http://edge/m2/x?batchId={text}")
    for tag in ("<script", "<img", "<b>`", "<i>"):
        assert tag not in stage.page()


class Loads(HTMLParser):
    """What a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "link", "img", "iframe", "form", "object"}:
            self.found.append(tag)
        self.found += [f"{name}={value}" for name, value in attrs if name in {"src", "style", "onload"}]


def test_it_loads_nothing_and_runs_nothing(stage: Stage) -> None:
    """One document; its own policy lets only its own style through, and nobody may frame it."""
    stage.batch(1)
    loads = Loads()
    loads.feed(stage.page())
    assert loads.found == []
    (style,) = re.findall(r"<style>(.*?)</style>", stage.page(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = HEADERS["Content-Security-Policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert '<meta http-equiv="refresh" content="5">' in stage.page()


def test_it_keeps_the_newest_batches_only(stage: Stage) -> None:
    """A year of batches takes no more memory than an hour of them."""
    for number in range(1, 3 * RECENT):
        stage.batch(number)
    told = stage.overview.told()["batches"]
    assert [one["number"] for one in told] == list(range(3 * RECENT - 1, 2 * RECENT - 1, -1))
    assert stage.overview.batch("1") is None


@pytest.mark.parametrize(
    ("status_url", "expected"),
    [
        pytest.param(STATUS_URL, "acme-170-3", id="Adobe's"),
        pytest.param(None, None, id="none"),
        pytest.param("http://edge/m2/acme/profile/batchStatus", None, id="without an id"),
        pytest.param("http://[/?batchId=1", "1", id="no address"),
        pytest.param("http://edge/?batchId=a%0Ab", "a%0Ab", id="with an escaped line break"),
        pytest.param("http://edge/?batchId=a\nb", None, id="with a line break"),
        pytest.param(f"http://edge/?batchId={'9' * 500}", None, id="without end"),
    ],
)
def test_targets_id_is_taken_from_the_status_address(
    stage: Stage, status_url: str | None, expected: str | None
) -> None:
    """Whoever answers writes that address, so only what is safe to show is taken for a name."""
    stage.batch(1, status_url)
    assert stage.overview.told()["batches"][0]["batch_id"] == expected


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (whole(1_234_567.4), "1\u202f234\u202f567"),
        (size(999), "999 B"),
        (size(45_000_000), "45.0 MB"),
        (span(59.4), "59 s"),
        (span(61), "1 min 1 s"),
        (span(7_260), "2 h 1 min"),
        (span(180_000), "2 d 2 h"),
        (span(-3), "0 s"),
    ],
    ids=str,
)
def test_figures_are_shown_for_people(shown: str, expected: str) -> None:
    """In units that a glance takes in."""
    assert shown == expected
