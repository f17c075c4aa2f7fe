"""The limit of a profile: 64 KB of attributes; beyond, the oldest go, and nobody is told.

That they go, and which, is documented (AdobeDocs profile-bulk-api.md, 3rd-party-id.md). What is counted is not: here
the UTF-8 of names and values, in KB of 1,024 bytes. Pure; called by `profiles`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT_BYTES: Final = 65_536
_MOST_BYTES: Final = 4  # of a character in UTF-8


def beyond(held: Mapping[str, str]) -> list[str]:
    """Name the attributes that have to go so that the rest fits; `held` has the oldest first."""
    if (sum(map(len, held)) + sum(map(len, held.values()))) * _MOST_BYTES <= LIMIT_BYTES:
        return []  # half a microsecond a row, where nearly none needs to be looked at closely
    sizes = {name: len(name.encode()) + len(value.encode()) for name, value in held.items()}
    surplus, gone = sum(sizes.values()) - LIMIT_BYTES, list[str]()
    for name, size_bytes in sizes.items():
        if surplus <= 0:
            break
        gone.append(name)
        surplus -= size_bytes
    return gone
