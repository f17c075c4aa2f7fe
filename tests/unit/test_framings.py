"""Each framing against what the tools' own serializers write, and against what none of them would."""

from __future__ import annotations

import json
import random
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from connector.avro import inflating, wire
from connector.avro.decoder import Changes, Decoder
from connector.avro.folder import SchemaFolder
from connector.avro.inflating import MOST_INFLATED_BYTES, inflated
from connector.avro.lowering import parse
from connector.avro.schema_keys import Kind, SchemaKey
from connector.avro.stores import Refused, SchemaFile
from connector.avro.wire import DATUM, DEFLATED, Framing
from connector.errors import SettingError
from connector.kafka.assignments import COLUMNS
from connector.kafka.headers import columns_of
from connector.records import Alongside, Reason
from tests.framings import CUSTOMERS, SCHEMA, golden

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from connector.avro.schema import Schema

VERSION = "b7b4a7f0-9c96-4e4a-a687-fb5de9ef0c63"


class Registered:
    """A SchemaStore that has the customers' schema under any key, and keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def schema(self, key: bytes) -> Schema | Refused:
        """Give it."""
        self.asked.append(str(SchemaKey.of(key)))
        return parse(json.dumps(SCHEMA), "the customers'")

    async def newest(self, topic: str) -> Schema | Refused | None:
        """There is none."""
        assert topic
        return None


class Message:
    """A record with headers."""

    def __init__(self, headers: Any) -> None:
        self._headers = headers

    def headers(self) -> Any:
        """Give what confluent-kafka would."""
        return self._headers


def frame(framing: Framing, records: Sequence[tuple[bytes | None, Any]]) -> pl.DataFrame:
    """A chunk of values and headers, as the source gives it."""
    rows = [(row, 1, row, value) for row, (value, _) in enumerate(records)]
    messages: Any = [Message(headers) for _, headers in records]
    columns = columns_of(messages, Alongside(framing.headers))
    return pl.DataFrame(rows, schema=COLUMNS, orient="row").with_columns(columns)


async def decode(framing: Framing, store: Any, records: Sequence[tuple[bytes | None, Any]]) -> Changes:
    """What the decoder makes of them."""
    decoder = Decoder(framing=framing, schemas=store, paths=["customer_id", "tier"])
    return await decoder.decode("golden", frame(framing, records))


def customers(changes: Changes) -> list[tuple[Any, ...]]:
    """What was read, in Kafka's order."""
    frames = [one.select("#row", "customer_id", "tier") for one in changes.frames]
    return [row[1:] for row in pl.concat(frames).sort("#row").rows()] if frames else []


@pytest.mark.parametrize(
    ("framing", "form", "asked"),
    [
        pytest.param(Framing.CONFLUENT, "", "schema 1", id="Confluent's prefix"),
        pytest.param(Framing.CONFLUENT_HEADER, "", "schema with the GUID ", id="Confluent's GUID in a header"),
        pytest.param(Framing.APICURIO, "", "schema 3", id="Apicurio's content id"),
        pytest.param(
            Framing.APICURIO_GLOBAL_LONG, "8 bytes, global id", "schema with the global id 3", id="Apicurio's 8 bytes"
        ),
        pytest.param(Framing.APICURIO_HEADER, "content id", "schema 3", id="Apicurio's content id in a header"),
        pytest.param(
            Framing.APICURIO_HEADER, "global id", "schema with the global id 3", id="Apicurio's global id in a header"
        ),
        pytest.param(Framing.GLUE, "", f"schema version {VERSION}", id="Glue"),
        pytest.param(Framing.GLUE, "zlib", f"schema version {VERSION}", id="Glue with zlib"),
        pytest.param(
            Framing.SINGLE_OBJECT, "", "schema with the fingerprint 1750b6d53c65abd7", id="Avro's single objects"
        ),
    ],
)
async def test_what_the_serializers_write_is_read(framing: Framing, form: str, asked: str) -> None:
    """All three records, by one question for the schema that they name."""
    store = Registered()
    written = golden(framing.partition(",")[0], form)
    changes = await decode(framing, store, [(one.value, list(one.headers.items())) for one in written])
    assert customers(changes) == CUSTOMERS
    assert changes.unreadable.is_empty()
    assert [text.startswith(asked) for text in store.asked] == [True]


@pytest.mark.parametrize("framing", [one for one in Framing if one is not Framing.PLAIN])
async def test_what_another_framing_wrote_is_a_dead_letter(framing: Framing) -> None:
    """Never a row, never an error: JSON, nothing, half a frame, and values that have no frame at all."""
    odd: list[tuple[bytes | None, Any]] = [
        (value, None) for value in (b"", b"{}", b"\x00", b"\x01\x02\x03", b"\xc3\x01\x02", b"\x03\x07" + bytes(30))
    ]
    changes = await decode(framing, Registered(), odd)
    assert customers(changes) == []
    reasons = changes.unreadable["reason"].to_list()
    assert reasons == [Reason.FRAMING] * len(odd)
    assert set(changes.unreadable["detail"]) == {f"it is not framed as sources.framing says: {framing}"}


async def test_confluents_guid_stands_before_the_value_too() -> None:
    """01 and 16 bytes, in one chunk with ids of four."""
    guid = golden("confluent-header")[0].headers[wire.CONFLUENT_HEADER]
    short, bare = golden("confluent")[0].value, golden("confluent-header")[0].value
    store = Registered()
    changes = await decode(Framing.CONFLUENT, store, [(short, None), (guid + bare, None), (guid[:9], None)])
    assert customers(changes) == [CUSTOMERS[0]] * 2
    assert len(store.asked) == 2
    assert changes.unreadable["reason"].to_list() == [Reason.FRAMING]


async def test_a_record_without_the_header_has_its_id_before_the_value() -> None:
    """As Confluent's own deserializer reads a topic whose producer was changed from one to the other."""
    old, new = golden("confluent")[1], golden("confluent-header")[2]
    records = [(old.value, None), (new.value, list(new.headers.items()))]
    assert customers(await decode(Framing.CONFLUENT_HEADER, Registered(), records)) == CUSTOMERS[1:]


@pytest.mark.parametrize("header", [b"", b"\x00\x01", bytes(5), b"\x01" + bytes(15), b"\x02" + bytes(16)])
async def test_a_header_that_is_no_id_is_a_dead_letter(header: bytes) -> None:
    """Its value is not read by what stands before it instead."""
    records = [(golden("confluent")[0].value, [(wire.CONFLUENT_HEADER, header)])]
    changes = await decode(Framing.CONFLUENT_HEADER, Registered(), records)
    assert changes.unreadable["reason"].to_list() == [Reason.FRAMING]


async def test_the_last_of_several_headers_counts() -> None:
    """As Kafka's clients have it, also with an earlier one that is null."""
    one = golden("confluent-header")[0]
    pairs = [(wire.CONFLUENT_HEADER, None), (wire.CONFLUENT_HEADER, b"x"), *one.headers.items()]
    assert customers(await decode(Framing.CONFLUENT_HEADER, Registered(), [(one.value, pairs)])) == CUSTOMERS[:1]


async def test_apicurios_json_is_no_datum() -> None:
    """Its serializer says so in a header."""
    one = golden("apicurio-header", "content id")[0]
    headers = list((one.headers | {wire.ENCODING_HEADER: b"JSON"}).items())
    changes = await decode(Framing.APICURIO_HEADER, Registered(), [(b"{}", headers)])
    assert changes.unreadable["reason"].to_list() == [Reason.FRAMING]


async def test_a_damaged_stream_of_zlib_spares_its_neighbours() -> None:
    """Cut off, changed, or with bytes after it: a dead letter, and the others are read."""
    first, second, third = (one.value for one in golden("glue", "zlib"))
    bad = [first[:-1], first[:30] + b"\xff\xff", first + b"x", first[:18]]
    changes = await decode(Framing.GLUE, Registered(), [(one, None) for one in (second, *bad, third)])
    assert customers(changes) == CUSTOMERS[1:]
    assert changes.unreadable["#row"].to_list() == [1, 2, 3, 4]
    assert set(changes.unreadable["reason"]) == {Reason.UNREADABLE}


def test_a_bomb_of_zlib_takes_little_memory() -> None:
    """20 records of 256 MB each among 20 of 4 MB: none is inflated beyond the bound, and never all at once."""
    bomb = zlib.compress(bytes(64 * MOST_INFLATED_BYTES), 9)
    # Some 40 times as small, where zeros alone would be 1,000 times: that much is not believed.
    chance = random.Random(7)  # noqa: S311
    large = zlib.compress(b"".join(chance.randbytes(91) + bytes(4005) for _ in range(1024)))
    group = pl.DataFrame([pl.Series(DATUM, [bomb, large] * 20), pl.Series(DEFLATED, [True] * 40)])
    nulls = lengths = 0
    tracemalloc.start()
    try:
        for part in inflated(group):
            nulls += part[DATUM].null_count()
            lengths += sum(map(len, part[DATUM].drop_nulls()))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (nulls, lengths) == (20, 20 * MOST_INFLATED_BYTES)
    assert peak_bytes < 3 * inflating._PART_BYTES


def folder(tmp_path: Path, *names: str) -> Path:
    """A folder of schemas by these names."""
    for name in names:
        (tmp_path / name).write_text(json.dumps(SCHEMA), "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("framing", "kind", "name"),
    [(Framing.GLUE, Kind.VERSION, f"{VERSION}.avsc"), (Framing.SINGLE_OBJECT, Kind.FINGERPRINT, "customer.avsc")],
)
async def test_a_folder_has_the_schemas_that_serializers_name(
    tmp_path: Path, framing: Framing, kind: Kind, name: str
) -> None:
    """By the UUID of Glue, and by the fingerprint that Java's Avro makes of the same schema."""
    store = SchemaFolder.load(folder(tmp_path, name), kind)
    written = golden(framing)
    assert customers(await decode(framing, store, [(one.value, None) for one in written])) == CUSTOMERS
    assert await store.newest("golden") is not None


async def test_a_schema_may_be_added_while_the_service_runs(tmp_path: Path) -> None:
    """Looked for again 10 seconds later at most, whatever else lies in the folder by then."""
    now = [1000.0]
    store = SchemaFolder(folder(tmp_path, f"{VERSION}.avsc"), Kind.VERSION, clock=lambda: now[0])
    key = b"\x03" + bytes(15) + b"\x01"
    first = await store.schema(key)
    assert isinstance(first, Refused)
    assert first.detail.endswith("has no schema version 00000000-0000-0000-0000-000000000001")
    folder(tmp_path, "00000000-0000-0000-0000-000000000001.avsc")
    (tmp_path / "half.avsc").write_text("{", "utf-8")
    assert isinstance(await store.schema(key), Refused)
    now[0] += 10
    assert not isinstance(await store.schema(key), Refused)
    other = await store.schema(b"\x03" + bytes(16))
    assert isinstance(other, Refused)
    assert "half.avsc is no Avro schema" in other.detail


async def test_the_newest_schema_of_a_folder_is_named_or_the_only_one(tmp_path: Path) -> None:
    """Nothing in the files says which is newer."""
    alone = SchemaFolder.load(folder(tmp_path, "a.avsc"), Kind.FINGERPRINT)
    assert await alone.newest("golden") is await alone.newest("golden")
    (tmp_path / "b.avsc").write_text(json.dumps(SCHEMA | {"name": "Other"}), "utf-8")
    assert await SchemaFolder.load(tmp_path, Kind.FINGERPRINT).newest("golden") is None
    named = SchemaFile.load(tmp_path / "b.avsc")
    newest = await SchemaFolder.load(tmp_path, Kind.FINGERPRINT, named).newest("golden")
    assert newest is await named.newest("golden")


@pytest.mark.parametrize(
    ("name", "text", "kind", "why"),
    [
        (None, "", Kind.VERSION, "holds no .avsc file: put"),
        ("customer.avsc", json.dumps(SCHEMA), Kind.VERSION, "not called by a schema version's UUID: rename it"),
        (f"{VERSION}.avsc", "{", Kind.VERSION, "give an Avro schema"),
        ("a.avsc", '"string"', Kind.FINGERPRINT, "give an Avro schema of a record"),
        ("a.avsc", b"\xff", Kind.FINGERPRINT, "it is not UTF-8 text"),
    ],
)
def test_a_folder_that_will_not_do_is_a_setting_to_correct(
    tmp_path: Path, name: str | None, text: str | bytes, kind: Kind, why: str
) -> None:
    """At start, in one line that names the file."""
    if name is not None:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingError, match=why) as caught:
        SchemaFolder.load(tmp_path, kind)
    assert (name or str(tmp_path)) in str(caught.value)


def test_a_folder_that_is_none_is_a_setting_to_correct(tmp_path: Path) -> None:
    """Named as it was written."""
    with pytest.raises(SettingError, match="is no folder"):
        SchemaFolder.load(tmp_path / "gone", Kind.VERSION)


async def test_a_fingerprint_is_javas(tmp_path: Path) -> None:
    """Of namespaces, an enum's default, a fixed, a decimal, a recursive record, and what tools add.

    Made by `SchemaNormalization.parsingFingerprint("CRC-64-AVRO", …)` of Apache Avro 1.12.1.
    """
    recursive = {"type": "record", "name": "B", "fields": [{"name": "self", "type": ["null", "B"]}]}
    decimal = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}
    fields = [
        {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["P", "Q"], "default": "P"}, "default": "P"},
        {"name": "f", "type": {"type": "fixed", "name": "z.F", "size": 4}, "order": "ignore"},
        {"name": "g", "type": ["null", "E", {"type": "array", "items": "z.F"}], "default": None},
        {"name": "m", "type": {"type": "map", "values": decimal}},
        {"name": "r", "type": recursive},
        {"name": "t", "type": {"type": "long", "logicalType": "timestamp-millis"}, "aliases": ["tt"]},
        {"name": "s", "type": {"type": "string", "avro.java.string": "String", "connect.name": "c"}},
    ]
    schema = {"type": "record", "name": "A", "namespace": "x.y", "doc": "d", "aliases": ["Old"], "fields": fields}
    (tmp_path / "a.avsc").write_text(json.dumps(schema), "utf-8")
    store = SchemaFolder.load(tmp_path, Kind.FINGERPRINT)
    assert not isinstance(await store.schema(b"\xc3" + bytes.fromhex("49b53816d3a9ba38")), Refused)


def test_headers_that_the_client_cannot_read_are_none() -> None:
    """Brokers take a name of any bytes: such a record is a dead letter, not the end of the consumer."""

    class Strange:
        """A record with a header whose name is not UTF-8."""

        def headers(self) -> Any:
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no")

    strange: Any = Strange()
    (column,) = columns_of([strange], Alongside(("a",)))
    assert column.to_list() == [None]


def test_a_datum_that_would_grow_a_hundredfold_is_refused() -> None:
    """All of a poll is held once it is decoded, so a list of 4 MB must not become gigabytes."""
    small = zlib.compress(bytes(100_000))
    (part,) = inflated(
        pl.DataFrame([pl.Series(DATUM, [small, zlib.compress(bytes(10_000))]), pl.Series(DEFLATED, [True] * 2)])
    )
    assert part[DATUM].to_list() == [None, bytes(10_000)]
