"""Target's limit of a profile: rows that alone are over it are set apart, as Target would drop attributes unasked.

Target keeps 64 KB of external data of a visitor and drops the oldest attributes beyond, without a word to the writer
(AdobeDocs profile-bulk-api.md). Other ways into the profile count too, so a smaller row may go over the limit there;
but one that is larger on its own cannot arrive whole. Neither the unit nor what is counted is documented: here a KB is
1,024 bytes and a row is the UTF-8 of its names and values, so that none is set apart that might fit. Pure; called by
delivery.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from connector.records import LINE, Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_PROFILE_BYTES: Final = 64 * 1024


def may_be_over(rows: Rows) -> bool:
    """Whether a row needs to be weighed; nearly never."""
    return bool(_suspected(rows).any())


def split(rows: Rows) -> tuple[Rows, Rows]:
    """Weigh the rows; may run in any thread.

    Returns:
        Those within the limit, and those over it, which are for the dead letters.
    """
    over = _suspected(rows)
    # A loop over rows: there are only as many as have 64 KB each, or names of that much, and one takes 0.1 ms.
    heavy = [_bytes(rows.names, line) > MAX_PROFILE_BYTES for line in rows.lines[LINE].filter(over)]
    over = over.scatter(over.arg_true(), pl.Series(heavy, dtype=pl.Boolean))
    return Rows(rows.names, rows.lines.filter(~over)), Rows(rows.names, rows.lines.filter(over))


def _suspected(rows: Rows) -> pl.Series:
    """Percent-encoding only makes a text longer, so a row is at most its line and all names: 0.3 ns a row."""
    most_bytes = rows.lines[LINE].str.len_bytes() + sum(len(name.encode()) for name in rows.names)
    return most_bytes > MAX_PROFILE_BYTES


def _bytes(names: Sequence[str], line: str) -> int:
    """How many bytes the names and decoded values of a line have; one without a value says nothing and counts not."""
    cells = zip(names, line.split(","), strict=True)
    return sum(len(name.encode()) + len(cell) - 2 * cell.count("%") for name, cell in cells if cell)
