"""Rows of one profile become one row: the algebra of frames beneath the window.

A *stack* here is a frame of ID, ASSIGNMENT, OFFSET and one nullable String column per attribute, in Kafka order, an id
any number of times; merged, each id once. Pure functions, called by `window`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Final

import polars as pl

from connector.records import ASSIGNMENT, ID, OFFSET

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEYS: Final = (ID, ASSIGNMENT, OFFSET)
NOTHING: Final = pl.DataFrame(schema={ID: pl.String, ASSIGNMENT: pl.UInt32, OFFSET: pl.Int64})


@dataclass(frozen=True, slots=True)
class Totals:
    """What merged feeds make together.

    Attributes:
        ids: distinct profiles.
        rows: those that have something to say.
        size_bytes: of these rows in a body, exact if their text is encoded; without the header.
    """

    ids: int
    rows: int
    size_bytes: int


def attributes(stack: pl.DataFrame) -> list[str]:
    """The attribute columns of a stack."""
    return [name for name in stack.columns if name not in _KEYS]


def stacked(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put stacks below each other, older first; an attribute that one of them lacks is null there."""
    return pl.concat(frames, how="diagonal") if frames else NOTHING


def newest_whole(stack: pl.DataFrame) -> pl.DataFrame:
    """Keep the newest row of each id as it is, its nulls included."""
    return stack.unique(subset=ID, keep="last", maintain_order=True)


def newest_by_attribute(stack: pl.DataFrame) -> pl.DataFrame:
    """Keep the newest present value of each attribute of each id; the position is that of its newest row."""
    merged = stack.group_by(ID, maintain_order=True).agg(
        pl.col(ASSIGNMENT, OFFSET).last(), pl.col(attributes(stack)).drop_nulls().last()
    )
    return merged.select(stack.columns)


def side_by_side(feeds: Sequence[pl.DataFrame]) -> tuple[pl.DataFrame, int]:
    """Join merged feeds, which share no attribute, on ID.

    Returns:
        ID and the attributes of all feeds, feed by feed; one row for each id with at least one value, those of the
        first feed first. And how many ids were left out for having none: Adobe ignores such a row.
    """
    joined = reduce(
        lambda left, right: left.join(right, on=ID, how="full", coalesce=True, maintain_order="left_right"),
        (feed.drop(ASSIGNMENT, OFFSET) for feed in feeds),
    )
    says_something = pl.any_horizontal(pl.exclude(ID).is_not_null()) if joined.width > 1 else pl.lit(value=False)
    rows = joined.filter(says_something)
    return rows, joined.height - rows.height


def measured(feeds: Sequence[pl.DataFrame]) -> Totals:
    """Size up `side_by_side` without the join: a row is its id, its cells, a comma for each and a line end."""
    sized = pl.concat(feed.select(ID, cells=_cell_bytes(feed)) for feed in feeds)
    if len(feeds) > 1:
        sized = sized.group_by(ID).agg(pl.col("cells").sum())
    rows = sized.filter(pl.col("cells") > 0)
    separators = sum(len(attributes(feed)) for feed in feeds) + 1
    text = int(rows.select(pl.col("cells").sum() + _bytes(ID).sum()).item())
    return Totals(ids=sized.height, rows=rows.height, size_bytes=text + separators * rows.height)


def text_bytes(stack: pl.DataFrame) -> int:
    """Bytes of all ids and cells as they are."""
    return int(stack.select(_cell_bytes(stack).sum() + _bytes(ID).sum()).item())


def without(frame: pl.DataFrame, assignments: Sequence[int]) -> pl.DataFrame:
    """Leave out what came in by these assignments."""
    return frame.filter(~pl.col(ASSIGNMENT).is_in(assignments))


def _cell_bytes(stack: pl.DataFrame) -> pl.Expr:
    return pl.sum_horizontal(pl.lit(0, dtype=pl.UInt64), *map(_bytes, attributes(stack)))


def _bytes(name: str) -> pl.Expr:
    return pl.col(name).str.len_bytes().cast(pl.UInt64)
