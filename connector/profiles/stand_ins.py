"""What is sent in place of what Target cannot do: delete a profile, clear an attribute.

An empty cell says "leave unchanged", so a null or a delete reaches Target only as text that the settings choose. Called
by `mapping`, on rows whose cells are text already. No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from connector.records import DELETED, absent, is_absence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SENTINEL: Final = "NONE"
OTHERS: Final = "*"  # in place of a name: all attributes that have no rule of their own


class Counts(NamedTuple):
    """What became of deletes and nulls.

    Attributes:
        deletes: rows that stand for deletes.
        nulls_left: cells that the source says are null (or empty text), and that stay so.
        nulls_sent: such cells with the sentinel in them.
    """

    deletes: int = 0
    nulls_left: int = 0
    nulls_sent: int = 0


@dataclass(frozen=True, slots=True)
class StandIns:
    """What stands for what.

    Attributes:
        deleted: for a delete: text by attribute, no other attribute is sent.
        sentinel: for a null, in the attributes that take it.
        takes: whether an attribute takes it.
        others_take: whether those take it that `takes` does not name.
    """

    deleted: Mapping[str, str] = field(default_factory=dict)
    sentinel: str = SENTINEL
    takes: Mapping[str, bool] = field(default_factory=dict)
    others_take: bool = False

    def marks(self, changes: pl.DataFrame, names: Sequence[str]) -> Iterator[pl.Expr]:
        """The columns of changes that `complete` needs beside the attributes, and the attributes of deletes only."""
        if DELETED in changes.columns:
            yield pl.col(DELETED)
            yield from (pl.lit(None, pl.String).alias(name) for name in self.deleted if name not in names)
        yield from (pl.col(name) for name in changes.columns if is_absence(name))

    def complete(self, rows: pl.DataFrame, paths: Mapping[str, str]) -> tuple[pl.DataFrame, Counts]:
        """Put the stand-ins in, and take the marks out.

        Args:
            rows: one String column per attribute among others, and what `marks` gave.
            paths: path by attribute of those that the writer's schema has; in the others no null was said.
        """
        deletes = int(rows[DELETED].sum()) if DELETED in rows.columns else 0
        said = {name: self._null_was_said(rows, name, path) for name, path in paths.items()}
        counted = rows.select(expression.sum().alias(name) for name, expression in said.items())
        counts = {name: int(counted[name][0] or 0) for name in said}
        filled = [name for name, count in counts.items() if count and self.takes.get(name, self.others_take)]
        cells = {name: pl.when(said[name]).then(pl.lit(self.sentinel)).otherwise(pl.col(name)) for name in filled}
        if deletes:
            cells |= self._for_deletes(rows, cells)
        bookkeeping = [name for name in rows.columns if name == DELETED or is_absence(name)]
        sent = sum(counts[name] for name in filled)
        rows = rows.with_columns(cell.alias(name) for name, cell in cells.items()).drop(bookkeeping)
        return rows, Counts(deletes, sum(counts.values()) - sent, sent)

    def _for_deletes(self, rows: pl.DataFrame, cells: Mapping[str, pl.Expr]) -> dict[str, pl.Expr]:
        return {
            name: pl.when(DELETED).then(pl.lit(text)).otherwise(cells.get(name, pl.col(name)))
            for name, text in self.deleted.items()
            if name in rows.columns
        }

    def _null_was_said(self, rows: pl.DataFrame, name: str, path: str) -> pl.Expr:
        said = pl.col(name).is_null()
        if absent(path) in rows.columns:
            said &= ~pl.col(absent(path))
        return said & ~pl.col(DELETED) if DELETED in rows.columns else said
