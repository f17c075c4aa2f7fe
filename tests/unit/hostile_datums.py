"""Decodes hostile records in a process of its own and prints what became of them: `hostile_datums.py SEED COUNT`.

The process may take no more than a minute of CPU and 4 GB of addresses, so a hang or a flood ends it.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import struct
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import polars as pl

from connector.avro.decoder import DETAIL, Changes, Decoder
from connector.avro.stores import SchemaFile
from connector.avro.wire import Framing
from connector.records import ASSIGNMENT, OFFSET, ROW, VALUE

SCHEMA: Any = {
    "type": "record",
    "name": "Change",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "tier", "type": ["null", {"type": "enum", "name": "Tier", "symbols": ["basic", "gold"]}]},
        {"name": "when", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "flags", "type": {"type": "map", "values": ["null", "boolean", "double"]}},
        {"name": "parts", "type": {"type": "array", "items": {"type": "array", "items": "int"}}},
        {"name": "owner", "type": ["null", "Change"]},
        {
            "name": "marks",
            "type": {
                "type": "array",
                "items": {"type": "record", "name": "Mark", "fields": [{"name": "on", "type": "boolean"}]},
            },
        },
    ],
}
GOOD: Any = {
    "id": "c-1", "tier": "gold", "when": 0, "price": b"\x01\x00", "tags": ["a", "b"], "flags": {"x": True, "y": 0.5},
    "parts": [[1, 2], []], "owner": None, "marks": [{"on": True}],
}  # fmt: skip
HUGE = [2**31 - 1, 2**31, 2**40, 2**62, -1, -(2**40), -(2**62)]


def varint(number: int) -> bytes:
    """Avro's zigzag coding of a long."""
    coded = (number << 1) ^ (number >> 63)
    out = bytearray()
    while coded > 0x7F:
        out.append(coded & 0x7F | 0x80)
        coded >>= 7
    return bytes([*out, coded])


def written(datum: Any) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(SCHEMA), datum)
    return out.getvalue()


def damaged(good: bytes, chance: random.Random) -> bytes:
    """A datum with bits flipped, cut, a huge length put in, doubled, or replaced."""
    value = bytearray(good)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(value) + 1)
        match chance.randrange(5):
            case 0 if at < len(value):
                value[at] ^= 1 << chance.randrange(8)
            case 1:
                del value[at:]
            case 2:
                value[at : at + 1] = varint(chance.choice(HUGE))
            case 3:
                value[at:at] = value[:at]
            case _:
                value[at : at + 4] = chance.randbytes(8)
    return bytes(value)


def claims() -> bytes:
    """A readable datum whose Python objects are 200 times as large: 100,000 records of one boolean each."""
    many = 100_000
    return written({**GOOD, "marks": []})[:-1] + varint(many) + b"\1" * many + b"\0"


def records(seed: int, count: int) -> list[bytes]:
    chance = random.Random(seed)  # noqa: S311 (chooses faults, guards no secret)
    good = [written(GOOD), written({**GOOD, "owner": {**GOOD, "tier": None}})]
    values = [damaged(chance.choice(good), chance) for _ in range(count)]
    # A good one among each hundred bad ones must come through.
    values[::100] = [good[0]] * len(values[::100])
    return [b"\0" + struct.pack(">I", 1) + value for value in [*values, *[claims()] * 24]] + [b"", b"\0\0", b"\1" * 9]


async def decoded(values: list[bytes]) -> Changes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "change.avsc"
        path.write_text(json.dumps(SCHEMA))
        decoder = Decoder(framing=Framing.CONFLUENT, schemas=SchemaFile.load(path), paths=None)
    positions = {ROW: range(len(values)), ASSIGNMENT: [1] * len(values), OFFSET: range(len(values)), VALUE: values}
    schema = {ROW: pl.UInt32, ASSIGNMENT: pl.UInt32, OFFSET: pl.Int64, VALUE: pl.Binary}
    return await decoder.decode("t", pl.DataFrame(positions, schema=schema))


def main() -> None:
    values = records(int(sys.argv[1]), int(sys.argv[2]))
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    changes = asyncio.run(decoded(values))
    report = {
        "records": len(values),
        "readable": [row for frame in changes.frames for row in frame[ROW].to_list()],
        "unreadable": changes.unreadable[ROW].to_list(),
        "details": changes.unreadable[DETAIL].unique().to_list(),
        "megabytes": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024,
    }
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
