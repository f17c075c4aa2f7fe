"""The dead-letter office: makes dead letters of what was refused, and stores them, unless there are too many.

The pipeline brings it records that could not be decoded or mapped, and rows that Target refused; a row is traced back
to every record of its batch that it was made of. Returns only once the letters are stored, so that offsets may pass.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from connector.avro.keys import OF_KEY
from connector.avro.recognition import looks_like
from connector.errors import BrakeError
from connector.kafka.headers import pairs_of
from connector.kafka.reread import Gone
from connector.records import ASSIGNMENT, ID, OFFSET, ROW, DeadLetter, Partition, Reason
from connector.telemetry import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from connector.kafka.brake import Brake
    from connector.kafka.dead_letters import DeadLetters
    from connector.profiles.batch import Batch
    from connector.records import Record
    from connector.target.delivered import Delivered, Refused
    from connector.telemetry import Telemetry

AGAIN_S = 1.0
REMEMBERED = 1_000  # letters that a tripped brake can tell of
AT_ONCE = 500  # records that are read again in one go
RULED = frozenset({Reason.TOMBSTONE, Reason.DELETED, Reason.GAP})  # a setting makes them letters; none is suspect
LOOKED_AT = 100  # records, when it is asked what they look like
OF_FRAMING = {Reason.FRAMING, Reason.SCHEMA_UNKNOWN, Reason.UNREADABLE}  # what another framing's records may become
SHOWN = 3  # details of a reason, and partitions; the rest is counted


class Suspect(NamedTuple):
    """What is remembered of a letter, to say where and why the brake tripped; never what the record holds."""

    reason: Reason
    detail: str
    partition: Partition
    offset: int


class Traced(NamedTuple):
    """A record that a refused row was made of."""

    reason: Reason
    row: Refused
    assignment: int
    position: tuple[Partition, int]


class DeadLetterOffice:
    """Between the pipeline and the dead-letter topic."""

    def __init__(
        self,
        dead_letters: DeadLetters,
        brake: Brake,
        reread: Callable[[Sequence[tuple[Partition, int]]], Sequence[Record]],
        telemetry: Telemetry,
        *,
        remade: Callable[[], frozenset[int]] = frozenset,
    ) -> None:
        """Put the parts together.

        Args:
            dead_letters: where letters go.
            brake: asked first.
            reread: gives records by their position, blocks, and may raise TimeoutError.
            telemetry: who is told.
            remade: the numbers of assignments whose partitions began anew, so that other records are there now.
        """
        self._remade = remade
        self._dead_letters = dead_letters
        self._brake = brake
        self._reread = reread
        self._telemetry = telemetry
        self._suspects: deque[Suspect] = deque(maxlen=REMEMBERED)

    async def store_records(self, count: int, refused: Iterable[pl.DataFrame], records: Sequence[Record]) -> None:
        """Store the refused ones of `count` records.

        Args:
            count: how many records there were, good and bad.
            refused: frames with ROW (index into `records`), `reason` and `detail`, both String.
            records: of the chunk.

        Raises:
            BrakeError: the brake tripped, or holds one of them; nothing was stored.
        """
        # Dead letters are few, or the brake stops them: so here they are objects.
        letters = [
            DeadLetter(records[row], Reason(reason), detail)
            for frame in refused
            for row, reason, detail in frame.select(ROW, "reason", "detail").iter_rows()
        ]
        if held := [_suspect(one, one.detail) for one in letters if self._brake.holds(one.reason)]:
            raise BrakeError(_asks(held))
        suspects = [_suspect(one, one.detail) for one in letters if one.reason not in RULED]
        self._suspects.extend(suspects)
        if self._brake.trips(count, len(suspects)):
            raise BrakeError(_why(self._suspects, _likeness(letters)))
        await self._store(letters)

    def look(self, batch: Batch, done: Delivered) -> None:
        """Ask the brake while a batch is searched, as finding all of its bad rows may take hours; counts nothing.

        Held against the records of the rows that were judged so far, which are taken to be as many for each row. Where
        Target takes no row at all, the rows are not to blame, unless a human has said that they are.

        Args:
            batch: knows which records every row was made of.
            done: how far the search is.

        Raises:
            BrakeError: the brake would trip, or no row is to blame; nothing was stored.
        """
        if done.hopeless is not None and not self._brake.released:
            raise BrakeError(_doubt(f"every row of a batch ({done.hopeless})"))
        traced = _traced(done, batch)
        judged = batch.records * done.judged // max(1, done.given)
        if self._brake.would_trip_on_batch(judged, len(traced)):
            raise BrakeError(_why([*self._suspects, *(_suspect_row(one) for one in traced)]))

    async def store_rows(self, done: Delivered, batch: Batch) -> None:
        """Store the records that the refused rows of a delivered batch were made of.

        Args:
            done: says which rows were refused, and why.
            batch: knows which records every row was made of.

        Raises:
            BrakeError: the brake tripped, or no row may be to blame; nothing was stored.
        """
        traced = _traced(done, batch)
        if done.refused and not done.trusted and not self._brake.released:
            raise BrakeError(_doubt(f"every row of a batch of {done.given}, and accepted none before"))
        self._suspects.extend(_suspect_row(one) for one in traced)
        if self._brake.trips_on_batch(batch.records, len(traced)):
            raise BrakeError(_why(self._suspects))
        for first in range(0, len(traced), AT_ONCE):
            some = traced[first : first + AT_ONCE]
            records = await self._read_again(some)
            await self._store(
                [DeadLetter(record, one.reason, one.row.text) for record, one in zip(records, some, strict=True)]
            )

    async def _read_again(self, some: Sequence[Traced]) -> list[Record]:
        """Ask the brokers until they give the records; of a partition that began anew only the positions are known."""
        while True:
            asked = [one.position for one in some if self._there(one)]
            try:
                records = await asyncio.to_thread(self._reread, asked)
            except TimeoutError as error:
                self._telemetry.trouble(
                    Part.DEAD_LETTERS, f"refused records can't be read again ({error}); trying again"
                )
                await asyncio.sleep(AGAIN_S)
            else:
                self._telemetry.trouble(Part.DEAD_LETTERS, None)
                found = dict(zip(asked, records, strict=True))
                # Asked once more, as a partition may have begun anew while it was read.
                there = (found.get(one.position) if self._there(one) else None for one in some)
                return [record or Gone(*one.position) for record, one in zip(there, some, strict=True)]

    def _there(self, one: Traced) -> bool:
        return one.assignment not in self._remade()

    async def _store(self, letters: Sequence[DeadLetter]) -> None:
        if letters:
            await self._dead_letters.send(letters)
            for reason, number in Counter(letter.reason for letter in letters).items():
                self._telemetry.dead_lettered(reason, number)


def _traced(done: Delivered, batch: Batch) -> list[Traced]:
    """All records of the batch that its refused rows were made of, row by row."""
    kinds = (
        (Reason.REFUSED, done.refused),
        (Reason.ROW_TOO_LARGE, done.too_large),
        (Reason.PROFILE_TOO_LARGE, done.overweight),
    )
    rows = [(reason, row) for reason, some in kinds for row in some]
    if not rows:
        return []
    partitions = {span.assignment.number: span.assignment.partition for span in batch.spans}
    # One pass over what may be two million records; what it finds is few, or the brake stops it.
    wanted = pl.DataFrame({ID: [row.row.lines[ID][0] for _, row in rows], ROW: range(len(rows))})
    found = wanted.join(batch.trail, on=ID, maintain_order="left_right").select(ROW, ASSIGNMENT, OFFSET)
    return [
        Traced(rows[row][0], rows[row][1], number, (partitions[number], offset))
        for row, number, offset in found.iter_rows()
    ]


def _suspect_row(one: Traced) -> Suspect:
    # Target's own words may repeat a value; the letters have them.
    names = _first(one.row.row.names)
    return Suspect(one.reason, f"a row with {names}", *one.position)


def _doubt(what: str) -> str:
    return (
        f"Target refuses {what}; check target.client, target.id_type and the attribute names; unblocking lets these"
        " records become dead letters"
    )


def _suspect(letter: DeadLetter, detail: str) -> Suspect:
    record = letter.record
    return Suspect(letter.reason, detail, Partition(str(record.topic()), record.partition() or 0), record.offset() or 0)


def _likeness(letters: Iterable[DeadLetter]) -> str:
    """What those that could not be decoded look like, as the framing may be another one."""
    ours = (one for one in letters if one.reason in OF_FRAMING and not one.detail.startswith(OF_KEY))
    records = [one.record for one in ours if one.record.value()][:LOOKED_AT]
    if not records:
        return ""
    found = looks_like([one.value() for one in records], [dict(pairs_of(one) or ()) for one in records])
    return f"these look like {found}; " if found else ""


def _why(suspects: Sequence[Suspect], likeness: str = "") -> str:
    """Which reasons, in which columns, at which places; and what to do."""
    reasons = Counter(suspect.reason for suspect in suspects)
    told = [f"{count} {reason} ({_details(reason, suspects)})" for reason, count in reasons.most_common()]
    return (
        f"too many dead letters; of the last {len(suspects)}: {', '.join(told)}; at {_places(suspects)}; {likeness}"
        "correct the settings or the producer; unblocking lets these records become dead letters"
    )


def _asks(suspects: Sequence[Suspect]) -> str:
    """What a human has to decide on."""
    return (
        f"a setting says to block here: {_details(suspects[0].reason, suspects)}; at {_places(suspects)}; mend it at"
        " its source first; unblocking lets these records become dead letters"
    )


def _details(reason: Reason, suspects: Sequence[Suspect]) -> str:
    details = Counter(suspect.detail for suspect in suspects if suspect.reason is reason)
    return _first([f"{detail}: {count}" for detail, count in details.most_common()])


def _places(suspects: Sequence[Suspect]) -> str:
    found = sorted((suspect.partition, suspect.offset) for suspect in suspects)
    places = []
    for partition, group in groupby(found, key=lambda one: one[0]):
        offsets = [offset for _, offset in group]
        where = f"offset {offsets[0]}" if len(offsets) == 1 else f"offsets {offsets[0]} to {offsets[-1]}"
        places.append(f"{partition.topic}/{partition.partition} {where}")
    return _first(places)


def _first(texts: Sequence[str]) -> str:
    rest = len(texts) - SHOWN
    return ", ".join(texts[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")
