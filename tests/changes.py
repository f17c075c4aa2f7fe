"""Settings for tests with some of them changed, for every tier: imports nothing of the package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

GONE = object()
"""In `changed`, in place of a value: the key goes."""


def changed(settings: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with some changed: dotted names, `__` for the dot; `sources` means the first one."""
    for dotted, value in changes.items():
        *sections, key = dotted.split("__")
        place: Any = settings
        for section in sections:
            place = place.setdefault(section, {})
            place = place[0] if isinstance(place, list) else place
        if value is GONE:
            del place[key]
        else:
            place[key] = value
    return settings
