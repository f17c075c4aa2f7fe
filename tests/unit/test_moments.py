"""The text of points in time, looked up part by part, is that of formatting each."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.profiles.moments import iso

ANY = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999_999))  # noqa: DTZ001 (both kinds)
CLOSE = st.datetimes(dt.datetime(1969, 12, 30), dt.datetime(1970, 1, 2))  # noqa: DTZ001 (around 0)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", None])
@pytest.mark.parametrize(("unit", "digits"), [("ms", 3), ("us", 6)])
@settings(max_examples=150)
@given(st.lists(st.none() | CLOSE, max_size=9) | st.lists(st.none() | CLOSE | ANY, max_size=9), st.integers(0, 60))
def test_it_is_iso_8601(
    unit: Literal["ms", "us"], digits: int, zone: str | None, times: list[dt.datetime | None], again: int
) -> None:
    """Of points in time close together and far apart, before 1970 too, in Python's own words; always those of UTC."""
    cut = [
        time and time.replace(microsecond=time.microsecond // 10 ** (6 - digits) * 10 ** (6 - digits)) for time in times
    ]
    name = "milliseconds" if unit == "ms" else "microseconds"
    expected = [time and time.isoformat(timespec=name) + ("Z" if zone else "") for time in cut]
    given_zone = pl.Series(times, dtype=pl.Datetime(unit, zone and "UTC")).cast(pl.Datetime(unit, zone))
    found = iso(pl.concat([given_zone] * (1 + again)))  # the more rows, the more days are looked up
    assert found.to_list() == expected * (1 + again)
    assert found.dtype == pl.String


def test_nothing_else_is_a_point_in_time() -> None:
    """A number is not taken for one."""
    with pytest.raises(TypeError):
        iso(pl.Series([0]))
