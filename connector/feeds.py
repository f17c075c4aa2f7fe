"""A feed: some topics whose records have one meaning, and the way from their records to rows.

One entry of the settings' `sources`. The pipeline asks each feed for the records of its topics; everything that can
wait (for the registry) or takes long (decoding, mapping) happens here, before a row may enter the window.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import polars as pl

from connector.records import ASSIGNMENT, ROW, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from connector.avro.decoder import Changes
    from connector.profiles.mapping import Mapping


class Decodes(Protocol):
    """What a feed needs of the avro room."""

    async def decode(self, topic: str, frame: pl.DataFrame) -> Changes:
        """Records of one topic to columns."""

    async def newest(self, topic: str) -> dict[str, pl.DataType] | None:
        """What the topic's newest schema offers."""


@dataclass(frozen=True, slots=True)
class Read:
    """What records of one topic became.

    Attributes:
        rows: as `Mapped.rows`, in Kafka's order, whatever schemas they were written with.
        refused: frames of ROW, `reason` and `detail`: what becomes dead letters.
        skipped: how many tombstones were left out.
    """

    rows: pl.DataFrame
    refused: Sequence[pl.DataFrame]
    skipped: int


@dataclass(frozen=True, slots=True)
class Feed:
    """One entry of `sources`.

    Attributes:
        reads: whether a topic belongs to it.
        decoder: from bytes to columns.
        mapping: from changes to rows.
        keep_tombstones: as dead letters; otherwise they are skipped and counted.
    """

    reads: Callable[[str], bool]
    decoder: Decodes
    mapping: Mapping
    keep_tombstones: bool

    async def read(self, topic: str, frame: pl.DataFrame) -> Read:
        """Make rows of records of one topic; waits for as long as the registry does not answer.

        Args:
            topic: where they are from.
            frame: ROW, ASSIGNMENT, OFFSET, VALUE.

        Raises:
            BlockedError: the mapping does not fit a writer schema.
        """
        changes = await self.decoder.decode(topic, frame)
        rows, refused = await asyncio.to_thread(_map, self.mapping, changes.frames, f"topic {topic}")
        refused.append(changes.unreadable)
        if not self.keep_tombstones:
            return Read(rows, refused, changes.tombstones.height)
        refused.append(changes.tombstones.select(ROW, reason=pl.lit(Reason.TOMBSTONE.value), detail=pl.lit("no value")))
        return Read(rows, refused, 0)


def _map(mapping: Mapping, frames: Iterable[pl.DataFrame], where: str) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Rows of all writer schemas together, back in Kafka's order, and what the mapping refused."""
    mapped = [mapping.rows(frame, where) for frame in frames]
    if not mapped:
        return pl.DataFrame(schema={ASSIGNMENT: pl.UInt32}), []
    rows = pl.concat([part.rows for part in mapped], how="diagonal").sort(ROW)
    return rows, [part.refused for part in mapped]
