"""The command `preview` against a broker in the process: what it says, what it hides, and what it leaves alone."""

from __future__ import annotations

import io
import json
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastavro
import pytest
import structlog
from typer.testing import CliRunner

from connector.errors import SettingError
from connector.kafka.embedded import EmbeddedBroker
from connector.service import cli
from connector.service.preview import shown
from tests.changes import GONE
from tests.system.command import minimal

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = (Path(__file__).parents[2] / "docs" / "preview.md").read_text("utf-8")
TOPIC = "crm.customers"
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Customer",
    "fields": [
        {"name": "customer_id", "type": "string"},
        {"name": "city", "type": ["null", "string"]},
        {"name": "points", "type": "long"},
    ],
}
_PARSED = fastavro.parse_schema(SCHEMA)
ATTRIBUTES = {"town": "city", "points": "points"}


def datum(who: str, city: str | None = "Graz", points: int = 7) -> bytes:
    """A record's value, as `framing: plain` has it."""
    written = io.BytesIO()
    fastavro.schemaless_writer(written, _PARSED, {"customer_id": who, "city": city, "points": points})
    return written.getvalue()


@dataclass
class Desk:
    """A broker with a topic of two partitions, and settings that name it."""

    broker: EmbeddedBroker
    folder: Path

    def __post_init__(self) -> None:
        self.broker.create_topic(TOPIC, partitions=2)
        (self.folder / "customer.avsc").write_text(json.dumps(SCHEMA))

    def write(self, *values: bytes | None, partition: int = 0, topic: str = TOPIC) -> None:
        producer = self.broker.producer()
        for value in values:
            producer.produce(topic, value, partition=partition)
        producer.flush(20.0)

    def run(self, *arguments: str, **changes: Any) -> tuple[int, str]:
        """Exit code and all that the command prints."""
        given = {
            "kafka__bootstrap_servers": self.broker.bootstrap_servers,
            "registry": GONE,
            "sources__framing": "plain",
            "sources__schema_file": str(self.folder / "customer.avsc"),
            "sources__attributes": ATTRIBUTES,
        }
        sources = changes.pop("sources", None)
        settings = minimal(**(given | changes))
        settings["sources"] = sources or settings["sources"]
        config = self.folder / "connector.yaml"
        config.write_text(json.dumps(settings))
        done = CliRunner().invoke(cli.app, ["preview", "--config", str(config), *arguments])
        if isinstance(done.exception, SettingError):  # `cli.main` makes exit code 2 of it
            return 2, str(done.exception)
        return done.exit_code, done.output

    def answer(self, *arguments: str, **changes: Any) -> dict[str, Any]:
        code, told = self.run("--json", *arguments, **changes)
        assert code == 0, told
        found: dict[str, Any] = json.loads(told[told.index("{\n") : told.rindex("}") + 1])
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with EmbeddedBroker() as broker:
        yield Desk(broker, tmp_path)
    structlog.reset_defaults()  # the command logs to what the runner has closed, which a later member would log to


def attribute(answer: dict[str, Any], name: str | None) -> dict[str, Any]:
    (found,) = [one for one in answer["sources"][0]["attributes"] if one["name"] == name]
    return dict(found)


def test_each_attribute_is_told(desk: Desk) -> None:
    """Its path, its type in Avro's words, values, the share of empty ones, and what is refused for it and why."""
    desk.write(datum("one"), datum("two", None), datum("three", "Graz, Styria"), datum(""))
    answer = desk.answer("--values")
    assert attribute(answer, "town") == {
        "name": "town",
        "path": "city",
        "types": ["string"],
        "samples": ["Graz"],
        "cells": 2,
        "empty": 1,
        "refused": {"unsafe_text": 1},
    }
    assert attribute(answer, "points") | {"name": None} == {
        "name": None, "path": "points", "types": ["long"], "samples": ["7"], "cells": 3, "empty": 0, "refused": {},
    }  # fmt: skip
    assert attribute(answer, None)["refused"] == {"id_missing": 1}
    (source,) = answer["sources"]
    assert (source["records"], source["rows"], source["profiles"]) == (4, 2, 2)
    assert source["dead_letters"] == {"unsafe_text": 1, "id_missing": 1}
    assert source["over_brake"]


def test_expressions_are_told_with_the_fields_that_they_are_made_of(desk: Desk) -> None:
    """The fields of `where` are nobody's, a field that two values share is of both, and what is filtered is counted."""
    desk.write(datum("one"), datum("two", "Wien", 3))
    made = {"town": {"value": "upper(city)"}, "both": {"value": "city || ' ' || CAST(points AS VARCHAR)"}}
    answer = desk.answer("--values", sources__where="points > 5", sources__attributes=made)
    assert [attribute(answer, name)["types"] for name in (None, "town", "both")] == [
        ["string"],
        ["string"],
        ["string", "long"],
    ]
    assert [attribute(answer, name)["samples"] for name in ("town", "both")] == [["GRAZ"], ["Graz 7"]]
    assert answer["sources"][0]["skipped"] == {"filtered": 1}


def test_values_are_masked_unless_asked_for(desk: Desk) -> None:
    """Neither the table, nor JSON, nor a warning holds a value or an id; with --values a warning comes first."""
    desk.write(datum("PLANTED-17", "PLANTED-ville", 424_242), datum("PLANTED+id"))
    for form in ([], ["--json"]):
        code, told = desk.run(*form)
        assert code == 0
        assert "PLANTED" not in told
        assert "424242" not in told
        assert "XXXXXXX-99" in told
        assert "XXXXXXX-xxxxx" in told
    code, told = desk.run("--values")
    assert code == 0
    assert "PLANTED-ville" in told
    assert "may be personal data" in told


def test_long_values_are_told(desk: Desk) -> None:
    """Those that are sent, by attribute and with what the setting says; one that is refused is a dead letter."""
    desk.write(datum("one", "x" * 300), datum("two"))
    code, told = desk.run()
    assert (code, "1 town, over 256 characters; long_values says send" in told) == (0, True)
    answer = desk.answer(sources__long_values="dead_letter")
    assert answer["sources"][0]["long_values"] == {}
    assert attribute(answer, "town")["refused"] == {"value_too_long": 1}


def test_records_are_the_newest_of_every_partition(desk: Desk) -> None:
    """So many in all, shared by the partitions; or the first ones."""
    desk.write(*(datum(f"a{number}", points=number) for number in range(20)))
    desk.write(*(datum(f"b{number}", points=100 + number) for number in range(20)), partition=1)
    newest = attribute(desk.answer("--limit", "2", "--values"), "points")["samples"]
    assert sorted(newest) == ["119", "19"]
    first = attribute(desk.answer("--limit", "2", "--from-beginning", "--values"), "points")["samples"]
    assert sorted(first) == ["0", "100"]
    assert desk.answer("--limit", "2")["sources"][0]["topics"] == {TOPIC: 2}


def test_one_profile_is_found(desk: Desk) -> None:
    """Its newest records, of which so many at most; how many records were looked at is told."""
    desk.write(*(datum(f"a{number % 5}", points=number) for number in range(50)))
    answer = desk.answer("--id", "a3", "--limit", "2", "--values")
    (source,) = answer["sources"]
    assert (source["read"], source["records"], source["profiles"]) == (50, 2, 1)
    assert attribute(answer, "points")["samples"] == ["48", "43"]
    assert answer["calls"] is None
    code, told = desk.run("--id", "a3")
    assert (code, "10 of this profile among 50 looked at" in told) == (0, True)
    assert "0 of this profile" in desk.run("--id", "nobody")[1]


def test_a_profile_is_found_whatever_its_attributes_hold(desk: Desk) -> None:
    """Why it does not arrive is what one wants to know."""
    desk.write(datum("one", "Graz, Styria"), datum("two"))
    (source,) = desk.answer("--id", "one")["sources"]
    assert (source["records"], source["dead_letters"]) == (1, {"unsafe_text": 1})


def test_the_body_is_the_one_that_would_be_posted(desk: Desk, tmp_path: Path) -> None:
    """Merged by profile, the newest wins; to its owner only, never over another file, and said to be personal."""
    desk.write(datum("one", "Graz"), datum("two", "São Paulo"), datum("one", None, 8))
    file = tmp_path / "body"
    code, told = desk.run("--body", str(file))
    assert code == 0
    assert file.read_bytes() == b"batch=thirdPartyId,town,points\none,,8\ntwo,S%C3%A3o%20Paulo,7" or (
        file.read_bytes() == b"batch=thirdPartyId,town,points\ntwo,S%C3%A3o%20Paulo,7\none,,8"
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"{file} holds personal data" in told
    assert "2 profiles" in told
    code, told = desk.run("--body", str(file))
    assert (code, "is there already; name another file" in told) == (2, True)


def test_sources_stand_side_by_side(desk: Desk, tmp_path: Path) -> None:
    """In one body, as in a window; with --source only what that one says."""
    desk.broker.create_topic("pos", partitions=1)
    desk.write(datum("one", "Graz"), datum("two"))
    desk.write(datum("one", "Wien", 9), topic="pos")
    source = {"framing": "plain", "schema_file": str(desk.folder / "customer.avsc"), "id": "customer_id"}
    both = {
        "sources": [
            source | {"topics": [TOPIC], "attributes": {"town": "city"}},
            source | {"topics": ["pos"], "attributes": {"points": "points"}},
        ]
    }
    answer = desk.answer("--body", str(tmp_path / "body"), **both)
    assert [one["source"] for one in answer["sources"]] == [1, 2]
    header, *rows = (tmp_path / "body").read_text().split("\n")
    assert (header, sorted(rows)) == ("batch=thirdPartyId,town,points", ["one,Graz,9", "two,Graz,"])
    assert answer["body"]["profiles"] == 2
    only = desk.answer("--source", "pos", "--body", str(tmp_path / "pos"), **both)
    assert [one["source"] for one in only["sources"]] == [2]
    assert (tmp_path / "pos").read_bytes() == b"batch=thirdPartyId,points\none,9"
    clash = [source | {"topics": [topic], "attributes": "all"} for topic in (TOPIC, "pos")]
    code, told = desk.run(sources=clash)
    assert (code, "the service would block here" in told) == (2, True)


def test_every_field_is_taken_and_deletes_are_sent(desk: Desk) -> None:
    """With `attributes: all` under its own name; what stands for a delete has no path."""
    desk.write(datum("one"))
    producer = desk.broker.producer()
    producer.produce(TOPIC, None, key=b"two", partition=0)
    producer.flush(20.0)
    sends = {"sources__on_delete": "send", "sources__deleted": {"status": "gone"}, "sources__key_framing": "text"}
    answer = desk.answer("--values", **{"sources__attributes": "all"} | sends)
    seen = {one["name"]: (one["path"], one["samples"], one["empty"]) for one in answer["sources"][0]["attributes"]}
    assert seen == {
        None: ("customer_id", ["two", "one"], 0),
        "city": ("city", ["Graz"], 1),
        "points": ("points", ["7"], 1),
        "status": (None, ["gone"], 1),
    }


def test_nothing_there_is_no_error(desk: Desk) -> None:
    """An empty topic is said to be empty."""
    code, told = desk.run()
    assert code == 0
    assert "none are there" in told
    assert "nothing to send" in told


def test_a_missing_topic_is_told(desk: Desk) -> None:
    """On one line, with 1 as what Kafka does not have."""
    code, told = desk.run(sources__topics=["crm.typo"])
    assert (code, "no topic crm.typo is there" in told, told.count("\n")) == (1, True, 1)


def test_a_mapping_that_does_not_fit_is_told(desk: Desk) -> None:
    """With the field, where, and the remedy; as a wrong setting."""
    desk.write(datum("one"))
    code, told = desk.run(sources__id="customer")
    assert code == 2
    assert "did you mean `customer_id`?" in told


def test_a_source_is_chosen(desk: Desk) -> None:
    """By its number or by one of its topics; another is refused with what there is."""
    desk.write(datum("one"))
    assert desk.answer("--source", "1")["sources"][0]["records"] == 1
    assert desk.answer("--source", TOPIC)["sources"][0]["source"] == 1
    for wrong in ("2", "0", "another"):
        code, told = desk.run("--source", wrong)
        assert (code, "write 1 to 1" in told) == (2, True)


def test_a_registry_that_is_away_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """On one line and with 1, as `check` ends."""
    monkeypatch.setattr("connector.service.preview.looking.ANSWER_WITHIN_S", 0.5)
    desk.write(b"\0\0\0\0\1" + datum("one"))
    given = {"registry": {"url": "http://127.0.0.1:1"}, "sources__framing": "confluent", "sources__schema_file": None}
    code, told = desk.run(**given)
    assert code == 1
    said = "error: the schema registry at 127.0.0.1 does not answer (ConnectError); see registry.url"
    assert told.splitlines() == [said]


def test_brokers_that_are_away_are_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the cause, on one line and with 1."""
    monkeypatch.setattr("connector.kafka.ranges.CALL_TIMEOUT_S", 1.0)
    code, told = desk.run(kafka__bootstrap_servers="127.0.0.1:1")
    assert code == 1
    assert told.splitlines() == [
        "error: Kafka does not answer: nothing listens there; start the brokers, or correct kafka.bootstrap_servers"
    ]


def test_the_docs_show_what_it_prints(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """The example of docs/preview.md is what these records give; the times and the topic's rate are put in."""
    cities = ["Graz", "São Paulo", "Vienna, Austria", None, "Linz-Urfahr"]
    desk.write(*(datum(f"C-{n % 240:06}", cities[n % 5], n * 37 % 900) for n in range(996)))
    desk.write(datum("C+1"), datum("C+2"), b"\x80", None, partition=1)
    answer = desk.answer()
    answer["sources"][0] |= {"from": "2026-11-24T08:00:00Z", "to": "2026-11-24T08:05:00Z"}
    answer["calls"] |= {
        "records_an_hour": 12_000, "profiles_an_hour": 2_304, "calls_an_hour": 349.5,
        "calls_if_full_an_hour": 0.0, "closed_by": "max_age",
    }  # fmt: skip
    shown.show(answer)
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    shown_there = [line.rstrip() for line in DOCS.split("```text\n")[1].split("```")[0].splitlines()]
    assert printed == shown_there
