"""The answer for people: a paragraph and a table for each source, then the body and the calls.

Promises that no text of a record drives the terminal. Called by `command`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from connector.profiles.limits import MAX_VALUE_CHARS
from connector.records import Reason
from connector.service.one_line import one_line
from connector.service.reasons import REASONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

WIDE: Final = 200  # columns, where the output is no terminal
NAME_WIDTH: Final = 15
NONE: Final = "-"
_FEW: Final = 10


def show(answer: Mapping[str, Any]) -> None:
    """Print it."""
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=WIDE)
    for source in answer["sources"]:
        _print(console, source_lines(source))
        if source["records"]:
            console.print(table(source["attributes"]))
            _print(console, remedy_lines(source))
        console.print()
    _print(console, [*body_lines(answer["body"]), *calls_lines(answer["calls"])])


def _print(console: Console, lines: Iterable[tuple[str, str]]) -> None:
    for name, text in lines:
        line = Text.assemble((one_line(name).ljust(NAME_WIDTH), "bold"), one_line(text))
        console.print(line, soft_wrap=True)


def source_lines(source: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What was read of one source, and what became of it, as pairs of name and text."""
    topics = ", ".join(f"{topic} ({_many(count, 'partition')})" for topic, count in source["topics"].items())
    yield f"source {source['source']}", topics
    if not source["read"]:
        yield "records", "none are there; nothing to look at yet"
        return
    yield "records", _records(source)
    yield "layout", f"framing {source['framing']}, shape {source['shape']}, events {source['events']}"
    yield "rows", f"{source['rows']:,}, of {_many(source['profiles'], 'profile')}"
    yield "left out", _counts(source["skipped"])
    if source["long_values"]:
        rule = f"over {MAX_VALUE_CHARS} characters; long_values says {source['long_values_rule']}"
        yield "long values", f"{_counts(source['long_values'])}, {rule}"
    yield "dead letters", _counts(source["dead_letters"])
    if source["over_brake"]:
        yield "", "more than dead_letters.brake.share: with enough of them the service would stop and wait for you"


def _records(source: Mapping[str, Any]) -> str:
    read, records = source["read"], source["records"]
    text = _many(records, "record") if records == read else f"{records:,} of this profile among {read:,} looked at"
    if source["from"]:
        text += f", written {source['from']} to {source['to']}"
    return text + (f"; {source['cut']}" if source["cut"] else "")


def table(attributes: Iterable[Mapping[str, Any]]) -> Table:
    """Make the table of the id and the attributes of one source."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("attribute", "path", "type"):
        made.add_column(name, overflow="fold")
    made.add_column("samples", overflow="fold")
    made.add_column("empty", justify="right", no_wrap=True)
    made.add_column("refused", overflow="fold")
    for one in attributes:
        cells = (
            "the id" if one["name"] is None else one["name"],
            "sent for deletes" if one["path"] is None else one["path"],
            " | ".join(one["types"]) or NONE,
            " · ".join(one["samples"]) or NONE,
            share(one["empty"], one["cells"]),
            _counts(one["refused"]),
        )
        made.add_row(*(Text(one_line(cell)) for cell in cells))
    return made


def share(part: int, whole: int) -> str:
    """A share in percent, which is 0 or 100 only if it is none or all."""
    if not whole:
        return NONE
    percent = 100 * part / whole
    return f"{percent:.0f}%" if part in {0, whole} else f"{min(99.9, max(0.1, percent)):.1f}%"


def remedy_lines(source: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What each reason of a dead letter means, and what to do."""
    for reason in source["dead_letters"]:
        known = REASONS[Reason(reason)]
        yield reason, f"{known.meaning} {known.remedy}"


def body_lines(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What would be posted."""
    if not body["calls"]:
        yield "body", "none: there is nothing to send"
        return
    calls = _many(body["calls"], "call")
    yield "body", f"{_many(body['profiles'], 'profile')}, {body['size_bytes']:,} bytes, {calls}; nothing was sent"
    if body["without_values"]:
        yield "", f"{_many(body['without_values'], 'profile')} without a value left out"
    if body["too_large"]:
        yield "", f"{_many(body['too_large'], 'row')} over a limit of Target's on their own: dead letters"
    for file in body["files"]:
        yield "written", file


def calls_lines(calls: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """How many calls an hour all of these sources need, and what that is reckoned from."""
    if calls is None:
        return
    if not calls["calls_an_hour"]:
        yield "calls", "not known: no record came in the last 24 hours, or none of those read gave a row"
        return
    allowed = f"{calls['allowed_an_hour']:,} that target.calls_per_minute allows"
    records, profiles = f"{calls['records_an_hour']:,} records", f"{calls['profiles_an_hour']:,} profiles"
    needed = f"{_calls(calls['calls_an_hour'])} calls an hour of the {allowed}"
    yield "calls", f"about {records} an hour → {profiles} → {needed}; windows close by {calls['closed_by']}"
    yield "", "for one replica; reckoned from the busier of the last hour and day, and from how these records merged"
    if calls["calls_if_full_an_hour"] > calls["allowed_an_hour"]:
        yield "", "too many even with full windows: Target would fall behind; send fewer records or attributes"
    elif calls["calls_an_hour"] > calls["allowed_an_hour"]:
        yield "", "windows would wait for their turn and grow meanwhile; a longer window.max_age needs fewer calls"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or NONE


def _calls(number: float) -> str:
    return f"{number:,.1f}" if number < _FEW else f"{number:,.0f}"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
