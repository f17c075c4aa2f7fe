"""Target's limit of a single value: what is over it is found, and becomes what the setting says."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.avro.decoder import Changes
from connector.feeds import Feed
from connector.profiles.limits import MAX_VALUE_CHARS, LongValues, suspects
from connector.profiles.mapping import Mapped, Mapping, UnsafeText
from connector.records import ID, ROW, Reason
from connector.telemetry import Silent
from tests.unit.test_mapping_rows import changes

FITS, LONG = "x" * MAX_VALUE_CHARS, "x" * (MAX_VALUE_CHARS + 1)


def mapped(rule: LongValues, schema: dict[str, Any] | None = None, **columns: list[Any]) -> Mapped:
    names = {name: name for name in columns if name != "id"}
    return Mapping("id", names, UnsafeText.ENCODE, long_values=rule).rows(changes(schema, **columns))


def test_a_long_value_is_sent_and_counted() -> None:
    """By default nothing is changed; each attribute that has long values is counted, the others are not named."""
    found = mapped(LongValues.SEND, id=["a", "b", "c"], city=[LONG, FITS, LONG * 9], tier=["gold", FITS, None])
    assert found.rows["city"].to_list() == [LONG, FITS, LONG * 9]
    assert found.refused.is_empty()
    assert found.long == {"city": 2}


def test_a_long_value_is_clipped_and_counted() -> None:
    """Its first 256 characters are kept; its neighbours and its row are not touched."""
    found = mapped(LongValues.CLIP, id=["a", "b"], city=["y" + LONG, FITS], tier=[LONG, None])
    assert found.rows["city"].to_list() == ["y" + FITS[1:], FITS]
    assert found.rows["tier"].to_list() == [FITS, None]
    assert found.long == {"city": 1, "tier": 1}


def test_a_long_value_is_a_dead_letter() -> None:
    """The record is refused; the detail names each such attribute and no value, and nothing is counted as sent."""
    found = mapped(LongValues.DEAD_LETTER, id=["a", "b", "c"], city=[LONG, FITS, LONG], tier=[LONG, "gold", None])
    assert found.refused.select(ROW, "reason").rows() == [(10, Reason.VALUE_TOO_LONG), (12, Reason.VALUE_TOO_LONG)]
    assert found.refused["detail"].to_list() == [
        "more than 256 characters in city, tier",
        "more than 256 characters in city",
    ]
    assert found.rows[ID].to_list() == ["b"]
    assert found.long == {}


def test_a_record_that_is_refused_for_something_else_is_no_long_value() -> None:
    """A record is one dead letter, and its long value is not counted as sent."""
    both = Mapping("id", {"t": "t"}, long_values=LongValues.CLIP).rows(changes(id=["a"], t=["," + LONG]))
    assert both.refused["reason"].to_list() == [Reason.UNSAFE_TEXT]
    assert both.long == {}


@pytest.mark.parametrize(
    ("given_text", "left"),
    [
        pytest.param("é" * 256, "é" * 256, id="512 bytes of 256 characters are not long"),
        pytest.param("😀" * 257, "😀" * 256, id="a character beyond the first plane is one"),
        pytest.param("x" * 255 + "e\u0301", "x" * 255, id="an accent is not parted from its letter"),
        pytest.param("x" * 254 + "e\u0301\u0302", "x" * 254, id="nor is the last of several"),
        pytest.param(
            "e" + "\u0301" * 300, "e" + "\u0301" * 255, id="a letter with endless accents is cut all the same"
        ),
        pytest.param("\n" * 255 + "e\u0301", "\n" * 255, id="an accent after line breaks"),
        pytest.param("x\ny" * 100, ("x\ny" * 100)[:256], id="line breaks are characters"),
    ],
)
def test_characters_are_code_points(given_text: str, left: str) -> None:
    """What is clipped has 256 of them at most and never ends within a letter and its accents."""
    assert mapped(LongValues.CLIP, id=["a"], t=[given_text]).rows["t"].to_list() == [left]


def test_a_value_is_measured_as_it_is_sent() -> None:
    """What `unsafe_text: replace` makes shorter is not long any more."""
    mapping = Mapping("id", {"t": "t"}, UnsafeText.REPLACE, long_values=LongValues.DEAD_LETTER)
    assert mapping.rows(changes(id=["a"], t=["x" * 255 + "\r\n"])).refused.is_empty()


def test_json_is_a_value_too() -> None:
    """A list is measured in its text form."""
    found = mapped(LongValues.DEAD_LETTER, id=["a"], tags=[["x" * 100] * 3])
    assert found.refused["reason"].to_list() == [Reason.VALUE_TOO_LONG]


def test_columns_that_cannot_be_long_are_not_looked_at() -> None:
    """The mapping asks for text only: numbers and times cost nothing."""
    frame = pl.DataFrame({"text": [LONG], "number": ["1"]})
    assert suspects(frame, ["text"]) == ["text"]
    assert suspects(frame, ["number"]) == []
    assert suspects(frame, []) == []
    assert suspects(frame.clear(), ["text"]) == []


@settings(max_examples=60)
@given(st.lists(st.none() | st.integers(0, 400).map("é".__mul__), min_size=1, max_size=6), st.sampled_from(LongValues))
def test_no_record_is_lost_and_no_value_shifts(texts: list[str | None], rule: LongValues) -> None:
    """Whatever the rule, a record is its row with its own text, clipped text, or refused; counts say how many."""
    found = mapped(rule, {"t": pl.String}, id=[f"id-{n}" for n in range(len(texts))], t=texts)
    long = [n for n, text in enumerate(texts) if len(text or "") > MAX_VALUE_CHARS]
    refused = long if rule is LongValues.DEAD_LETTER else []
    assert found.refused[ROW].to_list() == [n + 10 for n in refused]
    assert sum(found.long.values()) == len(long) - len(refused)
    for row in found.rows.iter_rows(named=True):
        text = texts[row[ROW] - 10] or None
        assert row["t"] == (text[:MAX_VALUE_CHARS] if text and rule is LongValues.CLIP else text)


class Told(Silent):
    """Keeps what is said of long values."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, int]]] = []

    def long_values(self, rule: str, counts: Any) -> None:
        self.said.append((rule, dict(counts)))


class Decoded:
    """Has decoded two frames already, each of a writer schema of its own."""

    async def decode(self, topic: str, frame: pl.DataFrame) -> Changes:
        none = frame.select(ROW)
        return Changes([changes(id=["a"], city=[LONG]), changes(id=["b"], tier=[FITS], city=[LONG])], none, none)

    async def newest(self, topic: str) -> None:
        """Not asked for."""


@pytest.mark.parametrize(("rule", "told"), [(LongValues.SEND, [("send", {"city": 2})]), (LongValues.DEAD_LETTER, [])])
async def test_long_values_of_all_schemas_of_a_poll_are_told_together(rule: LongValues, told: list[Any]) -> None:
    """Whoever listens hears the rule and a count for each attribute; nothing where there is none."""
    mapping = Mapping("id", {"city": "city", "tier": "tier"}, long_values=rule)
    read = await Feed(lambda _: True, Decoded(), mapping).read("crm", changes(id=["a"]).clear())
    listener = Told()
    read.tell(listener)
    assert listener.said == told
