"""docs/shapes.md is held to the settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from connector.service.sources import SourceSettings

PAGE = (Path(__file__).parents[2] / "docs" / "shapes.md").read_text("utf-8")


@pytest.mark.parametrize("snippet", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_the_settings_on_the_page_of_shapes_are_settings(snippet: str) -> None:
    """Each snippet loads, alone or in a source that it belongs into."""
    given = yaml.safe_load(snippet)
    if "sources" in given:
        (given,) = given["sources"]
    whole = {"topics": ["crm"], "id": "id", "attributes": {"tier": "tier", "city": "city"}, "shape": "debezium"}
    assert SourceSettings.model_validate(whole | given).model_fields_set >= set(given)


def test_every_shape_has_its_place_on_the_page() -> None:
    """In the table at its top, and but for `flat` under a heading of its own."""
    shapes = get_args(SourceSettings.model_fields["shape"].annotation)
    assert [shape for shape in shapes if f"| `{shape}` |" not in PAGE] == []
    assert [shape for shape in shapes if f"\n## {shape}\n" not in PAGE] == ["flat"]
