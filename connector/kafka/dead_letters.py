"""Dead letters: the records that could not be delivered, in a topic, with their reason.

A dead letter keeps its record's key, value and headers, so that it can be replayed, and adds Kafka Connect's
`__connect.errors.*` headers, so that existing tools read it, and a reason code of our own. `send` returns only once
the brokers have acknowledged every letter (`acks=all`); the pipeline lets no offset pass it before that. Whatever is
wrong meanwhile, rights and replicas included, is told with its remedy and waited out.
"""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from confluent_kafka import KafkaError, KafkaException, Producer

from connector.errors import BlockedError
from connector.kafka.causes import Causes
from connector.kafka.headers import pairs_of
from connector.kafka.properties import connection
from connector.telemetry import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connector.records import DeadLetter
    from connector.telemetry import Telemetry

ACK_TIMEOUT_MS = 30_000  # of one attempt; another follows, for ever
ATTEMPT_S = ACK_TIMEOUT_MS / 1000 + 10.0  # librdkafka has told of each letter by then; if not, it never will
SLOW_S = 3.0  # without an acknowledgement: the operator is told why
ASK_TIMEOUT_S = 2.0  # for the topic's replicas
AGAIN_S = 1.0  # between two attempts; some errors come at once
MAX_LETTER_BYTES = 1_000_000_000  # librdkafka's highest
# In place of a record's own headers, where the client cannot read them.
_UNREADABLE: list[tuple[str, str | bytes | None]] = [
    ("target-connector.headers", b"left out: a name among them is not UTF-8")
]
_RIGHTS = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,  # an idempotent producer without Write on any topic
}
_MISSING = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
REASON_HEADER = "target-connector.reason"


class DeadLetters(Protocol):
    """Where dead letters go."""

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        """Return once all are stored."""


class DeadLetterTopic:
    """A Kafka topic of dead letters."""

    def __init__(
        self,
        properties: Mapping[str, Any],
        topic: str,
        group_id: str,
        telemetry: Telemetry,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make the producer.

        Args:
            properties: of the consumer; what concerns only consuming is left out.
            topic: the dead-letter topic.
            group_id: said in the headers, as the connector's name.
            telemetry: hears when the topic can't be written.
            clock: monotonic, in seconds.
        """
        self.topic = topic
        self._group_id = group_id
        self._telemetry = telemetry
        self._clock = clock
        self._closing = threading.Event()
        self._turn = asyncio.Lock()  # what came in and what was refused are sent at once, by one producer
        self._causes = Causes()
        own = {
            "enable.idempotence": True,
            "linger.ms": 5,
            "message.timeout.ms": ACK_TIMEOUT_MS,
            "logger": self._causes.logger,
            "error_cb": lambda _error: None,  # each letter's own error is told
        }
        # The record was in Kafka once, so that only the brokers decide whether its letter is too large. That a topic is
        # missing is told after 5 s, not after 30: it was not created a moment ago.
        defaults = {"message.max.bytes": MAX_LETTER_BYTES, "topic.metadata.propagation.max.ms": 5_000}
        self._properties = defaults | connection(properties) | own
        self._producer = Producer(self._properties)

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        """Write letters until the brokers have all of them.

        Raises:
            BlockedError: a letter is larger than the topic takes.
            CancelledError: closed meanwhile; some letters may not be stored.
        """
        left = list(letters)
        async with self._turn:
            while left:
                if self._closing.is_set():
                    raise asyncio.CancelledError
                left, error = await asyncio.to_thread(self._attempt, left)
                self._tell(await asyncio.to_thread(self._judge, error) if left else None)
                if left:
                    await asyncio.sleep(AGAIN_S)

    def close(self) -> None:
        """Give up what `send` is still trying; nothing is lost, as its offsets are not stored."""
        self._closing.set()

    def _attempt(self, letters: Sequence[DeadLetter]) -> tuple[list[DeadLetter], KafkaError | None]:
        """Write each letter once; returns those that were not acknowledged, and the last error."""
        errors: list[KafkaError] = []
        acknowledged: set[int] = set()
        answered = 0

        def outcome(number: int, error: KafkaError | None) -> None:
            nonlocal answered
            answered += 1
            if error is None:
                acknowledged.add(number)
            else:
                errors.append(error)

        began = self._clock()
        told_at = began + SLOW_S
        for number, letter in enumerate(letters):
            self._produce(letter, partial(outcome, number), began + ATTEMPT_S)
        while answered < len(letters) and self._goes_on(began + ATTEMPT_S):
            self._producer.poll(0.1)
            if self._clock() > told_at:
                self._tell(self._why_slow())
                told_at = self._clock() + SLOW_S
        if answered < len(letters) or any(_is_the_end(error) for error in errors):
            self._producer = Producer(self._properties)
        left = [letter for number, letter in enumerate(letters) if number not in acknowledged]
        return left, errors[-1] if errors else None

    def _goes_on(self, until: float) -> bool:
        return not self._closing.is_set() and self._clock() < until

    def _produce(self, letter: DeadLetter, outcome: Callable[[KafkaError | None], None], until: float) -> None:
        while self._goes_on(until):
            try:
                self._producer.produce(
                    self.topic,
                    value=letter.record.value(),
                    key=letter.record.key(),
                    headers=headers(letter, self._group_id),
                    on_delivery=lambda error, _message: outcome(error),
                )
            except BufferError:
                self._producer.poll(0.1)  # librdkafka's own queue is full
            except KafkaException as error:
                outcome(error.args[0])
                return
            else:
                return

    def _tell(self, why: str | None) -> None:
        text = None if why is None else f"the dead-letter topic {self.topic} can't be written: {why}"
        self._telemetry.trouble(Part.DEAD_LETTERS, text)

    def _judge(self, error: KafkaError | None) -> str:
        """Why it is tried again, with the remedy; raises where that would not help. May block for a moment."""
        if error is None:
            return self._why_slow()
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            msg = f"a dead letter is too large for the topic {self.topic}; raise its max.message.bytes"
            raise BlockedError(msg)
        if error.code() in _RIGHTS:
            return f"grant the service's user Write on the topic {self.topic}"
        if error.code() in _MISSING:
            return "there is no such topic; create it"
        return self._why_slow()

    def _why_slow(self) -> str:
        """Why the brokers don't acknowledge, as far as they tell; blocks for a moment."""
        try:
            metadata = self._producer.list_topics(self.topic, timeout=ASK_TIMEOUT_S)
        except KafkaException:
            self._producer.poll(0)  # tells the causes
            return f"no broker answers: {self._causes.taken()}"
        partitions = metadata.topics[self.topic].partitions.values()
        if any(one.leader < 0 for one in partitions):
            return "a partition of it has no leader; start the brokers that are down"
        few = min(((len(one.isrs), len(one.replicas)) for one in partitions), default=(0, 0))
        if few[0] < few[1]:
            return (
                f"only {few[0]} of {few[1]} replicas are in sync, and its min.insync.replicas may want more; start the"
                " brokers that are down"
            )
        return "its brokers do not acknowledge; look at their logs"


def _is_the_end(error: KafkaError) -> bool:
    """Whether the producer may never write again: a fatal error, or it lost its brokers for good (see `lifeline`)."""
    return error.fatal() or error.code() == KafkaError._MSG_TIMED_OUT


def headers(letter: DeadLetter, group_id: str) -> list[tuple[str, str | bytes | None]]:
    """The record's own headers, then why and where from; a letter of a letter keeps only the newest why."""
    record = letter.record
    found = pairs_of(record)
    own = _UNREADABLE if found is None else [(name, value) for name, value in found if not _ours(name)]
    said = {
        "__connect.errors.topic": record.topic(),
        "__connect.errors.partition": record.partition(),
        "__connect.errors.offset": record.offset(),
        "__connect.errors.connector.name": group_id,
        "__connect.errors.task.id": 0,
        "__connect.errors.stage": letter.stage,
        "__connect.errors.class.name": "target-connector",
        "__connect.errors.exception.class.name": letter.reason,
        "__connect.errors.exception.message": letter.detail,
        "__connect.errors.exception.stacktrace": "",
        REASON_HEADER: letter.reason,
    }
    return own + [(name, str(value).encode()) for name, value in said.items()]


def _ours(name: str) -> bool:
    return name.startswith("__connect.errors.") or name == REASON_HEADER
