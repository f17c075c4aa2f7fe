"""What Debezium sends for a value that it did not get, as the value had not changed.

PostgreSQL's log leaves large values out (TOAST), Oracle's its LOBs. Debezium puts a placeholder in their place, in the
form of the column's type. Source: its `UnchangedToastedPlaceholder.java`.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import TYPE_CHECKING, Final

import polars as pl

from connector.avro.shapes.shape import columns
from connector.records import DELETED, absent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

UNAVAILABLE: Final = "__debezium_unavailable_value"  # Debezium's default of `unavailable.value.placeholder`


def without(rows: pl.DataFrame, unavailable: str, id_paths: Sequence[str]) -> pl.DataFrame:
    """Put null and a mark of absence in the place of placeholders.

    Args:
        rows: POSITION, DELETED and the columns of a row.
        unavailable: the placeholder, as text.
        id_paths: left as they are.
    """
    held = _held(rows.select(name for name in columns(rows) if name not in {DELETED, *id_paths}), unavailable)
    found = rows.select(expression.fill_null(value=False).alias(name) for name, expression in held.items())
    paths = [name for name in found.columns if found[name].any()]
    marks = [found[name].alias(absent(name)) for name in paths]
    cells = (pl.when(~pl.col(absent(path))).then(pl.col(path)).alias(path) for path in paths)
    return rows.with_columns(marks).with_columns(cells)


def _held(row: pl.DataFrame, unavailable: str) -> Mapping[str, pl.Expr]:
    """Whether each column holds the placeholder, for those whose type can."""
    asked = ((name, _is_placeholder(pl.col(name), dtype, unavailable)) for name, dtype in row.schema.items())
    return {name: expression for name, expression in asked if expression is not None}


def _is_placeholder(value: pl.Expr, dtype: pl.DataType, unavailable: str) -> pl.Expr | None:
    if isinstance(dtype, pl.String):
        return value.is_in([unavailable, json.dumps({unavailable: unavailable}, separators=(",", ":"))])
    if not isinstance(dtype, pl.List):
        return None
    only, inner = value.list.len() == 1, dtype.inner
    if isinstance(inner, pl.String):
        return only & value.list.first().is_in([unavailable, _as_uuid(unavailable)])
    if isinstance(inner, pl.Struct) and [field.name for field in inner.fields] == ["key", "value"]:
        return only & (value.list.first().struct.field("key") == unavailable)
    if isinstance(inner, pl.Int32 | pl.Int64 | pl.Float32 | pl.Float64):
        numbers = list(unavailable.encode())  # one element for each byte
        whole = value.cast(pl.List(pl.Int64), strict=False) if inner.is_float() else value
        same = whole.cast(pl.List(pl.String)).list.join(",") == ",".join(map(str, numbers))
        return (value.list.len() == len(numbers)) & same
    return None


def _as_uuid(unavailable: str) -> str:
    """As Java's `UUID.nameUUIDFromBytes` makes one."""
    digest = hashlib.md5(unavailable.encode(), usedforsecurity=False).digest()
    return str(uuid.UUID(bytes=digest, version=3))
