"""Who listens to what is said of one part, for the tests of whatever says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.telemetry import Silent

if TYPE_CHECKING:
    from connector.telemetry import Part


class Troubles(Silent):
    """Keeps each text, None for "well again"; of another part none may be."""

    def __init__(self, part: Part) -> None:
        self.said: list[str | None] = []
        self._part = part

    def trouble(self, part: Part, text: str | None) -> None:
        assert part is self._part
        self.said.append(text)
