"""The ledger: only the contiguous prefix of what is settled may be stored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.kafka.offsets import Ledger
from connector.records import Assignment, Partition, Span

FIRST = Assignment(1, Partition("crm.customers", 0))
SECOND = Assignment(2, Partition("crm.customers", 1))


def test_a_settled_span_may_be_stored() -> None:
    """The offset to store is that of the next record to read."""
    ledger = Ledger()
    ledger.assign([FIRST])
    spans = ledger.take([Span(FIRST, 100, 150)])
    assert ledger.settle(spans) == {FIRST: 150}


def test_a_gap_holds_back_what_lies_above() -> None:
    """What is settled above an unsettled span waits for it."""
    ledger = Ledger()
    ledger.assign([FIRST])
    ledger.take([Span(FIRST, 0, 10), Span(FIRST, 10, 20), Span(FIRST, 20, 30)])
    assert ledger.settle([Span(FIRST, 20, 30)]) == {}
    assert ledger.settle([Span(FIRST, 10, 20)]) == {}
    assert ledger.settle([Span(FIRST, 0, 10)]) == {FIRST: 30}


def test_an_earlier_assignment_moves_no_offset() -> None:
    """A late acceptance of a partition that went away, even if it came back, stores nothing."""
    ledger = Ledger()
    ledger.assign([FIRST])
    late = ledger.take([Span(FIRST, 0, 10)])
    ledger.release([FIRST])
    again = Assignment(3, FIRST.partition)
    ledger.assign([again])
    ledger.take([Span(again, 0, 5)])
    assert ledger.settle(late) == {}
    assert ledger.settle([Span(again, 0, 5)]) == {again: 5}


def test_what_is_not_ours_is_not_taken() -> None:
    """Spans of a partition that went away while its chunk was decoded are left out."""
    ledger = Ledger()
    ledger.assign([FIRST])
    assert ledger.take([Span(FIRST, 0, 1), Span(SECOND, 0, 1)]) == [Span(FIRST, 0, 1)]
    assert ledger.held() == {1}


def test_settling_what_was_never_taken_is_a_mistake() -> None:
    """The ledger refuses to store what it has not seen."""
    ledger = Ledger()
    ledger.assign([FIRST])
    with pytest.raises(ValueError, match="before it was taken"):
        ledger.settle([Span(FIRST, 0, 10)])


def test_the_lag_counts_what_is_not_settled() -> None:
    """Lag is the end of each partition less what is settled there; where one of them is unknown, that is told."""
    ledger = Ledger()
    ledger.assign([FIRST, SECOND], {SECOND.partition: 5})
    assert ledger.unsettled({FIRST.partition: 25, SECOND.partition: 9}) == (4, 1)
    ledger.settle(ledger.take([Span(FIRST, 0, 10)]))
    assert ledger.unsettled({FIRST.partition: 25, SECOND.partition: 9}) == (15 + 4, 0)
    assert ledger.unsettled({FIRST.partition: 25}) == (15, 1)


def test_what_was_read_of_a_topic_that_is_made_anew_is_ours_but_not_stored() -> None:
    """Its records were real: they are delivered, while an offset of theirs would skip records of the new topic."""
    ledger = Ledger()
    ledger.assign([FIRST])
    old = ledger.take([Span(FIRST, 100, 150)])
    fresh = Assignment(3, FIRST.partition)
    ledger.detach([FIRST])
    ledger.assign([fresh], {FIRST.partition: 0})
    assert ledger.take([Span(FIRST, 150, 160)]) == [Span(FIRST, 150, 160)]
    assert ledger.held() == {1, 3}
    assert ledger.partitions() == {FIRST.partition}
    assert ledger.settle([*old, Span(fresh, 0, 5)]) == {fresh: 5}
    ledger.release([FIRST, fresh])
    assert ledger.held() == frozenset()


def test_a_gap_below_the_first_record_holds_back_nothing() -> None:
    """The first span begins where the group is."""
    ledger = Ledger()
    ledger.assign([FIRST], {FIRST.partition: 40})
    assert ledger.settle(ledger.take([Span(FIRST, 40, 43)])) == {FIRST: 43}


@given(st.lists(st.integers(1, 20), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_no_order_of_settling_skips_anything(sizes: list[int], random: object) -> None:
    """In whatever order spans are settled, an offset is given out only if every span below it is settled."""
    ledger = Ledger()
    ledger.assign([FIRST])
    spans, at = [], 7
    for size in sizes:
        spans.append(Span(FIRST, at, at + size))
        at += size
    ledger.take(spans)
    shuffled = list(spans)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    settled: set[Span] = set()
    stored = 7
    for span in shuffled:
        settled.add(span)
        stored = ledger.settle([span]).get(FIRST, stored)
        assert all(s in settled for s in spans if s.next <= stored)
        assert stored == max([7, *(s.next for i, s in enumerate(spans) if settled.issuperset(spans[: i + 1]))])
