"""The dead-letter office: makes dead letters of what was refused, and stores them, unless there are too many.

The pipeline brings it records that could not be decoded or mapped, and rows that Target refused; a row is traced back
to every record of its batch that it was made of. Returns only once the letters are stored, so that offsets may pass.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import polars as pl

from connector.errors import BlockedError
from connector.records import ASSIGNMENT, ID, OFFSET, ROW, DeadLetter, Reason
from connector.telemetry import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from connector.kafka.brake import Brake
    from connector.kafka.dead_letters import DeadLetters
    from connector.profiles.window import Batch
    from connector.records import Partition, Record
    from connector.target.delivery import Delivered, Refused
    from connector.telemetry import Telemetry

AGAIN_S = 1.0


class DeadLetterOffice:
    """Between the pipeline and the dead-letter topic."""

    def __init__(
        self,
        dead_letters: DeadLetters,
        brake: Brake,
        reread: Callable[[Sequence[tuple[Partition, int]]], Sequence[Record]],
        telemetry: Telemetry,
    ) -> None:
        """Put the parts together; `reread` gives records by their position, blocks, and may raise TimeoutError."""
        self._dead_letters = dead_letters
        self._brake = brake
        self._reread = reread
        self._telemetry = telemetry

    async def store_records(self, count: int, refused: Iterable[pl.DataFrame], records: Sequence[Record]) -> None:
        """Store the refused ones of `count` records.

        Args:
            count: how many records there were, good and bad.
            refused: frames with ROW (index into `records`), `reason` and `detail`, both String.
            records: of the chunk.

        Raises:
            BlockedError: the brake tripped; nothing was stored.
        """
        # Dead letters are few, or the brake stops them: so here they are objects.
        letters = [
            DeadLetter(records[row], Reason(reason), detail)
            for frame in refused
            for row, reason, detail in frame.select(ROW, "reason", "detail").iter_rows()
        ]
        await self._store(count, letters)

    async def store_rows(self, done: Delivered, batch: Batch) -> None:
        """Store the records that the refused rows of a delivered batch were made of.

        Args:
            done: says which rows were refused, and why.
            batch: knows which records every row was made of.

        Raises:
            BlockedError: the brake tripped; nothing was stored.
        """
        refusals = [(Reason.REFUSED, row) for row in done.refused]
        refusals += [(Reason.ROW_TOO_LARGE, row) for row in done.too_large]
        letters: list[DeadLetter] = []
        for reason, refusal in refusals:
            records = await self._read_again(_made_of(refusal, batch))
            letters += [DeadLetter(record, reason, refusal.text) for record in records]
        if letters:
            await self._store(0, letters)

    async def _read_again(self, positions: Sequence[tuple[Partition, int]]) -> Sequence[Record]:
        """Ask the brokers until they give the records."""
        while True:
            try:
                records = await asyncio.to_thread(self._reread, positions)
            except TimeoutError as error:
                self._telemetry.trouble(
                    Part.DEAD_LETTERS, f"a refused record can't be read again ({error}); trying again"
                )
                await asyncio.sleep(AGAIN_S)
            else:
                self._telemetry.trouble(Part.DEAD_LETTERS, None)
                return records

    async def _store(self, count: int, letters: Sequence[DeadLetter]) -> None:
        by_policy = sum(letter.reason is Reason.TOMBSTONE for letter in letters)
        if self._brake.trips(count, len(letters) - by_policy):
            raise BlockedError(_why(letters))
        if letters:
            await self._dead_letters.send(letters)
            for reason, number in Counter(letter.reason for letter in letters).items():
                self._telemetry.dead_lettered(reason, number)


def _made_of(refusal: Refused, batch: Batch) -> list[tuple[Partition, int]]:
    """The positions of all records of the batch that the row was made of."""
    partitions = {span.assignment.number: span.assignment.partition for span in batch.spans}
    trail = batch.trail.filter(pl.col(ID) == refusal.row[ID][0]).select(ASSIGNMENT, OFFSET)
    return [(partitions[number], offset) for number, offset in trail.iter_rows()]


def _why(letters: Sequence[DeadLetter]) -> str:
    """Where and why, never what."""
    reason, count = Counter(letter.reason for letter in letters).most_common(1)[0]
    example = next(letter for letter in letters if letter.reason is reason)
    where = f"{example.record.topic()}/{example.record.partition()} offset {example.record.offset()}"
    detail = "Target refused it" if reason is Reason.REFUSED else example.detail
    return (
        f"too many dead letters at once; of the newest {len(letters)} {count} are {reason} ({detail}), the first at"
        f" {where}; correct the settings or the producer, then start again"
    )
