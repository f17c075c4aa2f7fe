"""Schemas rewritten to ones with the same bytes that fastavro reads without losing or guessing anything.

What changes: logical types are left out (`scalars` puts their meaning back); a text is bytes, decoded only where it is
wanted; a map is an array of its entries; an enum is an int, as fastavro takes a negative index from the end; each
branch of a union of several types is wrapped into a record of one field, which names the branch; a negative union index
is refused; recursion ends at a depth, as in fastavro a few thousand levels end the process (measured: 5,000 levels of
`["null", "Self"]`, segmentation fault). Called by the stores of schemas.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import fastavro
import polars as pl
from fastavro.schema import SchemaParseException

from connector.avro import schema as types
from connector.avro.branches import branch_names, full_name, is_null
from connector.avro.layouts import layout
from connector.avro.meaning import Unfit
from connector.avro.scalars import Convert, DatumError, scalar, variable_scale_text
from connector.avro.schema import RECURSIVE, Field, Schema, SchemaError, Type
from connector.avro.semantics import is_variable_scale

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector.avro.layouts import Record

_MAX_DEPTH: Final = 32  # how often a record may hold itself, directly or through others; deeper ones are unreadable
# One byte holds the indexes -64 to 63, and fastavro takes those below zero from the end of the branches.
_GUARD_BRANCHES: Final = 64
_UNREADABLE: Final = "Unreadable"
_MORE_BYTES_THAN_EXIST: Final = 2**62
_LONGEST_TEXT: Final = 200
# A schema of 3 kB can name a billion types: each record holds the one before twice. One of 10,000 takes half a second.
_MOST_TYPES: Final = 10_000


def parse(text: str, label: str, references: Sequence[str] = ()) -> Schema:
    """Make a schema ready to read with.

    Args:
        text: the schema as JSON. Defaults in it are not looked at, since nobody reads by them here.
        label: how texts shall call it, such as `schema 5`.
        references: the schemas that define types which `text` uses, each after those that it uses itself.

    Raises:
        SchemaError: it is no Avro schema, no record, or one that cannot be read safely.
    """
    named: dict[str, Any] = {}
    try:
        for reference in references:
            fastavro.parse_schema(_without_defaults(json.loads(reference)), named)
        avro = fastavro.parse_schema(_without_defaults(json.loads(text)), named)
        lowered, root = _Lowering(named).lower(avro, 0)
        if root.size > _MOST_TYPES:
            raise SchemaError(f"is made of more than {_MOST_TYPES:,} types, each counted wherever it stands")
        ready = fastavro.parse_schema(lowered)
    except RecursionError:
        raise SchemaError("is nested too deep to be read") from None
    # The last four are what fastavro raises on JSON of another form; UnknownType is a ValueError.
    except (SchemaParseException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SchemaError(f"is no Avro schema ({type(error).__name__}: {error})"[:_LONGEST_TEXT]) from error
    if root.fields is None:
        raise SchemaError("is no record")
    return Schema(label, ready, root, _layout(avro, named))


def _layout(avro: Any, named: Mapping[str, Any]) -> Record | None:
    try:
        return layout(avro, named)
    except (Unfit, RecursionError):  # it takes more of the stack than what went before
        return None


def _without_defaults(node: Any) -> Any:
    """Leave the defaults out; also ends in a RecursionError where fastavro, being C, would end the process."""
    if isinstance(node, dict):
        return {key: _without_defaults(value) for key, value in node.items() if key != "default"}
    return [_without_defaults(item) for item in node] if isinstance(node, list) else node


class _Lowering:
    """One walk over a schema as fastavro has parsed it, in the order of its text.

    Of a recursive record there is one copy per level: a reference to a record from inside of it leads to the next
    level's copy, and from the last level to what cannot be read.
    """

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._done: dict[tuple[str, int], tuple[str, Type]] = {}
        self._open: set[tuple[str, int]] = set()
        self._names = 0
        self._has_unreadable = False

    def lower(self, avro: Any, level: int) -> tuple[Any, Type]:
        """Return what fastavro shall read with, and the type it stands for."""
        if isinstance(avro, str):
            avro = self._named.get(avro, {"type": avro})
        kind = "union" if isinstance(avro, list) else avro["type"]
        if kind == "array":
            lowered, inner = self.lower(avro["items"], level)
            return {"type": "array", "items": lowered}, types.array(inner)
        if kind == "map":
            lowered, inner = self.lower(avro["values"], level)
            fields = [{"name": "key", "type": "bytes"}, {"name": "value", "type": lowered}]
            entry = {"type": "record", "name": self._name(), "fields": fields}
            return {"type": "array", "items": entry}, types.mapping(inner)
        if kind == "enum":
            return "int", Type(pl.String(), pl.String(), _symbol(avro["symbols"]))
        if kind in {"record", "error"}:
            return self._record(avro, level)
        return self._union(avro, level) if kind == "union" else self._scalar(avro)

    def _scalar(self, avro: Mapping[str, Any]) -> tuple[Any, Type]:
        found, fixed = scalar(avro), avro["type"] == "fixed"
        weightless = avro["type"] == "null" or (fixed and avro["size"] == 0)
        plain = "bytes" if avro["type"] == "string" else avro["type"]
        lowered = {"type": "fixed", "name": self._name(), "size": avro["size"]} if fixed else plain
        return lowered, Type(found.dtype, found.raw, found.convert, no_bytes=weightless)

    def _record(self, avro: Mapping[str, Any], level: int) -> tuple[Any, Type]:
        key = (avro["name"], level)
        if key in self._done:
            return self._done[key]
        if key in self._open:
            return self._record(avro, level + 1)[0] if level + 1 < _MAX_DEPTH else self._unreadable(), RECURSIVE
        self._open.add(key)
        name, lowered_fields, fields = self._name(), [], []
        for field in avro["fields"]:
            lowered, inner = self.lower(field["type"], level)
            lowered_fields.append({"name": field["name"], "type": lowered})
            fields.append(Field(field["name"], inner, tuple(field.get("aliases", ()))))
        self._open.remove(key)
        text = Type(pl.String(), pl.String(), variable_scale_text)
        self._done[key] = name, text if is_variable_scale(avro) else types.record(fields)
        return {"type": "record", "name": name, "fields": lowered_fields}, self._done[key][1]

    def _union(self, avro: Sequence[Any], level: int) -> tuple[Any, Type]:
        names = branch_names(avro)
        lowered: list[Any] = []
        inner: dict[str, Type] = {}
        for branch in avro:
            reads, meant = self.lower(branch, level)
            if not is_null(branch):
                name = names[full_name(branch)]
                inner[name] = meant
                if len(names) > 1 and level == 0:  # deeper ones are read, but never looked at
                    reads = {"type": "record", "name": self._name(), "fields": [{"name": name, "type": reads}]}
            lowered.append(reads)
        lowered += [self._unreadable() for _ in range(_GUARD_BRANCHES)]
        return lowered, types.union(inner) if len(names) > 1 else _with_index(*inner.values())

    def _unreadable(self) -> Any:
        if self._has_unreadable:
            return _UNREADABLE
        self._has_unreadable = True
        return {"type": "fixed", "name": _UNREADABLE, "size": _MORE_BYTES_THAN_EXIST}

    def _name(self) -> str:
        # Names are not in the bytes, and plain new ones cannot meet in a namespace.
        self._names += 1
        return f"N{self._names}"


def _with_index(only: Type | None = None) -> Type:
    """Make the type of a union of one type, or none, besides null: the index takes a byte."""
    if only is None:
        return Type(pl.Null(), pl.Null())
    return replace(only, no_bytes=False) if only.no_bytes else only


def _symbol(symbols: Sequence[str]) -> Convert:
    def convert(index: int) -> str:
        if 0 <= index < len(symbols):
            return symbols[index]
        raise DatumError("an enum index out of range")

    return convert
