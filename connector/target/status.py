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

from defusedxml.ElementTree import DefusedXMLParser

from connector.target.answer import UNREADABLE, Outcome, judge, mended

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

MAX_COUNT: Final = 500_000  # rows of a batch
MAX_ID_CHARACTERS: Final = 128  # as of the rows that we send
MAX_ELEMENTS: Final = 70_000  # three for each row that failed, of which 1 MiB lists some 20,000; as many ampersands
MAX_DEPTH: Final = 10  # Target's have 3
_ROW: Final = "profile"
_OF_A_ROW: Final = frozenset({"id", "status"})
_OF_A_BATCH: Final = frozenset({"status", "success", "failedUpdates", "profilesNotFound"})
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
    answer = _parse(body)
    if answer is None:  # perhaps its end was cut off: the list of rows is the last and the longest of it
        answer = _parse(body.partition(b"<profile>")[0] + b"</response>")
        return Status(State.UNANSWERED) if answer is None else _of(answer, body.count(b"<profile>"))
    return _of(answer, 0)


class _Answer:
    """What is kept of an answer while it is parsed, which is no tree: a hostile one takes as much memory as any."""

    def __init__(self) -> None:
        self.root = ""
        self.texts: dict[str, str] = {}  # of the root's children that are looked at
        self.failed_ids: list[str] = []
        self._open: list[str] = []
        self._elements = 0
        self._row: dict[str, str] = {}
        self._text: list[str] = []

    def start(self, tag: str, _attributes: Mapping[str, str]) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS or len(self._open) >= MAX_DEPTH:
            raise ValueError("no answer of Target's")
        self.root = self.root or tag
        self._open.append(tag)
        self._text.clear()
        if tag == _ROW:
            self._row = {}

    def data(self, text: str) -> None:
        self._text.append(text)

    def end(self, tag: str) -> None:
        self._open.pop()
        within = self._open[-1] if self._open else ""
        if within == _ROW and tag in _OF_A_ROW:
            self._row.setdefault(tag, _line(self._text))
        elif len(self._open) == 1 and tag in _OF_A_BATCH:
            self.texts.setdefault(tag, _line(self._text))
        elif tag == _ROW and self._row.get("status", "").lower() in _FAILED:
            self.failed_ids.append(self._row.get("id", "")[:MAX_ID_CHARACTERS])
        self._text.clear()

    def close(self) -> None:
        """As the parser wants it."""


def _parse(body: bytes) -> _Answer | None:
    """What an answer says; None if it is no `<response>`."""
    if body.count(b"&") > MAX_ELEMENTS:
        return None
    answer = _Answer()
    parser = DefusedXMLParser(target=answer)
    try:
        parser.feed(mended(body))
        parser.close()
    except UNREADABLE:
        return None
    return answer if answer.root == "response" else None


def _of(answer: _Answer, listed: int) -> Status:
    """The status in an answer of which the end, with so many rows, may be missing."""
    word = answer.texts.get("status", "").lower()
    if not word:
        # The form of a refusal: there is no other in which Target could say that it knows no such batch.
        return Status(State.GONE if answer.texts.get("success") == "false" else State.UNANSWERED)
    state = State(word) if word in {State.COMPLETE, State.STUCK} else State.INCOMPLETE
    failed = max(_count(answer, "failedUpdates"), len(answer.failed_ids), listed)
    ids = tuple(answer.failed_ids)
    return Status(state, min(failed, MAX_COUNT), _count(answer, "profilesNotFound"), failed_ids=ids)


def _line(pieces: Sequence[str]) -> str:
    """A text on one line."""
    return "".join(c if c.isprintable() else " " for c in "".join(pieces)).strip()


def _count(answer: _Answer, name: str) -> int:
    text = answer.texts.get(name, "")
    return min(int(text), MAX_COUNT) if _NUMBER.fullmatch(text) else 0
