from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import json
import tracemalloc
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import httpx2
import pytest
from aiohttp import web
from confluent_kafka.schema_registry import AsyncSchemaRegistryClient
from confluent_kafka.schema_registry import Schema as Registered

from connector.avro.answer_bound import MAX_ANSWER_BYTES
from connector.avro.paths import leaves
from connector.avro.registry import Patience, Registry
from connector.avro.registry_access import Backoff, RegistryAccess, RegistryOptions
from connector.avro.schema import Schema
from connector.avro.schema_keys import SchemaKey
from connector.avro.stores import Refused
from connector.errors import SettingError
from connector.telemetry import Part, Silent
from tests.troubles import Troubles

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.slept.append(seconds)
        self.now += seconds
        if self.meanwhile is not None:
            await self.meanwhile()


class Stub:
    """A registry over HTTP: Confluent's routes, paths and error codes, with answers to give in their place first."""

    def __init__(self) -> None:
        self.by_id: dict[int, dict[str, Any]] = {}
        self.by_guid: dict[str, dict[str, Any]] = {}
        self.by_path: dict[str, Any] = {}
        self.versions: dict[tuple[str, str], dict[str, Any]] = {}
        self.instead: deque[web.Response | None] = deque()
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.deleted: dict[str, str | None] = {}
        self.url = ""

    def register(self, schema_id: int, subject: str, version: int, avro: Any, **more: Any) -> None:
        """Add a version, which is the latest now."""
        text = avro if isinstance(avro, str) else json.dumps(avro)
        answer = {"schema": text, **more}
        self.by_id[schema_id] = answer
        named = answer | {"subject": subject, "version": version, "id": schema_id}
        self.versions[subject, str(version)] = self.versions[subject, "latest"] = named

    def paths(self) -> list[str]:
        """Give the paths that were asked for."""
        return [path for path, _ in self.requests]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer as Confluent's registry does."""
        self.requests.append((request.path, dict(request.headers)))
        self.deleted[request.path] = request.query.get("deleted")
        if self.instead:
            instead = self.instead.popleft()
            if instead is None:
                if request.transport is not None:
                    request.transport.abort()
                return web.Response()
            return instead
        kind, *rest = request.path.strip("/").split("/")
        if kind == "apis":
            return self._core(request.path, request.query)
        if kind == "schemas" and rest[0] == "guids":
            found, code = self.by_guid.get(rest[-1]), None
        elif kind == "schemas":
            found, code = self.by_id.get(int(rest[-1])), 40403
        else:
            found, code = self.versions.get((rest[0], rest[-1])), 40401
        if found is None and code is None:
            return web.Response(status=404, text="no such page")
        if found is None:
            return web.json_response({"error_code": code, "message": "not found"}, status=404)
        return web.json_response(found)

    def _core(self, path: str, query: Any) -> web.Response:
        """Answer as Apicurio's own interface does."""
        if path not in self.by_path:
            return web.json_response({"status": 404, "name": "VersionNotFoundException"}, status=404)
        assert (query["references"], query["dereference"]) == ("DEREFERENCE", "true")
        return web.json_response(self.by_path[path])


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    """A registry on a port of its own."""
    stub = Stub()
    app = web.Application()
    app.router.add_get("/{path:.*}", stub.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield stub
    await runner.cleanup()


@pytest.fixture
def heard() -> Troubles:
    """What the operator is told."""
    return Troubles(Part.REGISTRY)


@pytest.fixture
def time() -> Time:
    """The time."""
    return Time()


def _registry(options: RegistryOptions, heard: Troubles, time: Time, chance: float = 0.0) -> Registry:
    access = RegistryAccess(
        options.client(), telemetry=heard, backoff=Backoff(), sleep=time.sleep, chance=lambda: chance
    )
    return Registry(access, patience=Patience(), clock=lambda: time.now, sleep=time.sleep)


@pytest.fixture
async def registry(stub: Stub, heard: Troubles, time: Time) -> AsyncIterator[Registry]:
    """The store under test, connected to the stub."""
    registry = _registry(RegistryOptions(stub.url, timeout_s=2.0), heard, time)
    yield registry
    await registry.close()


def _record(name: str = "R", /, **fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": key, "type": avro} for key, avro in fields.items()]}


def key(schema_id: int) -> bytes:
    """The key of a registry's number."""
    return b"\x00" + schema_id.to_bytes(4, "big")


def _paths(schema: Schema | Refused | None) -> list[str]:
    assert isinstance(schema, Schema), schema
    return [column.path for column in leaves(schema.root)]


async def test_a_schema_is_fetched_once(stub: Stub, registry: Registry) -> None:
    """The second record of a schema costs no question."""
    stub.register(5, "crm-value", 1, _record(id="string"))
    first = await registry.schema(key(5))
    assert _paths(first) == ["id"]
    assert isinstance(first, Schema)
    assert first.label == "schema 5"
    assert await registry.schema(key(5)) is first
    assert stub.paths() == ["/schemas/ids/5"]


async def test_references_are_resolved_to_the_bottom(stub: Stub, registry: Registry) -> None:
    """A schema whose types are defined in other schemas, and theirs in others, reads; each is fetched once."""
    stub.register(1, "city", 3, _record("geo.City", name="string"))
    to_city = {"name": "geo.City", "subject": "city", "version": 3}
    stub.register(2, "address", 1, _record("Address", city="geo.City"), references=[to_city])
    to_address = {"name": "Address", "subject": "address", "version": 1}
    stub.register(3, "crm-value", 1, _record(home="Address", born="geo.City"), references=[to_address, to_city])
    assert _paths(await registry.schema(key(3))) == ["home.city.name", "born.name"]
    assert sorted(stub.paths()) == ["/schemas/ids/3", "/subjects/address/versions/1", "/subjects/city/versions/3"]


async def test_old_references_outlive_their_deletion_and_the_newest_version_does_not(
    stub: Stub, registry: Registry
) -> None:
    """Records stay readable when a version that they refer to is softly deleted; a deleted one declares no aliases."""
    stub.register(1, "city", 3, _record("City", name="string"))
    reference = {"name": "City", "subject": "city", "version": 3}
    stub.register(2, "crm-value", 1, _record(city="City"), references=[reference])
    await registry.schema(key(2))
    await registry.newest("crm")
    assert stub.deleted["/subjects/city/versions/3"] == "true"
    assert stub.deleted["/subjects/crm-value/versions/latest"] == "false"


async def test_an_unknown_id_is_asked_for_a_few_seconds_then_refused(
    stub: Stub, registry: Registry, heard: Troubles, time: Time
) -> None:
    """Three questions over five seconds, then none for a minute, then three again; the registry is not in trouble."""
    refused = Refused("the registry does not know schema 9, or one that it refers to")
    assert await registry.schema(key(9)) == refused
    assert (len(stub.requests), sum(time.slept)) == (3, 5.0)
    time.now += 59.0
    assert await registry.schema(key(9)) == refused
    assert len(stub.requests) == 3
    time.now += 2.0
    assert await registry.schema(key(9)) == refused
    assert len(stub.requests) == 6
    assert heard.said == []


async def test_an_id_that_becomes_known_meanwhile_is_used(stub: Stub, registry: Registry, time: Time) -> None:
    """A registry whose replica lags behind the producer by a moment costs no dead letter."""

    async def register() -> None:
        stub.register(9, "crm-value", 1, _record(id="string"))

    time.meanwhile = register
    assert _paths(await registry.schema(key(9))) == ["id"]
    assert len(stub.requests) == 2


async def test_an_unknown_reference_is_an_unknown_schema(stub: Stub, registry: Registry) -> None:
    """What refers to something unknown is asked for again like an unknown id, and not refused for ever."""
    reference = {"name": "City", "subject": "city", "version": 1}
    stub.register(3, "crm-value", 1, _record(home="City"), references=[reference])
    assert isinstance(await registry.schema(key(3)), Refused)
    assert stub.paths().count("/subjects/city/versions/1") == 3
    assert await registry.newest("crm") == Refused(
        "version 1 of crm-value refers to a schema that the registry does not know"
    )


@pytest.mark.parametrize(
    "case",
    [
        pytest.param((web.Response(status=500), "answers HTTP 500"), id="a server error"),
        pytest.param((web.Response(status=503, text="{}"), "answers HTTP 503"), id="unavailable"),
        pytest.param((web.Response(status=429), "answers HTTP 429"), id="too many requests"),
        pytest.param((web.Response(status=401), "refuses us (HTTP 401): check"), id="no such user"),
        pytest.param((web.Response(status=403), "refuses us (HTTP 403): check"), id="not allowed"),
        pytest.param((web.Response(status=302, headers={"Location": "/x"}), "answers HTTP 302"), id="a redirect"),
        pytest.param(
            (web.Response(status=404, text="<html>"), "answers HTTP 404 as no registry does"), id="another server"
        ),
        pytest.param(
            (
                web.json_response({"error_code": 404, "message": "HTTP 404 Not Found"}, status=404),
                "answers HTTP 404 as no registry does",
            ),
            id="a path that the registry does not have",
        ),
        pytest.param((web.Response(text="<html>"), "answers something that is no schema"), id="a page of a proxy"),
        pytest.param((web.json_response([]), "answers something that is no schema"), id="a list"),
        pytest.param((web.json_response({"ok": True}), "answers something that is no schema"), id="other JSON"),
        pytest.param(
            (web.json_response({"schema": 3}), "answers something that is no schema"), id="a schema that is no text"
        ),
        pytest.param((web.Response(text="[" * 100_000), "answers something that is no schema"), id="endless nesting"),
        pytest.param((web.Response(status=204), "answers something that is no schema"), id="nothing"),
        pytest.param((None, "does not answer (RemoteProtocolError)"), id="a cut connection"),
    ],
)
async def test_a_registry_that_does_not_answer_is_waited_for(
    stub: Stub, registry: Registry, heard: Troubles, time: Time, case: tuple[web.Response | None, str]
) -> None:
    """Anything but a schema, or a registry's own `not found`, is waited out, told, and told to be over."""
    instead, told = case
    stub.register(5, "crm-value", 1, _record(id="string"))
    stub.instead.append(instead)
    assert _paths(await registry.schema(key(5))) == ["id"]
    [trouble, well] = heard.said
    assert trouble is not None
    assert trouble.startswith(f"the schema registry at 127.0.0.1 {told}")
    assert trouble.endswith("; waiting for it")
    assert well is None
    assert time.slept == [0.5]


async def test_a_registry_that_is_down_is_waited_for_ever_longer(heard: Troubles, time: Time) -> None:
    """The pauses double up to half a minute and never end, a third of them taken off by chance here."""

    class EnoughError(Exception):
        pass

    async def give_up() -> None:
        if len(time.slept) == 12:
            raise EnoughError

    time.meanwhile = give_up
    # Port 1 is where nobody listens.
    registry = _registry(RegistryOptions("http://user@127.0.0.1:1"), heard, time, chance=0.5)
    with pytest.raises(EnoughError):
        await registry.newest("crm")
    await registry.close()
    assert time.slept == [0.75 * wait for wait in (0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30)]
    assert set(heard.said) == {
        "the schema registry at 127.0.0.1 does not answer (ConnectError); waiting for it",
    }


async def test_a_silent_registry_is_left_after_the_timeout(stub: Stub, heard: Troubles, time: Time) -> None:
    """A question that nobody answers ends in time."""
    stub.register(5, "crm-value", 1, _record(id="string"))
    slow = AsyncSchemaRegistryClient(RegistryOptions(stub.url, timeout_s=0.000_001).conf())

    class EnoughError(Exception):
        pass

    async def give_up() -> None:
        raise EnoughError

    time.meanwhile = give_up
    with pytest.raises(EnoughError):
        await Registry(RegistryAccess(slow, telemetry=heard, sleep=time.sleep)).schema(key(5))
    await slow.aclose()
    assert heard.said[0] is not None
    assert "Timeout" in heard.said[0]


async def test_an_outage_does_not_count_as_not_knowing(stub: Stub, registry: Registry) -> None:
    """Three tries for an unknown id are three answers, however often the registry failed in between."""
    stub.instead.extend(web.Response(status=500) for _ in range(10))
    assert isinstance(await registry.schema(key(9)), Refused)
    assert len(stub.requests) == 13


async def test_the_newest_version_is_asked_for_each_time(stub: Stub, registry: Registry) -> None:
    """A version that was registered meanwhile is seen, and the same version is the same object."""
    stub.register(5, "crm.customers-value", 1, _record(id="string"))
    first = await registry.newest("crm.customers")
    assert await registry.newest("crm.customers") is first
    stub.register(6, "crm.customers-value", 2, _record(id="string", city="string"))
    second = await registry.newest("crm.customers")
    assert _paths(second) == ["id", "city"]
    assert isinstance(second, Schema)
    assert second.label == "version 2 of crm.customers-value"


async def test_a_topic_without_a_subject_has_no_newest(stub: Stub, registry: Registry) -> None:
    """Not found is an answer here, at once."""
    assert await registry.newest("crm") is None
    assert stub.paths() == ["/subjects/crm-value/versions/latest"]


@pytest.mark.parametrize(
    ("avro", "more", "why"),
    [
        pytest.param("{}", {"schemaType": "JSON"}, "schema 5 is of type JSON, not AVRO", id="JSON Schema"),
        pytest.param("syntax", {"schemaType": "PROTOBUF"}, "schema 5 is of type PROTOBUF, not AVRO", id="Protobuf"),
        pytest.param("{}", {}, "schema 5 is no Avro schema", id="no Avro after all"),
        pytest.param("", {}, "schema 5 is no Avro schema", id="empty text"),
        pytest.param(
            _record(f={"type": "array", "items": "null"}),
            {},
            "schema 5 an array of null cannot be read",
            id="array of null",
        ),
    ],
)
async def test_a_schema_that_cannot_be_used_is_refused_for_good(
    stub: Stub, registry: Registry, avro: Any, more: dict[str, Any], why: str
) -> None:
    """What a registry's id stands for never changes, so it is asked for once."""
    stub.register(5, "crm-value", 1, avro, **more)
    for _ in range(2):
        refused = await registry.schema(key(5))
        assert isinstance(refused, Refused)
        assert refused.detail.startswith(why)
    assert len(stub.requests) == 1


async def test_ids_of_garbage_are_not_kept_without_end(stub: Stub, registry: Registry, time: Time) -> None:
    """Forgetting begins when there are 10,000 unknown ids, and with those that are due."""
    registry._unknown_until = dict.fromkeys(map(key, range(100, 10_100)), time.now + 1.0)
    await registry.schema(key(9))
    assert set(registry._unknown_until) == {key(9)}
    registry._unknown_until = dict.fromkeys(map(key, range(100, 10_100)), time.now + 1_000.0)
    await registry.schema(key(8))
    assert len(registry._unknown_until) == 10_000


@pytest.mark.parametrize(
    ("options", "header"),
    [
        pytest.param(
            {"username": "ann", "password": "p:w"},
            "Basic " + base64.b64encode(b"ann:p:w").decode(),
            id="basic, with a colon in the password",
        ),
        pytest.param({"token": "t0k3n"}, "Bearer t0k3n", id="a bearer token without Confluent's logical cluster"),
        pytest.param({}, None, id="nothing"),
    ],
)
async def test_credentials_are_sent(
    stub: Stub, heard: Troubles, time: Time, options: dict[str, Any], header: str | None
) -> None:
    """Each way to show who we are reaches the registry, and none shows in the options' text."""
    made = RegistryOptions(stub.url, **options)
    assert "p:w" not in repr(made)
    assert "t0k3n" not in repr(made)
    registry = _registry(made, heard, time)
    await registry.newest("crm")
    await registry.close()
    assert stub.requests[0][1].get("Authorization") == header


async def test_the_logical_cluster_goes_with_the_token(stub: Stub, heard: Troubles, time: Time) -> None:
    """Confluent Cloud is told which of its registries is meant."""
    registry = _registry(RegistryOptions(stub.url, token="t", logical_cluster="lsrc-1"), heard, time)
    await registry.newest("crm")
    await registry.close()
    assert stub.requests[0][1]["target-sr-cluster"] == "lsrc-1"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        pytest.param({"url": ""}, "give an http", id="no address"),
        pytest.param({"url": "registry:8081"}, "give an http", id="an address without http"),
        pytest.param({"url": "http://"}, "give an http", id="no host"),
        pytest.param({"url": "http://[::1"}, "give an http", id="half an address"),
        pytest.param({"url": "httpx://a"}, "give an http", id="another scheme"),
        pytest.param({"url": "http://a, ftp://b"}, "give an http", id="a second address of another scheme"),
        pytest.param({"url": "http://u:s3cret@a", "username": "u"}, "without a user beside", id="two users"),
        pytest.param({"url": "https://a", "key_file": "k.pem"}, "key_file needs cert_file", id="a key alone"),
        pytest.param({"url": "https://a", "ca_file": "no.pem"}, "No such file", id="a missing authority"),
        pytest.param({"url": "https://a", "ca_file": __file__}, "certificate files", id="an authority that is none"),
        pytest.param({"url": "https://a", "cert_file": __file__}, "certificate files", id="a certificate that is none"),
    ],
)
def test_options_that_cannot_work_are_settings_to_correct(options: dict[str, Any], why: str) -> None:
    """One line, before anything is sent, without the secret that an address may hold."""
    with pytest.raises(SettingError, match=why) as caught:
        Registry.connect(RegistryOptions(**options), Silent())
    assert str(caught.value).startswith("registry: ")
    assert "s3cret" not in str(caught.value)


async def test_a_registry_in_this_process_will_do() -> None:
    """The client's own `mock://` registry serves demo and tests, unknown ids and subjects included."""
    client = AsyncSchemaRegistryClient.new_client({"url": "mock://demo"})
    schema_id = await client.register_schema("crm-value", Registered(json.dumps(_record(id="string"))))
    registry = Registry(RegistryAccess(client, telemetry=Troubles(Part.REGISTRY)), patience=Patience(unknown_for_s=0.0))
    assert _paths(await registry.schema(key(schema_id))) == _paths(await registry.newest("crm")) == ["id"]
    assert isinstance(await registry.schema(key(99)), Refused)
    assert await registry.newest("pos") is None
    await registry.close()


def test_every_error_of_the_http_library_is_waited_out() -> None:
    """None goes unmapped: all that a request can raise is an HTTPError; the rest is misuse, or a bad address."""
    errors = {
        name
        for name, found in vars(httpx2).items()
        if isinstance(found, type) and issubclass(found, Exception) and not issubclass(found, httpx2.HTTPError)
    }
    misuse = {"StreamError", "StreamClosed", "StreamConsumed", "RequestNotRead", "ResponseNotRead", "CookieConflict"}
    assert errors == misuse | {"InvalidURL"}


class Flood(web.StreamResponse):
    """Sends a hundred megabytes, as far as they are read."""

    sent_bytes = 0

    async def prepare(self, request: web.BaseRequest) -> Any:
        writer = await super().prepare(request)
        with contextlib.suppress(ConnectionError):
            while self.sent_bytes < 100_000_000:
                await self.write(bytes(100_000))
                self.sent_bytes += 100_000
        return writer


GZIPPED = {"Content-Encoding": "gzip"}


@pytest.mark.parametrize(
    ("instead", "told"),
    [
        pytest.param(Flood(), "answers more than 4 MB: check registry.url", id="100 MB in chunks"),
        pytest.param(Flood(status=500), "answers more than 4 MB: check registry.url", id="100 MB with an error"),
        pytest.param(
            Flood(headers={"Content-Length": "100000000"}), "answers more than 4 MB: check registry.url", id="announced"
        ),
        pytest.param(
            web.Response(body=gzip.compress(bytes(100_000_000)), headers=GZIPPED),
            "answers compressed, though asked not to: check registry.url",
            id="100 MB compressed to 100 kB",
        ),
    ],
)
async def test_a_flood_of_the_registry_is_not_read_to_its_end(
    stub: Stub, registry: Registry, heard: Troubles, instead: web.StreamResponse, told: str
) -> None:
    """It is given up in little memory, said in one line, and asked for again."""
    stub.register(5, "crm-value", 1, _record(id="string"))
    stub.instead.append(cast("web.Response", instead))
    tracemalloc.start()
    try:
        assert _paths(await registry.schema(key(5))) == ["id"]
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 5 * MAX_ANSWER_BYTES
    assert [text and told in text for text in heard.said] == [True, None]
    if isinstance(instead, Flood):
        assert instead.sent_bytes < 5 * MAX_ANSWER_BYTES


async def test_a_large_schema_is_read(stub: Stub, registry: Registry) -> None:
    """Two million bytes of answer are none too many."""
    stub.register(5, "crm-value", 1, _record(id="string") | {"doc": "x" * 2_000_000})
    assert _paths(await registry.schema(key(5))) == ["id"]


async def test_an_answer_that_drips_is_left_in_time(
    stub: Stub, registry: Registry, heard: Troubles, time: Time
) -> None:
    """An answer that never ends, though something comes all the time, is given up and asked for again."""

    class Drip(web.StreamResponse):
        async def prepare(self, request: web.BaseRequest) -> Any:
            writer = await super().prepare(request)
            with contextlib.suppress(ConnectionError):
                for _ in range(100):
                    await self.write(b" ")
                    await asyncio.sleep(0.02)
            return writer

    stub.register(5, "crm-value", 1, _record(id="string"))
    stub.instead.append(cast("web.Response", Drip()))
    access = RegistryAccess(RegistryOptions(stub.url).client(), telemetry=heard, sleep=time.sleep, answer_within_s=0.2)
    assert await access.schema(SchemaKey.of(key(5))) is not None
    await access.close()
    assert heard.said[0] is not None
    assert "does not answer (TimeoutError)" in heard.said[0]


@pytest.mark.parametrize("shape", ["a circle", "a chain without an end"])
async def test_references_without_an_end_are_not_followed_for_ever(stub: Stub, registry: Registry, shape: str) -> None:
    """Schemas that refer to each other, or to more and more others, cost a bounded number of questions."""
    count = 2 if shape == "a circle" else 400
    for number in range(1, count + 1):
        follows = number % count + 1
        reference = {"name": f"N{follows}", "subject": "s", "version": follows}
        stub.register(number, "s", number, _record(f"N{number}", x="int"), references=[reference])
    found = await registry.schema(key(1))
    assert isinstance(found, Schema if shape == "a circle" else Refused)  # of a circle no type is used here
    assert len(stub.paths()) < 250


GUID = "d392dfec-66ea-4631-96f2-1c8fcd444cae"
GUID_KEY = b"\x01" + bytes.fromhex(GUID.replace("-", ""))


async def test_a_schema_is_found_by_its_guid(stub: Stub, registry: Registry) -> None:
    """As Confluent's registry gives it, and once."""
    stub.by_guid[GUID] = {"schema": json.dumps(_record(id="string")), "guid": GUID, "id": 7}
    first = await registry.schema(GUID_KEY)
    assert _paths(first) == ["id"]
    assert isinstance(first, Schema)
    assert first.label == f"schema with the GUID {GUID}"
    assert await registry.schema(GUID_KEY) is first
    assert stub.paths() == [f"/schemas/guids/{GUID}"]


async def test_a_registry_without_guids_does_not_stop_the_topic(
    stub: Stub, registry: Registry, heard: Troubles
) -> None:
    """A damaged value may look as if it had one: it is refused, though such a registry answers 404 with a web page."""
    refused = await registry.schema(GUID_KEY)
    assert isinstance(refused, Refused)
    assert refused.detail == f"the registry does not know schema with the GUID {GUID}, or one that it refers to"
    assert heard.said == []


def _global(number: int) -> bytes:
    return b"\x02" + number.to_bytes(8, "big")


@pytest.fixture
async def apicurio(stub: Stub, heard: Troubles, time: Time) -> AsyncIterator[Registry]:
    """The store, on the compatible interface of Apicurio."""
    options = RegistryOptions(f"{stub.url}/apis/ccompat/v7/", timeout_s=2.0, token="t0ken")
    access = RegistryAccess(options.client(), telemetry=heard, core=options.core(), sleep=time.sleep)
    registry = Registry(access, clock=lambda: time.now, sleep=time.sleep)
    yield registry
    await registry.close()


@pytest.mark.parametrize("root", ["v3", "v2"])
async def test_a_global_id_is_asked_of_apicurios_own_interface(stub: Stub, apicurio: Registry, root: str) -> None:
    """Beside the compatible one, of Apicurio 3 or 2, with the same credentials."""
    stub.by_path[f"/apis/registry/{root}/ids/globalIds/5"] = _record(id="string")
    assert _paths(await apicurio.schema(_global(5))) == ["id"]
    assert stub.paths()[-1] == f"/apis/registry/{root}/ids/globalIds/5"
    assert stub.requests[-1][1]["Authorization"] == "Bearer t0ken"


async def test_a_global_id_that_nobody_has_is_refused(stub: Stub, apicurio: Registry, heard: Troubles) -> None:
    """Once both interfaces said so, a few times; a failure is waited out instead."""
    stub.instead.append(web.Response(status=500))
    refused = await apicurio.schema(_global(6))
    assert isinstance(refused, Refused)
    assert "schema with the global id 6" in refused.detail
    assert [text is None for text in heard.said] == [False, True]


@pytest.mark.parametrize("lead", [b"\x00", b"\x02"])
async def test_a_number_that_no_registry_can_have_is_not_asked_for(stub: Stub, apicurio: Registry, lead: bytes) -> None:
    """Its numbers are never negative; it may answer what is neither a schema nor `not found`, which is waited for."""
    assert isinstance(await apicurio.schema(lead + b"\xff" * 8), Refused)
    assert isinstance(await apicurio.schema(lead + b"\xff" * 4), Refused)
    assert stub.requests == []
