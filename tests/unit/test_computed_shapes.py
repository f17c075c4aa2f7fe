"""`where:` and `value:` behind every shape: by the bytes of the sample events, through decoder, shape and mapping."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from connector.records import ASSIGNMENT, KEY, OFFSET, ROW, Reason
from tests.samples.debezium import change
from tests.samples.files import SAMPLES
from tests.unit.test_shapes import feed, frame, outcome

if TYPE_CHECKING:
    from tests.samples.sample import Event, Sample

EVENTS = [
    pytest.param(sample, event, id=f"{name}: {event.what}")
    for name, sample in SAMPLES.items()
    for event in sample.events
]
KEYED: dict[str, Any] = {
    "id": {"value": "sha256(upper(key))"},
    "key_framing": "text",
    "on_delete": "send",
    "deleted": {"status": "gone"},
}


def computed(sample: Sample, **more: Any) -> dict[str, Any]:
    """The settings of a sample with an expression in the place of each path."""
    source = sample.source
    attributes = {name: {"value": path} for name, path in source["attributes"].items()}
    return {**source, "id": {"value": f"CAST({source['id']} AS VARCHAR)"}, "attributes": attributes, **more}


@pytest.mark.parametrize(("sample", "event"), EVENTS)
async def test_an_expression_of_a_path_is_the_path(sample: Sample, event: Event) -> None:
    """Values, nulls, what is absent, deletes and ids of deletes are the same by `value: path` as by the path."""
    read = await feed(sample.schema, **computed(sample)).read("crm", frame(sample.schema, [event.datum]))
    assert outcome(read) == event.becomes


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=list(SAMPLES))
async def test_no_change_but_deletes_passes_a_predicate_that_is_never_true(sample: Sample) -> None:
    """Each record that would be a row, or has a bad id, is counted as filtered once; others for what they are."""
    field = next(iter(sample.source["attributes"].values()))
    source = sample.source | {"where": f"{field} IS NULL AND {field} IS NOT NULL", "on_delete": "skip", "deleted": {}}
    events = [event.datum for event in sample.events]
    all_of_them = await feed(sample.schema, **source | {"where": "TRUE"}).read("crm", frame(sample.schema, events))
    read = await feed(sample.schema, **source).read("crm", frame(sample.schema, events))
    assert all_of_them.rows.height
    bad_ids = sum((letters["reason"] == Reason.ID_MISSING).sum() for letters in all_of_them.refused)
    assert read.rows.is_empty()
    assert read.skipped == {**all_of_them.skipped, "filtered": all_of_them.rows[ROW].n_unique() + bad_ids}


MYSQL = SAMPLES["debezium-mysql"]
ROW_OF_MYSQL = MYSQL.events[0].datum["after"]
AT = {"gtid": None, "file": "binlog.000004", "pos": 1047, "row": 0}


async def test_a_delete_of_debezium_goes_on_with_its_id_made_by_the_expression() -> None:
    """The predicate says nothing of it; the id comes from `before`, hashed as that of any row."""
    source = MYSQL.source | {
        "where": "city = 'Graz'",
        "id": {"value": "sha256(lower(customer_id))"},
        "on_delete": "send",
        "deleted": {"status": "gone"},
    }
    wien = ROW_OF_MYSQL | {"city": "Wien"}
    datums = [
        change("mysql", "c", None, ROW_OF_MYSQL, **AT),
        change("mysql", "u", ROW_OF_MYSQL, wien, **AT),
        change("mysql", "d", wien, None, **AT),
    ]
    read = await feed(MYSQL.schema, **source).read("crm", frame(MYSQL.schema, datums))
    digest = hashlib.sha256(b"c-1").hexdigest()
    rows = read.rows.drop(ROW, ASSIGNMENT, OFFSET).to_dicts()
    assert [(row["#id"], row["city"], row["status"]) for row in rows] == [
        (digest, "Graz", None),
        (digest, None, "gone"),
    ]
    assert read.skipped == {"filtered": 1}


async def test_the_id_of_a_deleted_row_may_be_made_of_several_fields() -> None:
    """Each of them comes from `before`; one that is null there makes a dead letter rather than half an id."""
    source = MYSQL.source | {
        "id": {"value": "city || '-' || customer_id"},
        "on_delete": "send",
        "deleted": {"status": "gone"},
    }
    datums = [
        change("mysql", "c", None, ROW_OF_MYSQL, **AT),
        change("mysql", "d", ROW_OF_MYSQL, None, **AT),
        change("mysql", "d", ROW_OF_MYSQL | {"city": None}, None, **AT),
    ]
    read = await feed(MYSQL.schema, **source).read("crm", frame(MYSQL.schema, datums))
    assert read.rows.select("#id", "status").rows() == [("Graz-c-1", None), ("Graz-c-1", "gone")]
    assert [reason for letters in read.refused for reason in letters["reason"]] == [Reason.ID_MISSING]


class Keyed:
    """A record of which a feed asks the key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def key(self) -> bytes:
        """Give it."""
        return self._key


async def test_an_id_may_be_made_of_the_key() -> None:
    """Of a record with a value and of one without, by the same expression."""
    schema = {"type": "record", "name": "Customer", "fields": [{"name": "tier", "type": "string"}]}
    source = KEYED | {"attributes": {"tier": "tier", "known": {"value": "key"}}}
    keys = [b"c-1", b"c-2"]
    records: Any = [Keyed(key) for key in keys]
    given = frame(schema, [{"tier": "gold"}, None]).with_columns(pl.Series(KEY, keys, pl.Binary))
    read = await feed(schema, **source).read("crm", given, records)
    first, second = (hashlib.sha256(key.upper()).hexdigest() for key in keys)
    assert read.rows.drop(ROW, ASSIGNMENT, OFFSET).to_dicts() == [
        {"#id": first, "tier": "gold", "known": "c-1", "status": None},
        {"#id": second, "tier": None, "known": None, "status": "gone"},
    ]
