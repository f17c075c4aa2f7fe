"""docs/expressions.md is held to the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
import yaml

from connector.errors import SettingError
from connector.profiles.expressions import casts, functions, operators, tree
from connector.profiles.expressions.expression import Expression
from connector.profiles.expressions.functions import TABLE
from connector.profiles.mapping import Mapping
from connector.service.source_side import make_mapping
from connector.service.sources import SourceSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.profiles.expressions.signatures import Function

PAGE = (Path(__file__).parents[2] / "docs" / "expressions.md").read_text("utf-8")


def row(function: Function) -> str:
    examples = "; ".join(
        f"`{example}` → " + ("NULL" if gives is None else f"`{gives}`") for example, gives in function.examples.items()
    )
    return f"| `{function.signature}` | {function.meaning} | {examples} |"


def test_the_table_of_functions_is_that_of_the_code() -> None:
    """Every function with its meaning and examples, in the order of the alphabet, and no other."""
    table = PAGE.partition("| function | what it gives | for example |\n|---|---|---|\n")[2].partition("\n\n")[0]
    assert table == "\n".join(map(row, TABLE.values()))
    assert sorted(TABLE) == [*TABLE]


def test_the_codes_of_strftime_are_those_of_the_code() -> None:
    """Neither more nor less."""
    listed = " ".join(re.findall(r"of dates `(.*?)`, of times\n`(.*?)`", PAGE)[0]).split()
    assert {code[1:] for code in listed} == functions.OF_DATES | functions.OF_TIMES


def test_the_types_of_cast_are_those_of_the_code() -> None:
    """In the order of the error message."""
    (line,) = [line for line in PAGE.splitlines() if line.startswith("| to convert |")]
    assert re.findall(r"\b[A-Z]{4,}\b", line.replace("CAST", "")) == [name.upper() for name in casts.TARGETS]


@pytest.mark.parametrize(
    "said",
    [
        f"{tree.MAX_CHARS:,} characters, {tree.MAX_DEPTH} levels inside each other, {tree.MAX_SIZE} parts",
        f"| a pattern of `LIKE` | {operators.MAX_PATTERN} characters |",
        f"| a separator of `array_to_string` | {functions.MAX_SEPARATOR} characters |",
        f"| a format of `strftime` | {functions.MAX_FORMAT} characters |",
        f"| `left`, `right`, `substr` | {functions.MAX_CUT:,} characters |",
    ],
)
def test_the_limits_are_those_of_the_code(said: str) -> None:
    """Each figure as it is held."""
    assert said in PAGE


def test_the_message_on_the_page_is_what_is_told() -> None:
    """Word for word, of the mistake that is made most often."""
    with pytest.raises(SettingError) as error:
        Mapping("id", {}, where=Expression.parse("tier > 5")).check(
            {"id": pl.Int64(), "tier": pl.String()}, "topic crm"
        )
    assert f"```text\n{error.value}\n```".replace("topic crm:", "topic crm.customers:") in PAGE


def snippets() -> Iterator[SourceSettings]:
    for snippet in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        given = yaml.safe_load(snippet)
        if "sources" in given:
            (given,) = given["sources"]
        yield SourceSettings.model_validate({"topics": ["crm"], "id": "id", **given})


@pytest.mark.parametrize("source", [*snippets()], ids=lambda source: ", ".join(source.attributes))
def test_the_settings_on_the_page_are_settings(source: SourceSettings) -> None:
    """Each snippet loads, in a source that it belongs into, and makes a mapping of expressions."""
    made = make_mapping(source)
    assert made.attributes is not None
    assert any(isinstance(one, Expression) for one in made.attributes.values())
