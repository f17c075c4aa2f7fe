"""What the benchmarks themselves promise: the windows are what their names say, and the chart is a picture."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import polars as pl
import pytest

from benchmarks.body import KINDS
from benchmarks.chart import LABELS, svg
from benchmarks.command import PREFIX, Setting, settings
from benchmarks.stages import PARTITION, Clock
from benchmarks.windows import POLL, STEPS, Case, Subject
from connector.avro.stores import SchemaFile
from connector.records import OFFSET
from connector.service.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("again", [0.0, 0.1, 1.0], ids=lambda share: f"{share:.0%} of the ids again")
@pytest.mark.parametrize("text", KINDS)
def test_events_are_readable_and_as_many_profiles_come_again_as_the_case_says(again: float, text: str) -> None:
    """Every event of a window is decoded in columns, and its ids are as often new as the case says."""
    subject = Subject(Case("any", columns=4, again=again, text=text, events=1_000))
    (chunk,) = subject.chunks
    changes = asyncio.run(subject.steps.decoder.decode(PARTITION.topic, chunk))
    (frame,) = changes.frames
    assert changes.unreadable.is_empty()
    assert frame.columns[-4:] == ["customer_id", "attribute1", "attribute2", "attribute3"]
    assert frame["customer_id"].n_unique() == max(1, round(1_000 * (1 - again)))


def test_a_window_of_several_polls_is_one_window() -> None:
    """Chunks go on where the one before ended, and their body is that of the same events in one chunk."""
    subject = Subject(Case("any", columns=2, again=0.5, events=2 * POLL))
    clock, together = Clock(), pl.concat(subject.chunks, rechunk=True)
    size_bytes = asyncio.run(subject.steps.to_body(clock, subject.chunks))
    assert together[OFFSET].to_list() == list(range(2 * POLL))
    assert {step: len(clock.seconds[step]) for step in STEPS} == dict.fromkeys(STEPS, 2) | {"merge": 1, "body": 1}
    assert size_bytes == asyncio.run(subject.steps.to_body(Clock(), [together]))


def test_the_chart_is_svg_whose_bars_are_as_long_as_their_figures() -> None:
    """Names and figures stand in it as text, whatever characters they have, and lengths are in proportion."""
    root = ET.fromstring(svg("Events & more", {"`a` < b": 200_000.0, "c": 50_000.0}))  # noqa: S314 (our own)
    said = [element.text for element in root.iter(f"{SVG}text")]
    lengths = [int(element.attrib["width"]) for element in root.iter(f"{SVG}rect")]
    lefts = {element.attrib["x"] for element in root.iter(f"{SVG}rect")}
    assert said == ["Events & more", "a < b", "200,000", "c", "50,000"]
    assert lengths[0] == pytest.approx(4 * lengths[1], abs=4)
    assert lefts == {str(LABELS)}


def test_the_settings_of_a_command_are_ones_that_it_takes(tmp_path: Path) -> None:
    """Each name is one of the settings, and the schema is where they say: a figure is not that of a refusal."""
    schema = {"type": "record", "name": "Customer", "fields": [PREFIX, {"name": "key", "type": "string"}]}
    wanted = Setting("broker:9092", "crm", "http://127.0.0.1:1", schema, "key", {"prefix": "prefix"}, "1s", drain="5s")
    found = Settings.model_validate(settings(wanted, tmp_path / "schema.avsc"))
    assert (found.window.max_age, found.service.drain, found.service.admin_port) == (1.0, 5.0, 0)
    SchemaFile.load(tmp_path / "schema.avsc")
    assert settings(wanted, tmp_path / "schema.avsc")["kafka"]["group_id"] != found.kafka.group_id
