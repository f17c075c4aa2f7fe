"""The command `preview`, as far as it needs no broker: masks, shares of partitions, calls an hour, files."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command

from connector.errors import SettingError
from connector.kafka import sample
from connector.profiles.window import Limits
from connector.records import ID, LINE, Partition, Rows
from connector.service.cli import app
from connector.service.preview import body, shown
from connector.service.preview.attributes import avro
from connector.service.preview.calls import Closed, Rate, estimate
from connector.service.preview.masking import WIDTH, mask, plain
from connector.service.preview.report import by_number, time_text

LIMITS = Limits(max_rows=1_000, max_bytes=1_000_000, max_age_s=10.0)
P = [Partition("t", number) for number in range(4)]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Gold 17", "Xxxx 99"),
        ("ann@example.org", "xxx@xxxxxxx.xxx"),
        ("Ünal, Zoë", "Xxxx, Xxx"),
        ("東京", "xx"),
        ("١٢", "99"),
        ("a\n\x1b[31m", "x??[99x"),
        ("🦊", "?"),
        ("", ""),
    ],
)
def test_a_mask_shows_the_form(text: str, seen: str) -> None:
    """Letters, capitals, digits by kind, in every script; what could drive a terminal is none of them."""
    assert mask(text) == seen


@given(st.text(max_size=3 * WIDTH))
def test_a_mask_shows_no_letter_and_no_digit(text: str) -> None:
    """Nothing but the kinds, ASCII's punctuation and the sign of a cut, on one short line."""
    seen = mask(text)
    assert not {char for char in seen if char.isalnum()} - {"x", "X", "9"}
    assert len(seen) == min(len(text), WIDTH)
    assert seen.isprintable()
    assert plain(text).isprintable()


@given(st.lists(st.integers(0, 50), max_size=4), st.integers(1, 100))
def test_partitions_share_what_is_asked_for(available: list[int], most: int) -> None:
    """All of it where there is so much, never more, and none gets two fewer than another that has no more to give."""
    held = dict(zip(P, available, strict=False))
    given_ = sample.shares(held, most)
    assert given_.keys() == held.keys()
    assert sum(given_.values()) == min(most, sum(available))
    short = [given_[one] for one in held if given_[one] < held[one]]
    assert not short or max(given_.values()) - min(short) <= 1


def test_the_newest_and_the_first_stand_at_the_ends() -> None:
    """A stretch at the end of each partition, or at its beginning, within what there is."""
    bounds = {P[0]: (5, 9), P[1]: (0, 100)}
    assert sample.newest(bounds, 20) == {P[0]: (5, 9), P[1]: (84, 100)}
    assert sample.oldest(bounds, 20) == {P[0]: (5, 9), P[1]: (0, 16)}
    assert sample.newest({}, 20) == {}


class FakeMessage:
    """One of ten bytes, a millisecond after the one before."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def topic(self) -> str:
        return "t"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def value(self) -> bytes:
        return b"0123456789"

    def error(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_000 + self._offset


class FakeRanges:
    """Gives a hundred messages, as `Ranges.read` would."""

    def read(self, _stretches: Any) -> Any:
        return map(FakeMessage, range(100))


@pytest.mark.parametrize(
    ("max_bytes", "seconds", "records", "cut"),
    [(10**6, 0.0, 100, None), (45, 0.0, 5, "stopped at 0 MB"), (10**6, 20.0, 4, "stopped after 60 s")],
    ids=["all", "the bytes are enough", "the time is up"],
)
def test_a_sample_is_bounded(max_bytes: int, seconds: float, records: int, cut: str | None) -> None:
    """In bytes and in time, and says so; `seconds` pass with each message."""
    ticks = iter(range(1_000))
    found = sample.read(
        FakeRanges(), {P[0]: (0, 100)}, max_bytes=max_bytes, clock=lambda: next(ticks) * seconds,  # type: ignore[arg-type]
    )  # fmt: skip
    assert (found.chunk.frame.height, found.cut) == (records, cut)
    assert (found.first_ms, found.last_ms) == (1_000, 999 + records)


@pytest.mark.parametrize(
    ("records", "rows", "size_bytes", "calls", "closed"),
    [
        (3_600, 3_600, 1e5, 3_600 / 11, Closed.AGE),  # opened after 1 s on average, closed 10 s later
        (3_600_000, 3_600_000, 1e8, 3_600, Closed.ROWS),
        (3_600_000, 360_000, 7.2e9, 7_200, Closed.BYTES),
        (1, 1, 100, 3_600 / 3_610, Closed.AGE),
        (0, 0, 0, 0, None),
        (1_000, 0, 0, 0, None),
    ],
    ids=["age", "rows", "bytes", "a record an hour", "nothing comes", "nothing is sent"],
)
def test_calls_are_reckoned(records: float, rows: float, size_bytes: float, calls: float, closed: Closed) -> None:
    """By whichever closes a window first."""
    found = estimate(records, rows, size_bytes, LIMITS)
    assert found.calls == pytest.approx(calls)
    assert found.closed == closed
    assert found.full_calls <= found.calls


@given(st.floats(1, 1e9), st.floats(0.01, 1), st.floats(1, 1e4))
def test_more_records_never_need_fewer_calls(records: float, merged: float, row_bytes: float) -> None:
    """Twice the records take at least as many calls, and no more than one a record."""
    one, two = (estimate(n, n * merged, n * merged * row_bytes, LIMITS) for n in (records, 2 * records))
    assert one.calls <= two.calls * (1 + 1e-9)
    assert one.calls <= max(one.records, one.full_calls)


def test_the_busier_of_hour_and_day_counts() -> None:
    """A quiet hour at night must not hide the day, nor the day a busy hour."""
    assert Rate(hour=100, day=4_800).an_hour == 200
    assert Rate(hour=500, day=4_800).an_hour == 500


CALLS = {
    "records_an_hour": 12_000,
    "profiles_an_hour": 9_000,
    "calls_an_hour": 360.0,
    "calls_if_full_an_hour": 0.1,
    "closed_by": "max_age",
    "allowed_an_hour": 2_100,
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "about 12,000 records an hour → 9,000 profiles → 360 calls an hour of the 2,100"),
        ({"calls_an_hour": 3_000.0}, "a longer window.max_age needs fewer calls"),
        ({"calls_an_hour": 3_000.0, "calls_if_full_an_hour": 3_000.0}, "Target would fall behind"),
        ({"calls_an_hour": 0.0}, "not known"),
    ],
)
def test_calls_are_said_with_what_to_do(changes: dict[str, Any], said: str) -> None:
    """How many of how many; and the way out where they are too many."""
    assert said in "\n".join(text for _, text in shown.calls_lines(CALLS | changes))


def test_a_share_is_none_or_all_only_if_it_is() -> None:
    """One of 10,000 is not 0%, nor are the others 100%."""
    shares = [shown.share(part, 10_000) for part in (0, 1, 5_000, 9_999, 10_000)]
    assert shares == ["0%", "0.1%", "50.0%", "99.9%", "100%"]
    assert shown.share(0, 0) == "-"


def test_counts_have_one_order() -> None:
    """Whatever came first, so that two looks at the same records read alike."""
    assert list(by_number({"b": 1, "c": 7, "a": 1})) == ["c", "a", "b"]


def test_the_page_shows_options_that_exist() -> None:
    """Every option of docs/preview.md is one of the command, and each of the command's is there."""
    page = (Path(__file__).parents[2] / "docs" / "preview.md").read_text("utf-8")
    known = {option for one in get_command(app).commands["preview"].params for option in one.opts}  # type: ignore[attr-defined]
    assert set(re.findall(r"--[a-z][a-z-]+", page)) == known - {"-c"}


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (pl.String(), "string"),
        (pl.Int64(), "long"),
        (pl.Decimal(10, 2), "decimal(10,2)"),
        (pl.Datetime("ms", "UTC"), "timestamp-millis"),
        (pl.Datetime("us"), "local-timestamp-micros"),
        (pl.List(pl.String()), "array of string"),
        (pl.Struct({"string": pl.String(), "long": pl.Int64()}), "record or union of string, long"),
    ],
)
def test_types_are_named_as_avro_does(dtype: pl.DataType, name: str) -> None:
    """So that they are found again in the schema."""
    assert avro(dtype) == name


ROWS = Rows(("city",), pl.DataFrame({ID: ["a", "b"], LINE: ["Graz", "Wien"]}))


def test_a_body_is_only_for_its_owner(tmp_path: Path) -> None:
    """Whatever the umask says."""
    before = os.umask(0)
    try:
        made, over = body.bodies(ROWS, "pcId")
        (file,) = body.write(made, tmp_path / "body")
    finally:
        os.umask(before)
    assert over == 0
    assert file.read_bytes() == b"batch=pcId,city\na,Graz\nb,Wien"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_row_over_the_limit_of_a_profile_is_left_out() -> None:
    """As the delivery sets it apart, though a body could hold it."""
    large = Rows(("city",), pl.DataFrame({ID: ["a", "b"], LINE: ["x" * 70_000, "Wien"]}))
    (made,), over = body.bodies(large, "pcId")
    assert (bytes(made), over) == (b"batch=pcId,city\nb,Wien", 1)


def test_a_body_never_takes_the_place_of_a_file(tmp_path: Path) -> None:
    """Not even by way of a link that leads nowhere yet."""
    made, _ = body.bodies(ROWS, "pcId")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingError, match="is there already"):
        body.refuse_taken(link)
    with pytest.raises(SettingError, match="can't be written"):
        body.write(made, link)
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(SettingError, match="no folder"):
        body.refuse_taken(tmp_path / "gone" / "body")


def test_several_bodies_have_files_of_their_own(tmp_path: Path) -> None:
    """In the order of their calls."""
    made, _ = body.bodies(ROWS, "pcId")
    assert [file.name for file in body.write([*made, *made], tmp_path / "body")] == ["body", "body.2"]


def test_nothing_of_a_record_drives_the_terminal() -> None:
    """A sample, or a field's name, with an escape or rich's own markup is shown as text."""
    attribute = {"name": "a", "path": "[red]b", "types": ["\x1b[2J"], "samples": ["[bold]"], "cells": 1, "empty": 0}
    made = shown.table([attribute | {"refused": {}}])
    cells = [str(next(iter(column.cells))) for column in made.columns]
    assert cells[1:4] == ["[red]b", "\\x1b[2J", "[bold]"]


@pytest.mark.parametrize(
    ("at_ms", "said"), [(1_795_000_000_000, "2026-11-18T11:06:40Z"), (10**18, None), (-(10**18), None), (None, None)]
)
def test_any_time_of_a_record_is_taken(at_ms: int | None, said: str | None) -> None:
    """Producers write any number; one that is no time is left out."""
    assert time_text(at_ms) == said
