"""docs/security.md is held to the tests that it names."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text()


def test_every_test_that_the_page_names_exists() -> None:
    """A defence that lost its test is no longer claimed."""
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", path.read_text())
    }
    assert len(named) > 30
    assert named - defined == set()


def test_every_threat_names_its_test() -> None:
    """No row of the tables of threats is without one."""
    tables = re.findall(r"\| threat \| defence \| test \|\n\|---\|---\|---\|\n((?:\|.*\n)+)", PAGE)
    rows = [row for table in tables for row in table.splitlines()]
    assert len(rows) > 20
    assert [row for row in rows if "`test_" not in row] == []
