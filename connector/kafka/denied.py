"""Which topics may not be read: told until one of them gives a record or its end, or none of its partitions is ours.

Librdkafka tells of a refusal once for each partition, while the other topics go on and would hide it. Pure; the source
keeps it, on the consumer thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


class Denied:
    """What was said of each topic."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._said: dict[str, str] = {}

    def add(self, topic: str, text: str) -> None:
        """A topic was refused."""
        self._said[topic] = text

    def read(self, topics: Collection[str]) -> None:
        """A record, or the end, of these topics came."""
        for topic in topics:
            self._said.pop(topic, None)

    def text(self, assigned: Collection[str]) -> str | None:
        """One line about all of them that are still among the topics assigned to us, None if there is none."""
        self._said = {topic: text for topic, text in self._said.items() if topic in assigned}
        return "; ".join(text for _, text in sorted(self._said.items())) or None
