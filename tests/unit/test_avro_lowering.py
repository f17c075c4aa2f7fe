from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import fastavro
import polars as pl
import pytest

from connector.avro import rows
from connector.avro.lowering import parse
from connector.avro.paths import leaves
from connector.avro.schema import SchemaError

NODE = {
    "type": "record",
    "name": "Node",
    "fields": [
        {"name": "label", "type": "string"},
        {"name": "next", "type": ["null", "Node"]},
        {"name": "weight", "type": "int"},
    ],
}


def _record(*fields: Any, name: str = "R", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": key, "type": avro} for key, avro in fields], **more}


def _read(schema: Any, *datums: bytes, references: list[Any] | None = None) -> rows.Rows:
    ready = parse(json.dumps(schema), "schema 1", [json.dumps(reference) for reference in references or []])
    return rows.read(ready, list(leaves(ready.root)), datums)


def _written(schema: Any, value: Any) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


def _values(result: rows.Rows, *, faults: int = 0) -> dict[str, list[Any]]:
    assert len(result.faults) == faults
    return {series.name: series.to_list() for series in result.columns}


def test_each_branch_of_a_union_is_told_from_the_others() -> None:
    """Branches that Python cannot tell apart, an enum from a string or two records, keep their names."""
    schema = _record(
        (
            "u",
            [
                "string",
                "null",
                {"type": "enum", "name": "E", "symbols": ["A", "B"]},
                _record(("x", "int"), name="n.One"),
                _record(("x", "int"), name="n.Two"),
                {"type": "map", "values": "int"},
            ],
        )
    )
    data = [("string", "A"), ("E", "A"), ("n.Two", {"x": 1}), ("map", {"k": 2}), None]
    result = _read(schema, *(_written(schema, {"u": value}) for value in data))
    found = [{name: item for name, item in (row or {}).items() if item is not None} for row in _values(result)["u"]]
    assert found == [{"?string": "A"}, {"?E": "A"}, {"?Two": {"x": 1}}, {"?map": [{"key": "k", "value": 2}]}, {}]
    assert result.columns[0][4] is None


def test_branches_of_one_short_name_go_by_their_full_names() -> None:
    """Two branches that only their namespaces tell apart are not put into one field."""
    schema = _record(("u", ["int", _record(("x", "int"), name="a.X"), _record(("x", "int"), name="b.X")]))
    assert parse(json.dumps(schema), "s").root.fields is not None
    result = _read(schema, _written(schema, {"u": ("b.X", {"x": 1})}))
    assert _values(result)["u"] == [{"?int": None, "?a.X": None, "?b.X": {"x": 1}}]


@pytest.mark.parametrize("branches", [["null", "string"], ["string", "null"]], ids=["null first", "null last"])
def test_a_nullable_field_is_the_field(branches: list[str]) -> None:
    """Null may stand on either side, as Kafka Connect writes both."""
    schema = _record(("f", branches))
    result = _read(schema, _written(schema, {"f": "x"}), _written(schema, {"f": None}))
    assert result.columns[0].dtype == pl.String
    assert _values(result)["f"] == ["x", None]


def test_a_union_of_null_alone_takes_its_byte() -> None:
    """A union of null, or of one type, is still written with an index."""
    schema = _record(("n", ["null"]), ("s", ["string"]))
    assert _values(_read(schema, b"\x00\x00\x02x")) == {"n": [None], "s": ["x"]}


@pytest.mark.parametrize("index", [-1, -2, -64, 2, 63, 64, 2**40, -(2**40)])
def test_a_union_index_out_of_range_is_unreadable(index: int) -> None:
    """Fastavro takes a negative index from the end of the branches; nothing of the kind gets through here."""
    schema = _record(("f", ["null", "int"]))
    zigzag = _written("long", index)
    assert len(_read(schema, zigzag + b"\x02").faults) == 1


@pytest.mark.parametrize("index", [-1, 2])
def test_an_enum_index_out_of_range_is_unreadable(index: int) -> None:
    """A negative index is not the last symbol."""
    schema = _record(("f", {"type": "enum", "name": "E", "symbols": ["A", "B"]}))
    assert _read(schema, _written("int", index)).faults == [(0, "schema 1, field f: an enum index out of range")]


def test_a_recursive_field_is_left_out_and_the_others_read() -> None:
    """A record that holds itself has no column for that field, and the fields on both sides of it still work."""
    value = {"label": "a", "next": {"label": "b", "next": None, "weight": 2}, "weight": 1}
    assert _values(_read(NODE, _written(NODE, value))) == {"label": ["a"], "weight": [1]}


def test_records_that_hold_each_other_are_recursive_too() -> None:
    """A cycle over several records is found wherever it closes."""
    inner = _record(("back", ["null", "R"]), ("many", {"type": "array", "items": "R"}), ("y", "int"), name="S")
    schema = _record(("s", inner), ("again", "S"), ("all", {"type": "map", "values": "S"}), ("x", "int"))
    leaf: dict[str, Any] = {"back": None, "many": [], "y": 3}
    value = {"s": {"back": {"s": leaf, "again": leaf, "all": {}, "x": 9}, "many": [], "y": 1}, "again": leaf, "x": 2}
    assert _values(_read(schema, _written(schema, value | {"all": {"k": leaf}}))) == {
        "s.y": [1],
        "again.y": [3],
        "x": [2],
    }


@pytest.mark.parametrize("depth", [5_000, 900_000], ids=["5,000 levels", "as deep as a Kafka record can be"])
def test_bottomless_nesting_is_unreadable_and_ends_nothing(depth: int) -> None:
    """A datum nested so deep that fastavro alone would end the process is one unreadable record."""
    one = _written(NODE, {"label": "a", "next": None, "weight": 1})
    result = _read(NODE, b"\x02a\x02" * (depth // 3), one)
    assert [index for index, _ in result.faults] == [0]
    assert _values(result, faults=1) == {"label": ["a"], "weight": [1]}


def test_nesting_up_to_the_limit_is_read() -> None:
    """31 records inside a record are no reason to refuse it, 32 are."""

    def nested(levels: int) -> bytes:
        value: dict[str, Any] | None = None
        for _ in range(levels):
            value = {"label": "a", "next": value, "weight": 1}
        return _written(NODE, value)

    result = _read(NODE, nested(32), nested(33))
    assert _values(result, faults=1) == {"label": ["a"], "weight": [1]}
    assert [index for index, _ in result.faults] == [1]


def test_a_named_type_is_read_wherever_it_is_used_again() -> None:
    """A type that is defined once and used by its name, in a namespace, reads the same everywhere."""
    schema = _record(
        ("a", _record(("x", {"type": "fixed", "name": "F", "size": 2}), name="P")),
        ("b", ["null", "P"]),
        ("f", "n.F"),
        namespace="n",
    )
    value = {"a": {"x": b"ab"}, "b": {"x": b"cd"}, "f": b"ef"}
    assert _values(_read(schema, _written(schema, value))) == {"a.x": [b"ab"], "b.x": [b"cd"], "f": [b"ef"]}


def test_types_of_other_schemas_are_found_by_reference() -> None:
    """A schema may use types that its references define, those of their own references included."""
    city = _record(("name", "string"), name="geo.City")
    address = _record(("city", "geo.City"), name="crm.Address")
    schema = _record(("address", "crm.Address"))
    assert _values(_read(schema, b"\x0cBerlin", references=[city, address])) == {"address.city.name": ["Berlin"]}


def test_defaults_are_not_looked_at() -> None:
    """A default that does not fit its type, which only readers would mind, does not make records unreadable."""
    schema = {"type": "record", "name": "R", "fields": [{"name": "n", "type": "int", "default": "none"}]}
    assert _values(_read(schema, b"\x02")) == {"n": [1]}


def test_a_null_record_at_the_top_is_a_row_of_nulls() -> None:
    """A nullable record as the whole schema has the record's columns."""
    schema = ["null", _record(("x", "int"))]
    assert _values(_read(schema, b"\x00", b"\x02\x04")) == {"x": [None, 2]}


def test_null_maps_and_arrays_of_null_with_huge_counts_cannot_be_asked_for() -> None:
    """Schemas by which a few bytes could claim billions of items are refused before a datum is looked at."""
    for items in ("null", _record(name="Empty"), {"type": "fixed", "name": "F", "size": 0}):
        for holder in ({"type": "array", "items": items}, {"type": "map", "values": items}):
            with pytest.raises(SchemaError, match="of null cannot be read safely"):
                parse(json.dumps(_record(("f", ["null", holder]))), "s")


def test_items_that_take_a_byte_are_no_reason_to_refuse() -> None:
    """An array of nullable values is fine, as each of them takes a byte."""
    schema = _record(("f", {"type": "array", "items": ["null", _record(name="Empty")]}))
    assert _values(_read(schema, b"\x04\x00\x02\x00")) == {"f": [[None, {}]]}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", "is no Avro schema", id="nothing"),
        pytest.param("{", "is no Avro schema", id="not JSON"),
        pytest.param("17", "is no Avro schema", id="a number"),
        pytest.param("{}", "is no Avro schema", id="an object without type"),
        pytest.param('{"type": "record"}', "is no Avro schema", id="a record without a name"),
        pytest.param('"com.acme.Customer"', "is no Avro schema", id="an unknown name"),
        pytest.param('{"type": "array", "items": {"type": 3}}', "is no Avro schema", id="a type that is a number"),
        pytest.param('"string"', "is no record", id="a string schema"),
        pytest.param('{"type": "map", "values": "int"}', "is no record", id="a map schema"),
        pytest.param(json.dumps([_record(name="A"), _record(name="B")]), "is no record", id="a choice of two records"),
        pytest.param(
            json.dumps(_record(("f", ["int", "int"]))), "one type twice, or another union", id="a union of int and int"
        ),
        pytest.param(
            json.dumps(_record(("f", ["null", ["int"]]))), "one type twice, or another union", id="a union in a union"
        ),
        pytest.param('{"type":"array","items":' * 20_000, "is n", id="very deep and cut off"),
        pytest.param(
            '{"type":"array","items":' * 20_000 + '"int"' + "}" * 20_000, "is nested too deep", id="nested too deep"
        ),
        pytest.param(
            '{"type":"array","items":' * 600 + '"int"' + "}" * 600, "is nested too deep", id="too deep for a walk"
        ),
    ],
)
def test_what_is_no_usable_schema_says_so(text: str, why: str) -> None:
    """Whatever a registry or a file holds, the answer is a SchemaError with a short reason."""
    with pytest.raises(SchemaError, match=why) as caught:
        parse(text, "s")
    assert len(str(caught.value)) <= 200


def test_a_chain_of_references_is_usable_or_says_so() -> None:
    """However long it is: one that is too deep for the fast ways alone is read singly, and nothing else comes of it."""
    chain = [json.dumps(_record(("x", f"R{at - 1}" if at else "long"), name=f"R{at}")) for at in range(600)]
    singly = 0
    for length in range(20, 600, 20):
        try:
            schema = parse(json.dumps(_record(("f", f"R{length - 1}"))), "s", chain[:length])
        except SchemaError:
            continue
        singly += schema.layout is None
    assert singly
