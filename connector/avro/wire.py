"""How a record's value says which schema wrote it: the framings, taken off in columns.

Called by `decoder`. Whether the rest is a datum of that schema is not known here. No I/O.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import polars as pl

from connector.records import VALUE

SCHEMA: Final = "#schema"  # UInt32: id of the writer's schema; null where the framing is not as configured
DATUM: Final = "#datum"  # Binary: the value without its framing
NO_SCHEMA_ID: Final = 0  # stands in SCHEMA where the framing names no schema

# One zero byte, the id in four bytes, big-endian (Confluent's "Formats, Serializers, and Deserializers": wire format).
_HEADER_BYTES: Final = 5


class Framing(StrEnum):
    """How the writer's schema is found."""

    CONFLUENT = "confluent"  # Confluent's five bytes before the datum name the schema in the registry
    PLAIN = "plain"  # the value is the datum, of the one schema in a file


def split(frame: pl.DataFrame, framing: Framing) -> pl.DataFrame:
    """Replace VALUE by SCHEMA and DATUM.

    Args:
        frame: any columns and VALUE, no nulls in it.
        framing: how the values are framed.

    Returns:
        The frame in its order; SCHEMA is null where the value is not framed so.
    """
    value = pl.col(VALUE)
    if framing is Framing.PLAIN:
        schema, datum = pl.lit(NO_SCHEMA_ID, pl.UInt32), value
    else:
        framed = (value.bin.size() >= _HEADER_BYTES) & value.bin.starts_with(b"\x00")
        number = value.bin.slice(1, _HEADER_BYTES - 1).bin.reinterpret(dtype=pl.UInt32, endianness="big")
        schema, datum = pl.when(framed).then(number), value.bin.slice(_HEADER_BYTES)
    return frame.select(pl.exclude(VALUE), schema.alias(SCHEMA), datum.alias(DATUM))
