"""The dead-letter topic at start: created, found, or told to be missing, on real Kafka by the installed command."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from connector.errors import SettingError
from connector.kafka.dead_letter_topic import Wanted, provide
from connector.telemetry import Silent
from tests.containers import KAFKA_IMAGE, Kafka, missing
from tests.embedded.road import Watcher
from tests.processes import wait_for
from tests.system.command import Service, minimal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.containers


@pytest.fixture(scope="module")
def strict() -> Iterator[Kafka]:
    """A broker that creates no topic by itself and asks for rights where a topic has rules."""
    if why_not := missing(KAFKA_IMAGE):
        pytest.skip(why_not)
    with Kafka(
        KAFKA_AUTO_CREATE_TOPICS_ENABLE="false",
        KAFKA_AUTHORIZER_CLASS_NAME="org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND="true",
    ) as broker:
        yield broker


def settings(kafka: Kafka, *, dead: str, create: bool = True) -> dict[str, Any]:
    """Settings of a service whose source topic is there."""
    source = f"{dead}.source"
    kafka.create_topic(source, partitions=1)
    return minimal(
        kafka__bootstrap_servers=kafka.address,
        sources__topics=[source],
        dead_letters__topic=dead,
        dead_letters__create=create,
    )


def rule(kind: ResourceType, name: str, operation: AclOperation, permission: AclPermissionType) -> AclBinding:
    """A rule for everybody."""
    return AclBinding(kind, name, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*", operation, permission)


def configuration(kafka: Kafka, topic: str) -> dict[str, str]:
    """The topic's settings, as the broker tells them once it knows it: a moment after it was created."""
    admin = AdminClient({"bootstrap.servers": kafka.address})
    wait_for(lambda: topic in admin.list_topics(timeout=30).topics, 30, "the broker knows the topic")
    (answer,) = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]).values()
    return {name: entry.value for name, entry in answer.result(30).items()}


def test_a_missing_topic_is_created_with_sensible_settings(tmp_path: Path, strict: Kafka) -> None:
    """One partition, 30 days, no compaction, room for large letters; the log says so, and a second start is silent."""
    topic = f"created.{time.time_ns()}"
    given = settings(strict, dead=topic)
    with Service(given, tmp_path) as service:
        service.await_event("topic_created")
        assert service.events("topic_created")[0]["topic"] == topic
        service.stop()
    found = configuration(strict, topic)
    assert found["cleanup.policy"] == "delete"
    assert found["retention.ms"] == str(30 * 24 * 3600 * 1000)
    assert int(found["max.message.bytes"]) == 16 * 1024 * 1024
    metadata = AdminClient({"bootstrap.servers": strict.address}).list_topics(timeout=30)
    assert len(metadata.topics[topic].partitions) == 1
    with Service(given, tmp_path) as service:
        service.await_event("trouble")  # the registry that nobody plays: so the topic was asked for
        service.stop()
    assert service.events("topic_created") == []


def test_a_missing_topic_that_may_not_be_created_ends_the_start(tmp_path: Path, strict: Kafka) -> None:
    """With `create: false` it is one line with the remedy and exit code 2, and no topic comes into being."""
    topic = f"forbidden.{time.time_ns()}"
    with Service(settings(strict, dead=topic, create=False), tmp_path) as service:
        ended = service.ended(15)
    assert ended.code == 2
    assert ended.err == (
        f"error: dead_letters.topic: there is no topic {topic}; create it, or set dead_letters.create: true\n"
    )
    assert topic not in AdminClient({"bootstrap.servers": strict.address}).list_topics(timeout=30).topics


def test_a_topic_that_the_brokers_refuse_ends_the_start(tmp_path: Path, strict: Kafka) -> None:
    """Where the right to create it is missing, no waiting helps: one line that names it, exit code 2."""
    topic = f"refused.{time.time_ns()}"
    admin = AdminClient({"bootstrap.servers": strict.address})
    rules = [
        rule(ResourceType.BROKER, "kafka-cluster", AclOperation.ALL, AclPermissionType.ALLOW),
        rule(ResourceType.BROKER, "kafka-cluster", AclOperation.CREATE, AclPermissionType.DENY),
        rule(ResourceType.TOPIC, topic, AclOperation.CREATE, AclPermissionType.DENY),
    ]
    for answer in admin.create_acls(rules).values():
        answer.result(30)
    with Service(settings(strict, dead=topic), tmp_path) as service:
        ended = service.ended(15)
    assert ended.code == 2
    assert ended.err == (
        f"error: dead_letters.topic: the service's user may neither see nor create {topic};"
        " grant it Write on the topic, and create it if it is missing\n"
    )


def test_replicas_may_create_it_at_once(strict: Kafka) -> None:
    """Of six at the same moment one creates it, and all go on without any trouble."""
    topic = f"raced.{time.time_ns()}"
    properties = {"bootstrap.servers": strict.address}

    telemetry = Watcher()

    def start(_number: int) -> bool:
        return asyncio.run(provide(Wanted(topic, create=True), properties, [], telemetry))

    with ThreadPoolExecutor(6) as replicas:
        assert sum(replicas.map(start, range(6))) == 1
    assert telemetry.told == []


async def test_a_letter_of_the_largest_record_fits(strict: Kafka) -> None:
    """A source whose records may be larger than ours by default makes the topic take larger letters."""
    source, topic = f"large.{time.time_ns()}", f"large-dead.{time.time_ns()}"
    strict.create_topic(source, partitions=1, **{"max.message.bytes": "40000000"})
    properties = {"bootstrap.servers": strict.address}
    assert await provide(Wanted(topic, create=True), properties, [source], Silent())
    assert int(configuration(strict, topic)["max.message.bytes"]) > 40_000_000
    with pytest.raises(SettingError, match="there is no topic"):
        await provide(Wanted(f"{topic}.other", create=False), properties, [source], Silent())
