"""The reasons of dead letters: a closed list that the docs hold whole."""

from __future__ import annotations

from pathlib import Path

from connector.records import Reason
from connector.service import reference
from connector.service.reasons import REASONS

ROOT = Path(__file__).parents[2]


def test_every_reason_has_a_meaning_and_a_remedy() -> None:
    """Nobody adds a reason without telling the operator what it means and what to do."""
    assert set(REASONS) == set(Reason)
    assert list(REASONS) == list(Reason)
    assert all(text.endswith(".") for meaning in REASONS.values() for text in meaning)


def test_the_page_of_reasons_is_the_list() -> None:
    """The page is made of the table, and holds each reason on a row of its own."""
    page = (ROOT / "docs/dead-letter-reasons.md").read_text("utf-8")
    assert page == reference.reasons_markdown()
    shown = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert shown == list(Reason)
