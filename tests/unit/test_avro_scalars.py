from __future__ import annotations

import inspect
from typing import Any

import polars as pl
import pytest

from connector.avro import scalars
from connector.avro.scalars import DatumError, scalar

BYTES_16 = bytes.fromhex("00112233445566778899aabbccddeeff")


def _column(avro: dict[str, Any], value: Any) -> Any:
    found = scalar(avro)
    converted = found.convert(value) if found.convert else value
    series = pl.Series([converted, None], dtype=found.raw, strict=True).cast(found.dtype)
    assert series[1] is None
    return series


@pytest.mark.parametrize(
    ("avro", "dtype"),
    [
        pytest.param({"type": "null"}, pl.Null(), id="null"),
        pytest.param({"type": "boolean"}, pl.Boolean(), id="boolean"),
        pytest.param({"type": "int"}, pl.Int32(), id="int"),
        pytest.param({"type": "long"}, pl.Int64(), id="long"),
        pytest.param({"type": "float"}, pl.Float32(), id="float"),
        pytest.param({"type": "double"}, pl.Float64(), id="double"),
        pytest.param({"type": "bytes"}, pl.Binary(), id="bytes"),
        pytest.param({"type": "string"}, pl.String(), id="string"),
        pytest.param({"type": "fixed", "size": 3}, pl.Binary(), id="fixed"),
        pytest.param({"type": "string", "logicalType": "uuid"}, pl.String(), id="uuid in a string"),
        pytest.param({"type": "fixed", "size": 16, "logicalType": "uuid"}, pl.String(), id="uuid in 16 bytes"),
        pytest.param({"type": "fixed", "size": 12, "logicalType": "duration"}, pl.Binary(), id="duration"),
        pytest.param({"type": "int", "logicalType": "date"}, pl.Date(), id="date"),
        pytest.param({"type": "int", "logicalType": "time-millis"}, pl.Time(), id="time-millis"),
        pytest.param({"type": "long", "logicalType": "time-micros"}, pl.Time(), id="time-micros"),
        pytest.param(
            {"type": "long", "logicalType": "timestamp-millis"}, pl.Datetime("ms", "UTC"), id="timestamp-millis"
        ),
        pytest.param(
            {"type": "long", "logicalType": "timestamp-micros"}, pl.Datetime("us", "UTC"), id="timestamp-micros"
        ),
        pytest.param(
            {"type": "long", "logicalType": "timestamp-nanos"}, pl.Datetime("ns", "UTC"), id="timestamp-nanos"
        ),
        pytest.param(
            {"type": "long", "logicalType": "local-timestamp-millis"}, pl.Datetime("ms"), id="local-timestamp-millis"
        ),
        pytest.param(
            {"type": "long", "logicalType": "local-timestamp-micros"}, pl.Datetime("us"), id="local-timestamp-micros"
        ),
        pytest.param(
            {"type": "long", "logicalType": "local-timestamp-nanos"}, pl.Datetime("ns"), id="local-timestamp-nanos"
        ),
        pytest.param(
            {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 4}, pl.Decimal(38, 4), id="decimal"
        ),
        pytest.param(
            {"type": "bytes", "logicalType": "decimal", "precision": 39}, pl.String(), id="a decimal beyond 38 digits"
        ),
        pytest.param(
            {"type": "fixed", "size": 9, "logicalType": "decimal", "precision": 20},
            pl.Decimal(20, 0),
            id="fixed decimal",
        ),
        pytest.param(
            {"type": "int", "logicalType": "timestamp-millis"}, pl.Int32(), id="a logical type on another base"
        ),
        pytest.param({"type": "long", "logicalType": "shoe-size"}, pl.Int64(), id="an unknown logical type"),
        pytest.param({"type": "bytes", "logicalType": "decimal"}, pl.Binary(), id="a decimal without precision"),
    ],
)
def test_every_type_has_its_column_type(avro: dict[str, Any], dtype: pl.DataType) -> None:
    """Each Avro type becomes the Polars type of the table; what a logical type cannot mean is its base type."""
    found = scalar(avro)
    assert found.dtype == dtype


@pytest.mark.parametrize(
    ("avro", "value", "text"),
    [
        pytest.param({"type": "int", "logicalType": "date"}, -719_162, "0001-01-01", id="the first date"),
        pytest.param({"type": "int", "logicalType": "date"}, 2_932_896, "9999-12-31", id="the last date"),
        pytest.param(
            {"type": "int", "logicalType": "time-millis"}, 86_399_999, "23:59:59.999", id="the last millisecond"
        ),
        pytest.param({"type": "long", "logicalType": "time-micros"}, 1, "00:00:00.000001", id="one microsecond"),
        pytest.param(
            {"type": "long", "logicalType": "timestamp-millis"},
            253_402_300_799_999,
            "9999-12-31 23:59:59.999+00:00",
            id="the last timestamp in milliseconds",
        ),
        pytest.param(
            {"type": "long", "logicalType": "local-timestamp-micros"},
            -62_135_596_800_000_000,
            "0001-01-01 00:00:00.000000",
            id="the first timestamp in microseconds",
        ),
        pytest.param(
            {"type": "long", "logicalType": "timestamp-nanos"},
            -(2**63) + 1,
            "1677-09-21 00:12:43.145224193+00:00",
            id="a timestamp in nanoseconds, exactly",
        ),
        pytest.param(
            {"type": "fixed", "size": 16, "logicalType": "uuid"},
            BYTES_16,
            "00112233-4455-6677-8899-aabbccddeeff",
            id="a uuid in bytes",
        ),
    ],
)
def test_values_keep_their_meaning(avro: dict[str, Any], value: Any, text: str) -> None:
    """The base type's value becomes the date, time or uuid that it stands for, at both ends of the range."""
    series = _column(avro, value)
    # A cast of times to text drops what is below the second.
    shown = series.dt.to_string("iso") if series.dtype == pl.Time else series.cast(pl.String)
    assert shown[0] == text


@pytest.mark.parametrize("sign", [1, -1], ids=["above zero", "below zero"])
@pytest.mark.parametrize("scale", [0, 2, 38])
def test_the_largest_decimals_are_exact(sign: int, scale: int) -> None:
    """A decimal of 38 digits arrives digit by digit, wherever its point is and whatever stands beside it."""
    unscaled = sign * (10**38 - 1)
    avro = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": scale}
    series = _column(avro, unscaled.to_bytes(17, "big", signed=True))
    assert series.to_physical()[0] == unscaled


@pytest.mark.parametrize(
    ("unscaled", "scale", "text"),
    [
        pytest.param(-5, 3, "-0.005", id="leading zeros"),
        pytest.param(10**60, 0, "1" + "0" * 60, id="no exponent"),
        pytest.param(0, 2, "0.00", id="zero keeps its scale"),
        pytest.param(-123456, 6, "-0.123456", id="as many digits as the scale"),
    ],
)
def test_decimals_beyond_38_digits_are_plain_text(unscaled: int, scale: int, text: str) -> None:
    """A decimal that no column can hold is written out with its scale and without an exponent."""
    avro = {"type": "bytes", "logicalType": "decimal", "precision": 64, "scale": scale}
    assert _column(avro, unscaled.to_bytes(27, "big", signed=True))[0] == text


@pytest.mark.parametrize(
    ("avro", "value"),
    [
        pytest.param({"type": "int"}, 2**31, id="an int above 32 bits"),
        pytest.param({"type": "int"}, -(2**31) - 1, id="an int below 32 bits"),
        pytest.param({"type": "int", "logicalType": "date"}, 2_932_897, id="the year 10000"),
        pytest.param({"type": "int", "logicalType": "date"}, -719_163, id="the year 0"),
        pytest.param({"type": "int", "logicalType": "time-millis"}, -1, id="before midnight"),
        pytest.param({"type": "int", "logicalType": "time-millis"}, 86_400_000, id="after the day"),
        pytest.param({"type": "long", "logicalType": "time-micros"}, 86_400_000_000, id="after the day in micros"),
        pytest.param({"type": "long", "logicalType": "timestamp-millis"}, 253_402_300_800_000, id="a far timestamp"),
        pytest.param({"type": "bytes", "logicalType": "decimal", "precision": 2}, b"\x64", id="100 in two digits"),
        pytest.param({"type": "bytes", "logicalType": "decimal", "precision": 2}, b"\x9c", id="-100 in two digits"),
    ],
)
def test_values_outside_their_type_are_faults_without_the_value(avro: dict[str, Any], value: Any) -> None:
    """What no datum of the type can be is a DatumError, and its text does not give the value away."""
    found = scalar(avro)
    assert found.convert is not None
    with pytest.raises(DatumError) as caught:
        found.convert(value)
    assert str(value) not in str(caught.value)


def test_what_is_no_scalar_is_not_guessed() -> None:
    """Arrays, records and names are none of this module's business."""
    for avro in ({"type": "array"}, {"type": "com.acme.Customer"}):
        with pytest.raises(KeyError):
            scalar(avro)


def test_the_table_in_the_docstring_names_every_type() -> None:
    """Whoever reads the table sees every primitive and every logical type that is known."""
    table = inspect.getdoc(scalars.scalar) or ""
    words = set(scalars._PLAIN) | {logical.split("-")[-1] for _, logical in scalars._LOGICAL if logical}
    assert [word for word in words if word not in table] == []
