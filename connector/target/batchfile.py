"""Rows become the body of one call to Target's Bulk Profile Update API, byte for byte.

    batch=thirdPartyId,loyaltyTier,city
    id-1,gold,S%C3%A3o%20Paulo
    id-2,,Graz

Promises: whatever text a cell holds, it cannot end its cell, its row or the form parameter; every row has every cell;
the same rows give the same bytes; no body is over Target's limits. Pure, in columns. Called by delivery, with
rows that `encoding` has encoded. The form is that of AdobeDocs profile-bulk-api.md.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import polars as pl

from connector.records import ID, LINE, Rows
from connector.target import encoding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# AdobeDocs profile-bulk-api.md: at most 500,000 rows and under 50 MB a file. It does not say whether the header counts
# as a row, nor what a MB is: here the header counts, a MB is 1,000,000 bytes, and a body stays below, not at, the size.
HARD_MAX_ROWS: Final = 500_000
HARD_MAX_BYTES: Final = 50_000_000

_PIECE_ROWS: Final = 4_096  # a millisecond or less, half a megabyte to two


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one body.

    Attributes:
        id_type: the name of the first column, thirdPartyId or pcId.
        max_rows: lines, the header among them.
        max_bytes: a body is smaller than this.
    """

    id_type: str
    max_rows: int = HARD_MAX_ROWS
    max_bytes: int = HARD_MAX_BYTES

    def narrowed(self, max_bytes: int) -> Limits:
        """The same, for smaller bodies."""
        return replace(self, max_bytes=min(max_bytes, self.max_bytes))


class Body:
    """Header and rows, lines parted by LF, none after the last: written whenever it is sent, the same bytes each time.

    A call that has to be made again may have to wait for hours, and the rows are there anyway: so nobody holds the
    bytes of a body, which are as many as those of its rows.
    """

    def __init__(self, rows: Rows, id_type: str, *, extension: bool = True) -> None:
        """Begin.

        Args:
            rows: encoded.
            id_type: the name of the first column, thirdPartyId or pcId.
            extension: whether the C extension may be used.
        """
        self._write = encoding.written if extension and encoding.INSTALLED else _written
        self._lines = rows.lines.select(ID, *([LINE] if rows.names else []))
        self._header = _header(rows.names, id_type)
        self._size_bytes = size_bytes(rows, id_type)

    def __len__(self) -> int:
        """How many bytes it has."""
        return self._size_bytes

    def __bytes__(self) -> bytes:
        """All of it."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """All of it, a few thousand rows at a time, each piece made when it is asked for; may run in any thread."""
        yield self._header
        for first in range(0, self._lines.height, _PIECE_ROWS):
            yield self._write(self._lines.slice(first, _PIECE_ROWS))


def _written(lines: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    buffer.write(b"\n")
    lines.write_csv(buffer, include_header=False, quote_style="never", line_terminator="\n")
    buffer.truncate(buffer.tell() - 1)  # the last LF
    return buffer.getvalue()


def size_bytes(rows: Rows, id_type: str) -> int:
    """How many bytes the body of the same arguments has, without building it."""
    return len(_header(rows.names, id_type)) + int(_line_bytes(rows).sum())


def header_bytes(rows: Rows, limits: Limits) -> int:
    """How many bytes of a body are its header."""
    return len(_header(rows.names, limits.id_type))


def oversized(rows: Rows, limits: Limits) -> tuple[Rows, Rows]:
    """Set apart the rows that no body can hold: alone with the header they are not under the size.

    Returns:
        The rows that fit, and those that do not, which are for the dead letters.
    """
    fits = _line_bytes(rows) < limits.max_bytes - header_bytes(rows, limits)
    if fits.all():
        return rows, rows.part(0, 0)
    return Rows(rows.names, rows.lines.filter(fits)), Rows(rows.names, rows.lines.filter(~fits))


def fitting(rows: Rows, limits: Limits) -> int:
    """How many rows, from the first on, one body can hold; 0 if the first alone is too large."""
    room = limits.max_bytes - 1 - header_bytes(rows, limits)
    ends = _line_bytes(rows.part(0, limits.max_rows - 1)).cum_sum()
    return int(ends.search_sorted(room, side="right"))


def _header(names: Sequence[str], id_type: str) -> bytes:
    return f"batch={','.join([id_type, *(quote(name, safe='') for name in names)])}".encode()


def _line_bytes(rows: Rows) -> pl.Series:
    """Bytes that each row adds to a body: its cells, a comma between them, and the LF in front."""
    text = (pl.col(column).str.len_bytes().cast(pl.UInt64) + 1 for column in (ID, LINE)[: 1 + bool(rows.names)])
    return rows.lines.select(pl.sum_horizontal(text).alias(LINE)).to_series()
