"""Sizes and durations."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.service import units


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        pytest.param("45MB", 45_000_000, id="MB is a million bytes"),
        pytest.param("45MiB", 47_185_920, id="MiB is 1024 squared"),
        pytest.param("1.5kB", 1_500, id="a fraction may come out even"),
        pytest.param("7 GB", 7_000_000_000, id="a space may stand before the unit"),
        pytest.param("512B", 512, id="bytes have a unit too"),
    ],
)
def test_a_size_is_number_and_unit(text: str, size_bytes: int) -> None:
    """Decimal units are powers of 1000, binary ones of 1024."""
    assert units.size(text) == size_bytes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("500ms", 0.5, id="milliseconds"),
        pytest.param("10s", 10.0, id="seconds"),
        pytest.param("2m", 120.0, id="minutes"),
        pytest.param("1h", 3600.0, id="hours"),
    ],
)
def test_a_duration_is_number_and_unit(text: str, seconds: float) -> None:
    """Durations come out in seconds."""
    assert units.duration(text) == seconds


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        pytest.param("45", "no unit; write 45MB", id="text without a unit"),
        pytest.param(45, "no unit; write 45MB", id="a number without a unit"),
        pytest.param("-45MB", "must not be negative; write 45MB", id="a negative size"),
        pytest.param(-45, "must not be negative; write 45MB", id="a negative number"),
        pytest.param("45mb", "unknown unit mb", id="a unit in the wrong case"),
        pytest.param("45 Mbit", "unknown unit Mbit", id="a unit of something else"),
        pytest.param("0.5B", "whole number of bytes", id="half a byte"),
        pytest.param("MB", "not a number with a unit", id="a unit without a number"),
        pytest.param("", "not a number with a unit", id="nothing"),
        pytest.param("4\u0665MB", "not a number with a unit", id="digits of another script"),
        pytest.param("9" * 5000 + "MB", "not a number with a unit", id="more digits than Python converts"),
        pytest.param(True, "must be a number with a unit", id="a truth value"),
        pytest.param(None, "must be a number with a unit", id="null"),
        pytest.param(float("nan"), "not a number with a unit", id="YAML's .nan"),
    ],
)
def test_a_wrong_size_is_refused_with_the_remedy(wrong: object, told: str) -> None:
    """Nothing is guessed: a size that could mean two things, or nothing, says what to write."""
    with pytest.raises(ValueError, match=told):
        units.size(wrong)


@settings(max_examples=200)
@given(st.integers(min_value=0, max_value=10**14))
def test_a_size_is_read_back_as_it_was_shown(size_bytes: int) -> None:
    """What the start-up log shows can be written into the file."""
    assert units.size(units.size_text(size_bytes)) == size_bytes


@settings(max_examples=200)
@given(st.integers(min_value=0, max_value=10**9))
def test_a_duration_is_read_back_as_it_was_shown(milliseconds: int) -> None:
    """The same for durations, down to the millisecond."""
    assert units.duration(units.duration_text(milliseconds / 1000)) == milliseconds / 1000


@settings(max_examples=300)
@given(st.one_of(st.text(), st.floats(), st.integers(), st.none(), st.booleans()))
def test_whatever_is_written_is_read_or_refused(wrong: object) -> None:
    """No input makes anything but a value or a ValueError."""
    try:
        assert units.duration(wrong) >= 0
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017  either outcome is right; only the text is checked
