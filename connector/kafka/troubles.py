"""What an error of librdkafka's means: go on, tell the operator, or end the process.

Librdkafka retries by itself whatever can be retried, and reports most of it only so that somebody knows. Pure; the
source asks it for every error, whether of a message or of the client.
"""

from __future__ import annotations

from typing import Protocol

from connector.errors import FatalError


class Error(Protocol):
    """What is asked of a `confluent_kafka.KafkaError`."""

    def code(self) -> int: ...  # noqa: D102
    def name(self) -> str: ...  # noqa: D102
    def str(self) -> str: ...  # noqa: D102
    def fatal(self) -> bool: ...  # noqa: D102


_CONNECTION = "check kafka.bootstrap_servers and kafka.properties"
_RIGHTS = "grant Read on the topic and the group"
_REMEDIES = {
    "_ALL_BROKERS_DOWN": _CONNECTION,
    "_AUTHENTICATION": _CONNECTION,
    "_RESOLVE": _CONNECTION,
    "_SSL": _CONNECTION,
    "TOPIC_AUTHORIZATION_FAILED": _RIGHTS,
    "GROUP_AUTHORIZATION_FAILED": _RIGHTS,
    "UNSUPPORTED_VERSION": "the brokers lack what is asked of them; see kafka.properties, group.protocol above all",
}


def meaning(error: Error) -> FatalError | str | None:
    """A FatalError to be raised, a line for the operator, or None where librdkafka sees to it by itself."""
    if error.fatal():
        return FatalError(f"Kafka ended the membership of this consumer: {error.str()}")
    remedy = _REMEDIES.get(error.name())
    return None if remedy is None else f"{error.str()}; {remedy}"
