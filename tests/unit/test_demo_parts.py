"""The pure parts of the demo: what the feed writes, what the truth is, and that the verdict notices what is not so."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import fastavro
import pytest
from rich.console import Console

from connector.records import Reason
from connector.service.demo.evidence import Evidence, Letter
from connector.service.demo.feed import (
    DELETED,
    SCHEMA_FILES,
    TOPIC,
    Feed,
    FeedOptions,
    Message,
    Writer,
    registered_text,
    schema_text,
)
from connector.service.demo.panel import line, panel
from connector.service.demo.progress import Figures, Progress, Rate
from connector.service.demo.screen import Screen
from connector.service.demo.truth import Truth
from connector.service.demo.verdict import Check, judge, settled
from connector.simulator.account import Summary
from connector.telemetry import BatchReport, Part

if TYPE_CHECKING:
    from collections.abc import Callable

EVENTS = 4_000
PARTITIONS = 3


def messages(events: int = EVENTS, *, customers: int = 500, seed: int = 1, version: int = 2) -> list[Message]:
    feed = Feed(FeedOptions(events, customers, seed, per_s=1.0))
    return list(feed.messages(events, Writer(schema_text(SCHEMA_FILES[version - 1]), 7)))


# The feed


def test_the_same_seed_gives_the_same_records() -> None:
    """A demo can be repeated, byte for byte; another seed gives other customers."""
    assert messages() == messages()
    assert messages() != messages(seed=2)


def test_everybody_appears_and_a_few_change_often() -> None:
    """First comes each customer once, then the most popular hundredth gets about a tenth of the changes."""
    said = [message.change["customer_id"] for message in messages(20_000, customers=1_000) if message.change]
    assert len(set(said[:1_000])) == 1_000
    popular = sum(customer_id < "C-000010" for customer_id in said[1_000:])
    assert 0.08 < popular / 19_000 < 0.12


def test_versions_of_a_customer_count_up() -> None:
    """Each good change of a customer has the next version, so that a step back in Target can be told."""
    seen: Counter[str] = Counter()
    for message in messages():
        if message.change:
            seen[message.change["customer_id"]] += 1
            assert message.change["version"] == seen[message.change["customer_id"]]


def test_bad_records_are_of_every_kind_and_too_few_for_the_brake() -> None:
    """In no ten thousand records in a row does the share come near the one in a hundred that stops the service."""
    reasons = [message.reason for message in messages(20_000)]
    assert {reason for reason in reasons if reason} == {
        Reason.FRAMING,
        Reason.SCHEMA_UNKNOWN,
        Reason.UNREADABLE,
        Reason.ID_MISSING,
        Reason.ID_TOO_LONG,
        Reason.ID_FORBIDDEN,
        Reason.UNSAFE_TEXT,
    }
    assert max(sum(map(bool, reasons[start : start + 10_000])) for start in range(0, 10_001, 500)) < 30


@pytest.mark.parametrize("version", [1, 2])
def test_a_good_record_says_what_its_change_says(version: int) -> None:
    """Behind the five bytes of the framing is a datum of the registered schema that means the change, all of it."""
    schema = fastavro.parse_schema(json.loads(schema_text(SCHEMA_FILES[version - 1])))
    for message in messages(300, version=version):
        if message.change:
            assert message.value[:5] == b"\x00\x00\x00\x00\x07"
            assert fastavro.schemaless_reader(io.BytesIO(message.value[5:]), schema) == message.change


def test_the_envelope_holds_the_change_and_some_deletes() -> None:
    """In Debezium's shape the row is in `after`; now and then a customer goes, with what it was in `before`."""
    feed, row = Feed(FeedOptions(2_000, 500, 1, 1.0, "debezium")), schema_text(SCHEMA_FILES[1])
    schema = fastavro.parse_schema(json.loads(registered_text(row, "debezium")))
    deletes = 0
    for message in feed.messages(2_000, Writer(row, 7, "debezium")):
        if message.change is None:
            continue
        datum: Any = fastavro.schemaless_reader(io.BytesIO(message.value[5:]), schema, None)
        if datum["op"] == "d":
            deletes += 1
            assert message.change == {"customer_id": datum["before"]["customer_id"], **DELETED}
        else:
            assert (datum["before"], datum["after"]) == (None, message.change)
            assert datum["op"] == ("c" if message.change["version"] == 1 else "u")
    assert 15 < deletes < 25


def test_version_two_is_version_one_and_a_field_with_a_default() -> None:
    """So a registry takes it as compatible, backwards and forwards."""
    one, two = (json.loads(schema_text(name)) for name in SCHEMA_FILES)
    *before, gained = two["fields"]
    assert {**two, "fields": before} == one
    assert "default" in gained


# The truth


def test_the_truth_is_the_text_that_the_docs_promise() -> None:
    """Each type as docs/types.md has it; null leaves no trace, and the id is no attribute."""
    truth = Truth()
    change = {
        "customer_id": "C-1",
        "version": 3,
        "tier": "GOLD",
        "email_consent": True,
        "favourite_store": "Müller & Söhne",
        "address": {"city": "東京", "postal_code": "100-0001"},
        "last_purchase": date(2026, 11, 2),
        "basket_value": Decimal("1.50"),
        "updated_at": datetime(2026, 11, 2, 12, 0, 0, 123_000, tzinfo=UTC),
        "preferred_channel": None,
    }
    truth.note(0, Message(b"C-1", b"", change, None))
    assert truth.profiles() == {
        "C-1": {
            "version": "3",
            "tier": "GOLD",
            "email_consent": "true",
            "favourite_store": "Müller & Söhne",
            "address.city": "東京",
            "address.postal_code": "100-0001",
            "last_purchase": "2026-11-02",
            "basket_value": "1.50",
            "updated_at": "2026-11-02T12:00:00.123Z",
        }
    }


def test_the_truth_is_the_newest_good_change_and_the_place_of_each_bad_one() -> None:
    """A later change replaces an earlier one, a bad record none; offsets count per partition."""
    truth = Truth()
    for partition, change, reason in (
        (0, {"customer_id": "a", "version": 1}, None),
        (0, {"customer_id": "a", "version": 2}, None),
        (1, None, Reason.FRAMING),
        (0, None, Reason.UNREADABLE),
    ):
        truth.note(partition, Message(b"", b"", change, reason))
    assert truth.profiles() == {"a": {"version": "2"}}
    assert truth.bad == {(1, 0): Reason.FRAMING, (0, 2): Reason.UNREADABLE}
    assert truth.ends == {0: 3, 1: 1}


# The verdict

SUMMARY = Summary(
    calls={"accepted": 20, "fault_500": 2},
    calls_in_last_60_s=22,
    most_calls_in_60_s=50,
    batches=20,
    rows=3_000,
    ingesting=0,
    duplicate_rows=0,
    evicted_attributes=0,
    went_backwards=0,
    profiles=500,
    refusals={},
)


@pytest.fixture
def truth() -> Truth:
    """That of a small feed over three partitions."""
    truth = Truth()
    for message in messages():
        truth.note(sum(message.key) % PARTITIONS, message)
    return truth


def perfect(truth: Truth) -> Evidence:
    """What is there if everything went well."""
    letters = [Letter(TOPIC, partition, offset, reason) for (partition, offset), reason in truth.bad.items()]
    return Evidence(dict(truth.ends), letters, truth.profiles(), SUMMARY)


def broken(checks: list[Check]) -> list[str]:
    return [check.promise for check in checks if not check.kept]


def test_what_is_as_it_must_be_passes(truth: Truth) -> None:
    """All promises are kept, and there is one line for each."""
    checks = judge(truth, perfect(truth))
    assert broken(checks) == []
    assert len({check.promise for check in checks}) == 6


def stale(evidence: Evidence) -> Evidence:
    profiles = {customer_id: dict(profile) for customer_id, profile in evidence.profiles.items()}
    profiles["C-000001"]["version"] = "1"
    return replace(evidence, profiles=profiles)


def shifted(evidence: Evidence) -> Evidence:
    profiles = {customer_id: dict(profile) for customer_id, profile in evidence.profiles.items()}
    one, other = profiles["C-000001"], profiles["C-000002"]
    profiles["C-000001"], profiles["C-000002"] = other, one
    return replace(evidence, profiles=profiles)


def without_a_profile(evidence: Evidence) -> Evidence:
    return replace(evidence, profiles={key: value for key, value in evidence.profiles.items() if key != "C-000001"})


def without_an_attribute(evidence: Evidence) -> Evidence:
    profiles = {customer_id: dict(profile) for customer_id, profile in evidence.profiles.items()}
    del profiles["C-000001"]["tier"]
    return replace(evidence, profiles=profiles)


def with_a_stranger(evidence: Evidence) -> Evidence:
    return replace(evidence, profiles={**evidence.profiles, "stranger": {"tier": "GOLD"}})


def with_another_reason(evidence: Evidence) -> Evidence:
    first, *rest = evidence.letters
    return replace(evidence, letters=[replace(first, reason="refused"), *rest])


@pytest.mark.parametrize(
    ("promise", "spoil"),
    [
        pytest.param("Newest wins", stale, id="an older value"),
        pytest.param("Newest wins", shifted, id="two customers exchanged"),
        pytest.param("Newest wins", without_a_profile, id="a profile is missing"),
        pytest.param("Newest wins", without_an_attribute, id="an attribute is missing"),
        pytest.param("Newest wins", with_a_stranger, id="a profile that no event is about"),
        pytest.param(
            "Nothing is lost",
            lambda e: replace(e, committed={**e.committed, 1: e.committed[1] - 1}),
            id="one offset is not committed",
        ),
        pytest.param(
            "Nothing is lost",
            lambda e: replace(e, committed={0: e.committed[0], 1: e.committed[1]}),
            id="a partition is not committed at all",
        ),
        pytest.param(
            "Nothing is lost",
            lambda e: replace(e, committed={**e.committed, 1: e.committed[1] + 1}),
            id="an offset beyond the end",
        ),
        pytest.param("Dead letters", lambda e: replace(e, letters=e.letters[1:]), id="a dead letter is missing"),
        pytest.param("Dead letters", lambda e: replace(e, letters=[*e.letters, e.letters[0]]), id="one came twice"),
        pytest.param(
            "Dead letters",
            lambda e: replace(e, letters=[*e.letters, Letter(TOPIC, 0, 1, "framing")]),
            id="a good record is a dead letter",
        ),
        pytest.param(
            "Dead letters",
            lambda e: replace(e, letters=[replace(e.letters[0], topic="elsewhere"), *e.letters[1:]]),
            id="of another topic",
        ),
        pytest.param("Dead letters", with_another_reason, id="another reason"),
        pytest.param(
            "Nothing goes back",
            lambda e: replace(e, summary=replace(e.summary, went_backwards=1)),
            id="an older version was seen",
        ),
        pytest.param(
            "A row never shifts",
            lambda e: replace(e, summary=replace(e.summary, refusals={"space": 1})),
            id="Target refused a batch",
        ),
        pytest.param(
            "The account is safe",
            lambda e: replace(e, summary=replace(e.summary, most_calls_in_60_s=51)),
            id="51 calls in a minute",
        ),
    ],
)
def test_the_verdict_notices(truth: Truth, promise: str, spoil: Callable[[Evidence], Evidence]) -> None:
    """One thing that is not as it must be breaks its promise, and no other."""
    assert broken(judge(truth, spoil(perfect(truth)))) == [promise]


def test_no_proof_holds_an_id_or_a_value(truth: Truth) -> None:
    """What a broken promise tells are counts and names of attributes."""
    for check in judge(truth, with_another_reason(with_a_stranger(shifted(perfect(truth))))):
        assert not any(word in check.proof for word in ("C-0", "stranger", "GOLD", "Graz"))


def test_settled_counts_what_is_below_the_committed_offsets(truth: Truth) -> None:
    """Neither a partition without an offset nor an offset beyond the end counts for too much."""
    assert settled(truth, {}) == 0
    assert settled(truth, {0: 10, 1: 5}) == 15
    assert settled(truth, dict.fromkeys(range(PARTITIONS), 10**9)) == EVENTS


# What is shown


def figures(progress: Progress) -> Figures:
    return Figures(
        elapsed_s=12.3,
        events=10_000,
        produced=5_000,
        produced_per_s=3_600.0,
        consumed_per_s=3_500.0,
        heard=progress.heard(),
        calls_in_last_60_s=4,
        profiles=1_234,
        faults=["500"],
    )


@pytest.fixture
def progress() -> Progress:
    """A service that has told a bit of everything."""
    progress = Progress()
    progress.polled(4_000, 400_000)
    progress.called("accepted", 0.1, 1_000)
    progress.called("unavailable", 0.1, 1_000)
    progress.dead_lettered(Reason.FRAMING, 3)
    progress.skipped("tombstone", 7)
    progress.accepted(
        BatchReport(
            number=1,
            due="age",
            records=2_990,
            rows=1_500,
            size_bytes=1_000_000,
            calls=1,
            refused=0,
            age_s=2.0,
            status_url=None,
        )
    )
    progress.trouble(Part.TARGET, "not available")
    progress.trouble(Part.KAFKA, "no broker")
    progress.trouble(Part.KAFKA, None)
    return progress


def test_a_line_tells_the_moment(progress: Progress) -> None:
    """Lag is what is written and not settled: as a batch, as a dead letter or by a setting."""
    assert line(figures(progress)) == (
        "produced 5,000 | consumed 4,000 (3,500/s) | lag 2,000 | batches 1 | rows 1,500 | calls 2 | dead letters 3"
        " | target: not available"
    )


@pytest.mark.parametrize("width", [80, 96, 200])
def test_the_panel_tells_it_at_every_width(progress: Progress, width: int) -> None:
    """No figure is cut off, in a terminal of the usual 80 columns neither."""
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(panel(figures(progress)))
    shown = capture.get()
    for figure in ("5,000", "4,000", "2,000", "1,500 rows", "framing 3", "1,234", "(500)", "last answer unavailable"):
        assert figure in shown
    assert max(map(len, shown.splitlines())) <= min(width, 96)


def test_a_panel_without_trouble_says_so() -> None:
    """From the first moment, when nothing has been called yet."""
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    with console.capture() as capture:
        console.print(panel(figures(Progress())))
    assert "the connector is well" in capture.get()
    assert "none yet" in capture.get()


def test_a_rate_looks_back_three_seconds() -> None:
    """What was before does not count, and the first look gives none."""
    rate = Rate()
    assert rate.per_s(0, now=0.0) == 0.0
    assert rate.per_s(100, now=1.0) == 100.0
    assert rate.per_s(400, now=2.0) == 200.0
    assert rate.per_s(400, now=4.5) == 0.0


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [pytest.param("utf-8", "✗", id="marks"), pytest.param("ascii", "NO ", id="words, where there are no marks")],
)
def test_a_stream_gets_what_it_can_hold(monkeypatch: pytest.MonkeyPatch, encoding: str, mark: str) -> None:
    """No escape code, even where a CI system asks for colours, and nothing that the encoding lacks."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    file = io.BytesIO()
    stream = io.TextIOWrapper(file, encoding)
    screen = Screen(stream)
    with screen.live():
        screen.show(figures(Progress()))
        screen.show(figures(Progress()))  # a moment later: no second line yet
    screen.verdict([Check("Newest wins", kept=False, proof="of 3 profiles 1 differs")])
    screen.restore()
    stream.flush()
    told = file.getvalue().decode(encoding)
    assert told.splitlines() == [
        "  12.3 s  " + line(figures(Progress())),
        "",
        f"  {mark} Newest wins          of 3 profiles 1 differs",
        "",
    ]
