"""What the tools' own serializers write, for the tests of framings; README.md says how it was made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Message

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Golden:
    """A record as a serializer wrote it."""

    framing: str
    tool: str
    value: bytes
    headers: dict[str, bytes]


def golden(framing: str, form: str = "") -> list[Golden]:
    """The three records of a framing, in the form whose tool's name ends so."""
    found = []
    for line in (HERE / "golden.jsonl").read_text("utf-8").splitlines():
        one = json.loads(line)
        headers = {name: bytes.fromhex(content) for name, content in one["headers"].items()}
        if one["framing"] == framing and one["tool"].partition(", ")[2] == form:
            found.append(Golden(framing, one["tool"], bytes.fromhex(one["value"]), headers))
    return found


def record(value: bytes | None, key: bytes | None = None, headers: Any = None) -> Message:
    """A record as the client gives it."""
    return Message("crm", 0, 0, key, value, headers)


def written(framing: str, form: str) -> list[Message]:
    """What a serializer wrote, ten times."""
    return [record(one.value, headers=list(one.headers.items())) for one in golden(framing, form)] * 10


CUSTOMERS = [("c-1", "gold"), ("c-2", None), ("c-3", "silver " * 40)]
SCHEMA = {
    "type": "record",
    "name": "Customer",
    "namespace": "golden",
    "fields": [{"name": "customer_id", "type": "string"}, {"name": "tier", "type": ["null", "string"]}],
}
