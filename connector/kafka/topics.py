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

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from connector.kafka.causes import Causes
from connector.kafka.properties import connection
from connector.records import Partition
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
        partitions: of all of them together, sorted.
        missing: configured names that do not exist.
    """

    topics: Sequence[str]
    partitions: Sequence[Partition]
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
    topics = sorted(found)
    partitions = [Partition(topic, number) for topic in topics for number in range(existing[topic])]
    return TopicState(topics, partitions, missing)


def counted(seen: Mapping[str, tuple[int, KafkaError | None]], before: Mapping[str, int]) -> dict[str, int]:
    """How many partitions each topic has.

    A topic in error, as in an election, keeps the number it had: a smaller sum would let every replica take a larger
    share of the call budget than is its own.
    """
    counts = {}
    for topic, (partitions, error) in seen.items():
        if error is None:
            counts[topic] = partitions
        elif error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART and topic in before:
            counts[topic] = before[topic]
    return counts


class TopicWatch:
    """Asks the cluster again and again."""

    def __init__(  # noqa: PLR0913 (who is asked, about what, and who is told)
        self,
        properties: Mapping[str, Any],
        topics: Sequence[str],
        telemetry: Telemetry,
        *,
        changed: Callable[[TopicState], None],
        remade: Callable[[str], None],
        asked: asyncio.Event | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Watch; on the event loop `changed` is told whenever there is news, `remade` of a topic created again.

        Whoever sets `asked` is told as well, by `changed`, what there was after that.
        """
        self._causes = Causes()
        # Its log tells more than its errors.
        own = {"logger": self._causes.logger, "error_cb": lambda _error: None}
        self._properties = connection(properties) | own
        self._admin = AdminClient(self._properties)
        self._brokers = properties["bootstrap.servers"]
        self._topics = topics
        self._telemetry = telemetry
        self._changed = changed
        self._remade = remade
        self._asked = asked or asyncio.Event()
        self._owes = False  # an answer to whoever asked
        self._sleep = sleep
        self._last: TopicState | None = None
        self._counts: dict[str, int] = {}
        self._ids: dict[str, str] = {}
        self._hidden: set[str] = set()

    async def topics(self) -> Sequence[str]:
        """The topics that exist, once at least one does."""
        while not await self.look() and not (self._last and self._last.topics):
            await self._sleep(EVERY_WHILE_IN_TROUBLE_S)
        return self._last.topics if self._last else ()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            well = await self.look()
            await self._pause(EVERY_S if well else EVERY_WHILE_IN_TROUBLE_S)

    async def _pause(self, seconds: float) -> None:
        """Until the time is over or somebody asks."""
        waits = [asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._asked.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def look(self) -> bool:
        """Ask once; whether all is well."""
        self._owes = self._owes or self._asked.is_set()
        self._asked.clear()
        try:
            state = await asyncio.to_thread(self._ask)
        except KafkaException:
            self._telemetry.trouble(Part.KAFKA, f"no broker of {self._brokers} answers: {self._causes.taken()}")
            return False
        # Where somebody asked meanwhile, this may be from before: the next look, which comes at once, answers.
        if not self._asked.is_set() and (self._owes or state != self._last):
            self._last, self._owes = state, False
            self._changed(state)
        # After that, as it may take its whole time-out where brokers do not know the question.
        ids = await asyncio.to_thread(self._ask_ids, [*state.topics, *state.missing])
        for topic, topic_id in ids.items():
            if self._ids.setdefault(topic, topic_id) != topic_id:
                self._ids[topic] = topic_id
                self._remade(topic)
        trouble = self._missing(state)
        self._telemetry.trouble(Part.KAFKA, trouble)
        return trouble is None

    def _missing(self, state: TopicState) -> str | None:
        """Which topics are not there, with the remedy."""
        if self._hidden:
            names = ", ".join(sorted(self._hidden))
            return (
                f"{names} may not be seen; grant the service's user Read on the topic, and create it if it is missing"
            )
        if state.missing:
            return f"no such topic: {', '.join(state.missing)}; create it or correct sources.topics"
        if not state.topics:
            names = ", ".join(self._topics)
            return f"no topic for {names}; create one, grant the service's user Read on it, or correct sources.topics"
        return None

    def _ask(self) -> TopicState:
        """In a thread: what there is."""
        try:
            metadata = self._admin.list_topics(timeout=ASK_TIMEOUT_S)
        except KafkaException:
            self._admin.poll(0)  # tells the causes
            # A client that was once told of no brokers never asks again (see `lifeline`).
            self._admin = AdminClient(self._properties)
            raise
        if not metadata.brokers:  # told by a broker that is not yet back in its cluster
            raise KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN))
        seen = {name: (len(topic.partitions), topic.error) for name, topic in metadata.topics.items()}
        self._counts = counted(seen, self._counts)
        return match(self._topics, self._counts)

    def _ask_ids(self, topics: Sequence[str]) -> dict[str, str]:
        """In a thread: the ids of these topics, as far as the brokers tell.

        Those that we may not see are noted, as the list of all topics leaves them out.
        """
        self._hidden = set()
        if not topics:
            return {}
        asked = self._admin.describe_topics(TopicCollection(list(topics)), request_timeout=ASK_TIMEOUT_S)
        ids = {}
        for topic, answer in asked.items():
            try:
                ids[topic] = str(answer.result(ASK_TIMEOUT_S).topic_id)
            except TimeoutError:
                continue
            except KafkaException as error:
                if error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                    self._hidden.add(topic)
        return ids
