"""Rows without an envelope: Debezium's transformation, and a JDBC source's."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.samples.debezium import MONEY, UNAVAILABLE
from tests.samples.sample import Event, Sample, row


def _optional(name: str, kind: Any) -> dict[str, Any]:
    return {"name": name, "type": ["null", kind], "default": None}


def _unwrapped() -> Sample:
    schema = {
        "type": "record",
        "name": "Value",
        "namespace": "crm.public.customers",
        "fields": [
            {"name": "customer_id", "type": "string"},
            _optional("tier", "string"),
            _optional("notes", "string"),
            _optional("__op", "string"),
            _optional("__source_ts_ms", "long"),
            _optional("__deleted", "string"),
        ],
        "connect.name": "crm.public.customers.Value",
    }
    live = {
        "customer_id": "c-1", "tier": "gold", "notes": "at noon", "__op": "c", "__source_ts_ms": 1, "__deleted": "false"
    }  # fmt: skip
    toast = live | {"tier": "silver", "notes": UNAVAILABLE, "__op": "u"}
    return Sample(
        "debezium-unwrapped",
        schema,
        {
            "shape": "debezium-unwrapped",
            "id": "customer_id",
            "attributes": {"tier": "tier", "notes": "notes"},
            "on_delete": "send",
            "deleted": {"status": "gone"},
        },
        [
            Event("create", live, row("c-1", tier="gold", notes="at noon", status=None)),
            Event("snapshot", live | {"__op": "r"}, row("c-1", tier="gold", notes="at noon", status=None)),
            Event("update", toast, row("c-1", tier="silver", notes=None, status=None)),
            Event(
                "delete, with what the row was",
                live | {"notes": "a, b", "__op": "d", "__deleted": "true"},
                row("c-1", tier=None, notes=None, status="gone"),
            ),
            Event("truncate", live | {"__op": "t"}, "truncate"),
            Event(
                "delete without `__deleted`",
                live | {"__op": "d", "__deleted": None},
                row("c-1", tier=None, notes=None, status="gone"),
            ),
            Event(
                "delete without `__op`",
                live | {"__op": None, "__deleted": "true"},
                row("c-1", tier=None, notes=None, status="gone"),
            ),
        ],
    )


def _jdbc() -> Sample:
    schema = {
        "type": "record",
        "name": "customers",
        "fields": [
            {"name": "id", "type": "long"},
            _optional("tier", "string"),
            _optional("balance", MONEY),
            {"name": "is_deleted", "type": "boolean"},
            {
                "name": "updated_at",
                "type": {
                    "type": "long",
                    "connect.version": 1,
                    "connect.name": "org.apache.kafka.connect.data.Timestamp",
                    "logicalType": "timestamp-millis",
                },
            },
        ],
        "connect.name": "customers",
    }
    live = {"id": 7, "tier": "gold", "balance": Decimal("1.50"), "is_deleted": False, "updated_at": 1_767_225_600_000}
    return Sample(
        "jdbc",
        schema,
        {
            "shape": "jdbc",
            "id": "id",
            "attributes": {"tier": "tier", "balance": "balance", "at": "updated_at"},
            "delete_flag": {"field": "is_deleted", "value": True},
        },
        [
            Event("row", live, row("7", tier="gold", balance="1.50", at="2026-01-01T00:00:00.000Z")),
            Event(
                "row with a null",
                live | {"tier": None},
                row("7", tier=None, balance="1.50", at="2026-01-01T00:00:00.000Z"),
            ),
            Event("row that is deleted", live | {"is_deleted": True}, "delete"),
        ],
    )


SAMPLES = [_unwrapped(), _jdbc()]
