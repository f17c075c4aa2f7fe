"""How dead letters are sent, as far as no broker is needed: one sender at a time, and the event loop goes on."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError

from connector.kafka.dead_letters import DeadLetterTopic
from connector.kafka.reread import Gone
from connector.records import DeadLetter, Partition, Reason
from connector.telemetry import Silent

if TYPE_CHECKING:
    from collections.abc import Sequence

LETTER = DeadLetter(Gone(Partition("crm", 0), 5), Reason.REFUSED, "why")


class Watched(DeadLetterTopic):
    """Fails once for each sender, and keeps who was where."""

    attempts = most = 0
    judged: list[threading.Thread]

    def _attempt(self, letters: Sequence[DeadLetter]) -> tuple[list[DeadLetter], KafkaError | None]:
        self.attempts += 1
        self.most = max(self.most, self.attempts)
        time.sleep(0.05)
        self.attempts -= 1
        fails = not hasattr(self, "judged")
        return (list(letters), KafkaError(KafkaError._MSG_TIMED_OUT)) if fails else ([], None)

    def _why_slow(self) -> str:
        self.judged = [threading.current_thread()]
        return "its brokers do not acknowledge"


def watched() -> Watched:
    return Watched({"bootstrap.servers": "127.0.0.1:1", "log_level": 0}, "letters", "group", Silent())


async def test_two_senders_take_turns() -> None:
    """Each may put another producer in the place of one that is stuck, so that nobody else may wait for its answers."""
    topic = watched()
    await asyncio.gather(topic.send([LETTER]), topic.send([LETTER]))
    assert topic.most == 1


async def test_the_loop_goes_on_while_the_brokers_are_asked_why() -> None:
    """They may take two seconds to say why they do not acknowledge: pages and the budget's turns do not wait."""
    topic = watched()
    await topic.send([LETTER])
    assert topic.judged[0] is not threading.main_thread()
