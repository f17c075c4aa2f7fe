"""Lines: the rows of one feed in the form that they have in the body, from the chunk on.

    #id         #assignment  #offset  #line
    customer-1            4       17  gold,S%C3%A3o%20Paulo
    customer-2            4       18  ,Graz

A row becomes text once, as soon as it is mapped and in a thread beside the event loop. From then on it is two strings
instead of a cell per attribute; they have the bytes that it adds to a body, and what it was made of can go. Pure;
called by `window`, `merging` and `batch`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import polars as pl

from connector.records import ASSIGNMENT, ID, LINE, OFFSET, ROW

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

KEYS: Final = (ID, ASSIGNMENT, OFFSET)
# To leave up to such a share of rows out takes longer, column by column, than to encode them and leave their lines out.
_FEW: Final = 0.1
NOTHING: Final = pl.DataFrame(schema={ID: pl.String, ASSIGNMENT: pl.UInt32, OFFSET: pl.Int64, LINE: pl.String})


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """What one chunk brought a feed.

    Attributes:
        names: the attributes, in the order of the cells of a line.
        stack: ID (encoded), ASSIGNMENT, OFFSET, LINE, in Kafka's order.
        trail: ID (encoded), ASSIGNMENT, OFFSET of every record, also of those that a newer one of the chunk replaced.
        whole: a line says all of its profile that the feed knows; otherwise an empty cell says nothing.
    """

    names: tuple[str, ...]
    stack: pl.DataFrame
    trail: pl.DataFrame
    whole: bool

    def only(self, assignments: Collection[int]) -> Lines:
        """Leave out what came in by other assignments."""
        kept = pl.col(ASSIGNMENT).is_in([*assignments])
        if self.trail.select(kept.all()).item():
            return self
        return replace(self, stack=self.stack.filter(kept), trail=self.trail.filter(kept))


def lined(
    rows: pl.DataFrame, names: Sequence[str], encode: Callable[[pl.DataFrame], pl.Series], *, whole: bool
) -> Lines:
    """Make lines of the rows of a chunk.

    Args:
        rows: as `Mapped.rows`; the columns do not matter if there are none.
        names: attributes in the order wanted; those that `rows` lacks are empty, those that it has beyond come after.
        encode: percent-encodes the cells of each row and joins them by commas, an empty one where it is null; what it
            gives holds nothing of them. (Ids can be views into the values of all records, which they would hold for as
            long as the window lasts: 48 of 96 MB.)
        whole: the newest row of an id replaces older ones, which then need not be encoded.
    """
    if rows.is_empty():
        return Lines((), NOTHING, NOTHING.select(KEYS), whole)
    every = (*names, *(name for name in rows.columns if name not in {ROW, *KEYS, *names}))
    trail = rows.select(encode(rows.select(ID)).alias(ID), ASSIGNMENT, OFFSET)
    stack, newest = trail, rows[ID].is_last_distinct() if whole else pl.repeat(value=True, n=rows.height, eager=True)
    if rows.height - int(newest.sum()) > rows.height * _FEW:
        rows, stack, newest = rows.filter(newest), trail.filter(newest), newest.filter(newest)
    missing = (pl.lit(None, pl.String).alias(name) for name in names if name not in rows.columns)
    line = encode(rows.with_columns(missing).select(every)) if every else pl.lit("")
    stack = stack.with_columns(line.alias(LINE))
    return Lines(every, stack if newest.all() else stack.filter(newest), trail, whole)


def joined(names: Sequence[str], present: Sequence[str]) -> pl.Expr:
    """Give the expression of LINE for encoded cells of these names, of which those that are not `present` are empty."""
    if not names:
        return pl.lit("").alias(LINE)
    held = set(present)
    cells = (pl.col(name).fill_null("") if name in held else pl.lit("") for name in names)
    return pl.concat_str(*cells, separator=",").alias(LINE)


def cells(stack: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Take lines apart again: the columns KEYS and one per name; an empty cell is null."""
    if not names:
        return stack.select(KEYS)
    parts = pl.col(LINE).str.split_exact(",", len(names) - 1).struct
    split = stack.select(*KEYS, *(parts.field(f"field_{index}").alias(name) for index, name in enumerate(names)))
    return split.with_columns(pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in names)


def relaid(stack: pl.DataFrame, old: Sequence[str], names: Sequence[str]) -> pl.DataFrame:
    """Make lines of `names` from lines of the `old` names, all of which are among them."""
    if tuple(old) == tuple(names):
        return stack
    return cells(stack, old).select(*KEYS, joined(names, old))


def filler(names: Sequence[str]) -> str:
    """The line of a row that has no value."""
    return "," * (len(names) - 1)


def cell_bytes(names: Sequence[str]) -> pl.Expr:
    """Bytes of the cells of each line, without the commas between them."""
    return pl.col(LINE).str.len_bytes().cast(pl.UInt64) - len(filler(names))
