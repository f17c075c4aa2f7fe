"""The story: fetch, decode, map, window, deliver, commit; and what happens when partitions go or the service stops.

    source ─► decoder ─► mapping ─► window ─► delivery ─► settling ─► ledger ─► source.store
                 └────────┴─► dead letters ◄──────┘

One window is open and at most one batch is on its way, so a profile is never in two batches in flight and batches
arrive in Kafka's order. An offset is stored only when all below it is settled: accepted, stored as a dead letter, or
skipped by a setting. Everything here happens on the event loop; decoding, mapping, merging and building bodies happen
in threads beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from connector.errors import BlockedError, blocked
from connector.flight import Flight
from connector.profiles.window import Due, merge
from connector.records import ASSIGNMENT
from connector.target.delivered import Delivered
from connector.target.delivery import Claim
from connector.telemetry import BatchReport, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from connector.dead_letter_office import DeadLetterOffice
    from connector.feeds import Feed
    from connector.kafka.assignments import Remade
    from connector.kafka.offsets import Ledger
    from connector.profiles.batch import Batch
    from connector.profiles.window import Window
    from connector.records import Assignment, Chunk, Partition
    from connector.settling import Settling
    from connector.target.delivery import Delivery
    from connector.telemetry import Telemetry


class Records(Protocol):
    """What the pipeline needs of the source."""

    async def chunk(self) -> Chunk:
        """The next chunk; safe to cancel."""

    def store(self, offsets: Mapping[Assignment, int]) -> None:
        """Let these offsets be committed."""

    def suspend(self) -> None:
        """Fetch no more, but stay in the group."""

    def ours(self, assignments: frozenset[int]) -> bool:
        """Whether all of these are ours to deliver, beyond doubt."""

    async def steady(self) -> None:
        """Wait until what is ours is beyond doubt."""


class Pipeline:
    """The road, between a source that brings chunks and an account that takes batches."""

    def __init__(  # noqa: PLR0913 (the parts of the road, named)
        self,
        *,
        feeds: Sequence[Feed],
        window: Window,
        delivery: Delivery,
        ledger: Ledger,
        numbers: Iterator[int],
        settling: Settling,
        office: DeadLetterOffice,
        telemetry: Telemetry,
        clock: Callable[[], float],
        drain_s: float,
    ) -> None:
        """Put the parts together; `numbers` are the batches', `clock` is monotonic, in seconds."""
        self._feeds = feeds
        self._window = window
        self._delivery = delivery
        self._ledger = ledger
        self._settling = settling
        self._office = office
        self._telemetry = telemetry
        self._clock = clock
        self._drain_s = drain_s
        self._everyone: Sequence[Partition] = ()
        self.unsure = asyncio.Event()  # set by each rebalance: no call to Target until `partitions` is told anew
        self._joined = False
        self._numbers = numbers
        self._flight = Flight(delivery.quiet)
        self.blocked_by: list[BlockedError] = []  # what it waits for a human for

    async def run(self, source: Records, stop: asyncio.Event) -> None:
        """Carry records until `stop` is set, then drain. Whatever ends it, the call on the wire may end first.

        Raises:
            StartOverError: what is open must be read again from the committed offsets.
        """
        self._source = source
        stopping = asyncio.create_task(stop.wait())
        taking = asyncio.create_task(self._take_next())
        confirming = asyncio.create_task(self._settling.run())
        try:
            while not stop.is_set():
                full = self._send_if_due()
                if taking.done():
                    taking.result()
                    if not full:
                        taking = asyncio.create_task(self._take_next())
                await self._wait({stopping, taking, confirming})
                if confirming.done():
                    confirming.result()
            await _end(taking)  # what is in the window of it is there with its positions
            await self._drain()
        except BlockedError as error:
            await _end(taking)
            self._source.suspend()
            self._tell(error)
            await self._cut_short()
            await stopping
        finally:
            await _end(taking, stopping, confirming)
            await self._cut_short()

    # From chunk to window.

    async def _take_next(self) -> None:
        """Take one chunk, which may have to wait for the registry or the dead-letter topic; safe to cancel."""
        await self._take(await self._source.chunk())

    async def _take(self, chunk: Chunk) -> None:
        for topic, numbers in _by_topic(chunk).items():
            frame = chunk.frame.filter(chunk.frame[ASSIGNMENT].is_in(numbers))
            if frame.is_empty():  # only offsets that no record has, which need no delivery
                ours = self._ledger.take(span for span in chunk.spans if span.assignment.number in numbers)
                self._source.store(self._ledger.settle(ours))
                continue
            index, feed = self._feed_of(topic)
            read = await feed.read(topic, frame, chunk.records)
            lines = await asyncio.to_thread(partial(self._window.lines, index, read.rows, partial=read.partial))
            await self._office.store_records(frame.height, read.refused, chunk.records)
            # Only now, with nothing awaited in between: whatever went away meanwhile must not enter the window.
            spans = self._ledger.take(span for span in chunk.spans if span.assignment.number in numbers)
            self._window.add(index, lines.only({span.assignment.number for span in spans}), spans, self._clock())
            read.tell(self._telemetry)
            if (feeds := self._window.mergeable()) is not None:
                self._window.merged(await asyncio.to_thread(merge, feeds))  # unless it changed meanwhile

    def _feed_of(self, topic: str) -> tuple[int, Feed]:
        for index, feed in enumerate(self._feeds):
            if feed.reads(topic):
                return index, feed
        msg = f"topic {topic} came in, but no entry of sources means it; write its expression more plainly"
        raise BlockedError(msg)

    # From window to Target, and back to the offsets.

    def _send_if_due(self) -> bool:
        """Close the window if its time has come and nothing is on its way; whether it is full and has to wait."""
        self._flight.look()
        now = self._clock()
        due = self._window.due(now)
        if not self._flight.tasks():
            if due := due or self._window.closing_by_turn(now, self._delivery.last_turn_s):
                self._send(due)
            return False
        return due not in {None, Due.AGE}  # by age it goes on filling while the batch before it is on its way

    async def _wait(self, tasks: set[asyncio.Task[Any]]) -> None:
        """Until something is to be done: a chunk was taken, a stop, the end of a delivery, or the window's age."""
        flying = self._flight.tasks()
        await asyncio.wait(
            {task for task in tasks if not task.done()} | flying,  # while the window is full no chunk is being taken
            timeout=None if flying else self._window.closes_in(self._clock(), self._delivery.last_turn_s),
            return_when=asyncio.FIRST_COMPLETED,
        )

    def _send(self, due: Due) -> None:
        batch = self._window.close()
        self._flight.begin(self._deliver(batch, due, next(self._numbers)))

    async def _deliver(self, batch: Batch, due: Due, number: int) -> None:
        done, calls = Delivered(), 0
        while not done.whole:  # once more without the rows of partitions that went away meanwhile
            await self._source.steady()
            batch, rows, empty = await asyncio.to_thread(batch.made, batch.assignments - self._ledger.held())
            done = await self._delivery.deliver(rows, self._claim(batch.assignments), partial(self._office.look, batch))
            calls += done.calls
        await self._office.store_rows(done, batch)
        self._settling.delivered(number, batch.spans, done.rows, self._source.store)
        if empty:
            self._telemetry.skipped("empty", empty)
        if not batch.spans:
            return  # all of it went away meanwhile
        self._telemetry.accepted(
            BatchReport(
                number=number,
                due=due,
                records=batch.records,
                rows=done.rows,
                size_bytes=done.size_bytes,
                calls=calls,
                refused=done.set_apart,
                age_s=self._clock() - batch.opened_at,
                status_url=done.status_url,
            )
        )

    def _claim(self, assignments: frozenset[int]) -> Claim:
        # The source knows first, and is in doubt at times; the ledger knows what went away for good.
        held, source = self._ledger.held, self._source
        return Claim(lambda: assignments <= held(), lambda: source.ours(assignments), source.steady)

    # Partitions that come and go: `kafka.source.Listener`.

    def assigned(self, assignments: Sequence[Assignment], starts: Mapping[Partition, int]) -> None:
        """These partitions are ours from now on, to be read from `starts` as far as that is known."""
        self._ledger.assign(assignments, starts)
        self._joined = True
        self._share(sure=False)

    def remade(self, remade: Sequence[Remade]) -> None:
        """These partitions began anew: what was read before is delivered, but no offset of it is stored."""
        self._ledger.detach(one.old for one in remade)
        self._ledger.assign((one.fresh for one in remade), {one.fresh.partition: one.start for one in remade})

    async def revoked(self, assignments: Sequence[Assignment], *, lost: bool) -> None:
        """These partitions go: settle the call on the wire if they are not lost already, then forget their rows."""
        if lost:
            self._ledger.release(assignments)
        try:
            async with self._delivery.quiet():
                self._let_go(assignments)
        finally:  # also if the call on the wire took longer than a rebalance may wait
            self._let_go(assignments)
            self._share(sure=False)

    def _let_go(self, assignments: Sequence[Assignment]) -> None:
        self._ledger.release(assignments)
        self._window.forget({assignment.number for assignment in assignments})
        self._settling.forget()

    def ends(self, offsets: Mapping[Partition, int]) -> None:
        """Tell the lag."""
        self._telemetry.lag(*self._ledger.unsettled(offsets))

    def partitions(self, everyone: Sequence[Partition]) -> None:
        """These are the partitions of all topics: our share of the call budget follows."""
        self._everyone = everyone
        self._share(sure=True)

    def _share(self, *, sure: bool) -> None:
        owned = self._ledger.partitions()
        if self._joined:
            self._telemetry.assigned(len(owned), len(self._everyone) or None)
        self._delivery.share(owned, self._everyone if sure else ())
        if not sure:
            self.unsure.set()
        self._settling.share(len(owned), max(len(self._everyone), len(owned)))

    # The ends.

    async def _drain(self) -> None:
        """Deliver what the window holds, as far as the bound allows; what is left is read again by the next owner."""
        self._source.suspend()
        if not self._settling.room():
            return  # as many batches as may be are unconfirmed, which can last for hours
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._drain_s):
                await self._flight.land()
                if self._window.seconds_left(self._clock()) is not None:
                    self._send(Due.DRAIN)
                    await self._flight.land()

    async def _cut_short(self) -> None:
        """Give up the batch in flight between two calls, and tell what blocked it, beside what did before."""
        other = await self._flight.cut_short()
        if other is not None and str(other) not in map(str, self.blocked_by):
            self._tell(other)

    def _tell(self, error: BlockedError) -> None:
        self.blocked_by.append(error)
        self._telemetry.trouble(Part.PIPELINE, blocked(BlockedError("; and ".join(map(str, self.blocked_by)))))


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _by_topic(chunk: Chunk) -> dict[str, list[int]]:
    """The assignment numbers of a chunk, by topic."""
    numbers: dict[str, list[int]] = {}
    for span in chunk.spans:
        numbers.setdefault(span.assignment.partition.topic, []).append(span.assignment.number)
    return numbers
