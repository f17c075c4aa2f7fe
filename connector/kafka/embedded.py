"""A Kafka broker inside this process: librdkafka's mock cluster, driven through ctypes.

For `demo` and the tests of faults and rebalances, called by nobody else. It is a stand-in, not Kafka: it keeps
nothing after `close`, speaks neither TLS nor SASL, has no admin requests, finds no offsets by time, shows
aborted transactions, and listens on loopback only. The mock keeps 5 MiB per partition and silently drops the oldest
batches beyond (`rdkafka_mock.c`, `rd_kafka_mock_msgset_new`), so what is produced through `EmbeddedBroker.producer` is
counted and refused before that point; `EmbeddedBroker.dropped` tells whether another producer went past it.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
import zlib
from contextlib import closing, contextmanager
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from connector.errors import BlockedError, ConnectorError, FatalError
from connector.records import Partition

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CAPACITY_BYTES = 4 * 1024 * 1024
"""What one partition takes: the mock's 5 MiB, less 1 MiB for batches that a lost answer makes our producer repeat
(at most 64 KiB or one record each) and for the few records that others, say the dead letters' producer, add."""

# Counting every record as a batch of its own is never too little, whatever the producer's batches turn out to be. It
# also keeps us under the mock's second limit: 4 MiB / 97 bytes = 43,240 batches, of the 100,000 that it keeps.
_BATCH_BYTES = 61  # header of a record batch v2
_RECORD_BYTES = 36  # attributes 1, and at their longest: time delta 10, five other numbers of 5 bytes
_HEADER_BYTES = 10  # two lengths
_PRODUCER_TYPE = 0  # RD_KAFKA_PRODUCER

# From rdkafka.h and rdkafka_mock.h of 2.16.0: result, arguments. rd_kafka_resp_err_t is an enum, hence an int.
_POINTER, _TEXT, _INT, _INT16, _INT32 = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int16, ctypes.c_int32
_SIGNATURES = {
    "rd_kafka_conf_new": (_POINTER, ()),
    "rd_kafka_conf_set": (_INT, (_POINTER, _TEXT, _TEXT, _TEXT, ctypes.c_size_t)),
    "rd_kafka_new": (_POINTER, (_INT, _POINTER, _TEXT, ctypes.c_size_t)),
    "rd_kafka_destroy": (None, (_POINTER,)),
    "rd_kafka_mock_cluster_new": (_POINTER, (_POINTER, _INT)),
    "rd_kafka_mock_cluster_destroy": (None, (_POINTER,)),
    "rd_kafka_mock_cluster_bootstraps": (_TEXT, (_POINTER,)),
    "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, (_POINTER, _INT32)),
    "rd_kafka_mock_push_request_errors_array": (None, (_POINTER, _INT16, ctypes.c_size_t, ctypes.POINTER(_INT))),
    "rd_kafka_mock_topic_create": (_INT, (_POINTER, _TEXT, _INT, _INT)),
    "rd_kafka_mock_partition_set_leader": (_INT, (_POINTER, _TEXT, _INT32, _INT32)),
    "rd_kafka_mock_partition_delete_records": (_INT, (_POINTER, _TEXT, _INT32, ctypes.c_int64)),
    "rd_kafka_mock_coordinator_set": (_INT, (_POINTER, _TEXT, _TEXT, _INT32)),
    "rd_kafka_mock_broker_set_down": (_INT, (_POINTER, _INT32)),
    "rd_kafka_mock_broker_set_up": (_INT, (_POINTER, _INT32)),
    "rd_kafka_mock_broker_set_rtt": (_INT, (_POINTER, _INT32, _INT)),
}


class Api(IntEnum):
    """Kafka's number of each request that a test may want to fail (Kafka protocol guide, "Api Keys")."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    LEAVE_GROUP = 13
    SYNC_GROUP = 14
    INIT_PRODUCER_ID = 22


def bundled_library(package: Path) -> Path:
    """Find the librdkafka that confluent-kafka's wheel brought along; `package` is the folder of its code.

    Raises:
        FatalError: there is none, because confluent-kafka was built against a librdkafka of the system.
    """
    # Beside the package on Linux, where auditwheel puts it; within on macOS, where delocate does.
    beside, within = package.parent / f"{package.name}.libs", package / ".dylibs"
    for path in (*beside.glob("librdkafka*.so*"), *within.glob("librdkafka*.dylib")):
        return path
    remedy = "pip install --force-reinstall --only-binary confluent-kafka confluent-kafka"
    raise FatalError(f"the embedded broker needs the librdkafka of confluent-kafka's binary wheel: {remedy}")


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(bundled_library(Path(confluent_kafka.__file__).parent)))
    for name, (result, arguments) in _SIGNATURES.items():
        if not hasattr(library, name):  # the mock's interface is declared experimental
            raise FatalError(f"the embedded broker needs {name}, which this librdkafka does not have")
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _destroy(library: ctypes.CDLL, cluster: int, client: int) -> None:
    # In this order: a client that still has a cluster calls abort().
    library.rd_kafka_mock_cluster_destroy(cluster)
    library.rd_kafka_destroy(client)


class _Room:
    """Counts what each partition holds at most, for all producers of one broker, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[Partition, int] = {}
        self.partitions: dict[str, int] = {}  # how many each topic has

    def left(self, partition: Partition) -> int:
        if not 0 <= partition.partition < self.partitions.get(partition.topic, 0):
            raise ConnectorError(f"the embedded broker has no partition {partition.partition} of {partition.topic}")
        return CAPACITY_BYTES - self._used.get(partition, 0)

    @contextmanager
    def taking(self, partition: Partition, size_bytes: int) -> Iterator[None]:
        """Take the room if the body succeeds."""
        with self._lock:
            left = self.left(partition)
            if size_bytes > left:
                raise BlockedError(
                    f"the embedded broker would drop the oldest records of {partition.topic}, partition "
                    f"{partition.partition}: {left} bytes are left, this record may take {size_bytes}"
                )
            yield
            self._used[partition] = CAPACITY_BYTES - left + size_bytes


class EmbeddedProducer:
    """Writes to an embedded broker, in order, and never more than it keeps; usable from any thread.

    One request at a time is under way per broker, so its rate falls with `set_rtt`.
    """

    def __init__(self, bootstrap_servers: str, room: _Room) -> None:
        self._room = room
        self._failed = 0
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "log_level": 2,  # a broker that a test or the demo takes down is not news
                "compression.type": "none",
                # The mock recognises a repeated batch only from transactional producers. So a lost answer stores a
                # batch twice; one small batch at a time keeps that within the margin, and keeps the order.
                "max.in.flight": 1,
                "batch.size": 64 * 1024,
                "queue.buffering.max.messages": 0,  # the room is the bound
                "delivery.report.only.error": True,
                "on_delivery": self._not_delivered,
            }
        )

    def produce(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Hand over one record; without a `partition` it goes to crc32(key) modulo their number, without a key to 0.

        Raises:
            BlockedError: the partition has no room left; nothing was written.
            ConnectorError: there is no such topic or partition.
        """
        if partition is None:
            partition = zlib.crc32(key or b"") % self._room.partitions.get(topic, 1)
        size_bytes = _BATCH_BYTES + _RECORD_BYTES + len(key or b"") + len(value or b"")
        size_bytes += sum(_HEADER_BYTES + len(name.encode()) + len(text) for name, text in headers)
        with self._room.taking(Partition(topic, partition), size_bytes):
            self._producer.produce(topic, value, key, partition, headers=list(headers))

    def flush(self, timeout_s: float) -> None:
        """Wait until the broker has everything.

        Raises:
            ConnectorError: it does not, after so many seconds; records that still wait may yet get there.
        """
        waiting = self._producer.flush(timeout_s)
        if waiting or self._failed:
            raise ConnectorError(f"not in the embedded broker: {self._failed} failed records, {waiting} waiting")

    def _not_delivered(self, error: KafkaError | None, _record: Message) -> None:
        self._failed += error is not None


class EmbeddedBroker:
    """A cluster of `brokers` brokers on loopback, numbered from 1; a context manager, or `close` it.

    Clients of this and other processes find it at `bootstrap_servers`. Its methods may be called from any thread until
    `close`, and raise ConnectorError where the cluster refuses. The first member of a group is served at once; every
    later rebalance takes `session.timeout.ms` less one second, so give the members a short one, such as two seconds.
    """

    def __init__(self, brokers: int = 1) -> None:
        if brokers < 1:
            raise ConnectorError("an embedded broker needs at least one broker")
        library = self._mock = _library()
        conf = library.rd_kafka_conf_new()
        library.rd_kafka_conf_set(conf, b"log_level", b"2", None, 0)  # that the client connects to nothing is no news
        client = library.rd_kafka_new(_PRODUCER_TYPE, conf, None, 0)
        cluster = client and library.rd_kafka_mock_cluster_new(client, brokers)
        if not cluster:
            raise FatalError("no embedded broker: librdkafka could not start a thread or listen on loopback")
        self._pointer: int = cluster
        # Also runs at the interpreter's exit, and when the last reference goes.
        self._finalizer = weakref.finalize(self, _destroy, library, cluster, client)
        self._room = _Room()
        self._deleted: dict[Partition, int] = {}
        # Real brokers wait 3 s for further members before the first assignment.
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0)
        self.bootstrap_servers: str = library.rd_kafka_mock_cluster_bootstraps(cluster).decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything. A consumer still open, with offsets to commit, takes its `session.timeout.ms` to close."""
        self._finalizer()

    def producer(self) -> EmbeddedProducer:
        """Give a producer that stays within what the cluster keeps; all of them share the count."""
        self._cluster()
        return EmbeddedProducer(self.bootstrap_servers, self._room)

    def create_topic(self, name: str, partitions: int = 4, replication: int = 1) -> None:
        """Create a topic. The first client that asks for an unknown one would create it too, with 4 partitions."""
        self._tell("topic_create", name.encode(), partitions, replication)
        self._room.partitions[name] = partitions

    def room_bytes(self, topic: str, partition: int) -> int:
        """Tell how many bytes of records, each with its overhead, the partition still takes."""
        return self._room.left(Partition(topic, partition))

    def dropped(self, topic: str) -> int:
        """Count the records that were dropped for want of room; 0 unless something else than `producer` wrote."""
        config = {"bootstrap.servers": self.bootstrap_servers, "group.id": "embedded-broker", "log_level": 2}
        self.room_bytes(topic, 0)  # refuses an unknown topic
        count = self._room.partitions[topic]
        with closing(Consumer(config)) as consumer:
            firsts = [consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[0] for p in range(count)]
        return sum(firsts) - sum(before for place, before in self._deleted.items() if place.topic == topic)

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Remove what is below the offset `before`, as retention would; the room is not given back."""
        self._tell("partition_delete_records", topic.encode(), partition, before)
        self._deleted[Partition(topic, partition)] = before

    def fail_requests(self, api: Api, errors: Sequence[int]) -> None:
        """Answer the next requests of this kind with these codes of KafkaError, one each; `_TRANSPORT` disconnects."""
        codes = (_INT * len(errors))(*errors)
        self._mock.rd_kafka_mock_push_request_errors_array(self._cluster(), api, len(codes), codes)

    def set_broker_down(self, broker_id: int) -> None:
        """Disconnect its clients and refuse new ones; leaders and coordinators stay where they are."""
        self._tell("broker_set_down", broker_id)

    def set_broker_up(self, broker_id: int) -> None:
        """Accept connections again, at the same port."""
        self._tell("broker_set_up", broker_id)

    def set_rtt(self, broker_id: int, milliseconds: int) -> None:
        """Delay each of its answers by so much."""
        self._tell("broker_set_rtt", broker_id, milliseconds)

    def set_coordinator(self, group_id: str, broker_id: int) -> None:
        """Let this broker coordinate the group."""
        self._tell("coordinator_set", b"group", group_id.encode(), broker_id)

    def set_partition_leader(self, topic: str, partition: int, broker_id: int) -> None:
        """Let this broker lead the partition. There is no way to leave it without: the mock crashes at a fetch then."""
        self.room_bytes(topic, partition)  # refuses an unknown topic, which the cluster would create
        self._tell("partition_set_leader", topic.encode(), partition, max(broker_id, 0))  # -1 would mean no leader

    def _cluster(self) -> int:
        if not self._finalizer.alive:
            raise ConnectorError("the embedded broker is closed")  # and its pointer dangles
        return self._pointer

    def _tell(self, what: str, *arguments: bytes | int) -> None:
        code = getattr(self._mock, f"rd_kafka_mock_{what}")(self._cluster(), *arguments)
        if code:
            raise ConnectorError(f"embedded broker, {what}: {KafkaError(code).str()}")
