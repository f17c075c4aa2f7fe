from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.profiles.merging import Events
from connector.profiles.window import Limits, Window, merge
from connector.records import ASSIGNMENT, ID, OFFSET, ROW, Assignment, Partition, Span
from connector.target.batchfile import size_bytes
from connector.target.encoding import Encoder
from tests import lines

if TYPE_CHECKING:
    from connector.profiles.batch import Batch

encode = Encoder().lines
PARTITIONS = 3
Cells = dict[str, str | None]
Record = tuple[int, str, Cells]  # feed, id, cells

# Ids `p0`…: the profile's partition follows from its id, as Kafka's does from its key.
CELL = st.none() | st.sampled_from(["1", "2", "é", "a b"])
NAMES = st.sampled_from([("a", "b"), ("b", "a"), ("a",), ("b", "c")])


@st.composite
def adds(draw: st.DrawFn) -> tuple[int, list[Record]]:
    feed = draw(st.integers(0, 1))
    names = draw(NAMES)
    ids = draw(st.lists(st.sampled_from([f"p{n}é" for n in range(6)]), min_size=1, max_size=6))
    return feed, [(feed, one, {f"{name}{feed}": draw(CELL) for name in names}) for one in ids]


ADDS = st.lists(adds(), min_size=1, max_size=8)
EVENTS = st.tuples(st.sampled_from(Events), st.sampled_from(Events))


def partition(feed: int, profile: str) -> int:
    return feed * PARTITIONS + int(profile[1]) % PARTITIONS


def model(records: list[Record], events: tuple[Events, Events]) -> dict[str, Cells]:
    """The same in the plainest Python: event by event."""
    profiles: dict[tuple[int, str], Cells] = {}
    for feed, profile, cells in records:
        if events[feed] is Events.FULL:
            profiles[feed, profile] = cells
        else:
            merging = profiles.setdefault((feed, profile), {})
            merging.update({name: value for name, value in cells.items() if value is not None})
    merged: dict[str, Cells] = {}
    for (_, profile), cells in profiles.items():
        merged.setdefault(profile, {}).update({name: value for name, value in cells.items() if value is not None})
    return {profile: cells for profile, cells in merged.items() if cells}


def merge_if_worth_it(one: Window) -> None:
    if (feeds := one.mergeable()) is not None:
        one.merged(merge(feeds))


def fill(one: Window, batches: list[tuple[int, list[Record]]], *, ask: bool) -> None:
    offset = 0
    for feed, records in batches:
        numbers = [partition(feed, profile) for _, profile, _ in records]
        frame = pl.DataFrame(
            {
                ROW: range(len(records)),
                ASSIGNMENT: numbers,
                OFFSET: range(offset, offset + len(records)),
                ID: [profile for _, profile, _ in records],
            },
            schema={ROW: pl.UInt32, ASSIGNMENT: pl.UInt32, OFFSET: pl.Int64, ID: pl.String},
        ).hstack([pl.Series(name, [cells[name] for _, _, cells in records], pl.String) for name in records[0][2]])
        assignments = {number: Assignment(number, Partition("t", number)) for number in numbers}
        one.add(
            feed, one.lines(feed, frame), [Span(a, offset, offset + len(records)) for a in assignments.values()], now=0
        )
        offset += len(records)
        if ask:
            merge_if_worth_it(one)


def content(batch: Batch) -> dict[str, Cells]:
    _, rows, _ = batch.made()
    assert rows.lines[ID].is_unique().all()
    found = {str(row.pop(ID)): row for row in lines.cells(rows)}
    return {
        profile: {name: value for name, value in row.items() if value is not None} for profile, row in found.items()
    }


def encoded(profiles: dict[str, Cells]) -> dict[str, Cells]:
    codes = str.maketrans({"é": "%C3%A9", " ": "%20"})
    return {
        profile.translate(codes): {name: value.translate(codes) for name, value in cells.items() if value}
        for profile, cells in profiles.items()
    }


@settings(max_examples=80)
@given(ADDS, EVENTS, st.integers(1, 8))
def test_merging_equals_one_event_after_another(
    batches: list[tuple[int, list[Record]]], events: tuple[Events, Events], max_rows: int
) -> None:
    """However records arrive in frames and whenever the window merges, the batch is what applying each would give."""
    one = Window(Limits(max_rows, 10**6, 10), events, encode)
    fill(one, batches, ask=True)
    batch = one.close()
    records = [record for _, frame in batches for record in frame]
    assert content(batch) == encoded(model(records, events))
    assert batch.records == len(records)
    assert sorted(batch.trail[OFFSET]) == list(range(len(records)))


@settings(max_examples=80)
@given(ADDS, EVENTS, st.integers(1, 8), st.sets(st.integers(0, 2 * PARTITIONS - 1)))
def test_forgetting_equals_never_having_read(
    batches: list[tuple[int, list[Record]]], events: tuple[Events, Events], max_rows: int, gone: set[int]
) -> None:
    """A window that forgets assignments, and a batch without them, are those of a window that never saw them."""
    one, other = (Window(Limits(max_rows, 10**6, 10), events, encode) for _ in range(2))
    fill(one, batches, ask=True)
    fill(other, batches, ask=False)
    one.forget(gone)
    kept = [record for _, frame in batches for record in frame if partition(record[0], record[1]) not in gone]
    assert one.records == len(kept)
    closed = [other.close().without(gone)]
    if kept:
        closed.append(one.close())
    else:
        assert one.seconds_left(now=0) is None
    for batch in closed:
        assert content(batch) == encoded(model(kept, events))
        assert not batch.assignments & gone
        assert not set(batch.trail[ASSIGNMENT]) & gone


@settings(max_examples=60)
@given(ADDS, EVENTS)
def test_sizes_are_those_of_the_body(batches: list[tuple[int, list[Record]]], events: tuple[Events, Events]) -> None:
    """What the window counts is never under what the body will have, and exact once it has merged."""
    one, other = (Window(Limits(1, 10**6, 10), events, encode) for _ in range(2))
    fill(one, batches, ask=False)
    fill(other, batches, ask=False)
    at_most = (one.rows, one.size_bytes)
    merge_if_worth_it(one)
    _, sent, left_out = other.close().made()
    exact = size_bytes(sent, "") - len(",".join(["batch=", *sent.names]))
    assert (one.rows, one.size_bytes) == (sent.height + left_out, exact)
    assert at_most >= (one.rows, one.size_bytes)
    assert at_most[1] >= exact
