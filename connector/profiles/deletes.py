"""What becomes of deletes. Target can delete neither a profile nor an attribute, so a setting has to say.

Called by feeds, before the mapping. No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from connector.records import DELETED, ROW, Reason


class OnDelete(StrEnum):
    """What happens to a delete."""

    SKIP = "skip"  # left out and counted
    DEAD_LETTER = "dead_letter"
    SEND = "send"  # a row of the attributes that the settings give; a record without a value is left out


@dataclass(frozen=True, slots=True, eq=False)
class Ruled:
    """Changes after the rule.

    Attributes:
        changes: those that the mapping shall see, deletes only where they are sent.
        refused: ROW, `reason`, `detail` of what becomes dead letters.
        skipped: how many deletes were left out.
    """

    changes: pl.DataFrame
    refused: pl.DataFrame
    skipped: int


def rule(changes: pl.DataFrame, on_delete: OnDelete) -> Ruled:
    """Apply the rule to changes with or without the column DELETED; a record may be several changes."""
    if DELETED not in changes.columns or on_delete is OnDelete.SEND:
        return Ruled(changes, _letters(changes.clear()), 0)
    deletes = changes.filter(DELETED).unique(ROW, maintain_order=True)
    kept = changes.filter(~pl.col(DELETED)).drop(DELETED)
    if on_delete is OnDelete.SKIP:
        return Ruled(kept, _letters(deletes.clear()), deletes.height)
    return Ruled(kept, _letters(deletes), 0)


def _letters(deletes: pl.DataFrame) -> pl.DataFrame:
    return deletes.select(ROW, reason=pl.lit(Reason.DELETED.value), detail=pl.lit("the source deleted it"))
