"""Writer schemas that change while the service runs: what each kind of change becomes, and what blocks."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import fastavro
import pytest
from confluent_kafka.schema_registry import Schema

from connector.service.check import schema_side
from connector.service.check.findings import State
from connector.service.settings import Settings
from connector.telemetry import Part
from tests.changes import changed
from tests.embedded.road import TOPIC, Road, road, until
from tests.system.command import minimal

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

NULLABLE_TEXT = ["null", "string"]
# The mapping of all cases.
ATTRIBUTES = {"tier": "tier", "points": "points", "city": "address.city", "seen": "seen"}
GOLD: dict[str, Any] = {"type": "enum", "name": "Tier", "symbols": ["BASIC", "GOLD"]}
MORE: dict[str, Any] = GOLD | {"symbols": ["NEW", "BASIC", "GOLD"]}


def record(name: str, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A record; a field is its type, or type and aliases."""
    listed = [
        {"name": key, "type": of[0], "aliases": list(of[1:])} if isinstance(of, tuple) else {"name": key, "type": of}
        for key, of in fields.items()
    ]
    return {"type": "record", "name": name, "fields": listed, **more}


def address(name: str, field_name: str = "city", *aliases: str) -> dict[str, Any]:
    return record(name, {field_name: ("string", *aliases)})


@dataclass(frozen=True)
class Case:
    """A change of schema.

    Attributes:
        old: fields of the first version besides the id, and a record's values.
        new: of the second one.
        becomes: attributes of a profile written by the first, and of one by the second.
        name: of the second version's record.
        costs: the field that the mapping loses by it.
        mapped: whether the mapping was written for the second one, which is known before the service starts.
    """

    old: tuple[dict[str, Any], dict[str, Any]]
    new: tuple[dict[str, Any], dict[str, Any]]
    becomes: tuple[dict[str, str], dict[str, str]]
    name: dict[str, Any] = field(default_factory=lambda: {"name": "Customer"})
    costs: str | None = None
    mapped: bool = False


CASES = {
    "a field added": Case(
        ({"tier": "string"}, {"tier": "a"}),
        ({"tier": "string", "points": "int"}, {"tier": "b", "points": 5}),
        ({"tier": "a"}, {"tier": "b", "points": "5"}),
        mapped=True,
    ),
    "a field added in front": Case(
        ({"tier": "string"}, {"tier": "a"}),
        ({"points": "int", "tier": "string"}, {"tier": "b", "points": 5}),
        ({"tier": "a"}, {"tier": "b", "points": "5"}),
        mapped=True,
    ),
    "a field removed": Case(
        ({"tier": "string", "points": "int"}, {"tier": "a", "points": 5}),
        ({"tier": "string"}, {"tier": "b"}),
        ({"tier": "a", "points": "5"}, {"tier": "b"}),
        costs="points",
    ),
    "a field renamed by alias, mapped by its older name": Case(
        ({"tier": "string"}, {"tier": "a"}),
        ({"level": ("string", "tier")}, {"level": "b"}),
        ({"tier": "a"}, {"tier": "b"}),
    ),
    "a field renamed by alias, mapped by its newer name": Case(
        ({"level": "string"}, {"level": "a"}),
        ({"tier": ("string", "level")}, {"tier": "b"}),
        ({"tier": "a"}, {"tier": "b"}),
        mapped=True,
    ),
    "a field of a record renamed by alias, and the record too": Case(
        ({"address": address("Address")}, {"address": {"city": "Graz"}}),
        ({"home": (address("Home", "town", "city"), "address")}, {"home": {"town": "Wien"}}),
        ({"city": "Graz"}, {"city": "Wien"}),
    ),
    "int to long": Case(
        ({"points": "int"}, {"points": 2**31 - 1}),
        ({"points": "long"}, {"points": 2**31}),
        ({"points": "2147483647"}, {"points": "2147483648"}),
    ),
    "long to double": Case(
        ({"points": "long"}, {"points": 2**53 + 1}),
        ({"points": "double"}, {"points": 7.5}),
        ({"points": "9007199254740993"}, {"points": "7.5"}),
    ),
    "milliseconds to microseconds": Case(
        ({"seen": {"type": "long", "logicalType": "timestamp-millis"}}, {"seen": 1}),
        ({"seen": {"type": "long", "logicalType": "timestamp-micros"}}, {"seen": 1}),
        ({"seen": "1970-01-01T00:00:00.001Z"}, {"seen": "1970-01-01T00:00:00.000001Z"}),
    ),
    "a plain number given Debezium's meaning": Case(
        ({"seen": "int"}, {"seen": 1}),
        ({"seen": {"type": "int", "connect.name": "io.debezium.time.Date"}}, {"seen": 1}),
        ({"seen": "1"}, {"seen": "1970-01-02"}),
    ),
    "a field made nullable": Case(
        ({"tier": "string"}, {"tier": "a"}),
        ({"tier": NULLABLE_TEXT}, {"tier": "b"}),
        ({"tier": "a"}, {"tier": "b"}),
    ),
    "a union widened": Case(
        ({"points": NULLABLE_TEXT}, {"points": "many"}),
        ({"points": [*NULLABLE_TEXT, "long"]}, {"points": 7}),
        ({"points": "many"}, {"points": "7"}),
    ),
    "an enum extended, in front": Case(
        ({"tier": GOLD}, {"tier": "GOLD"}),
        ({"tier": MORE}, {"tier": "NEW"}),
        ({"tier": "GOLD"}, {"tier": "NEW"}),
    ),
    "the record renamed": Case(
        ({"tier": "string"}, {"tier": "a"}),
        ({"tier": "string"}, {"tier": "b"}),
        ({"tier": "a"}, {"tier": "b"}),
        name={"name": "Client", "namespace": "com.acme", "aliases": ["Customer"]},
    ),
}
TOPICS = {f"crm.case-{at}": case for at, case in enumerate(CASES.values())}


def versions(case: Case) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Schema and values of both: with the id, and null for each attribute that the case is not about."""
    about = {attribute for one in case.becomes for attribute in one}
    others = {path for name, path in ATTRIBUTES.items() if name not in about}
    nulls: dict[str, Any] = {path: NULLABLE_TEXT for path in others if "." not in path}
    if "address.city" in others:
        nulls["address"] = ["null", address("Address")]
    (old, first), (new, second) = case.old, case.new
    whole = [record("Customer", {"customer_id": "string"} | fields | nulls) for fields in (old, new)]
    return [(whole[0], first | dict.fromkeys(nulls)), (whole[1] | case.name, second | dict.fromkeys(nulls))]


def register(it: Road, topic: str, schema: dict[str, Any]) -> Coroutine[Any, Any, int]:
    return it.registry.register_schema(f"{topic}-value", Schema(json.dumps(schema), "AVRO"))


async def interleave(it: Road, topic: str, case: Case) -> None:
    """Write records of one version and of the other in turn, into one partition."""
    written = [(schema, await register(it, topic, schema), values) for schema, values in versions(case)]
    for number in range(10):
        for at, (schema, schema_id, values) in enumerate(written):
            out = io.BytesIO()
            whole = values | {"customer_id": f"{topic}-{at}-{number}"}
            fastavro.schemaless_writer(out, fastavro.parse_schema(schema), whole)
            value = b"\0" + struct.pack(">I", schema_id) + out.getvalue()
            it.producer.produce(topic, value, key=b"one partition")


async def test_each_change_of_schema_becomes_what_the_mapping_says(tmp_path: Path) -> None:
    """Two versions in turn in one chunk, for each kind of change: nothing blocks, restarts or is a dead letter."""
    expected = {
        f"{topic}-{at}-{number}": attributes
        for topic, case in TOPICS.items()
        for at, attributes in enumerate(case.becomes)
        for number in range(10)
    }
    async with road(tmp_path) as it:
        for topic, case in TOPICS.items():
            it.broker.create_topic(topic, 1)
            for schema, _ in versions(case)[: 2 if case.mapped else 1]:
                await register(it, topic, schema)
        async with it.member(sources__topics=list(TOPICS), sources__attributes=ATTRIBUTES) as member:
            await until(lambda: member.partitions == len(TOPICS))
            for topic, case in TOPICS.items():
                await interleave(it, topic, case)
            it.producer.flush(20)
            await until(lambda: len(it.simulator.profiles) == len(expected))
        assert dict(it.simulator.profiles) == expected
        assert (member.told, member.dead) == ([], {})
        assert it.simulator.summary().refusals == {}
        assert member.polled_records == len(expected)


ADDED = CASES["a field added"]
RENAMED = CASES["a field renamed by alias, mapped by its newer name"]


@pytest.mark.parametrize(
    ("case", "names"), [(ADDED, {"tier", "points"}), (RENAMED, {"tier"})], ids=["added", "renamed"]
)
async def test_all_fields_of_two_versions_go_by_the_newest_names(case: Case, names: set[str], tmp_path: Path) -> None:
    """With `attributes: all` rows of both stand in one batch under one header, with the cells that they have."""
    async with road(tmp_path) as it:
        it.broker.create_topic("crm.all", 1)
        await interleave(it, "crm.all", case)
        it.producer.flush(20)
        async with it.member(sources__topics=["crm.all"], sources__attributes="all") as member:
            await until(lambda: len(it.simulator.profiles) == 20)
        assert {name for profile in it.simulator.profiles.values() for name in profile} == names
        assert [dict(it.simulator.profiles[f"crm.all-{at}-0"]) for at in (0, 1)] == list(case.becomes)
        assert [batch.records for batch in member.batches] == [20]
        assert (member.told, it.simulator.summary().refusals) == ([], {})


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
async def test_a_candidate_schema_says_beforehand_what_will_be(case: Case, tmp_path: Path) -> None:
    """`check --schema` takes every change that costs no field, and names the field that one costs."""
    file = tmp_path / "next.avsc"
    file.write_text(json.dumps(versions(case)[1][0]))
    settings = Settings.model_validate(changed(minimal(), {"sources__attributes": ATTRIBUTES}))
    (found,) = await schema_side.candidate(settings, file, None)
    assert found.state is (State.WRONG if case.costs else State.WELL), found.text
    assert case.costs is None or f"the schema has no field `{case.costs}`" in found.text


BREAKING = [
    pytest.param(
        {"number": "string", "city": NULLABLE_TEXT},
        {"number": "c-1", "city": "Graz"},
        "the schema has no field `customer_id`",
        id="the id is gone",
    ),
    pytest.param(
        {"customer_id": "double", "city": NULLABLE_TEXT},
        {"customer_id": 1.0, "city": "Graz"},
        "the id `customer_id` is a number",
        id="the id became a double",
    ),
    pytest.param(
        {"customer_id": "string", "city": "bytes"},
        {"customer_id": "c-1", "city": b"Graz"},
        "attribute `city`: `city` holds bytes",
        id="an attribute became bytes",
    ),
    pytest.param(
        {"customer_id": "string", "city": address("City", "name")},
        {"customer_id": "c-1", "city": {"name": "Graz"}},
        "attribute `city`: `city` is a record",
        id="an attribute became a record",
    ),
]


@pytest.mark.parametrize(("fields", "values", "why"), BREAKING)
async def test_a_change_that_breaks_the_mapping_blocks(
    fields: dict[str, Any], values: dict[str, Any], why: str, tmp_path: Path
) -> None:
    """Nothing passes it, and the trouble names topic, schema, subject and field; so does check."""
    schema = record("Customer", fields)
    async with road(tmp_path) as it:
        it.produce(range(5))
        async with it.member(sources__attributes={"version": "version", "city": "city"}) as member:
            await until(lambda: it.committed() == 5)
            schema_id = await it.register(schema)
            out = io.BytesIO()
            fastavro.schemaless_writer(out, fastavro.parse_schema(schema), values)
            it.produce_raw(b"\0" + struct.pack(">I", schema_id) + out.getvalue())
            await until(lambda: Part.PIPELINE in member.troubles)
            told = member.troubles[Part.PIPELINE]
            where = f"topic {TOPIC}, schema {schema_id} (the newest is version 2 of {TOPIC}-value)"
            assert told.startswith(f"blocked: {where}: {why}")
        assert (it.arrived(), it.committed(), member.dead) == (True, 5, {})
    file = tmp_path / "next.avsc"
    file.write_text(json.dumps(schema))
    (found,) = await schema_side.candidate(Settings.model_validate(minimal()), file, None)
    assert found.state is State.WRONG
    assert why in found.text
