"""Assignments: a poll's messages become a chunk, and whatever goes, comes back or begins anew is told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connector.kafka.assignments import Assignments, Remade
from connector.kafka.polled import listed
from connector.records import ASSIGNMENT, OFFSET, ROW, VALUE, Jump, Partition
from tests.messages import Message

if TYPE_CHECKING:
    from connector.kafka.assignments import Gathered

P0, P1 = Partition("crm.customers", 0), Partition("crm.customers", 1)


def gather(assignments: Assignments, *messages: Message, low: int = -1001) -> Gathered:
    return assignments.gather(listed(messages), lambda _partition: low)  # type: ignore[arg-type]


def spans(gathered: Gathered) -> list[tuple[int, int, int]]:
    return [(span.assignment.number, span.first, span.next) for span in gathered.chunk.spans]


def test_a_chunk_holds_the_records_in_order_with_their_positions() -> None:
    """Row i of the frame is record i; the size counts the values, a tombstone nothing."""
    assignments = Assignments()
    first, second = assignments.add([P0, P1])
    messages = [Message(P0, 5, b"ab"), Message(P1, 9, None), Message(P0, 6, b"c")]
    made = gather(assignments, *messages)
    assert made.chunk.frame.to_dict(as_series=False) == {
        ROW: [0, 1, 2],
        ASSIGNMENT: [first.number, second.number, first.number],
        OFFSET: [5, 9, 6],
        VALUE: [b"ab", None, b"c"],
    }
    assert [record.offset() for record in made.chunk.records] == [5, 9, 6]
    assert made.size_bytes == 3
    assert (made.remade, made.jumps) == ([], [])
    assert spans(made) == [(first.number, 5, 7), (second.number, 9, 10)]


def test_offsets_that_no_record_has_belong_to_the_next_span() -> None:
    """Compaction and transaction markers leave gaps; spans still join without one, or nothing could be committed."""
    assignments = Assignments()
    (mine,) = assignments.add([P0])
    gather(assignments, Message(P0, 5))
    made = gather(assignments, Message(P0, 40), low=0)
    assert spans(made) == [(mine.number, 6, 41)]
    assert made.jumps == []


def test_the_end_of_a_partition_moves_its_span() -> None:
    """The markers after the last record are read once its end is reached, so that no lag stays."""
    assignments = Assignments()
    (mine,) = assignments.add([P0])
    assert spans(gather(assignments, Message(P0, 5), Message(P0, 7, end=True))) == [(mine.number, 5, 7)]
    assert spans(gather(assignments, Message(P0, 7, end=True))) == []
    assert spans(gather(assignments, Message(P0, 9, end=True))) == [(mine.number, 7, 9)]
    assert spans(gather(assignments, Message(P0, 9))) == [(mine.number, 9, 10)]


def test_an_end_alone_tells_where_a_partition_stands() -> None:
    """So the lag of one that nobody writes to, and nobody committed, is known to be none."""
    assignments = Assignments()
    (mine,) = assignments.add([P0])
    made = gather(assignments, Message(P0, 0, end=True))
    assert spans(made) == [(mine.number, 0, 0)]
    assert made.chunk.frame.height == 0
    assert spans(gather(assignments, Message(P0, 0, end=True))) == []


def test_records_of_a_partition_that_went_away_are_left_out() -> None:
    """Its new owner reads them."""
    assignments = Assignments()
    mine, _gone = assignments.add([P0, P1])
    assignments.remove([P1])
    made = gather(assignments, Message(P1, 1), Message(P0, 1))
    assert [number for number, _, _ in spans(made)] == [mine.number]
    assert made.chunk.frame.height == 1


def test_offsets_that_go_back_begin_a_new_assignment() -> None:
    """A topic made anew starts at 0 again: what was read of the old one is delivered, but not stored."""
    assignments = Assignments()
    (old,) = assignments.add([P0])
    made = gather(assignments, Message(P0, 100), Message(P0, 0), Message(P0, 1))
    (one,) = made.remade
    assert one == Remade(old, one.fresh, 0)
    assert made.jumps == [Jump(P0, 101, 0, None)]
    assert (assignments.holds(one.fresh), assignments.holds(old)) == (True, False)
    assert assignments.numbers() == {old.number, one.fresh.number}
    assert spans(made) == [(old.number, 100, 101), (one.fresh.number, 0, 2)]
    assert assignments.remove([P0]) == [old, one.fresh]
    assert assignments.numbers() == frozenset()


@pytest.mark.parametrize("committed", [True, False], ids=["before the first record", "between two records"])
def test_records_that_kafka_deleted_unread_are_told(*, committed: bool) -> None:
    """Retention that overtakes the service is a loss: told with its size, but not taken for a gap that is none."""
    assignments = Assignments()
    (mine,) = assignments.add([P0], {P0: 6} if committed else {})
    if not committed:
        gather(assignments, Message(P0, 5), low=0)
    made = gather(assignments, Message(P0, 52), low=50)
    assert made.jumps == [Jump(P0, 6, 52, 44)]
    assert spans(made) == [(mine.number, 6, 53)]
    assert gather(assignments, Message(P0, 60), low=50).jumps == []


def test_a_partition_goes_on_where_the_group_is() -> None:
    """Its first span begins at what is committed, whatever offset its first record has."""
    assignments = Assignments()
    (mine,) = assignments.add([P0], {P0: 40})
    made = gather(assignments, Message(P0, 42))
    assert (spans(made), made.jumps) == ([(mine.number, 40, 43)], [])


def test_a_topic_made_anew_is_read_from_its_beginning_once() -> None:
    """Also where its offsets went on without going back, which librdkafka does not see; not if they had gone back."""
    assignments = Assignments()
    first, second = assignments.add([P0, P1])
    assignments.add([Partition("crm.customers", 2), Partition("other", 0)])
    gather(assignments, Message(P0, 7), Message(P1, 7), Message(P1, 0), Message(Partition("other", 0), 3))
    (one,) = assignments.remake("crm.customers")
    assert (one.old, one.fresh.partition, one.start) == (first, P0, 0)
    assert not assignments.holds(second)
    made = gather(assignments, Message(P0, 0), Message(P1, 1))
    assert (made.jumps, made.remade) == ([], [])


def test_a_partition_that_comes_back_has_a_new_number() -> None:
    """So whatever still carries the old one is told from what is ours."""
    assignments = Assignments()
    (first,) = assignments.add([P0])
    assignments.remove([P0, P1])
    (second,) = assignments.add([P0])
    assert first.number != second.number
    assert not assignments.holds(first)
    assert assignments.partitions() == [P0]
