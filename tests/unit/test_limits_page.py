"""docs/limits.md: the page of limits says what the code holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connector.profiles.limits import MAX_VALUE_CHARS
from connector.profiles.mapping import MAX_NAME_CHARS, check_name
from connector.profiles.refusals import MAX_ID_CHARS
from connector.records import Reason
from connector.service.figures import METRICS
from connector.target.batchfile import HARD_MAX_BYTES, HARD_MAX_ROWS
from connector.target.profile_size import MAX_PROFILE_BYTES

PAGE = (Path(__file__).parents[2] / "docs/limits.md").read_text("utf-8")
ROWS = {cells[0]: cells[1:] for cells in (line.strip("| ").split(" | ") for line in PAGE.splitlines() if "|" in line)}
OF_LIMITS = {
    Reason.ID_MISSING,
    Reason.ID_TOO_LONG,
    Reason.ID_FORBIDDEN,
    Reason.UNSAFE_TEXT,
    Reason.VALUE_TOO_LONG,
    Reason.ROW_TOO_LARGE,
    Reason.PROFILE_TOO_LARGE,
}


def test_every_reason_that_is_a_limit_has_its_row() -> None:
    """No limit is held without being listed, and no reason is listed that does not exist."""
    codes = [word for cells in ROWS.values() for word in re.findall(r"`(\w+)`", cells[2])]
    assert [code for code in codes if code in set(Reason)] == [reason for reason in Reason if reason in OF_LIMITS]
    figures = {code for code in codes if code.startswith("target_connector_")}
    assert figures <= {metric.name for metric in METRICS}


@pytest.mark.parametrize(
    ("limit", "number"),
    [
        ("id: length", MAX_ID_CHARS),
        ("attribute: length of the name", MAX_NAME_CHARS),
        ("value: length", MAX_VALUE_CHARS),
        ("profile", MAX_PROFILE_BYTES // 1024),
        ("batch", HARD_MAX_BYTES // 1_000_000),
        ("batch", HARD_MAX_ROWS),
    ],
)
def test_the_numbers_are_those_of_the_code(limit: str, number: int) -> None:
    """A limit that is changed is changed on the page too."""
    assert re.search(rf"\b{number:,}\b", ROWS[limit][0])


def test_the_reserved_names_are_refused() -> None:
    """Each name and beginning that the page calls reserved is one that a mapping cannot have."""
    prefixes, names = (re.findall(r"`([\w.]+)`", part) for part in ROWS["attribute: reserved names"][0].split("; not "))
    assert prefixes == ["profile.", "mbox"]
    assert len(names) > 8
    assert [name for name in (*names, *(prefix + "x" for prefix in prefixes)) if check_name(name) is None] == []
