"""What is particular to a shape, by bytes through decoder, shape and mapping; `test_matrix` has every sample event."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import fastavro
import polars as pl
import pytest

from connector.avro.lowering import parse
from connector.avro.schema_keys import SchemaKey
from connector.avro.stores import SchemaFile
from connector.errors import BlockedError, SettingError
from connector.records import ASSIGNMENT, OFFSET, ROW, VALUE
from connector.service.source_side import make_feed
from connector.service.sources import SourceSettings
from tests.samples.debezium import change, envelope
from tests.samples.files import FOLDER, SAMPLES, contents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector.avro.schema import Schema
    from connector.feeds import Feed, Read
    from tests.samples.sample import Sample


class OneSchema(SchemaFile):
    """A store of one schema, as a registry would give it."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        super().__init__(parse(json.dumps(schema), "schema 1"))


def feed(schema: Mapping[str, Any], **source: Any) -> Feed:
    settings = {"topics": ["crm"], **source}
    return make_feed(SourceSettings.model_validate(settings), OneSchema(schema))


def frame(schema: Mapping[str, Any], datums: Sequence[Mapping[str, Any] | None]) -> pl.DataFrame:
    parsed, values = fastavro.parse_schema(json.loads(json.dumps(schema))), []
    for datum in datums:
        out = io.BytesIO()
        if datum is not None:
            fastavro.schemaless_writer(out, parsed, datum)
        values.append(None if datum is None else b"\0\0\0\0\1" + out.getvalue())
    return pl.DataFrame(
        {ROW: range(len(values)), ASSIGNMENT: [7] * len(values), OFFSET: range(len(values)), VALUE: values},
        schema={ROW: pl.UInt32, ASSIGNMENT: pl.UInt32, OFFSET: pl.Int64, VALUE: pl.Binary},
    )


def outcome(read: Read) -> object:
    """What a single event became, in the words of `Event.becomes`."""
    refused = [reason for letters in read.refused for reason in letters["reason"]]
    rows = read.rows.drop(ROW, ASSIGNMENT, OFFSET, strict=False).to_dicts()
    words = [*refused, *read.skipped]
    assert len(words) + bool(rows) == 1, (rows, words)
    return rows or words[0]


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=list(SAMPLES))
async def test_events_of_one_poll_become_the_same_together(sample: Sample) -> None:
    """Many records at once become what each of them becomes alone, in Kafka's order, at their positions."""
    events = [*sample.events] * 3
    read = await feed(sample.schema, **sample.source).read("crm", frame(sample.schema, [one.datum for one in events]))
    expected = [
        (row, place) for place, one in enumerate(events) if not isinstance(one.becomes, str) for row in one.becomes
    ]
    assert read.rows[OFFSET].to_list() == [place for _, place in expected]
    assert read.rows.drop(ROW, ASSIGNMENT, OFFSET).to_dicts() == [row for row, _ in expected]
    lost = sum(isinstance(one.becomes, str) for one in events)
    assert sum(letters.height for letters in read.refused) + sum(read.skipped.values()) == lost


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=list(SAMPLES))
async def test_check_sees_the_row_in_the_envelope(sample: Sample) -> None:
    """The mapping fits the newest schema by the paths of the row; a path that the row lacks is told by the row's."""
    fits = feed(sample.schema, **sample.source)
    dtypes = await fits.decoder.newest("crm")
    assert dtypes
    fits.mapping.check(dtypes, "topic crm")
    wrong = feed(sample.schema, **sample.source | {"attributes": {"a": "no.such_field"}, "on_null": "leave"})
    dtypes = await wrong.decoder.newest("crm")
    assert dtypes
    with pytest.raises(SettingError, match=r"no field `no\.such_field`: it has `"):
        wrong.mapping.check(dtypes, "topic crm")


@pytest.mark.parametrize("name", contents())
def test_the_files_are_the_samples(name: str) -> None:
    """`schemas/samples/` holds what these tests ran on: `python -m tests.samples` writes it."""
    held, made = (FOLDER / name).read_bytes(), contents()[name]
    if name.endswith(".avro"):  # fastavro orders the keys of the schema in there anew in each process
        assert told(held) == told(made)
    else:
        assert held == made


def told(container: bytes) -> tuple[Any, list[Any]]:
    """Schema and datums of an object container."""
    reader = fastavro.reader(io.BytesIO(container))
    return reader.writer_schema, list(reader)


def test_there_is_no_other_file() -> None:
    """A sample that goes takes its files along."""
    assert {path.name for path in FOLDER.iterdir()} == set(contents())


TRANSACTION = {
    "type": "record",
    "name": "TransactionMetadataValue",
    "namespace": "io.debezium.connector.common",
    "fields": [
        {"name": "status", "type": "string"},
        {"name": "id", "type": "string"},
        {"name": "ts_ms", "type": "long"},
        {"name": "event_count", "type": ["null", "long"]},
    ],
}
FLAT = {"type": "record", "name": "Customer", "fields": [{"name": "customer_id", "type": "string"}]}
DEBEZIUM = {"shape": "debezium", "id": "customer_id", "attributes": "all"}


async def test_debeziums_own_records_are_left_out_and_counted() -> None:
    """Records of the transaction and heartbeat topics are about no profile, at start and while running."""
    ours = feed(TRANSACTION, **DEBEZIUM)
    datum = {"status": "BEGIN", "id": "571", "ts_ms": 1, "event_count": None}
    read = await ours.read("crm.transaction", frame(TRANSACTION, [datum, datum]))
    assert (outcome(read), read.skipped) == ("transaction", {"transaction": 2})
    assert await ours.decoder.newest("crm.transaction") == {}
    beat = {"type": "record", "name": "Heartbeat", "fields": [{"name": "ts_ms", "type": "long"}]}
    read = await feed(beat, **DEBEZIUM).read("heartbeats", frame(beat, [{"ts_ms": 1}]))
    assert read.skipped == {"heartbeat": 1}


async def test_a_schema_of_another_shape_is_never_guessed_at() -> None:
    """A flat record under `shape: debezium` is an error at start, and blocks at run time; no value is told."""
    ours = feed(FLAT, **DEBEZIUM)
    with pytest.raises(SettingError, match="topic crm: its newest schema is no Debezium envelope"):
        await ours.decoder.newest("crm")
    with pytest.raises(BlockedError, match="topic crm: schema 1 is no Debezium envelope") as raised:
        await ours.read("crm", frame(FLAT, [{"customer_id": "secret-7"}]))
    assert "secret" not in str(raised.value)


async def test_all_takes_the_row_and_nothing_of_the_envelope() -> None:
    """With `attributes: all` no field of `source`, `before` or the envelope is sent."""
    sample = SAMPLES["debezium-sqlserver"]
    source = sample.source | {"attributes": "all"}
    read = await feed(sample.schema, **source).read("crm", frame(sample.schema, [sample.events[0].datum]))
    assert set(read.rows.columns) - {ROW, ASSIGNMENT, OFFSET, "#id"} == {
        "EMailAddress1", "StateCode", "ModifiedOn", "state",
    }  # fmt: skip


async def test_another_placeholder_is_a_setting() -> None:
    """`unavailable_value` is what Debezium was told to write; its default is then text like any other."""
    sample = SAMPLES["debezium-oracle"]
    datum = sample.events[2].datum
    other = feed(sample.schema, **sample.source, unavailable_value="NOT THERE")
    read = await other.read("crm", frame(sample.schema, [datum]))
    assert (read.rows["biography"][0], read.partial) == ("__debezium_unavailable_value", False)


async def test_what_is_absent_makes_the_window_keep_the_older_value() -> None:
    """Only where a placeholder stood does the poll say that older values of the same window stand."""
    sample = SAMPLES["debezium-oracle"]
    ours = feed(sample.schema, **sample.source)
    create, update = sample.events[1].datum, sample.events[2].datum
    assert not (await ours.read("crm", frame(sample.schema, [create]))).partial
    assert (await ours.read("crm", frame(sample.schema, [create, update]))).partial


async def test_tombstones_follow_deletes() -> None:
    """A record without a value has no id that could be sent: skipped and counted, or a dead letter."""
    sample = SAMPLES["debezium-sqlserver"]
    source = dict(sample.source)
    sent = await feed(sample.schema, **source).read("crm", frame(sample.schema, [None]))
    assert outcome(sent) == "tombstone"
    assert not any(letters.height for letters in sent.refused)
    letters = feed(sample.schema, **source | {"on_delete": "dead_letter", "deleted": {}})
    assert outcome(await letters.read("crm", frame(sample.schema, [None]))) == "tombstone"


async def test_a_delete_whose_id_cannot_be_sent_is_a_dead_letter() -> None:
    """`on_delete: send` holds an id to the same rules as any other row; `skip` does not look at it."""
    sample = SAMPLES["debezium-mysql"]
    datum = sample.events[-1].datum | {"before": sample.events[-1].datum["before"] | {"customer_id": "a,b"}}
    send = sample.source | {"on_delete": "send", "deleted": {"status": "gone"}}
    assert outcome(await feed(sample.schema, **send).read("crm", frame(sample.schema, [datum]))) == "id_forbidden"
    read = await feed(sample.schema, **sample.source).read("crm", frame(sample.schema, [datum]))
    assert read.skipped == {"delete": 1}


class TwoSchemas(OneSchema):
    """A store in which the topic's newest schema has the id 2."""

    def __init__(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        super().__init__(new)
        self._by_id = {1: parse(json.dumps(old), "schema 1"), 2: parse(json.dumps(new), "schema 2")}

    async def schema(self, key: bytes) -> Schema:
        return self._by_id[SchemaKey.of(key).number]

    async def newest(self, topic: str) -> Schema:
        return self._by_id[2]


def versions(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two envelopes around rows of these columns."""
    first, second = (envelope("crm.public.customers", "mysql", columns, {"pos": "long"}) for columns in (old, new))
    return first, second


async def test_the_row_in_the_envelope_evolves() -> None:
    """Two versions in one poll: a column that the newest calls otherwise is found, one that the older lacks is null."""
    key, town = ({"name": name, "type": "string"} for name in ("customer_id", "town"))
    city: dict[str, Any] = {"name": "city", "type": "string", "aliases": ["town"]}
    tier: dict[str, Any] = {"name": "tier", "type": ["null", "string"], "default": None}
    first, second = versions([key, town], [key, city, tier])
    settings: dict[str, Any] = {"topics": ["crm"], "shape": "debezium", "id": "customer_id", "on_null": "sentinel"}
    settings |= {"attributes": {"city": "city", "tier": "tier"}}
    ours = make_feed(SourceSettings.model_validate(settings), TwoSchemas(first, second))
    older = frame(first, [change("mysql", "c", None, {"customer_id": "a", "town": "Graz"}, pos=1)])
    newer = frame(second, [change("mysql", "c", None, {"customer_id": "b", "city": "Wien", "tier": None}, pos=2)])
    framed = newer.with_columns(pl.lit(b"\0\0\0\0\2" + newer[VALUE][0][5:]).alias(VALUE))
    polled = pl.concat([older, framed, older, framed]).with_columns(pl.Series(ROW, range(4), pl.UInt32))
    read = await ours.read("crm", polled)
    assert read.rows.select("#id", "city", "tier").rows() == [
        ("a", "Graz", None), ("b", "Wien", "NONE"), ("a", "Graz", None), ("b", "Wien", "NONE"),
    ]  # fmt: skip


async def test_a_row_that_loses_the_id_blocks() -> None:
    """The path is named as the mapping spells it, with topic, schema and the newest one."""
    key, other = {"name": "customer_id", "type": "string"}, {"name": "number", "type": "string"}
    first, second = versions([other], [key])
    settings = {"topics": ["crm"], "shape": "debezium", "id": "customer_id", "attributes": {"a": "customer_id"}}
    ours = make_feed(SourceSettings.model_validate(settings), TwoSchemas(first, second))
    lost = frame(first, [change("mysql", "c", None, {"number": "7"}, pos=1)])
    told = r"topic crm, schema 1 \(the newest is schema 2\): the schema has no field `customer_id`, which the id needs"
    with pytest.raises(BlockedError, match=told):
        await ours.read("crm", lost)


async def test_a_record_of_an_older_schema_is_whole_all_the_same() -> None:
    """With `events: full` a record says all that its source knows: a field that its schema lacks has no value."""
    whole = {"type": "record", "name": "C", "fields": [{"name": name, "type": "string"} for name in ("id", "a", "b")]}
    older = whole | {"fields": whole["fields"][:2]}
    source = {"shape": "flat", "id": "id", "attributes": {"a": "a", "b": "b"}}
    read = await feed(older, **source).read("crm", frame(older, [{"id": "1", "a": "x"}]))
    assert (read.partial, read.rows["b"].to_list()) == (False, [None])


LIST_OF_INTS = {"type": "array", "items": "int"}


@pytest.mark.parametrize(
    ("shape", "name", "avro"),
    [
        pytest.param("debezium", "op", "int", id="debezium: op is a number"),
        pytest.param("debezium-unwrapped", "__op", "int", id="unwrapped: __op is a number"),
        pytest.param("debezium-unwrapped", "__deleted", LIST_OF_INTS, id="unwrapped: __deleted is a list"),
        pytest.param("salesforce", "nulledFields", LIST_OF_INTS, id="salesforce: nulledFields are numbers"),
        pytest.param("salesforce", "changeType", LIST_OF_INTS, id="salesforce: changeType is a list"),
    ],
)
async def test_a_field_of_a_shape_with_another_type_is_told(shape: str, name: str, avro: Any) -> None:
    """An error at start and a block at run time, with field and type; no stack trace, and nothing skipped."""
    inner = {"type": "record", "name": "Row", "fields": [{"name": "id", "type": "string"}]}
    fields: dict[str, Any] = {"id": "string", name: avro}
    if shape == "debezium":
        fields = {"before": ["null", inner], "after": ["null", "Row"], name: avro}
    if shape == "salesforce":
        kinds = {"recordIds": {"type": "array", "items": "string"}, "changeType": "string"} | {name: avro}
        header = [{"name": key, "type": kind} for key, kind in kinds.items()]
        fields = {"ChangeEventHeader": {"type": "record", "name": "Header", "fields": header}, "id": "string"}
    schema = {"type": "record", "name": "E", "fields": [{"name": key, "type": kind} for key, kind in fields.items()]}
    ours = feed(schema, shape=shape, id="id", attributes={"copy": "id"})
    with pytest.raises(SettingError, match=f"topic crm: its newest schema has a field `.*{name}` of type"):
        await ours.decoder.newest("crm")
    empty = {"int": 1, "string": "a"}
    datum = {
        key: empty[kind] if isinstance(kind, str) else None if isinstance(kind, list) else [1]
        for key, kind in fields.items()
    }
    if shape == "salesforce":
        datum["ChangeEventHeader"] = {"recordIds": ["a"], "changeType": "UPDATE", "nulledFields": [1]} | (
            {"changeType": [1]} if name == "changeType" else {}
        )
    with pytest.raises(BlockedError, match=f"topic crm: schema 1 has a field `.*{name}` of type"):
        await ours.read("crm", frame(schema, [datum]))


async def test_a_null_rule_for_no_attribute_is_an_error_at_start() -> None:
    """With `attributes: all` the names are known by the schema only: a wrong one is told with what is near."""
    schema = {"type": "record", "name": "C", "fields": [{"name": name, "type": "string"} for name in ("id", "tier")]}
    ours = feed(schema, shape="flat", id="id", attributes="all", on_null={"teir": "sentinel", "*": "leave"})
    offered = await ours.decoder.newest("crm")
    assert offered is not None
    with pytest.raises(SettingError, match="on_null names `teir`, which is no attribute: did you mean `tier`"):
        ours.mapping.check(offered, "topic crm")
