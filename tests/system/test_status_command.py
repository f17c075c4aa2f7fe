"""`status` and `unblock` as a user runs them, against the service on this machine."""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer

from tests.changes import changed
from tests.processes import Target, simulated_target, wait_for
from tests.system import crash
from tests.system.command import Service, against, command, minimal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.containers import Kafka, Registry

pytestmark = pytest.mark.system

BAD = 60


def test_the_status_of_a_service_that_waits(tmp_path: Path) -> None:
    """State and trouble, for people and as JSON; nothing is blocked, so nothing is unblocked."""
    with Service(minimal(), tmp_path) as service:
        service.await_trouble("kafka", "127.0.0.1:1")
        shown = command("status", "--port", service.admin_port())
        assert (shown.code, shown.err) == (0, "")
        assert shown.out.startswith("waiting for ")
        assert "127.0.0.1:1" in shown.out
        told = json.loads(command("status", "--json", "--port", service.admin_port()).out)
        assert told["state"] == "waiting"
        for arguments, words in (
            (["status", "7"], "error: no such batch"),
            (["unblock"], "error: nothing is blocked"),
        ):
            refused = command(*arguments, "--port", service.admin_port())
            assert (refused.code, refused.out) == (1, "")
            assert refused.err.startswith(words)
            assert len(refused.err.splitlines()) == 1


@pytest.mark.parametrize("name", ["status", "unblock"])
def test_no_service_on_this_machine_is_one_line(name: str) -> None:
    """Nobody listens: exit code 1, where it was looked for, and no stack trace."""
    ended = command(name, "--port", "1")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("error: no service answers at 127.0.0.1:1;")
    assert len(ended.err.splitlines()) == 1


class Stranger(BaseHTTPRequestHandler):
    """Another program that has the port."""

    answer = b""

    def do_GET(self) -> None:
        self.wfile.write(self.answer)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        pytest.param("status", b"SSH-2.0-OpenSSH_9.2\r\n", id="no HTTP"),
        pytest.param("status", b'HTTP/1.0 200 OK\r\n\r\n{"state": "ready"}', id="other JSON"),
        pytest.param("status", b"HTTP/1.0 200 OK\r\n\r\n<html>", id="a page"),
        pytest.param("unblock", b"HTTP/1.0 404 Not Found\r\n\r\n{}", id="a refusal"),
        pytest.param("status", b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\n{}", id="an answer that breaks off"),
        pytest.param("unblock", b"HTTP/1.0 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", id="a redirect"),
    ],
)
def test_another_program_on_the_port_is_one_line(name: str, answer: bytes) -> None:
    """Whatever it says is not taken for the service's word: exit code 1, and no stack trace."""
    with ThreadingHTTPServer(("127.0.0.1", 0), type("It", (Stranger,), {"answer": answer})) as stranger:
        Thread(target=stranger.serve_forever, daemon=True).start()
        ended = command(name, "--port", str(stranger.server_port))
        stranger.shutdown()
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == f"error: what answers at 127.0.0.1:{stranger.server_port} is no target-connector\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param('{"service": {"admin_port": 1}}', "at 127.0.0.1:1;", id="from the file, whatever else is wrong"),
        pytest.param('{"service": {"port": 0}}', "is 0, any free port", id="any free one"),
        pytest.param('{"service": {"admin_port": "x"}}', "connector.yaml: service.admin_port is no port", id="none"),
        pytest.param("service: {", "can't be read; give --port", id="no YAML"),
        pytest.param(None, "can't be read; give --port", id="no file"),
    ],
)
def test_the_port_is_that_of_the_settings(tmp_path: Path, content: str | None, words: str) -> None:
    """A file that is being mended may hold mistakes; only the port is asked of it."""
    config = tmp_path / "connector.yaml"
    if content is not None:
        config.write_text(content)
    ended = command("unblock", "--config", str(config))
    assert (ended.code, ended.out) == (1, "")
    assert words in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_port_in_the_environment_goes_over_the_file(tmp_path: Path) -> None:
    """As for every setting."""
    config = tmp_path / "connector.yaml"
    config.write_text('{"service": {"admin_port": 2}}')
    ended = command("status", CONNECTOR_CONFIG=str(config), CONNECTOR_SERVICE__ADMIN_PORT="1")
    assert "at 127.0.0.1:1;" in ended.err


def test_a_bad_port_in_the_environment_is_named() -> None:
    """As the variable, since there need be no file."""
    ended = command("status", CONNECTOR_SERVICE__ADMIN_PORT="planted")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "error: CONNECTOR_SERVICE__ADMIN_PORT: service.admin_port is no port; give --port\n"


def test_a_proxy_is_not_asked(tmp_path: Path) -> None:
    """What is for this machine does not leave it."""
    with Service(minimal(), tmp_path) as service:
        shown = command(
            "status", "--port", service.admin_port(), http_proxy="http://127.0.0.1:1", HTTP_PROXY="http://[::1]:1"
        )
        assert shown.code == 0


def _settings(kafka: Kafka, registry: Registry, target: Target, topic: str) -> dict[str, Any]:
    """A brake that so few records trip, and a session that outlives a block."""
    brake = {"share": 0.01, "of": 1000, "at_least": 50}
    session = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
    return against(kafka, registry, target, topic, kafka__properties=session, dead_letters__brake=brake)


def _bad_and_good(kafka: Kafka, registry: Registry, topic: str) -> crash.Feed:
    """Some records that are no Avro, and then good ones."""
    kafka.create_topic(topic, partitions=crash.PARTITIONS)
    kafka.create_topic(f"{topic}.dead-letters", partitions=1)
    producer = Producer({"bootstrap.servers": kafka.address})
    for number in range(BAD):
        producer.produce(topic, b"no framing at all", key=str(number).encode())
    assert producer.flush(30) == 0
    return crash.Feed(kafka.address, registry.url, topic, 500)


@pytest.mark.containers
@pytest.mark.parametrize("way", ["unblock", "settings"])
def test_a_tripped_brake_heals_without_a_restart(tmp_path: Path, kafka: Kafka, registry: Registry, way: str) -> None:
    """The page says why; the command, or the settings file, gets the service on, and every profile arrives."""
    topic = f"brake-{way}.{time.time_ns()}"
    feed = _bad_and_good(kafka, registry, topic)
    with simulated_target() as target, Service(_settings(kafka, registry, target, topic), tmp_path) as service:
        service.await_trouble("pipeline", "framing", 60)
        assert service.ask("/livez")[0] == 200
        assert service.ask("/readyz")[0] == 503
        status, page = service.ask("/")
        assert status == 200
        for words in ("Blocked", "framing", topic, "target-connector unblock"):
            assert words in page
        assert "blocked for " in command("status", "--port", service.admin_port()).out
        assert crash.committed(kafka.address, topic, topic) < BAD  # those that came in before they were too many
        if way == "unblock":
            done = command("unblock", "--records", "100", "--port", service.admin_port())
            assert (done.code, done.out) == (0, "starting over; the brake lets 100 records pass\n")
        else:
            looser = changed(_settings(kafka, registry, target, topic), {"dead_letters__brake__at_least": 1000})
            (tmp_path / "connector.yaml").write_text(json.dumps(looser))
        feed.run(per_second=5_000).join()
        wait_for(lambda: crash.committed(kafka.address, topic, topic) == feed.total + BAD, 90, "all is committed")
        service.await_ready()
        assert len(service.events("starting_over")) == 1
        assert len(target.profiles()) == len(feed.newest)
        number = json.loads(command("status", "--json", "--port", service.admin_port()).out)["batches"][0]["number"]
        one = command("status", str(number), "--port", service.admin_port())
        assert (one.code, one.err) == (0, "")
        assert "rows failed" in one.out
        assert service.stop().code == 0
