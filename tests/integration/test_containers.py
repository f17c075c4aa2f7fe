from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import docker
import docker.errors
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from tests.containers import KAFKA_IMAGE, Kafka, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.containers import Registry

pytestmark = pytest.mark.containers


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    """Docker's own client, to look at containers from outside."""
    client = docker.from_env()
    yield client
    client.close()


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_record_goes_through_kafka(kafka: Kafka, protocol: str) -> None:
    """What a producer sends, a member of a group gets, under the old and the new rebalance protocol."""
    topic = f"containers.{protocol}"
    kafka.create_topic(topic, partitions=2)
    producer = Producer({"bootstrap.servers": kafka.address})
    producer.produce(topic, b"world", key=b"hello")
    assert producer.flush(20) == 0
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.address,
            "group.id": topic,
            "group.protocol": protocol,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    records = consumer.consume(1, timeout=30)
    consumer.close()
    assert [(record.key(), record.value()) for record in records] == [(b"hello", b"world")]


def test_a_tool_inside_the_container_reaches_the_broker(kafka: Kafka) -> None:
    """Kafka's own command line tools work against localhost:29092 in the container."""
    listing = kafka.exec("/opt/kafka/bin/kafka-topics.sh --bootstrap-server localhost:29092 --list")
    assert listing.exit_code == 0


def test_a_schema_can_be_registered(registry: Registry) -> None:
    """What is registered through Confluent's client is read back by its id with the same meaning."""
    schema = {"type": "record", "name": "Profile", "fields": [{"name": "id", "type": "string"}]}
    with SchemaRegistryClient({"url": registry.url}) as client:
        schema_id = client.register_schema("containers-value", Schema(json.dumps(schema), "AVRO"))
        # The registry leaves blanks out, so schemas are compared, not texts.
        assert json.loads(client.get_schema(schema_id).schema_str or "") == schema


def test_ports_are_published_on_the_loopback_only(kafka: Kafka, client: docker.DockerClient) -> None:
    """Nobody but this machine reaches the test broker."""
    ports = client.containers.get(kafka.get_container_id()).ports
    assert {binding["HostIp"] for bindings in ports.values() for binding in bindings or ()} == {"127.0.0.1"}


def test_a_container_is_removed_after_a_failure(kafka: Kafka, client: docker.DockerClient) -> None:
    """A test that fails leaves no broker behind."""
    broker = Kafka()

    def fail() -> None:
        with broker:
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    with pytest.raises(docker.errors.NotFound):
        client.containers.get(broker.get_container_id())


def test_a_missing_image_is_a_reason_and_no_error(kafka: Kafka) -> None:
    """Where an image can be neither found nor pulled, tests learn its name, to say it when they skip."""
    why_not = missing(KAFKA_IMAGE, "localhost:1/no/such-image:1")
    assert why_not == "the image localhost:1/no/such-image:1 is not here and cannot be pulled"


class _Run(NamedTuple):
    """How one command ended in a container of our image."""

    status: int
    output: str


def _in_the_image(client: docker.DockerClient, image: str, *command: str) -> _Run:
    # As locked up as the Kubernetes manifests lock it up.
    container = client.containers.run(
        image,
        command=list(command),
        entrypoint=[],
        detach=True,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        network_mode="none",
    )
    try:
        status = container.wait(timeout=60)["StatusCode"]
        return _Run(status, container.logs().decode().strip())
    finally:
        container.remove(force=True, v=True)


def test_the_image_works_on_a_read_only_root_as_nobody(app_image: str, client: docker.DockerClient) -> None:
    """Our package and its compiled dependencies load with no write access, no capability and no root."""
    load = "import os, connector, confluent_kafka, fastavro, polars, pydantic, yaml, uvloop; print(os.getuid())"
    assert _in_the_image(client, app_image, "python", "-c", load) == _Run(0, "65532")


@pytest.mark.parametrize("tool", ["pip", "gcc", "cc"])
def test_the_image_holds_no_tool_to_install_or_build_with(
    app_image: str, client: docker.DockerClient, tool: str
) -> None:
    """Whoever gets into a running container finds neither an installer nor a compiler."""
    look = f"import shutil, importlib.util as u; print(shutil.which('{tool}'), u.find_spec('{tool}'))"
    assert _in_the_image(client, app_image, "python", "-c", look) == _Run(0, "None None")
