"""Target's limit of a single value, held before anything is sent.

The bulk interface states no limit of a value. A page may send the same attribute with at most 256 characters, and what
is longer is refused or cut there (docs/limits.md), so a setting says what becomes of longer ones. A character is a
Unicode code point. Pure, in columns; called by `mapping`, on rows whose cells are text already.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

import polars as pl

from connector.records import ROW, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# AdobeDocs target-limits.md: of a profile parameter in an mbox call, and in the Delivery API.
MAX_VALUE_CHARS: Final = 256

_MARK: Final = r"^\p{M}"  # an accent and the like, written after its letter
_LAST_LETTER: Final = r"(?s)(.)\P{M}\p{M}*$"  # and the marks after it; something is left before it


class LongValues(StrEnum):
    """What happens to a value of more than 256 characters."""

    SEND = "send"  # as it is; warned of and counted
    CLIP = "clip"  # its first 256 characters; warned of and counted
    DEAD_LETTER = "dead_letter"  # the record is refused


def suspects(rows: pl.DataFrame, names: Sequence[str]) -> list[str]:
    """Name the columns that may hold a value over the limit, and all that do: nearly always none.

    Args:
        rows: one String column per name among others.
        names: columns of text; those of numbers and times need no look.
    """
    # A text has no more characters than bytes, whose number is known without a look at the text: 0.3 ns a cell, where
    # to count characters takes 4 ns.
    longest = rows.select(pl.col(names).str.len_bytes().max()).row(0, named=True) if names else {}
    return [name for name, size_bytes in longest.items() if (size_bytes or 0) > MAX_VALUE_CHARS]


def too_long(rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Give ROW, `reason` and `detail` of the rows to refuse; `names` are of `suspects`, and there are some."""
    listed = pl.concat_str(
        (pl.when(_is_long(name)).then(pl.lit(name)) for name in names), separator=", ", ignore_nulls=True
    )
    detail = pl.concat_str(pl.lit(f"more than {MAX_VALUE_CHARS} characters in "), listed)
    refused = rows.filter(pl.any_horizontal(map(_is_long, names)))
    return refused.select(ROW, reason=pl.lit(Reason.VALUE_TOO_LONG.value), detail=detail)


def kept(rows: pl.DataFrame, names: Sequence[str], rule: LongValues) -> tuple[pl.DataFrame, Mapping[str, int]]:
    """Apply the rule to rows that are not refused; `names` are of `suspects`.

    Returns:
        The rows, clipped if the rule says so, and how many long values each attribute had, where it had any.
    """
    if not names:
        return rows, {}
    counts = rows.select(_is_long(name).sum().alias(name) for name in names).row(0, named=True)
    counts = {name: count for name, count in counts.items() if count}
    if rule is LongValues.CLIP:
        rows = rows.with_columns(map(_clipped, counts))
    return rows, counts


def _is_long(name: str) -> pl.Expr:
    return pl.col(name).str.len_chars() > MAX_VALUE_CHARS


def _clipped(name: str) -> pl.Expr:
    """Cut to the limit, and never a mark from its letter: then the letter goes too."""
    head = pl.col(name).str.head(MAX_VALUE_CHARS)
    parted = pl.col(name).str.slice(MAX_VALUE_CHARS, 1).str.contains(_MARK)
    whole = pl.when(parted).then(head.str.replace(_LAST_LETTER, "$1")).otherwise(head)
    return pl.when(_is_long(name)).then(whole).otherwise(pl.col(name)).alias(name)
