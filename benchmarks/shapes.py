"""What a shape costs: each shape's sample events, repeated to one chunk, from bytes to rows.

No broker, no network. `python -m benchmarks.shapes` prints microseconds per event of each step, and how many events a
second they make together on one core; `flat` is the row of `debezium` without its envelope, to compare.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import itertools
import json
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import fastavro
import polars as pl

from benchmarks.figures import table
from benchmarks.stages import CHUNK, Clock
from connector.avro.lowering import parse
from connector.avro.reading import ENGINES
from connector.avro.shapes.shaped import ShapedDecoder
from connector.avro.stores import SchemaFile
from connector.profiles.deletes import OnDelete, rule
from connector.records import ASSIGNMENT, OFFSET, ROW, VALUE
from connector.service.source_side import make_feed
from connector.service.sources import SourceSettings

if TYPE_CHECKING:
    from connector.avro.reading import Engines

SAMPLES: Final = Path(__file__).parents[1] / "schemas" / "samples"
ROW_ATTRIBUTES: Final = {"tier": "tier", "city": "city", "balance": "balance", "newsletter": "newsletter"}
HEAD: Final = (
    "shape",
    "bytes",
    "decode",
    "shape",
    "map",
    "events/s",
    "all, decoded singly",
    "times in decode",
    "times in all",
)
SINGLY: Final = 5_000  # events that the reference decoder takes, as it takes ten times as long
# Name, sample, and the source's settings.
CASES: Final[list[tuple[str, str, dict[str, Any]]]] = [
    ("flat", "debezium-mysql", {"shape": "flat", "id": "customer_id", "attributes": ROW_ATTRIBUTES}),
    ("debezium", "debezium-mysql", {"shape": "debezium", "id": "customer_id", "attributes": ROW_ATTRIBUTES}),
    (
        "debezium, a third with placeholders",
        "debezium-postgresql",
        {"shape": "debezium", "id": "customer_id", "attributes": {"tier": "tier", "notes": "notes"}},
    ),
    (
        "debezium-unwrapped",
        "debezium-unwrapped",
        {"shape": "debezium-unwrapped", "id": "customer_id", "attributes": {"tier": "tier", "notes": "notes"}},
    ),
    (
        "salesforce",
        "salesforce",
        {
            "shape": "salesforce",
            "id": "ChangeEventHeader.recordIds",
            "attributes": {
                "first": "Name.FirstName",
                "city": "BillingAddress.City",
                "phone": "Phone",
                "tier": "Tier__c",
            },
        },
    ),
    (
        "salesforce-connect",
        "salesforce-connect",
        {"shape": "salesforce-connect", "id": "Id", "attributes": {"first": "FirstName", "email": "Email"}},
    ),
    (
        "jdbc",
        "jdbc",
        {
            "shape": "jdbc",
            "id": "id",
            "attributes": {"tier": "tier", "balance": "balance"},
            "delete_flag": {"field": "is_deleted", "value": True},
        },
    ),
]


def chunk(sample: str, *, only_row: bool) -> tuple[dict[str, Any], pl.DataFrame]:
    """A schema, and a poll of its sample events over and over; `only_row`: of what is in `after` alone."""
    schema = json.loads((SAMPLES / f"{sample}.avsc").read_text("utf-8"))
    with (SAMPLES / f"{sample}.avro").open("rb") as file:
        datums: list[Any] = list(fastavro.reader(file, return_record_name=True, return_record_name_override=True))
    if only_row:
        schema = schema["fields"][0]["type"][1] | {"namespace": schema["namespace"]}
        datums = [datum["after"] for datum in datums if datum["after"] is not None]
    parsed, values = fastavro.parse_schema(json.loads(json.dumps(schema))), []
    for datum in datums:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed, datum)
        values.append(b"\0\0\0\0\1" + out.getvalue())
    values = list(itertools.islice(itertools.cycle(values), CHUNK))
    columns = {ROW: range(CHUNK), ASSIGNMENT: [1] * CHUNK, OFFSET: range(CHUNK), VALUE: values}
    return schema, pl.DataFrame(columns, schema_overrides={ROW: pl.UInt32, ASSIGNMENT: pl.UInt32})


def measure(
    sample: str, source: dict[str, Any], times: int, count: int = CHUNK, engines: Engines = ENGINES
) -> tuple[dict[str, float], float]:
    """Microseconds per event by step, and bytes per event; of so many events, decoded in columns or singly."""
    schema, frame = chunk(sample, only_row=source["shape"] == "flat")
    frame = frame.head(count)
    store = SchemaFile(parse(json.dumps(schema), "the schema"))
    feed = make_feed(SourceSettings.model_validate({"topics": ["crm"], **source}), store, engines=engines)
    shape = feed.decoder.shape if isinstance(feed.decoder, ShapedDecoder) else None
    decoder = feed.decoder.decoder if isinstance(feed.decoder, ShapedDecoder) else feed.decoder
    clock = Clock()
    for number in range(times + 1):
        if number == 1:
            clock = Clock()  # the first time is only to warm up
        with clock.step("decode"):
            changes = asyncio.run(decoder.decode("crm", frame))
        frames = changes.frames
        with clock.step("shape"):
            if shape is not None:
                pairs = zip(changes.frames, changes.writers, strict=True)
                meant = [shape.meaning(one, writer) for one, writer in pairs if writer is not None]
                frames = [one.changes for one in meant if one.changes is not None]
        with clock.step("map"):
            for one in frames:
                feed.mapping.rows(rule(one, OnDelete.SKIP).changes)
    micros = {name: 1e6 * median(seconds) / frame.height for name, seconds in clock.seconds.items()}
    return micros, int(frame[VALUE].bin.size().sum()) / frame.height - 5


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shapes", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="once instead of 7 times")
    times = 1 if parser.parse_args().quick else 7
    lines = []
    for name, sample, source in CASES:
        micros, size_bytes = measure(sample, source, times)
        singly, _ = measure(sample, source, times, SINGLY, engines=())
        cells = [f"{micro:.2f}" for micro in micros.values()]
        total, reference = sum(micros.values()), sum(singly.values())
        ratios = f"{singly['decode'] / micros['decode']:.1f}", f"{reference / total:.1f}"
        lines.append((name, f"{size_bytes:.0f}", *cells, f"{1e6 / total:,.0f}", f"{reference:.1f}", *ratios))
    print(f"Chunks of {CHUNK:,} events; medians of {times}; µs per event\n")
    print(table(HEAD, lines))


if __name__ == "__main__":
    main()
