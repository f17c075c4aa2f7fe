"""docs/feeds.md is held to the settings."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from connector.service.settings import Settings
from tests.system.command import minimal

PAGE = (Path(__file__).parents[2] / "docs" / "feeds.md").read_text("utf-8")


def test_the_feeds_on_the_page_can_be_run() -> None:
    """The example loads as it stands, and its feeds are of different shapes."""
    (snippet,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    settings = Settings.model_validate(minimal() | yaml.safe_load(snippet))
    assert [source.shape for source in settings.sources] == ["debezium", "flat", "salesforce"]
