"""One window from bytes to body, over what it may depend on; each case beside the reference decoder in the same run.

The steps are those of `stages`, without a broker. One thing changes at a time: columns, ids that come again, text, what
an event holds, events of a window. The cases take turns, so that a busy machine harms all of them. `matrix` runs it.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import random
import time
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import fastavro
import polars as pl

from benchmarks.body import KINDS
from benchmarks.events import ID
from benchmarks.figures import table
from benchmarks.stages import Clock, Steps
from connector.profiles.merging import Events
from connector.records import ASSIGNMENT, OFFSET, ROW, VALUE

if TYPE_CHECKING:
    from collections.abc import Sequence

STEPS: Final = ("decode", "map", "to lines", "merge", "body")
PLAIN, LATIN, CJK = KINDS
POLL: Final = 10_000  # events of a chunk at most, as connector.kafka.source asks for
TURN_EVENTS: Final = 100_000  # a turn takes at least so many, in several windows if they are smaller
REFERENCE_CELLS: Final = 50_000  # the reference takes fewer events, as it takes about 1 µs a cell
NONE_OF: Final = 10  # one event of so many lacks a field
TAILS: Final = 5_000  # so many different events beside their ids
HEADER: Final = b"\0\0\0\0\1"


@dataclass(frozen=True, slots=True)
class Case:
    """What a window is made of.

    Attributes:
        name: of what differs from the first case.
        columns: of an event, the id among them.
        again: share of the events whose profile was in the window before.
        text: of `body.KINDS`.
        feed: what an event holds.
        events: of the window.
    """

    name: str
    columns: int = 10
    again: float = 0.01
    text: str = PLAIN
    feed: Events = Events.FULL
    events: int = 100_000


BASE: Final = Case("10 columns, 1% of the ids again, plain text, full, 100,000 events")
# Wide events fill a window by its 45 MB, before it has 100,000 of them.
CASES: Final = (
    BASE,
    Case("50 columns", columns=50, events=50_000),
    Case("200 columns", columns=200, events=15_000),
    Case("10% of the ids again", again=0.1),
    Case("100%: one id", again=1.0),
    Case(LATIN, text=LATIN),
    Case(CJK, text=CJK),
    Case("partial, 1% again", feed=Events.PARTIAL),
    Case("partial, 10% again", feed=Events.PARTIAL, again=0.1),
    Case("partial, 100%: one id", feed=Events.PARTIAL, again=1.0),
    Case("windows of 10,000 events", events=10_000),
    Case("windows of 500,000 events", events=500_000),
)
SIZES: Final = (CASES[-2], BASE, CASES[-1])


@dataclass(slots=True)
class Measured:
    """What a case took, turn by turn, in microseconds per event.

    Attributes:
        steps: of the clock, by step.
        cpu: of all threads.
        reference: of the clock, by step, with the reference decoder.
    """

    steps: list[dict[str, float]] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    reference: list[dict[str, float]] = field(default_factory=list)


class Subject:
    """A case and its events."""

    def __init__(self, case: Case) -> None:
        names = [f"attribute{number}" for number in range(1, case.columns)]
        nullable = {name: ["null", "string"] for name in names}
        fields = [{"name": name, "type": avro} for name, avro in ({ID: "string"} | nullable).items()]
        schema = {"type": "record", "name": "Customer", "fields": fields}
        self.case = case
        self.steps = Steps(schema, names, case.feed)
        self.reference = Steps(schema, names, case.feed, engines=())
        self.chunks = chunks(case, schema, names)
        self.few = [self.chunks[0].head(REFERENCE_CELLS // case.columns)]
        self.measured = Measured()

    def turn(self) -> None:
        """Measures once."""
        windows = max(1, TURN_EVENTS // self.case.events)
        clock, began = Clock(), time.process_time()
        for _ in range(windows):
            asyncio.run(self.steps.to_body(clock, self.chunks))
        events = windows * self.case.events
        self.measured.cpu.append(1e6 * (time.process_time() - began) / events)
        self.measured.steps.append(_micros(clock, events))
        clock = Clock()
        asyncio.run(self.reference.to_body(clock, self.few))
        self.measured.reference.append(_micros(clock, self.few[0].height))

    def line(self) -> tuple[str, ...]:
        """Gives a line of the table."""
        micros, reference = _medians(self.measured.steps), _medians(self.measured.reference)
        cells = [f"{micros[step]:.2f}" for step in STEPS]
        total, singly = sum(micros.values()), sum(reference.values())
        times = (f"{reference['decode'] / micros['decode']:.1f}", f"{singly / total:.1f}")
        cpu = f"{median(self.measured.cpu):.2f}"
        return (self.case.name, *cells, f"{total:.2f}", cpu, f"{1e6 / total:,.0f}", f"{singly:.1f}", *times)


def chunks(case: Case, schema: Any, names: Sequence[str]) -> list[pl.DataFrame]:
    """Gives the events of a window as polls: ROW, ASSIGNMENT, OFFSET, VALUE in Confluent's framing.

    The id is the first field, so a datum is the bytes of an id before those of all other fields.
    """
    chance = random.Random(7)  # noqa: S311 (test data; the seed makes it the same each time)
    value, parsed = KINDS[case.text], fastavro.parse_schema(schema)
    tails = []
    for _ in range(min(TAILS, case.events)):
        out = io.BytesIO()
        change = {name: value(chance) if chance.randrange(NONE_OF) else None for name in names}
        fastavro.schemaless_writer(out, parsed, {ID: "", **change})
        tails.append(out.getvalue()[1:])
    profiles = max(1, round(case.events * (1 - case.again)))
    numbers = [number if number < profiles else chance.randrange(profiles) for number in range(case.events)]
    chance.shuffle(numbers)
    values = pl.Series(
        [HEADER + b"\x22customer-%08d" % number + tails[at % len(tails)] for at, number in enumerate(numbers)]
    )
    frame = pl.DataFrame({VALUE: values}).select(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias(ROW),
        pl.lit(1, dtype=pl.UInt32).alias(ASSIGNMENT),
        pl.int_range(pl.len(), dtype=pl.Int64).alias(OFFSET),
        VALUE,
    )
    return [frame.slice(first, POLL).rechunk() for first in range(0, case.events, POLL)]


def _micros(clock: Clock, events: int) -> dict[str, float]:
    return {name: 1e6 * sum(seconds) / events for name, seconds in clock.seconds.items()}


def _medians(turns: Sequence[dict[str, float]]) -> dict[str, float]:
    return {step: median(turn[step] for turn in turns) for step in STEPS}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.windows", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one turn instead of 3, without the largest window")
    quick = parser.parse_args().quick
    subjects = [Subject(case) for case in CASES if not quick or case.events <= TURN_EVENTS]
    turns = 1 if quick else 3
    for number in range(turns + 1):
        for subject in subjects:
            if number == 1:
                subject.measured = Measured()  # the first time is only to warm up
            subject.turn()
    head = ("µs per event", *STEPS, "all", "CPU", "events/s", "all, decoded singly", "times in decode", "times in all")
    print(f"Windows from bytes to body, on one thread and Polars' own; medians of {turns}\n")
    print(table(head, [subject.line() for subject in subjects]))
    cpu = {subject.case: median(subject.measured.cpu) for subject in subjects if subject.case in SIZES}
    apart = [f"{case.events:,}: {micros / cpu[BASE] - 1:+.0%}" for case, micros in cpu.items()]
    print(f"\nCPU per event against windows of {BASE.events:,} events: {'; '.join(apart)}.")


if __name__ == "__main__":
    main()
