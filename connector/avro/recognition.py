"""What records look like that are not framed as the settings say: one line for whoever has to correct them.

Only ever told to a human, by `check`, by `init` and with the brake's reason: nothing is read by it, as the bytes of one
framing may be a datum of another. Pure.
"""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Final

import polars as pl

from connector.avro import wire
from connector.avro.wire import Framing
from connector.records import VALUE, header_column

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SAME: Final = 0.95  # of the records must look so; a topic may hold some odd ones
_CONTAINER: Final = b"Obj\x01"
_TAIL: Final = 5  # bytes before the document in Confluent's JSON framing
# In this order: what comes first says more than what comes later, and a long id begins as a short one of zero.
_FRAMINGS: Final = (
    (Framing.CONFLUENT_HEADER, "`framing: confluent-header`"),
    (Framing.APICURIO_HEADER, "`framing: apicurio-header`"),
    (Framing.SINGLE_OBJECT, "`framing: single-object`"),
    (Framing.GLUE, "`framing: glue`"),
    (Framing.APICURIO_LONG, "`framing: apicurio` with `apicurio_id_bytes: 8`, and mostly `apicurio_id: global`"),
    (Framing.CONFLUENT, "`framing: confluent`, or `apicurio` with an id of 4 bytes"),
)
_MANY_SCHEMAS: Final = 8  # of one topic's newest records; more ids than that are none


def looks_like(values: Sequence[bytes], headers: Sequence[Mapping[str, bytes | None]]) -> str | None:
    """Say what these records look like; None if like nothing known, as bare datums (`framing: plain`) do.

    Args:
        values: some of one topic, not empty.
        headers: of each of them.
    """
    if _holds_json(values):
        return "Confluent's framing with JSON in it, not Avro"
    if (framing := recognise(values, headers)) is not None:
        return dict(_FRAMINGS)[framing]
    if _most(value.startswith(_CONTAINER) for value in values):
        return "whole Avro files, one a record, which no framing reads"
    return "JSON, not Avro" if _most(map(_is_json, values)) else None


def recognise(values: Sequence[bytes], headers: Sequence[Mapping[str, bytes | None]]) -> Framing | None:
    """Give the framing that these records seem to have; None if none known, or if they hold no Avro.

    An id of 4 bytes may be Confluent's or Apicurio's: it is called Confluent's. One of 8 bytes is called
    `APICURIO_LONG`, of whichever kind it is. Arguments as for `looks_like`.
    """
    if _holds_json(values):
        return None
    return next((framing for framing, _ in _FRAMINGS if _framed(framing, values, headers)), None)


def _holds_json(values: Sequence[bytes]) -> bool:
    return _most(len(value) > _TAIL and value[0] == 0 and _is_json(value[_TAIL:]) for value in values)


def is_text(value: bytes) -> bool:
    """Whether it is UTF-8 without control characters, which no text for people holds, nor an id may."""
    try:
        return not any(unicodedata.category(char) == "Cc" for char in value.decode())
    except UnicodeDecodeError:
        return False


def _framed(framing: Framing, values: Sequence[bytes], headers: Sequence[Mapping[str, bytes | None]]) -> bool:
    columns = [
        pl.Series(header_column(name), [one.get(name) for one in headers], pl.Binary) for name in framing.headers
    ]
    if columns and all(column.null_count() for column in columns):
        return False  # with none of the headers, what stands before the value would count
    keys = wire.split(pl.DataFrame([pl.Series(VALUE, values, pl.Binary), *columns]), framing)[wire.SCHEMA]
    if framing is Framing.APICURIO_LONG and not _most(value[1:5] == bytes(4) for value in values):
        return False
    return keys.null_count() <= (1 - _SAME) * len(keys) and keys.n_unique() <= _MANY_SCHEMAS


def _most(found: Iterable[bool]) -> bool:
    each = list(found)
    return sum(each) >= _SAME * len(each) > 0


def _is_json(value: bytes) -> bool:
    if value.lstrip()[:1] not in {b"{", b"["}:
        return False
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True
