"""Avro types whose datum is one value: which Polars type they become, and how.

Owns the table of primitive and logical types. The decoder reads every datum by its base type (an int, a long, bytes),
never by fastavro's own logical types: those raise on dates that Python lacks, know no nanoseconds, and round decimals
in one context that all threads share. The meaning is put on here. Called by `lowering`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from connector.avro import semantics

if TYPE_CHECKING:
    from collections.abc import Mapping

Convert = Callable[[Any], Any]

MAX_DECIMAL_DIGITS: Final = 38  # what 128 bits hold, and Polars' limit
# As many as PostgreSQL lets a column declare; Oracle has -84 to 127. A datum of few bytes must not become a long text.
_MOST_SCALE: Final = 1_000
_DIGITS_END: Final = 10**4_300  # Python refuses to write out more digits
_DAY_MS: Final = 86_400_000
# 0001-01-01 and 10000-01-01 in days since 1970: the years that ISO 8601 can write with four digits.
_FIRST_DAY: Final = -719_162
_END_DAY: Final = 2_932_897


class DatumError(ValueError):
    """The bytes are no datum of the schema; the text says what is wrong with which type, never a value."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Whole numbers from `low` up to, without, `end`, which a column holds `times` as large; `fault` names others."""

    low: int
    end: int
    fault: str
    times: int = 1

    def convert(self, value: int) -> int:
        """Give what the column holds; raises DatumError."""
        if self.low <= value < self.end:
            return value * self.times
        raise DatumError(self.fault)


SCALES: Final = Limits(-_MOST_SCALE, _MOST_SCALE + 1, "a decimal of a scale beyond 1,000")
NANO_TIMES: Final = Limits(0, _DAY_MS * 1_000_000, "a time outside the day")


@dataclass(frozen=True, slots=True)
class Scalar:
    """How one Avro type becomes a column.

    Attributes:
        dtype: the column's type.
        raw: the type Polars is given the converted values as, before the cast to `dtype`.
        convert: from what fastavro reads for the base type (never null) to what Polars takes for `raw`; None where
            that is the same. Raises DatumError.
        limits: of a whole number that is not any 64 bits; `convert` holds it to them.
    """

    dtype: pl.DataType
    raw: pl.DataType
    convert: Convert | None = None
    limits: Limits | None = None


def scalar(avro: Mapping[str, Any]) -> Scalar:
    """Look up how a primitive or fixed type, with its logical type if it has one, becomes a column.

    A logical type that is unknown or does not fit its base type is ignored, as the Avro specification demands. The
    semantic types of Kafka Connect and Debezium count as the logical type they mean (`connector.avro.semantics`).

    | Avro | Polars |
    |---|---|
    | null | Null |
    | boolean | Boolean |
    | int, long | Int32, Int64 |
    | float, double | Float32, Float64 |
    | bytes, fixed, duration | Binary |
    | string, uuid | String (a uuid in a string is taken as it is written) |
    | decimal | Decimal(precision, scale) up to 38 digits, String (plain, exact) beyond |
    | date | Date |
    | time-millis, time-micros | Time |
    | time-nanos (Debezium's) | String (ISO 8601, nine digits: a column of times is written with six) |
    | timestamp-millis, -micros, -nanos | Datetime("ms" / "us" / "ns", "UTC") |
    | local-timestamp-millis, -micros, -nanos | the same without a zone |

    Args:
        avro: a schema as an object: `type` is the base type, beside it the attributes of the logical type.

    Raises:
        KeyError: `type` is no primitive type and not `fixed`.
    """
    avro = semantics.resolved(avro)
    base, logical = avro["type"], avro.get("logicalType")
    if base in {"bytes", "fixed"} and logical == "decimal" and avro.get("precision"):
        return _decimal(avro["precision"], avro.get("scale") or 0)
    if base == "fixed" and logical == "uuid" and avro["size"] == _UUID_BYTES:
        return Scalar(pl.String(), pl.String(), lambda value: str(uuid.UUID(bytes=value)))
    return _LOGICAL.get((base, logical)) or _PLAIN[base]


def _same(dtype: pl.DataType, limits: Limits | None = None) -> Scalar:
    return Scalar(dtype, dtype, limits.convert if limits else None, limits)


def _decimal(precision: int, scale: int) -> Scalar:
    limit = 10**precision

    def convert(value: bytes) -> str:
        unscaled = int.from_bytes(value, "big", signed=True)
        if abs(unscaled) >= limit:
            raise DatumError("a decimal of more digits than its precision")
        return _plain(unscaled, scale)

    # No bytes are zero, as fastavro and arrow-avro have it.
    # By way of text, since Polars 2.1 refuses Python's Decimal just above -10**38 and nulls one among other scales.
    dtype = pl.Decimal(precision, scale) if precision <= MAX_DECIMAL_DIGITS else pl.String()
    return Scalar(dtype, pl.String(), convert)


def _plain(unscaled: int, scale: int) -> str:
    """Write a number out, without an exponent; a scale below zero stands for that many zeros at the end."""
    digits = str(abs(unscaled)).rjust(scale + 1, "0")
    if scale < 0 and unscaled:
        digits += "0" * -scale
    whole, fraction = (digits[:-scale], digits[-scale:]) if scale > 0 else (digits, "")
    return f"{'-' if unscaled < 0 else ''}{whole}{'.' if fraction else ''}{fraction}"


def variable_scale_text(datum: Mapping[str, Any]) -> str:
    """Write out Debezium's decimal, a record of its scale and its digits as bytes; raises DatumError."""
    scale = SCALES.convert(datum["scale"])
    unscaled = int.from_bytes(datum["value"], "big", signed=True)
    if abs(unscaled) >= _DIGITS_END:
        raise DatumError("a decimal of more than 4,300 digits")
    return _plain(unscaled, scale)


def _nano_time(value: int) -> str:
    seconds, nanos = divmod(NANO_TIMES.convert(value), 1_000_000_000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{nanos:09}"


def _timestamp(unit: str, zone: str | None) -> Scalar:
    dtype = pl.Datetime("ms" if unit == "millis" else "us", zone)
    day = _DAY_MS if unit == "millis" else _DAY_MS * 1_000
    return _same(dtype, Limits(_FIRST_DAY * day, _END_DAY * day, "a timestamp outside the years 1 to 9999"))


_UUID_BYTES: Final = 16

_PLAIN: Final[Mapping[str, Scalar]] = {
    "null": _same(pl.Null()),
    "boolean": _same(pl.Boolean()),
    "int": _same(pl.Int32(), Limits(-(2**31), 2**31, "an int beyond 32 bits")),
    "long": _same(pl.Int64()),
    "float": _same(pl.Float32()),
    "double": _same(pl.Float64()),
    "bytes": _same(pl.Binary()),
    "fixed": _same(pl.Binary()),
    # Read as bytes, so that a text which the mapping leaves out need not be UTF-8 (columns skip it unseen).
    "string": Scalar(pl.String(), pl.String(), bytes.decode),
}

_LOGICAL: Final[Mapping[tuple[str, str | None], Scalar]] = {
    ("int", "date"): _same(pl.Date(), Limits(_FIRST_DAY, _END_DAY, "a date outside the years 1 to 9999")),
    # Polars counts a time of day in nanoseconds.
    ("int", "time-millis"): _same(pl.Time(), Limits(0, _DAY_MS, "a time outside the day", times=1_000_000)),
    ("long", "time-nanos"): Scalar(pl.String(), pl.String(), _nano_time),
    ("long", "time-micros"): _same(pl.Time(), Limits(0, _DAY_MS * 1_000, "a time outside the day", times=1_000)),
    ("long", "timestamp-millis"): _timestamp("millis", "UTC"),
    ("long", "timestamp-micros"): _timestamp("micros", "UTC"),
    ("long", "local-timestamp-millis"): _timestamp("millis", None),
    ("long", "local-timestamp-micros"): _timestamp("micros", None),
    # Nanoseconds in 64 bits end in 2262, so no value of theirs is out of range.
    ("long", "timestamp-nanos"): _same(pl.Datetime("ns", "UTC")),
    ("long", "local-timestamp-nanos"): _same(pl.Datetime("ns")),
}
