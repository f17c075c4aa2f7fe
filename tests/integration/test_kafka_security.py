"""TLS, SASL and rights on a real broker: every client of the service comes by them, and what is wrong is told.

The words for each cause are in `tests/unit/test_kafka_causes.py`; here is what provokes them.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.admin import AclOperation, ResourceType  # type: ignore[attr-defined] # not in its __all__

from connector.errors import SettingError
from connector.records import Reason
from connector.simulator.faults import FaultKind
from connector.telemetry import Part
from tests.authority import Authority, written
from tests.changes import changed
from tests.containers import KAFKA_IMAGE, missing
from tests.embedded.road import until
from tests.integration.kafka_road import PARTITIONS, PLAIN, KafkaRoad, kafka_road, without_registry
from tests.secured import REAUTHENTICATE_MS, SecuredKafka
from tests.system.command import Service, command, minimal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = pytest.mark.containers

USER = "connector"
TOPIC, GROUP = ResourceType.TOPIC, ResourceType.GROUP


@pytest.fixture(scope="module")
def broker() -> Iterator[SecuredKafka]:
    """A broker that trusts nobody."""
    if why_not := missing(KAFKA_IMAGE):
        pytest.skip(why_not)
    with SecuredKafka() as secured:
        yield secured


@dataclass
class Secured:
    """A road to the broker that trusts nobody, and settings to come by each of its listeners."""

    road: KafkaRoad
    broker: SecuredKafka
    folder: Path
    password: str

    @property
    def rights(self) -> dict[tuple[Any, str], list[Any]]:
        """All that the service needs."""
        return {
            (TOPIC, self.road.topic): [AclOperation.READ],
            (GROUP, self.road.topic): [AclOperation.READ],
            (TOPIC, self.road.dead_letter_topic): [AclOperation.WRITE],
        }

    def allow(self, user: str = USER) -> None:
        self.broker.allow(user, self.rights)

    def by_scram(self, *, at: str = "", **properties: str) -> dict[str, Any]:
        """Settings for SCRAM over TLS; `properties` with `_` for the dot, those that are empty are left out."""
        given = {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": USER,
            "ssl.ca.location": written(self.folder, "ca.pem", self.broker.authority.pem),
            **{name.replace("_", "."): value for name, value in properties.items()},
        }
        secrets = {"sasl.password": written(self.folder, "password", self.password)}
        return self._plain(at or self.broker.scram, given) | {"kafka__secrets": secrets}

    def by_certificate(self, authority: Authority | None = None, *, at: str = "") -> dict[str, Any]:
        """Settings for TLS with a certificate of our own, or without one."""
        given = {
            "security.protocol": "SSL",
            "ssl.ca.location": written(self.folder, "ca.pem", self.broker.authority.pem),
        }
        if authority is not None:
            pem = written(self.folder, f"{authority.name}.pem", authority.issue(USER))
            given |= {"ssl.certificate.location": pem, "ssl.key.location": pem}
        return self._plain(at or self.broker.mutual, given)

    def plain(self, at: str) -> dict[str, Any]:
        """Settings without any protection."""
        return self._plain(at, {})

    def _plain(self, at: str, properties: dict[str, str]) -> dict[str, Any]:
        quick = {"session.timeout.ms": 3000, "heartbeat.interval.ms": 500, "reconnect.backoff.max.ms": 1000}
        return {
            "kafka__bootstrap_servers": at,
            "kafka__properties": quick | {name: value for name, value in properties.items() if value},
            **without_registry(self.folder),
        }


@pytest.fixture
async def secured(tmp_path: Path, broker: SecuredKafka) -> AsyncIterator[Secured]:
    """A road with empty topics, of which the service's user may do nothing yet."""
    async with kafka_road(broker, "http://127.0.0.1:1", tmp_path, topic="secured") as road:
        broker.create_topic(road.dead_letter_topic, partitions=1)
        password = f"password-of-{road.topic}"
        broker.set_password(USER, password)
        yield Secured(road, broker, tmp_path, password)


@pytest.mark.parametrize("by", ["scram", "certificate"])
async def test_every_client_comes_by_tls(secured: Secured, by: str) -> None:
    """Consumer, watch of the topics, writer of dead letters and reader of refused records: with least rights.

    By SCRAM they authenticate again every few seconds, and nothing is to be seen of it.
    """
    it = secured.road
    secured.allow(USER if by == "scram" else f"CN={USER}")
    settings = secured.by_scram() if by == "scram" else secured.by_certificate(secured.broker.authority)
    it.simulator.faults.add(FaultKind.POISON, profile_id="customer-3")
    async with it.member(**settings) as member:
        it.write_raw(b"no datum")
        it.write_cities(PLAIN, range(50))
        del it.expected["customer-3"]
        await until(it.arrived)
        await until(lambda: member.dead == {Reason.UNREADABLE: 1, Reason.REFUSED: 1})
        assert member.partitions == member.all_partitions == PARTITIONS
        if by == "scram":
            for turn in range(5):  # two and a half times as long as a connection lives
                await asyncio.sleep(REAUTHENTICATE_MS / 2000)
                it.write_cities(PLAIN, range(10, 20), city=f"Graz {turn}")
            await until(it.arrived)
        await it.all_committed()
        assert member.told == []
    assert {value for value, _ in it.dead_letters(2)} >= {b"no datum"}


@pytest.mark.parametrize("customers", [range(25, 75), range(0)], ids=["events come meanwhile", "nothing is to be read"])
async def test_credentials_that_are_taken_away_are_waited_for(secured: Secured, customers: range) -> None:
    """Deleted while the service runs: told with the remedy, nothing lost, and well once they are back."""
    it = secured.road
    secured.allow()
    # Longer than it takes, as in service: no new assignment proves that all is well again.
    async with it.member(**secured.by_scram(session_timeout_ms="45000")) as member:
        it.write_cities(PLAIN, range(50))
        await until(it.arrived)
        secured.broker.remove(USER)
        await until(lambda: "refuse the credentials" in member.troubles.get(Part.KAFKA, ""))
        it.write_cities(PLAIN, customers, city="Wien")
        await until(lambda: "refuse the credentials" in member.troubles.get(Part.CONSUMER, ""))
        assert it.arrived() is (not customers)
        secured.broker.set_password(USER, secured.password)
        await until(it.arrived)
        await until(lambda: member.troubles == {})
        await it.all_committed()
    assert it.simulator.summary().went_backwards == 0


async def test_what_keeps_brokers_from_answering_is_told(secured: Secured) -> None:
    """Each wrong setting of TLS and SASL names the property to look at, and waits."""
    stranger = Authority("a stranger")
    foreign = written(secured.folder, "foreign.pem", stranger.pem)
    secured.password = f"not {secured.password}"
    cases = {
        "sasl.password": secured.by_scram(),
        "ssl.ca.location": secured.by_scram(ssl_ca_location=foreign),
        "SCRAM-SHA-512; see sasl.mechanism": secured.by_scram(sasl_mechanism="PLAIN"),
        "speaks no TLS; see security.protocol": secured.by_scram(at=secured.broker.address),
        "wants TLS does; see security.protocol": secured.plain(secured.broker.scram),
        "takes no SASL; see security.protocol": secured.by_scram(
            at=secured.broker.address, security_protocol="SASL_PLAINTEXT"
        ),
        "wants SASL does; see security.protocol": secured.by_certificate(at=secured.broker.scram),
        "see ssl.certificate.location": secured.by_certificate(),
        "a certificate of ours that they trust": secured.by_certificate(stranger),
    }

    async def told(words: str, settings: dict[str, Any]) -> None:
        async with secured.road.member(**settings) as member:
            await until(lambda: words in member.troubles.get(Part.KAFKA, ""))
            assert not member.running.done()

    await asyncio.gather(*(told(words, settings) for words, settings in cases.items()))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        pytest.param("topic", "{topic} may not be seen; grant the service's user Read", id="nothing on the topic"),
        pytest.param("describe", "{topic} may not be read; grant the service's user Read", id="no Read on the topic"),
        pytest.param(
            "group", "the group {topic} may not be joined; grant the service's user Read", id="no Read on the group"
        ),
        pytest.param("letters", "grant the service's user Write on the topic {topic}.dead", id="no Write on letters"),
    ],
)
async def test_a_missing_right_is_named_and_waited_for(secured: Secured, kind: str, told: str) -> None:
    """The line names topic or group and the right; once it is granted all arrives, without a restart."""
    it = secured.road
    missing_right = {
        "topic": (TOPIC, it.topic),
        "describe": (TOPIC, it.topic),
        "group": (GROUP, it.topic),
        "letters": (TOPIC, it.dead_letter_topic),
    }[kind]
    some = {what: may for what, may in secured.rights.items() if what != missing_right}
    if kind in {"describe", "letters"}:
        some[missing_right] = [AclOperation.DESCRIBE]
    secured.broker.allow(USER, some)
    it.write_cities(PLAIN, range(50))
    it.write_raw(b"no datum")
    async with it.member(**secured.by_scram()) as member:
        words = told.format(topic=it.topic)
        await until(lambda: any(words in text for text in member.troubles.values()))
        secured.allow()
        await until(it.arrived)
        await until(lambda: member.dead == {Reason.UNREADABLE: 1})
        await until(lambda: member.troubles == {})
        await it.all_committed()


async def test_letters_that_have_no_place_to_go_end_the_start(secured: Secured) -> None:
    """A dead-letter topic that may neither be seen nor created is a wrong setting, and named with the right."""
    some = {what: may for what, may in secured.rights.items() if what[1] != secured.road.dead_letter_topic}
    secured.broker.allow(USER, some)
    with pytest.raises(SettingError, match=f"neither see nor create {secured.road.dead_letter_topic}; grant it Write"):
        async with secured.road.member(**secured.by_scram()) as member:
            await member.running


async def test_a_wrong_password_is_one_line(secured: Secured) -> None:
    """From the installed command, however long it lasts; it waits, is not ready, and gets well without a restart."""
    secured.allow()
    settings = changed(minimal(), secured.by_scram() | {"kafka__group_id": secured.road.topic})
    settings = changed(settings, {"sources__topics": [secured.road.topic]})
    settings = changed(settings, {"dead_letters__topic": secured.road.dead_letter_topic})
    secured.broker.set_password(USER, "another")
    with Service(settings, secured.folder) as service:
        service.await_trouble("kafka", "they refuse the credentials; see sasl.username, sasl.password")
        assert service.ask("/readyz")[0] == 503
        await asyncio.sleep(6)  # some 20 attempts of librdkafka's
        said = [line["event"] for line in service.log() if not line["event"].startswith("reading")]
        assert said == ["starting", "listening", "admin_listening", "trouble"]
        assert secured.password not in service.out()
        secured.broker.set_password(USER, secured.password)
        service.await_ready()
        ended = service.stop()
    assert (ended.code, ended.err) == (0, "")


async def checked(secured: Secured, **changes: Any) -> tuple[int, dict[str, tuple[str, str]]]:
    """Exit code of `check`, and how it stands with each thing: state, and text with remedy."""
    config = secured.road.settings(secured.by_scram() | changes)
    ended = await asyncio.to_thread(command, "check", "--json", "--config", str(config))
    assert secured.password not in ended.out + ended.err
    assert ended.out, ended.err
    found = json.loads(ended.out)["findings"]
    return ended.code, {one["name"]: (one["state"], f"{one['text']} -> {one['remedy']}") for one in found}


@pytest.mark.parametrize(
    ("lacking", "name", "told"),
    [
        pytest.param("topic", "topic", "{topic} may not be seen -> grant Read", id="nothing on the topic"),
        pytest.param("read", "topic", "{topic} may not be read -> grant Read", id="no Read on the topic"),
        pytest.param("group", "group", "{topic} may not be used -> grant Read", id="nothing on the group"),
        pytest.param("commit", "group", "{topic} may not be joined, nor its offsets committed", id="no Read on it"),
        pytest.param("letters", "dead letters", "{topic}.dead may not be written", id="no Write on the letters"),
        pytest.param("place", "dead letters", "{topic}.dead is missing and can't be created", id="no letters at all"),
    ],
)
async def test_a_check_names_each_right_that_is_missing(secured: Secured, lacking: str, name: str, told: str) -> None:
    """One ✗ for the one thing that is wrong, exit code 1, and all ✓ once it is granted; no group is made by it."""
    it = secured.road
    of = {"topic": it.topic, "read": it.topic, "group": it.topic, "commit": it.topic}.get(lacking, it.dead_letter_topic)
    kind = GROUP if lacking in {"group", "commit"} else TOPIC
    some = {what: may for what, may in secured.rights.items() if what != (kind, of)}
    if lacking in {"read", "commit", "letters"}:
        some[kind, of] = [AclOperation.DESCRIBE]
    secured.broker.allow(USER, some)
    code, found = await checked(secured)
    assert (code, {one for one, (state, _) in found.items() if state == "wrong"}) == (1, {name})
    assert told.format(topic=it.topic) in found[name][1]
    secured.allow()
    code, found = await checked(secured)
    assert (code, {state for state, _ in found.values()}) == (0, {"well"})


async def test_a_check_tells_why_no_broker_answers(secured: Secured) -> None:
    """The cause and its remedy, and still what can be known of the rest."""
    secured.password = f"not {secured.password}"
    code, found = await checked(secured)
    assert code == 1
    assert found["brokers"][0] == "wrong"
    assert "refuse the credentials; see sasl.username" in found["brokers"][1]
    assert found["Target"][0] == "well"


async def test_a_preview_needs_only_to_read_the_topics(secured: Secured) -> None:
    """No right on any group, nor on the dead letters; without Read on the topic it says which is missing."""
    it = secured.road
    it.write_cities(PLAIN, range(20))
    config = it.settings(secured.by_scram())
    secured.broker.allow(USER, {(TOPIC, it.topic): [AclOperation.READ]})
    ended = await asyncio.to_thread(command, "preview", "--json", "--config", str(config))
    assert ended.code == 0, ended
    assert json.loads(ended.out)["sources"][0]["rows"] == 20
    secured.broker.forbid(USER, TOPIC, it.topic)
    secured.broker.allow(USER, {(TOPIC, it.topic): [AclOperation.DESCRIBE]})
    ended = await asyncio.to_thread(command, "preview", "--config", str(config))
    assert (ended.code, f"{it.topic} can't be read" in ended.err, "grant Read" in ended.err) == (1, True, True), ended
    secured.broker.forbid(USER, TOPIC, it.topic)
    ended = await asyncio.to_thread(command, "preview", "--config", str(config))
    assert (ended.code, f"no topic {it.topic} is there, or may be seen" in ended.err) == (1, True), ended
