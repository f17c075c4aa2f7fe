"""Debezium's envelope, as its connectors for four databases fill it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.samples.sample import Event, Sample, row

if TYPE_CHECKING:
    from collections.abc import Mapping

UNAVAILABLE = "__debezium_unavailable_value"
AT_MS = 1_767_225_600_000


def envelope(topic: str, connector: str, columns: list[dict[str, Any]], position: dict[str, Any]) -> dict[str, Any]:
    """An envelope's schema: the row is defined in `before` and named in `after`."""
    common: list[dict[str, Any]] = [{"name": name, "type": "string"} for name in ("version", "connector", "name")]
    common += [
        {"name": "ts_ms", "type": "long"},
        {
            "name": "snapshot",
            "type": [
                {
                    "type": "string",
                    "connect.version": 1,
                    "connect.parameters": {"allowed": "true,first,first_in_data_collection,last,false,incremental"},
                    "connect.default": "false",
                    "connect.name": "io.debezium.data.Enum",
                },
                "null",
            ],
            "default": "false",
        },
        {"name": "db", "type": "string"},
        {"name": "table", "type": ["null", "string"], "default": None},
    ]
    own = [{"name": name, "type": ["null", kind], "default": None} for name, kind in position.items()]
    source = {
        "type": "record",
        "name": "Source",
        "namespace": f"io.debezium.connector.{connector}",
        "fields": common + own,
        "connect.name": f"io.debezium.connector.{connector}.Source",
    }
    value = {"type": "record", "name": "Value", "fields": columns, "connect.name": f"{topic}.Value"}
    block = {
        "type": "record",
        "name": "block",
        "namespace": "event",
        "fields": [
            {"name": "id", "type": "string"},
            {"name": "total_order", "type": "long"},
            {"name": "data_collection_order", "type": "long"},
        ],
        "connect.version": 1,
        "connect.name": "event.block",
    }
    return {
        "type": "record",
        "name": "Envelope",
        "namespace": topic,
        "fields": [
            {"name": "before", "type": ["null", value], "default": None},
            {"name": "after", "type": ["null", "Value"], "default": None},
            {"name": "source", "type": source},
            {"name": "transaction", "type": ["null", block], "default": None},
            {"name": "op", "type": "string"},
            {"name": "ts_ms", "type": ["null", "long"], "default": None},
            {"name": "ts_us", "type": ["null", "long"], "default": None},
            {"name": "ts_ns", "type": ["null", "long"], "default": None},
        ],
        "connect.version": 2,
        "connect.name": f"{topic}.Envelope",
    }


def change(
    connector: str, op: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, **position: Any
) -> dict[str, Any]:
    """An envelope's datum."""
    source = {
        "version": "3.3.0.Final",
        "connector": connector,
        "name": "crm",
        "ts_ms": AT_MS,
        "snapshot": "last" if op == "r" else "false",
        "db": "crm",
        "table": "customers",
        **position,
    }
    transaction = {"id": "571", "total_order": 1, "data_collection_order": 1} if op == "u" else None
    times = {"ts_ms": AT_MS + 1, "ts_us": (AT_MS + 1) * 1000, "ts_ns": (AT_MS + 1) * 1_000_000}
    return {"before": before, "after": after, "source": source, "transaction": transaction, "op": op, **times}


def _column(name: str, kind: Any, *, default: Any = None) -> dict[str, Any]:
    """A nullable column; Connect puts the branch of the default first."""
    return {"name": name, "type": ["null", kind] if default is None else [kind, "null"], "default": default}


def _named(kind: str, connect_name: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "connect.version": 1, "connect.name": connect_name, **more}


ZONED = _named("string", "io.debezium.time.ZonedTimestamp")
MONEY = _named(
    "bytes",
    "org.apache.kafka.connect.data.Decimal",
    logicalType="decimal",
    scale=2,
    precision=10,
    **{"connect.parameters": {"scale": "2", "connect.decimal.precision": "10"}},
)


def _mysql() -> Sample:
    columns = [
        {"name": "customer_id", "type": "string"},
        _column("tier", _named("string", "io.debezium.data.Enum"), default="basic"),
        _column("city", "string"),
        _column("balance", MONEY),
        _column("newsletter", {"type": "int", "connect.type": "int16"}, default=0),
        _column("updated_at", ZONED),
    ]
    topic = "crm.crm.customers"
    schema = envelope(topic, "mysql", columns, {"gtid": "string", "file": "string", "pos": "long", "row": "int"})
    old = {
        "customer_id": "c-1", "tier": "basic", "city": "Graz", "balance": Decimal("12.50"), "newsletter": 0,
        "updated_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    new = old | {"tier": "gold", "balance": Decimal("-0.05"), "newsletter": 1}
    at = {"gtid": None, "file": "binlog.000004", "pos": 1047, "row": 0}
    attributes = {"loyaltyTier": "tier", "city": "city", "balance": "balance", "newsletter": "newsletter"}
    before = {"loyaltyTier": "basic", "city": "Graz", "balance": "12.50", "newsletter": "0"}
    after = {"loyaltyTier": "gold", "city": "Graz", "balance": "-0.05", "newsletter": "1"}
    return Sample(
        "debezium-mysql",
        schema,
        {"shape": "debezium", "id": "customer_id", "attributes": attributes, "on_null": {"city": "sentinel"}},
        [
            Event("snapshot", change("mysql", "r", None, old, **at), row("c-1", **before)),
            Event("create", change("mysql", "c", None, old, **at), row("c-1", **before)),
            Event("update", change("mysql", "u", old, new, **at), row("c-1", **after)),
            Event(
                "update to null",
                change("mysql", "u", new, new | {"city": None}, **at),
                row("c-1", **after | {"city": "NONE"}),
            ),
            Event("delete", change("mysql", "d", new, None, **at), "delete"),
        ],
    )


def _postgresql() -> Sample:
    columns = [
        {"name": "customer_id", "type": _named("string", "io.debezium.data.Uuid")},
        _column("tier", "string"),
        _column("notes", "string"),
        _column("tags", {"type": "array", "items": ["null", "string"]}),
        _column("updated_at", _named("long", "io.debezium.time.MicroTimestamp")),
    ]
    schema = envelope(
        "crm.public.customers", "postgresql", columns, {"schema": "string", "txId": "long", "lsn": "long"}
    )
    customer = "0b5e7c1a-6f0a-4c51-9d0f-3c3a3f1f2e11"
    full = {"customer_id": customer, "tier": "gold", "notes": "calls at noon", "tags": ["vip"], "updated_at": 1}
    toast = full | {"tier": "silver", "notes": UNAVAILABLE, "tags": [UNAVAILABLE]}
    only_key = {"customer_id": customer, "tier": None, "notes": None, "tags": None, "updated_at": None}
    at = {"schema": "public", "txId": 571, "lsn": 24023128}
    updated = "1970-01-01T00:00:00.000001"
    sent = {"tier": "gold", "notes": "calls at noon", "tags": '["vip"]', "updated": updated}
    name = "postgresql"
    return Sample(
        "debezium-postgresql",
        schema,
        {
            "shape": "debezium",
            "id": "customer_id",
            "attributes": {"tier": "tier", "notes": "notes", "tags": "tags", "updated": "updated_at"},
            "on_null": {"*": "sentinel", "tier": "leave"},
            "sentinel": "(none)",
        },
        [
            Event("snapshot", change(name, "r", None, full, **at), row(customer, **sent)),
            Event("create", change(name, "c", None, full, **at), row(customer, **sent)),
            Event(
                "update without the unchanged large values",
                change(name, "u", None, toast, **at),
                row(customer, tier="silver", notes=None, tags=None, updated=updated),
            ),
            Event(
                "update to null",
                change(name, "u", None, full | {"tier": None, "notes": None, "tags": [UNAVAILABLE]}, **at),
                row(customer, tier=None, notes="(none)", tags=None, updated=updated),
            ),
            Event("delete", change(name, "d", only_key, None, **at), "delete"),
            Event("truncate", change(name, "t", None, None, **at), "truncate"),
            Event("message", change(name, "m", None, None, **at), "message"),
            Event("an operation that is none", change(name, "x", None, full, **at), "shape"),
        ],
    )


def _sqlserver() -> Sample:
    columns = [
        {"name": "ContactId", "type": "string"},
        _column("EMailAddress1", "string"),
        _column("StateCode", "int"),
        _column("ModifiedOn", _named("long", "io.debezium.time.NanoTimestamp")),
    ]
    position = {"schema": "string", "change_lsn": "string", "commit_lsn": "string", "event_serial_no": "long"}
    schema = envelope("crm.CRM_MSCRM.dbo.ContactBase", "sqlserver", columns, position)
    customer = "7D3A9B1C-0F2E-4B5D-8C6A-112233445566"
    old = {"ContactId": customer, "EMailAddress1": "a@example.com", "StateCode": 0, "ModifiedOn": 1}
    new = old | {"EMailAddress1": None, "StateCode": 1}
    at = {"schema": "dbo", "change_lsn": "00000027:00000758:0003", "commit_lsn": "00000027:00000758:0005",
          "event_serial_no": 2}  # fmt: skip
    before = {"email": "a@example.com", "state": "0", "modified": "1970-01-01T00:00:00.000000001"}
    name = "sqlserver"
    return Sample(
        "debezium-sqlserver",
        schema,
        {
            "shape": "debezium",
            "id": "ContactId",
            "attributes": {"email": "EMailAddress1", "state": "StateCode", "modified": "ModifiedOn"},
            "on_delete": "send",
            "deleted": {"state": "gone"},
        },
        [
            Event("snapshot", change(name, "r", None, old, **at), row(customer, **before)),
            Event("create", change(name, "c", None, old, **at), row(customer, **before)),
            Event("update", change(name, "u", old, new, **at), row(customer, **before | {"email": None, "state": "1"})),
            Event("delete", change(name, "d", new, None, **at), row(customer, email=None, state="gone", modified=None)),
        ],
    )


def _oracle() -> Sample:
    key = _named("bytes", "org.apache.kafka.connect.data.Decimal", logicalType="decimal", scale=0, precision=10)
    columns = [
        {"name": "CUSTOMER_ID", "type": key},
        _column("TIER", "string"),
        _column("BIOGRAPHY", "string"),
        _column("BORN", _named("long", "io.debezium.time.Timestamp")),
    ]
    schema = envelope("crm.CRM.CUSTOMERS", "oracle", columns, {"schema": "string", "scn": "string", "txId": "string"})
    old = {"CUSTOMER_ID": Decimal(1001), "TIER": "basic", "BIOGRAPHY": "long text", "BORN": 0}
    new = old | {"TIER": "gold", "BIOGRAPHY": UNAVAILABLE}
    before = {"tier": "basic", "biography": "long text", "born": "1970-01-01T00:00:00.000"}
    at = {"schema": "CRM", "scn": "2122185", "txId": "6.28.807"}
    return Sample(
        "debezium-oracle",
        schema,
        {
            "shape": "debezium",
            "id": "CUSTOMER_ID",
            "attributes": {"tier": "TIER", "biography": "BIOGRAPHY", "born": "BORN"},
            "on_delete": "dead_letter",
        },
        [
            Event("snapshot", change("oracle", "r", None, old, **at), row("1001", **before)),
            Event("create", change("oracle", "c", None, old, **at), row("1001", **before)),
            Event(
                "update",
                change("oracle", "u", old, new, **at),
                row("1001", tier="gold", biography=None, born=before["born"]),
            ),
            Event("delete", change("oracle", "d", new, None, **at), "deleted"),
        ],
    )


SAMPLES = [_mysql(), _postgresql(), _sqlserver(), _oracle()]
