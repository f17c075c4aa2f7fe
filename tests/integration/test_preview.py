"""The installed command `preview` on real Kafka: records through the mapping, and nothing else happens."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from confluent_kafka.admin import AdminClient

from tests.embedded.road import until
from tests.integration.kafka_road import CUSTOMER, KafkaRoad, kafka_road, transactions
from tests.system.command import command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.containers import Kafka, Registry

pytestmark = pytest.mark.containers


async def preview(it: KafkaRoad, *arguments: str, **changes: Any) -> dict[str, Any]:
    """What it answers; it must end well."""
    config = it.settings(changes)
    ended = await asyncio.to_thread(command, "preview", "--json", "--config", str(config), *arguments)
    assert ended.code == 0, ended
    found: dict[str, Any] = json.loads(ended.out)
    return found


def groups(kafka: Kafka) -> set[str]:
    """Every consumer group that the broker knows, whatever its state."""
    admin = AdminClient({"bootstrap.servers": kafka.address})
    return {one.group_id for one in admin.list_consumer_groups().result(timeout=30).valid}


async def test_nothing_is_joined_committed_or_posted(tmp_path: Path, kafka: Kafka, registry: Registry) -> None:
    """The broker knows the same groups, the group's offsets stand still, and Target hears of no call."""
    async with kafka_road(kafka, registry.url, tmp_path) as it:
        writer = it.register(CUSTOMER)
        it.write_cities(writer, range(50))
        async with it.member():
            await until(it.arrived)
            await it.all_committed()
        it.write_cities(writer, range(50, 100))
        before = groups(kafka), it.left(), it.simulator.summary()
        answer = await preview(it)
        assert answer["sources"][0]["records"] == 100
        assert (groups(kafka), it.left(), it.simulator.summary()) == before
        assert before[1] == 50


async def test_calls_follow_from_what_the_topic_gained(tmp_path: Path, kafka: Kafka, registry: Registry) -> None:
    """The records of the last hour, merged as they were, against the account's limit; full windows close by rows."""
    async with kafka_road(kafka, registry.url, tmp_path) as it:
        writer = it.register(CUSTOMER)
        for _ in range(4):
            it.write_cities(writer, range(50))
        answer = await preview(it, target__calls_per_minute=10, window__max_age="10s")
        assert (answer["sources"][0]["last_hour"], answer["sources"][0]["last_day"]) == (200, 200)
        calls = answer["calls"]
        assert (calls["records_an_hour"], calls["profiles_an_hour"]) == (200, 50)
        assert (calls["calls_an_hour"], calls["closed_by"]) == (round(3600 / (10 + 18), 1), "max_age")
        assert calls["allowed_an_hour"] == 600


@asynccontextmanager
async def keeping_target() -> AsyncIterator[tuple[str, list[bytes]]]:
    """A Target that keeps the bodies which it takes: its address, and what it was sent."""
    bodies: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return web.Response(text="<response><success>true</success></response>", content_type="application/xml")

    app = web.Application(client_max_size=10_000_000)
    app.router.add_post("/{path:.*}", take)
    server = TestServer(app)
    await server.start_server()
    try:
        yield f"http://127.0.0.1:{server.port}", bodies
    finally:
        await server.close()


async def test_the_body_is_what_target_gets(tmp_path: Path, kafka: Kafka, registry: Registry) -> None:
    """Byte for byte what the service then posts of the same records, merged and in the same order."""
    async with kafka_road(kafka, registry.url, tmp_path) as it, keeping_target() as (url, bodies):
        writer = it.register(CUSTOMER)
        for number in range(90):
            datum = {"customer_id": f"c-{number % 30}", "version": number, "city": "São Paulo & more"}
            it.producer.produce(it.topic, writer.value(datum), partition=0)  # one, as Kafka orders nothing else
        it.flush()
        file = tmp_path / "body"
        given = {"target__base_url": url, "target__follow": False, "window__max_age": "3s"}
        await preview(it, "--body", str(file), **given)
        assert bodies == []
        async with it.member(**given):
            await until(lambda: bool(bodies))
            await it.all_committed()
        assert bodies == [file.read_bytes()]
        assert bodies[0].count(b"\n") == 30
        assert bodies[0].endswith(b"c-29,89,S%C3%A3o%20Paulo%20%26%20more")


async def test_only_committed_records_are_seen(tmp_path: Path, kafka: Kafka, registry: Registry) -> None:
    """As the service reads them."""
    async with kafka_road(kafka, registry.url, tmp_path) as it:
        await asyncio.to_thread(transactions, it, it.register(CUSTOMER))
        answer = await preview(it, "--values")
        (city,) = [one for one in answer["sources"][0]["attributes"] if one["name"] == "city"]
        assert (answer["sources"][0]["read"], city["samples"], city["types"]) == (
            30,
            ["Graz 2", "Graz 1", "Graz 0"],
            ["string"],
        )
