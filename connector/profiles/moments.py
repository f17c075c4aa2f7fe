"""The text of points in time, put together of parts that are looked up: half the time of formatting each on its own.

    2024-01-31 T12:34: 56.789 Z

The days, the minutes of a day and the milliseconds of a minute are few beside the rows of a chunk; with microseconds
their last three digits are one part more. Called by `text`. No I/O.
"""

from __future__ import annotations

from typing import Final

import polars as pl

_MINUTE_MS: Final = 60_000
_DAY_MINUTES: Final = 1_440
_MINUTES: Final = pl.Series([f"T{minute // 60:02}:{minute % 60:02}:" for minute in range(_DAY_MINUTES)])
_MILLIS: Final = pl.Series([f"{ms // 1_000:02}.{ms % 1_000:03}" for ms in range(_MINUTE_MS)])
_MICROS: Final = pl.Series([f"{us:03}" for us in range(1_000)])
_DIGITS: Final = {"ms": 3, "us": 6, "ns": 9}
# A day takes as long to be written as a point in time: at least so many rows for each pay.
_ROWS_PER_DAY: Final = 4


def iso(moments: pl.Series) -> pl.Series:
    """Give the ISO 8601 text of points in time.

    Args:
        moments: Datetime in milliseconds or microseconds, of the years 1 to 9999, of any zone or without one.

    Returns:
        String with 3 or 6 digits of the second, in UTC and with `Z` where there is a zone; null where it was null.
    """
    dtype = moments.dtype
    if not isinstance(dtype, pl.Datetime):
        raise TypeError("no points in time")
    fine = dtype.time_unit == "us"
    counted = moments.to_physical()
    millis = counted // 1_000 if fine else counted
    minutes = millis // _MINUTE_MS
    days = minutes // _DAY_MINUTES
    first, last = days.min(), days.max()
    if not isinstance(first, int) or not isinstance(last, int) or (last - first) * _ROWS_PER_DAY > len(moments):
        return pl.select(formatted(pl.lit(moments), dtype)).to_series()
    dates = pl.int_range(first, last + 1, dtype=pl.Int32, eager=True).cast(pl.Date).cast(pl.String)
    zone = "Z" if dtype.time_zone else ""
    parts = [
        dates.gather(days - first),
        _MINUTES.gather(minutes % _DAY_MINUTES),
        _MILLIS.gather(millis % _MINUTE_MS),
        *([_MICROS.gather(counted % 1_000)] if fine else []),
    ]
    return pl.select(pl.concat_str(*map(pl.lit, parts), *([pl.lit(zone)] if zone else []))).to_series()


def formatted(column: pl.Expr, dtype: pl.Datetime) -> pl.Expr:
    """Build the expression of the same text for one point in time after another, of nanoseconds too."""
    form = f"%Y-%m-%dT%H:%M:%S%.{_DIGITS[dtype.time_unit]}f"
    if dtype.time_zone is None:
        return column.dt.strftime(form)
    return column.dt.convert_time_zone("UTC").dt.strftime(form + "Z")
