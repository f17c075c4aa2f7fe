"""Three real brokers, of which any can be killed, frozen and brought back under the same address.

Owns the cluster's network, ports and settings: KRaft in combined mode, every topic with three replicas of which two
must have a record before it is acknowledged. Promises ports on 127.0.0.1 only, the same port in every life of a broker,
and that nothing is left behind however its `with` block ends. `tests/conftest.py` makes a fixture of it, which heals
the cluster after every test; `tests/chaos` has one of its own.
"""

from __future__ import annotations

import random
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource  # not exported by its types
from confluent_kafka.cimpl import NewTopic
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from tests.containers import KAFKA_IMAGE, STARTUP_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    from confluent_kafka.admin._metadata import ClusterMetadata

NODES = (1, 2, 3)
OFFSETS_PARTITIONS = 6  # of __consumer_offsets; 50 by default, which only makes the cluster slower to start
# Below the ports that Linux gives to outgoing connections: a port must still be free when its broker comes back.
_PORTS = range(20_000, 32_000)

_SETTINGS = {
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": ",".join(f"{node}@broker-{node}:9093" for node in NODES),
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_LISTENERS": "CLIENT://:9092,INSIDE://:29092,CONTROLLER://:9093",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CLIENT:PLAINTEXT,INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "KAFKA_INTER_BROKER_LISTENER_NAME": "INSIDE",
    "KAFKA_DEFAULT_REPLICATION_FACTOR": "3",
    "KAFKA_MIN_INSYNC_REPLICAS": "2",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "3",
    "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": str(OFFSETS_PARTITIONS),
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "3",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "2",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "3",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "2",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
    # The consumer protocol's session keeps Kafka's default of 45 s, as members count that whatever the brokers do.
    "KAFKA_GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS": "500",
    "KAFKA_GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS": "1000",
    # A killed broker is given up after 3 s, not after 9, so that tests take seconds.
    "KAFKA_BROKER_SESSION_TIMEOUT_MS": "3000",
    "KAFKA_BROKER_HEARTBEAT_INTERVAL_MS": "500",
    "KAFKA_REPLICA_LAG_TIME_MAX_MS": "5000",
    "KAFKA_HEAP_OPTS": "-Xms200m -Xmx400m",
}


class Broker(DockerContainer):
    """One of the three: broker and controller.

    Attributes:
        node: its number.
        address: where clients on this machine find it, in every life.
    """

    def __init__(self, node: int, network: Network, image: str, settings: Mapping[str, str]) -> None:
        """Prepares a broker; `settings` go beside or instead of the cluster's, with `{port}` and `{node}` filled in."""
        super().__init__(image, network=network, network_aliases=[f"broker-{node}"])
        self.node = node
        port = _free_port()
        self.address = f"127.0.0.1:{port}"
        self.ports["9092/tcp"] = ("127.0.0.1", port)  # type: ignore[assignment]  # Docker's client takes pairs as well
        own = {
            "KAFKA_NODE_ID": "{node}",
            "KAFKA_ADVERTISED_LISTENERS": "CLIENT://127.0.0.1:{port},INSIDE://broker-{node}:29092",
        }
        for name, value in {**own, **_SETTINGS, **settings}.items():
            self.with_env(name, value.replace("{port}", str(port)).replace("{node}", str(node)))


class Cluster:
    """Three brokers, started together.

    Topics come into being when they are first used, or by `create_topic`.

    Attributes:
        brokers: by node number.
        addresses: for `bootstrap.servers`.
    """

    def __init__(self, image: str = KAFKA_IMAGE, **settings: str) -> None:
        """Prepares brokers; `settings` are `KAFKA_…` variables, in which `{node}` and `{port}` are filled in."""
        self._network = Network()
        self._frozen: set[int] = set()
        self.brokers = {node: Broker(node, self._network, image, settings) for node in NODES}
        self.addresses = ",".join(broker.address for broker in self.brokers.values())
        self._admin = AdminClient({"bootstrap.servers": self.addresses, "log_level": 0})

    @property
    def address(self) -> str:
        """All of them, under the name that `Kafka` has for its one."""
        return self.addresses

    def __enter__(self) -> Self:
        self._network.create()
        try:
            for broker in self.brokers.values():
                broker.start()
            self.await_in_sync()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for broker in self.brokers.values():
            broker.stop()
        self._network.remove()

    def create_topic(self, name: str, *, partitions: int, **settings: str) -> None:
        """Creates a topic and returns once all brokers have it; `settings` with `_` for the dot."""
        config = {key.replace("_", "."): value for key, value in settings.items()}
        for created in self._admin.create_topics([NewTopic(name, partitions, len(NODES), config=config)]).values():
            created.result(timeout=30)
        self.await_in_sync([name])

    def alter_topic(self, name: str, settings: Mapping[str, str]) -> None:
        """Changes settings of a topic while it is in use."""
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in settings.items()
        ]
        resource = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=entries)
        for altered in self._admin.incremental_alter_configs([resource]).values():
            altered.result(timeout=30)

    def kill(self, node: int) -> None:
        """SIGKILL, and returns once it is gone."""
        container = self.brokers[node].get_wrapped_container()
        container.kill("SIGKILL")
        container.wait(timeout=30)
        self._frozen.discard(node)

    def start(self, node: int) -> None:
        """Brings a killed broker back, with its data, and returns at once; see `await_in_sync`."""
        self.brokers[node].get_wrapped_container().start()

    def pause(self, node: int) -> None:
        """Freezes a broker: its connections stay open, and nobody answers."""
        # Not Docker's own pause, which fails on a machine too busy to freeze a whole container within two seconds.
        self.brokers[node].get_wrapped_container().kill("SIGSTOP")
        self._frozen.add(node)

    def unpause(self, node: int) -> None:
        """Lets a frozen broker go on."""
        self.brokers[node].get_wrapped_container().kill("SIGCONT")
        self._frozen.discard(node)

    def heal(self) -> None:
        """Brings back whatever is killed or frozen, and returns once all is in sync."""
        for node, broker in self.brokers.items():
            container = broker.get_wrapped_container()
            container.reload()
            if node in self._frozen:
                self.unpause(node)
            elif container.status != "running":
                self.start(node)
        self.await_in_sync()

    def leader_of(self, topic: str, partition: int) -> int | None:
        """The node that leads a partition; None while nobody does."""
        leader = self._metadata(topic).topics[topic].partitions[partition].leader
        return leader if leader in NODES else None

    def coordinator(self, group: str) -> int | None:
        """The node that coordinates a consumer group; None while nobody does."""
        return self.leader_of("__consumer_offsets", _java_hash(group) % OFFSETS_PARTITIONS)

    def await_in_sync(self, topics: Sequence[str] | None = None, seconds: float = STARTUP_S) -> None:
        """Returns once all brokers are there and every replica of these topics, or of all, is in sync.

        Raises:
            TimeoutError: they are not within so many seconds.
        """
        _until(lambda: self._in_sync(topics), seconds, "the brokers are in sync")

    def _metadata(self, topic: str | None = None) -> ClusterMetadata:
        """As one of the brokers tells it; asked again while none answers."""
        told: list[ClusterMetadata] = []

        def ask() -> bool:
            with suppress(KafkaException):
                told.append(self._admin.list_topics(topic, timeout=5) if topic else self._admin.list_topics(timeout=5))
            return bool(told)

        _until(ask, STARTUP_S, "a broker answers")
        return told[0]

    def _in_sync(self, topics: Sequence[str] | None) -> bool:
        metadata = self._metadata()
        wanted = metadata.topics if topics is None else topics
        return set(NODES) <= set(metadata.brokers) and all(
            name in metadata.topics
            and metadata.topics[name].partitions
            and all(
                len(one.isrs) == len(NODES) and one.leader in NODES for one in metadata.topics[name].partitions.values()
            )
            for name in wanted
        )


def _free_port() -> int:
    while True:
        port = random.choice(_PORTS)  # noqa: S311 (any)
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port


def _java_hash(text: str) -> int:
    """As Java's String.hashCode with the sign bit off: how Kafka picks a group's partition of __consumer_offsets."""
    code = 0
    for character in text:
        code = (31 * code + ord(character)) & 0xFFFFFFFF
    return code & 0x7FFFFFFF


def _until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            msg = f"{what}: not within {seconds:.0f} s"
            raise TimeoutError(msg)
        time.sleep(0.2)
