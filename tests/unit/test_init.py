"""The command `init`: what it proposes for a schema, and that its settings are settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from connector.avro.shapes.detection import detect
from connector.errors import FatalError, SettingError
from connector.service import cli
from connector.service.init import command, proposal
from connector.service.loading import load
from tests.samples.files import SAMPLES

PLACE = proposal.Place("crm.customers", "broker-1:9092", "http://registry:8081", "acme")
CUSTOMER: dict[str, Any] = {
    "type": "record",
    "name": "Customer",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "customer_id", "type": "string"},
        {"name": "tier", "type": ["null", {"type": "enum", "name": "Tier", "symbols": ["gold", "silver"]}]},
        {
            "name": "address",
            "type": {
                "type": "record",
                "name": "Address",
                "fields": [{"name": "city", "type": "string"}, {"name": "tier", "type": "string"}],
            },
        },
        {"name": "photo", "type": "bytes"},
    ],
}


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli.app, ["init", *arguments])
    if isinstance(done.exception, SettingError | FatalError):
        return 2 if isinstance(done.exception, SettingError) else 1, str(done.exception)
    return done.exit_code, done.output


def test_a_schema_becomes_settings(tmp_path: Path) -> None:
    """The likeliest id, each field with a text form under a name of its own, the others with the reason."""
    schema, output = tmp_path / "customer.avsc", tmp_path / "connector.yaml"
    schema.write_text(json.dumps(CUSTOMER))
    code, told = run("crm.customers", "--schema", str(schema), "--output", str(output), "--client", "acme")
    assert (code, f"check --config {output}" in told) == (0, True)
    text = output.read_text("utf-8")
    assert "# photo: holds bytes, which have no text form" in text
    assert "# id: id  # or this one" in text
    source = load(output, {}).sources[0]
    assert (source.id, source.framing, source.topics) == ("customer_id", "plain", ("crm.customers",))
    assert source.attributes == {"id": "id", "tier": "tier", "city": "address.city", "address_tier": "address.tier"}
    assert CliRunner().invoke(cli.app, ["check", "--config", str(output), "--schema", str(schema)]).exit_code == 0


@pytest.mark.parametrize(
    ("name", "shape", "chosen"),
    [
        ("debezium-mysql", "debezium", "customer_id"),
        ("debezium-sqlserver", "debezium", "ContactId"),
        ("debezium-unwrapped", "debezium-unwrapped", "customer_id"),
        ("salesforce", "salesforce", "ChangeEventHeader.recordIds"),
        ("salesforce-connect", "salesforce-connect", "Id"),
        ("jdbc", "flat", "id"),
    ],
)
def test_the_shape_is_proposed_with_the_row_inside(tmp_path: Path, name: str, shape: str, chosen: str) -> None:
    """What only one tool fills names the shape; id and attributes are the row's, and `check` is content with them."""
    schema, output = tmp_path / "topic.avsc", tmp_path / "connector.yaml"
    schema.write_text(json.dumps(SAMPLES[name].schema))
    assert run("crm.customers", "--schema", str(schema), "--output", str(output))[0] == 0
    source = load(output, {}).sources[0]
    assert (source.shape, source.id) == (shape, chosen)
    assert source.attributes != "all"
    assert not [
        path for path in source.attributes.values() if str(path).startswith(("after", "source", "ChangeEvent", "_"))
    ]
    assert ("delete_flag: {field: is_deleted, value: true}" in output.read_text("utf-8")) == (name == "jdbc")
    assert CliRunner().invoke(cli.app, ["check", "--config", str(output), "--schema", str(schema)]).exit_code == 0


@pytest.mark.parametrize(
    ("dtype", "told"),
    [
        (pl.Datetime("ms", "UTC"), "# a timestamp\n"),
        (pl.Datetime("ms"), "# a timestamp without a zone\n"),
        (pl.List(pl.String), "# a list or map: JSON, whose commas unsafe_text judges"),
        (
            pl.Struct({"?string": pl.String, "?Name": pl.Struct({"first": pl.String})}),
            "; a record as JSON, whose commas unsafe_text judges: rather name its fields",
        ),
        (pl.Struct({"?string": pl.String, "?long": pl.Int64}), "# one of several types\n"),
    ],
)
def test_what_a_field_is_stands_beside_it(dtype: pl.DataType, told: str) -> None:
    """In the words of expressions; JSON has commas, which `unsafe_text` refuses unless told otherwise."""
    dtypes = {"customer_id": pl.String(), "name": dtype}
    assert told in proposal.render(PLACE, detect(dtypes), proposal.propose(dtypes))


def test_the_schema_that_we_offer_producers_needs_no_decision(tmp_path: Path) -> None:
    """Every field of `schemas/customer.avsc` can be sent, and the id is found."""
    output = tmp_path / "connector.yaml"
    offered = Path(__file__).parents[2] / "schemas" / "customer.avsc"
    assert run("crm.customers", "--schema", str(offered), "--output", str(output))[0] == 0
    source, fields = load(output, {}).sources[0], [one["name"] for one in json.loads(offered.read_text())["fields"]]
    assert (source.id, source.shape) == ("customer_id", "flat")
    assert source.attributes == {name: name for name in fields if name != "customer_id"}


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    """It may hold what somebody decided."""
    kept = tmp_path / "connector.yaml"
    kept.write_text("kept")
    assert run("crm.customers", "--output", str(kept))[0] == 2
    assert kept.read_text() == "kept"


def test_no_field_looks_like_the_id() -> None:
    """Then a human has to choose; the settings load, and `check` names the fields there are."""
    dtypes = {"city": pl.String(), "identifier_of_nothing": pl.Float64()}
    found = proposal.propose(dtypes)
    assert (found.id, list(found.attributes)) == (None, ["city", "identifier_of_nothing"])
    assert "id: CHOOSE" in proposal.render(PLACE, detect(dtypes), found)


@pytest.mark.parametrize(
    ("paths", "chosen"),
    [
        (["id", "customerId"], "customerId"),
        (["account_id", "CUSTOMER_ID"], "CUSTOMER_ID"),
        (["order.customer_id", "customer_id"], "customer_id"),
        (["customer_id", "mbox3rdPartyId"], "mbox3rdPartyId"),
        (["id"], "id"),
    ],
)
def test_the_likeliest_id_is_proposed(paths: list[str], chosen: str) -> None:
    """By its name, the nearest to the top first."""
    assert proposal.propose(dict.fromkeys(paths, pl.String())).id == chosen


PATHS = r"[A-Za-z_][A-Za-z0-9_]{0,9}(\.[A-Za-z_][a-z]{0,5})?"
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
TYPES = st.sampled_from([pl.String(), pl.Int64(), pl.Binary(), pl.Date(), pl.Boolean(), pl.List(pl.String())])


@given(
    st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}(\.[A-Za-z_][a-z]{0,5})?", fullmatch=True), TYPES), NAMES
)
def test_whatever_the_schema_the_settings_load(dtypes: dict[str, pl.DataType], client: str) -> None:
    """No field's name makes YAML of another meaning: all that is proposed comes back as it was."""
    found = proposal.propose(dtypes)
    text = proposal.render(proposal.Place("crm.customers", "broker:9092", "http://r:1", client), detect(dtypes), found)
    read = yaml.safe_load(text)
    assert read["sources"][0]["id"] == (found.id or "CHOOSE")
    assert (read["sources"][0]["attributes"] or {}) == dict(found.attributes)
    assert read["target"]["client"] == client


def test_a_registry_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, though the service itself would wait."""
    monkeypatch.setattr(command, "ANSWER_WITHIN_S", 0.5)
    code, told = run("crm.customers", "--registry", "http://127.0.0.1:1")
    assert (code, told.startswith("--registry: "), "does not answer" in told) == (1, True, True)


def test_an_address_that_is_none_is_told() -> None:
    """With the option."""
    code, told = run("crm.customers", "--registry", "ftp://registry")
    assert (code, told.startswith("--registry: ")) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--property", "x"], "--property: write NAME=VALUE"),
        (["--property", "group.id=x"], "--property: "),
        (["--secret", "sasl.password"], "--secret: write NAME=VALUE"),
        (["--bootstrap-servers", "no address"], "--bootstrap-servers: "),
    ],
)
def test_what_is_wrong_with_kafkas_options_is_told(arguments: list[str], told: str) -> None:
    """With the option, before anybody is asked."""
    code, said = run("crm.customers", *arguments)
    assert (code, said.startswith(told)) == (2, True), said
