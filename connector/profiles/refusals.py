"""Rows that Target cannot take: what becomes a dead letter for its id, or for a separator in a value.

No text here holds a value. Called by `mapping`, on rows whose cells are text already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from connector.records import ID, ROW, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polars._typing import SchemaDict

# The documents give 60, 128 and 256 for an id; 128 satisfies all that are current (Adobe's limits page says 256,
# at.js getOffers 128).
MAX_ID_CHARS: Final = 128

# `+` and `/` cannot be sent in an id at all, encoded or not (AdobeDocs bulk-profile-update-api.md); a comma or a
# line end would shift the row if Target decodes before it splits; other control characters match no page's id.
_FORBIDDEN_IN_ID: Final = r"[+/,\p{Cc}]"
SEPARATORS: Final = r"[,\r\n]"
_REFUSED: Final[SchemaDict] = {ROW: pl.UInt32, "reason": pl.String, "detail": pl.String}


def bad_ids(rows: pl.DataFrame, path: str) -> pl.DataFrame:
    """Find the rows whose id Target cannot take.

    Args:
        rows: ROW and ID (String).
        path: what the user knows the id by.

    Returns:
        ROW, "reason", "detail"; a row that has several faults comes several times, the worst first.
    """
    held = pl.col(ID)
    checks = (
        (held.is_null(), Reason.ID_MISSING, "is null or empty"),
        (held.str.len_chars() > MAX_ID_CHARS, Reason.ID_TOO_LONG, f"has more than {MAX_ID_CHARS} characters"),
        (held.str.contains(_FORBIDDEN_IN_ID), Reason.ID_FORBIDDEN, "holds `+`, `/`, a comma or a control character"),
    )
    # Most often all is well, which can be seen for all rows together in a third of the time.
    suspect = (held.null_count() > 0) | (held.str.len_chars().max() > MAX_ID_CHARS) | _any_holds(held, _FORBIDDEN_IN_ID)
    if not rows.select(suspect).item():
        return pl.DataFrame(schema=_REFUSED)
    return pl.concat(
        rows.filter(bad).select(ROW, reason=pl.lit(reason.value), detail=pl.lit(f"the id `{path}` {what}"))
        for bad, reason, what in checks
    )


def _any_holds(column: pl.Expr, pattern: str) -> pl.Expr:
    """Whether any text of a column holds a character: of one long text this is known in half the time."""
    return column.str.join("").str.contains(pattern)


def may_hold_separators(pairs: Mapping[str, str], dtypes: Mapping[str, pl.DataType]) -> Sequence[str]:
    """The attributes whose text may hold a separator, by the type of the column that each comes from."""
    held = {name: dtypes[path] for name, path in pairs.items() if path in dtypes and name != ID}
    return [name for name, dtype in held.items() if not (dtype.is_numeric() or dtype.is_temporal())]


def unsafe(rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Find the rows with a separator in one of these attributes: ROW, "reason", "detail"."""
    held = rows.select(_any_holds(pl.col(name), SEPARATORS).alias(name) for name in names)
    names = [name for name in names if held[name].item()]
    if not names:
        return pl.DataFrame(schema=_REFUSED)
    flags = rows.select(ROW, *(pl.col(name).str.contains(SEPARATORS) for name in names))
    listed = pl.concat_str((pl.when(name).then(pl.lit(name)) for name in names), separator=", ", ignore_nulls=True)
    detail = pl.concat_str(pl.lit("a comma, CR or LF in "), listed)
    return flags.filter(pl.any_horizontal(names)).select(ROW, reason=pl.lit(Reason.UNSAFE_TEXT.value), detail=detail)
