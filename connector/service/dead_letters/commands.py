"""The options of `dead-letters list | show | replay`, and what they print.

Exit codes as everywhere: 2 for what is wrong in settings or options, 1 where Kafka does not do it, each on one line.
The log goes to standard error, so that standard output holds the answer only.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter, deque
from functools import partial
from pathlib import Path  # noqa: TC003 (typer reads the annotations)
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from connector.errors import SettingError
from connector.kafka import letters as shelf
from connector.kafka.letters import Letter, Position
from connector.kafka.ranges import Ranges
from connector.kafka.topics import reads
from connector.service import logs
from connector.service.composition import consumer_properties
from connector.service.dead_letters import filters, replaying, shown, straight, values
from connector.service.dead_letters.filters import Filter
from connector.service.dead_letters.judging import Options, Outcome
from connector.service.dead_letters.replaying import Place
from connector.service.loading import load
from connector.service.options import Config, told, warn_personal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import Message

    from connector.service.settings import Settings

app = typer.Typer(
    name="dead-letters",
    help="List, show and replay the records that could not be delivered; docs/dead-letters.md.",
    no_args_is_help=True,
)
WIDE = 240  # columns, where the output is no terminal


def _moment(text: str) -> int:
    try:
        return filters.moment(text, time.time())
    except ValueError as error:
        raise typer.BadParameter(f"{text} {error}") from None


def _reason(text: str) -> str:
    try:
        return filters.reason(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text} {error}") from None


def _position(text: str) -> Position:
    try:
        return Position.parse(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text} {error}") from None


Reasons = Annotated[
    list[str] | None, typer.Option("--reason", parser=_reason, metavar="REASON", help="Only these; may be repeated.")
]
Topics = Annotated[
    list[str] | None, typer.Option("--topic", metavar="TOPIC", help="Only of these topics; may be repeated.")
]
Since = Annotated[
    int | None,
    typer.Option(parser=_moment, metavar="TIME", help="Written since: 2026-11-24T08:00 in UTC, or 2h for 2 hours ago."),
]
Until = Annotated[int | None, typer.Option(parser=_moment, metavar="TIME", help="Written before, likewise.")]


@app.command("list")
def list_letters(  # noqa: PLR0913 (one per option)
    *,
    config: Config = None,
    reason: Reasons = None,
    topic: Topics = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many; all are counted.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line; the sum on stderr.")] = False,
    show_values: Annotated[
        bool,
        typer.Option("--values", help="Show details that may repeat a value, as Target's words do: personal data."),
    ] = False,
) -> None:
    """List dead letters: where they stand, why they are there, whether they were replayed."""
    place, _ = _place(config)
    chosen = Filter(frozenset(reason or ()), frozenset(topic or ()), since, until)
    newest: deque[Letter] = deque(maxlen=limit)
    reasons: dict[Position, str] = {}
    replayed: set[Position] = set()
    with told(), Ranges(place.properties, name="letters") as ranges:
        for item in shelf.read(ranges, place.topic, since):
            if isinstance(item, Position):
                replayed.add(item)
            elif chosen.takes(item):
                reasons[item.position] = sys.intern(item.reason)
                newest.append(item)
    summary = shown.summary(Counter(reasons.values()), len(replayed & reasons.keys()))
    if show_values:
        warn_personal()
    if as_json:
        for one in newest:
            typer.echo(shown.as_json(one, replayed=one.position in replayed, values=show_values))
        typer.echo(summary, err=True)
        return
    if newest:
        table = shown.table(((one, one.position in replayed) for one in newest), values=show_values)
        Console(width=None if sys.stdout.isatty() else WIDE).print(table)
    typer.echo(summary)


@app.command()
def show(
    positions: Annotated[list[Position], typer.Argument(parser=_position, metavar="POSITION...")],
    *,
    config: Config = None,
    show_values: Annotated[
        bool, typer.Option("--values", help="Show keys, values and Target's words: personal data.")
    ] = False,
) -> None:
    """Show dead letters whole: headers and why; without --values only the sizes of what they hold."""
    place, settings = _place(config)
    found: dict[Position, Message] = {}
    replayed: set[Position] = set()
    with told(), Ranges(place.properties, name="letters") as ranges:
        for item in shelf.read(ranges, place.topic):
            if isinstance(item, Position):
                replayed.add(item)
        found = {shelf.position_of(message): message for message in shelf.fetch(ranges, place.topic, positions)}
    if show_values:
        warn_personal()
    missing = []
    for position in positions:
        letter = shelf.parse(found[position]) if position in found else None
        if isinstance(letter, Letter):
            _show(settings, found[position], letter, replayed=position in replayed, show_values=show_values)
        else:
            missing.append(str(position))
    if missing:
        raise SettingError(f"no letter at {', '.join(missing)} of {place.topic}; `list` shows where they are")


@app.command()
def replay(  # noqa: PLR0913 (one per option)
    positions: Annotated[
        list[Position] | None, typer.Argument(parser=_position, metavar="[POSITION...]", show_default=False)
    ] = None,
    *,
    config: Config = None,
    reason: Reasons = None,
    topic: Topics = None,
    since: Since = None,
    until: Until = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be done.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also what was replayed before.")] = False,
    through: Annotated[
        Literal["topic", "pipeline"],
        typer.Option(
            help="Their topics, exactly once; or straight to Target, at least once, with its own few calls, and what "
            "the service delivers meanwhile may be overwritten by an older value."
        ),
    ] = "topic",
    even_superseded: Annotated[
        bool, typer.Option("--even-superseded", help="Also what has a newer record of its key: an old value may win.")
    ] = False,
    keyless: Annotated[
        bool, typer.Option("--keyless", help="Also what has no key: nobody can tell what is newer.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="So many letters at most, the oldest first.")] = 100_000,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Send dead letters once more: all that match, or those at POSITION...

    Each once, however often this runs, and none over a newer record of its key; `--through pipeline` is weaker.
    """
    place, settings = _place(config)
    chosen = Filter(
        frozenset(reason or ()),
        frozenset(topic or ()),
        since,
        until,
        frozenset(positions) if positions else frozenset(),
    )
    options = Options(again=again, even_superseded=even_superseded, keyless=keyless, limit=limit)
    with told():
        if dry_run or not yes:
            planned = replaying.plan(place, chosen, options)
            _count(planned.counts + Counter({Outcome.REPLAYED: len(planned.letters)}), would="would be ")
            if dry_run or not planned.letters:
                return
            if not sys.stdin.isatty():
                raise SettingError("nobody is there to be asked; add --yes, or --dry-run to count only")
            typer.confirm("Replay them now?", abort=True)
        if through == "topic":
            _count(replaying.replay(place, chosen, options, _progress))
            return
        say = partial(typer.echo, err=True)
        say(f"{straight.CALLS_PER_MINUTE} calls a minute at most, beside those of the service")
        say("what the service delivers from now on may be overwritten by an older value; end it if Target is away")
        _count(asyncio.run(straight.replay(settings, place, chosen, options, say)))


def _show(settings: Settings, message: Message, letter: Letter, *, replayed: bool, show_values: bool) -> None:
    headers: Sequence[tuple[str, bytes | None]] = message.headers() or []  # type: ignore[assignment]
    for line in shown.lines(shown.whole(letter, headers, replayed=replayed, values=show_values)):
        typer.echo(line)
    key, value = message.key(), message.value()
    if not show_values:
        typer.echo("\n".join([*shown.lines([("key", shown.size(key)), ("value", shown.size(value))]), ""]))
        return
    pairs = [("key", "none" if key is None else shown.text(key))]
    fields = None
    if value and letter.origin:
        fields = asyncio.run(values.fields(settings, letter.origin.partition.topic, message))
    if fields is None:
        pairs.append(("value", "none" if value is None else f"0x{value.hex()}"))
    else:
        pairs += [(f"value.{name}", str(content)) for name, content in fields.items()]
    typer.echo("\n".join([*shown.lines(pairs), ""]))


def _count(counts: Counter[Outcome], would: str = "") -> None:
    """Print how many letters had which outcome."""
    for outcome in Outcome:
        if counts[outcome] or outcome is Outcome.REPLAYED:
            typer.echo(f"{counts[outcome]:>9,} {would if outcome is Outcome.REPLAYED else ''}{outcome}")


def _progress(done: int, of: int) -> None:
    typer.echo(f"{done:,} of {of:,} letters", err=True)


def _place(config: Path | None) -> tuple[Place, Settings]:
    settings = load(config, os.environ)
    logs.configure("console", stream=sys.stderr)
    topics = [topic for source in settings.sources for topic in source.topics]
    return Place(consumer_properties(settings), settings.dead_letters.topic, partial(reads, topics)), settings
