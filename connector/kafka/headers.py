"""Headers and keys of records as columns, for the framings that name a schema there, and ids that stand there.

Called where a chunk is made, for what the settings need: mostly for nothing, as the client makes a list of pairs for
each record that is asked for its headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from connector.records import KEY, header_column

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connector.records import Alongside, Record

    Headers = Iterable[tuple[str, Any]]


def columns_of(records: Iterable[Record], alongside: Alongside) -> list[pl.Series]:
    """Make a column of each header, as `records.header_column` says, and KEY; a row per record."""
    # The client gives both per record only, so here each record is touched once more.
    keys = [pl.Series(KEY, [record.key() for record in records], pl.Binary)] if alongside.key else []
    return keys + (header_columns(map(pairs_of, records), alongside) if alongside.headers else [])


def header_columns(headers: Iterable[Headers | None], alongside: Alongside) -> list[pl.Series]:
    """Make a column of each header that is asked for, of the pairs of each record."""
    found = [dict(pairs or ()) for pairs in headers]
    named = {name: [_bytes(one.get(name)) for one in found] for name in alongside.headers}
    return [pl.Series(header_column(name), values, pl.Binary) for name, values in named.items()]


def pairs_of(record: Record) -> Headers | None:
    """Give a record's headers; None where the client cannot read one of them, as its name is not UTF-8."""
    try:
        return record.headers() or ()
    except (UnicodeDecodeError, SystemError):  # brokers take any bytes
        return None


def _bytes(header: object) -> bytes | None:
    return header if isinstance(header, bytes) else None
