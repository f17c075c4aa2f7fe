"""The decoder: columns against record by record, for records of several kinds, in one run.

`python -m benchmarks.decode` prints how many events a second each decodes on one thread, and the ratio; the two take
turns, so that a busy machine harms both. Nothing else of the road is in it: datums in, columns out.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from io import BytesIO
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import fastavro
import polars as pl

from benchmarks.figures import table
from connector.avro import rows
from connector.avro.lowering import parse
from connector.avro.paths import find
from connector.avro.reading import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CHUNK: Final = 10_000  # what one poll brings at most


@dataclass(frozen=True)
class Kind:
    """A kind of record: its schema, the `n`th value, and the paths that a mapping of it uses."""

    schema: Any
    value: Callable[[int], Any]
    paths: Sequence[str]


def _record(name: str, fields: dict[str, Any]) -> Any:
    return {"type": "record", "name": name, "fields": [{"name": key, "type": avro} for key, avro in fields.items()]}


def _flat(columns: int, share: float = 1) -> Kind:
    """An id and texts, of which some are mapped."""
    names = [f"a{number}" for number in range(columns)]
    used = names[: max(1, int(columns * share))]
    return Kind(
        _record("Customer", {"id": "string"} | {name: ["null", "string"] for name in names}),
        lambda n: (
            {"id": f"c-{n:07}"}
            | {name: None if (n + at) % 9 == 0 else f"value {n % 97}" for at, name in enumerate(names)}
        ),
        ["id", *used],
    )


def _debezium() -> Kind:
    """PostgreSQL's envelope with nine columns."""
    value = _record(
        "Value",
        {
            "id": "long",
            "email": ["null", "string"],
            "first_name": ["null", "string"],
            "last_name": ["null", "string"],
            "tier": ["null", "string"],
            "points": ["null", "int"],
            "balance": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}],
            "created": ["null", {"type": "long", "logicalType": "timestamp-micros"}],
            "active": ["null", "boolean"],
        },
    )
    source = _record(
        "Source",
        dict.fromkeys(("version", "connector", "name", "db", "schema", "table"), "string")
        | {"ts_ms": "long", "txId": ["null", "long"], "lsn": ["null", "long"], "snapshot": ["null", "string"]},
    )
    envelope = _record(
        "Envelope",
        {
            "before": ["null", value],
            "after": ["null", "Value"],
            "source": source,
            "op": "string",
            "ts_ms": ["null", "long"],
        },
    )

    def one(n: int) -> Any:
        row = {
            "id": n, "email": f"user{n}@example.com", "first_name": "Ada", "last_name": f"Name {n % 991}",
            "tier": "gold", "points": n % 5000, "balance": b"\x01\x00", "created": 1_700_000_000_000_000 + n,
            "active": n % 2 == 0,
        }  # fmt: skip
        where = {"version": "3.0", "connector": "postgresql", "name": "crm", "db": "crm", "schema": "public"}
        at = {"table": "customers", "ts_ms": 1_700_000_000_000, "txId": n, "lsn": n * 8, "snapshot": None}
        return {"before": None, "after": row, "source": where | at, "op": "u", "ts_ms": 1_700_000_000_000}

    return Kind(
        envelope, one, ["after.id", "after.email", "after.tier", "after.points", "after.balance", "after.created", "op"]
    )


def _salesforce() -> Kind:
    """An account's change event: a header and 64 fields of which most are null, one a union of text and record."""
    names = [f"Field{number}__c" for number in range(60)]
    header = _record(
        "ChangeEventHeader",
        {
            "entityName": "string",
            "recordIds": {"type": "array", "items": "string"},
            "changeType": {"type": "enum", "name": "ChangeType", "symbols": ["CREATE", "UPDATE", "DELETE", "UNDELETE"]},
            "changeOrigin": "string",
            "transactionKey": "string",
            "sequenceNumber": "int",
            "commitTimestamp": "long",
            "commitNumber": "long",
            "commitUser": "string",
            "nulledFields": {"type": "array", "items": "string"},
            "diffFields": {"type": "array", "items": "string"},
            "changedFields": {"type": "array", "items": "string"},
        },
    )
    person = _record("PersonName", {key: ["null", "string"] for key in ("Salutation", "FirstName", "LastName")})
    fields = {"ChangeEventHeader": header, "Name": ["null", "string", person], "Phone": ["null", "string"]}
    schema = _record(
        "AccountChangeEvent",
        fields | {name: ["null", "string" if at % 3 else "double"] for at, name in enumerate(names)},
    )

    def one(n: int) -> Any:
        head = {
            "entityName": "Account", "recordIds": [f"001{n:015}"], "changeType": "UPDATE", "changeOrigin": "",
            "transactionKey": f"{n:036}", "sequenceNumber": 1, "commitTimestamp": 1_700_000_000_000, "commitNumber": n,
            "commitUser": "005xx0000012345AAA", "nulledFields": [], "diffFields": [], "changedFields": ["0x06"],
        }  # fmt: skip
        name = ("PersonName", {"Salutation": None, "FirstName": "Ada", "LastName": f"Name {n % 991}"})
        changed = {names[at]: f"value {n % 97}" if at % 3 else 1.5 for at in range(n % 5, 60, 12)}
        return {"ChangeEventHeader": head, "Name": name, "Phone": f"+49 {n}"} | dict.fromkeys(names) | changed

    used = ["Name.FirstName", "Name.LastName", "Phone", *names[:5]]
    return Kind(schema, one, ["ChangeEventHeader.recordIds", "ChangeEventHeader.changeType", *used])


KINDS: Final = {
    "flat, 10 columns": lambda: _flat(10),
    "flat, 50 columns": lambda: _flat(50),
    "flat, 200 columns": lambda: _flat(200),
    "flat, 10 of 200": lambda: _flat(200, 0.05),
    "Debezium": _debezium,
    "Salesforce": _salesforce,
}


def measure(kind: Kind, turns: int) -> tuple[float, float, float]:
    """Give events a second in columns and singly, and the bytes of an event."""
    parsed = fastavro.parse_schema(json.loads(json.dumps(kind.schema)))
    datums = []
    for n in range(CHUNK):
        out = BytesIO()
        fastavro.schemaless_writer(out, parsed, kind.value(n))
        datums.append(out.getvalue())
    schema = parse(json.dumps(kind.schema), "schema 1")
    columns = [column for path in kind.paths if (column := find(path, schema.root))]
    reader, series = Reader(schema, columns), pl.Series(datums, dtype=pl.Binary)
    fast, slow = [], []
    for _ in range(turns):
        began = time.perf_counter()
        for _ in range(5):
            if reader.read(series).singly:
                raise SystemExit("records were read singly")
        fast.append((time.perf_counter() - began) / 5)
        began = time.perf_counter()
        rows.read(schema, columns, datums)
        slow.append(time.perf_counter() - began)
    return CHUNK / median(fast), CHUNK / median(slow), sum(map(len, datums)) / CHUNK


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decode", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 turns instead of 9")
    turns = 3 if parser.parse_args().quick else 9
    lines = []
    for name, kind in KINDS.items():
        fast, slow, size = measure(kind(), turns)
        lines.append((name, f"{size:.0f}", f"{fast / 1e3:,.0f}", f"{slow / 1e3:,.1f}", f"{fast / slow:.1f}"))
    print(table(("records", "bytes", "thousand a second in columns", "singly", "ratio"), lines))


if __name__ == "__main__":
    main()
