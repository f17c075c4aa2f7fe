"""Rows to a body: how many a second, where no text needs encoding, where every value does, and where most bytes do.

Mapped rows of 10 columns in chunks of 50,000 go through lines, window, merge and body as on the road, one after the
other. Beside it, in the same run, the plain way in Python: a dict of the newest row per profile, `quote`, `join`.
"""

from __future__ import annotations

import argparse
import random
import time
from functools import partial
from itertools import product
from statistics import median
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import polars as pl

from benchmarks.figures import table
from connector.profiles.merging import Events
from connector.profiles.window import Limits, Window
from connector.records import ASSIGNMENT, ID, OFFSET, ROW
from connector.target import batchfile
from connector.target.encoding import Encoder

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK: Final = 50_000  # what one poll brings at most
COLUMNS: Final = 10  # the id among them
ID_TYPE: Final = "thirdPartyId"

_CITIES: Final = ("São Paulo", "Zürich", "New York", "Sankt Gallen", "Łódź")
KINDS: Final[dict[str, Callable[[random.Random], str]]] = {
    "plain": lambda chance: f"value-{chance.randrange(1_000_000)}",
    "a space or an umlaut in every value": lambda chance: f"{chance.choice(_CITIES)} {chance.randrange(1_000_000)}",
    "six CJK characters in every value": lambda chance: "".join(
        chr(0x4E00 + chance.randrange(3_000)) for _ in range(6)
    ),
}


def rows(count: int, value: Callable[[random.Random], str], again: int) -> list[pl.DataFrame]:
    """Gives chunks as `Mapped.rows`; one row in `again` is of a profile that was there before, none if it is 0."""
    chance = random.Random(7)  # noqa: S311 (test data; the seed makes it the same each time)
    numbers = [
        chance.randrange(number) if again and number and number % again == 0 else number for number in range(count)
    ]
    ids = [f"{value(chance)}-{number:08}" for number in range(count)]
    held = {ID: [ids[number] for number in numbers]}
    held |= {f"attribute{column}": [value(chance) for _ in range(count)] for column in range(1, COLUMNS)}
    frame = pl.DataFrame(held).with_columns(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias(ROW),
        pl.lit(1, dtype=pl.UInt32).alias(ASSIGNMENT),
        pl.int_range(pl.len(), dtype=pl.Int64).alias(OFFSET),
    )
    return [frame.slice(first, CHUNK).rechunk() for first in range(0, count, CHUNK)]


def in_columns(chunks: list[pl.DataFrame], events: Events, encoder: Encoder) -> bytes:
    """Takes the way of the pipeline."""
    window = Window(Limits(10**9, 10**12, 0.0), [events], encoder.lines)
    for chunk in chunks:
        window.add(0, window.lines(0, chunk), [], 0.0)
    _, made, _ = window.close().made()
    return bytes(batchfile.Body(made, ID_TYPE))


def in_python(chunks: list[pl.DataFrame]) -> bytes:
    """Takes the plain way, one row after the other; the newest row of a profile wins."""
    newest: dict[str, tuple[str | None, ...]] = {}
    names = [name for name in chunks[0].columns if name not in {ROW, ASSIGNMENT, OFFSET, ID}]
    for chunk in chunks:
        for one, *cells in chunk.select(ID, *names).iter_rows():
            newest[one] = tuple(cells)
    lines = [
        ",".join([quote(one, safe=""), *(quote(cell or "", safe="") for cell in cells)])
        for one, cells in newest.items()
    ]
    return "\n".join([f"batch={','.join([ID_TYPE, *names])}", *lines]).encode()


def rates(count: int, times: int, work: Callable[[], bytes]) -> tuple[float, float]:
    """Rows a second, and rows a second of CPU time of all threads; medians of so many times."""
    seconds = []
    for _ in range(times):
        began, used = time.perf_counter(), time.process_time()
        work()
        seconds.append((time.perf_counter() - began, time.process_time() - used))
    elapsed, cpu = (median(column) for column in zip(*seconds, strict=True))
    return count / elapsed, count / cpu


def measured(kind: str, again: int, events: Events, given: argparse.Namespace) -> tuple[str, ...]:
    """Gives a line of the table.

    Raises:
        RuntimeError: the two ways make different bodies.
    """
    chunks, encoder = rows(given.rows, KINDS[kind], again), Encoder()
    found = in_columns(chunks, events, encoder)  # also to warm up
    if events is Events.FULL and sorted(found.split(b"\n")) != sorted(in_python(chunks).split(b"\n")):
        raise RuntimeError(f"{kind}: the two ways differ")
    _, python = rates(given.rows, 1, partial(in_python, chunks))
    elapsed, cpu = rates(given.rows, 3 if given.quick else 7, partial(in_columns, chunks, events, encoder))
    profiles = f"one row in {again} again" if again else "every profile once"
    return f"{kind}; {profiles}, {events}", *(f"{one:,.0f}" for one in (elapsed, cpu, python)), f"{cpu / python:.1f}"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.body", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="default: 200,000")
    parser.add_argument("--quick", action="store_true", help="medians of 3 instead of 7")
    given = parser.parse_args()
    cases = product(KINDS, ((0, Events.FULL), (5, Events.FULL), (5, Events.PARTIAL)))
    lines = [measured(kind, again, events, given) for kind, (again, events) in cases]
    print(f"{given.rows:,} rows of {COLUMNS} columns\n")
    print(table(("", "rows/s", "rows per CPU second", "in Python, rows per CPU second", "times"), lines))


if __name__ == "__main__":
    main()
