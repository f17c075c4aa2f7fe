"""A batch's status, read: whatever Target says of it has one meaning."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.target.status import MAX_COUNT, State, Status, read_status

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DETAILS = (
    "<response><batchId>demo4-1</batchId><status>{}</status><batchSize>5</batchSize><consumedCount>5</consumedCount>"
    "<successfulUpdates>2</successfulUpdates><profilesNotFound>1</profilesNotFound><failedUpdates>2</failedUpdates>{}"
    "</response>"
)
ROWS = "<profile><id>a</id><status>failed</status></profile><profile><id>b&c</id><status>failed</status></profile>"


def details(state: str, rows: str = "") -> bytes:
    return DETAILS.format(state, rows).encode()


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        pytest.param(200, details("complete"), State.COMPLETE, id="complete"),
        pytest.param(200, details(" Complete\n"), State.COMPLETE, id="complete, written otherwise"),
        pytest.param(200, details("incomplete"), State.INCOMPLETE, id="incomplete"),
        pytest.param(200, details("stuck"), State.STUCK, id="stuck"),
        pytest.param(200, details("unknown"), State.INCOMPLETE, id="a word that Adobe does not document"),
        pytest.param(200, b"<response><batchId>1</batchId></response>", State.UNANSWERED, id="no status"),
        pytest.param(200, b"<response><success>false</success></response>", State.GONE, id="the form of a refusal"),
        pytest.param(200, b"<response><success>true</success></response>", State.UNANSWERED, id="of an acceptance"),
        pytest.param(404, b"", State.GONE, id="404"),
        pytest.param(410, b"", State.GONE, id="410"),
        pytest.param(200, b"", State.UNANSWERED, id="nothing"),
        pytest.param(200, b"<html>back soon</html>", State.UNANSWERED, id="a page"),
        pytest.param(200, b"<status>complete</status>", State.UNANSWERED, id="another root"),
        pytest.param(500, details("complete"), State.UNANSWERED, id="a server error, whatever its body says"),
        pytest.param(302, details("complete"), State.UNANSWERED, id="a redirect, whatever its body says"),
        pytest.param(400, b"", State.UNANSWERED, id="400"),
        pytest.param(401, b"", State.UNAUTHORIZED, id="401"),
        pytest.param(403, b"", State.UNAUTHORIZED, id="403"),
        pytest.param(429, b"", State.THROTTLED, id="429"),
        pytest.param(503, b"", State.THROTTLED, id="503"),
    ],
)
def test_every_answer_has_its_meaning(status: int, body: bytes, state: State) -> None:
    """Only Target's own words end a batch; all else is asked again."""
    assert read_status(status, {}, body, NOW).state is state


def test_counts_and_failed_rows_are_read() -> None:
    """Rows that failed are counted as Target counts them; their ids are kept from every printed form."""
    status = read_status(200, {}, details("complete", ROWS), NOW)
    assert (status.failed, status.not_found, status.failed_ids) == (2, 1, ("a", "b&c"))
    assert "b&c" not in repr(status)


@pytest.mark.parametrize(
    ("body", "failed"),
    [
        pytest.param(details("complete"), 2, id="as counted, without a list"),
        pytest.param(b"<response><status>complete</status>" + ROWS.encode() + b"</response>", 2, id="as listed"),
        pytest.param(
            b"<response><status>complete</status><profile><id>a</id><status>error</status></profile></response>",
            1,
            id="by the older word",
        ),
        pytest.param(
            b"<response><status>complete</status><profile><id>a</id><status>success</status></profile></response>",
            0,
            id="rows that did not fail",
        ),
        pytest.param(
            b"<response><status>complete</status><failedUpdates>-3</failedUpdates></response>", 0, id="below 0"
        ),
        pytest.param(b"<response><status>complete</status><failedUpdates>x</failedUpdates></response>", 0, id="a word"),
        pytest.param(
            b"<response><status>complete</status><failedUpdates>999999999</failedUpdates></response>",
            MAX_COUNT,
            id="more than a batch can hold",
        ),
    ],
)
def test_failed_rows_are_counted_one_way_or_the_other(body: bytes, failed: int) -> None:
    """The count, or the list where there is no count; never a figure that no batch can have."""
    assert read_status(200, {}, body, NOW).failed == failed


def test_a_list_that_is_cut_off_does_not_hide_the_end_of_a_batch() -> None:
    """Where so many rows failed that the answer is too long, its head still tells, and the rows read are counted."""
    status = read_status(200, {}, details("complete", ROWS * 50_000)[:100_000], NOW)
    assert status.state is State.COMPLETE
    assert status.failed > 1_000
    assert status.failed_ids == ()


_HEAD = b"<response><status>complete</status>"
_MIB = 2**20


@pytest.mark.parametrize(
    ("body", "most_mb"),
    [
        pytest.param(_HEAD + b"<a/>" * (_MIB // 4) + b"</response>", 10, id="elements without end"),
        pytest.param(_HEAD + b"<a>" * (_MIB // 3), 10, id="nested without end"),
        pytest.param(_HEAD + b"".join(b"<a%x/>" % i for i in range(_MIB // 8)), 20, id="ever other names"),
        pytest.param(_HEAD + b"<a %b/>" % b" ".join(b"a%x=''" % i for i in range(_MIB // 9)), 40, id="attributes"),
        pytest.param(_HEAD + b"&" * _MIB, 10, id="ampersands"),
        pytest.param(_HEAD + b"\n" * _MIB + b"</response>", 10, id="line ends"),
        pytest.param(_HEAD + b"<profile><id>a</id><status>failed</status></profile>" * (_MIB // 51), 10, id="rows"),
    ],
)
def test_no_answer_costs_much_memory(body: bytes, most_mb: float) -> None:
    """It is read without keeping a tree: a tree of 1 MiB of `<a/>` would take 26 MB. The parser compares attributes."""
    tracemalloc.start()
    try:
        read_status(200, {}, body[:_MIB], NOW)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < most_mb * 1e6


def test_how_long_target_asks_to_wait_is_kept() -> None:
    """A throttled question holds the budget as any other call does."""
    assert read_status(503, {"Retry-After": "90"}, b"", NOW) == Status(State.THROTTLED, retry_after_s=90)


def test_an_xml_bomb_is_no_answer() -> None:
    """Entities are not expanded."""
    bomb = b'<!DOCTYPE r [<!ENTITY a "complete">]><response><status>&a;</status></response>'
    assert read_status(200, {}, bomb, NOW).state is State.UNANSWERED


_BODIES = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda cut: details("complete", ROWS)[:cut], st.integers(0, len(details("complete", ROWS)) - 1)),
)


@given(st.integers(100, 999), _BODIES)
def test_no_bytes_make_it_fail(status: int, body: bytes) -> None:
    """Random and cut answers have a meaning; before its status word is whole, no batch is complete."""
    told = read_status(status, {}, body, NOW)
    assert 0 <= told.failed <= MAX_COUNT
    assert told.state is not State.COMPLETE or (b"<status>complete</status>" in body and status < 300)
