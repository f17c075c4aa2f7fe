"""How a record says which schema wrote it: the framings, taken off in columns.

Called by `decoder`. Whether the rest is a datum of that schema is not known here. No I/O. docs/framings.md shows the
bytes of each framing; tests/framings holds what the tools' own serializers write.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import polars as pl

from connector.avro.schema_keys import NO_KEY, Kind
from connector.records import VALUE, header_column

SCHEMA: Final = "#schema"  # Binary: the key of the writer's schema (`schema_keys`); null where framed otherwise
DATUM: Final = "#datum"  # Binary: the value without its framing
DEFLATED: Final = "#deflated"  # Boolean: the datum is compressed by zlib; a column only where the framing knows of it

CONFLUENT_HEADER: Final = "__value_schema_id"
GLOBAL_HEADER: Final = "apicurio.value.globalId"
CONTENT_HEADER: Final = "apicurio.value.contentId"
ENCODING_HEADER: Final = "apicurio.value.encoding"
SINGLE_OBJECT: Final = b"\xc3\x01"
_JSON: Final = b"JSON"
_GUID_BYTES: Final = 17  # 01 and a UUID
_SHORT, _LONG = 4, 8  # bytes of a number
_GLUE_BYTES: Final = 18  # 03, a byte for the compression, a UUID
_SINGLE_BYTES: Final = 10  # C3 01 and a fingerprint
_MAGIC, _DEFLATED, _NOT_DEFLATED = b"\x03", b"\x05", b"\x00"  # AWSSchemaRegistryConstants of the Glue library


class Framing(StrEnum):
    """How the writer's schema is found."""

    CONFLUENT = "confluent"  # 00 and 4 bytes of id, or 01 and 16 bytes of GUID
    CONFLUENT_HEADER = "confluent-header"  # the same in a header; before the value where a record has no such header
    APICURIO = "apicurio"  # 00 and 4 bytes of content id
    APICURIO_LONG = "apicurio, 8 bytes"
    APICURIO_GLOBAL = "apicurio, global id"
    APICURIO_GLOBAL_LONG = "apicurio, global id, 8 bytes"
    APICURIO_HEADER = "apicurio-header"  # 8 bytes of content id or global id in a header
    GLUE = "glue"  # 03, compression, 16 bytes of schema version
    SINGLE_OBJECT = "single-object"  # C3 01 and 8 bytes of fingerprint
    PLAIN = "plain"  # the value is the datum, of the one schema in a file

    @property
    def headers(self) -> tuple[str, ...]:
        """Give the names of the headers that it needs, each as a column of the frame (`records.header_column`)."""
        return _HEADERS.get(self, ())


_HEADERS: Final = {
    Framing.CONFLUENT_HEADER: (CONFLUENT_HEADER,),
    Framing.APICURIO_HEADER: (GLOBAL_HEADER, CONTENT_HEADER, ENCODING_HEADER),
}
_APICURIO: Final = {
    Framing.APICURIO: (Kind.NUMBER, _SHORT),
    Framing.APICURIO_LONG: (Kind.NUMBER, _LONG),
    Framing.APICURIO_GLOBAL: (Kind.GLOBAL, _SHORT),
    Framing.APICURIO_GLOBAL_LONG: (Kind.GLOBAL, _LONG),
}
_VALUE: Final = pl.col(VALUE)
_NONE: Final = pl.lit(None, pl.Binary)


def split(frame: pl.DataFrame, framing: Framing) -> pl.DataFrame:
    """Replace VALUE, and the columns of headers, by SCHEMA and DATUM.

    Args:
        frame: any columns, VALUE without nulls, and those of the framing's headers (Binary, null where there is none).
        framing: how the values are framed.

    Returns:
        The frame in its order, with DEFLATED for GLUE; SCHEMA is null where the value is not framed so.
    """
    if framing in _APICURIO:
        kind, size = _APICURIO[framing]
        parts = [_numbered(kind, size).alias(SCHEMA), _VALUE.bin.slice(1 + size).alias(DATUM)]
    else:
        parts = _SPLITS[framing](frame)
    taken = [VALUE, *map(header_column, framing.headers)]
    return frame.select(pl.exclude(taken), *parts)


def _confluent(frame: pl.DataFrame) -> list[pl.Expr]:
    datum = _VALUE.bin.slice(1 + _SHORT)
    first: bytes = b"" if frame.is_empty() else frame[VALUE][0][: 1 + _SHORT]
    if _is_short_number(first) and frame[VALUE].bin.starts_with(first).all():
        return [pl.lit(first, pl.Binary).alias(SCHEMA), datum.alias(DATUM)]  # most often; the rest costs three times it
    number = _numbered(Kind.NUMBER, _SHORT)
    if not frame[VALUE].bin.starts_with(Kind.GUID.value).any():  # most often; the rest costs as much again
        return [number.alias(SCHEMA), datum.alias(DATUM)]
    named = _VALUE.bin.starts_with(Kind.GUID.value)
    guid = pl.when(_VALUE.bin.size() >= _GUID_BYTES).then(_VALUE.bin.slice(0, _GUID_BYTES))
    return [
        pl.when(named).then(guid).otherwise(number).alias(SCHEMA),
        pl.when(named).then(_VALUE.bin.slice(_GUID_BYTES)).otherwise(datum).alias(DATUM),
    ]


def _confluent_header(frame: pl.DataFrame) -> list[pl.Expr]:
    """Take the header's, and what stands before the value where there is none, as Confluent's own deserializer does."""
    header = pl.col(header_column(CONFLUENT_HEADER))
    key = pl.when(_is_number(header, _SHORT) | _is_guid(header)).then(header)
    schema, datum = _confluent(frame)
    return [
        pl.when(header.is_null()).then(schema).otherwise(key).alias(SCHEMA),
        pl.when(header.is_null()).then(datum).otherwise(_VALUE).alias(DATUM),
    ]


def _apicurio_header(frame: pl.DataFrame) -> list[pl.Expr]:
    del frame
    keys = [
        pl.when(pl.col(name).bin.size() == _LONG).then(pl.lit(kind.value, pl.Binary) + pl.col(name))
        for name, kind in ((header_column(GLOBAL_HEADER), Kind.GLOBAL), (header_column(CONTENT_HEADER), Kind.NUMBER))
    ]
    json = (pl.col(header_column(ENCODING_HEADER)) == pl.lit(_JSON, pl.Binary)).fill_null(value=False)
    return [pl.when(json).then(_NONE).otherwise(pl.coalesce(keys)).alias(SCHEMA), _VALUE.alias(DATUM)]


def _glue(frame: pl.DataFrame) -> list[pl.Expr]:
    del frame
    deflated = _VALUE.bin.slice(1, 1) == pl.lit(_DEFLATED, pl.Binary)
    known = deflated | (_VALUE.bin.slice(1, 1) == pl.lit(_NOT_DEFLATED, pl.Binary))
    framed = (_VALUE.bin.size() >= _GLUE_BYTES) & _VALUE.bin.starts_with(_MAGIC) & known
    key = pl.lit(Kind.VERSION.value, pl.Binary) + _VALUE.bin.slice(2, _GLUE_BYTES - 2)
    datum = _VALUE.bin.slice(_GLUE_BYTES)
    return [pl.when(framed).then(key).alias(SCHEMA), datum.alias(DATUM), deflated.alias(DEFLATED)]


def _single_object(frame: pl.DataFrame) -> list[pl.Expr]:
    del frame
    framed = (_VALUE.bin.size() >= _SINGLE_BYTES) & _VALUE.bin.starts_with(SINGLE_OBJECT)
    key = pl.lit(Kind.FINGERPRINT.value, pl.Binary) + _VALUE.bin.slice(2, _SINGLE_BYTES - 2)
    return [pl.when(framed).then(key).alias(SCHEMA), _VALUE.bin.slice(_SINGLE_BYTES).alias(DATUM)]


def _plain(frame: pl.DataFrame) -> list[pl.Expr]:
    del frame
    return [pl.lit(NO_KEY, pl.Binary).alias(SCHEMA), _VALUE.alias(DATUM)]


_SPLITS: Final = {
    Framing.CONFLUENT: _confluent,
    Framing.CONFLUENT_HEADER: _confluent_header,
    Framing.APICURIO_HEADER: _apicurio_header,
    Framing.GLUE: _glue,
    Framing.SINGLE_OBJECT: _single_object,
    Framing.PLAIN: _plain,
}


def _numbered(kind: Kind, size: int) -> pl.Expr:
    """Give the key of a number of `size` bytes after a zero byte; null where that is not there, or is 0."""
    number = _VALUE.bin.slice(0, 1 + size)
    key = number if kind is Kind.NUMBER else pl.lit(kind.value, pl.Binary) + _VALUE.bin.slice(1, size)
    return pl.when(_is_number(number, size)).then(key)


def _is_number(name: pl.Expr, size: int) -> pl.Expr:
    """Whether it is a zero byte and a number of `size` bytes that is not 0.

    Confluent's, Apicurio's, Karapace's and Redpanda's ids begin at 1. No registry gives four billion, so a number of
    eight bytes begins with four zeros; otherwise a short one and the beginning of the datum would be taken for one.
    """
    zero = pl.lit(bytes(1 + size), pl.Binary)
    return name.bin.starts_with(bytes(1 + size - _SHORT)) & (name.bin.size() == 1 + size) & (name != zero)


def _is_short_number(name: bytes) -> bool:
    return len(name) == 1 + _SHORT and name.startswith(Kind.NUMBER.value) and any(name)


def _is_guid(name: pl.Expr) -> pl.Expr:
    return name.bin.starts_with(Kind.GUID.value) & (name.bin.size() == _GUID_BYTES)
