"""How letters look: a table, JSON lines, or one letter whole.

Promises that no value, key or id is shown unless asked for, that a detail which may repeat one (Target's answer,
another program's words) is left out as well, and that no text drives the terminal. Pure; called by `commands`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from connector.kafka.letters import CONNECT, OURS
from connector.records import Reason
from connector.service.one_line import one_line
from connector.service.reasons import REASONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from connector.kafka.letters import Letter

WITHHELD = "(may repeat a value: shown with --values)"


def table(letters: Iterable[tuple[Letter, bool]], *, values: bool) -> Table:
    """Make a table of letters; with each, whether it was replayed."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("position", "written (UTC)", "reason", "topic/partition", "offset", "stage", "replayed"):
        made.add_column(name, no_wrap=True)
    made.add_column("detail", overflow="fold")
    for letter, replayed in letters:
        where = f"{letter.origin.partition.topic}/{letter.origin.partition.partition}" if letter.origin else ""
        offset = str(letter.origin.offset) if letter.origin else ""
        cells = (str(letter.position), _time(letter), letter.reason, where, offset, letter.stage)
        made.add_row(*(_safe(cell) for cell in (*cells, "yes" if replayed else "", _detail(letter, values=values))))
    return made


def as_json(letter: Letter, *, replayed: bool, values: bool) -> str:
    """Make one line of JSON of a letter; its detail is null where it is withheld."""
    origin = letter.origin
    return json.dumps(
        {
            "position": str(letter.position),
            "time": _time(letter) or None,
            "reason": letter.reason,
            "topic": origin.partition.topic if origin else None,
            "partition": origin.partition.partition if origin else None,
            "offset": origin.offset if origin else None,
            "stage": letter.stage,
            "detail": letter.detail if values or letter.discreet else None,
            "key_bytes": None if letter.key is None else len(letter.key),
            "value_bytes": letter.value_bytes,
            "replayed": replayed,
        }
    )


def summary(counts: Mapping[str, int], replayed: int) -> str:
    """One line: how many letters there are, of which reason, and how many were replayed."""
    reasons = ", ".join(f"{one_line(reason)} {count:,}" for reason, count in sorted(counts.items()))
    total = sum(counts.values())
    letters = "1 letter" if total == 1 else f"{total:,} letters"
    return f"{letters} ({reasons}), replayed: {replayed:,}" if total else "no letters"


def whole(
    letter: Letter, headers: Iterable[tuple[str, bytes | None]], *, replayed: bool, values: bool
) -> Iterator[tuple[str, str]]:
    """All there is to say of one letter but its key and value, as pairs of name and text."""
    yield "letter", f"{letter.position}, {_time(letter)}{', replayed' if replayed else ''}"
    yield "reason", letter.reason
    if letter.reason in set(Reason):
        meaning = REASONS[Reason(letter.reason)]
        yield "meaning", meaning.meaning
        yield "what to do", meaning.remedy
    yield "detail", _detail(letter, values=values)
    if letter.origin is not None:
        topic, partition = letter.origin.partition
        yield "from", f"{topic}, partition {partition}, offset {letter.origin.offset}"
    yield "stage", letter.stage
    for name, value in headers:
        if name.startswith((CONNECT, OURS)):
            continue  # what they say is said above
        shown = "nothing" if value is None else text(value) if values else f"{len(value):,} bytes"
        yield f"header {name}", shown


def size(content: bytes | None) -> str:
    """How much there is, in place of what."""
    return "none" if content is None else f"{len(content):,} bytes"


def text(content: bytes) -> str:
    """Bytes as text where they are some, else in hexadecimal."""
    try:
        decoded = content.decode()
    except UnicodeDecodeError:
        return f"0x{content.hex()}"
    return decoded if decoded.isprintable() else f"0x{content.hex()}"


def lines(pairs: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """Names and texts below each other."""
    return (f"{one_line(name):<12} {one_line(value)}" for name, value in pairs)


def _detail(letter: Letter, *, values: bool) -> str:
    return letter.detail if values or letter.discreet or not letter.detail else WITHHELD


def _time(letter: Letter) -> str:
    if letter.at_ms is None:
        return ""
    return datetime.fromtimestamp(letter.at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _safe(cell: str) -> Text:
    return Text(one_line(cell))  # no markup of rich's, no control characters
