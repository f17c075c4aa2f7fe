"""Where the time goes: each step of the road on one chunk of 50,000 events, one after the other.

No broker, no network, nothing else running: so the sum is less than what `road` measures, where the consumer thread,
the event loop and the steps compete for one interpreter lock. `python -m benchmarks.stages` prints microseconds per
event; `road` runs it at its end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import Message

from benchmarks.events import ATTRIBUTES, ID, IDS, SCHEMA, events
from benchmarks.figures import table
from connector.avro.decoder import Decoder
from connector.avro.lowering import parse
from connector.avro.reading import ENGINES
from connector.avro.stores import SchemaFile
from connector.avro.wire import Framing
from connector.kafka.assignments import Assignments
from connector.kafka.polled import listed
from connector.profiles.mapping import Mapping
from connector.profiles.merging import Events
from connector.profiles.window import Limits, Window, merge
from connector.records import Partition
from connector.target import batchfile
from connector.target.encoding import Encoder
from connector.target.search import Search

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

    from connector.avro.reading import Engines

CHUNK: Final = 50_000  # what one poll brings at most
PARTITION: Final = Partition("benchmark", 0)
ID_TYPE: Final = "thirdPartyId"


class Clock:
    """Times steps.

    Attributes:
        seconds: what each step took each time.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Times what stands inside."""
        began = time.perf_counter()
        yield
        self.seconds.setdefault(name, []).append(time.perf_counter() - began)


class Steps:
    """The parts of the road that a chunk passes, put together as `connector.service.composition` does."""

    def __init__(
        self,
        schema: Any = SCHEMA,
        attributes: Sequence[str] = ATTRIBUTES,
        feed: Events = Events.FULL,
        *,
        engines: Engines = ENGINES,
    ) -> None:
        """Put them together.

        Args:
            schema: of the events, with a field ID.
            attributes: the fields that become attributes.
            feed: what an event holds.
            engines: what decodes in columns; if there are none the reference decoder does it, record by record.
        """
        self.mapping = Mapping(ID, {name: name for name in attributes})
        store = SchemaFile(parse(json.dumps(schema), "the schema"))
        self.encoder = Encoder()
        self.decoder = Decoder(framing=Framing.CONFLUENT, schemas=store, paths=self.mapping.paths, engines=engines)
        self.feed = feed

    async def pass_once(self, clock: Clock, messages: Sequence[Message]) -> None:
        """Takes the messages of one poll to a body."""
        assignments = Assignments()
        assignments.add([PARTITION])
        with clock.step("to a chunk"):
            chunk = assignments.gather(listed(messages), lambda _: 0).chunk
        await self.to_body(clock, [chunk.frame])

    async def to_body(self, clock: Clock, chunks: Sequence[pl.DataFrame]) -> int:
        """Takes chunks (ROW, ASSIGNMENT, OFFSET, VALUE) through one window to bodies, as the pipeline does.

        Returns:
            The bytes of the bodies together.
        """
        limits = Limits(sum(chunk.height for chunk in chunks), 10**12, 0.0)
        window = Window(limits, [self.feed], self.encoder.lines)
        for chunk in chunks:
            with clock.step("decode"):
                changes = await self.decoder.decode(PARTITION.topic, chunk)
            with clock.step("map"):
                rows = self.mapping.rows(changes.frames[0]).rows
            with clock.step("to lines"):
                window.add(0, window.lines(0, rows), [], 0.0)
        with clock.step("merge"):
            if (mergeable := window.mergeable()) is not None:
                window.merged(merge(mergeable))
            _, batch, _ = window.close().made()
        with clock.step("body"):
            bounds = batchfile.Limits(ID_TYPE)
            search = Search(batchfile.oversized(batch, bounds)[0], bounds)
            size_bytes = 0
            while (part := search.next()) is not None:
                size_bytes += (made := len(bytes(batchfile.Body(part, ID_TYPE))))
                search.accepted(made)
        return size_bytes


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stages", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 times instead of 15")
    times = 3 if parser.parse_args().quick else 15
    messages = [
        Message(*PARTITION, offset, customer.encode(), value)
        for offset, (customer, value) in enumerate(events(CHUNK, IDS))
    ]
    steps, clock = Steps(), Clock()
    for number in range(times + 1):
        if number == 1:
            clock = Clock()  # the first time is only to warm up
        asyncio.run(steps.pass_once(clock, messages))
    micros = {name: 1e6 * median(seconds) / CHUNK for name, seconds in clock.seconds.items()}
    total = sum(micros.values())
    lines = [(name, f"{micro:.2f}", f"{micro / total:.0%}") for name, micro in micros.items()]
    print(f"One chunk of {CHUNK:,} events; medians of {times}\n")
    print(table(("step", "µs per event", "share"), [*lines, ("all", f"{total:.2f}", "100%")]))


if __name__ == "__main__":
    main()
