"""The embedded broker's beginning and end: the library it needs, and that nothing of it stays or hangs."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, KafkaError

from connector.errors import ConnectorError, FatalError
from connector.kafka.embedded import Api, EmbeddedBroker, bundled_library

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOPIC = "crm.customers"
PATIENCE_S = 20.0  # for what takes milliseconds on a quiet machine


def test_closing_frees_the_port_while_clients_are_connected() -> None:
    """With a member and a producer connected it closes at once, the port refuses, and the member can still close."""
    broker = EmbeddedBroker()
    broker.create_topic(TOPIC)
    producer = broker.producer()
    producer.produce(TOPIC, b"v", partition=0)
    producer.flush(PATIENCE_S)
    config: dict[str, str | bool] = {
        "bootstrap.servers": broker.bootstrap_servers,
        "group.id": "group",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
    consumer = Consumer(config)
    consumer.subscribe([TOPIC])
    assert len(consumer.consume(1, PATIENCE_S)) == 1
    host, port = broker.bootstrap_servers.split(":")
    begin = time.monotonic()
    broker.close()
    broker.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=1)
    consumer.close()
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda broker: broker.producer(), id="a producer"),
        pytest.param(lambda broker: broker.set_broker_up(1), id="a command"),
        pytest.param(lambda broker: broker.fail_requests(Api.FETCH, [KafkaError.UNKNOWN]), id="a fault"),
    ],
)
def test_a_closed_broker_says_so(call: Callable[[EmbeddedBroker], object]) -> None:
    """Using it after its end is an error, not a crash of the process."""
    with EmbeddedBroker() as broker:
        pass
    with pytest.raises(ConnectorError, match="closed"):
        call(broker)


def test_the_interpreter_exits_with_a_broker_left_open() -> None:
    """A process that forgets to close it ends, quietly and with code 0."""
    program = (
        "from connector.kafka.embedded import EmbeddedBroker\n"
        "broker = EmbeddedBroker(2)\n"
        "broker.create_topic('t')\n"
        "producer = broker.producer()\n"
        "producer.produce('t', b'v', partition=0)\n"
        "producer.flush(10)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    "where", ["confluent_kafka.libs/librdkafka-1.so.1", "confluent_kafka/.dylibs/librdkafka.1.dylib"]
)
def test_the_library_of_the_wheel_is_found(tmp_path: Path, where: str) -> None:
    """Linux wheels carry librdkafka beside the package, macOS wheels within it."""
    library = tmp_path / where
    library.parent.mkdir(parents=True)
    library.touch()
    assert bundled_library(tmp_path / "confluent_kafka") == library


def test_without_the_wheel_the_remedy_is_named(tmp_path: Path) -> None:
    """A confluent-kafka that was built against the system's librdkafka is told from the wheel, with what to do."""
    with pytest.raises(FatalError, match=r"pip install .* --only-binary confluent-kafka"):
        bundled_library(tmp_path / "confluent_kafka")
