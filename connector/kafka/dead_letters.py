"""Dead letters: the records that could not be delivered, in a topic, with their reason.

A dead letter keeps its record's key, value and headers, so that it can be replayed, and adds Kafka Connect's
`__connect.errors.*` headers, so that existing tools read it, and a reason code of our own. `send` returns only once
the brokers have acknowledged every letter (`acks=all`); the pipeline lets no offset pass it before that.
"""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from confluent_kafka import KafkaError, KafkaException, Producer

from connector.errors import BlockedError, FatalError
from connector.kafka.properties import connection
from connector.telemetry import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connector.records import DeadLetter
    from connector.telemetry import Telemetry

ACK_TIMEOUT_MS = 30_000  # of one attempt; another follows, for ever
AGAIN_S = 1.0  # between two attempts; some errors come at once
MAX_LETTER_BYTES = 1_000_000_000  # librdkafka's highest
REASON_HEADER = "target-connector.reason"


class DeadLetters(Protocol):
    """Where dead letters go."""

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        """Return once all are stored."""


class DeadLetterTopic:
    """A Kafka topic of dead letters."""

    def __init__(self, properties: Mapping[str, Any], topic: str, group_id: str, telemetry: Telemetry) -> None:
        """Make the producer.

        Args:
            properties: of the consumer; what concerns only consuming is left out.
            topic: the dead-letter topic.
            group_id: said in the headers, as the connector's name.
            telemetry: hears when the topic can't be written.
        """
        self.topic = topic
        self._group_id = group_id
        self._telemetry = telemetry
        self._closing = threading.Event()
        own = {
            "enable.idempotence": True,
            "linger.ms": 5,
            "message.timeout.ms": ACK_TIMEOUT_MS,
            "error_cb": lambda _error: None,  # each letter's own error is told
        }
        # The record was in Kafka once, so that only the brokers decide whether its letter is too large.
        self._producer = Producer({"message.max.bytes": MAX_LETTER_BYTES} | connection(properties) | own)

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        """Write letters until the brokers have all of them.

        Raises:
            BlockedError: a letter is larger than the topic takes.
            FatalError: the brokers will never take a letter from this producer.
            CancelledError: closed meanwhile; some letters may not be stored.
        """
        left = list(letters)
        while left:
            if self._closing.is_set():
                raise asyncio.CancelledError
            left, error = await asyncio.to_thread(self._attempt, left)
            self._telemetry.trouble(Part.DEAD_LETTERS, None if error is None else self._judge(error))
            if error is not None:
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

        for number, letter in enumerate(letters):
            self._produce(letter, partial(outcome, number))
        while answered < len(letters) and not self._closing.is_set():
            self._producer.poll(0.1)
        left = [letter for number, letter in enumerate(letters) if number not in acknowledged]
        return left, errors[-1] if errors else None

    def _produce(self, letter: DeadLetter, outcome: Callable[[KafkaError | None], None]) -> None:
        while not self._closing.is_set():
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

    def _judge(self, error: KafkaError) -> str:
        """A line for the operator about what is tried again; raises for what is not."""
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            msg = f"a dead letter is too large for the topic {self.topic}; raise its max.message.bytes"
            raise BlockedError(msg)
        if error.fatal():
            msg = (
                f"the dead-letter topic {self.topic} can't be written ({error.str()}); grant IdempotentWrite and Write"
            )
            raise FatalError(msg)
        return f"the dead-letter topic {self.topic} can't be written ({error.str()}); create it or grant Write on it"


def headers(letter: DeadLetter, group_id: str) -> list[tuple[str, str | bytes | None]]:
    """The record's own headers, then why and where from; a letter of a letter keeps only the newest why."""
    record = letter.record
    own = [(name, value) for name, value in record.headers() or [] if not _ours(name)]
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
