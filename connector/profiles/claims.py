"""Which source gives which attribute: two that give the same one would overwrite each other, in no order to be told.

Listed names are held against each other by the settings; those that only a schema tells (`attributes: all`) by the
start and by `check`, against the newest schemas, and by the window, for whatever comes. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Claims:
    """The attributes that are taken, and by which source."""

    def __init__(self) -> None:
        """Begin with none."""
        self._owners: dict[str, int] = {}

    def __len__(self) -> int:
        """How many attributes there are in all."""
        return len(self._owners)

    def clashes(self, source: int, names: Iterable[str]) -> Iterator[str]:
        """Say, one line each, which of these names another source has, and what to do about it.

        Args:
            source: its index in the settings.
            names: what it gives.
        """
        for name in names:
            owner = self._owners.get(name, source)
            if owner != source:
                yield (
                    f"attribute {name} is written by sources[{owner}] and sources[{source}]; leave it in one of them,"
                    " or give it another name there (instead of `all`, list the attributes)"
                )

    def take(self, source: int, names: Iterable[str]) -> None:
        """These names are the source's from now on, as far as they were nobody's."""
        for name in names:
            self._owners.setdefault(name, source)
