"""Salesforce's lists of fields, as expressions on a column of them.

In the Pub/Sub API a list holds bitmaps over the writer's schema: `0x…` over the fields of the record, `P-0x…` over
those of its field number P; bit i, from the least significant, is field i. Through the Streaming API it holds names.
Source: Salesforce's "Event Deserialization Considerations"; `0x650004E0` and `1-0x06` of a real Account event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from connector.avro.schema import Schema

_HEX: Final = "0[xX]([0-9A-Fa-f]+)"
_BITS: Final = 4  # of a hexadecimal digit


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field stands in the writer's schema.

    Attributes:
        path: its names.
        outer: the number of the record's field; None if the writer calls it otherwise.
        inner: the number of the field inside of that one; None if it is the field itself.
    """

    path: str
    outer: int | None
    inner: int | None = None


def place(path: str, writer: Schema) -> Place:
    """Find a path in the writer's schema; deeper than two levels there are no bitmaps."""
    first, _, rest = path.partition(".")
    fields = writer.root.fields or {}
    if first not in fields:
        return Place(path, None)
    inside = list(fields[first].type.fields or {})
    second = rest.partition(".")[0]
    return Place(path, list(fields).index(first), inside.index(second) if second in inside else None)


def lists(column: str, field: Place, *, bitmaps: bool = True) -> pl.Expr:
    """Whether a field, or the compound field that it is part of, is in a list.

    Args:
        column: of lists of text.
        field: which.
        bitmaps: whether bitmaps in the list are over the writer's schema; otherwise only names count.
    """
    entry = pl.element()
    found = entry.is_in([field.path, field.path.partition(".")[0]])
    if bitmaps and field.outer is not None:
        found |= _bit(entry, f"^{_HEX}$", field.outer)
        if field.inner is not None:
            found |= _bit(entry, f"^{field.outer}-{_HEX}$", field.inner)
    return pl.col(column).list.eval(found).list.any().fill_null(value=False)


def broken(column: str) -> pl.Expr:
    """Whether an entry of a list is neither a bitmap nor a name."""
    entry = pl.element()
    odd = entry.is_null() | (entry.str.contains(r"^\d") & ~entry.str.contains(rf"^(\d+-)?{_HEX}$"))
    return pl.col(column).list.eval(odd).list.any().fill_null(value=False)


def _bit(entry: pl.Expr, pattern: str, number: int) -> pl.Expr:
    """Bit `number` of the bitmap in an entry; false where it has none, or so few digits."""
    digit = entry.str.extract(pattern).str.slice(-(number // _BITS + 1), 1)
    value = digit.str.to_integer(base=16, strict=False).fill_null(0)
    return value.cast(pl.UInt8) & (1 << number % _BITS) != 0
