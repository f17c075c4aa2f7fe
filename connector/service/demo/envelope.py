"""The CRM's changes as Debezium would write them, if it read them from the CRM's database.

Owns the envelope's schema around the customer's, and its datums. Pure. Called by `feed`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from connector.service.demo.customers import Change

_TOPIC: Final = "demo.crm.customers"
_SOURCE: Final = {
    "type": "record",
    "name": "Source",
    "namespace": "io.debezium.connector.mysql",
    "fields": [
        {"name": "connector", "type": "string"},
        {"name": "name", "type": "string"},
        {"name": "ts_ms", "type": "long"},
        {"name": "db", "type": "string"},
        {"name": "table", "type": "string"},
    ],
}


def schema(row: str) -> str:
    """The envelope's schema around a row's, both as JSON."""
    value = json.loads(row) | {"name": "Value", "namespace": _TOPIC}
    fields = [
        {"name": "before", "type": ["null", value], "default": None},
        {"name": "after", "type": ["null", "Value"], "default": None},
        {"name": "source", "type": _SOURCE},
        {"name": "op", "type": "string"},
        {"name": "ts_ms", "type": ["null", "long"], "default": None},
    ]
    return json.dumps({"type": "record", "name": "Envelope", "namespace": _TOPIC, "fields": fields})


def upsert(row: Change) -> dict[str, Any]:
    """A create, if it is the first version of a customer, or an update without the row before."""
    return _datum("c" if row["version"] == 1 else "u", None, row)


def delete(row: Change) -> dict[str, Any]:
    """A delete, with what the row was."""
    return _datum("d", row, None)


def _datum(op: str, before: Change | None, after: Change | None) -> dict[str, Any]:
    at_ms = int(((before or after) or {})["updated_at"].timestamp() * 1000)
    source = {"connector": "mysql", "name": "demo", "ts_ms": at_ms, "db": "crm", "table": "customers"}
    return {"before": before, "after": after, "source": source, "op": op, "ts_ms": at_ms}
