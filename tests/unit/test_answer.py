"""Target's answer, read: one row of the outcome table after the other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.target.answer import MAX_RETRY_AFTER_S, Outcome, judge

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
STATUS_URL = "http://mboxedge45.tt.omtrdc.net/m2/demo/profile/batchStatus?batchId=demo-1701473848678-13029383"
ACCEPTED = f"""<response>
  <success>true</success>
  <batchStatus>{STATUS_URL}</batchStatus>
  <message>Batch submitted for processing</message>
</response>""".encode()
REFUSED = b"<response><success>false</success><batchStatus></batchStatus><message>Bad header</message></response>"


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        pytest.param(200, ACCEPTED, Outcome.ACCEPTED, id="200 with success=true is accepted"),
        pytest.param(202, ACCEPTED, Outcome.ACCEPTED, id="any 2xx with success=true is accepted"),
        pytest.param(200, REFUSED, Outcome.REFUSED, id="200 with success=false is refused"),
        pytest.param(200, b"", Outcome.UNAVAILABLE, id="200 with nothing is no answer"),
        pytest.param(200, b"<html>maintenance</html>", Outcome.UNAVAILABLE, id="200 with a web page is no answer"),
        pytest.param(200, ACCEPTED[:60], Outcome.UNAVAILABLE, id="200 with half an answer is no answer"),
        pytest.param(200, b"<success>true</success>", Outcome.UNAVAILABLE, id="200 with another root is no answer"),
        pytest.param(200, b"true", Outcome.UNAVAILABLE, id="200 with bare text is no answer"),
        pytest.param(400, b"", Outcome.REFUSED, id="400 is refused"),
        pytest.param(422, b"", Outcome.REFUSED, id="422 is refused"),
        pytest.param(413, b"", Outcome.TOO_LARGE, id="413 is too large"),
        pytest.param(401, b"", Outcome.UNAUTHORIZED, id="401 asks for another token"),
        pytest.param(403, b"Forbidden", Outcome.UNAUTHORIZED, id="403 asks for another token"),
        pytest.param(429, b"", Outcome.THROTTLED, id="429 is throttled"),
        pytest.param(503, b"", Outcome.THROTTLED, id="503 is throttled"),
        pytest.param(503, b"Service Unavailable", Outcome.THROTTLED, id="503 with text is throttled"),
        pytest.param(503, b"\n<!DOCTYPE html><html>", Outcome.UNAVAILABLE, id="503 with a web page is no throttle"),
        pytest.param(503, b"<HTML><head>", Outcome.UNAVAILABLE, id="503 with an old web page as well"),
        pytest.param(429, b"<html>slow down</html>", Outcome.THROTTLED, id="429 is throttled whatever its body"),
        pytest.param(408, b"", Outcome.UNAVAILABLE, id="408 is tried again"),
        pytest.param(500, b"", Outcome.UNAVAILABLE, id="500 is tried again"),
        pytest.param(504, b"", Outcome.UNAVAILABLE, id="504 is tried again"),
        pytest.param(599, b"", Outcome.UNAVAILABLE, id="an unknown server error is tried again"),
        pytest.param(301, b"", Outcome.MISCONFIGURED, id="a redirect is never followed"),
        pytest.param(302, ACCEPTED, Outcome.MISCONFIGURED, id="a redirect is no acceptance, whatever its body says"),
        pytest.param(404, b"", Outcome.MISCONFIGURED, id="404 blocks"),
        pytest.param(405, b"", Outcome.MISCONFIGURED, id="405 blocks"),
        pytest.param(415, b"", Outcome.MISCONFIGURED, id="an unknown client error blocks"),
        pytest.param(0, ACCEPTED, Outcome.UNAVAILABLE, id="a status that HTTP does not have is tried again"),
        pytest.param(500, ACCEPTED, Outcome.UNAVAILABLE, id="success=true with a server error is no acceptance"),
    ],
)
def test_every_answer_has_its_outcome(status: int, body: bytes, outcome: Outcome) -> None:
    """Only a 2xx answer whose XML says success=true is acceptance; all else has its row in the table."""
    assert judge(status, {}, body, NOW).outcome is outcome


def test_the_status_url_is_kept_as_written() -> None:
    """The batch status URL is opaque and comes back verbatim."""
    assert judge(200, {}, ACCEPTED, NOW).status_url == STATUS_URL


def test_an_unescaped_ampersand_is_mended() -> None:
    """Adobe's older samples hold a bare `&` in the status URL, which is no XML, and are accepted all the same."""
    body = ACCEPTED.replace(STATUS_URL.encode(), STATUS_URL.encode() + b"&mboxPC=1&amp;x=2")
    answer = judge(200, {}, body, NOW)
    assert answer.outcome is Outcome.ACCEPTED
    assert answer.status_url == STATUS_URL + "&mboxPC=1&x=2"


def test_a_web_page_that_says_when_to_come_back_is_a_throttle() -> None:
    """A 503 with Retry-After is obeyed, whoever made its page."""
    answer = judge(503, {"Retry-After": "90"}, b"<html>busy</html>", NOW)
    assert (answer.outcome, answer.retry_after_s) == (Outcome.THROTTLED, 90)


@pytest.mark.parametrize(
    ("address", "batch_id"),
    [
        pytest.param(STATUS_URL, "demo-1701473848678-13029383", id="the only parameter"),
        pytest.param("http://x/batchStatus?m2Node=00&amp;batchId=demo-1", "demo-1", id="one of two"),
        pytest.param("", None, id="no address, as Adobe documents"),
        pytest.param("http://x/batchStatus?batchId=forged line", None, id="no name of a batch"),
        pytest.param("http://x/batchStatus?otherbatchId=1", None, id="another parameter"),
    ],
)
def test_a_refusal_may_name_its_batch(address: str, batch_id: str | None) -> None:
    """Where a refusal holds a status address, the dead letters can tell the batch."""
    body = REFUSED.replace(b"<batchStatus></batchStatus>", f"<batchStatus>{address}</batchStatus>".encode())
    answer = judge(200, {}, body, NOW)
    assert (answer.outcome, answer.batch_id) == (Outcome.REFUSED, batch_id)


def test_targets_words_stay_out_of_the_text_for_logs() -> None:
    """Target may repeat an id or a value: its words are in `message`, never in `text`."""
    answer = judge(200, {}, REFUSED.replace(b"Bad header", b"bad value jane@example.com"), NOW)
    assert "jane" in answer.message
    assert "jane" not in answer.text


def test_a_message_is_one_printable_line() -> None:
    """Control characters in Target's message cannot forge a line of a log."""
    answer = judge(200, {}, REFUSED.replace(b"Bad header", b"one\r\ntwo" + b"x" * 1000), NOW)
    assert "\n" not in answer.message
    assert "\r" not in answer.message
    assert len(answer.message) <= 200


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param("120", 120, id="seconds"),
        pytest.param(format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90, id="an HTTP date"),
        pytest.param(format_datetime(NOW - timedelta(hours=1), usegmt=True), 0, id="a date that has passed"),
        pytest.param("999999999", MAX_RETRY_AFTER_S, id="a very long time is capped"),
        pytest.param("soon", None, id="text that is neither"),
        pytest.param("-5", None, id="a negative number"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str, seconds: float | None) -> None:
    """Retry-After comes as seconds or as a date, and is capped."""
    assert judge(503, {"Retry-After": value}, b"", NOW).retry_after_s == seconds


def _laughs(levels: int) -> bytes:
    """Entities that would expand to a thousand to the power of levels."""
    entities = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 1000}">' for n in range(levels))
    return f'<!DOCTYPE r [<!ENTITY e0 "true">{entities}]><response><success>&e{levels};</success></response>'.encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(_laughs(0), id="an entity"),
        pytest.param(_laughs(4), id="a billion laughs"),
        pytest.param(
            b'<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/hostname">]><response><success>true</success>&e;</response>',
            id="an entity from a file",
        ),
        pytest.param(
            b'<!DOCTYPE r SYSTEM "http://127.0.0.1:1/x.dtd"><!DOCTYPE r><response><success>true</success></response>',
            id="a type definition from elsewhere",
        ),
        pytest.param(b"<response>" + b"<a>" * 21_000, id="nesting without an end"),
        pytest.param(b"<response>" + b"<a>" * 9_000 + b"</a>" * 9_000 + b"</respons>", id="nesting, and no end"),
        pytest.param(b"<response " + b" ".join(b"a%d=''" % n for n in range(6_000)) + b"/>", id="6,000 attributes"),
        pytest.param(b"<response><message>" + b"&" * 60_000, id="60,000 ampersands"),
        pytest.param(b"<?xml version='1.0' encoding='hex'?><response/>", id="an encoding that is none of text"),
        pytest.param(b"<response><success>tr\0ue</success></response>", id="a zero byte"),
    ],
)
def test_a_bomb_is_no_answer(body: bytes) -> None:
    """Entities are not expanded, nothing is fetched, no depth ends the process; the batch is sent again."""
    assert judge(200, {}, body, NOW).outcome is Outcome.UNAVAILABLE


def dates() -> st.SearchStrategy[str]:
    """What looks like a date of HTTP's, with any numbers in it."""
    number = st.integers(0, 10**20)
    return st.builds(
        "Mon, {} Jan {} {}:{}:{} {}".format,
        number,
        number,
        number,
        number,
        number,
        st.sampled_from(["GMT", "+9999", ""]),
    )


@settings(deadline=None)  # a busy machine is slow
@given(st.integers(0, 99_999), st.binary(max_size=300), st.text(max_size=30) | dates())
def test_no_bytes_make_it_fail(status: int, body: bytes, retry_after: str) -> None:
    """Whatever comes back, there is an outcome and a wait within its cap; random bytes are never acceptance."""
    answer = judge(status, {"Retry-After": retry_after}, body, NOW)
    assert answer.outcome is not Outcome.ACCEPTED
    assert answer.retry_after_s is None or 0 <= answer.retry_after_s <= MAX_RETRY_AFTER_S


@settings(deadline=None)  # a busy machine is slow
@given(st.data())
def test_a_damaged_answer_is_read_or_not_but_never_fails(data: st.DataObject) -> None:
    """With any few of its bytes changed, an answer of Target's is still judged, and on printable lines."""
    damaged = bytearray(ACCEPTED)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    answer = judge(200, {}, bytes(damaged), NOW)
    assert answer.outcome in {Outcome.ACCEPTED, Outcome.REFUSED, Outcome.UNAVAILABLE}
    assert (answer.text + answer.message + (answer.status_url or "")).isprintable()


@settings(deadline=None)  # a busy machine is slow
@given(st.integers(0, len(ACCEPTED) - 1), st.integers(0, 255))
def test_a_cut_answer_is_never_acceptance(cut: int, byte: int) -> None:
    """An answer that ends early is sent again rather than believed."""
    if not ACCEPTED[:cut].rstrip().endswith(b"</response>"):
        assert judge(200, {}, ACCEPTED[:cut] + bytes([byte]), NOW).outcome is not Outcome.ACCEPTED or byte == ord(">")
