from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from connector.errors import BlockedError
from connector.profiles.merging import Events
from connector.profiles.window import Due, Limits, Window, merge
from connector.records import ASSIGNMENT, ID, OFFSET, ROW, Assignment, Partition, Span
from connector.target.batchfile import size_bytes
from connector.target.encoding import Encoder
from tests.lines import cells

if TYPE_CHECKING:
    from connector.profiles.batch import Batch

encode = Encoder().lines
ROOMY = Limits(max_rows=1_000, max_bytes=1_000_000, max_age_s=10)
A = Assignment(1, Partition("crm", 0))
B = Assignment(2, Partition("crm", 1))


def window(*feeds: Events, limits: Limits = ROOMY) -> Window:
    return Window(limits, feeds or (Events.FULL,), encode)


def rows(*records: dict[str, Any], assignment: Assignment = A, first: int = 0) -> pl.DataFrame:
    """Rows as the mapping makes them; every record has the same attributes."""
    frame = pl.DataFrame(
        [{ID: record["id"]} | {k: v for k, v in record.items() if k != "id"} for record in records],
        schema=dict.fromkeys([ID, *(k for k in records[0] if k != "id")], pl.String),
    )
    height = len(records)
    positions = pl.DataFrame(
        {ROW: range(height), ASSIGNMENT: [assignment.number] * height, OFFSET: range(first, first + height)},
        schema={ROW: pl.UInt32, ASSIGNMENT: pl.UInt32, OFFSET: pl.Int64},
    )
    return positions.hstack(frame)


def sent(batch: Batch) -> list[dict[str, Any]]:
    return cells(batch.made()[1])


def add(  # noqa: PLR0913 (what `lines` and `add` take)
    one: Window, feed: int, frame: pl.DataFrame, spans: list[Span], now: float, *, partial: bool = False
) -> None:
    """Take rows in as the pipeline does."""
    one.add(feed, one.lines(feed, frame, partial=partial), spans, now)


def due(one: Window, now: float) -> Due | None:
    """Merge if that is worth it, as the pipeline does, then ask."""
    if (feeds := one.mergeable()) is not None:
        one.merged(merge(feeds))
    return one.due(now)


def test_full_keeps_the_newest_row_whole() -> None:
    """A full event replaces older ones of its profile, its nulls included: no value of an older one shines through."""
    full = window(Events.FULL)
    add(full, 0, rows({"id": "a", "x": "old", "y": "old"}, {"id": "b", "x": "1", "y": "2"}), [], now=0)
    add(full, 0, rows({"id": "a", "x": "new", "y": None}, first=2), [], now=1)
    assert sorted(sent(full.close()), key=str) == [{ID: "a", "x": "new", "y": None}, {ID: "b", "x": "1", "y": "2"}]


def test_partial_keeps_the_newest_value_of_each_attribute() -> None:
    """A partial event says nothing about the attributes it lacks: their newest value stays."""
    partial = window(Events.PARTIAL)
    add(partial, 0, rows({"id": "a", "x": "old", "y": "kept"}, {"id": "a", "x": "mid", "y": None}), [], now=0)
    add(partial, 0, rows({"id": "a", "x": "new", "y": None}, first=2), [], now=1)
    batch = partial.close()
    assert sent(batch) == [{ID: "a", "x": "new", "y": "kept"}]
    assert batch.made()[0].feeds[0].frames[0].select(ASSIGNMENT, OFFSET).rows() == [(1, 2)]


def test_a_full_feed_keeps_what_an_absent_value_leaves() -> None:
    """Rows that may say nothing of an attribute merge a full feed by attribute, in that window and in no later one."""
    full = window(Events.FULL)
    add(full, 0, rows({"id": "a", "x": "old", "y": "kept"}), [], now=0)
    add(
        full,
        0,
        rows({"id": "a", "x": "mid", "y": None}, {"id": "a", "x": "new", "y": None}, first=1),
        [],
        1,
        partial=True,
    )
    assert sent(full.close()) == [{ID: "a", "x": "new", "y": "kept"}]
    add(full, 0, rows({"id": "a", "x": "old", "y": "kept"}, {"id": "a", "x": "new", "y": None}), [], 2, partial=True)
    assert sent(full.close()) == [{ID: "a", "x": "new", "y": "kept"}], "within one chunk, too"
    add(full, 0, rows({"id": "a", "x": "old", "y": "gone"}, {"id": "a", "x": "new", "y": None}), [], now=2)
    assert sent(full.close()) == [{ID: "a", "x": "new", "y": None}]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param(Events.FULL, {ID: "a", "x": None, "z": "2"}, id="full, the field that left is null"),
        pytest.param(Events.PARTIAL, {ID: "a", "x": "1", "z": "2"}, id="partial, the field that left stays"),
    ],
)
def test_attributes_may_come_and_go(events: Events, expected: dict[str, str | None]) -> None:
    """Frames of different schemas merge; an attribute that one lacks is null there."""
    changing = window(events)
    add(changing, 0, rows({"id": "a", "x": "1"}), [], now=0)
    add(changing, 0, rows({"id": "a", "z": "2"}, first=1), [], now=0)
    assert sent(changing.close()) == [expected]


def test_feeds_stand_side_by_side() -> None:
    """One row per profile holds the attributes of all feeds, whichever feeds know it."""
    both = window(Events.FULL, Events.PARTIAL)
    add(both, 1, rows({"id": "a", "last_buy": "shoes"}, {"id": "c", "last_buy": "hat"}, assignment=B), [], now=0)
    add(both, 0, rows({"id": "a", "tier": "gold"}, {"id": "b", "tier": "basic"}), [], now=0)
    assert sent(both.close()) == [
        {ID: "a", "tier": "gold", "last_buy": "shoes"},
        {ID: "b", "tier": "basic", "last_buy": None},
        {ID: "c", "tier": None, "last_buy": "hat"},
    ]


def test_two_feeds_with_one_attribute_block() -> None:
    """Which feed would win is nobody's guess: the second one to bring an attribute blocks, and nothing is taken in."""
    both = window(Events.FULL, Events.FULL)
    add(both, 0, rows({"id": "a", "tier": "gold"}), [Span(A, 0, 1)], now=0)
    with pytest.raises(BlockedError, match=r"attribute tier is written by sources\[0\] and sources\[1\]"):
        add(both, 1, rows({"id": "a", "tier": "basic"}, assignment=B), [Span(B, 0, 1)], now=0)
    assert both.records == 1
    assert both.close().spans == (Span(A, 0, 1),)


def test_a_profile_without_any_value_is_left_out_and_counted() -> None:
    """A row with nothing to say is not sent, but its record stays in the trail and its position is settled."""
    one = window()
    add(one, 0, rows({"id": "a", "x": None}, {"id": "b", "x": "1"}), [Span(A, 0, 2)], now=0)
    batch = one.close()
    _, sent_rows, left_out = batch.made()
    assert (sent_rows.lines[ID].to_list(), left_out) == (["b"], 1)
    assert batch.trail.height == batch.records == 2


def test_a_mapping_without_attributes_says_nothing() -> None:
    """Ids alone are nothing to say."""
    one = window(Events.PARTIAL)
    add(one, 0, rows({"id": "a"}, {"id": "a"}), [], now=0)
    batch = one.close()
    _, sent_rows, left_out = batch.made()
    assert (sent_rows.height, left_out) == (0, 1)


def test_the_trail_names_every_record_of_a_row() -> None:
    """A row that Target refuses leads back to all records it was made of, by the encoded id that was sent."""
    one = window()
    add(one, 0, rows({"id": "é", "x": "1"}, {"id": "b", "x": "1"}, {"id": "é", "x": "2"}, first=40), [], now=0)
    batch = one.close()
    (row,) = [row for row in sent(batch) if row["x"] == "2"]
    made_of = batch.trail.filter(pl.col(ID) == row[ID])
    assert made_of.select(ASSIGNMENT, OFFSET).rows() == [(1, 40), (1, 42)]


def test_only_what_survives_its_chunk_is_encoded() -> None:
    """Encoding is the dear part, so rows that a newer one of their chunk replaces never go through it."""
    seen: list[int] = []

    def counting(frame: pl.DataFrame) -> pl.Series:
        seen.append(frame.height)
        return encode(frame)

    one = Window(ROOMY, [Events.FULL], counting)
    add(one, 0, rows(*[{"id": str(n % 3), "x": str(n)} for n in range(90)]), [], now=0)
    assert seen == [90, 3]  # the ids, which the trail needs, then the cells


def test_due_by_rows_counts_profiles() -> None:
    """Ninety changes of three profiles are three rows, and the tenth profile makes a window of ten due at once."""
    ten = window(limits=Limits(max_rows=10, max_bytes=1_000_000, max_age_s=10))
    add(ten, 0, rows(*[{"id": str(n % 3), "x": str(n)} for n in range(90)]), [], now=0)
    assert due(ten, now=1) is None
    add(ten, 0, rows(*[{"id": str(n), "x": "1"} for n in range(9)]), [], now=1)
    assert due(ten, now=1) is None
    add(ten, 0, rows({"id": "9", "x": "1"}), [], now=1)
    assert due(ten, now=1) is Due.ROWS


def test_due_by_rows_counts_a_profile_of_two_feeds_once() -> None:
    """The same profiles in two feeds make one row each."""
    both = window(Events.FULL, Events.FULL, limits=Limits(max_rows=4, max_bytes=1_000_000, max_age_s=10))
    add(both, 0, rows(*[{"id": str(n), "x": "1"} for n in range(3)]), [], now=0)
    add(both, 1, rows(*[{"id": str(n), "y": "1"} for n in range(3)], assignment=B), [], now=0)
    assert due(both, now=0) is None
    add(both, 1, rows({"id": "3", "y": "1"}, assignment=B), [], now=0)
    assert due(both, now=0) is Due.ROWS


@pytest.mark.parametrize(("limit", "why"), [(0, Due.BYTES), (1, None)], ids=["at the size", "a byte below"])
def test_due_by_bytes_is_exact(limit: int, why: Due | None) -> None:
    """The size that counts is that of the encoded rows in the body, to the byte, and not an estimate."""
    records = [{"id": f"ü{n}", "x": "a, b" if n % 2 else None, "y": "é" * n} for n in range(1, 20)]
    one = window()
    add(one, 0, rows(*records), [], now=0)
    exact = size_bytes(one.close().made()[1], "pcId") - len("batch=pcId,x,y")
    again = window(limits=Limits(max_rows=1_000, max_bytes=exact + limit, max_age_s=10))
    add(again, 0, rows(*records), [], now=0)
    assert again.size_bytes >= exact
    assert due(again, now=0) is why
    assert again.size_bytes == exact


def test_due_by_records_bounds_the_trail() -> None:
    """A few profiles that change all the time do not fill the memory with their trail."""
    one = window(limits=Limits(max_rows=10, max_bytes=10_000, max_age_s=10, max_records=50))
    add(one, 0, rows(*[{"id": "a", "x": "1"}] * 49), [], now=0)
    assert due(one, now=0) is None
    add(one, 0, rows({"id": "a", "x": "1"}), [], now=0)
    assert due(one, now=0) is Due.RECORDS


def test_due_by_age_counts_from_the_first_record() -> None:
    """Age runs from the first arrival, whatever comes later, and `seconds_left` says how long is left."""
    one = window()
    assert one.seconds_left(now=5) is None
    add(one, 0, rows({"id": "a", "x": "1"}), [], now=5)
    add(one, 0, rows({"id": "b", "x": "1"}), [], now=14)
    assert one.seconds_left(now=14) == 1
    assert due(one, now=14.9) is None
    assert due(one, now=15) is Due.AGE
    assert one.seconds_left(now=99) == 0


def test_positions_without_rows_are_settled_too() -> None:
    """Records that gave no row still carry their position to the commit: such a window comes due by age."""
    one = window()
    add(one, 0, pl.DataFrame(schema={ASSIGNMENT: pl.UInt32}), [Span(A, 0, 5)], now=0)
    assert one.records == 0
    assert due(one, now=10) is Due.AGE
    batch = one.close()
    assert batch.spans == (Span(A, 0, 5),)
    assert sent(batch) == []


def test_an_empty_window_is_never_due() -> None:
    """Nothing came in, so nothing is due, and closing it is a mistake of the caller."""
    one = window()
    add(one, 0, pl.DataFrame(), [], now=0)
    assert due(one, now=1e9) is None
    with pytest.raises(ValueError, match="empty"):
        one.close()


def test_spans_that_touch_become_one() -> None:
    """Poll after poll of one assignment is one span; a gap or another assignment is a span of its own."""
    one = window()
    for spans in ([Span(A, 0, 5), Span(B, 9, 12)], [Span(A, 5, 8)], [Span(A, 5, 8)], [Span(A, 20, 21)]):
        add(one, 0, pl.DataFrame(), spans, now=0)
    assert set(one.close().spans) == {Span(A, 0, 8), Span(A, 20, 21), Span(B, 9, 12)}


@pytest.mark.parametrize("merged_before", [False, True], ids=["while they wait", "after they were merged"])
def test_forget_lets_an_assignment_go(merged_before: bool) -> None:  # noqa: FBT001 (a parametrized case)
    """After a revoke neither rows nor records nor positions of it are left, and the rest is untouched."""
    one = window(limits=Limits(max_rows=3 if merged_before else 100, max_bytes=1_000_000, max_age_s=10))
    add(one, 0, rows({"id": "a", "x": "1"}, {"id": "a", "x": "2"}, {"id": "c", "x": "1"}), [Span(A, 0, 3)], now=0)
    add(one, 0, rows({"id": "b", "x": "3"}, assignment=B), [Span(B, 0, 1)], now=1)
    assert (due(one, now=1) is Due.ROWS) == merged_before
    one.forget({A.number})
    assert due(one, now=1) is None
    assert (one.records, one.rows) == (1, 1)
    batch = one.close()
    assert sent(batch) == [{ID: "b", "x": "3"}]
    assert batch.trail[ID].to_list() == ["b"]
    assert batch.spans == (Span(B, 0, 1),)


def test_forget_everything_empties_the_window() -> None:
    """With its only assignment gone the window is as new: not due, and its age starts again."""
    one = window()
    add(one, 0, rows({"id": "a", "x": "1"}), [Span(A, 0, 1)], now=0)
    one.forget([A.number])
    assert one.seconds_left(now=5) is None
    add(one, 0, rows({"id": "b", "x": "1"}, assignment=B), [], now=50)
    assert one.close().opened_at == 50


def test_a_batch_without_an_assignment() -> None:
    """A closed batch can leave out what a rebalance took, and keeps the rest as it is."""
    one = window(Events.FULL, Events.FULL)
    add(one, 0, rows({"id": "a", "x": "1"}), [Span(A, 0, 1)], now=3)
    add(one, 1, rows({"id": "a", "y": "1"}, assignment=B), [Span(B, 0, 1)], now=4)
    batch = one.close()
    assert batch.assignments == {1, 2}
    rest = batch.without({A.number})
    assert sent(rest) == [{ID: "a", "x": None, "y": "1"}]
    assert (rest.records, set(rest.assignments), rest.opened_at) == (1, {2}, 3)
    assert batch.records == 2


def test_close_begins_anew() -> None:
    """What was handed out is not handed out again."""
    one = window()
    add(one, 0, rows({"id": "a", "x": "1"}), [Span(A, 0, 1)], now=0)
    one.close()
    assert (one.records, one.rows, one.size_bytes, due(one, now=99)) == (0, 0, 0, None)
    add(one, 0, rows({"id": "b", "x": "1"}), [], now=100)
    assert sent(one.close()) == [{ID: "b", "x": "1"}]


def test_merging_is_rare_however_hot_the_profiles() -> None:
    """A window whose profiles only change copies each row a bounded number of times: no merge for a small pile."""
    merges = 0
    one = window(limits=Limits(max_rows=20_001, max_bytes=10**9, max_age_s=1e9))
    base = rows(*[{"id": str(n), "x": "1"} for n in range(20_000)])
    for start in range(0, 200_000, 1_000):
        add(one, 0, base.slice(start % 20_000, 1_000), [], now=0)
        merges += one.mergeable() is not None
        assert due(one, now=0) is None
        assert one.rows <= 20_001 + 20_000 // 8 + 1_000
    assert 0 < merges <= 1 + 180_000 // (20_000 // 8)


def test_many_small_frames_end_up_in_one_batch() -> None:
    """Records that trickle in one by one, thousands of them, end up in one batch in order."""
    one = window()
    for n in range(2_100):
        add(one, 0, rows({"id": str(n % 7), "x": str(n)}, first=n), [], now=0)
    batch = one.close()
    assert {row[ID]: row["x"] for row in sent(batch)} == {str(n % 7): str(n) for n in range(2_093, 2_100)}
    assert batch.trail[OFFSET].to_list() == list(range(2_100))


@pytest.mark.parametrize("change", ["forget", "close", "add"])
def test_a_merge_of_what_changed_meanwhile_is_dropped(change: str) -> None:
    """Merging happens beside the window: what came, went or was handed out meanwhile is not undone."""
    one = window(limits=Limits(max_rows=2, max_bytes=1_000_000, max_age_s=10))
    add(one, 0, rows({"id": "a", "x": "1"}, {"id": "b", "x": "1"}), [Span(A, 0, 2)], now=0)
    add(one, 0, rows({"id": "c", "x": "1"}, assignment=B), [Span(B, 0, 1)], now=0)
    feeds = one.mergeable()
    assert feeds is not None
    merged = merge(feeds)
    if change == "forget":
        one.forget({A.number})
    elif change == "close":
        one.close()
        add(one, 0, rows({"id": "c", "x": "1"}, assignment=B), [Span(B, 1, 2)], now=0)
    else:
        one.forget({A.number})
        add(one, 0, rows({"id": "d", "x": "1"}, assignment=B), [Span(B, 1, 2)], now=0)
    expected = (one.rows, one.size_bytes)
    one.merged(merged)
    assert (one.rows, one.size_bytes) == expected
    assert {row[ID] for row in sent(one.close())} == {"c", "d"} - ({"d"} if change != "add" else set())


def test_lines_made_before_another_schema_came_keep_their_cells() -> None:
    """Lines are made beside the window: whatever attributes it learns meanwhile, cells land under their names."""
    one = window()
    early = one.lines(0, rows({"id": "a", "x": "1", "y": "2"}))
    add(one, 0, rows({"id": "b", "z": "3", "y": "4"}, first=9), [], now=0)
    one.add(0, early, [], now=0)
    assert sorted(sent(one.close()), key=str) == [
        {ID: "a", "z": None, "y": "2", "x": "1"},
        {ID: "b", "z": "3", "y": "4", "x": None},
    ]


def test_lines_of_an_assignment_that_went_away() -> None:
    """What was made of a chunk can leave out what a rebalance took before it went in."""
    one = window()
    frame = pl.concat([rows({"id": "a", "x": "1"}), rows({"id": "b", "x": "1"}, assignment=B)])
    lines = one.lines(0, frame)
    assert lines.only({A.number, B.number}) is lines
    one.add(0, lines.only({B.number}), [Span(B, 0, 1)], now=0)
    batch = one.close()
    assert (sent(batch), batch.trail[ASSIGNMENT].to_list()) == ([{ID: "b", "x": "1"}], [B.number])


@pytest.mark.parametrize(
    ("turn", "closes"),
    [
        pytest.param(8.5, 8.5, id="at the last turn before its age"),
        pytest.param(10.0, 10.0, id="at its age, where no turn is before"),
        pytest.param(4.9, 10.0, id="not at a turn in the first half of its life, which would make small batches"),
    ],
)
def test_a_window_closes_at_the_last_turn_before_its_age(turn: float, closes: float) -> None:
    """Closed later, it would wait for the next turn, and its oldest record longer than it may."""
    one = window()
    add(one, 0, rows({"id": "a", "x": "1"}), [], now=100)
    for now in (100.0, 102.0):

        def last_turn_s(within: float, now: float = now) -> float:
            return min(within, 100 + turn - now)

        assert one.closes_in(now, last_turn_s) == pytest.approx(100 + closes - now)
        assert one.closing_by_turn(now, last_turn_s) is None
    assert one.closing_by_turn(100 + closes, lambda _within: 0.0) is Due.AGE
