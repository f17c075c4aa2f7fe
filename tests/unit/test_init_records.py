"""The command `init`, where brokers are named: framing and keys proposed by the newest records."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
import yaml

from connector.avro.shapes.detection import detect
from connector.avro.wire import Framing
from connector.service.init import proposal
from connector.service.init.records import Looked, judge
from connector.service.loading import load
from tests.framings import record, written

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DTYPES = {"customer_id": pl.String(), "city": pl.String()}
ANONYMOUS = {"city": pl.String()}
FRAMED = struct.pack(">bI", 0, 5) + b"\x06c-1"


def source(looked: Looked | None, dtypes: Mapping[str, pl.DataType], schema: str | None = None) -> dict[str, Any]:
    """The source that is proposed, as YAML reads it."""
    place = proposal.Place("crm.customers", "broker-1:9092", "http://registry:8081", "acme", schema)
    text = proposal.render(place, detect(dtypes), proposal.propose(dtypes), looked)
    found: dict[str, Any] = yaml.safe_load(text)["sources"][0]
    return found


@pytest.mark.parametrize(
    ("name", "form", "proposed"),
    [
        ("confluent", "", {"framing": "confluent"}),
        ("confluent-header", "", {"framing": "confluent-header"}),
        ("apicurio", "8 bytes, global id", {"framing": "apicurio", "apicurio_id": "global", "apicurio_id_bytes": 8}),
        ("apicurio-header", "content id", {"framing": "apicurio-header"}),
        ("glue", "zlib", {"framing": "glue", "schema_dir": "CHOOSE"}),
        ("single-object", "", {"framing": "single-object", "schema_dir": "CHOOSE"}),
    ],
)
def test_each_framing_is_proposed(name: str, form: str, proposed: dict[str, Any]) -> None:
    """By what its own serializer wrote, with the keys that it needs."""
    found = source(judge(written(name, form)), DTYPES)
    keys = {"framing", "apicurio_id", "apicurio_id_bytes", "schema_dir", "schema_file"}
    assert {key: value for key, value in found.items() if key in keys} == proposed


@pytest.mark.parametrize(
    ("looked", "schema", "told"),
    [
        pytest.param(None, None, "a guess: no record was looked at", id="nobody was asked"),
        pytest.param(judge([]), None, "a guess: the topic holds no record yet", id="no records"),
        pytest.param(judge([record(b"{}")]), None, "the newest 1 records look like JSON, not Avro", id="JSON"),
        pytest.param(
            judge([record(struct.pack(">bI", 0, 5) + b'{"id": 1}')]), None, "JSON in it, not Avro", id="framed JSON"
        ),
        pytest.param(judge([record(b"{}")]), "x.avsc", "framing: plain  # but the newest records look", id="a file"),
    ],
)
def test_a_guess_is_called_one(looked: Looked | None, schema: str | None, told: str) -> None:
    """With what to look at."""
    place = proposal.Place("crm.customers", "broker-1:9092", "http://registry:8081", "acme", schema)
    assert told in proposal.render(place, detect(DTYPES), proposal.propose(DTYPES), looked)


def test_a_schema_file_is_not_read_as_bare_datums_if_records_are_framed() -> None:
    """The records name schemas of the registry, whatever the file is called; bare datums are of the file."""
    assert source(judge(written("confluent", "")), DTYPES, "x.avsc")["framing"] == "confluent"
    assert "schema_file" not in source(judge(written("confluent", "")), DTYPES, "x.avsc")
    assert source(judge([record(b"\x06c-1\x08Graz")]), DTYPES, "x.avsc")["framing"] == "plain"
    assert source(judge(written("glue", "")), DTYPES, "x.avsc")["schema_file"] == "x.avsc"


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        ([b"c-1", b"c-2"], "text"),
        ([FRAMED, FRAMED], "confluent"),
        ([b"c-1", None], None),
        ([None, None], None),
        ([b'{"id": 1}'], None),
        ([struct.pack(">q", 5)], None),
        ([], None),
    ],
)
def test_keys_are_recognised(keys: list[bytes | None], kind: str | None) -> None:
    """Only if every record has one, and all are of the same kind; a number in eight bytes is no text."""
    assert judge([record(b"v", key) for key in keys]).keys == kind


def test_the_key_is_proposed_where_no_field_looks_like_the_id(tmp_path: Path) -> None:
    """As text, or the field of its record; where a field does, only in a comment; the settings load."""
    text = judge([record(FRAMED, b"c-1")] * 2)
    found = source(text, ANONYMOUS)
    assert (found["id"], found["key_framing"]) == ("key", "text")
    framed = Looked(2, Framing.CONFLUENT, None, "confluent", key_path="customer_id")
    found = source(framed, ANONYMOUS)
    assert (found["id"], found["key_framing"]) == ("key.customer_id", "confluent")
    assert source(Looked(2, Framing.CONFLUENT, None, "confluent"), ANONYMOUS)["id"] == "CHOOSE"
    named = source(text, DTYPES)
    assert (named["id"], "key_framing" in named) == ("customer_id", False)
    place = proposal.Place(
        "crm.customers", "b:9092", "http://r:1", "acme", None, {"security.protocol": "SSL", "client.id": "a: #b"}
    )
    for looked in (text, framed):
        written_there = tmp_path / "connector.yaml"
        written_there.write_text(proposal.render(place, detect(ANONYMOUS), proposal.propose(ANONYMOUS), looked))
        loaded = load(written_there, {})
        assert loaded.sources[0].id == looked.key_id
        assert loaded.kafka.properties["client.id"] == "a: #b"
    assert "# id: key  # or the key, with key_framing: text" in proposal.render(
        place, detect(DTYPES), proposal.propose(DTYPES), text
    )
