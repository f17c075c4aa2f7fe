"""Semantic types: what Kafka Connect and Debezium mean by a type, told by its name beside it.

Their Avro converters write the name of a Connect schema as `connect.name`, next to a type that Avro knows. Where Avro
has a logical type of the same meaning it takes its place here, so that `scalars` and `meaning` know one table only.
What already has a logical type keeps it, and a name that is unknown or does not fit says nothing.
Sources: Debezium's documentation of its connectors, "Data type mappings"; Kafka Connect's `data/*.java`; Confluent's
`AvroData.java`, which names parameters and the precision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME: Final = "connect.name"
VARIABLE_SCALE: Final = "io.debezium.data.VariableScaleDecimal"

_TIME: Final = "io.debezium.time."
_CONNECT: Final = "org.apache.kafka.connect.data."
_DECIMAL: Final = f"{_CONNECT}Decimal"
# Only Kafka Connect's own timestamp is a moment (UTC); Debezium's are of a column that has no zone.
_LOGICAL: Final[Mapping[tuple[str, str], str]] = {
    ("int", f"{_CONNECT}Date"): "date",
    ("int", f"{_CONNECT}Time"): "time-millis",
    ("long", f"{_CONNECT}Timestamp"): "timestamp-millis",
    ("int", f"{_TIME}Date"): "date",
    ("int", f"{_TIME}Time"): "time-millis",
    ("long", f"{_TIME}MicroTime"): "time-micros",
    ("long", f"{_TIME}NanoTime"): "time-nanos",
    ("long", f"{_TIME}Timestamp"): "local-timestamp-millis",
    ("long", f"{_TIME}MicroTimestamp"): "local-timestamp-micros",
    ("long", f"{_TIME}NanoTimestamp"): "local-timestamp-nanos",
}
_PRECISION: Final = 64  # what Confluent's converter takes where the schema has none


def resolved(avro: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give a primitive or fixed type with its meaning as an Avro logical type, where there is one.

    Args:
        avro: a schema as an object; `type` is the base type.
    """
    name = avro.get(NAME)
    if name == _DECIMAL and avro["type"] == "bytes":
        return _decimal(avro)
    logical = _LOGICAL.get((avro["type"], str(name)))
    return avro if logical is None or "logicalType" in avro else {**avro, "logicalType": logical}


def is_variable_scale(avro: Mapping[str, Any]) -> bool:
    """Tell whether a record, as fastavro has parsed it, is Debezium's decimal that carries its own scale."""
    if VARIABLE_SCALE not in {avro.get("name"), avro.get(NAME)}:
        return False
    return [(field["name"], field["type"]) for field in avro["fields"]] == [("scale", "int"), ("value", "bytes")]


def _decimal(avro: Mapping[str, Any]) -> Mapping[str, Any]:
    """Complete a decimal from its parameters, which are text, and which alone a converter may have written."""
    given = avro.get("connect.parameters")
    parameters = given if isinstance(given, dict) else {}
    try:
        scale = int(avro.get("scale", parameters.get("scale")))
        precision = int(avro.get("precision", parameters.get("connect.decimal.precision", _PRECISION)))
    except (TypeError, ValueError):
        return avro
    if not 0 <= scale <= precision or not precision:
        return avro
    return {**avro, "logicalType": "decimal", "precision": precision, "scale": scale}
