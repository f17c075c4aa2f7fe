"""Whole schemas of the tools, from the settings that `init` proposes by way of `check` and `preview` to Target."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.embedded.road import until
from tests.integration.kafka_road import kafka_road
from tests.samples.standard import STANDARDS
from tests.system.command import command

if TYPE_CHECKING:
    from pathlib import Path

    from tests.containers import Kafka, Registry

pytestmark = pytest.mark.containers


@pytest.mark.parametrize("name", STANDARDS)
async def test_what_a_tool_writes_is_what_target_has(
    tmp_path: Path, kafka: Kafka, registry: Registry, name: str
) -> None:
    """`init` knows the shape, `check` is content, `preview` foretells rows and letters, and the service keeps to it."""
    told = STANDARDS[name]
    async with kafka_road(kafka, registry.url, tmp_path) as it:
        writer = it.register(told.schema)
        for key, datum in told.changes:
            it.producer.produce(it.topic, None if datum is None else writer.value(datum), key=key)
        it.flush()
        changes = {f"sources__{key}": value for key, value in told.source.items()}
        config = str(it.settings(changes))

        proposed = await asyncio.to_thread(command, "init", it.topic, "--registry", registry.url)
        assert yaml.safe_load(proposed.out)["sources"][0]["shape"] == told.source["shape"], proposed

        checked = await asyncio.to_thread(command, "check", "--config", config)
        assert (checked.code, "✗" in checked.out) == (0, False), checked
        candidate = tmp_path / "candidate.avsc"
        candidate.write_text(json.dumps(told.schema))
        assert (await asyncio.to_thread(command, "check", "--config", config, "--schema", str(candidate))).code == 0

        foretold = await asyncio.to_thread(command, "preview", "--config", config, "--json")
        (source,) = json.loads(foretold.out)["sources"]
        assert (source["records"], source["profiles"]) == (len(told.changes), len(told.profiles))
        assert source["dead_letters"] == told.dead
        assert not [one for one in source["attributes"] if one["refused"] or not one["samples"]], source["attributes"]

        brake = {"dead_letters__brake": {"share": 1.0, "of": 100, "at_least": 50}}
        async with it.member(**changes | brake) as member:
            await until(lambda: dict(it.simulator.profiles) == told.profiles, seconds=60)
            await it.all_committed()
        assert member.dead == told.dead
        assert it.simulator.summary().refusals == {}
