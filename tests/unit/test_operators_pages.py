"""What the operator's pages call by a name exists under that name: telemetry, reasons, what blocks."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main

from connector.avro.reading import Singly
from connector.profiles.limits import LongValues
from connector.profiles.window import Due
from connector.records import SKIPPED, Reason
from connector.service.cli import app
from connector.service.events import EVENTS
from connector.service.figures import METRICS
from connector.service.reasons import REASONS
from connector.service.settings import Settings
from connector.target.answer import Outcome
from connector.target.following import REFUSED_ADDRESS
from connector.target.status import State
from connector.target.watchlist import End
from connector.telemetry import Part

if TYPE_CHECKING:
    from collections.abc import Iterator
    from enum import StrEnum

ROOT = Path(__file__).parents[2]
CLOSED_LISTS: tuple[type[StrEnum], ...] = (Reason, Singly, Due, LongValues, Outcome, State, End, Part)
TEXTS = {
    **{one.name: f"{one.meaning} {one.action}" for one in METRICS},
    **{f"event {one.name}": f"{one.meaning} {one.action}" for one in EVENTS},
    **{f"reason {reason}": " ".join(told) for reason, told in REASONS.items()},
}
_NAME = r"[a-z]+(?:[._][a-z_]+)+"  # `two_words` or `a.path`: what is one word may be any


def _settings(model: dict[str, Any], schema: dict[str, Any], place: str = "") -> Iterator[str]:
    """Every key by its name and by its path, and every word that one may be set to."""
    if "$ref" in model:
        model = schema["$defs"][model["$ref"].rpartition("/")[2]]
    yield from map(str, model.get("enum", []))
    for part in (*model.get("anyOf", []), *([model["items"]] if "items" in model else [])):
        yield from _settings(part, schema, place)
    for name, inner in model.get("properties", {}).items():
        yield from (name, f"{place}{name}")
        yield from _settings(inner, schema, f"{place}{name}.")


@cache
def names() -> frozenset[str]:
    schema = Settings.model_json_schema()
    lists = {word for words in CLOSED_LISTS for word in words}
    told = {*(one.name for one in METRICS), *(one.name for one in EVENTS), *(f for one in EVENTS for f in one.fields)}
    return frozenset({*_settings(schema, schema), *lists, *SKIPPED, *told, REFUSED_ADDRESS})


@pytest.mark.parametrize("about", TEXTS)
def test_names_in_the_tables_exist(about: str) -> None:
    """A setting, its value, a reason, a figure or an event that a row names is one that there is."""
    marked = re.findall(rf"`({_NAME})\b", TEXTS[about])
    values = re.findall(rf"`{_NAME}: ({_NAME})`", TEXTS[about])
    plain = re.findall(r"(?<!`)\b(?:kafka|registry|window|target|dead_letters|service)\.[a-z_.]*[a-z]", TEXTS[about])
    found = {*marked, *values, *plain}
    assert found - names() - {"requirements/run.txt"} == set()


def test_commands_in_the_tables_exist() -> None:
    """With their options, as an operator would type them."""
    root = typer.main.get_command(app)
    typed = [line for text in TEXTS.values() for line in re.findall(r"`target-connector ([^`]+)`", text)]
    assert len(typed) > 2
    for line in typed:
        command: Any = root
        for word in line.split():
            if word in getattr(command, "commands", {}):
                command = command.commands[word]
            elif word.startswith("--"):
                assert word in {option for parameter in command.params for option in parameter.opts}, line
            else:
                assert word.isupper(), line


@cache
def sources() -> dict[str, str]:
    return {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in (ROOT / "connector").rglob("*.py")}


@pytest.mark.parametrize("reason", Reason, ids=str)
def test_every_reason_is_given_somewhere(reason: Reason) -> None:
    """A reason that no record can have any more leaves the list."""
    tables = {"connector/records.py", "connector/service/reasons.py"}
    assert [name for name, text in sources().items() if f"Reason.{reason.name}" in text and name not in tables]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_every_event_is_logged_somewhere(event: Any) -> None:
    """An event that nobody logs any more leaves the table."""
    constants = re.findall(rf'^(\w+): Final = "{event.name}"$', sources()["connector/service/events.py"], re.MULTILINE)
    assert len(constants) == 1
    said = re.compile(rf"\b{constants[0]}\b")
    assert [name for name, text in sources().items() if said.search(text) and not name.endswith("/events.py")]


def _said() -> str:
    """Every text in the package, an ellipsis for what is put into it."""
    texts = []
    for source in sources().values():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.JoinedStr):
                parts = (str(p.value) if isinstance(p, ast.Constant) else "…" for p in node.values)
                texts.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


def test_what_blocks_is_said_so() -> None:
    """Each text in the table of what blocks is one that the service tells, word by word between the ellipses."""
    page = (ROOT / "docs/operations.md").read_text("utf-8")
    table = page.split("| text | cause | mend |")[1].split("\n\n")[0].splitlines()[2:]
    pieces = {piece.strip(" ,:`") for row in table for piece in re.split("[…,]", row.split("|")[1])}
    said = _said()
    assert [piece for piece in sorted(pieces) if piece not in said] == []
