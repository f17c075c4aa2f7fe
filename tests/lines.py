"""Rows and their cells, line by line in plain Python: what the tests of window, body and delivery make and read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from connector.records import ID, LINE, Rows
from connector.target.batchfile import Body

if TYPE_CHECKING:
    from collections.abc import Iterator


def lined(cells: pl.DataFrame) -> Rows:
    """Make rows of ID and one column of encoded cells per attribute."""
    names = tuple(name for name in cells.columns if name != ID)
    lines = [",".join(cell or "" for cell in row) for row in cells.select(names).iter_rows()]
    held = {ID: cells[ID], LINE: pl.Series(lines or [""] * cells.height, dtype=pl.String)}
    return Rows(names, pl.DataFrame(held, schema={ID: pl.String, LINE: pl.String}))


def cells(rows: Rows) -> list[dict[str, str | None]]:
    """Take rows apart: ID and every attribute, None for no value."""
    split = ((one, line.split(",") if rows.names else []) for one, line in rows.lines.select(ID, LINE).iter_rows())
    return [{ID: one} | {n: c or None for n, c in zip(rows.names, held, strict=True)} for one, held in split]


def body(rows: Rows, id_type: str) -> bytes:
    """All bytes of a body."""
    return bytes(Body(rows, id_type))


class Text(bytes):
    """Any bytes, sent as a body is."""

    __slots__ = ()

    def pieces(self) -> Iterator[bytes]:
        """In three pieces, one of them empty."""
        yield self[:5]
        yield b""
        yield self[5:]
