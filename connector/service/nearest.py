"""The known name that an unknown one was probably meant to be."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_LISTED = 12  # more names than this make no line to read


def nearest(name: str, known: Sequence[str]) -> str:
    """Returns the remedy for an unknown name: the one it resembles, or those there are."""
    close = get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    if len(known) > MAX_LISTED:
        return "docs/configuration.md lists those there are"
    return f"known are {', '.join(known)}"
