"""A feed: some topics whose records have one meaning, and the way from their records to rows.

One entry of the settings' `sources`. The pipeline asks each feed for the records of its topics; everything that can
wait (for the registry) or takes long (decoding, mapping) happens here, before a row may enter the window.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import polars as pl

from connector.profiles.deletes import OnDelete, rule
from connector.profiles.limits import LongValues
from connector.profiles.stand_ins import Counts
from connector.records import ASSIGNMENT, ROW, Reason

if TYPE_CHECKING:
    from collections import abc
    from collections.abc import Callable, Sequence

    from connector.avro.decoder import Changes
    from connector.profiles.mapping import Mapping
    from connector.records import Record
    from connector.telemetry import Telemetry


class ReadsKeys(Protocol):
    """What a feed needs of the avro room where keys hold ids."""

    async def deletes(self, topic: str, frame: pl.DataFrame, records: Sequence[Record], changes: Changes) -> Changes:
        """The same changes, with the records without a value as deletes."""


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
        skipped: how many records were left out, by why.
        partial: as `Mapped.partial`.
        counts: as `Mapped.counts`.
        long: as `Mapped.long`.
        long_values: what the mapping says of these.
    """

    rows: pl.DataFrame
    refused: Sequence[pl.DataFrame]
    skipped: abc.Mapping[str, int]
    partial: bool = False
    counts: Counts = field(default_factory=Counts)
    long: abc.Mapping[str, int] = field(default_factory=dict)
    long_values: LongValues = LongValues.SEND

    def tell(self, telemetry: Telemetry) -> None:
        """Tell what was left out, what is sent in place of what Target cannot do, and what is over its limit."""
        for why, count in self.skipped.items():
            telemetry.skipped(why, count)
        telemetry.stood_in(*self.counts)
        if self.long:
            telemetry.long_values(self.long_values, self.long)


@dataclass(frozen=True, slots=True)
class Feed:
    """One entry of `sources`.

    Attributes:
        reads: whether a topic belongs to it.
        decoder: from bytes to columns.
        mapping: from changes to rows.
        on_delete: what becomes of deletes, and of records without a value.
        keys: how the keys of records without a value hold an id; None if they don't.
    """

    reads: Callable[[str], bool]
    decoder: Decodes
    mapping: Mapping
    on_delete: OnDelete = OnDelete.SKIP
    keys: ReadsKeys | None = None

    async def read(self, topic: str, frame: pl.DataFrame, records: Sequence[Record] = ()) -> Read:
        """Make rows of records of one topic; waits for as long as the registry does not answer.

        Args:
            topic: where they are from.
            frame: ROW, ASSIGNMENT, OFFSET, VALUE.
            records: of the chunk, ROW being their index; only for `keys`.

        Raises:
            BlockedError: the mapping does not fit a writer schema.
        """
        changes = await self.decoder.decode(topic, frame)
        if self.keys is not None and changes.tombstones.height:
            changes = await self.keys.deletes(topic, frame, records, changes)
        return await asyncio.to_thread(self._map, changes, topic)

    def _map(self, changes: Changes, topic: str) -> Read:
        """Rows of all writer schemas together, back in Kafka's order, and what became of the other records."""
        skipped = Counter(changes.skipped)
        ruled = [rule(frame, self.on_delete) for frame in changes.frames]
        mapped = [
            self.mapping.rows(one.changes, f"topic {topic}, {writer.label}" if writer else f"topic {topic}")
            for one, writer in zip(ruled, itertools.chain(changes.writers, itertools.repeat(None)), strict=False)
        ]
        refused = [one.refused for one in mapped] + [one.refused for one in ruled]
        refused.append(changes.unreadable)
        if self.on_delete is OnDelete.DEAD_LETTER:
            refused.append(_letters(changes.tombstones))
        else:
            skipped["tombstone"] += changes.tombstones.height
        skipped["delete"] += sum(one.skipped for one in ruled)
        skipped["filtered"] += sum(one.filtered for one in mapped)
        nothing = pl.DataFrame(schema={ASSIGNMENT: pl.UInt32})
        # Records that became several rows stay together, and in their order.
        rows = (
            pl.concat((one.rows for one in mapped), how="diagonal").sort(ROW, maintain_order=True)
            if mapped
            else nothing
        )
        return Read(
            rows,
            refused,
            {why: count for why, count in skipped.items() if count},
            partial=any(one.partial for one in mapped),
            counts=Counts(*map(sum, zip(*(one.counts for one in mapped), strict=True))),
            long=sum((Counter(one.long) for one in mapped), Counter[str]()),
            long_values=self.mapping.long_values,
        )


def _letters(tombstones: pl.DataFrame) -> pl.DataFrame:
    return tombstones.select(ROW, reason=pl.lit(Reason.TOMBSTONE.value), detail=pl.lit("no value"))
