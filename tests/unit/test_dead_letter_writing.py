"""How dead letters are sent, as far as no broker is needed: one sender at a time, and the event loop goes on."""

from __future__ import annotations

import asyncio
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from confluent_kafka import KafkaError

from connector.kafka.dead_letters import DeadLetterTopic, headers
from connector.kafka.drain import Drained
from connector.kafka.polled import RUN, Run
from connector.kafka.reread import Gone
from connector.records import OFFSET, VALUE, DeadLetter, Partition, Reason
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


class Odd:
    """A record of whose headers one has a name that the client cannot read."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(LETTER.record, name)

    def headers(self) -> None:
        raise self.error


@pytest.mark.parametrize("error", [SystemError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")])
def test_a_header_that_cannot_be_read_stops_no_letter(error: Exception) -> None:
    """Brokers take any bytes for a header's name: the letter goes without the record's own headers, and says so."""
    sent = dict(headers(DeadLetter(Odd(error), Reason.REFUSED, "why"), "group"))
    assert sent["__connect.errors.offset"] == b"5"
    assert b"not UTF-8" in (sent["target-connector.headers"] or b"")


def test_a_drained_header_whose_name_is_not_utf_8_is_kept() -> None:
    """The extension copies bytes; what is no text of a name is shown as such, and the values stay."""
    packed = struct.pack("<ii", 2, 1) + b"\xffa" + b"v"
    held = {RUN: [0], OFFSET: [7], VALUE: [b"x"], "key": [None], "headers": [packed]}
    [record] = Drained(pl.DataFrame(held), [Run("crm", 0, 7, 1)])
    assert record.headers() == [("\ufffda", b"v")]
