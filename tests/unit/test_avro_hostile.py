"""Hostile records and schemas: whatever a producer writes or a registry says, decoding ends, and in bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from connector.avro.lowering import parse
from connector.avro.paths import leaves
from connector.avro.schema import SchemaError

ROOT = Path(__file__).parents[2]
MEGABYTES = 300  # 150 are taken; without slices the large datums alone would take 500


@pytest.mark.parametrize("seed", [1, 2])
def test_no_record_takes_the_process_with_it(seed: int) -> None:
    """Of 20,000 damaged records and some that claim much, each is readable or a fault; time and memory are bounded."""
    child = Path(__file__).with_name("hostile_datums.py")
    run = subprocess.run(
        [sys.executable, str(child), str(seed), "20000"],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    assert sorted(report["readable"] + report["unreadable"]) == list(range(report["records"]))
    assert set(range(0, 20_000, 100)) <= set(report["readable"])
    assert len(report["unreadable"]) > 10_000
    assert not [detail for detail in report["details"] if "Memory" in detail]
    assert report["megabytes"] < MEGABYTES


def _field(avro: Any, name: str = "R") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": "f", "type": avro}]}


def _laughs(levels: int) -> dict[str, Any]:
    """Each record holds the one before twice: two to the power of levels."""
    inner: dict[str, Any] = _field("long", "L0")
    for level in range(1, levels + 1):
        fields = [{"name": "a", "type": inner}, {"name": "b", "type": f"L{level - 1}"}]
        inner = {"type": "record", "name": f"L{level}", "fields": fields}
    return inner


@pytest.mark.parametrize(
    ("text", "what"),
    [
        pytest.param(json.dumps(_laughs(40)), "10,000 types", id="a billion laughs by names"),
        pytest.param(json.dumps(_field({"type": "array", "items": _laughs(40)})), "10,000 types", id="in an array"),
        pytest.param(json.dumps(_field({"type": "map", "values": _laughs(40)})), "10,000 types", id="in a map"),
        pytest.param(json.dumps(_field(["int", "null", _laughs(40)])), "10,000 types", id="in a union"),
        pytest.param(
            json.dumps({**_field("int"), "fields": [{"name": f"f{n}", "type": "int"} for n in range(20_000)]}),
            "10,000 types",
            id="20,000 fields",
        ),
        pytest.param('{"type": "array", "items": ' * 50_000, "deep", id="nesting without an end"),
        pytest.param("[" * 100_000 + "]" * 100_000, "deep", id="lists in lists"),
        pytest.param('{"type": "record", "name": "R", "fields": ' + "9" * 5_000 + "}", "no Avro", id="a huge number"),
        pytest.param("", "no Avro", id="nothing"),
        pytest.param("\0" * 100, "no Avro", id="zero bytes"),
        pytest.param('"\\ud800"', "no Avro", id="half a character"),
        pytest.param("NaN", "no Avro", id="no number"),
        pytest.param('{"type": {"type": {"type": "record"}}}', "no Avro", id="a record without anything"),
        pytest.param('{"type": "record", "name": "R", "fields": {"a": 1}}', "no Avro", id="fields that are no list"),
    ],
)
def test_a_hostile_schema_is_refused_at_once(text: str, what: str) -> None:
    """A schema that would unfold without an end, or is none, is refused with one line after little computing."""
    began = time.process_time()
    with pytest.raises(SchemaError, match=what) as refused:
        parse(text, "schema 5")
    assert time.process_time() - began < 2
    assert len(str(refused.value)) <= 300


def test_a_schema_of_a_few_thousand_fields_is_read() -> None:
    """What large systems really have is far below the bound."""
    fields = [{"name": f"f{n}", "type": ["null", "string"]} for n in range(5_000)]
    assert len(list(leaves(parse(json.dumps({**_field("int"), "fields": fields}), "schema 5").root))) == 5_000
