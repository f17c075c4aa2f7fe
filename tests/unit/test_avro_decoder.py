from __future__ import annotations

import asyncio
import json
import struct
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from connector.avro.decoder import Changes, Decoder
from connector.avro.lowering import parse
from connector.avro.stores import Refused, SchemaFile
from connector.avro.wire import Framing
from connector.errors import BlockedError, SettingError
from connector.records import ASSIGNMENT, OFFSET, ROW, VALUE, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from connector.avro.schema import Schema


class Shelf:
    """A SchemaStore that has what a test puts into it, and counts what it is asked."""

    def __init__(self, **by_id: Schema | Refused) -> None:
        self.by_id = {int(key[1:]): value for key, value in by_id.items()}
        self.latest: Schema | Refused | None = None
        self.asked: list[int | str] = []

    async def schema(self, key: bytes) -> Schema | Refused:
        """Give what is on the shelf."""
        schema_id = int.from_bytes(key, "big")
        self.asked.append(schema_id)
        return self.by_id.get(schema_id, Refused(f"no schema {schema_id}"))

    async def newest(self, topic: str) -> Schema | Refused | None:
        """Give what the test calls newest."""
        self.asked.append(topic)
        return self.latest


def _schema(label: str, *fields: tuple[Any, ...]) -> Schema:
    listed = [{"name": name, "type": avro, "aliases": aliases} for name, avro, *aliases in fields]
    return parse(json.dumps({"type": "record", "name": "Customer", "fields": listed}), label)


def _text(value: str) -> bytes:
    return bytes([len(value) * 2]) + value.encode()


def _framed(schema_id: int, datum: bytes) -> bytes:
    return struct.pack(">bI", 0, schema_id) + datum


def _frame(*values: bytes | None, first_row: int = 0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            ROW: range(first_row, first_row + len(values)),
            ASSIGNMENT: [7] * len(values),
            OFFSET: range(100, 100 + len(values)),
            VALUE: values,
        },
        schema={ROW: pl.UInt32, ASSIGNMENT: pl.UInt32, OFFSET: pl.Int64, VALUE: pl.Binary},
    )


def _decoder(shelf: Shelf, paths: Sequence[str] | None) -> Decoder:
    return Decoder(framing=Framing.CONFLUENT, schemas=shelf, paths=paths)


def _unreadable(changes: Changes) -> list[tuple[Any, ...]]:
    assert changes.unreadable.schema == {ROW: pl.UInt32, "reason": pl.String, "detail": pl.String}
    return changes.unreadable.rows()


V1 = _schema("schema 1", ("id", "string"), ("town", "string"))
V2 = _schema("schema 2", ("id", "string"), ("city", ["null", "string"], "town"), ("points", "int"))
PATHS = ["id", "city", "points"]


async def test_every_record_comes_out_exactly_once() -> None:
    """Rows by schema with their positions, tombstones, and three kinds of unreadable, with nothing lost or doubled."""
    shelf = Shelf(_1=V1, _2=V2)
    shelf.latest = V2
    changes = await _decoder(shelf, PATHS).decode(
        "crm",
        _frame(
            _framed(2, _text("a") + b"\x02" + _text("Rome") + b"\x0a"),
            None,
            _framed(1, _text("b") + _text("Oslo")),
            b"\x01\x02\x03\x04\x05\x06",
            _framed(9, b""),
            _framed(2, _text("c") + b"\x00\x02"),
            _framed(1, _text("d")),
            b"",
            _framed(1, _text("e") + _text("Bern")),
            first_row=40,
        ),
    )
    positions = {ROW: pl.UInt32, ASSIGNMENT: pl.UInt32, OFFSET: pl.Int64}
    second, first = changes.frames
    assert_frame_equal(
        second,
        pl.DataFrame(
            [(40, 7, 100, "a", "Rome", 5), (45, 7, 105, "c", None, 1)],
            schema=positions | {"id": pl.String, "city": pl.String, "points": pl.Int32},
            orient="row",
        ),
    )
    assert_frame_equal(
        first,
        pl.DataFrame(
            [(42, 7, 102, "b", "Oslo"), (48, 7, 108, "e", "Bern")],
            schema=positions | {"id": pl.String, "city": pl.String},
            orient="row",
        ),
    )
    assert_frame_equal(changes.tombstones, pl.DataFrame({ROW: [41]}, schema={ROW: pl.UInt32}))
    assert [(row, reason) for row, reason, _ in _unreadable(changes)] == [
        (43, Reason.FRAMING),
        (44, Reason.SCHEMA_UNKNOWN),
        (46, Reason.UNREADABLE),
        (47, Reason.FRAMING),
    ]
    details = changes.unreadable["detail"].to_list()
    assert details[1] == "no schema 9"
    assert details[2].startswith("schema 1, byte 2 of 2")


async def test_no_records_are_no_changes() -> None:
    """An empty frame, and one of tombstones alone, ask nobody and keep their types."""
    shelf = Shelf(_1=V1)
    decoder = _decoder(shelf, PATHS)
    for frame, tombstones in ((_frame(), 0), (_frame(None, None), 2)):
        changes = await decoder.decode("crm", frame)
        assert (len(changes.frames), changes.tombstones.height, _unreadable(changes)) == (0, tombstones, [])
        assert changes.tombstones.schema == {ROW: pl.UInt32}
    assert shelf.asked == []


async def test_a_schema_whose_records_are_all_unreadable_has_a_typed_frame() -> None:
    """Types come from the schema, not from the rows."""
    [frame] = (await _decoder(Shelf(_2=V2), PATHS).decode("crm", _frame(_framed(2, b"")))).frames
    assert frame.height == 0
    assert dict(frame.schema) == {
        ROW: pl.UInt32,
        ASSIGNMENT: pl.UInt32,
        OFFSET: pl.Int64,
        "id": pl.String,
        "city": pl.String,
        "points": pl.Int32,
    }


async def test_schemas_are_asked_for_once() -> None:
    """Only a new schema id leads to questions: for the schema, and for the newest one with its aliases."""
    shelf = Shelf(_1=V1, _2=V2)
    decoder = _decoder(shelf, PATHS)
    old, new = _framed(1, _text("b") + _text("Oslo")), _framed(2, _text("c") + b"\x00\x02")
    for value in (old, old, new, old, new):
        await decoder.decode("crm", _frame(value))
    assert shelf.asked == [1, "crm", 2, "crm"]


async def test_a_refused_id_is_asked_for_again() -> None:
    """Whether an unknown id has become known is for the store to say, each time."""
    shelf = Shelf()
    decoder = _decoder(shelf, PATHS)
    assert (await decoder.decode("crm", _frame(_framed(1, b"")))).frames == []
    shelf.by_id[1] = V1
    assert (await decoder.decode("crm", _frame(_framed(1, _text("b") + _text("Oslo"))))).unreadable.height == 0


async def test_aliases_that_come_later_count_for_older_schemas_too() -> None:
    """When a new schema renames a field, records of the schema before it give the field its new name from then on."""
    shelf = Shelf(_1=V1, _2=V2)
    shelf.latest = V1
    decoder = _decoder(shelf, PATHS)
    old, new = _framed(1, _text("b") + _text("Oslo")), _framed(2, _text("c") + b"\x00\x02")
    [frame] = (await decoder.decode("crm", _frame(old))).frames
    assert "city" not in frame.columns
    shelf.latest = V2
    first, _ = (await decoder.decode("crm", _frame(old, new))).frames
    assert first["city"].to_list() == ["Oslo"]


async def test_aliases_are_the_topics_own() -> None:
    """A schema that two topics share is read by each topic's newest version."""
    shelf = Shelf(_1=V1)
    decoder = _decoder(shelf, PATHS)
    old = _frame(_framed(1, _text("b") + _text("Oslo")))
    shelf.latest = V2
    [renamed] = (await decoder.decode("crm", old)).frames
    shelf.latest = None
    [as_written] = (await decoder.decode("pos", old)).frames
    assert ("city" in renamed.columns, "city" in as_written.columns) == (True, False)


async def test_all_paths_are_all_leaves() -> None:
    """Without a list of paths there is a column for every field that is no record, by its newest name."""
    address = {"type": "record", "name": "Address", "fields": [{"name": "zip", "type": "string"}]}
    wide = _schema("schema 3", ("id", "string"), ("address", address), ("tags", {"type": "array", "items": "int"}))
    shelf = Shelf(_1=V1, _3=wide)
    shelf.latest = V2
    decoder = _decoder(shelf, None)
    values = _framed(3, _text("a") + _text("1") + b"\x02\x08\x00"), _framed(1, _text("b") + _text("Oslo"))
    first, second = (await decoder.decode("crm", _frame(*values))).frames
    assert first.select(pl.exclude("^#.*$")).rows(named=True) == [{"id": "a", "address.zip": "1", "tags": [4]}]
    assert second.select(pl.exclude("^#.*$")).rows(named=True) == [{"id": "b", "city": "Oslo"}]


async def test_decoding_leaves_the_event_loop_free() -> None:
    """While a thread decodes, other tasks run."""
    decoder = _decoder(Shelf(_1=V1), PATHS)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await decoder.decode("crm", _frame(*[_framed(1, _text("b") + _text("Oslo"))] * 5_000))
    counting.cancel()
    assert turns > 10


TREE = _schema("schema 4", ("id", "string"), ("parent", ["null", "Customer"]))


async def test_a_wanted_recursive_field_blocks_and_the_rest_does_not() -> None:
    """Asking for a recursive field is an error at start and at run time; not asking for it is none."""
    shelf = Shelf(_4=TREE)
    shelf.latest = TREE
    record = _frame(_framed(4, _text("a") + b"\x00"))
    with pytest.raises(BlockedError, match="topic crm: parent in schema 4 holds records inside themselves"):
        await _decoder(shelf, ["id", "parent"]).decode("crm", record)
    with pytest.raises(SettingError, match="topic crm: parent in schema 4 holds records inside themselves"):
        await _decoder(shelf, ["id", "parent"]).newest("crm")
    for paths in (["id"], None):
        [frame] = (await _decoder(shelf, paths).decode("crm", record)).frames
        assert frame["id"].to_list() == ["a"]


async def test_newest_offers_every_path_with_its_type() -> None:
    """A check sees whole records and the fields in them, and only leaves where all are wanted."""
    address = {"type": "record", "name": "Address", "fields": [{"name": "zip", "type": "bytes"}]}
    shelf = Shelf()
    shelf.latest = _schema("schema 3", ("id", "string"), ("address", ["null", address]))
    assert await _decoder(shelf, ["id"]).newest("crm") == {
        "id": pl.String(),
        "address": pl.Struct({"zip": pl.Binary}),
        "address.zip": pl.Binary(),
    }
    assert await _decoder(shelf, None).newest("crm") == {"id": pl.String(), "address.zip": pl.Binary()}


async def test_newest_of_an_unknown_subject_is_none_and_of_an_unusable_one_an_error() -> None:
    """Nothing registered yet is no mistake; something that is no Avro is one."""
    shelf = Shelf()
    assert await _decoder(shelf, ["id"]).newest("crm") is None
    shelf.latest = Refused("version 1 of crm-value is of type PROTOBUF, not AVRO")
    with pytest.raises(SettingError, match="topic crm: version 1 of crm-value is of type PROTOBUF, not AVRO"):
        await _decoder(shelf, ["id"]).newest("crm")


async def test_an_unusable_newest_schema_declares_no_aliases() -> None:
    """At run time it is no reason to stop: the records have a schema of their own."""
    shelf = Shelf(_1=V1)
    shelf.latest = Refused("not AVRO")
    [frame] = (await _decoder(shelf, ["id"]).decode("crm", _frame(_framed(1, _text("b") + _text("Oslo"))))).frames
    assert frame["id"].to_list() == ["b"]


async def test_plain_records_are_read_by_the_file(tmp_path: Path) -> None:
    """Without a registry the whole value is the datum, of the schema in the file."""
    path = tmp_path / "customer.avsc"
    path.write_text('{"type": "record", "name": "R", "fields": [{"name": "id", "type": "string"}]}')
    decoder = Decoder(framing=Framing.PLAIN, schemas=SchemaFile.load(path), paths=["id"])
    changes = await decoder.decode("crm", _frame(_text("a"), None, b"\x08a", b""))
    assert changes.frames[0]["id"].to_list() == ["a"]
    assert changes.tombstones[ROW].to_list() == [1]
    assert [(row, reason) for row, reason, _ in _unreadable(changes)] == [(2, "unreadable"), (3, "unreadable")]
    assert changes.unreadable["detail"][0].startswith("schema customer.avsc, byte 2 of 2")
    assert await decoder.newest("crm") == {"id": pl.String()}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(None, "cannot be read .No such file", id="a missing file"),
        pytest.param(b"\xff\xfe", "cannot be read .it is not UTF-8", id="a binary file"),
        pytest.param(b"syntax = proto3;", "is no Avro schema", id="another language"),
        pytest.param(b'"string"', "is no record", id="a schema of no record"),
    ],
)
def test_a_file_that_is_no_schema_is_a_setting_to_correct(tmp_path: Path, content: bytes | None, why: str) -> None:
    """One line that names the file and what to give instead."""
    path = tmp_path / "customer.avsc"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingError, match=rf"schema file .*customer\.avsc {why}.*: give ") as caught:
        SchemaFile.load(path)
    assert "\n" not in str(caught.value)
