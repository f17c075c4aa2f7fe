"""What `connector.avro.semantics` takes the names of Kafka Connect and Debezium for."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import fastavro
import polars as pl
import pytest

from connector.avro.columns import Columns
from connector.avro.lowering import parse
from connector.avro.paths import leaves
from connector.avro.reading import ENGINES, Reader, Singly
from connector.avro.scalars import scalar
from connector.avro.semantics import NAME, VARIABLE_SCALE
from tests.unit.test_shapes import feed, frame

CONNECT = "org.apache.kafka.connect.data."
OWN_SCALE: dict[str, Any] = {
    "type": "record",
    "name": "VariableScaleDecimal",
    "namespace": "io.debezium.data",
    "fields": [{"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}],
    NAME: VARIABLE_SCALE,
}


def decimal(avro: dict[str, Any], **parameters: str) -> dict[str, Any]:
    return {"type": "bytes", NAME: f"{CONNECT}Decimal", "connect.parameters": parameters, **avro}


@pytest.mark.parametrize(
    ("avro", "dtype"),
    [
        pytest.param({"type": "long", NAME: "com.acme.Points"}, pl.Int64(), id="an unknown name"),
        pytest.param({"type": "string", NAME: "io.debezium.time.MicroTimestamp"}, pl.String(), id="another base type"),
        pytest.param(
            {"type": "long", NAME: "io.debezium.time.Timestamp", "logicalType": "timestamp-millis"},
            pl.Datetime("ms", "UTC"),
            id="a logical type beside it",
        ),
        pytest.param(decimal({}, scale="2"), pl.String(), id="a decimal without precision has 64 digits"),
        pytest.param(
            decimal({}, scale="2", **{"connect.decimal.precision": "10"}),
            pl.Decimal(10, 2),
            id="a decimal's parameters",
        ),
        pytest.param(
            decimal({"logicalType": "decimal", "precision": 12, "scale": 3}, scale="3"),
            pl.Decimal(12, 3),
            id="a decimal that is Avro's too",
        ),
        pytest.param(decimal({}), pl.Binary(), id="a decimal without scale"),
        pytest.param(decimal({}, scale="two"), pl.Binary(), id="a scale that is no number"),
        pytest.param(decimal({}, scale="-2"), pl.Binary(), id="a scale below zero"),
        pytest.param(decimal({"connect.parameters": None}), pl.Binary(), id="no parameters"),
    ],
)
def test_a_name_means_what_fits_it(avro: dict[str, Any], dtype: pl.DataType) -> None:
    """A name counts where it is known, fits its base type and has what it needs; a logical type goes first."""
    assert scalar(avro).dtype == dtype


def read(avro: Any, *values: Any) -> tuple[pl.Series, list[str]]:
    """Values of one field, written and read again both ways, with what was at fault."""
    record = {"type": "record", "name": "R", "fields": [{"name": "f", "type": avro}]}
    datums = []
    for value in values:
        out = BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(json.dumps(record))), {"f": value})
        datums.append(out.getvalue())
    schema = parse(json.dumps(record), "schema 5")
    columns = list(leaves(schema.root))
    given = pl.Series(datums, dtype=pl.Binary)
    truth = Reader(schema, columns, ()).read(given).rows
    for engines in (ENGINES, (Columns,)):
        reading = Reader(schema, columns, engines).read(given)
        found = reading.rows
        assert Singly.ENGINE not in reading.singly
        assert found.columns[0].equals(truth.columns[0], check_dtypes=True)
        assert found.faults == truth.faults
    return found.columns[0], [fault for _, fault in found.faults]


def number(unscaled: int, scale: int, size: int = 0) -> dict[str, Any]:
    size = size or unscaled.bit_length() // 8 + 1
    return {"scale": scale, "value": unscaled.to_bytes(size, "big", signed=True)}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(number(12345, 2), "123.45", id="a point inside"),
        pytest.param(number(-5, 3), "-0.005", id="leading zeros"),
        pytest.param(number(-5, 0), "-5", id="no fraction"),
        pytest.param(number(25, -2), "2500", id="a scale below zero"),
        pytest.param(number(0, 2), "0.00", id="zero keeps its scale"),
        pytest.param(number(0, -3), "0", id="zero has no zeros behind it"),
        pytest.param({"scale": 1, "value": b""}, "0.0", id="no bytes are zero"),
        pytest.param(number(10**38 - 1, 38), f"0.{'9' * 38}", id="all that the engine holds"),
        pytest.param(number(-(10**60), 40), f"-1{'0' * 20}.{'0' * 40}", id="more than the engine holds"),
        pytest.param(number(10**4300 - 1, 0), "9" * 4300, id="all that is written out"),
        pytest.param(number(-1, 1_000), f"-0.{'0' * 999}1", id="the largest scale"),
        pytest.param(number(1, -1_000), f"1{'0' * 1_000}", id="the smallest scale"),
        pytest.param(number(7, 1, size=100), "0.7", id="bytes to spare"),
    ],
)
def test_a_decimal_with_a_scale_of_its_own_is_exact(value: dict[str, Any], text: str) -> None:
    """Debezium's VariableScaleDecimal is one value, written out in full, alone and among others."""
    assert read(OWN_SCALE, value)[0].to_list() == [text]
    assert read(["null", OWN_SCALE], number(1, 0), None, value)[0].to_list() == ["1", None, text]


@pytest.mark.parametrize(
    ("avro", "good", "bad", "fault"),
    [
        pytest.param(OWN_SCALE, number(1, 0), number(1, 1_001), "a scale beyond 1,000", id="a far scale"),
        pytest.param(OWN_SCALE, number(1, 0), number(1, -1_001), "a scale beyond 1,000", id="a far scale below"),
        pytest.param(OWN_SCALE, number(1, 0), number(10**4300, 0), "more than 4,300 digits", id="many digits"),
        pytest.param(
            {"type": "long", NAME: "io.debezium.time.NanoTime"},
            0,
            86_400 * 10**9,
            "outside the day",
            id="after the day",
        ),
        pytest.param({"type": "long", NAME: "io.debezium.time.MicroTime"}, 0, -1, "outside the day", id="before it"),
    ],
)
def test_a_value_without_a_text_makes_its_record_unreadable(avro: Any, good: Any, bad: Any, fault: str) -> None:
    """It is found out whichever way it is read, its neighbours are not harmed, and the fault tells no value."""
    column, faults = read(avro, good, bad, good)
    assert len(column) == 2
    (said,) = faults
    assert "field f" in said
    assert fault in said


def test_a_record_of_another_form_stays_a_record() -> None:
    """Whatever calls itself VariableScaleDecimal and has other fields is read as what it is."""
    other = OWN_SCALE | {"fields": [{"name": "value", "type": "bytes"}, {"name": "scale", "type": "int"}]}
    schema = {"type": "record", "name": "R", "fields": [{"name": "f", "type": other}]}
    assert [column.path for column in leaves(parse(json.dumps(schema), "schema 5").root)] == ["f.value", "f.scale"]


async def test_a_decimal_with_a_scale_of_its_own_can_be_the_id() -> None:
    """Oracle's NUMBER without a precision is what many tables have as their key."""
    names = {"customer_id": OWN_SCALE, "tier": "string"}
    schema = {"type": "record", "name": "C", "fields": [{"name": name, "type": avro} for name, avro in names.items()]}
    ours = feed(schema, shape="flat", id="customer_id", attributes={"tier": "tier"})
    read = await ours.read("crm", frame(schema, [{"customer_id": number(4711, 0), "tier": "gold"}]))
    assert read.rows.select("#id", "tier").rows() == [("4711", "gold")]
