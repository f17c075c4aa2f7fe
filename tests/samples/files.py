"""The samples as files: schema (`.avsc`), events in Avro's JSON (`.jsonl`), and in an object container (`.avro`)."""

from __future__ import annotations

import io
import json
from copy import deepcopy
from pathlib import Path

import fastavro

from tests.samples import debezium, rows, salesforce

FOLDER = Path(__file__).parents[2] / "schemas" / "samples"
SAMPLES = {sample.name: sample for sample in (*debezium.SAMPLES, *rows.SAMPLES, *salesforce.SAMPLES)}
_MARKER = b"target-connector"  # of 16 bytes; any other would do, but the files should not change each time


def contents() -> dict[str, bytes]:
    """Content of each file, by its name."""
    files: dict[str, bytes] = {}
    for sample in SAMPLES.values():
        schema, datums = deepcopy(dict(sample.schema)), [dict(event.datum) for event in sample.events]
        text, binary = io.StringIO(), io.BytesIO()
        fastavro.json_writer(text, fastavro.parse_schema(schema), datums)
        fastavro.writer(binary, fastavro.parse_schema(schema), datums, sync_marker=_MARKER)
        files[f"{sample.name}.avsc"] = (json.dumps(sample.schema, indent=2) + "\n").encode()
        files[f"{sample.name}.jsonl"] = (text.getvalue() + "\n").encode()
        files[f"{sample.name}.avro"] = binary.getvalue()
    return files
