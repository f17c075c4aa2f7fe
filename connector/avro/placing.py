"""Values put where they belong: by the rows that they are of, or into lists. Called by `layouts` and `columns`."""

from __future__ import annotations

import polars as pl


def gather(values: pl.Series, rows: pl.Series) -> pl.Series:
    """Take the values at `rows` (integers), null where it is null."""
    return pl.select(gathered(values, rows)).to_series()


def gathered(values: pl.Series, rows: pl.Series) -> pl.Expr:
    """`gather` as an expression, to be part of a larger query."""
    if values.is_empty():
        return pl.repeat(None, len(rows), dtype=values.dtype)
    return pl.lit(values).gather(pl.lit(rows))


def listed(values: pl.Series, offsets: pl.Series) -> pl.Series:
    """Cut values into lists, by where each begins and the last one ends.

    By Polars, as nanoarrow 0.9 corrupts memory where it builds a list of text.
    """
    rows = offsets.search_sorted(pl.arange(len(values), eager=True), side="right") - 1
    held = pl.DataFrame({"row": rows, "held": values}).group_by("row", maintain_order=True).agg("held")
    every = pl.DataFrame({"row": pl.arange(len(offsets) - 1, eager=True).cast(held["row"].dtype)})
    joined = every.join(held, on="row", how="left", maintain_order="left")
    return joined.select(pl.col("held").fill_null(pl.lit([], pl.List(values.dtype)))).to_series()
