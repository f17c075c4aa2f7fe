"""What was seen as one answer of plain values: what `--json` prints, and `shown` puts into words.

Pure. Promises that no value of a record is in it but the samples, which come as they may be shown.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from connector.profiles.window import Limits
from connector.service.preview import calls
from connector.service.schema_stores import framing_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from connector.service.preview.looking import Preview, Seen
    from connector.service.settings import Settings
    from connector.target.batchfile import Body

MINUTES: Final = 60


def answer(  # noqa: PLR0913 (what was seen, and what was made of it)
    settings: Settings, seen: Preview, made: Sequence[Body], too_large: int, written: Sequence[Path], *, whole: bool
) -> dict[str, Any]:
    """Put it together.

    Args:
        settings: all of them.
        seen: the sources, and the rows of all of them.
        made: the bodies of these rows.
        too_large: rows over a limit of Target's on their own.
        written: the files of the bodies.
        whole: whether the records say how fast all of them come; those of one profile do not.
    """
    profiles = 0 if seen.rows is None else seen.rows.height
    size_bytes = sum(map(len, made))
    return {
        "sources": [_source(one, settings.dead_letters.brake.share) for one in seen.sources],
        "body": {
            "profiles": profiles - too_large,
            "without_values": seen.empty,
            "too_large": too_large,
            "size_bytes": size_bytes,
            "calls": len(made),
            "files": [str(file) for file in written],
        },
        "calls": _calls(settings, seen, profiles, size_bytes) if whole else None,
    }


def _source(seen: Seen, share: float) -> dict[str, Any]:
    sample, source = seen.found.sample, seen.source
    return {
        "source": seen.number,
        "topics": dict(seen.found.topics),
        "framing": str(framing_of(source)),
        "shape": source.shape,
        "events": source.events,
        "read": sample.chunk.frame.height,
        "records": seen.records,
        "from": time_text(sample.first_ms),
        "to": time_text(sample.last_ms),
        "cut": sample.cut,
        "rows": seen.rows,
        "profiles": seen.profiles,
        "skipped": by_number(seen.skipped),
        "dead_letters": by_number(seen.refused),
        "long_values": by_number(seen.long),
        "long_values_rule": source.long_values,
        "over_brake": sum(seen.refused.values()) > share * seen.records,
        "attributes": [asdict(one) | {"refused": by_number(one.refused)} for one in seen.attributes],
        "last_hour": seen.found.rate.hour,
        "last_day": seen.found.rate.day,
    }


def by_number(counts: Mapping[str, int]) -> dict[str, int]:
    """Put the most frequent first, and those that are as frequent in the order of their names."""
    return dict(sorted(counts.items(), key=lambda named: (-named[1], named[0])))


def _calls(settings: Settings, seen: Preview, profiles: int, size_bytes: int) -> dict[str, Any] | None:
    """Reckon the calls; None where nothing was read."""
    sources = [one for one in seen.sources if one.records]
    if not sources:
        return None
    single = sum(one.profiles for one in sources)
    records = sum(one.found.rate.an_hour for one in sources)
    # Rows of one profile from several sources become one row, as they did in what was read.
    together = profiles / single if single else 0.0
    rows = together * sum(one.found.rate.an_hour * one.profiles / one.records for one in sources)
    bytes_a_row = size_bytes / profiles if profiles else 0.0
    window = settings.window
    limits = Limits(window.max_rows, window.max_bytes, window.max_age)
    found = calls.estimate(records, rows, rows * bytes_a_row, limits)
    return {
        "records_an_hour": round(found.records),
        "profiles_an_hour": round(found.rows),
        "calls_an_hour": round(found.calls, 1),
        "calls_if_full_an_hour": round(found.full_calls, 1),
        "closed_by": None if found.closed is None else str(found.closed),
        "allowed_an_hour": settings.target.calls_per_minute * MINUTES,
    }


def time_text(at_ms: int | None) -> str | None:
    """A record's time, given in ms since 1970, in UTC; None where it has none, or one that no clock shows."""
    try:
        return None if at_ms is None else f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return None  # producers write any number
