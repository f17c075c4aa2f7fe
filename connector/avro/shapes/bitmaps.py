"""Salesforce's lists of fields, read in columns.

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

_ENTRY: Final = r"^(?:(\d+)-)?0[xX]([0-9A-Fa-f]+)$"
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


class Listed:
    """One list of fields of each of some events.

    Most events list nothing, so that what is listed is taken apart once, and only that is looked at.
    """

    def __init__(self, lists: pl.Series, *, bitmaps: bool = True) -> None:
        """Take the lists apart.

        Args:
            lists: List(String), one for each event.
            bitmaps: whether bitmaps in them are over the writer's schema; otherwise only names count.
        """
        self._height, self._bitmaps = len(lists), bitmaps
        entry, event = pl.col("entry"), pl.Series("event", range(len(lists)), pl.UInt32)
        entries = pl.DataFrame({"event": event, "entry": lists}).filter(entry.list.len() > 0)
        self._entries = entries.explode("entry").with_columns(
            parent=entry.str.extract(_ENTRY, 1).cast(pl.UInt32, strict=False), bits=entry.str.extract(_ENTRY, 2)
        )

    def holds(self, field: Place) -> pl.Series:
        """Whether each event lists a field, or the compound field that it is part of (Boolean, no nulls)."""
        found = pl.col("entry").is_in([field.path, field.path.partition(".")[0]])
        if self._bitmaps and field.outer is not None:
            found |= pl.col("parent").is_null() & _bit(field.outer)
            if field.inner is not None:
                found |= (pl.col("parent") == field.outer) & _bit(field.inner)
        return self._events(found)

    def broken(self) -> pl.Series:
        """Whether an entry of each event is neither a bitmap nor a name (Boolean, no nulls)."""
        entry = pl.col("entry")
        return self._events(entry.is_null() | (entry.str.contains(r"^\d") & pl.col("bits").is_null()))

    def _events(self, found: pl.Expr) -> pl.Series:
        flags = pl.repeat(value=False, n=self._height, dtype=pl.Boolean, eager=True)
        hits = self._entries.filter(found)["event"]
        return flags.scatter(hits, values=True) if len(hits) else flags


def _bit(number: int) -> pl.Expr:
    """Bit `number` of the bitmap in an entry; false where it has none, or so few digits."""
    digit = pl.col("bits").str.slice(-(number // _BITS + 1), 1)
    value = digit.str.to_integer(base=16, strict=False).fill_null(0)
    return value.cast(pl.UInt8) & (1 << number % _BITS) != 0
