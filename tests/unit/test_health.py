"""Readiness, and the pages for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from connector.service.health import Health, web_app
from connector.service.metrics import Metrics
from connector.telemetry import Part

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web


class Stage:
    """The pages over real HTTP, and what stands behind them."""

    def __init__(self) -> None:
        self.health = Health()
        self.metrics = Metrics()
        self.living = True
        self.client: TestClient[web.Request, web.Application] = TestClient(
            TestServer(web_app(self.health, self.metrics, lambda: self.living, lambda: "<p>page</p>"))
        )

    async def ask(self, path: str) -> tuple[int, Any]:
        async with self.client.get(path) as response:
            assert response.headers["Cache-Control"] == "no-store"
            return response.status, await response.json()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    async with made.client:
        yield made


async def test_it_is_not_ready_before_the_first_assignment(stage: Stage) -> None:
    """A group that never settles, or a broker that lacks the protocol asked for, is silence: not readiness."""
    status, told = await stage.ask("/readyz")
    assert status == 503
    assert told == {"ready": False, "troubles": {}, "partitions": None, "all_partitions": None}


@pytest.mark.parametrize("partitions", [0, 3], ids=["an empty share", "some partitions"])
async def test_it_is_ready_once_assigned(stage: Stage, partitions: int) -> None:
    """An empty share is fine: there are more replicas than partitions."""
    stage.health.assigned(partitions, 12)
    status, told = await stage.ask("/readyz")
    assert status == 200
    assert told == {"ready": True, "troubles": {}, "partitions": partitions, "all_partitions": 12}


async def test_every_trouble_is_named_until_it_ends(stage: Stage) -> None:
    """Two parts in trouble are both named; ready again only when both are well."""
    stage.health.assigned(3, 12)
    stage.health.trouble(Part.TARGET, "no answer; check the network")
    stage.health.trouble(Part.REGISTRY, "401; renew the token")
    status, told = await stage.ask("/readyz")
    assert status == 503
    assert told["troubles"] == {"target": "no answer; check the network", "registry": "401; renew the token"}
    stage.health.trouble(Part.TARGET, None)
    assert (await stage.ask("/readyz"))[0] == 503
    stage.health.trouble(Part.REGISTRY, None)
    stage.health.trouble(Part.REGISTRY, None)
    assert (await stage.ask("/readyz"))[0] == 200


async def test_trouble_asks_for_no_restart(stage: Stage) -> None:
    """A restart does not bring Target back, so liveness knows only the process."""
    stage.health.trouble(Part.TARGET, "down")
    assert await stage.ask("/livez") == (200, {"alive": True})


async def test_a_dead_consumer_thread_asks_for_a_restart(stage: Stage) -> None:
    """The one thing that only a new process mends."""
    stage.living = False
    assert await stage.ask("/livez") == (503, {"alive": False})


async def test_the_figures_are_prometheus_text(stage: Stage) -> None:
    """Content type and body are what Prometheus' scraper expects."""
    stage.metrics.polled(7, 70)
    async with stage.client.get("/metrics") as response:
        text = await response.text()
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["target_connector_records_polled"].samples[0].value == 7


async def test_a_text_with_control_characters_is_escaped(stage: Stage) -> None:
    """Whoever prints the page in a terminal is safe."""
    stage.health.trouble(Part.KAFKA, "gone\x1b[2J\nfake")
    _, told = await stage.ask("/readyz")
    assert told["troubles"]["kafka"] == "gone\\x1b[2J\\nfake"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_nothing_can_be_changed_over_http(stage: Stage, path: str) -> None:
    """The pages only tell."""
    async with stage.client.post(path, data="x") as response:
        assert response.status == 405
    async with stage.client.head(path) as response:
        assert response.status in {200, 503}
