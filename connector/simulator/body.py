"""A batch body to rows, or the reason why it is refused.

Owns the reading of Adobe's bulk format (AdobeDocs profile-bulk-api.md) and nothing else: pure, no I/O. Whatever
Target might read in more than one way is refused with a `Refusal`; nothing is guessed, trimmed or repaired. Written
from the documentation alone and shares no code with our encoder. Called by `adobe_api`, in a thread.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# When a server undoes the percent-encoding: of each cell after the split at commas and line feeds, or of the whole
# body before it. Adobe does not say. `strict` takes only bodies that both readings read alike.
Decode = Literal["strict", "after-split", "before-split"]

MAX_BODY_BYTES = 50_000_000  # "under 50 MB" (profile-bulk-api.md), in the smaller of the two megabytes
MAX_LINES = 500_000  # rows of one file (same page); the header is counted, as nobody says that it is not
MAX_ID_CHARS = 128  # Adobe's pages say 60, 128 and 256; more than 128 is refused by at least one part of Target

_OPENING = b"batch="
_BOM = b"\xef\xbb\xbf"
_ID_TYPES = ("thirdPartyId", "pcId")
# What may stand in the body as it is: the query characters of RFC 3986 without those that mean something in a form
# (`&`, `+`, `=`, and `;` for older servers), and the two separators of the format.
_PLAIN = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" + b"-._~!$'()*:@/?%" + b",\n"
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_HIDDEN_SEPARATOR = re.compile(rb"%(?:2[Cc]|0[AaDd])")


class Refusal(StrEnum):
    """Why a batch is refused: a closed list, counted in the summary. The texts are invented."""

    CONTENT_TYPE = "content_type"
    CONTENT_ENCODING = "content_encoding"
    NO_BATCH = "no_batch"
    BOM = "bom"
    CARRIAGE_RETURN = "carriage_return"
    SPACE = "space"
    UNENCODED = "unencoded"
    BROKEN_ESCAPE = "broken_escape"
    HIDDEN_SEPARATOR = "hidden_separator"
    NOT_UTF8 = "not_utf8"
    FIRST_HEADER = "first_header"
    NO_ATTRIBUTES = "no_attributes"
    EMPTY_NAME = "empty_name"
    PREFIXED_NAME = "prefixed_name"
    DUPLICATE_NAME = "duplicate_name"
    NO_ROWS = "no_rows"
    TOO_MANY_ROWS = "too_many_rows"
    TOO_MANY_CELLS = "too_many_cells"
    EMPTY_ID = "empty_id"
    LONG_ID = "long_id"
    FORBIDDEN_ID = "forbidden_id"
    DUPLICATE_ID = "duplicate_id"
    POISON = "poison"

    @property
    def text(self) -> str:
        """What the answer says."""
        return _TEXTS[self]


_TEXTS: Mapping[Refusal, str] = {
    Refusal.CONTENT_TYPE: "Content-Type must be application/x-www-form-urlencoded",
    Refusal.CONTENT_ENCODING: "Content-Encoding is not supported",
    Refusal.NO_BATCH: "Batch is empty",  # what an Adobe article is said to report for a missing `batch=`
    Refusal.BOM: "The body begins with a byte order mark",
    Refusal.CARRIAGE_RETURN: "A carriage return",
    Refusal.SPACE: "A space that is not percent-encoded, or follows a comma",
    Refusal.UNENCODED: "A character that must be percent-encoded",
    Refusal.BROKEN_ESCAPE: "A percent sign without two hexadecimal digits",
    Refusal.HIDDEN_SEPARATOR: "A percent-encoded comma, line feed or carriage return",
    Refusal.NOT_UTF8: "Percent-encoded bytes that are not UTF-8",
    Refusal.FIRST_HEADER: "The first column must be thirdPartyId or pcId",
    Refusal.NO_ATTRIBUTES: "The header names no attribute",
    Refusal.EMPTY_NAME: "The header has an empty name",
    Refusal.PREFIXED_NAME: "A name in the header has the prefix profile.",
    Refusal.DUPLICATE_NAME: "A name stands twice in the header",
    Refusal.NO_ROWS: "Batch is empty",
    Refusal.TOO_MANY_ROWS: "More than 500,000 rows, counting the header",
    Refusal.TOO_MANY_CELLS: "A row with more cells than the header",
    Refusal.EMPTY_ID: "An empty id",
    Refusal.LONG_ID: "An id over 128 characters",
    Refusal.FORBIDDEN_ID: "An id that holds + or /",
    Refusal.DUPLICATE_ID: "An id that stands twice",
    Refusal.POISON: "A row that cannot be processed",
}


class RefusedError(Exception):
    """The batch is refused; never leaves the simulator.

    Attributes:
        reason: why.
        line: where, the header being line 1; None when it concerns the request as a whole.
    """

    def __init__(self, reason: Refusal, line: int | None = None) -> None:
        self.reason = reason
        self.line = line
        super().__init__(reason.text if line is None else f"{reason.text} (line {line})")


@dataclass(frozen=True, slots=True)
class Batch:
    """What one body says.

    Attributes:
        id_type: the name of the first column.
        rows: for each id the attributes that have a value; an empty or missing cell leaves Target's value as it is,
            so it is not here.
    """

    id_type: str
    rows: Mapping[str, Mapping[str, str]]


def parse(body: bytes, decode: Decode = "strict") -> Batch:
    """Read a body.

    Args:
        body: as it came over the wire, without any transfer or content encoding.
        decode: which reading of the percent-encoding to follow.

    Raises:
        RefusedError: the body is wrong or may be read in more than one way.
    """
    value = _form_value(body)
    if decode == "strict":
        _refuse_match(_HIDDEN_SEPARATOR, value, Refusal.HIDDEN_SEPARATOR)
    table = _decode_then_split(value) if decode != "after-split" else _split_then_decode(value)
    id_type, names = _header(table[0])
    return Batch(id_type, _rows(table, names))


def _form_value(body: bytes) -> bytes:
    """The value of the form's parameter `batch`, still percent-encoded, all of it harmless ASCII."""
    opening, value = body[: len(_OPENING)], body[len(_OPENING) :]
    if body.startswith(_BOM) or value.startswith(_BOM):
        raise RefusedError(Refusal.BOM)
    if opening != _OPENING or not value:
        raise RefusedError(Refusal.NO_BATCH)
    for raw, reason in ((b"\r", Refusal.CARRIAGE_RETURN), (b" ", Refusal.SPACE)):
        if (at := value.find(raw)) >= 0:
            raise RefusedError(reason, _line(value, at))
    if unencoded := value.translate(None, _PLAIN):
        raise RefusedError(Refusal.UNENCODED, _line(value, value.find(unencoded[:1])))
    _refuse_match(_BROKEN_ESCAPE, value, Refusal.BROKEN_ESCAPE)
    return value


def _refuse_match(pattern: re.Pattern[bytes], value: bytes, reason: Refusal) -> None:
    if found := pattern.search(value):
        raise RefusedError(reason, _line(value, found.start()))


def _line(value: bytes, position: int) -> int:
    return value.count(b"\n", 0, position) + 1


def _decode_then_split(value: bytes) -> list[list[str]]:
    decoded = unquote_to_bytes(value)
    if (at := decoded.find(b"\r")) >= 0:
        raise RefusedError(Refusal.CARRIAGE_RETURN, _line(decoded, at))
    try:
        text = decoded.decode()
    except UnicodeDecodeError as error:
        raise RefusedError(Refusal.NOT_UTF8, _line(decoded, error.start)) from None
    return [line.split(",") for line in _lines(text)]


def _split_then_decode(value: bytes) -> list[list[str]]:
    # Cell by cell, because that is the reading in question; it is not the default.
    table = [line.split(",") for line in _lines(value.decode("ascii"))]
    for number, cells in enumerate(table, start=1):
        for column, cell in enumerate(cells):
            if "%" in cell:
                try:
                    cells[column] = unquote_to_bytes(cell).decode()
                except UnicodeDecodeError:
                    raise RefusedError(Refusal.NOT_UTF8, number) from None
    return table


def _lines(text: str) -> list[str]:
    text = text.removesuffix("\n")  # after the last row it may stand or not
    if text.count("\n") >= MAX_LINES:  # counted first: 50 MB of line feeds must not become 50 million lists
        raise RefusedError(Refusal.TOO_MANY_ROWS)
    return text.split("\n")


def _header(cells: Sequence[str]) -> tuple[str, Sequence[str]]:
    id_type, names = cells[0], cells[1:]
    if id_type not in _ID_TYPES:
        raise RefusedError(Refusal.FIRST_HEADER, 1)
    if not names:
        raise RefusedError(Refusal.NO_ATTRIBUTES, 1)
    if "" in names:
        raise RefusedError(Refusal.EMPTY_NAME, 1)
    if any(name.startswith("profile.") for name in names):
        raise RefusedError(Refusal.PREFIXED_NAME, 1)
    if len(set(cells)) < len(cells):
        raise RefusedError(Refusal.DUPLICATE_NAME, 1)
    return id_type, names


def _rows(table: Sequence[Sequence[str]], names: Sequence[str]) -> dict[str, dict[str, str]]:
    if len(table) == 1:
        raise RefusedError(Refusal.NO_ROWS)
    rows: dict[str, dict[str, str]] = {}
    # A loop over rows, about 1 µs each: the profiles are kept as dictionaries, and this is no part of the service.
    for number, (profile_id, *cells) in enumerate(table[1:], start=2):
        if len(cells) > len(names):
            raise RefusedError(Refusal.TOO_MANY_CELLS, number)
        if reason := _wrong_id(profile_id):
            raise RefusedError(reason, number)
        if profile_id in rows:
            raise RefusedError(Refusal.DUPLICATE_ID, number)
        rows[profile_id] = {name: cell for name, cell in zip(names, cells, strict=False) if cell}
    return rows


def _wrong_id(profile_id: str) -> Refusal | None:
    if not profile_id:
        return Refusal.EMPTY_ID
    if len(profile_id) > MAX_ID_CHARS:
        return Refusal.LONG_ID
    if "+" in profile_id or "/" in profile_id:
        return Refusal.FORBIDDEN_ID
    return None
