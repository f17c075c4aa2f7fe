from __future__ import annotations

from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.records import ID, LINE, Rows
from connector.target.batchfile import (
    HARD_MAX_BYTES,
    HARD_MAX_ROWS,
    Body,
    Limits,
    fitting,
    oversized,
    size_bytes,
)
from connector.target.encoding import Encoder
from tests.lines import body, cells, lined
from tests.readers import needs_extension


def table(rows: list[tuple[str | None, ...]], *names: str) -> Rows:
    return lined(pl.DataFrame(rows, schema=dict.fromkeys([ID, *names], pl.String), orient="row"))


def plain(count: int) -> Rows:
    """Rows of 9 bytes each with their line feed, under a header of 12."""
    return table([(f"id-{n:02d}", "xx") for n in range(count)], "a")


def parts(rows: Rows, limits: Limits) -> list[Rows]:
    """Cut from the front, as long as there are rows."""
    found: list[Rows] = []
    while rows.height:
        height = fitting(rows, limits)
        assert height > 0
        found, rows = [*found, rows.part(0, height)], rows.part(height)
    return found


def joined(found: list[Rows]) -> list[dict[str, str | None]]:
    return [row for part in found for row in cells(part)]


def test_golden_bytes() -> None:
    """The body is Adobe's form to the byte: header, full-width rows, empty for null, LF between, none at the end."""
    given = [("id-1", "gold", "São Paulo"), ("id-2", None, "Graz"), ("id-3", None, None)]
    rows = pl.DataFrame(given, schema=[ID, "loyaltyTier", "city"], orient="row")
    assert body(lined(Encoder().encode(rows)), "thirdPartyId") == (
        b"batch=thirdPartyId,loyaltyTier,city\nid-1,gold,S%C3%A3o%20Paulo\nid-2,,Graz\nid-3,,"
    )


def test_names_are_encoded_too() -> None:
    """A name may hold anything and still be one cell of the header."""
    assert body(table([("a", "1")], "Größe & Maß"), "pcId") == b"batch=pcId,Gr%C3%B6%C3%9Fe%20%26%20Ma%C3%9F\na,1"


@pytest.mark.parametrize(
    "extension",
    [False, pytest.param(True, marks=needs_extension)],
)
def test_a_body_is_written_in_pieces_and_again(*, extension: bool) -> None:
    """However many pieces it has, it is whole, of the size that it says, and the same each time."""
    rows = Rows(
        ("a",), pl.select(pl.int_range(10_000, dtype=pl.Int64).cast(pl.String).alias(ID), pl.lit("x").alias(LINE))
    )
    one = Body(rows, "pcId", extension=extension)
    expected = "batch=pcId,a" + "".join(f"\n{number},x" for number in range(10_000))
    assert b"".join(one.pieces()).decode() == bytes(one).decode() == expected
    assert len(one) == len(expected)
    assert len(list(one.pieces())) > 2


ENCODED = st.text(alphabet="ab%20", max_size=5)


@settings(max_examples=100)
@given(st.lists(st.tuples(ENCODED.filter(bool), st.none() | ENCODED, st.none() | ENCODED)))
def test_size_is_that_of_the_body(rows: list[tuple[str | None, ...]]) -> None:
    """The size is exact, so that a limit means what it says."""
    frame = table(rows, "Größe", "b")
    assert size_bytes(frame, "pcId") == len(body(frame, "pcId"))


def test_parts_of_a_batch_within_the_limits_is_the_batch() -> None:
    """Nothing is cut without need, and no rows make no body."""
    rows = plain(5)
    assert fitting(rows, Limits("pcId")) == 5
    assert fitting(rows.part(0, 0), Limits("pcId")) == 0


@pytest.mark.parametrize(
    ("max_rows", "max_bytes", "heights"),
    [
        pytest.param(11, 10_000, [10], id="the header is one of the rows"),
        pytest.param(10, 10_000, [9, 1], id="a row too many"),
        pytest.param(4, 10_000, [3, 3, 3, 1], id="many parts"),
        pytest.param(99, 12 + 10 * 9 + 1, [10], id="a byte below the size"),
        pytest.param(99, 12 + 10 * 9, [9, 1], id="at the size is too large"),
        pytest.param(99, 12 + 9 + 1, [1] * 10, id="room for one row"),
        pytest.param(3, 12 + 3 * 9 + 1, [2] * 5, id="both limits"),
    ],
)
def test_parts_keep_both_limits(max_rows: int, max_bytes: int, heights: list[int]) -> None:
    """Slices are as few as the limits allow and in order; a body stays under the bytes and at the rows at most."""
    rows = plain(10)
    found = parts(rows, Limits("pcId", max_rows, max_bytes))
    assert [part.height for part in found] == heights
    assert joined(found) == cells(rows)
    assert all(len(body(part, "pcId")) < max_bytes for part in found)


def test_a_row_that_no_body_can_hold_is_set_apart() -> None:
    """What alone is too large goes to the dead letters; the others are sent, and one byte decides."""
    rows = table([("a", "x" * 10), ("b", "x" * 11), ("c", None)], "a")
    limits = Limits("pcId", max_bytes=len(b"batch=pcId,a\na,") + 10 + 1)
    fits, too_large = oversized(rows, limits)
    assert (fits.lines[ID].to_list(), too_large.lines[ID].to_list()) == (["a", "c"], ["b"])
    assert joined(parts(fits, limits)) == cells(fits)
    assert fitting(too_large, limits) == 0


def test_the_hard_limits_are_adobes() -> None:
    """500,000 rows with the header, and under 50 MB in the smaller of the two megabytes."""
    ids = pl.int_range(HARD_MAX_ROWS, dtype=pl.Int64).cast(pl.String)
    rows = Rows(("a",), pl.select(ids.alias(ID), pl.lit("x" * 90).alias(LINE)))
    found = parts(rows, Limits("pcId"))
    assert sum(part.height for part in found) == HARD_MAX_ROWS == 500_000
    assert len(found) == 2
    assert all(1 + part.height <= 500_000 for part in found)
    assert all(size_bytes(part, "pcId") < HARD_MAX_BYTES == 50_000_000 for part in found)


ROWS = st.lists(st.tuples(ENCODED.filter(bool), st.none() | ENCODED), max_size=30)


@settings(max_examples=100)
@given(ROWS, st.integers(2, 8), st.integers(16, 60))
def test_parts_lose_nothing(rows: list[tuple[str | None, ...]], max_rows: int, max_bytes: int) -> None:
    """Whatever the limits, each row is in exactly one part or set apart, and no two neighbours would fit together."""
    frame = table(rows, "a")
    limits = Limits("pcId", max_rows, max_bytes)
    fits, too_large = oversized(frame, limits)
    found = parts(fits, limits)
    assert joined(found) == cells(fits)
    assert fits.height + too_large.height == frame.height
    assert all(0 < part.height < max_rows and len(body(part, "pcId")) < max_bytes for part in found)
    for part, following in pairwise(found):
        grown = Rows(part.names, part.lines.vstack(following.part(0, 1).lines))
        assert grown.height >= max_rows or size_bytes(grown, "pcId") >= max_bytes
