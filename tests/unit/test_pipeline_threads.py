"""Encoding and merging happen beside the event loop, and a rebalance need not wait for them."""

from __future__ import annotations

import asyncio
import threading
from itertools import count
from typing import Any, cast

import polars as pl

from connector.feeds import Feed, Read
from connector.kafka.offsets import Ledger
from connector.pipeline import Pipeline
from connector.profiles.batch import Heap
from connector.profiles.merging import Events
from connector.profiles.window import Limits, Window
from connector.records import ASSIGNMENT, ID, OFFSET, ROW, Assignment, Chunk, Partition, Span
from connector.target.encoding import Encoder
from connector.telemetry import Silent

A, B = Assignment(1, Partition("crm", 0)), Assignment(2, Partition("crm", 1))
LONG_S = 30.0  # for what takes milliseconds
ROWS = pl.DataFrame(
    {ROW: [0, 1], ASSIGNMENT: [A.number, B.number], OFFSET: [0, 0], ID: ["a", "b"], "x": ["1", "2"]},
    schema={ROW: pl.UInt32, ASSIGNMENT: pl.UInt32, OFFSET: pl.Int64, ID: pl.String, "x": pl.String},
)


class Step:
    """Work that takes until it is let go on: on the event loop that would be for ever."""

    def __init__(self) -> None:
        self.begun, self._go = threading.Event(), threading.Event()

    def wait(self) -> None:
        self.begun.set()
        assert self._go.wait(LONG_S)

    async def passes(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, LONG_S)
        self._go.set()


class SlowHeap(Heap):
    """Lines that take their time to be merged."""

    step = Step()

    def merged(self) -> Heap:
        self.step.wait()
        return super().merged()


class Slow(Window):
    """A window whose lines do."""

    def mergeable(self) -> tuple[Heap, ...] | None:
        feeds = super().mergeable()
        return feeds and tuple(SlowHeap(feed.events, feed.names, feed.frames) for feed in feeds)


class Parts:
    """One chunk, and all that the pipeline tells somebody of."""

    def __init__(self) -> None:
        self.chunks: asyncio.Queue[Chunk] = asyncio.Queue()
        self.chunks.put_nowait(Chunk(ROWS.select(ROW, ASSIGNMENT, OFFSET), [], [Span(A, 0, 1), Span(B, 0, 1)]))
        self.wire = asyncio.Lock()

    async def chunk(self) -> Chunk:
        return await self.chunks.get()

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def read(self, _topic: str, _frame: pl.DataFrame, _records: object) -> Read:
        return Read(ROWS, [], {})

    def reads(self, _topic: str) -> bool:
        return True

    async def store_records(self, *_: object) -> None:
        """Nothing was refused."""

    def quiet(self) -> asyncio.Lock:
        return self.wire

    def last_turn_s(self, within_s: float) -> float:
        return within_s

    def room(self) -> bool:
        return False  # so that a stop delivers nothing

    def tell(self, *_: object, **__: object) -> None:
        """Of no interest here."""

    share = forget = suspend = tell


async def test_a_rebalance_passes_while_lines_are_made_and_merged() -> None:
    """While rows are encoded, and while a window merges, the loop goes on and a revoked partition's rows leave it."""
    encoding, merging = Step(), SlowHeap.step
    encoder, parts = Encoder(), cast("Any", Parts())

    def encode(frame: pl.DataFrame) -> pl.Series:
        encoding.wait()
        return encoder.lines(frame)

    window = Slow(Limits(1, 10**6, 10**6), [Events.FULL], encode)
    pipeline = Pipeline(
        feeds=[cast("Feed", parts)],
        window=window,
        delivery=parts,
        ledger=Ledger(),
        numbers=count(1),
        settling=parts,
        office=parts,
        telemetry=Silent(),
        clock=lambda: 0.0,
        drain_s=0.0,
    )
    pipeline.assigned([A, B], {})
    stop = asyncio.Event()
    running = asyncio.create_task(pipeline.run(parts, stop))
    await encoding.passes()
    assert await asyncio.to_thread(merging.begun.wait, LONG_S)
    assert window.records == 2
    async with asyncio.timeout(LONG_S):
        await pipeline.revoked([A], lost=False)
    assert window.records == 1
    await merging.passes()
    stop.set()
    await running
    _, rows, _ = window.close().made()
    assert rows.lines[ID].to_list() == ["b"]
