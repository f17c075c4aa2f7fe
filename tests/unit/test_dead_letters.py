"""Which letters are meant, which may be replayed, and how they look: the parts without Kafka."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import typer.main
from rich.console import Console

from connector.kafka.letters import Letter, Origin, Position
from connector.records import Partition, Reason
from connector.service.cli import app
from connector.service.dead_letters import filters, judging, shown
from connector.service.dead_letters.filters import Filter
from connector.service.dead_letters.judging import Found, Options, Outcome

ROOT = Path(__file__).parents[2]
CRM = Partition("crm", 0)
NOW_S = 1_800_000_000.0


def letter(  # noqa: PLR0913 (what a letter has, each with a default)
    number: int,
    *,
    offset: int = 5,
    first: int | None = None,
    key: bytes | None = b"anna",
    reason: str = Reason.UNSAFE_TEXT,
    at_ms: int | None = 1_000,
    detail: str = "attribute city",
    place: Partition | None = CRM,
) -> Letter:
    origin = Origin(place, offset, offset if first is None else first) if place else None
    return Letter(Position(0, number), at_ms, reason, origin, "TRANSFORMATION", detail, key, 3)


def judged(*items: Letter | Position, options: Options = Options()) -> tuple[list[int], dict[Outcome, int]]:  # noqa: B008 (frozen)
    """Which letters are to be replayed, by their offset, and the counts of the others."""
    found = Found()
    found.gather(items, lambda _letter: True)
    verdict = judging.judge(found, options, lambda topic: topic == "crm", {"crm": 2})
    return [one.position.offset for one in verdict.replay], dict(verdict.counts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-11-24T08:00", 1_795_507_200_000, id="a time in UTC"),
        pytest.param("2026-11-24T09:00+01:00", 1_795_507_200_000, id="a time with its zone"),
        pytest.param("2026-11-24", 1_795_478_400_000, id="a day"),
        pytest.param("2h", 1_799_992_800_000, id="hours ago"),
        pytest.param("1.5s", 1_799_999_998_500, id="a part of seconds ago"),
    ],
)
def test_a_time_is_a_moment_or_how_long_ago(text: str, expected: int) -> None:
    """Both are milliseconds since 1970."""
    assert filters.moment(text, NOW_S) == expected


@pytest.mark.parametrize("text", ["yesterday", "2", "-2h", "2026-13-01", ""])
def test_no_time_names_the_remedy(text: str) -> None:
    """What is no time is refused with what to write."""
    with pytest.raises(ValueError, match="write 2026-11-24T08:00, in UTC, or 2h"):
        filters.moment(text, NOW_S)


@pytest.mark.parametrize("text", ["", "12", "0:", ":1", "0:-1", "a:b", "0:1:2", "\u0660:\u0661"])
def test_no_position_names_the_remedy(text: str) -> None:
    """What is no position is refused with what to write, and a position is read as it is written."""
    with pytest.raises(ValueError, match="write partition:offset"):
        Position.parse(text)
    assert Position.parse(str(Position(3, 12))) == Position(3, 12)


def test_a_reason_is_of_the_list_or_a_class() -> None:
    """A misspelt reason would list nothing, and so look as if all were well."""
    assert filters.reason("refused") == "refused"
    assert filters.reason("org.apache.kafka.connect.errors.DataException").endswith("DataException")
    with pytest.raises(ValueError, match="did you mean refused"):
        filters.reason("refusd")


@pytest.mark.parametrize(
    ("chosen", "taken"),
    [
        pytest.param(Filter(), True, id="nothing asked"),
        pytest.param(Filter(reasons=frozenset({"unsafe_text", "framing"})), True, id="its reason"),
        pytest.param(Filter(reasons=frozenset({"framing"})), False, id="another reason"),
        pytest.param(Filter(topics=frozenset({"crm"})), True, id="its topic"),
        pytest.param(Filter(topics=frozenset({"shop"})), False, id="another topic"),
        pytest.param(Filter(since_ms=1_000), True, id="since its time"),
        pytest.param(Filter(since_ms=1_001), False, id="since a later time"),
        pytest.param(Filter(until_ms=1_000), False, id="until its time"),
        pytest.param(Filter(until_ms=1_001), True, id="until a later time"),
        pytest.param(Filter(positions=frozenset({Position(0, 7)})), True, id="its position"),
        pytest.param(Filter(positions=frozenset({Position(1, 7)})), False, id="another position"),
        pytest.param(Filter(topics=frozenset({"crm"}), since_ms=1_001), False, id="only one of two"),
    ],
)
def test_a_filter_takes_what_fits_all_of_it(chosen: Filter, taken: object) -> None:
    """Reason, topic, time and position must each fit."""
    assert chosen.takes(letter(7)) is taken


def test_a_letter_of_no_time_or_origin_fits_no_filter_of_those() -> None:
    """What is not known is not guessed."""
    bare = letter(7, at_ms=None, place=None)
    assert not Filter(since_ms=0).takes(bare)
    assert not Filter(until_ms=9_999).takes(bare)
    assert not Filter(topics=frozenset({"crm"})).takes(bare)


def test_letters_are_replayed_in_the_order_of_their_records() -> None:
    """Of one key the newest comes last, in whatever order the letters were written."""
    assert judged(letter(0, offset=9), letter(1, offset=4), letter(2, offset=20, first=5))[0] == [1, 2, 0]


def test_what_was_replayed_is_not_replayed_again() -> None:
    """Neither the letter that a marker names, nor another one of the same record."""
    items: list[Letter | Position] = [letter(0), letter(1), letter(2, offset=6), Position(0, 0)]
    assert judged(*items) == ([2], {Outcome.BEFORE: 2})
    assert judged(*items, options=Options(again=True)) == ([0, 2], {Outcome.DUPLICATE: 1})


@pytest.mark.parametrize(
    ("one", "outcome"),
    [
        pytest.param(letter(0, place=None), Outcome.FOREIGN, id="no origin"),
        pytest.param(letter(0, place=Partition("shop", 0)), Outcome.FOREIGN, id="a topic of others"),
        pytest.param(letter(0, place=Partition("crm", 2)), Outcome.HOMELESS, id="a partition that is no more"),
        pytest.param(letter(0, key=None), Outcome.KEYLESS, id="no key"),
    ],
)
def test_what_cannot_be_replayed_is_counted(one: Letter, outcome: Outcome) -> None:
    """Each under what speaks against it."""
    assert judged(one) == ([], {outcome: 1})


def test_a_newer_record_of_the_key_supersedes() -> None:
    """Newer than the record first was; the same age is the letter's own copy; another key or partition is none."""
    letters = [
        letter(0, offset=5),
        letter(1, offset=50, first=5, key=b"bob"),
        letter(2, key=b"carl"),
        letter(3, key=None),
    ]
    newest = {CRM: {b"anna": 5, b"bob": 6}, Partition("crm", 1): {b"carl": 99}}
    assert judging.superseded(letters, newest) == {Position(0, 1)}
    assert judging.keys(letters) == {CRM: {b"anna": 5, b"bob": 5, b"carl": 5}}


def test_a_detail_that_may_repeat_a_value_is_withheld() -> None:
    """Target's words and those of other programs; ours name no value."""
    for reason in (Reason.REFUSED, Reason.ROW_TOO_LARGE, "java.lang.RuntimeException"):
        assert "anna" not in shown.as_json(letter(0, reason=reason, detail="anna"), replayed=False, values=False)
        assert "anna" in shown.as_json(letter(0, reason=reason, detail="anna"), replayed=False, values=True)
    assert "city" in shown.as_json(letter(0, detail="city"), replayed=False, values=False)


def test_a_text_drives_no_terminal_and_no_markup() -> None:
    """A header may come from anybody who can write to the topic."""
    nasty = letter(0, reason="a.b\x1b[2J[red]x[/]", detail="\x9b\n")
    console = Console(width=200)
    with console.capture() as capture:
        console.print(shown.table([(nasty, False)], values=True))
    assert "a.b\\x1b[2J[red]x[/]" in capture.get()
    assert "\x9b" not in capture.get()
    pairs = shown.whole(nasty, [("h\x1b", b"\x1b")], replayed=False, values=True)
    assert all(line.isprintable() for line in shown.lines(pairs))


def test_the_page_shows_commands_that_exist() -> None:
    """Every command and option of docs/dead-letters.md is one of the program."""
    page = (ROOT / "docs/dead-letters.md").read_text("utf-8")
    commands = typer.main.get_command(app).commands["dead-letters"].commands  # type: ignore[attr-defined]
    examples = re.findall(r"^\$ target-connector dead-letters (\S+)(.*)$", page, re.MULTILINE)
    assert {name for name, _ in examples} == {"list", "show", "replay"}
    for name, rest in examples:
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known
    every = {option for one in commands.values() for parameter in one.params for option in parameter.opts}
    assert set(re.findall(r"`(--[a-z-]+)`", page)) <= every


@pytest.mark.parametrize(
    ("reason", "key", "value_bytes", "gone"),
    [
        pytest.param(Reason.REFUSED, None, None, True, id="refused by Target, and not there when read again"),
        pytest.param(Reason.REFUSED, b"anna", None, False, id="a delete by its key that Target refused"),
        pytest.param(Reason.PROFILE_TOO_LARGE, None, None, True, id="over a limit, and not there when read again"),
        pytest.param(Reason.ROW_TOO_LARGE, None, 3, False, id="too large, without a key"),
        pytest.param(Reason.TOMBSTONE, None, None, False, id="a record without a value or a key"),
        pytest.param(Reason.ID_MISSING, None, None, False, id="the same where its key should hold the id"),
    ],
)
def test_a_record_without_a_value_is_not_one_that_is_gone(
    reason: str, key: bytes | None, value_bytes: int | None, *, gone: bool
) -> None:
    """Only of what Target refused are the records read again, so only they can be gone by then."""
    assert replace(letter(1, key=key, reason=reason), value_bytes=value_bytes).gone == gone
