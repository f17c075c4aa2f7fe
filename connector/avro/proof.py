"""The engines prove themselves at start: datums of every type, read both ways, must come out the same.

They are pinned, but whoever installs may have others, or none (there is no wheel for musl). Called once by `service`,
in some milliseconds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import fastavro
import polars as pl

from connector.avro import rows
from connector.avro.columns import EngineError
from connector.avro.lowering import parse
from connector.avro.meaning import Unfit
from connector.avro.paths import reachable
from connector.avro.scalars import DatumError
from connector.avro.semantics import NAME, VARIABLE_SCALE

if TYPE_CHECKING:
    from connector.avro.layouts import Record
    from connector.avro.paths import Column
    from connector.avro.reading import Engine, Engines

_PERSON: Final = {
    "type": "record",
    "name": "Person",
    "fields": [
        {"name": "first", "type": "string"},
        {"name": "born", "type": ["null", {"type": "int", "logicalType": "date"}]},
    ],
}
_TYPES: Final[dict[str, tuple[Any, Any, Any]]] = {  # type, and the values of two datums
    "boolean": ("boolean", True, False),
    "int": ("int", -(2**31), 2**31 - 1),
    "long": ("long", -(2**63), 2**63 - 1),
    "float": ("float", 0.5, -1.25),
    "double": ("double", 1e300, -0.0),
    "bytes": ("bytes", b"\xff\x00", b""),
    "string": ("string", "漢字, Ä and twelve more", ""),
    "fixed": ({"type": "fixed", "name": "Fixed", "size": 3}, b"\xff\x00a", b"bcd"),
    "enum": ({"type": "enum", "name": "Enum", "symbols": ["A", "B"]}, "B", "A"),
    "nothing": ("null", None, None),
    "decimal": ({"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}, b"\xff\x01", b"\x00"),
    "digits": (
        {"type": "bytes", "logicalType": "decimal", "precision": 64, "scale": 3},
        b"\x7f" + b"\xff" * 14,
        b"\x80",
    ),
    "own_scale": (
        {
            "type": "record",
            "name": VARIABLE_SCALE,
            "fields": [{"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}],
        },
        {"scale": 3, "value": b"\xff\x01"},
        {"scale": -2, "value": b"\x05"},
    ),
    "zoneless": ({"type": "long", NAME: "io.debezium.time.MicroTimestamp"}, -1, 1_700_000_000_000_001),
    "nanos": ({"type": "long", NAME: "io.debezium.time.NanoTime"}, 1, 86_399_999_999_999),
    "uuid": ({"type": "fixed", "name": "Uuid", "size": 16, "logicalType": "uuid"}, bytes(range(16)), b"\xff" * 16),
    "day": ({"type": "int", "logicalType": "date"}, -719_162, 2_932_896),
    "time": ({"type": "long", "logicalType": "time-micros"}, 0, 86_399_999_999),
    "millis": ({"type": "long", "logicalType": "timestamp-millis"}, -1, 1_700_000_000_001),
    "micros": ({"type": "long", "logicalType": "local-timestamp-micros"}, -1, 1_700_000_000_000_001),
    "array": ({"type": "array", "items": ["null", "string"]}, ["a", None], []),
    "map": ({"type": "map", "values": "long"}, {"k": 1, "l": -1}, {}),
    "nullable": (["null", "string"], None, ("string", "a text of many letters")),
    "last": (["string", "null"], ("string", "b"), None),
    "union": (["null", "int", "string", _PERSON], ("Person", {"first": "c", "born": None}), ("int", 7)),
    "record": (["null", "Person"], ("Person", {"first": "d", "born": 1}), None),
    "left_out": (["null", "string"], ("string", "e"), None),
}


@dataclass(frozen=True, slots=True)
class Proven:
    """The engines that may decode, the fastest first.

    Attributes:
        engines: those that give what the reference gives.
        why_not: why there is none; None where there is one.
        slowly: why some records take longer than they could, though there is one; None where none does.
    """

    engines: Engines
    why_not: str | None
    slowly: str | None


def prove(wanted: Engines) -> Proven:
    """Try engines, at least one, the fastest first."""
    failures = {engine: failure(engine) for engine in wanted}
    engines = tuple(engine for engine, why in failures.items() if why is None)
    first, last = failures[wanted[0]], failures[wanted[-1]]
    if not engines:
        return Proven((), last, None)
    if first is None and last is not None:
        return Proven(engines, None, f"in decoding arrays, maps, records and unions of several types {last}")
    return Proven(engines, None, first and f"in decoding {first}")


def failure(engine: type[Engine]) -> str | None:
    """Try an engine on all columns that it can read.

    Returns:
        What is wrong with it, in a few words; None where it may be used.
    """
    avro = {
        "type": "record",
        "name": "Proof",
        "fields": [{"name": name, "type": kind} for name, (kind, _, _) in _TYPES.items()],
    }
    schema = parse(json.dumps(avro), "the proof")
    root = schema.layout
    columns = [column for column in reachable(schema.root) if column.path != "left_out" and _fits(engine, root, column)]
    datums = [_written(avro, which) for which in (1, 2, 1, 1, 2)]
    expected = rows.read(schema, columns, datums).columns
    if root is None or not columns:
        return "it can read no type of the self-test"
    try:
        read = engine(root, columns).read(pl.Series(datums, dtype=pl.Binary))
    except (DatumError, EngineError, Unfit, ImportError) as error:
        return f"it fails in the self-test ({type(error).__name__}: {error})"
    wrong = [
        found.name for found, truth in zip(read, expected, strict=True) if not found.equals(truth, check_dtypes=True)
    ]
    return f"it reads {', '.join(wrong)} wrongly in the self-test" if wrong else None


def _fits(engine: type[Engine], root: Record | None, column: Column) -> bool:
    try:
        return root is not None and engine(root, [column]) is not None
    except Unfit:
        return False


def _written(avro: Any, which: int) -> bytes:
    out = BytesIO()
    parsed = fastavro.parse_schema(json.loads(json.dumps(avro)))
    fastavro.schemaless_writer(out, parsed, {name: held[which] for name, held in _TYPES.items()})
    return out.getvalue()
