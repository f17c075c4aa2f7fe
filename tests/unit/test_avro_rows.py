from __future__ import annotations

import itertools
import json
import resource
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from io import BytesIO
from typing import TYPE_CHECKING, Any

import fastavro
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.avro.lowering import parse
from connector.avro.paths import Column, find, leaves
from connector.avro.rows import Rows, read

if TYPE_CHECKING:
    from connector.avro.schema import Schema

SOME = settings(deadline=None, max_examples=120)


@dataclass(frozen=True)
class Kind:
    """An Avro type, and pairs of what fastavro writes for it and what a column must hold."""

    avro: Any
    name: str  # as fastavro and we call it as a branch of a union
    pairs: st.SearchStrategy[tuple[Any, Any]]


def _same(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    return values.map(lambda value: (value, value))


def _simple(avro: Any, values: st.SearchStrategy[Any]) -> Kind:
    return Kind(avro, avro if isinstance(avro, str) else avro["type"], _same(values))


def _logical(base: str, logical: str, values: st.SearchStrategy[Any], **more: int) -> Kind:
    return _simple({"type": base, "logicalType": logical, **more}, values)


def _milliseconds(value: Any) -> Any:
    return value.replace(microsecond=value.microsecond // 1000 * 1000)


def _decimal(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    limit = 10**precision - 1
    return st.integers(-limit, limit).map(lambda unscaled: Decimal(f"{unscaled}E-{scale}"))


SCALARS = [
    _simple("boolean", st.booleans()),
    _simple("int", st.integers(-(2**31), 2**31 - 1)),
    _simple("long", st.integers(-(2**63), 2**63 - 1)),
    _simple("float", st.floats(allow_nan=False, width=32)),
    _simple("double", st.floats(allow_nan=False)),
    _simple("bytes", st.binary(max_size=9)),
    _simple("string", st.text(max_size=9)),
    _logical("int", "date", st.dates()),
    _logical("int", "time-millis", st.times().map(_milliseconds)),
    _logical("long", "time-micros", st.times()),
    _logical("long", "timestamp-millis", st.datetimes(timezones=st.just(UTC)).map(_milliseconds)),
    _logical("long", "timestamp-micros", st.datetimes(timezones=st.just(UTC))),
    _logical("long", "local-timestamp-millis", st.datetimes().map(_milliseconds)),
    _logical("long", "local-timestamp-micros", st.datetimes()),
    _logical("bytes", "decimal", _decimal(12, 2), precision=12, scale=2),
    _logical("bytes", "decimal", _decimal(38, 10), precision=38, scale=10),
    Kind(
        {"type": "bytes", "logicalType": "decimal", "precision": 50, "scale": 3},
        "bytes",
        _decimal(50, 3).map(lambda value: (value, f"{value:f}")),
    ),
    Kind({"type": "string", "logicalType": "uuid"}, "string", st.uuids().map(lambda value: (value, str(value)))),
]


@st.composite
def kinds(draw: st.DrawFn, names: itertools.count[int], depth: int) -> Kind:
    """Any Avro type, nested up to `depth` deep."""
    shapes = ["scalar", "enum", "fixed", *(["array", "map", "record", "nullable", "union"] if depth else [])]
    shape = draw(st.sampled_from(shapes))
    name = f"T{next(names)}"
    if shape == "scalar":
        return draw(st.sampled_from(SCALARS))
    if shape == "enum":
        symbols = draw(st.lists(st.from_regex(r"[A-Z]{1,3}", fullmatch=True), min_size=1, max_size=4, unique=True))
        avro = {"type": "enum", "name": name, "symbols": symbols}
        return Kind(avro, name, _same(st.sampled_from(symbols)))
    if shape == "fixed":
        return Kind({"type": "fixed", "name": name, "size": 3}, name, _same(st.binary(min_size=3, max_size=3)))
    if shape == "record":
        return draw(records(names, depth - 1, name))
    if shape in {"array", "map"}:
        return _many(shape, draw(kinds(names, depth - 1)))
    inner = draw(st.lists(kinds(names, depth - 1), min_size=1, max_size=1 if shape == "nullable" else 4))
    return draw(_unions([kind for kind in inner if not isinstance(kind.avro, list)] or SCALARS[:1]))


def _many(shape: str, inner: Kind) -> Kind:
    if shape == "array":
        lists = st.lists(inner.pairs, max_size=3)
        pairs = lists.map(lambda items: ([item for item, _ in items], [item for _, item in items]))
        return Kind({"type": "array", "items": inner.avro}, "array", pairs)
    maps = st.dictionaries(st.text(max_size=3), inner.pairs, max_size=3)
    return Kind(
        {"type": "map", "values": inner.avro},
        "map",
        maps.map(
            lambda items: (
                {key: pair[0] for key, pair in items.items()},
                [{"key": key, "value": pair[1]} for key, pair in items.items()],
            )
        ),
    )


@st.composite
def _unions(draw: st.DrawFn, inner: list[Kind]) -> Kind:
    branches = list({kind.name: kind for kind in inner}.values())
    with_null = len(branches) == 1 or draw(st.booleans())
    avro: list[Any] = [kind.avro for kind in branches]
    if with_null:
        avro.insert(draw(st.integers(0, len(avro))), "null")

    def held(kind: Kind) -> st.SearchStrategy[tuple[Any, Any]]:
        if len(branches) == 1:
            return kind.pairs.map(lambda pair: ((kind.name, pair[0]), pair[1]))
        others: dict[str, Any] = {f"?{branch.name}": None for branch in branches}
        return kind.pairs.map(lambda pair: ((kind.name, pair[0]), others | {f"?{kind.name}": pair[1]}))

    pairs = [held(kind) for kind in branches] + ([st.just((None, None))] if with_null else [])
    return Kind(avro, "union", st.one_of(pairs))


@st.composite
def records(draw: st.DrawFn, names: itertools.count[int], depth: int, name: str = "Root") -> Kind:
    """A record with one to four fields."""
    fields = {f"f{index}": draw(kinds(names, depth)) for index in range(draw(st.integers(1, 4)))}
    avro = {
        "type": "record",
        "name": name,
        "fields": [{"name": key, "type": kind.avro} for key, kind in fields.items()],
    }
    pairs = st.fixed_dictionaries({key: kind.pairs for key, kind in fields.items()})
    split = pairs.map(lambda both: ({k: pair[0] for k, pair in both.items()}, {k: pair[1] for k, pair in both.items()}))
    return Kind(avro, name, split)


@st.composite
def written(draw: st.DrawFn) -> tuple[Schema, list[bytes], list[Any]]:
    """A schema, datums of it as fastavro writes them, and what each must become."""
    kind = draw(records(itertools.count(), 2))
    parsed = fastavro.parse_schema(json.loads(json.dumps(kind.avro)))
    pairs = draw(st.lists(kind.pairs, max_size=3))
    datums = []
    for value, _ in pairs:
        out = BytesIO()
        fastavro.schemaless_writer(out, parsed, value)
        datums.append(out.getvalue())
    return parse(json.dumps(kind.avro), "schema 1"), datums, [expected for _, expected in pairs]


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = None if value is None else value[name]
    return value


def _columns(schema: Schema) -> list[Column]:
    return list(leaves(schema.root))


@given(written())
@SOME
def test_what_fastavro_wrote_is_what_the_columns_hold(case: tuple[Schema, list[bytes], list[Any]]) -> None:
    """For any schema and data, each column has the schema's type and exactly the values that were written."""
    schema, datums, expected = case
    columns = _columns(schema)
    result = read(schema, columns, datums)
    assert not result.faults
    for column, series in zip(columns, result.columns, strict=True):
        assert (series.name, series.dtype) == (column.path, column.type.dtype)
        assert series.to_list() == [_at(value, column.path) for value in expected]


@given(written(), st.data())
@SOME
def test_a_datum_cut_short_or_too_long_is_unreadable_alone(
    case: tuple[Schema, list[bytes], list[Any]], data: st.DataObject
) -> None:
    """Bytes missing or left over make a record unreadable, and none of its neighbours."""
    schema, datums, _ = case
    for index, datum in enumerate(datums):
        cut = datum[: data.draw(st.integers(0, len(datum) - 1))] if datum else datum + b"\x00"
        for broken in (cut, datum + data.draw(st.binary(min_size=1, max_size=3))):
            changed = [*datums[:index], broken, *datums[index + 1 :]]
            result = read(schema, _columns(schema), changed)
            assert [at for at, _ in result.faults] == [index]
            whole = read(schema, _columns(schema), [*datums[:index], *datums[index + 1 :]])
            assert _lists(result) == _lists(whole)


@given(written(), st.lists(st.binary(max_size=40), min_size=1, max_size=20))
@SOME
def test_no_bytes_stop_the_decoder(case: tuple[Schema, list[bytes], list[Any]], garbage: list[bytes]) -> None:
    """Whatever the bytes, each datum is either readable or at fault, and the columns keep their types."""
    schema, _, _ = case
    result = read(schema, _columns(schema), garbage)
    assert {index for index, _ in result.faults} <= set(range(len(garbage)))
    assert [series.dtype for series in result.columns] == [column.type.dtype for column in _columns(schema)]
    assert {len(series) for series in result.columns} <= {len(garbage) - len(result.faults)}


def _lists(result: Rows) -> list[list[Any]]:
    return [series.to_list() for series in result.columns]


def _schema(avro: Any) -> Schema:
    return parse(json.dumps({"type": "record", "name": "R", "fields": [{"name": "f", "type": avro}]}), "schema 5")


HUGE = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"  # 2**63 - 1, the largest long


@pytest.mark.parametrize(
    "avro",
    [
        pytest.param("bytes", id="bytes"),
        pytest.param("string", id="text"),
        pytest.param({"type": "array", "items": "int"}, id="an array"),
        pytest.param({"type": "map", "values": "int"}, id="a map"),
    ],
)
def test_a_huge_length_takes_no_memory(avro: Any) -> None:
    """A length or count of 2**63 - 1 with few bytes behind it is a fault, not gigabytes."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    schema = _schema(avro)
    result = read(schema, _columns(schema), [HUGE + b"\x02ab", HUGE])
    assert [index for index, _ in result.faults] == [0, 1]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kilobytes


@pytest.mark.parametrize(
    ("avro", "datum", "detail"),
    [
        pytest.param("string", b"\x08ab", "schema 5, byte 3 of 3: it ends too early, or a length", id="ends too early"),
        pytest.param("string", b"\x04abc", "schema 5, byte 3 of 4: 1 bytes left over", id="bytes left over"),
        pytest.param("string", b"\x04\xc3\x28", "schema 5, byte 3 of 3: a text in it is not UTF-8", id="no UTF-8"),
        pytest.param(["int", "null"], b"\xc4\x01", "schema 5, byte 2 of 2: a union index", id="a union index of 98"),
        pytest.param("int", b"\x80\x80\x80\x80\x10", "schema 5, field f: an int beyond 32 bits", id="a large int"),
    ],
)
def test_a_fault_says_schema_and_place_and_no_value(avro: Any, datum: bytes, detail: str) -> None:
    """The detail of a dead letter names the schema, and the byte or the field."""
    schema = _schema(avro)
    [(index, found)] = read(schema, _columns(schema), [datum]).faults
    assert index == 0
    assert found.startswith(detail)


def test_columns_without_rows_or_values_keep_their_types() -> None:
    """A column of a date is a column of dates when nothing is in it, and when nothing but null is."""
    schema = _schema(["null", {"type": "array", "items": {"type": "int", "logicalType": "date"}}])
    for datums in ([], [b"\x00", b"\x00"]):
        [series] = read(schema, _columns(schema), datums).columns
        assert series.dtype == pl.List(pl.Date)
        assert series.null_count() == len(series) == len(datums)


def test_only_what_is_asked_for_is_kept() -> None:
    """A field that nobody asked for is read over, and its range is not looked at."""
    fields = [{"name": "a", "type": "int"}, {"name": "b", "type": "int"}]
    schema = parse(json.dumps({"type": "record", "name": "R", "fields": fields}), "s")
    wanted = find("b", schema.root)
    assert wanted is not None
    result = read(schema, [wanted], [b"\x80\x80\x80\x80\x10\x02"])
    assert _lists(result) == [[1]]
    assert read(schema, [], [b"\x02\x02", b"\x02"]) == Rows([], [(1, result_of_cut())])


def result_of_cut() -> str:
    """Spell the fault of the datum above that is one byte short."""
    return "s, byte 1 of 1: it ends too early, or a length or index in it is wrong"


def test_a_path_through_a_union_gives_null_for_other_branches() -> None:
    """The record's field where the datum holds the record, null where it holds a text or nothing."""
    name = {
        "type": "record",
        "name": "Name",
        "fields": [{"name": "since", "type": {"type": "int", "logicalType": "date"}}],
    }
    schema = _schema(["null", "string", name])
    wanted = find("f.since", schema.root)
    assert wanted is not None
    assert _lists(read(schema, [wanted], [b"\x00", b"\x02\x02x", b"\x04\x02"])) == [[None, None, date(1970, 1, 2)]]


def test_values_are_what_they_were_meant_to_be() -> None:
    """One record of the kinds that a CRM sends, value by value, as an anchor for the generated ones."""
    fields = {
        "at": {"type": "long", "logicalType": "timestamp-millis"},
        "local": {"type": "long", "logicalType": "local-timestamp-micros"},
        "opens": {"type": "int", "logicalType": "time-millis"},
        "balance": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
    }
    avro = {"type": "record", "name": "R", "fields": [{"name": key, "type": kind} for key, kind in fields.items()]}
    out = BytesIO()
    for number in (1_700_000_000_123, 1_000_001, 3_600_000):
        fastavro.schemaless_writer(out, "long", number)
    fastavro.schemaless_writer(out, "bytes", b"\xff\x85")
    schema = parse(json.dumps(avro), "s")
    assert _lists(read(schema, _columns(schema), [out.getvalue()])) == [
        [datetime(2023, 11, 14, 22, 13, 20, 123_000, UTC)],
        [datetime(1970, 1, 1, 0, 0, 1, 1)],  # noqa: DTZ001 - a local timestamp has no zone
        [time(1)],
        [Decimal("-1.23")],
    ]
