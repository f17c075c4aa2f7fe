"""Target's answer, read: one pure function from status, headers and body to what must be done.

HTTP 200 is not acceptance: only a 2xx answer whose XML says `<success>true</success>` is (AdobeDocs
profile-bulk-api.md; public clients judge in the same two steps). Adobe documents few error answers, so everything
not understood is on the safe side: retried where the same bytes may pass later, otherwise blocked. `delivery` acts
on the outcome.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from connector.target.addresses import batch_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from xml.etree.ElementTree import Element

UNREADABLE = (ParseError, DefusedXmlException, ValueError, LookupError)  # the last two: an encoding it can't read
MAX_MESSAGE_CHARACTERS = 200
MAX_URL_CHARACTERS = 500
MAX_RETRY_AFTER_S = 3600.0  # a longer Retry-After is more likely a mistake than a wish


class Outcome(StrEnum):
    """What an answer means for the batch."""

    ACCEPTED = "accepted"  # queued by Target: settle
    REFUSED = "refused"  # something in the batch is wrong: search for it
    TOO_LARGE = "too_large"  # halve
    UNAUTHORIZED = "unauthorized"  # load the token again, wait
    THROTTLED = "throttled"  # hold all calls for a while
    UNAVAILABLE = "unavailable"  # back off, send the same bytes again, for ever
    MISCONFIGURED = "misconfigured"  # no retry can help: block


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, judged.

    Attributes:
        outcome: what to do.
        text: one line for logs and pages, of our own words.
        message: Target's words; they may repeat an id or a value, so they belong in dead letters and nowhere else.
        status_url: where to ask for the batch's progress, as Target wrote it; empty where it refuses, says Adobe.
        retry_after_s: how long Target asked to wait, if it did.
    """

    outcome: Outcome
    text: str
    message: str = ""
    status_url: str | None = None
    retry_after_s: float | None = None

    @property
    def batch_id(self) -> str | None:
        """Target's name of the batch, if it gave one; opaque."""
        return batch_id(self.status_url)


_BY_STATUS: dict[int, Outcome] = {
    HTTPStatus.BAD_REQUEST: Outcome.REFUSED,
    HTTPStatus.UNPROCESSABLE_ENTITY: Outcome.REFUSED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Outcome.TOO_LARGE,
    HTTPStatus.UNAUTHORIZED: Outcome.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN: Outcome.UNAUTHORIZED,
    HTTPStatus.TOO_MANY_REQUESTS: Outcome.THROTTLED,  # not documented by Adobe; a proxy on the way may send it
    HTTPStatus.SERVICE_UNAVAILABLE: Outcome.THROTTLED,  # over 50 calls a minute (AdobeDocs target-limits.md)
    HTTPStatus.REQUEST_TIMEOUT: Outcome.UNAVAILABLE,
    HTTPStatus.TOO_EARLY: Outcome.UNAVAILABLE,
}
_NO_RETRY_HELPS = range(300, 500)  # redirects and the client's errors; beyond them lie the server's, and no status


def judge(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Answer:
    """What to do with an answer.

    Args:
        status: the HTTP status.
        headers: the response headers, looked up in their usual spelling.
        body: the beginning of the response body; any bytes.
        now: the current time with a zone, to read a `Retry-After` date against.
    """
    if 200 <= status < 300:  # noqa: PLR2004 (the class of success)
        return _judge_success(status, body)
    outcome = _BY_STATUS.get(status)
    if status == HTTPStatus.SERVICE_UNAVAILABLE and "Retry-After" not in headers and _is_page(body):
        outcome = Outcome.UNAVAILABLE
    if outcome is None:
        outcome = Outcome.MISCONFIGURED if status in _NO_RETRY_HELPS else Outcome.UNAVAILABLE
    return Answer(
        outcome,
        f"HTTP {status}",
        message=_field(body, "message") or "",
        retry_after_s=_retry_after(headers.get("Retry-After"), now),
    )


def _judge_success(status: int, body: bytes) -> Answer:
    success = _field(body, "success")
    message = _field(body, "message") or ""
    if success == "true":
        return Answer(Outcome.ACCEPTED, f"HTTP {status}", message, status_url=_field(body, "batchStatus") or None)
    if success == "false":
        return Answer(Outcome.REFUSED, f"HTTP {status}, success=false", message, _field(body, "batchStatus") or None)
    return Answer(Outcome.UNAVAILABLE, f"HTTP {status} with a body that is no answer of Target's")


def _is_page(body: bytes) -> bool:
    """A web page comes from something before Target, which has nothing behind it just now, and counts no calls."""
    return body[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype", b"<html"))


def _field(body: bytes, name: str) -> str | None:
    """The text of one element, on one line; None if the body has no such element.

    Adobe's own samples hold `&` unescaped, so that they are no XML: those are mended before parsing.
    """
    root = parse(body)
    element = None if root is None else root.find(name)
    if element is None:
        return None
    printable = "".join(c if c.isprintable() else " " for c in element.text or "").strip()
    return printable[: MAX_URL_CHARACTERS if name == "batchStatus" else MAX_MESSAGE_CHARACTERS]


def parse(body: bytes) -> Element | None:
    """The `<response>` of an answer, with what Adobe's own samples leave unescaped mended; None if there is none."""
    try:
        root: Element = fromstring(mended(body))
    except UNREADABLE:
        return None
    return root if root.tag == "response" else None


def mended(body: bytes) -> bytes:
    """An answer with its bare ampersands escaped."""
    return re.sub(rb"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9a-fA-F]+);)", b"&amp;", body)


def _retry_after(value: str | None, now: datetime) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(value) if value.strip().isdigit() else (_http_date(value) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):  # OverflowError: a year that no clock reaches
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def _http_date(value: str) -> datetime:
    date = parsedate_to_datetime(value)
    return date if date.tzinfo else date.replace(tzinfo=UTC)
