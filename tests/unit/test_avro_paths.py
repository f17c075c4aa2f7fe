from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from connector.avro.lowering import parse
from connector.avro.paths import find, leaves, reachable

if TYPE_CHECKING:
    from connector.avro.schema import Type


def _field(name: str, avro: Any, *aliases: str) -> dict[str, Any]:
    return {"name": name, "type": avro, "aliases": list(aliases)}


def _record(name: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields)}


def _root(*fields: dict[str, Any]) -> Type:
    return parse(json.dumps(_record("Customer", *fields)), "s").root


OLD = _root(
    _field("id", "string"),
    _field("town", ["null", _record("Town", _field("label", "string"), _field("zip", "string"))]),
    _field("tags", {"type": "array", "items": "string"}),
)
NEWEST = _root(
    _field("id", "string"),
    _field("home", ["null", _record("Home", _field("name", "string", "title", "label"))], "town"),
    _field("tags", {"type": "array", "items": "string"}, "labels"),
    _field("tier", "string", "level"),
)
CHOICE = _root(
    _field("name", ["null", "string", _record("PersonName", _field("first", "string"))]),
    _field("either", [_record("A", _field("x", "int")), _record("B", _field("x", "int"))]),
    _field("self", ["null", "Customer"]),
)


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        pytest.param("id", ("id",), id="a field by its name"),
        pytest.param("town.zip", ("town", "zip"), id="an old name that the newest schema lacks"),
        pytest.param("home.name", ("town", "label"), id="an alias at each level, the second alias at the last"),
        pytest.param("home", ("town",), id="a whole record"),
        pytest.param("town.name", ("town", "label"), id="a newest name below an older one"),
        pytest.param("tier", None, id="a new field with an alias nobody has used"),
        pytest.param("tags.0", None, id="nothing inside an array"),
        pytest.param("id.x", None, id="nothing inside a string"),
        pytest.param("", None, id="an empty path"),
        pytest.param("town..zip", None, id="an empty name in a path"),
    ],
)
def test_a_path_finds_its_field_by_name_or_alias(path: str, steps: tuple[str, ...] | None) -> None:
    """A name counts before an alias, and aliases are those of the newest schema, level by level."""
    found = find(path, OLD, NEWEST)
    assert (found and found.steps) == steps
    assert found is None or found.path == path


@pytest.mark.parametrize("path", ["home.name", "town.name", "town.label", "home.title"])
def test_a_path_of_an_older_schema_finds_the_renamed_field(path: str) -> None:
    """A mapping that was written before a field was renamed by alias goes on with the newest records."""
    found = find(path, NEWEST, NEWEST)
    assert found is not None
    assert (found.path, found.steps) == (path, ("home", "name"))


def test_without_a_newest_schema_only_names_count() -> None:
    """A subject that the registry does not know leaves nothing but the writer's own names."""
    assert find("home.name", OLD) is None
    assert find("town.label", OLD) is not None


def test_a_union_with_one_record_is_walked_through() -> None:
    """A path goes into the only record of a union of several types, and into none of two."""
    found = find("name.first", CHOICE)
    assert found is not None
    assert found.steps == ("name", "?PersonName", "first")
    assert find("either.x", CHOICE) is None


def test_a_recursive_field_is_found_without_a_type() -> None:
    """Asking for it can be answered with the reason instead of `no such field`."""
    found = find("self", CHOICE)
    assert found is not None
    assert found.type.dtype is None
    assert find("self.name", CHOICE) is None


def test_leaves_are_all_fields_that_are_no_records() -> None:
    """Records are flattened; arrays and unions of several types stay whole; recursion is left out."""
    assert [column.path for column in leaves(OLD)] == ["id", "town.label", "town.zip", "tags"]
    assert [column.path for column in leaves(CHOICE)] == ["name", "either"]


def test_leaves_go_by_their_newest_names() -> None:
    """One attribute does not go by two names only because old records are still in the topic."""
    renamed = {column.path: column.steps for column in leaves(OLD, NEWEST)}
    assert renamed == {"id": ("id",), "home.name": ("town", "label"), "home.zip": ("town", "zip"), "tags": ("tags",)}


def test_a_field_that_still_exists_is_not_renamed() -> None:
    """An alias that is also the name of a field in either schema stands for that field."""
    both = _root(_field("id", "string"), _field("label", "string"), _field("title", "string", "label"))
    assert [column.path for column in leaves(both, both)] == ["id", "label", "title"]
    found = find("title", both, both)
    assert found is not None
    assert found.steps == ("title",)
    old = _root(_field("label", "string"))
    assert [column.path for column in leaves(old, both)] == ["label"]


def test_all_that_can_be_reached_can_be_found() -> None:
    """Every path that a check at start offers is one that decoding finds, at the same place."""
    for root in (OLD, NEWEST, CHOICE):
        for column in reachable(root):
            assert find(column.path, root) == column
    assert [column.path for column in reachable(CHOICE)] == ["name", "name.first", "either"]
