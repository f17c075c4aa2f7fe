"""Schemas by Apicurio's content ids and global ids, of the real registry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

from connector.avro.paths import leaves
from connector.avro.registry import Patience, Registry
from connector.avro.registry_access import RegistryOptions
from connector.avro.schema import Schema
from connector.avro.stores import Refused
from connector.telemetry import Silent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.containers import Registry as Apicurio

pytestmark = pytest.mark.containers

HOME: dict[str, Any] = {"type": "record", "name": "Home", "fields": [{"name": "city", "type": "string"}]}


def customer(*names: str) -> dict[str, Any]:
    """A schema that refers to another one twice, and has these fields."""
    fields = [{"name": "home", "type": "Home"}, {"name": "work", "type": ["null", "Home"]}]
    return {"type": "record", "name": "Customer", "fields": [*fields, *({"name": n, "type": "string"} for n in names)]}


def add(apicurio: Apicurio, artifact: str, schema: dict[str, Any], *refers_to: str) -> tuple[int, int]:
    """Add a version by Apicurio's own interface; gives its content id and its global id."""
    references = [{"groupId": "default", "artifactId": one, "version": "1", "name": "Home"} for one in refers_to]
    content = {"content": json.dumps(schema), "contentType": "application/json", "references": references}
    body = {"artifactId": artifact, "artifactType": "AVRO", "firstVersion": {"version": "1", "content": content}}
    url = apicurio.url.replace("/apis/ccompat/v7", "/apis/registry/v3/groups/default/artifacts")
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310 (our own)
    with urlopen(request, timeout=30) as answer:  # noqa: S310
        version = json.load(answer)["version"]
    return version["contentId"], version["globalId"]


@pytest.fixture
async def store(registry: Apicurio) -> AsyncIterator[Registry]:
    """The store under test."""
    store = Registry.connect(RegistryOptions(registry.url), Silent())
    store._patience = Patience(unknown_for_s=0.0)
    yield store
    await store.close()


def key(lead: int, number: int, size: int) -> bytes:
    """The key of a number of so many bytes."""
    return bytes([lead]) + number.to_bytes(size, "big")


def paths(found: Schema | Refused) -> list[str]:
    """What the schema has."""
    assert isinstance(found, Schema), found
    return [column.path for column in leaves(found.root)]


async def test_content_ids_and_global_ids_are_told_apart(registry: Apicurio, store: Registry) -> None:
    """The same content twice has one content id and two global ids; with what it refers to, in 4 bytes and in 8."""
    add(registry, "framings-home", HOME)
    content, first = add(registry, "framings-a", customer("tier"), "framings-home")
    again, second = add(registry, "framings-b", customer("tier"), "framings-home")
    assert again == content
    assert first != second
    assert second != content  # so the one asked for as the other is found out
    other, last = add(registry, "framings-c", customer("points"), "framings-home")
    for size in (4, 8):
        assert paths(await store.schema(key(0, content, size))) == ["home.city", "work.city", "tier"]
        assert paths(await store.schema(key(0, other, size))) == ["home.city", "work.city", "points"]
        assert paths(await store.schema(key(2, second, size))) == ["home.city", "work.city", "tier"]
        assert paths(await store.schema(key(2, last, size))) == ["home.city", "work.city", "points"]


@pytest.mark.parametrize(
    "unknown",
    [
        pytest.param(key(0, 2**31 - 1, 4), id="a content id of 4 bytes"),
        pytest.param(key(0, 2**62, 8), id="a content id of 8 bytes"),
        pytest.param(key(2, 2**31 - 1, 4), id="a global id of 4 bytes"),
        pytest.param(key(2, 2**62, 8), id="a global id of 8 bytes"),
        pytest.param(b"\x01" + bytes(16), id="a GUID"),
    ],
)
async def test_what_apicurio_does_not_have_is_refused(store: Registry, unknown: bytes) -> None:
    """However large the number is: a damaged record may hold any, and must not stop the topic."""
    assert isinstance(await store.schema(unknown), Refused)
