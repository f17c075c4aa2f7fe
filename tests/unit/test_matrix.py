"""Each shape in each framing: what every operation becomes, from bytes that tools wrote, by each decoder.

The datums are those of `schemas/samples/*.avro`, cut out of the container; the frames are those that the tools' own
serializers put around a value (`tests/framings`).
"""

from __future__ import annotations

import functools
import io
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import fastavro
import pytest

from connector.avro.columns import Columns
from connector.avro.reading import ENGINES
from connector.avro.wire import Framing
from connector.feeds import Feed
from connector.profiles.deletes import OnDelete
from connector.service.source_side import make_decoder, make_mapping
from connector.service.sources import SourceSettings
from tests.framings import CUSTOMERS, SCHEMA, golden
from tests.samples.files import FOLDER, SAMPLES
from tests.samples.sample import Event, Sample, row
from tests.unit.test_framings import frame
from tests.unit.test_shapes import OneSchema, outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector.avro.reading import Engines

FLAT = Sample(
    "flat",
    SCHEMA,
    {"shape": "flat", "id": "customer_id", "attributes": {"tier": "tier"}, "on_delete": "dead_letter"},
    [
        Event(f"a row with the tier {tier}", {"customer_id": name, "tier": tier}, row(name, tier=tier))
        for name, tier in CUSTOMERS
    ],
)
SHAPES: Final = {"flat": FLAT} | SAMPLES
# What a tool can say happened to a row, by the first word of a sample event.
OPERATIONS: Final[dict[str, set[str]]] = {
    "debezium": {"create", "update", "delete", "snapshot", "truncate", "message"},
    "debezium-unwrapped": {"create", "update", "delete", "snapshot", "truncate"},
    "jdbc": {"row"},
    "salesforce": {"create", "update", "delete", "undelete", "snapshot", "gap:"},
    "salesforce-connect": {"create", "update", "delete", "undelete", "gap"},
    "flat": {"a"},
}


@dataclass(frozen=True)
class Frame:
    """How one form of a framing surrounds a datum.

    Attributes:
        framing: as the decoder calls it.
        prefix: what stands before the datum.
        headers: of the record.
        deflated: whether the datum goes through zlib.
    """

    framing: Framing
    prefix: bytes = b""
    headers: Sequence[tuple[str, bytes]] = ()
    deflated: bool = False

    def around(self, datum: bytes) -> bytes:
        return self.prefix + (zlib.compress(datum) if self.deflated else datum)


def frames() -> dict[str, Frame]:
    """Every form, cut from the golden values; Apicurio's kinds of number differ by settings, not by bytes."""
    guid = golden("confluent-header")[0].headers["__value_schema_id"]
    short, long = _cut(Framing.APICURIO), _cut(Framing.APICURIO, "8 bytes, global id")
    return {
        "Confluent": _cut(Framing.CONFLUENT),
        "Confluent with a GUID": Frame(Framing.CONFLUENT, guid),
        "Confluent in a header": _cut(Framing.CONFLUENT_HEADER),
        "Apicurio": short,
        "Apicurio, 8 bytes": Frame(Framing.APICURIO_LONG, long.prefix),
        "Apicurio, global id": Frame(Framing.APICURIO_GLOBAL, short.prefix),
        "Apicurio, global id of 8 bytes": Frame(Framing.APICURIO_GLOBAL_LONG, long.prefix),
        "Apicurio in a header": _cut(Framing.APICURIO_HEADER, "content id"),
        "Apicurio in a header, global id": _cut(Framing.APICURIO_HEADER, "global id"),
        "Glue": _cut(Framing.GLUE),
        "Glue with zlib": Frame(Framing.GLUE, golden("glue", "zlib")[0].value[:18], deflated=True),
        "single object": _cut(Framing.SINGLE_OBJECT),
        "plain": Frame(Framing.PLAIN),
    }


def _cut(framing: Framing, form: str = "") -> Frame:
    one, bare = golden(framing, form)[0], golden("confluent-header")[0].value
    return Frame(framing, one.value.removesuffix(bare), list(one.headers.items()))


@functools.cache
def datums(name: str) -> list[bytes]:
    """The datums of a shape, each as it stands in the file."""
    if name == "flat":
        return [one.value for one in golden("confluent-header")]
    found = []
    with (FOLDER / f"{name}.avro").open("rb") as file:
        for block in fastavro.block_reader(file):
            content = io.BytesIO(block.bytes_.getvalue())  # type: ignore[attr-defined]
            for _ in range(block.num_records):
                start = content.tell()
                fastavro.schemaless_reader(content, block.writer_schema, None)
                found.append(content.getvalue()[start : content.tell()])
    return found


def feed(sample: Sample, framing: Framing, engines: Engines) -> Feed:
    source = SourceSettings.model_validate({"topics": ["crm"], **sample.source})
    decoder = make_decoder(source, OneSchema(sample.schema), framing, engines=engines)
    return Feed(lambda _: True, decoder, make_mapping(source), OnDelete(source.on_delete))


@pytest.mark.parametrize(
    "engines", [ENGINES, (Columns,), ()], ids=["by the extension", "by arrow-avro", "by the reference"]
)
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("form", frames())
async def test_each_operation_of_each_shape_in_each_framing(form: str, name: str, engines: Engines) -> None:
    """Rows, a reason, or why it is left out: the same whatever surrounds a datum and whoever decodes it."""
    sample, around = SHAPES[name], frames()[form]
    ours = feed(sample, around.framing, engines)
    values: list[bytes | None] = [around.around(datum) for datum in datums(name)]
    told = [
        outcome(await ours.read("crm", frame(around.framing, [(value, around.headers)]))) for value in [*values, None]
    ]
    assert told == [*(event.becomes for event in sample.events), "tombstone"]


@pytest.mark.parametrize("name", SHAPES)
def test_the_samples_have_each_operation(name: str) -> None:
    """A shape's tools send nothing that no sample shows; of Debezium's only PostgreSQL has messages and truncates."""
    shape, shown = SHAPES[name].source["shape"], {event.what.split()[0].rstrip(",") for event in SHAPES[name].events}
    of_postgresql = (
        {"truncate", "message"} if name in {"debezium-mysql", "debezium-sqlserver", "debezium-oracle"} else set()
    )
    assert OPERATIONS[shape] - of_postgresql <= shown


def test_every_framing_is_in_the_matrix() -> None:
    """A new one is not forgotten, and each datum is one of the samples'."""
    assert {one.framing for one in frames().values()} == set(Framing)
    for name, sample in SHAPES.items():
        assert len(datums(name)) == len(sample.events)
