"""The log, and the journal that writes it."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from connector.errors import BlockedError, SettingError
from connector.records import Jump, Partition, Reason
from connector.service import events, logs
from connector.service.journal import Journal, Tee
from connector.service.loading import load
from connector.service.metrics import Metrics
from connector.service.secret_files import read_secret
from connector.service.settings import describe
from connector.target.following import REFUSED_ADDRESS
from connector.telemetry import BatchReport, FollowReport, Part, Silent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Log:
    """A log in memory."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    @property
    def events(self) -> list[str]:
        return [line["event"] for line in self.lines]


@pytest.fixture
def log() -> Iterator[Log]:
    """The process's log, as JSON and strict; everything is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []
    memory = Log()
    logs.configure("json", stream=memory.stream, strict=True)
    yield memory
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(log: Log, clock: Clock) -> Journal:
    return Journal(structlog.get_logger(), clock)


def test_a_settled_batch_is_one_canonical_line(log: Log, journal: Journal) -> None:
    """All there is to say of a batch stands on one line."""
    journal.accepted(
        BatchReport(
            number=3,
            due="rows",
            records=12,
            rows=10,
            size_bytes=900,
            calls=2,
            refused=1,
            age_s=1.23456,
            status_url="https://mboxedge1.tt.omtrdc.net/x?batchId=acme-1",
        )
    )
    (line,) = log.lines
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "batch_accepted",
        "level": "info",
        "number": 3,
        "due": "rows",
        "records": 12,
        "rows": 10,
        "size_bytes": 900,
        "calls": 2,
        "refused": 1,
        "age_s": 1.235,
        "status_url": "https://mboxedge1.tt.omtrdc.net/x?batchId=acme-1",
    }


def test_trouble_is_told_on_change_only(log: Log, journal: Journal, clock: Clock) -> None:
    """A long outage is two lines, however often the part repeats itself."""
    for _ in range(5):
        journal.trouble(Part.TARGET, "no answer; check the network")
    journal.trouble(Part.KAFKA, None)
    clock.now += 12.5
    for _ in range(3):
        journal.trouble(Part.TARGET, None)
    assert log.events == ["trouble", "recovered"]
    assert log.lines[0]["text"] == "no answer; check the network"
    assert (log.lines[1]["part"], log.lines[1]["after_s"]) == ("target", 12.5)


def test_another_trouble_of_the_same_part_is_told(log: Log, journal: Journal, clock: Clock) -> None:
    """The remedy has changed, so the operator hears of it; the outage is still one."""
    journal.trouble(Part.TARGET, "no answer")
    clock.now += 5
    journal.trouble(Part.TARGET, "token refused")
    clock.now += 5
    journal.trouble(Part.TARGET, None)
    assert log.events == ["trouble", "trouble", "recovered"]
    assert log.lines[2]["after_s"] == 10


REPORT = FollowReport(number=3, end="complete", rows=10, failed=0, not_found=0, asked=2, after_s=150.12345)


def test_the_end_of_a_batch_is_one_line(log: Log, journal: Journal) -> None:
    """What became of it stands on one line, and rows that failed are a warning of their own."""
    journal.followed(REPORT)
    journal.followed(replace(REPORT, number=4, failed=2))
    journal.followed(replace(REPORT, number=5, end="stuck"))
    journal.followed(replace(REPORT, number=6, end="unconfirmed"))
    told = [(line["event"], line["level"], line["number"]) for line in log.lines]
    assert told == [
        ("batch_followed", "info", 3),
        ("batch_followed", "info", 4),
        ("rows_failed", "warning", 4),
        ("batch_followed", "info", 5),
        ("rows_failed", "warning", 5),
        ("batch_followed", "info", 6),
    ]
    line = log.lines[0]
    names = ("end", "rows", "failed", "not_found", "asked", "after_s")
    assert [line[name] for name in names] == ["complete", 10, 0, 0, 2, 150.123]


def test_an_address_that_is_refused_is_told_once(log: Log, journal: Journal) -> None:
    """Each batch would repeat it; the figures count them."""
    for state in ("incomplete", REFUSED_ADDRESS, "complete", REFUSED_ADDRESS):
        journal.asked(state)
    assert log.events == ["status_address_refused"]


@pytest.mark.parametrize(
    ("left", "said"),
    [
        pytest.param(timedelta(days=8), None, id="8 days left are enough"),
        pytest.param(timedelta(days=6), "expires in 6 days", id="6 days left"),
        pytest.param(timedelta(hours=30), "expires in 30 h", id="30 hours left"),
        pytest.param(timedelta(0), "expired at 2026-11-24T12:00:00", id="this moment"),
        pytest.param(timedelta(days=-3), "expired at", id="3 days ago"),
        pytest.param(None, "cannot be read any more", id="not known"),
    ],
)
def test_a_token_that_expires_is_warned_of_once_a_day(
    log: Log, journal: Journal, clock: Clock, left: timedelta | None, said: str | None
) -> None:
    """From 7 days before, and after its end, an operator hears of it each day, though it is told each minute."""
    now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    for _ in range(25 * 60):  # the minutes of 25 hours, in which the time left stays as it is
        journal.token_expires(None if left is None else now + left, now)
        clock.now += 60
    texts = [line["text"] for line in log.lines]
    assert len(texts) == (0 if said is None else 2)
    assert all(said in text for text in texts if said)


def test_the_end_of_a_token_is_told_when_it_comes(log: Log, journal: Journal) -> None:
    """A token that expires, and one that was replaced, are news of their own, whatever was told that day."""
    now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    for hours in (5, 1, -1, 24 * 90, 3):
        journal.token_expires(now + timedelta(hours=hours), now)
    assert [line["text"].split(" at ")[0] for line in log.lines] == [
        "the token expires in 5 h,",
        "the token expired",
        "the token expires in 3 h,",
    ]


def test_an_assignment_is_told_on_change_only(log: Log, journal: Journal) -> None:
    """The share is told again and again by the source; the log holds its changes."""
    for share in [(3, None), (3, None), (3, 12), (3, 12), (2, 12)]:
        journal.assigned(*share)
    assert [(line["partitions"], line["all_partitions"]) for line in log.lines] == [(3, None), (3, 12), (2, 12)]


def test_dead_letters_are_told_with_their_reason(log: Log, journal: Journal) -> None:
    """Reason and count; never what the records hold."""
    journal.dead_lettered(Reason.UNSAFE_TEXT, 4)
    assert (log.lines[0]["reason"], log.lines[0]["count"], log.lines[0]["level"]) == ("unsafe_text", 4, "warning")


def test_a_flood_of_dead_letters_is_no_flood_of_lines(log: Log, journal: Journal, clock: Clock) -> None:
    """One line at once, then at most one per reason and ten seconds, and together they tell every letter."""
    for _ in range(200):
        journal.dead_lettered(Reason.FRAMING, 4)
        journal.dead_lettered(Reason.ID_MISSING, 1)
        clock.now += 0.125
    journal.lag(0, 0)
    told = [(line["reason"], line["count"]) for line in log.lines]
    assert told == [
        ("framing", 4), ("id_missing", 1), ("framing", 320), ("id_missing", 79), ("framing", 320), ("id_missing", 80)
    ]  # fmt: skip
    journal.close()
    assert sum(line["count"] for line in log.lines) == 1000


def test_the_rest_of_a_flood_is_told_though_no_letter_follows(log: Log, journal: Journal, clock: Clock) -> None:
    """What came within the ten seconds is told after them, and once."""
    journal.dead_lettered(Reason.FRAMING, 1)
    journal.dead_lettered(Reason.FRAMING, 2)
    journal.lag(0, 0)
    assert [line["count"] for line in log.lines] == [1]
    clock.now += 10
    journal.lag(0, 0)
    journal.lag(0, 0)
    assert [line["count"] for line in log.lines] == [1, 2]


def test_long_values_are_told_once_for_each_attribute(log: Log, journal: Journal) -> None:
    """A warning names the attribute and what is done, and no count: those are for the metrics."""
    journal.long_values("send", {"city": 2})
    journal.long_values("send", {"city": 9, "notes": 1})
    found = [(line["level"], line["event"], line["attribute"], line["rule"]) for line in log.lines]
    assert found == [("warning", "long_values", name, "send") for name in ("city", "notes")]


def test_records_that_were_lost_are_told_where_and_how_many(log: Log, journal: Journal) -> None:
    """Loud: a warning with topic, partition, both offsets and the number lost."""
    journal.jumped(Jump(Partition("crm", 3), 5, 52, 45))
    told = {"topic": "crm", "partition": 3, "from_offset": 5, "to_offset": 52, "lost": 45, "level": "warning"}
    assert told.items() <= log.lines[0].items()


def test_figures_are_no_log_lines(log: Log, journal: Journal) -> None:
    """What happens many times a second goes to the metrics only."""
    journal.polled(1, 1)
    journal.lag(5, 1)
    journal.skipped("empty", 1)
    journal.called("accepted", 0.1, 10)
    journal.held(1.0)
    assert log.lines == []


def test_all_listeners_hear_everything(log: Log, journal: Journal) -> None:
    """The parts tell one; metrics, log and health page each get it."""
    metrics = Metrics()
    tee = Tee(metrics, journal, Silent())
    tee.polled(5, 50)
    tee.assigned(1, 2)
    tee.lag(3, 1)
    tee.jumped(Jump(Partition("crm", 3), 5, 50, 45))
    tee.dead_lettered(Reason.FRAMING, 1)
    tee.skipped("empty", 1)
    tee.long_values("send", {"city": 2})
    tee.called("accepted", 0.1, 10)
    tee.held(1.0)
    tee.trouble(Part.KAFKA, "gone")
    tee.accepted(
        BatchReport(
            number=1, due="age", records=1, rows=1, size_bytes=1, calls=1, refused=0, age_s=1.0, status_url=None
        )
    )
    assert log.events == ["assigned", "offset_reset", "dead_lettered", "long_values", "trouble", "batch_accepted"]
    text = metrics.exposition().decode()
    for sample in [
        "records_polled_total 5.0",
        "assigned_partitions 1.0",
        "lag_records 3.0",
        "records_lost_total 45.0",
        'dead_letters_total{reason="framing"} 1.0',
        'records_skipped_total{why="empty"} 1.0',
        'long_values_total{rule="send"} 2.0',
        'target_calls_total{outcome="accepted"} 1.0',
        "budget_wait_seconds_total 1.0",
        'trouble{part="kafka"} 1.0',
        'batches_accepted_total{due="age"} 1.0',
    ]:
        assert f"target_connector_{sample}\n" in text


def test_an_undeclared_event_fails_a_test(log: Log) -> None:
    """Nobody adds a log line without telling the operator what it means."""
    with pytest.raises(logs.UndeclaredError, match="something_new"):
        structlog.get_logger().info("something_new")


@pytest.mark.parametrize(
    ("level", "fields"),
    [
        pytest.param("warning", {"value": "x", "text": "y", "part": "kafka"}, id="a field too many"),
        pytest.param("info", {"text": "y", "part": "kafka"}, id="another level"),
    ],
)
def test_an_event_declared_otherwise_fails_a_test(log: Log, level: str, fields: dict[str, str]) -> None:
    """Fields and levels are declared too, so that no value slips in as one more field."""
    with pytest.raises(logs.UndeclaredError, match="declared otherwise"):
        getattr(structlog.get_logger(), level)(events.TROUBLE, **fields)


def test_in_service_an_undeclared_line_ends_nothing(log: Log) -> None:
    """Outside of tests the line is written without what is undeclared."""
    logs.configure("json", stream=log.stream)
    structlog.get_logger().info("something_new", secret="planted")
    structlog.get_logger().info(events.STOPPING, why="SIGTERM", secret="planted")
    first, second = log.lines
    assert (first["event"], first["text"]) == ("warned", "undeclared event something_new")
    assert (second["event"], second["why"]) == ("stopping", "SIGTERM")
    assert "planted" not in log.stream.getvalue()


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_text_forges_no_line_and_drives_no_terminal(log: Log, form: Any) -> None:
    """Line breaks, escape sequences and their Unicode relatives come out escaped, on one line."""
    logs.configure(form, stream=log.stream, strict=True)
    nasty = 'gone\n{"event":"stopped"}\r\x1b[2Jclear\x9b\u2028\u202eend\x7f'
    structlog.get_logger().warning(events.TROUBLE, part="kafka", text=nasty)
    structlog.get_logger().warning(events.TROUBLE, part="\x1b[2J", text="gone\x9b")
    structlog.get_logger().info(events.STARTING, version="1", settings={"a\n": ["b\x1b", {"c": "d\n"}], "n": 1})
    written = log.stream.getvalue()
    assert len(written.splitlines()) == 3
    assert all(character.isprintable() for character in written.replace("\n", ""))


def test_a_foreign_error_is_told_by_type_and_place_only(log: Log) -> None:
    """A library's error may quote the value that it failed on."""

    def fail() -> None:
        raise ValueError("cannot convert 'planted@example.com'") from KeyError("planted")

    try:
        fail()
    except ValueError:
        structlog.get_logger().error(events.FAILED, exc_info=True)
    (line,) = log.lines
    assert line["error"] == "builtins.ValueError"
    assert line["where"][-1].startswith("unit/test_logs.py:")
    assert line["where"][-1].endswith(" fail")
    assert "planted" not in log.stream.getvalue()


def test_an_error_of_our_own_is_told_with_its_remedy(log: Log) -> None:
    """Our texts hold no value, so they may be shown; a task group around them hides nothing."""
    error = ExceptionGroup("tasks", [BlockedError("topic crm: lacks the id path; mend the mapping")])
    structlog.get_logger().error(events.FAILED, exc_info=error)
    assert log.lines[0]["text"] == "topic crm: lacks the id path; mend the mapping"
    assert log.lines[0]["error"] == "connector.errors.BlockedError"


def test_a_library_is_heard_in_the_same_form(log: Log) -> None:
    """Aiohttp's and asyncio's warnings are lines like ours; what is below a warning is not heard."""
    logging.getLogger("aiohttp.server").warning("Error handling request from %s\nplanted", "10.0.0.1")
    logging.getLogger("aiohttp.access").info("GET /metrics")
    assert log.events == ["library"]
    assert log.lines[0]["logger"] == "aiohttp.server"
    assert log.lines[0]["text"] == "Error handling request from 10.0.0.1"
    assert "planted" not in log.stream.getvalue()


def test_a_librarys_own_mistake_is_no_mistake_of_ours(log: Log) -> None:
    """A message that its arguments do not fit is logged without them."""
    (ours,) = [handler for handler in logging.getLogger().handlers if type(handler).__module__ == logs.__name__]
    ours.handle(logging.makeLogRecord({"name": "broken", "levelno": 30, "msg": "%d things", "args": ("many",)}))
    assert log.lines[0]["text"] == "%d things"


def test_a_librarys_exception_is_told_without_its_text(log: Log) -> None:
    """The same rule as for our own logging."""
    try:
        raise RuntimeError("planted")  # noqa: TRY301  the shortest way to an error with a place
    except RuntimeError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved")
    assert log.lines[0]["error"] == "builtins.RuntimeError"
    assert "planted" not in log.stream.getvalue()


def test_a_planted_secret_shows_up_nowhere(log: Log, tmp_path: Path) -> None:
    """Start-up log, reprs, errors, figures: a secret reaches the client that needs it and nothing else."""
    secret = tmp_path / "secret"
    secret.write_text("t0ken\n")
    file = tmp_path / "connector.yaml"
    file.write_text(f"""\
kafka:
  bootstrap_servers: broker:9092
  group_id: profiles
  properties: {{sasl.password: t0ken, ssl.keystore.password: t0ken}}
  secrets: {{ssl.key.password: {secret}}}
registry: {{url: "http://registry:8081", username: me, password_file: {secret}}}
sources: [{{topics: [crm], id: id, attributes: all}}]
target: {{client: acme, token_file: {secret}}}
""")
    settings = load(file, {})
    structlog.get_logger().info(events.STARTING, version="1", settings=describe(settings))
    file.write_text(file.read_text().replace("acme", "ACME").replace("sasl.password", "acks"))
    with pytest.raises(SettingError) as raised:
        load(file, {"CONNECTOR_TOKEN": "t0ken", "CONNECTOR_SOURCES": "t0ken", "CONNECTOR_SERVICE__PORT": "t0ken"})
    structlog.get_logger().error(events.FAILED, exc_info=raised.value)
    shown = log.stream.getvalue() + repr(settings) + str(settings) + str(raised.value)
    assert log.events == ["starting", "failed"]
    assert len(str(raised.value).splitlines()) == 5
    assert "t0ken" not in shown + Metrics().exposition().decode()
    assert read_secret(secret, "target.token_file") == "t0ken"


def test_librdkafka_does_not_repeat_itself(log: Log) -> None:
    """It tells of every attempt to connect, twenty a second; that brokers are away is told once, as trouble."""
    heard = logging.getLogger("librdkafka")
    for facility in ("FAIL", "ERROR", "MAXPOLL"):  # in the form in which confluent-kafka logs them
        heard.error("%s [%s] %s", facility, "rdkafka#producer-3", "[thrd:b:9092/1]: Connection refused")
    assert log.lines == []
    heard.warning("%s [%s] %s", "CONFWARN", "rdkafka#producer-3", "[thrd:app]: a property has no effect")
    assert [line["text"][:8] for line in log.lines] == ["CONFWARN"]


def test_every_event_says_what_it_means_and_what_to_do() -> None:
    """Names are unique phrases in snake case; an operator finds each in docs/telemetry.md."""
    names = [event.name for event in events.EVENTS]
    assert len(names) == len(set(names))
    assert all(name.replace("_", "").isalpha() and name.islower() for name in names)
    assert all(event.meaning.endswith(".") and event.action.endswith(".") for event in events.EVENTS)
    constants = {value for name, value in vars(events).items() if name.isupper() and isinstance(value, str)}
    assert constants == set(names)
