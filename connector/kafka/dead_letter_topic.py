"""Sees to it that the dead-letter topic is there, before the first record is read.

A service whose letters have nowhere to go would stand still at its first bad record, perhaps weeks later; so it asks at
start. Creates the topic where it is missing and that is allowed; what a human has to decide is a SettingError; what
passes by itself (no broker answers) is told and tried again. Replicas may do it at once. `app` calls it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined] # not in its __all__
from confluent_kafka.cimpl import NewTopic

from connector.errors import SettingError
from connector.kafka.properties import connection
from connector.telemetry import Part

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from connector.telemetry import Telemetry

ASK_TIMEOUT_S = 5.0  # a stop may have to wait for it
AGAIN_S = 1.0
PARTITIONS = 1  # letters are few, and in one partition they stand in the order in which they were written
RETENTION_MS = 30 * 24 * 3600 * 1000  # 30 days: time to notice, to mend the source and to replay
# A letter is its record uncompressed, and headers of about 1 kB. A topic's max.message.bytes counts compressed batches,
# so no figure is surely enough; a larger letter blocks the service, which names the remedy.
LEAST_MESSAGE_BYTES = 16 * 1024 * 1024
HEADERS_BYTES = 64 * 1024
MAX_MESSAGE_BYTES = "max.message.bytes"

# What no waiting mends: the brokers' answer is final until somebody changes rights, policies or settings.
_FINAL = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.POLICY_VIOLATION,
    KafkaError.INVALID_CONFIG,
    KafkaError.INVALID_REPLICATION_FACTOR,
    KafkaError.INVALID_PARTITIONS,
    KafkaError.TOPIC_EXCEPTION,
    KafkaError.UNSUPPORTED_VERSION,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be there.

    Attributes:
        topic: its name.
        create: whether it may be created.
    """

    topic: str
    create: bool


async def provide(
    wanted: Wanted,
    properties: Mapping[str, Any],
    sources: Sequence[str],
    telemetry: Telemetry,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> bool:
    """Return once the topic exists; whether it was created here.

    Args:
        wanted: which topic.
        properties: of the consumer; what concerns only consuming is left out.
        sources: the topics whose records may become letters: their largest one should fit.
        telemetry: hears while the brokers don't do it.
        sleep: between two attempts.

    Raises:
        SettingError: it is missing and may not, or can't, be created.
    """
    admin = AdminClient(connection(properties) | {"error_cb": lambda _error: None})
    while True:
        try:
            created = await asyncio.to_thread(_provide, admin, wanted, sources)
        except KafkaException as error:
            telemetry.trouble(Part.DEAD_LETTERS, _judge(wanted.topic, error.args[0]))
            await sleep(AGAIN_S)
        except TimeoutError:
            telemetry.trouble(Part.DEAD_LETTERS, _again(wanted.topic, "no answer in time"))
            await sleep(AGAIN_S)
        else:
            telemetry.trouble(Part.DEAD_LETTERS, None)
            return created


def _provide(admin: AdminClient, wanted: Wanted, sources: Sequence[str]) -> bool:
    # All topics, as asking for one by its name may create it, with the brokers' defaults.
    if wanted.topic in admin.list_topics(timeout=ASK_TIMEOUT_S).topics:
        return False
    if not wanted.create:
        raise SettingError(
            f"dead_letters.topic: there is no topic {wanted.topic}; create it, or set dead_letters.create: true"
        )
    topic = NewTopic(wanted.topic, PARTITIONS, -1, config=configuration(admin, sources))  # -1: the brokers' default
    (answer,) = admin.create_topics([topic], operation_timeout=ASK_TIMEOUT_S, request_timeout=ASK_TIMEOUT_S).values()
    try:
        answer.result(2 * ASK_TIMEOUT_S)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
        return False  # another replica was faster
    return True


def configuration(admin: AdminClient, sources: Sequence[str]) -> dict[str, str]:
    """How the topic is made: letters last, and the sources' largest record fits, as far as its size is known."""
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(RETENTION_MS),
        MAX_MESSAGE_BYTES: str(max(LEAST_MESSAGE_BYTES, _largest(admin, sources) + HEADERS_BYTES)),
    }


def _largest(admin: AdminClient, sources: Sequence[str]) -> int:
    """The largest max.message.bytes of these topics, as far as we may know it."""
    asked = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in sources]
    largest = 0
    for answer in admin.describe_configs(asked, request_timeout=ASK_TIMEOUT_S).values() if asked else ():
        try:
            largest = max(largest, int(answer.result(2 * ASK_TIMEOUT_S)[MAX_MESSAGE_BYTES].value))
        except (KafkaException, TimeoutError, KeyError):
            continue  # DescribeConfigs is not granted, say, or the broker does not tell of it
    return largest


def _judge(topic: str, error: KafkaError) -> str:
    """A line for the operator about what is tried again; raises for what is not."""
    if error.code() in {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED}:
        raise SettingError(
            f"dead_letters.topic: the service's user may neither see nor create {topic}; grant it Write on the topic,"
            " and create it if it is missing"
        )
    if error.code() in _FINAL:
        raise SettingError(
            f"dead_letters.topic: {topic} is missing and can't be created ({error.str()}); create it yourself"
        )
    return _again(topic, error.str())


def _again(topic: str, why: str) -> str:
    return f"the dead-letter topic {topic} can't be looked up or created ({why}); trying again"
