"""The installed command: what it says of bad input, what it does while it waits, and how it stops."""

from __future__ import annotations

import io
import json
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

import fastavro
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from tests.changes import GONE
from tests.processes import simulated_target, wait_for
from tests.system import crash
from tests.system.command import Service, against, command, minimal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.containers import Kafka, Registry

pytestmark = pytest.mark.system

_PARSED = fastavro.parse_schema(crash.SCHEMA)
AT_ONCE_S = 5.0
DRAIN_S = 20.0


def refused(folder: Path, settings: dict[str, Any] | str, *expected: str, **variables: str) -> None:
    """The command must end with 2 and one line on standard error for each expected text, which must hold it."""
    config = folder / "connector.yaml"
    config.write_text(settings if isinstance(settings, str) else json.dumps(settings))
    ended = command("run", "--config", str(config), **variables)
    lines = ended.err.splitlines()
    assert ended.code == 2, ended
    assert len(lines) == len(expected), ended.err
    for line, words in zip(lines, expected, strict=True):
        assert line.startswith("error: ")
        assert words.format(config=config, folder=folder) in line
    assert "Traceback" not in ended.out + ended.err


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            {"kafka__group": "x"},
            ["{config}:1: kafka.group: unknown key; did you mean group_id?"],
            id="a misspelt key",
        ),
        pytest.param({"nonsense": 1}, ["{config}:1: nonsense: unknown key"], id="an unknown key"),
        pytest.param({"window__max_bytes": "-45MB"}, ["window.max_bytes: "], id="a negative size"),
        pytest.param({"window__max_bytes": 45}, ["window.max_bytes: "], id="a size without a unit"),
        pytest.param({"window__max_bytes": "45"}, ["window.max_bytes: "], id="a size in text without a unit"),
        pytest.param({"window__max_age": "10"}, ["window.max_age: "], id="a duration without a unit"),
        pytest.param({"sources__topics": []}, ["sources[0].topics: must not be empty"], id="an empty topic list"),
        pytest.param({"sources": []}, ["sources: must not be empty"], id="no source"),
        pytest.param(
            {"target__base_url": "http://target.example.com"},
            ["target.base_url: http is allowed only to this machine"],
            id="plain http to a foreign host",
        ),
        pytest.param(
            {"target__token_file": "/nowhere/token"}, ["target.token_file: no such file"], id="a token file is missing"
        ),
        pytest.param(
            {"kafka__properties": {"enable.auto.commit": True}},
            ["kafka.properties: enable.auto.commit: refused: offsets are stored only after Target accepted"],
            id="a property that would break a promise",
        ),
        pytest.param(
            {"kafka__properties": {"auto.offset.reset": "latest"}},
            ["kafka.properties: auto.offset.reset: refused: must be earliest"],
            id="a property's value that would break a promise",
        ),
        pytest.param(
            {"kafka__properties": {"no.such.property": "1"}},
            ['kafka.properties: No such configuration property: "no.such.property"; correct or remove the property'],
            id="a property that librdkafka does not know",
        ),
        pytest.param(
            {"registry": GONE}, ["registry.url: missing; sources[0] has the framing confluent"], id="no registry"
        ),
        pytest.param({"kafka__bootstrap_servers": GONE}, ["kafka.bootstrap_servers: missing"], id="no brokers"),
        pytest.param(
            {"window__max_rows": 0, "service__drain": "soon", "sources__ids": "id"},
            ["sources[0].ids: unknown key; did you mean id?", "window.max_rows: must be 1 or more", "service.drain: "],
            id="several at once",
        ),
    ],
)
def test_a_wrong_setting_is_one_line(tmp_path: Path, changes: dict[str, Any], expected: list[str]) -> None:
    """Whatever is wrong with a setting: exit code 2 and one line each that names the place, without a stack trace."""
    refused(tmp_path, minimal(**changes), *expected)


def test_a_missing_settings_file_is_one_line(tmp_path: Path) -> None:
    """A settings file that is not there is named."""
    ended = command("run", "--config", str(tmp_path / "nowhere.yaml"))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"error: {tmp_path}/nowhere.yaml: no such file")
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("kafka: {", "{config}:1: is not YAML", id="an open brace"),
        pytest.param("kafka:\n\tgroup_id: g\n", "{config}:2: is not YAML", id="a tab"),
        pytest.param("- kafka\n", "{config}: is not a map of settings", id="a list"),
        pytest.param("kafka: {}\nkafka: {}\n", "{config}:2: has the key kafka twice", id="a key twice"),
    ],
)
def test_a_settings_file_that_cannot_be_read_is_one_line(tmp_path: Path, text: str, expected: str) -> None:
    """A settings file that is no YAML is told with the line."""
    refused(tmp_path, text, expected)


def test_an_empty_token_file_is_one_line(tmp_path: Path) -> None:
    """A token file without a token is told before anything is sent."""
    token = tmp_path / "token"
    token.write_text("\n")
    refused(tmp_path, minimal(target__token_file=str(token)), "target.token_file: the file is empty")


def test_an_unknown_variable_is_one_line(tmp_path: Path) -> None:
    """A variable with our prefix that is no setting is told, with the nearest that is one."""
    expected = "CONNECTOR_KAFKA__GROUPID: unknown variable; did you mean CONNECTOR_KAFKA__GROUP_ID?"
    refused(tmp_path, minimal(), expected, CONNECTOR_KAFKA__GROUPID="g")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("not a schema", "{folder}/customer.avsc", id="text"),
        pytest.param(
            '{"type": "record", "name": "R", "fields": [{"name": "f", "type": "text"}]}',
            "{folder}/customer.avsc",
            id="an unknown type",
        ),
        pytest.param('"string"', "{folder}/customer.avsc", id="no record"),
        pytest.param(None, "sources[0].schema_file: {folder}/customer.avsc: no such file", id="missing"),
    ],
)
def test_a_wrong_schema_file_is_one_line(tmp_path: Path, content: str | None, expected: str) -> None:
    """A schema file that holds no Avro schema of a record is told with its path."""
    path = tmp_path / "customer.avsc"
    if content is not None:
        path.write_text(content)
    refused(tmp_path, minimal(sources__framing="plain", sources__schema_file=str(path), registry=GONE), expected)


@pytest.mark.containers
def test_an_id_that_the_schema_file_lacks_is_one_line(tmp_path: Path, kafka: Kafka) -> None:
    """An id path that the schema file does not have ends the start with the nearest name."""
    path = tmp_path / "customer.avsc"
    path.write_text(json.dumps(fastavro.parse_schema(crash.SCHEMA)))
    topic = f"plain-id.{time.time_ns()}"
    kafka.create_topic(topic, partitions=1)
    settings = minimal(
        kafka__bootstrap_servers=kafka.address,
        registry=GONE,
        sources__topics=[topic],
        sources__framing="plain",
        sources__schema_file=str(path),
        sources__id="customerid",
    )
    refused(tmp_path, settings, f"topic {topic}: the schema has no field `customerid`: did you mean `customer_id`?")


@pytest.mark.containers
def test_an_id_that_the_registrys_schema_lacks_is_one_line(tmp_path: Path, kafka: Kafka, registry: Registry) -> None:
    """An id path that no schema has ends the start with exit code 2."""
    topic = f"registry-id.{time.time_ns()}"
    kafka.create_topic(topic, partitions=1)
    with SchemaRegistryClient({"url": registry.url}) as client:
        client.register_schema(f"{topic}-value", Schema(json.dumps(crash.SCHEMA), "AVRO"))
    settings = minimal(
        kafka__bootstrap_servers=kafka.address,
        registry__url=registry.url,
        sources__topics=[topic],
        sources__id="id",
        sources__attributes={"note": "note"},
    )
    refused(tmp_path, settings, f"topic {topic}: the schema has no field `id`")


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    """A port in use is named, with its address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused(tmp_path, minimal(service__port=port), f"service.port: 127.0.0.1:{port} cannot be listened on")


# Waiting.


def _waits(service: Service, words: str) -> None:
    """It lives, is not ready and says why, and a stop ends it at once."""
    service.await_trouble("kafka", words)
    assert service.ask("/livez")[0] == 200
    assert service.ask("/readyz")[0] == 503
    assert [line["text"] for line in service.events("trouble") if words in line["text"]]
    ended = service.stop()
    assert (ended.code, ended.err) == (0, "")
    assert ended.after_s < AT_ONCE_S
    assert service.events("stopped")


def test_an_unreachable_broker_is_waited_for(tmp_path: Path) -> None:
    """No broker answers: the process lives, is not ready, names the address, and a stop ends it at once."""
    with Service(minimal(), tmp_path) as service:
        assert service.ask("/livez")[0] == 200
        assert service.ask("/readyz")[0] == 503
        _waits(service, "127.0.0.1:1")


@pytest.mark.containers
def test_a_missing_topic_is_waited_for(tmp_path: Path, kafka: Kafka) -> None:
    """A topic that does not exist: the process lives, is not ready, names it, and a stop ends it at once."""
    topic = f"missing.{time.time_ns()}"
    with Service(minimal(kafka__bootstrap_servers=kafka.address, sources__topics=[topic]), tmp_path) as service:
        _waits(service, f"no such topic: {topic}; create it or correct sources.topics")


@pytest.mark.containers
def test_a_registry_that_does_not_answer_is_waited_for(tmp_path: Path, kafka: Kafka) -> None:
    """No registry answers: the process lives, is not ready, says so, and a stop ends it at once."""
    topic = f"no-registry.{time.time_ns()}"
    kafka.create_topic(topic, partitions=1)
    with Service(minimal(kafka__bootstrap_servers=kafka.address, sources__topics=[topic]), tmp_path) as service:
        service.await_trouble("registry", "the schema registry at 127.0.0.1 does not answer")
        assert service.ask("/livez")[0] == 200
        assert service.ask("/readyz")[0] == 503
        ended = service.stop()
        assert (ended.code, ended.err) == (0, "")
        assert ended.after_s < AT_ONCE_S


# Stopping.


def _feed(kafka: Kafka, registry: Registry, topic: str, total: int) -> crash.Feed:
    kafka.create_topic(topic, partitions=crash.PARTITIONS)
    return crash.Feed(kafka.address, registry.url, topic, total)


def _newest_committed(kafka: Kafka, topic: str) -> dict[str, int]:
    """The newest version of every customer among the records below the committed offsets."""
    consumer = Consumer({"bootstrap.servers": kafka.address, "group.id": topic, "enable.auto.commit": False})
    try:
        all_of_it = [TopicPartition(topic, number) for number in range(crash.PARTITIONS)]
        ends = {one.partition: one.offset for one in consumer.committed(all_of_it, timeout=30) if one.offset > 0}
        consumer.assign([TopicPartition(topic, number, 0) for number in ends])
        newest: dict[str, int] = {}
        left = sum(ends.values())
        while left:
            for message in consumer.consume(10_000, timeout=5):
                assert message.error() is None
                if (message.offset() or 0) < ends[message.partition()]:  # type: ignore[index]
                    left -= 1
                    datum: Any = fastavro.schemaless_reader(io.BytesIO(message.value()[5:]), _PARSED, None)  # type: ignore[index]
                    newest[datum["customer_id"]] = datum["version"]
        return newest
    finally:
        consumer.close()


@pytest.mark.containers
def test_a_stop_under_load_loses_nothing(tmp_path: Path, kafka: Kafka, registry: Registry) -> None:
    """SIGTERM while events flow: exit code 0 within the drain, what is committed is in Target, the rest is read again.

    Three times, and then the last life brings every profile to its newest event.
    """
    topic = f"stop.{time.time_ns()}"
    feed = _feed(kafka, registry, topic, 100_000)
    with simulated_target() as target:
        settings = against(kafka, registry, target, topic)
        writing = feed.run(per_second=4_000)
        for wait_s in (0.1, 0.8, 1.9):
            with Service(settings, tmp_path) as service:
                service.await_event("batch_accepted")
                time.sleep(wait_s)
                ended = service.stop()
                assert (ended.code, ended.err) == (0, "")
                assert ended.after_s < DRAIN_S + AT_ONCE_S
                assert "stopping" in ended.out
            profiles, committed = target.profiles(), _newest_committed(kafka, topic)
            assert committed
            assert [key for key, version in committed.items() if int(profiles[key]["version"]) < version] == []
        writing.join()
        with Service(settings, tmp_path) as service:
            wait_for(lambda: crash.committed(kafka.address, topic, topic) == feed.total, 120, "all is committed")
            assert service.stop().code == 0
        expected = {key: {"version": str(version), "note": f"n {version}"} for key, version in feed.newest.items()}
        assert target.profiles() == expected
        assert target.summary()["went_backwards"] == 0
        assert target.summary()["refusals"] == {}


@pytest.mark.containers
def test_a_stop_ends_with_the_drain(tmp_path: Path, kafka: Kafka, registry: Registry) -> None:
    """While Target accepts nothing, a stop waits for the drain and no longer, and commits nothing."""
    topic = f"drain.{time.time_ns()}"
    feed = _feed(kafka, registry, topic, 500)
    with simulated_target() as target:
        target.switch({"kind": "500"})
        feed.run(per_second=5_000).join()
        with Service(against(kafka, registry, target, topic, service__drain="3s"), tmp_path) as service:
            service.await_trouble("target", "HTTP 500")
            ended = service.stop()
        assert (ended.code, ended.err) == (0, "")
        assert 2.5 < ended.after_s < 3 + AT_ONCE_S
        assert crash.committed(kafka.address, topic, topic) == 0


@pytest.mark.containers
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM twice", "Ctrl-C twice"])
def test_a_second_signal_ends_at_once(tmp_path: Path, kafka: Kafka, registry: Registry, number: signal.Signals) -> None:
    """Asked twice, it ends at once, with exit code 1, whatever is open; the next life delivers it."""
    topic = f"twice.{time.time_ns()}"
    feed = _feed(kafka, registry, topic, 500)
    with simulated_target() as target:
        target.switch({"kind": "500"})
        feed.run(per_second=5_000).join()
        with Service(against(kafka, registry, target, topic, service__drain="60s"), tmp_path) as service:
            service.await_trouble("target", "HTTP 500")
            service.signal(number)
            service.await_event("stopping")
            time.sleep(1)
            service.signal(number)
            ended = service.ended(AT_ONCE_S)
        assert (ended.code, ended.err) == (1, "")
        assert ended.after_s < AT_ONCE_S
        target.switch(None)
        with Service(against(kafka, registry, target, topic), tmp_path) as service:
            wait_for(lambda: len(target.profiles()) == len(feed.newest), 60, "all profiles are there")
            assert service.stop().code == 0


# Texts.


def test_help_names_every_command_and_the_exit_codes() -> None:
    """`--help` lists the commands and what exit codes mean."""
    ended = command("--help")
    assert (ended.code, ended.err) == (0, "")
    for words in ("run", "demo", "simulate-target", "Exit codes: 0 fine, 2 a setting or a file is wrong"):
        assert words in ended.out


def test_run_help_names_the_settings_file_and_the_stop() -> None:
    """`run --help` tells where settings come from and what signals do."""
    ended = command("run", "--help")
    assert (ended.code, ended.err) == (0, "")
    for words in ("--config", "CONNECTOR_CONFIG", "SIGTERM", "service.drain"):
        assert words in ended.out


def test_version_is_one_line() -> None:
    """`--version` prints name and version."""
    ended = command("--version")
    assert (ended.code, ended.err) == (0, "")
    name, version = ended.out.split()
    assert name == "target-connector"
    assert version[0].isdigit()


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["nope"], id="an unknown command"),
        pytest.param(["run", "--nope"], id="an unknown option"),
        pytest.param([], id="no command"),
    ],
)
def test_a_wrong_command_line_ends_with_2(arguments: list[str]) -> None:
    """What the command line does not know: exit code 2 and a hint, no stack trace."""
    ended = command(*arguments)
    assert ended.code == 2
    assert "Usage: target-connector" in ended.out + ended.err
    assert "Traceback" not in ended.out + ended.err
