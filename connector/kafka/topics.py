"""Watches what the cluster has of the topics we read: whether they exist, and how many partitions they have in all.

The call budget needs the number of partitions, and an operator wants to know that a topic is missing or that no broker
answers, also where the consumer itself stays silent (it reports neither for a regular expression, nor under the newer
group protocol). A client of its own, as the consumer belongs to its thread.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from connector.kafka.properties import connection
from connector.telemetry import Part

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from connector.telemetry import Telemetry

ASK_TIMEOUT_S = 3.0  # a stop may have to wait for it
EVERY_S = 10.0  # a grown topic changes the share of the budget: a minute late would be too late
EVERY_WHILE_IN_TROUBLE_S = 1.0


@dataclass(frozen=True, slots=True)
class TopicState:
    """What the cluster has.

    Attributes:
        topics: those that match, sorted.
        partitions: of all of them together.
        missing: configured names that do not exist.
    """

    topics: Sequence[str]
    partitions: int
    missing: Sequence[str]


def reads(configured: Iterable[str], topic: str) -> bool:
    """Whether a topic is meant by one of the configured names and expressions.

    The client matches expressions with POSIX `regexec`, which searches; the settings refuse those that Python would
    take differently.
    """
    return any(re.search(name, topic) if name.startswith("^") else name == topic for name in configured)


def match(configured: Iterable[str], existing: Mapping[str, int]) -> TopicState:
    """Hold the configured names and expressions against the topics that exist (name to number of partitions)."""
    wanted = list(configured)
    found = {topic for topic in existing if reads(wanted, topic)}
    missing = [name for name in wanted if not name.startswith("^") and name not in existing]
    return TopicState(sorted(found), sum(existing[topic] for topic in found), missing)


class TopicWatch:
    """Asks the cluster again and again."""

    def __init__(
        self,
        properties: Mapping[str, Any],
        topics: Sequence[str],
        telemetry: Telemetry,
        changed: Callable[[TopicState], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Watch; `changed` is told on the event loop whenever there is news."""
        self._admin = AdminClient(connection(properties) | {"error_cb": self._on_error})
        self._brokers = properties["bootstrap.servers"]
        self._topics = topics
        self._telemetry = telemetry
        self._changed = changed
        self._sleep = sleep
        self._last: TopicState | None = None
        self._last_error = "no answer"

    async def topics(self) -> Sequence[str]:
        """The topics that exist, once at least one does."""
        while not await self.look() and not (self._last and self._last.topics):
            await self._sleep(EVERY_WHILE_IN_TROUBLE_S)
        return self._last.topics if self._last else ()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            well = await self.look()
            await self._sleep(EVERY_S if well else EVERY_WHILE_IN_TROUBLE_S)

    async def look(self) -> bool:
        """Ask once; whether all is well."""
        try:
            state = await asyncio.to_thread(self._ask)
        except KafkaException:
            self._admin.poll(0)  # tells `_on_error` why
            remedy = "check kafka.bootstrap_servers and kafka.properties"
            self._telemetry.trouble(Part.KAFKA, f"no broker of {self._brokers} answers ({self._last_error}); {remedy}")
            return False
        if state != self._last:
            self._last = state
            self._changed(state)
        if state.missing or not state.topics:
            names = ", ".join(state.missing or self._topics)
            self._telemetry.trouble(Part.KAFKA, f"no such topic: {names}; create it or correct sources.topics")
            return False
        self._telemetry.trouble(Part.KAFKA, None)
        return True

    def _ask(self) -> TopicState:
        metadata = self._admin.list_topics(timeout=ASK_TIMEOUT_S)
        return match(
            self._topics,
            {name: len(topic.partitions) for name, topic in metadata.topics.items() if topic.error is None},
        )

    def _on_error(self, error: object) -> None:
        self._last_error = str(getattr(error, "str", lambda: error)())
