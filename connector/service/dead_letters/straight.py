"""Replays letters straight to Target: a pipeline of its own whose source is the letters.

Decoded, mapped, gathered and delivered as ever, by the settings as they are now, with a small call budget beside the
service's. A letter is marked once its batch was accepted, so a crash in between sends it once more; what fails again is
a new letter, and the old one counts as replayed. Called by `commands`.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from connector.dead_letter_office import DeadLetterOffice
from connector.errors import BlockedError, SettingError
from connector.kafka import letters as shelf
from connector.kafka.assignments import COLUMNS
from connector.kafka.brake import Brake, BrakeLimits
from connector.kafka.dead_letters import DeadLetterTopic
from connector.kafka.headers import columns_of
from connector.kafka.letters import FIRST_HEADER, FROM_HEADER, OURS, position_of
from connector.kafka.offsets import Ledger
from connector.kafka.ranges import Ranges
from connector.kafka.replay import Copier
from connector.pipeline import Pipeline
from connector.profiles.merging import Events
from connector.profiles.window import Limits, Window
from connector.records import Assignment, Chunk, Partition, Span
from connector.service.composition import make_feeds
from connector.service.dead_letters.judging import Outcome
from connector.service.dead_letters.replaying import plan
from connector.service.schema_stores import alongside
from connector.service.sections import MAX_CALLS_PER_MINUTE
from connector.service.target_side import make_target_side
from connector.target.encoding import Encoder
from connector.telemetry import Part, Silent

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from confluent_kafka import Message

    from connector.kafka.letters import Letter, Position
    from connector.records import Alongside, Reason, Record
    from connector.service.dead_letters.filters import Filter
    from connector.service.dead_letters.judging import Options
    from connector.service.dead_letters.replaying import Place, Plan
    from connector.service.settings import Settings

# Beside the service's own, 35 by default of the 50 that the account has: letters are few, and a batch holds many.
CALLS_PER_MINUTE: Final = 5
MAX_AGE_S: Final = 1.0  # nothing else comes: a window need not wait for more
CHUNK: Final = 1_000
EXPIRY: Final = "token_expires_file"  # which the service watches
MARKERS: Final = 10_000  # of one transaction; librdkafka's queue takes 100,000


class Told(Silent):
    """Says what is in the way, once per change, and stops when only a human can help."""

    def __init__(self, say: Callable[[str], None], stop: asyncio.Event) -> None:
        """Say it with `say`, from any thread; `stop` is set when only a human can help."""
        self._say = say
        self._stop = stop
        self._last: dict[Part, str | None] = {}
        self.failed_again = 0

    def dead_lettered(self, reason: Reason, count: int) -> None:
        """See Telemetry."""
        self.failed_again += count
        self._say(f"{count:,} failed again ({reason}): new letters")

    def trouble(self, part: Part, text: str | None) -> None:
        """See Telemetry."""
        if part is Part.PIPELINE:  # blocked; its ways on are the service's, so only the error at the end is shown
            if text:
                self._stop.set()
            return
        if text and text != self._last.get(part):
            self._say(f"{part}: {text}")
        self._last[part] = text


@dataclass(frozen=True, slots=True)
class _Again:
    """The record of a letter as it was, which says that it is on its second way."""

    letter: Letter
    message: Message
    topic_of_letters: str

    def topic(self) -> str | None:
        return self.letter.origin.partition.topic if self.letter.origin else None

    def partition(self) -> int | None:
        return self.letter.origin.partition.partition if self.letter.origin else None

    def offset(self) -> int | None:
        return self.letter.origin.offset if self.letter.origin else None

    def key(self) -> Any:
        return self.message.key()

    def value(self) -> Any:
        return self.message.value()

    def headers(self) -> Any:
        pairs: Any = self.message.headers() or []
        first = self.letter.origin.first_offset if self.letter.origin else 0
        return [
            *((name, value) for name, value in pairs if not name.startswith(OURS)),
            (FROM_HEADER, f"{self.topic_of_letters}:{self.letter.position}".encode()),
            (FIRST_HEADER, str(first).encode()),
        ]


class _Letters:
    """Letters as the pipeline's source: numbered from 0 within each of their partitions, in place of offsets."""

    def __init__(self, place: Place, planned: Plan, copier: Copier, stop: asyncio.Event, beside: Alongside) -> None:
        self._place = place
        self._planned = planned
        self._copier = copier
        self._stop = stop
        self._alongside = beside
        self._news = asyncio.Event()
        self._chunks = self._make_chunks()
        self._settled: list[Letter] = []
        self._records: dict[tuple[Partition, int], Record] = {}
        self._numbered: dict[Partition, list[Letter]] = {}
        self._next: dict[Partition, int] = {}
        self._marked: dict[Partition, int] = {}
        for letter in planned.letters:
            if letter.origin is not None:
                self._numbered.setdefault(letter.origin.partition, []).append(letter)
        self.assignments = {one: Assignment(number, one) for number, one in enumerate(self._numbered, 1)}
        self.gone = 0
        self.done = 0

    async def chunk(self) -> Chunk:
        """See pipeline.Records; once all are settled and marked it stops the pipeline."""
        await self.mark()
        chunk = await asyncio.to_thread(next, self._chunks, None)
        if chunk is not None:
            return chunk
        while self.done < len(self._planned.letters):
            await self._news.wait()
            self._news.clear()
            await self.mark()
        self._stop.set()
        await asyncio.Event().wait()  # until the pipeline cancels it
        raise asyncio.CancelledError

    def store(self, offsets: Mapping[Assignment, int]) -> None:
        """See pipeline.Records."""
        for assignment, end in offsets.items():
            first = self._marked.get(assignment.partition, 0)
            self._settled += self._numbered[assignment.partition][first:end]
            self._marked[assignment.partition] = end
            for number in range(first, end):
                self._records.pop((assignment.partition, number), None)
        self._news.set()

    def suspend(self) -> None:
        """See pipeline.Records."""

    def ours(self, assignments: frozenset[int]) -> bool:  # noqa: ARG002 (nobody takes a letter away)
        """See pipeline.Records."""
        return True

    async def steady(self) -> None:
        """See pipeline.Records."""

    def again(self, positions: Sequence[tuple[Partition, int]]) -> list[Record]:
        """The records at these numbers, for the dead-letter office."""
        return [self._records[position] for position in positions]

    async def mark(self) -> None:
        """Note that what is settled was replayed, twins included."""
        settled, self._settled = self._settled, []
        twins = {twin: None for letter in settled for twin in self._planned.found.twins(letter)}
        positions = list(twins)
        for first in range(0, len(positions), MARKERS):
            await asyncio.to_thread(self._copier.mark, positions[first : first + MARKERS])
        self.done += len(settled)

    def _make_chunks(self) -> Iterator[Chunk]:
        with Ranges(self._place.properties, name="letters") as ranges:
            letters = self._planned.letters
            for first in range(0, len(letters), CHUNK):
                some = letters[first : first + CHUNK]
                wanted = [letter.position for letter in some]
                found = {position_of(one): one for one in shelf.fetch(ranges, self._place.topic, wanted)}
                yield self._make_chunk(some, found)

    def _make_chunk(self, letters: Sequence[Letter], found: Mapping[Position, Message]) -> Chunk:
        records: list[Record] = []
        rows: list[tuple[int, int, int, Any]] = []
        firsts: dict[Assignment, int] = {}
        for letter in letters:
            if letter.origin is None:
                continue
            partition = letter.origin.partition
            number = self._next.get(partition, 0)
            self._next[partition] = number + 1
            firsts.setdefault(self.assignments[partition], number)
            if letter.position not in found:
                self.gone += 1  # retention was faster; its number stays empty, as an offset that no record has
                continue
            record = _Again(letter, found[letter.position], self._place.topic)
            self._records[partition, number] = record
            rows.append((len(records), self.assignments[partition].number, number, record.value()))
            records.append(record)
        spans = [Span(one, first, self._next[one.partition]) for one, first in firsts.items()]
        frame = pl.DataFrame(rows, schema=COLUMNS, orient="row").with_columns(columns_of(records, self._alongside))
        return Chunk(frame, records, spans)


async def replay(
    settings: Settings, place: Place, chosen: Filter, options: Options, say: Callable[[str], None]
) -> Counter[Outcome]:
    """Replay letters straight to Target; waits for as long as Target does not take them.

    Returns:
        How many letters had which outcome.

    Raises:
        SettingError: there is no dead-letter topic, or the account has no calls left for it.
        BlockedError: Target or the settings are such that only a human can help; what was accepted is marked.
        FatalError: Kafka does not do its part.
    """
    calls = min(CALLS_PER_MINUTE, MAX_CALLS_PER_MINUTE - settings.target.calls_per_minute)
    if calls < 1:
        raise SettingError(
            f"target.calls_per_minute: {MAX_CALLS_PER_MINUTE} leaves no call for a replay; lower it, or replay through"
            " the topic"
        )
    copier = Copier(place.properties, place.topic)
    await asyncio.to_thread(copier.begin)  # before looking, as in `replaying`
    planned = await asyncio.to_thread(plan, place, chosen, options)
    if not planned.letters:
        return planned.counts
    stop = asyncio.Event()
    told = Told(say, stop)
    letters = _Letters(place, planned, copier, stop, alongside(settings.sources))
    async with AsyncExitStack() as opened:
        pipeline = _pipeline(settings, place, letters, calls, told, opened)
        pipeline.assigned(list(letters.assignments.values()), dict.fromkeys(letters.assignments, 0))
        pipeline.partitions(list(letters.assignments))  # after it: until they are told no call is made
        await pipeline.run(letters, stop)
        await letters.mark()
    if pipeline.blocked_by:
        reasons = "; and ".join(map(str, pipeline.blocked_by))
        raise BlockedError(
            f"{reasons}; {letters.done:,} letters were replayed before; run it again once that is mended"
        )
    planned.counts[Outcome.GONE] += letters.gone
    planned.counts[Outcome.REPLAYED] += letters.done - letters.gone
    return planned.counts


def _pipeline(  # noqa: PLR0913, PLR0917 (what a pipeline is made of)
    settings: Settings, place: Place, letters: _Letters, calls: int, told: Told, opened: AsyncExitStack
) -> Pipeline:
    ledger = Ledger()
    given = settings.target.model_copy(
        update={"calls_per_minute": calls, "follow": False, "commit_on": "accepted", EXPIRY: None}
    )
    target = make_target_side(given, ledger, told)
    opened.push_async_callback(target.close)
    topic = DeadLetterTopic(place.properties, place.topic, settings.kafka.group_id, told)
    opened.callback(topic.close)
    limits = Limits(settings.window.max_rows, settings.window.max_bytes, MAX_AGE_S)
    no_brake = Brake(BrakeLimits(), released=sys.maxsize)  # whoever replays wants to see what fails again
    return Pipeline(
        feeds=make_feeds(settings, told, opened),
        window=Window(
            limits,
            [Events(source.events) for source in settings.sources],
            Encoder(extension=settings.service.extension).lines,
        ),
        delivery=target.delivery,
        ledger=ledger,
        numbers=count(1),
        settling=target.settling,
        office=DeadLetterOffice(topic, no_brake, letters.again, told),
        telemetry=told,
        clock=asyncio.get_running_loop().time,
        drain_s=0.0,  # it is stopped once nothing is left, or blocked
    )
