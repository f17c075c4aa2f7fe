"""What a writer schema means in columns: the tree of its types, and the types that are made of others.

Owns `Type`, of which every Avro type becomes one: what its column looks like and how fastavro's value gets there.
`lowering` builds the tree, `paths` walks it, `rows` uses what it finds. No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector.avro.layouts import Record
    from connector.avro.scalars import Convert


class SchemaError(Exception):
    """The schema cannot be used to read records; the text says why."""


@dataclass(frozen=True, slots=True)
class Type:
    """One Avro type, with null taken out of it.

    Attributes:
        dtype: of its column; None where it holds itself (a recursive type), which no column can.
        raw: what Polars is given the converted values as, before the cast to `dtype`.
        convert: from fastavro's value (never null) to one for `raw`; None where they are the same.
        fields: of the record, or of the only record among the branches of a union, in the schema's order; None where
            there is no such record.
        branch: the key under which a datum of a union of several types holds that record.
        no_bytes: a datum of it takes no bytes.
        size: of how many types it is made, each counted wherever it stands.
    """

    dtype: pl.DataType | None
    raw: pl.DataType | None
    convert: Convert | None = None
    fields: Mapping[str, Field] | None = None
    branch: str | None = None
    no_bytes: bool = False
    size: int = 1


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record; `aliases` are the older names it declares."""

    name: str
    type: Type
    aliases: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema, ready to read with.

    Attributes:
        label: how texts call it, such as `schema 5`.
        lowered: what fastavro reads with: other types, the same bytes.
        root: the record it describes.
        layout: how the fast engine reads it; None where it cannot.
    """

    label: str
    lowered: Any
    root: Type
    layout: Record | None = None


RECURSIVE: Final = Type(None, None)


def array(items: Type) -> Type:
    """Make the type of an array: List(items).

    Raises:
        SchemaError: an item takes no bytes, so that a few bytes could claim any number of them, and fastavro would
            build them all.
    """
    _refuse_weightless(items, "an array")
    if items.dtype is None or items.raw is None:
        return RECURSIVE
    convert = _optional(items.convert)
    each = convert and (lambda value: [convert(item) for item in value])
    return Type(pl.List(items.dtype), pl.List(items.raw), each, size=1 + items.size)


def mapping(values: Type) -> Type:
    """Make the type of a map: List(Struct{key: String, value: values}), in the order of the bytes, doubles kept.

    Raises:
        SchemaError: a value takes no bytes; see `array`.
    """
    _refuse_weightless(values, "a map")
    if values.dtype is None or values.raw is None:
        return RECURSIVE
    convert = _optional(values.convert) or (lambda value: value)
    return Type(
        pl.List(pl.Struct({"key": pl.String(), "value": values.dtype})),
        pl.List(pl.Struct({"key": pl.String(), "value": values.raw})),
        lambda value: [{"key": entry["key"].decode(), "value": convert(entry["value"])} for entry in value],
        size=1 + values.size,
    )


def record(fields: Sequence[Field]) -> Type:
    """Make the type of a record: Struct of its fields, each of which can be reached by itself."""
    return Type(
        *_structs({field.name: field.type for field in fields}),
        convert=_convert_parts({field.name: field.type for field in fields}),
        fields={field.name: field for field in fields},
        no_bytes=all(field.type.no_bytes for field in fields),
        size=1 + sum(field.type.size for field in fields),
    )


def union(branches: Mapping[str, Type]) -> Type:
    """Make the type of a union of several types besides null: Struct with one nullable field per branch.

    Args:
        branches: by the name of the struct's field; at least two.
    """
    records = {name: branch for name, branch in branches.items() if branch.fields is not None or branch is RECURSIVE}
    only = next(iter(records)) if len(records) == 1 else None
    return Type(
        *_structs(branches),
        convert=_convert_parts(branches),
        fields=branches[only].fields if only else None,
        branch=only,
        size=1 + sum(branch.size for branch in branches.values()),
    )


def _structs(parts: Mapping[str, Type]) -> tuple[pl.DataType | None, pl.DataType | None]:
    dtypes = {name: part.dtype for name, part in parts.items() if part.dtype is not None}
    raws = {name: part.raw for name, part in parts.items() if part.raw is not None}
    return (pl.Struct(dtypes), pl.Struct(raws)) if len(dtypes) == len(parts) else (None, None)


def _convert_parts(parts: Mapping[str, Type]) -> Convert | None:
    converts = {name: convert for name, part in parts.items() if (convert := _optional(part.convert))}
    if not converts:
        return None
    return lambda value: {name: converts[name](item) if name in converts else item for name, item in value.items()}


def _optional(convert: Convert | None) -> Convert | None:
    return convert and (lambda value: None if value is None else convert(value))


def _refuse_weightless(part: Type, holder: str) -> None:
    if part.no_bytes:
        raise SchemaError(f"{holder} of null cannot be read safely")
