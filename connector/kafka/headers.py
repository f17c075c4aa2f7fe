"""Headers and keys of records as columns, for the framings that name a schema there, and ids that stand there.

Called where a chunk is made, for what the settings need: mostly for nothing, as the client makes a list of pairs for
each record that is asked for its headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from connector.records import KEY, header_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector.records import Alongside, Record


def columns_of(records: Sequence[Record], alongside: Alongside) -> list[pl.Series]:
    """Make a column of each header, as `records.header_column` says, and KEY; a row per record."""
    # The client gives both per record only, so here each record is touched once more.
    keys = [pl.Series(KEY, [record.key() for record in records], pl.Binary)] if alongside.key else []
    if not alongside.headers:
        return keys
    found = [dict(record.headers() or ()) for record in records]
    named = {name: [_bytes(one.get(name)) for one in found] for name in alongside.headers}
    return keys + [pl.Series(header_column(name), values, pl.Binary) for name, values in named.items()]


def _bytes(header: object) -> bytes | None:
    return header if isinstance(header, bytes) else None
