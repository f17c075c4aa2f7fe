"""No secret and nothing of a profile is shown: planted ones are looked for wherever the process writes.

Everything planted holds one word. The faults are chosen so that nearly every event of the log, every trouble and every
dead letter's reason occurs; the tests hold that they did.
"""

from __future__ import annotations

import base64
import io
import json
import struct
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import fastavro
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from tests.changes import GONE
from tests.processes import COMMAND, Target, wait_for
from tests.system import crash
from tests.system.command import Ended, Service, command, minimal
from tests.system.parrot import parrot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.containers import Kafka, Registry

pytestmark = [pytest.mark.system, pytest.mark.containers]

WORD = "PLANTED"
TOKEN = "PLANTED-token"
PASSWORD = "PLANTED-password"
POISONED = "PLANTED-poisoned-id"
FAILED = "PLANTED-failed-id"
BASIC = base64.b64encode(f"connector:{PASSWORD}".encode()).decode()
_PARSED = fastavro.parse_schema(crash.SCHEMA)


def shown_nowhere(text: str) -> None:
    """Nothing planted may be in a text, in whatever case or encoding it was sent."""
    assert WORD.lower() not in text.lower()
    assert BASIC not in text


def secret(folder: Path, name: str, content: str) -> str:
    path = folder / name
    path.write_text(content)
    return str(path)


@contextmanager
def guarded_target(folder: Path) -> Iterator[Target]:
    """A simulated Target that demands the token; what it prints is looked through as well."""
    options = ["--port", "0", "--version-attribute", "version", "--token-file", secret(folder, "target", TOKEN)]
    process = subprocess.Popen([COMMAND, "simulate-target", *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        yield Target(process, next(word for word in first.split() if word.startswith("http://")))
    finally:
        process.terminate()
        rest, _ = process.communicate(timeout=20)
    shown_nowhere(first + rest)


class Planter:
    """Writes records that hold planted ids, keys, values and headers, good and bad ones."""

    def __init__(self, kafka: Kafka, registry: Registry, topic: str) -> None:
        kafka.create_topic(topic, partitions=2)
        with SchemaRegistryClient({"url": registry.url}) as client:
            self._id = client.register_schema(f"{topic}-value", Schema(json.dumps(crash.SCHEMA), "AVRO"))
        self._producer = Producer({"bootstrap.servers": kafka.address, "enable.idempotence": True})
        self._topic = topic
        self._version = 0

    def good(self, *ids: str, note: str = "PLANTED-value") -> None:
        for one in ids:
            self._version += 1
            datum = io.BytesIO()
            fastavro.schemaless_writer(datum, _PARSED, {"customer_id": one, "version": self._version, "note": note})
            self.raw(self._framed(datum.getvalue()))

    def bad(self) -> None:
        """One record for every reason that a record has by itself."""
        self.good("PLANTED-with-a-comma-in-it", note="PLANTED, and more")  # unsafe_text
        self.good("PLANTED+id")  # id_forbidden
        self.good("PLANTED" * 20)  # id_too_long
        self.good("")  # id_missing
        self.raw(b"PLANTED without a frame")  # framing
        self.raw(self._framed(b"\x0ePLANTED"))  # unreadable: it ends after the first field
        self.raw(b"\0" + struct.pack(">I", 2_000_000_002) + b"PLANTED")  # schema_unknown

    def raw(self, value: bytes) -> None:
        self._producer.produce(self._topic, value, key="PLANTED-key", headers=[("trace", b"PLANTED-header")])
        assert self._producer.flush(60) == 0

    def _framed(self, datum: bytes) -> bytes:
        return b"\0" + struct.pack(">I", self._id) + datum


def settings_with_secrets(folder: Path, kafka: Kafka, registry_url: str, url: str, topic: str) -> dict[str, Any]:
    """Settings with something planted wherever a secret may stand."""
    return minimal(
        kafka__bootstrap_servers=kafka.address,
        kafka__group_id=topic,
        # Without SASL and TLS in security.protocol these are of no use, but they are settings all the same.
        kafka__properties={"sasl.password": PASSWORD, "ssl.key.password": PASSWORD, "heartbeat.interval.ms": 500},
        kafka__secrets={"sasl.oauthbearer.client.secret": secret(folder, "oauth", PASSWORD)},
        registry__url=registry_url,
        registry__username="connector",
        registry__password_file=secret(folder, "registry", PASSWORD),
        sources__topics=[topic],
        sources__where="note IS NOT NULL AND version > 0",
        sources__id={"value": "trim(customer_id)"},
        sources__attributes={"version": "version", "note": "note", "made": {"value": "upper(note) || customer_id"}},
        target__base_url=url,
        target__token_file=secret(folder, "token", f"{TOKEN}-of-yesterday"),
        target__calls_per_minute=50,
        target__follow_after="1s",
        dead_letters__topic=f"{topic}.dead-letters",
    )


@dataclass
class Letter:
    """What a dead letter holds: the record's value, and what was said of it."""

    value: bytes
    detail: bytes


def letters(kafka: Kafka, topic: str, count: int) -> dict[str, Letter]:
    """One dead letter for each reason."""
    consumer = Consumer({"bootstrap.servers": kafka.address, "group.id": "judge", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        found = consumer.consume(count, timeout=20)
        headers: list[dict[str, Any]] = [dict(one.headers() or []) for one in found]
        return {
            head["target-connector.reason"].decode(): Letter(
                one.value() or b"",
                head["__connect.errors.exception.message"],
            )
            for head, one in zip(headers, found, strict=True)
        }
    finally:
        consumer.close()


def strange_letter(kafka: Kafka, topic: str) -> None:
    """A dead letter of Kafka Connect, whose words hold values."""
    producer = Producer({"bootstrap.servers": kafka.address})
    headers = {"exception.class.name": "org.apache.DataException", "exception.message": "no such thing as PLANTED"}
    named = [(f"__connect.errors.{name}", text.encode()) for name, text in headers.items()]
    producer.produce(topic, b"PLANTED", key=b"PLANTED", headers=[*named, ("trace", b"PLANTED-header")])
    assert producer.flush(60) == 0


@dataclass
class Onlooker:
    """Keeps all that a user can see of a service that runs: the pages of both ports, and what `status` prints."""

    service: Service
    seen: list[str] = field(default_factory=list)

    def look(self) -> None:
        """Open every page, those that refuse too."""
        batches = [one["number"] for one in json.loads(self.service.ask_admin("/status")[1])["batches"]]
        for path, expected in {"/": {200}, "/livez": {200}, "/readyz": {200, 503}, "/metrics": {200}}.items():
            self._note(self.service.ask(path), expected)
        self._note(self.service.ask("/none"), {404})
        self._note(self.service.ask_admin("/status"), {200})
        self._note(self.service.ask_admin("/status/none"), {404})
        self._note(self.service.ask_admin("/unblock", "POST"), {403})  # as the header that the command sends is missing
        for number in batches:
            self._note(self.service.ask_admin(f"/status/{number}"), {200})
            self._note(self.service.ask_admin(f"/status/{number}?ids=1"), {403})  # the same

    def ask(self, *arguments: str, code: int = 0) -> str:
        """Run a command that asks the service."""
        return self.keep(command(*arguments, "--port", self.service.admin_port()), code)

    def keep(self, ended: Ended, code: int = 0) -> str:
        assert ended.code == code, (ended.code, ended.err)
        self.seen.append(ended.out + ended.err)
        return ended.out + ended.err

    def _note(self, answer: tuple[int, str], expected: set[int]) -> None:
        status, text = answer
        assert status in expected, text
        assert text
        self.seen.append(text)


def go_wrong(onlooker: Onlooker, planter: Planter, target: Target) -> None:
    """Let happen to the service whatever can go wrong with records and with Target; it ends blocked."""
    service = onlooker.service
    target.switch({"kind": "failed_row", "profile_id": FAILED})
    planter.good(FAILED)
    service.await_event("rows_failed", 60)  # first, as nothing is followed for minutes after a throttle
    onlooker.look()
    batch = str(service.events("rows_failed")[0]["number"])
    assert "rows failed" in onlooker.ask("status", batch)
    onlooker.ask("status", batch, "--json")
    target.switch(None)
    for fault in (
        {"kind": "500"},
        {"kind": "garbage"},
        {"kind": "429", "retry_after_s": 1},
        {"kind": "cut_after"},
    ):
        target.switch({**fault, "times": 1})
    planter.good("PLANTED-of-faults")
    service.await_trouble("target", "try")
    onlooker.look()
    planter.bad()
    wait_for(lambda: len(service.events("dead_lettered")) >= 7, 60, "the bad ones are dead letters")
    target.switch({"kind": "poison", "profile_id": POISONED})
    planter.good("PLANTED-beside-it", POISONED, "PLANTED-too")
    wait_for(lambda: len(service.events("dead_lettered")) >= 8, 60, "the poisoned one is a dead letter")
    wait_for(lambda: "PLANTED-too" in target.profiles(), 60, "the others of its batch arrive")
    target.switch(None)
    target.switch({"kind": "redirect", "location": "http://127.0.0.1:1/PLANTED"})
    planter.good("PLANTED-redirected")
    service.await_trouble("pipeline", "target.base_url")
    onlooker.look()
    assert onlooker.ask("status").startswith("blocked")
    onlooker.ask("status", "--json")
    onlooker.ask("status", "none", code=1)
    onlooker.ask("unblock")
    service.await_event("starting_over")


def test_no_secret_and_no_value_is_shown(tmp_path: Path, kafka: Kafka, registry: Registry) -> None:
    """Whatever goes wrong, and whatever is repeated to us, nothing planted is in the output, on a page, in a command.

    That is a token, passwords, ids, keys, headers and attribute values.
    """
    topic = f"quiet.{time.time_ns()}"
    planter = Planter(kafka, registry, topic)
    with guarded_target(tmp_path) as target, parrot(target.url) as api, parrot(registry.url) as schemas:
        schemas.refuses = True
        settings = settings_with_secrets(tmp_path, kafka, schemas.url, api.url, topic)
        with Service(settings, tmp_path) as service:
            onlooker = Onlooker(service)
            planter.good(*(f"PLANTED-{number}" for number in range(20)))
            service.await_trouble("registry", "refuses us")
            onlooker.look()
            assert "refuses us" in onlooker.ask("status")
            schemas.refuses = False
            service.await_trouble("target", "the token is not accepted")
            onlooker.look()
            secret(tmp_path, "token", TOKEN)
            service.await_event("batch_accepted")
            go_wrong(onlooker, planter, target)
            preview_it(onlooker, service.folder / "connector.yaml")
            ended = service.stop()
        assert ended.code == 0
        assert schemas.heard == {f"Basic {BASIC}"}
        assert api.heard == {f"Bearer {TOKEN}", f"Bearer {TOKEN}-of-yesterday"}
    reasons = {line["reason"] for line in service.events("dead_lettered")}
    assert reasons == {
        "unsafe_text", "id_forbidden", "id_too_long", "id_missing", "framing", "unreadable", "schema_unknown", "refused"
    }  # fmt: skip
    kept = letters(kafka, f"{topic}.dead-letters", 8)
    assert kept.keys() == reasons
    assert all(WORD.encode() in letter.value for reason, letter in kept.items() if reason != "id_missing")
    assert WORD.encode() in kept["refused"].detail
    assert {line["event"] for line in service.log()} >= {
        "starting", "listening", "assigned", "batch_accepted", "batch_followed", "rows_failed", "dead_lettered",
        "trouble", "recovered", "starting_over", "stopping", "stopped",
    }  # fmt: skip
    assert service.events("starting")[0]["settings"]["kafka"]["properties"]["sasl.password"] == "***"
    strange_letter(kafka, f"{topic}.dead-letters")
    read_the_letters(onlooker, service.folder / "connector.yaml")
    preview_it(onlooker, service.folder / "connector.yaml", code=1)  # the registry is away
    shown_nowhere(ended.out + ended.err)
    shown_nowhere("".join(onlooker.seen))


def read_the_letters(onlooker: Onlooker, config: Path) -> None:
    """Run every command about dead letters that shows no values, good calls and bad ones."""

    def run(name: str, *arguments: str, code: int = 0, **variables: str) -> str:
        return onlooker.keep(command("dead-letters", name, *arguments, "--config", str(config), **variables), code)

    assert "9 letters (" in run("list")
    assert run("list", "--json").count('"detail": null') == 2  # Target's words and Connect's
    assert run("show", *(f"0:{number}" for number in range(9))).count("(may repeat a value: ") == 2
    assert "no letter at 0:9" in run("show", "0:9", code=2)
    assert "would be replayed" in run("replay", "--dry-run", "--even-superseded")
    assert "no letter at 0:9" in run("replay", "--dry-run", "0:9", code=2)
    assert "add --yes" in run("replay", "--even-superseded", code=2)
    run("list", code=1, CONNECTOR_KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:1")


def preview_it(onlooker: Onlooker, config: Path, code: int = 0) -> None:
    """Look at all records, good and bad, for people and for programs."""
    for form in ([], ["--json"])[: 1 if code else 2]:  # it waits for what is away
        told = onlooker.keep(command("preview", "--config", str(config), *form), code)
        assert ("XXXXXXX-xxxxx" in told) is (code == 0)  # the form of a planted value


def test_a_process_that_cannot_go_on_shows_nothing(tmp_path: Path, kafka: Kafka, registry: Registry) -> None:
    """A fenced member ends with exit code 1 and one line that says why, without a stack trace or anything planted."""
    topic = f"fenced.{time.time_ns()}"
    planter = Planter(kafka, registry, topic)
    with guarded_target(tmp_path) as target:
        settings = settings_with_secrets(tmp_path, kafka, registry.url, target.url, topic)
        settings["kafka"]["properties"] |= {"group.instance.id": "the-same"}
        secret(tmp_path, "token", TOKEN)
        (tmp_path / "other").mkdir()
        with Service(settings, tmp_path) as service:
            planter.good("PLANTED-first")
            service.await_event("batch_accepted", 60)
            with Service(settings, tmp_path / "other") as other:
                ended = service.ended(60)
                other.await_ready()
                assert other.stop().code == 0
    [failed] = service.events("failed")
    assert ended.code == 1
    assert "fenced" in failed["text"]
    assert "Traceback" not in ended.out + ended.err
    shown_nowhere(ended.out + ended.err)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(
            {"kafka__properties": {"security.protocol": "SSL", "ssl.key.pem": "PLANTED"}}, id="a key that is no PEM"
        ),
        pytest.param(
            {
                "kafka__properties": {
                    "security.protocol": "SASL_SSL",
                    "sasl.mechanism": "PLAIN",
                    "sasl.password": "PLANTED",
                }
            },
            id="a password without a user",
        ),
        pytest.param({"kafka__secrets": {"sasl.password": "PLANTED"}}, id="a password in place of its file"),
        pytest.param({"target__token_file": "PLANTED"}, id="a token in place of its file"),
        pytest.param({"registry__url": "http://user:PLANTED@registry"}, id="a password in an address"),
        pytest.param({"target__base_url": "https://PLANTED@acme.tt.omtrdc.net"}, id="a token in an address"),
        pytest.param({"registry__password": "PLANTED"}, id="a password under a key that is none"),
        pytest.param({"target__client": "PLANTED"}, id="a wrong client code"),
        pytest.param({"kafka__bootstrap_servers": "PLANTED PLANTED"}, id="wrong brokers"),
        pytest.param({"window__max_age": "PLANTED"}, id="a wrong duration"),
        pytest.param({"registry": GONE, "target__token": "PLANTED"}, id="two problems"),
    ],
)
def test_a_wrong_setting_is_not_repeated(tmp_path: Path, changes: dict[str, Any]) -> None:
    """What stands in the wrong place may be a secret: the error names the key and does not show the value."""
    config = tmp_path / "connector.json"
    config.write_text(json.dumps(minimal(**changes)))
    ended = command("run", "--config", str(config))
    assert ended.code == 2
    assert ended.err.startswith("error: ")
    shown_nowhere(ended.out + ended.err)
