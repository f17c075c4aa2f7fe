"""Rows of one profile become one row: the algebra of frames beneath the window.

A *stack* here is a frame of ID, ASSIGNMENT, OFFSET and LINE, in Kafka order, an id any number of times; merged, each id
once. Pure functions, called by `batch` and `window`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from typing import TYPE_CHECKING

import polars as pl

from connector.profiles.lines import NOTHING, cell_bytes, cells, filler, joined
from connector.records import ASSIGNMENT, ID, LINE, OFFSET, Rows

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class Events(StrEnum):
    """What an event of a feed holds, hence how events of one profile merge."""

    FULL = "full"  # all that the source knows of the profile: the newest event replaces the others
    PARTIAL = "partial"  # what changed: the newest present value of each attribute


@dataclass(frozen=True, slots=True)
class Totals:
    """What merged feeds make together.

    Attributes:
        ids: distinct profiles.
        rows: those that have something to say.
        size_bytes: of these rows in a body, exact; without the header.
    """

    ids: int
    rows: int
    size_bytes: int


def stacked(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put stacks below each other, older first; copies nothing."""
    return pl.concat(frames) if frames else NOTHING


def newest_whole(stack: pl.DataFrame) -> pl.DataFrame:
    """Keep the newest row of each id as it is, its empty cells included."""
    newest = stack[ID].is_last_distinct()  # with a filter three times as fast as `unique`
    return stack if newest.all() else stack.filter(newest)


def newest_by_attribute(stack: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Keep the newest present value of each attribute of each id; the position is that of its newest row.

    Only the lines of ids that are there more than once are taken apart, which takes 0.3 µs a line and back as much.
    """
    again = stack[ID].is_duplicated()
    if not again.any():
        return stack
    merged = (
        cells(stack.filter(again), names)
        .group_by(ID, maintain_order=True)
        .agg(pl.col(ASSIGNMENT, OFFSET).last(), *(pl.col(name).drop_nulls().last() for name in names))
    )
    return pl.concat([stack.filter(~again), merged.select(ID, ASSIGNMENT, OFFSET, joined(names, names))])


def side_by_side(feeds: Sequence[tuple[Sequence[str], pl.DataFrame]]) -> tuple[Rows, int]:
    """Join merged feeds, which share no attribute, on ID.

    Args:
        feeds: the names of each and its merged stack.

    Returns:
        The attributes of all feeds, feed by feed; one row for each id with at least one value, those of the first feed
        first. And how many ids were left out for having none: Adobe ignores such a row.
    """
    names, lines = reduce(_beside, ((tuple(names), stack.select(ID, LINE)) for names, stack in feeds))
    says_something = lines[LINE] != filler(names)
    if says_something.all():
        return Rows(names, lines), 0
    rows = lines.filter(says_something)
    return Rows(names, rows), lines.height - rows.height


def measured(feeds: Sequence[tuple[Sequence[str], pl.DataFrame]]) -> Totals:
    """Size up `side_by_side` without the join: a row is its id, its cells, a comma for each and a line end."""
    sized = pl.concat(stack.select(ID, cells=cell_bytes(names)) for names, stack in feeds)
    if sum(not stack.is_empty() for _, stack in feeds) > 1:
        sized = sized.group_by(ID).agg(pl.col("cells").sum())
    rows = sized.filter(pl.col("cells") > 0)
    separators = sum(len(names) for names, _ in feeds) + 1
    text = int(rows.select(pl.col("cells").sum() + pl.col(ID).str.len_bytes().sum()).item())
    return Totals(ids=sized.height, rows=rows.height, size_bytes=text + separators * rows.height)


def without(frame: pl.DataFrame, assignments: Collection[int]) -> pl.DataFrame:
    """Leave out what came in by these assignments."""
    return frame.filter(~pl.col(ASSIGNMENT).is_in([*assignments]))


def _beside(
    left: tuple[tuple[str, ...], pl.DataFrame], right: tuple[tuple[str, ...], pl.DataFrame]
) -> tuple[tuple[str, ...], pl.DataFrame]:
    names = left[0] + right[0]
    if left[1].is_empty() and not left[0]:
        return right
    if right[1].is_empty() and not right[0]:
        return left
    both = left[1].join(right[1], on=ID, how="full", coalesce=True, maintain_order="left_right", suffix="2")
    sides = ((LINE, left[0]), (f"{LINE}2", right[0]))
    lines = [pl.col(name).fill_null(filler(held)) for name, held in sides if held]
    return names, both.select(ID, (pl.concat_str(lines, separator=",") if lines else pl.lit("")).alias(LINE))
