"""What Target tells of an accepted batch, read: one pure function from status, headers and body to a `Status`.

Target knows a batch as incomplete, complete or stuck, and forgets it once ten newer ones were accepted or a day is
over (AdobeDocs profile-bulk-api.md; the ten and the day are in Adobe's older batch_update page only). What it says of
a batch that it has forgotten is documented nowhere, so all that may mean it is read as `gone`, and `watchlist`
believes it only once it was said repeatedly. `following` asks and acts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from connector.target.answer import Outcome, judge, parse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from xml.etree.ElementTree import Element

MAX_COUNT: Final = 500_000  # rows of a batch
MAX_ID_CHARACTERS: Final = 128  # as of the rows that we send
_FAILED: Final = frozenset({"failed", "error"})  # `error` before 2020 (release notes of Target, May 2020)
_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


class State(StrEnum):
    """What an answer to batchStatus means."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"  # also any word that Adobe does not document: public clients see `unknown`, and ask on
    STUCK = "stuck"  # Target will not finish it
    GONE = "gone"  # Target does not know the batch, or does not any more
    UNAUTHORIZED = "unauthorized"
    THROTTLED = "throttled"
    UNANSWERED = "unanswered"  # no answer, or none that is a status


@dataclass(frozen=True, slots=True)
class Status:
    """One answer to batchStatus.

    Attributes:
        state: what it means.
        failed: rows that Target could not apply; at least so many, where the list of them was cut.
        not_found: rows of profiles that were not found (version 1 of the API; version 2 creates them).
        retry_after_s: how long Target asked to wait, if it did.
        failed_ids: of those rows, as far as Target lists them; for the operator's eyes, never for a log.
    """

    state: State
    failed: int = 0
    not_found: int = 0
    retry_after_s: float | None = None
    failed_ids: tuple[str, ...] = field(default=(), repr=False)


_BY_OUTCOME: Final[Mapping[Outcome, State]] = {
    Outcome.UNAUTHORIZED: State.UNAUTHORIZED,
    Outcome.THROTTLED: State.THROTTLED,
}
_GONE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


def read_status(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Status:
    """What an answer to batchStatus says.

    Args:
        status: the HTTP status.
        headers: the response headers, looked up in their usual spelling.
        body: the beginning of the response body; any bytes.
        now: the current time with a zone, to read a `Retry-After` date against.
    """
    if 200 <= status < 300:  # noqa: PLR2004 (the class of success)
        return _read(body)
    if status in _GONE:
        return Status(State.GONE)
    answer = judge(status, headers, body, now)
    return Status(_BY_OUTCOME.get(answer.outcome, State.UNANSWERED), retry_after_s=answer.retry_after_s)


def _read(body: bytes) -> Status:
    response = parse(body)
    if response is None:  # perhaps its end was cut off: the list of rows is the last and the longest of it
        response = parse(body.partition(b"<profile>")[0] + b"</response>")
        return Status(State.UNANSWERED) if response is None else _of(response, body.count(b"<profile>"))
    return _of(response, 0)


def _of(response: Element, listed: int) -> Status:
    """The status in an answer of which the end, with so many rows, may be missing."""
    word = _text(response, "status").lower()
    if not word:
        # The form of a refusal: there is no other in which Target could say that it knows no such batch.
        return Status(State.GONE if _text(response, "success") == "false" else State.UNANSWERED)
    state = State(word) if word in {State.COMPLETE, State.STUCK} else State.INCOMPLETE
    rows = response.iter("profile")
    ids = tuple(_text(row, "id")[:MAX_ID_CHARACTERS] for row in rows if _text(row, "status").lower() in _FAILED)
    failed = max(_count(response, "failedUpdates"), len(ids), listed)
    return Status(state, min(failed, MAX_COUNT), _count(response, "profilesNotFound"), failed_ids=ids)


def _text(element: Element, name: str) -> str:
    """The text of a child, on one line; empty if there is none."""
    text = element.findtext(name) or ""
    return "".join(c if c.isprintable() else " " for c in text).strip()


def _count(response: Element, name: str) -> int:
    text = _text(response, name)
    return min(int(text), MAX_COUNT) if _NUMBER.fullmatch(text) else 0
