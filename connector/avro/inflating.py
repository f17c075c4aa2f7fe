"""Datums that were compressed by zlib, taken back to what they were, within a bound of memory.

Promises: a few bytes that would become gigabytes do not, neither by one record nor by all of a poll. Called by
`decoder`, on a thread. No I/O.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

import polars as pl

from connector.avro.wire import DATUM, DEFLATED

if TYPE_CHECKING:
    from collections.abc import Iterator

# Brokers take records of 1 MB by default; Target keeps 64 KB of a profile. zlib makes up to 1,032 bytes of one.
MOST_INFLATED_BYTES: Final = 4 * 1024 * 1024
# All of a poll is held once it is decoded, and a poll is bounded by the bytes that came, so a datum grows only so much.
_MOST_TIMES: Final = 50
_ALWAYS_BYTES: Final = 16 * 1024
_PART_BYTES: Final = 4 * MOST_INFLATED_BYTES  # about so many bytes are inflated, decoded and let go at once


def inflated(group: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Inflate the datums that are DEFLATED, in parts, each to be read before the next is made.

    Args:
        group: any columns, DATUM (Binary, no nulls), and DEFLATED (Boolean) where the framing knows of it.

    Yields:
        At least one part, in the group's order; DATUM is null where it cannot be inflated, or would be too large.
    """
    if DEFLATED not in group.columns or not group[DEFLATED].any():
        yield group
        return
    first = size_bytes = 0
    datums: list[bytes | None] = []
    # zlib knows no columns: each datum is a stream of its own. It costs 0.9 us a record of 70 bytes.
    for datum, deflated in zip(group[DATUM], group[DEFLATED], strict=True):
        datums.append(_inflate(datum) if deflated else datum)
        size_bytes += len(datums[-1] or b"")
        if size_bytes >= _PART_BYTES:
            yield _with(group, first, datums)
            first, size_bytes, datums = first + len(datums), 0, []
    if datums:
        yield _with(group, first, datums)


def _with(group: pl.DataFrame, first: int, datums: list[bytes | None]) -> pl.DataFrame:
    return group.slice(first, len(datums)).with_columns(pl.Series(DATUM, datums, pl.Binary))


def _inflate(datum: bytes) -> bytes | None:
    stream = zlib.decompressobj()
    most = min(MOST_INFLATED_BYTES, _MOST_TIMES * len(datum) + _ALWAYS_BYTES)
    try:
        made = stream.decompress(datum, most + 1)
    except zlib.error:
        return None
    whole = stream.eof and not stream.unused_data
    return made if whole and len(made) <= most else None
