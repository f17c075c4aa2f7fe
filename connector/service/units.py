"""Sizes and durations as text with a unit: `45MB`, `10s`.

Promises that a number without its unit, a negative one and a misspelt unit are refused with the remedy in the text,
and that what `size_text` and `duration_text` write is read back the same. Called by the settings and the reference.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

SIZE_UNITS: Final = {
    "B": 1,
    "kB": 1_000,
    "MB": 1_000_000,
    "GB": 1_000_000_000,
    "KiB": 1_024,
    "MiB": 1_024**2,
    "GiB": 1_024**3,
}
DURATION_UNITS: Final = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}

# Up to 15 digits: more is no setting, and stays exact as a float.
_QUANTITY: Final = re.compile(r"(?P<sign>[-+]?)(?P<number>[0-9]{1,15}(?:\.[0-9]{1,6})?) ?(?P<unit>[A-Za-z]{0,8})")
SIZE_PATTERN: Final = r"^[0-9]+(\.[0-9]+)? ?(B|kB|MB|GB|KiB|MiB|GiB)$"
DURATION_PATTERN: Final = r"^[0-9]+(\.[0-9]+)? ?(ms|s|m|h)$"


def size(given: object) -> int:
    """Returns the bytes that a text such as `45MB` means; `kB`, `MB`, `GB` are powers of 1000.

    Raises:
        ValueError: it has no unit, an unknown one, is negative, or is no whole number of bytes.
    """
    number, unit = _split(given, tuple(SIZE_UNITS), example="MB")
    size_bytes = number * SIZE_UNITS[unit]
    if size_bytes != int(size_bytes):
        raise ValueError("is not a whole number of bytes; write 45MB, for example")
    return int(size_bytes)


def duration(given: object) -> float:
    """Returns the seconds that a text such as `10s` or `500ms` means.

    Raises:
        ValueError: it has no unit, an unknown one, or is negative.
    """
    number, unit = _split(given, tuple(DURATION_UNITS), example="s")
    return float(number * DURATION_UNITS[unit])


def size_text(size_bytes: int) -> str:
    """Returns a size in the largest decimal unit that holds it exactly."""
    unit = next(unit for unit in ("GB", "MB", "kB", "B") if size_bytes % SIZE_UNITS[unit] == 0)
    return f"{size_bytes // SIZE_UNITS[unit]}{unit}"


def duration_text(seconds: float) -> str:
    """Returns a duration in seconds, or in milliseconds where it is no whole number of seconds."""
    if seconds == int(seconds):
        return f"{int(seconds)}s"
    return f"{Decimal(str(seconds)) * 1000:f}".rstrip("0").rstrip(".") + "ms"


def _split(given: object, units: tuple[str, ...], *, example: str) -> tuple[Decimal, str]:
    """Returns number and unit; every way to get it wrong has a text of its own."""
    known = ", ".join(units)
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ValueError(f"must be a number with a unit; write 10{example}, for example ({known})")  # noqa: TRY004  pydantic turns only ValueError into a problem of the setting
    found = _QUANTITY.fullmatch(str(given).strip())
    if found is None:
        raise ValueError(f"is not a number with a unit; write 10{example}, for example ({known})")
    number, unit = found["number"], found["unit"]
    if found["sign"] == "-":
        raise ValueError(f"must not be negative; write {number}{unit or example}")
    if not unit:
        raise ValueError(f"has no unit; write {number}{example}, if that is what you mean ({known})")
    if unit not in units:
        raise ValueError(f"has the unknown unit {unit}; known are {known}")
    return Decimal(number), unit
