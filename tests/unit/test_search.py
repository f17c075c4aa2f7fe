"""The search for bad rows: finds exactly those, in few calls, and knows when no row is to blame."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.records import ID, Rows
from connector.target.batchfile import Limits, size_bytes
from connector.target.search import Search
from tests.lines import lined

if TYPE_CHECKING:
    from collections.abc import Collection

ROWS = 100_000


def rows(count: int) -> Rows:
    """Ids of one length, so that a body has 15 bytes and 6 more for each row."""
    return lined(pl.DataFrame({ID: [f"{number:05d}" for number in range(count)]}, schema={ID: pl.String}))


EMPTY_BODY = size_bytes(rows(0), "thirdPartyId")
LINE = 6


@dataclass
class Found:
    """What a search came to."""

    calls: int = 0
    accepted: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    too_large: list[int] = field(default_factory=list)
    hopeless: bool = False
    proven: int | None = None
    largest: int = 0


def search(
    count: int,
    bad: Collection[int] = (),
    *,
    limits: Limits | None = None,
    takes_bytes: int = 10**9,
    oversized: Collection[int] = (),
) -> Found:
    """Search a batch of so many rows; Target refuses the `bad` and answers 413 to large bodies and to some rows."""
    it, found = Search(rows(count), limits or Limits("thirdPartyId")), Found()
    while not it.hopeless and (part := it.next()) is not None:
        found.calls += 1
        assert found.calls <= 10_000
        numbers, size = range(int(part.lines[ID][0]), int(part.lines[ID][-1]) + 1), size_bytes(part, "thirdPartyId")
        found.largest = max(found.largest, part.height)
        if size > takes_bytes or any(number in numbers for number in oversized):
            if it.too_large(size) is not None:
                found.too_large.append(numbers[0])
        elif any(number in numbers for number in bad):
            if it.refused() is not None:
                found.refused.append(numbers[0])
        else:
            it.accepted(size)
            found.accepted += part.lines[ID].cast(pl.Int64).to_list()
    found.hopeless, found.proven = it.hopeless, it.proven
    return found


@pytest.mark.parametrize(
    ("bad", "at_most", "usually"),
    [
        pytest.param(1, 20, 19, id="one bad row"),
        pytest.param(3, 56, 53, id="three bad rows"),
        pytest.param(10, 186, 171, id="ten bad rows"),
    ],
)
def test_few_calls_find_the_bad_rows_of_a_large_batch(bad: int, at_most: int, usually: int) -> None:
    """Of 100,000 rows 3 bad ones take at most 56 calls, 53 in the median; 1 takes at most 20, 19 in the median.

    Over 25 seeds, and where the bad rows are at the ends or stand together.
    """
    chances = [random.Random(seed) for seed in range(25)]  # noqa: S311 (which rows are bad)
    sets = [set(chance.sample(range(ROWS), bad)) for chance in chances]
    together = [set(range(start, start + bad)) for start in (0, ROWS // 2 - 1, ROWS - bad)]
    calls: list[int] = []
    for each in [*sets, *together]:
        found = search(ROWS, each)
        assert sorted(found.refused) == sorted(each)
        assert len(found.accepted) == ROWS - bad
        calls.append(found.calls)
    assert max(calls) <= at_most
    assert median(calls) <= usually


def test_a_good_batch_is_one_call() -> None:
    """Where Target refuses nothing, nothing is searched."""
    assert search(ROWS) == Found(calls=1, accepted=list(range(ROWS)), largest=ROWS)


def test_what_must_hold_a_bad_row_is_not_sent_whole() -> None:
    """After the first half of a refused set was accepted, the other half is bad: the next call is inside it."""
    it = Search(rows(8), Limits("thirdPartyId"))
    heights: list[tuple[int, int]] = []
    while (part := it.next()) is not None:
        first, last = int(part.lines[ID][0]), int(part.lines[ID][-1])
        heights.append((first, last))
        if first <= 6 <= last:
            it.refused()
        else:
            it.accepted(1)
    assert heights == [(0, 7), (0, 3), (4, 5), (6, 6), (7, 7)]


def test_what_is_untested_goes_as_one_again() -> None:
    """Once a bad row stands alone, all that was never sent without it is sent in one call."""
    found = search(ROWS, {1})
    assert found.accepted[0] == 0
    assert found.largest == ROWS
    assert found.calls <= 20


@settings(max_examples=150)
@given(
    st.integers(0, 60),
    st.sets(st.integers(0, 59), max_size=8),
    st.integers(2, 70),
    st.integers(1, 60),
    st.integers(1, 60),
)
def test_every_row_is_accepted_or_set_apart_once(
    count: int, bad: set[int], max_rows: int, fit: int, takes: int
) -> None:
    """Whatever Target refuses and however small its bodies: no row is lost, none twice, none good is set apart."""
    limits = Limits("thirdPartyId", max_rows, EMPTY_BODY + fit * LINE + 1)
    found = search(count, bad, limits=limits, takes_bytes=EMPTY_BODY + takes * LINE)
    assert found.largest <= min(max_rows - 1, fit)
    assert found.too_large == []
    assert set(found.refused) <= bad
    if found.hopeless:
        assert len(found.refused) == 5
        assert found.accepted == []
    else:
        assert sorted(found.accepted + found.refused) == list(range(count))


@settings(max_examples=80)
@given(st.integers(2, 300), st.sets(st.integers(1, 299), max_size=6))
def test_siblings_keep_their_order(count: int, bad: set[int]) -> None:
    """Rows are accepted in the order in which they came."""
    found = search(count, bad)  # the first row is good, so that no probe is needed
    assert found.accepted == sorted(found.accepted)


@pytest.mark.parametrize("count", [5, 64, ROWS])
def test_a_target_that_refuses_everything_is_found_out_in_few_calls(count: int) -> None:
    """One row and four probes from all over the batch, each alone, and nothing accepted: no row is to blame."""
    found = search(count, range(count))
    assert found.hopeless
    assert found.calls <= 21
    assert len(found.refused) == 5
    assert max(found.refused) >= count * 3 // 4


def test_a_target_that_takes_no_size_is_found_out_as_well() -> None:
    """413 for every body, down to single rows from all over the batch, is no matter of rows either."""
    found = search(ROWS, takes_bytes=0)
    assert found.hopeless
    assert found.calls <= 21


@pytest.mark.parametrize("count", [1, 2, 4])
def test_few_rows_that_are_all_refused_are_bad_rows(count: int) -> None:
    """Under five rows nobody can tell bad rows from a Target that refuses everything: the brake sees to that."""
    found = search(count, range(count))
    assert not found.hopeless
    assert found.refused == list(range(count))


@pytest.mark.parametrize("bad", [{0}, {0, 1}, {0, 1, 2, 3, 4}, {0, 25_000, 50_001, 75_001}])
def test_bad_rows_at_the_head_are_no_reason_to_stop(bad: set[int]) -> None:
    """One probe that is accepted shows that Target takes rows; those refused meanwhile are bad rows."""
    found = search(ROWS, bad)
    assert not found.hopeless
    assert sorted(found.refused) == sorted(bad)
    assert sorted(found.accepted + found.refused) == list(range(ROWS))


def test_a_413_halves_the_bytes_and_the_size_that_passed_is_known() -> None:
    """Target takes a third of the batch: it is cut to quarters, and the size of one is what the search has proven."""
    found = search(1200, takes_bytes=EMPTY_BODY + 400 * LINE)
    assert found.accepted == list(range(1200))
    assert found.calls == 2 + 4
    assert found.proven == EMPTY_BODY + 300 * LINE


def test_a_bad_row_in_a_batch_that_is_too_large_is_found() -> None:
    """The size and a row may both be wrong; the size is not narrowed to that of the searched part."""
    found = search(1200, {700}, takes_bytes=EMPTY_BODY + 400 * LINE)
    assert found.refused == [700]
    assert len(found.accepted) == 1199
    assert found.proven == EMPTY_BODY + 300 * LINE


@pytest.mark.parametrize("row", [0, 5, 900])
def test_a_row_that_meets_413_alone_does_not_shrink_what_follows(row: int) -> None:
    """Where it is one row and not the size, the others are sent in large bodies still."""
    found = search(1000, oversized={row})
    assert found.too_large == [row]
    assert len(found.accepted) == 999
    assert found.calls <= 24
    assert found.proven is None
