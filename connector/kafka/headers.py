"""Headers of records as columns, for the framings that name a schema there.

Called where a chunk is made, for the names that the settings need: mostly for none, as the client makes a list of pairs
for each record that is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from connector.records import header_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector.records import Record


def header_columns(records: Sequence[Record], names: Sequence[str]) -> list[pl.Series]:
    """Make a column of each header, a row per record, as `records.header_column` says."""
    if not names:
        return []
    # The client gives headers per record only, so here each record is touched once more.
    found = [dict(record.headers() or ()) for record in records]
    return [pl.Series(header_column(name), [_bytes(one.get(name)) for one in found], pl.Binary) for name in names]


def _bytes(header: object) -> bytes | None:
    return header if isinstance(header, bytes) else None
