"""The pages that are made of the code."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from connector.service import environment, reference
from connector.service.settings import Settings, describe
from connector.service.sources import SourceSettings

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("name", "text"), reference.pages().items(), ids=list(reference.pages()))
def test_a_page_says_what_the_code_says(name: str, text: str) -> None:
    """After a change of settings, metrics or events: python -m connector.service.reference."""
    assert (ROOT / name).read_text("utf-8") == text


def test_the_pages_are_written_where_the_repository_has_them(tmp_path: Path) -> None:
    """The command makes the directories that it needs."""
    reference.main(tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")} == set(reference.pages())


def test_the_example_is_valid() -> None:
    """Whoever copies it gets settings that load."""
    settings = Settings.model_validate(yaml.safe_load(reference.example()))
    assert settings.sources[0].attributes == {"loyaltyTier": "tier", "city": "address.city"}


def test_the_example_is_complete() -> None:
    """Every key stands in it, if only as a comment."""
    text = reference.example()
    names = [key.path[-1] for key in environment.all_keys()] + list(SourceSettings.model_fields)
    assert [name for name in names if not re.search(rf"^[ #-]*{name}:", text, re.MULTILINE)] == []


def test_the_example_shows_the_defaults() -> None:
    """What it says of the window, the dead letters and the process is what happens without saying it."""
    shown = describe(Settings.model_validate(yaml.safe_load(reference.example())))
    for name in ("window", "dead_letters", "service"):
        default = Settings.model_fields[name].default
        assert shown[name] == default.model_dump(mode="json")


def schema_check() -> Any:
    """A validator; jsonschema comes with kubernetes-validate and has no types."""
    validators = importlib.import_module("jsonschema")
    return validators.Draft202012Validator(json.loads(reference.json_schema()))


def test_an_editor_accepts_the_example_by_the_schema() -> None:
    """The JSON Schema and the model agree on what is right."""
    assert list(schema_check().iter_errors(yaml.safe_load(reference.example()))) == []


@pytest.mark.parametrize(
    ("section", "keys"),
    [
        pytest.param("window", {"max_bytes": 45}, id="a size without a unit"),
        pytest.param("window", {"max_rows": 0}, id="too few rows"),
        pytest.param("target", {"client": "acme", "calls_per_minute": 51}, id="too many calls"),
        pytest.param("service", {"colour": "red"}, id="an unknown key"),
    ],
)
def test_an_editor_marks_what_would_be_refused(section: str, keys: dict[str, Any]) -> None:
    """The JSON Schema and the model agree on what is wrong."""
    values = yaml.safe_load(reference.example()) | {section: keys}
    assert list(schema_check().iter_errors(values)) != []


@pytest.mark.parametrize(
    ("keys", "fine"),
    [
        ({"id": {"value": "lower(email)"}, "where": "consent"}, True),
        ({"attributes": {"city": "city", "source": {"value": "'crm'"}}}, True),
        ({"attributes": {"source": {"valu": "'crm'"}}}, False),
        ({"attributes": {"source": {"value": 5}}}, False),
        ({"id": {"value": "lower(email)", "path": "email"}}, False),
    ],
)
def test_an_editor_knows_paths_and_expressions(keys: dict[str, Any], *, fine: bool) -> None:
    """Each may stand in place of the other, and nothing else."""
    values = yaml.safe_load(reference.example())
    values["sources"][0] |= keys
    assert (list(schema_check().iter_errors(values)) == []) == fine


def test_a_default_is_shown_as_it_is_written() -> None:
    """Nobody is led to write a bare number by the documentation."""
    schema = json.loads(reference.json_schema())
    assert schema["$defs"]["WindowSettings"]["properties"]["max_age"]["default"] == "10s"
    assert schema["$defs"]["WindowSettings"]["properties"]["max_bytes"]["default"] == "45MB"
