"""What an error of librdkafka's means: go on, tell the operator, or end the process.

Librdkafka retries by itself whatever can be retried, and reports most of it only so that somebody knows. Pure; the
source asks it for every error, whether of a message or of the client.
"""

from __future__ import annotations

from typing import Protocol

from connector.errors import FatalError
from connector.kafka.causes import cause, plain


class Error(Protocol):
    """What is asked of a `confluent_kafka.KafkaError`."""

    def code(self) -> int: ...  # noqa: D102
    def name(self) -> str: ...  # noqa: D102
    def str(self) -> str: ...  # noqa: D102
    def fatal(self) -> bool: ...  # noqa: D102


_GROUP = "see kafka.group_id and kafka.properties"
# No word of lost connections: librdkafka heals those, and the watch of the topics tells when no broker answers.
_REMEDIES = {
    "_BAD_MSG": "a broker's record batch can't be read; look at the broker's disks",
    "GROUP_MAX_SIZE_REACHED": "there are more replicas than the brokers' group.max.size",
    "INCONSISTENT_GROUP_PROTOCOL": "another member has another partition.assignment.strategy; stop all, then start",
    "INVALID_SESSION_TIMEOUT": "session.timeout.ms is not within what the brokers allow",
    "INVALID_GROUP_ID": _GROUP,
    "UNSUPPORTED_VERSION": "the brokers lack what is asked of them; see kafka.properties, group.protocol above all",
}
_REFUSALS = {"_AUTHENTICATION", "_SSL"}


def is_refusal(error: Error) -> bool:
    """Whether a broker refused to talk to us at all, which is told again at each attempt while it lasts."""
    return error.name() in _REFUSALS


def is_fatal(error: Error) -> bool:
    """Whether librdkafka has given this client up for good."""
    # What is raised to the client carries the flag; what reaches `error_cb` only the code.
    return error.fatal() or error.name() in {"_FATAL", "FENCED_INSTANCE_ID"}


def meaning(error: Error, group: str, topic: str | None = None) -> FatalError | str | None:
    """What an error of the consumer means.

    Args:
        error: of a message, or of the client.
        group: ours.
        topic: of the message.

    Returns:
        A FatalError to be raised, a line for the operator, or None where librdkafka sees to it by itself.
    """
    if error.name() == "_AUTO_OFFSET_RESET":
        # To set a group's offsets all its members must be gone: so this ends the process, where others wait.
        return FatalError(
            f"there is no offset to go on from, and auto.offset.reset is error ({error.str()}); stop all replicas and"
            " set the group's offsets, or set earliest, which goes on with the oldest record that Kafka still has"
        )
    if is_fatal(error):
        return FatalError(f"Kafka ended the membership of this consumer: {error.str()}")
    if is_refusal(error):
        return f"the consumer can't connect to a broker: {cause(error.str())}"
    if error.name() == "TOPIC_AUTHORIZATION_FAILED":
        return f"{topic or 'a topic'} may not be read; grant the service's user Read on the topic"
    if error.name() == "GROUP_AUTHORIZATION_FAILED":
        return f"the group {group} may not be joined; grant the service's user Read on the group"
    remedy = _REMEDIES.get(error.name())
    return None if remedy is None else f"{plain(error.str())}; {remedy}"
