"""The lifeline: notices a client that has lost its brokers for good although they answer.

A broker that comes back from a hang may answer one request for metadata with an empty list of brokers, as it is not
yet let into its own cluster again. Librdkafka then drops all brokers it knew, the bootstrap servers with them, and
never asks anybody again (librdkafka #5301; seen in 7 of 8 members after a single broker was frozen for 15 s). Only a
new client helps. The source asks here, from its own thread, while nothing comes.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from connector.kafka.properties import connection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import Consumer

OWN_TIMEOUT_S = 0.5  # of a poll's pace; a slow answer is only asked for again
FRESH_TIMEOUT_S = 2.0  # a new client has to connect first
MISSES = 3  # so that a new client is tried only after 10 s without an answer


class Lifeline:
    """Counts how often a client got no answer; belongs to the consumer thread."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        """Take the consumer's properties, to try whether the brokers answer a client that is new."""
        self._properties = connection(properties) | {"error_cb": lambda _error: None}
        self._misses = 0

    def is_cut(self, consumer: Consumer, topic: str | None) -> bool:
        """Ask once; blocks for 2.5 s at most.

        Args:
            consumer: the client.
            topic: that it may ask for; None asks for all topics.

        Returns:
            Whether it got no answer for several times, and a new client does.
        """
        try:
            answered = bool(consumer.list_topics(topic, timeout=OWN_TIMEOUT_S).brokers)
        except KafkaException:
            answered = False
        self._misses = 0 if answered else self._misses + 1
        return self._misses >= MISSES and self._others_are_answered()

    def _others_are_answered(self) -> bool:
        fresh = AdminClient(self._properties)  # held until it answers: without it the question would be dropped
        try:
            return bool(fresh.describe_cluster(request_timeout=FRESH_TIMEOUT_S).result(FRESH_TIMEOUT_S).nodes)
        except (KafkaException, TimeoutError):
            return False


def abandon(consumer: Consumer) -> None:
    """See to it that nobody ever closes or frees a client that librdkafka has given up, which idles until we exit.

    Its close never returns, and a thread of it takes a whole core meanwhile (librdkafka 2.16.0, after a fenced member):
    a group that failed for good refuses to be closed, and the client waits for just that.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(consumer))
