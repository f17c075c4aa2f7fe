"""Real Kafka and a real schema registry, in containers that last as long as the test run.

Owns the names of the images, how the two are started, and the reason to give where they cannot be. Promises that
ports are published on 127.0.0.1 only and that a container is removed however its `with` block ends. `tests/conftest.py`
makes fixtures of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import docker
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from docker.errors import DockerException, ImageNotFound
from testcontainers.core.config import ConnectionMode, testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy, LogMessageWaitStrategy

if TYPE_CHECKING:
    from typing import Self

KAFKA_IMAGE = "apache/kafka:4.3.1"
REGISTRY_IMAGE = "apicurio/apicurio-registry:3.3.3"
APP_IMAGE = "target-connector:ci"  # what .ci/run builds

# A broker takes 3 to 6 s on an idle machine and was seen to take 22 s on two busy cores.
STARTUP_S = 120
# Published there, on a free port of Docker's choice. Any, since testcontainers' types know only the port numbers
# among what Docker's client takes here.
LOOPBACK: Any = ("127.0.0.1",)


class Kafka(DockerContainer):
    """One broker of the real thing.

    Clients on this machine, and containers on its network, use `address`; tools inside the container localhost:29092.
    Topics come into being when they are first used.

    Attributes:
        address: host and port, once started.
    """

    address: str

    def __init__(self, image: str = KAFKA_IMAGE, **settings: str) -> None:
        """Prepares a broker; `settings` are `KAFKA_…` variables beside or instead of those below."""
        super().__init__(image)
        self.ports["9092/tcp"] = LOOPBACK
        self.with_envs(
            **{
                # With any KAFKA_ variable set the image forgets its defaults, so all that a single node needs is here.
                "KAFKA_NODE_ID": "1",
                "KAFKA_PROCESS_ROLES": "broker,controller",
                "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
                "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
                "KAFKA_LISTENERS": "CLIENT://:9092,INSIDE://:29092,CONTROLLER://:9093",
                "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CLIENT:PLAINTEXT,INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
                "KAFKA_INTER_BROKER_LISTENER_NAME": "INSIDE",
                "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
                "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
                "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
                "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
                "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
                "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
                "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",  # a killed member is given up after 2 s, not after 6
                **settings,
            }
        )
        # The port is known only once the container runs, and Kafka must advertise it: so it waits to be told.
        wait = "until [ -s /tmp/advertise ]; do sleep 0.1; done"
        run = "exec /etc/kafka/docker/run KAFKA_ADVERTISED_LISTENERS=$(cat /tmp/advertise)"
        self.with_command(["bash", "-c", f"{wait}; {run}"])

    def start(self) -> Self:
        """Starts the broker and returns once it answers.

        Raises:
            TimeoutError: it did not within `STARTUP_S`.
        """
        super().start()
        self.address = self.published(9092)
        advertised = ",".join(f"{name}://{address}" for name, address in self.advertised().items())
        # Written and then renamed, so that the broker never reads half of it.
        self.exec(["bash", "-c", f"echo {advertised} >/tmp/advertise.new && mv /tmp/advertise.new /tmp/advertise"])
        LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(STARTUP_S).wait_until_ready(self)
        return self

    def published(self, port: int) -> str:
        """Where one of the container's ports is found on this machine."""
        return f"127.0.0.1:{self.get_exposed_port(port)}"

    def advertised(self) -> dict[str, str]:
        """The address of each listener; the container runs, but the broker in it waits for this."""
        return {"CLIENT": self.address, "INSIDE": "localhost:29092"}

    def create_topic(self, name: str, *, partitions: int, **settings: str) -> None:
        """Creates a topic, and returns once the broker has it; `settings` are its own, as Kafka names them."""
        admin = AdminClient({"bootstrap.servers": self.address})
        for created in admin.create_topics([NewTopic(name, partitions, 1, config=settings)]).values():
            created.result(timeout=30)


class Registry(DockerContainer):
    """Apicurio's registry, data in memory, behind the interface that Confluent's has.

    Attributes:
        url: what `registry.url` of our settings takes, once started.
    """

    url: str

    def __init__(self, image: str = REGISTRY_IMAGE) -> None:
        """Prepares a registry."""
        super().__init__(image)
        self.ports["8080/tcp"] = LOOPBACK
        ready = HttpWaitStrategy(8080, "/apis/ccompat/v7/subjects").for_status_code(200)
        self.waiting_for(ready.with_startup_timeout(STARTUP_S))

    def start(self) -> Self:
        """Starts the registry and returns once it answers.

        Raises:
            TimeoutError: it did not within `STARTUP_S`.
        """
        super().start()
        self.url = f"http://127.0.0.1:{self.get_exposed_port(8080)}/apis/ccompat/v7"
        return self


def missing(*images: str, pull: bool = True) -> str | None:
    """Why tests cannot use Docker with these images here, or None: they can.

    Pulls what is not here yet, unless told not to, and settles for this process how testcontainers deals with this
    machine.
    """
    try:
        client = docker.from_env()
    except DockerException:
        return "Docker does not answer"
    try:
        for image in images:
            if not _is_here(client, image) and not (pull and _was_pulled(client, image)):
                return f"the image {image} is not here{' and cannot be pulled' if pull else ''}"
        _settle(client)
    finally:
        client.close()
    return None


def _is_here(client: docker.DockerClient, image: str) -> bool:
    try:
        client.images.get(image)
    except ImageNotFound:
        return False
    return True


def _was_pulled(client: docker.DockerClient, image: str) -> bool:
    try:
        client.images.pull(image)
    except DockerException:
        return False
    return True


def _settle(client: docker.DockerClient) -> None:
    # Ports are published on this machine's loopback, also where a file /.dockerenv makes it look like a container.
    testcontainers_config.connection_mode_override = ConnectionMode.docker_host
    # Ryuk removes what a killed run leaves, but it is an image as well. Without it all else works.
    if not _is_here(client, testcontainers_config.ryuk_image):
        testcontainers_config.ryuk_disabled = True
