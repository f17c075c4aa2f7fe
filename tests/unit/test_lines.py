"""Lines hold exactly the cells that they were made of, whatever the cells hold and whichever attributes there are."""

from __future__ import annotations

import os
import subprocess
import sys
from urllib.parse import quote

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.__main__ import FREED_SOON
from connector.profiles.lines import cell_bytes, cells, filler, lined, relaid
from connector.records import ASSIGNMENT, ID, LINE, OFFSET, ROW
from connector.target.encoding import Encoder

NAMES = ("a", "Größe & Maß", "c,d")
CELL = st.none() | st.text(st.sampled_from(",\r\n%é한👩a0"), min_size=1, max_size=6)
ROWS = st.lists(st.tuples(st.sampled_from(["p", "q,", "é"]), st.tuples(CELL, CELL, CELL)), min_size=1, max_size=6)
SOME = st.lists(st.sampled_from(NAMES), unique=True, max_size=3)

Given = list[tuple[str, tuple[str | None, ...]]]


def mapped(given_rows: Given, names: list[str]) -> pl.DataFrame:
    columns = {name: [row[NAMES.index(name)] for _, row in given_rows] for name in names}
    numbers = range(len(given_rows))
    return pl.DataFrame(
        {ROW: numbers, ASSIGNMENT: [1] * len(numbers), OFFSET: numbers, ID: [one for one, _ in given_rows], **columns},
        schema={ROW: pl.UInt32, ASSIGNMENT: pl.UInt32, OFFSET: pl.Int64, ID: pl.String}
        | dict.fromkeys(names, pl.String),
    )


def model(given_rows: Given, present: list[str]) -> list[dict[str, str | None]]:
    """Each row as the standard library encodes it; null where the frame had no such column."""
    made: list[dict[str, str | None]] = []
    for one, row in given_rows:
        held = zip(NAMES, row, strict=True)
        made.append({ID: quote(one, safe="")})
        made[-1] |= {name: cell and quote(cell, safe="") if name in present else None for name, cell in held}
    return made


@settings(max_examples=120)
@given(ROWS, SOME, SOME)
def test_cells_come_back_as_they_were(given_rows: Given, present: list[str], first: list[str]) -> None:
    """Under their own names and in the order asked for; a cell that holds a comma is one cell still."""
    made = lined(mapped(given_rows, present), first, Encoder().lines, whole=False)
    assert made.names[: len(first)] == tuple(first)
    assert set(made.names) == {*first, *present}
    found = cells(made.stack, made.names).select(ID, *made.names).to_dicts()
    expected = [{key: row[key] for key in (ID, *made.names)} for row in model(given_rows, present)]
    assert found == expected
    sizes = made.stack.select(cell_bytes(made.names)).to_series().to_list()
    assert sizes == [sum(len(cell or "") for name, cell in row.items() if name != ID) for row in expected]
    assert [line == filler(made.names) for line in made.stack[LINE]] == [size == 0 for size in sizes]


@settings(max_examples=120)
@given(ROWS, SOME, st.permutations(NAMES))
def test_lines_can_be_laid_out_anew(given_rows: Given, present: list[str], names: list[str]) -> None:
    """Lines of some attributes become those of more, in another order, as if they had been made so."""
    rows = mapped(given_rows, present)
    early = lined(rows, (), Encoder().lines, whole=False)
    late = lined(rows, names, Encoder().lines, whole=False)
    assert relaid(early.stack, early.names, names).equals(late.stack)


@settings(max_examples=60)
@given(ROWS)
def test_only_the_newest_of_a_chunk_is_kept_where_rows_are_whole(given_rows: Given) -> None:
    """The newest row of each id, and in the trail every record."""
    every = lined(mapped(given_rows, list(NAMES)), NAMES, Encoder().lines, whole=False)
    made = lined(mapped(given_rows, list(NAMES)), NAMES, Encoder().lines, whole=True)
    newest = dict(every.stack.select(ID, LINE).iter_rows())
    assert dict(made.stack.select(ID, LINE).iter_rows()) == newest
    assert made.stack.height == len(newest)
    assert made.trail.equals(every.trail)


@pytest.mark.parametrize("replaced", [0, 1, 4, 5, 20, 39])
def test_however_many_of_a_chunk_are_replaced(replaced: int) -> None:
    """None, few or most: what is kept is the newest of each id, in Kafka's order, with its own line."""
    given_rows: Given = [(f"p{max(at, replaced)}", (f"{at}", None, None)) for at in range(40)]
    made = lined(mapped(given_rows, list(NAMES)), NAMES, Encoder().lines, whole=True)
    assert made.stack.select(ID, OFFSET, LINE).rows() == [(f"p{at}", at, f"{at},,") for at in range(replaced, 40)]
    assert made.trail.select(ID, OFFSET).rows() == [(f"p{max(at, replaced)}", at) for at in range(40)]


HOLDS_LINES = """
import re, polars as pl
from connector.profiles.lines import lined
from connector.records import ASSIGNMENT, ID, OFFSET, ROW
from connector.target.encoding import Encoder
encode = Encoder(extension={extension}).lines
def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1_000
def chunk(number):
    values = pl.DataFrame({"value": [f"{number:04}{row:06}" + "x" * 990 for row in range(10_000)]})
    types = {ROW: pl.UInt32, ASSIGNMENT: pl.UInt32, OFFSET: pl.Int64}
    places = [pl.lit(1, dtype).alias(name) for name, dtype in types.items()]
    return values.select(*places, pl.col("value").str.slice(0, 20).alias(ID))
lined(chunk(0), (), encode, whole=True)
before = resident()
held = [lined(chunk(number), (), encode, whole=True) for number in range(20)]
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("extension", [True, False])
def test_lines_do_not_hold_what_they_were_made_of(*, extension: bool) -> None:
    """An id of 20 bytes that was cut from a value of 1,000 does not keep the value: 200,000 take 20 MB and not 200."""
    run = subprocess.run(
        [sys.executable, "-c", HOLDS_LINES.replace("{extension}", str(extension))],
        env=FREED_SOON | os.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 100
