"""Contender 2, the connector: the whole service, as `target-connector run` starts it, with its default window.

Its registry is confluent-kafka's mock in the same process, asked once for one schema. The call budget is lifted, beyond
what the settings take: at Target's 50 calls a minute batches of 100,000 profiles end at 83,000 profiles a second, and
what is measured here is the connector.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvloop
from confluent_kafka.schema_registry import AsyncSchemaRegistryClient, Schema

from benchmarks.events import ATTRIBUTES, ID, SCHEMA, SCHEMA_ID
from benchmarks.stopwatch import Result, Stopwatch, Task, report, task
from connector.avro.registry import Registry
from connector.avro.registry_access import RegistryAccess
from connector.profiles.window import Due
from connector.service import logs
from connector.service.app import serve
from connector.service.loading import load
from connector.telemetry import Silent

if TYPE_CHECKING:
    from connector.records import Reason
    from connector.service.settings import Settings
    from connector.telemetry import BatchReport, Part


_CALLS_PER_MINUTE: Final = 6_000


class Judge(Silent):
    """Keeps the time, and stops the service once all events are settled."""

    def __init__(self, events: int, stop: asyncio.Event) -> None:
        self.watch = Stopwatch()
        self.settled = 0
        self.rows = 0
        self.budget_wait_s = 0.0
        self._events = events
        self._stop = stop

    def assigned(self, partitions: int, all_partitions: int | None) -> None:  # noqa: ARG002 (Telemetry's)
        """See Telemetry."""
        if partitions:
            self.watch.start()

    def held(self, seconds: float) -> None:
        """See Telemetry."""
        self.budget_wait_s += seconds

    def dead_lettered(self, reason: Reason, count: int) -> None:
        """No event of ours may become one."""
        raise RuntimeError(f"{count} dead letters: {reason}")

    def accepted(self, report: BatchReport) -> None:
        """See Telemetry."""
        self.settled += report.records
        self.rows += report.rows
        if report.due == Due.ROWS:
            self.watch.lap(self.settled)
        if self.settled >= self._events:
            self._stop.set()

    def trouble(self, part: Part, text: str | None) -> None:
        """Say it: a run with trouble is no measurement."""
        if text is not None:
            sys.stderr.write(f"{part}: {text}\n")


async def carry(given: Task) -> Result:
    """Runs the service until the sink has everything."""
    stop = asyncio.Event()
    judge = Judge(given.events, stop)
    client = AsyncSchemaRegistryClient.new_client({"url": "mock://"})
    schema_id = await client.register_schema(f"{given.topic}-value", Schema(json.dumps(SCHEMA), "AVRO"))
    if schema_id != SCHEMA_ID:
        raise RuntimeError(f"the registry gave the schema the id {schema_id}")
    registry = Registry(RegistryAccess(client, telemetry=judge))
    await serve(_settings(given), stop, also=[judge], schemas=registry)
    return judge.watch.result(settled=judge.settled, rows=judge.rows, budget_wait_s=judge.budget_wait_s)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--no-extension", action="store_true")
    parser.add_argument("--max-rows", type=int, default=100_000, help="of a window")
    return parser.parse_known_args()[0]


def _settings(given: Task) -> Settings:
    ours = _options()
    settings: dict[str, Any] = {
        "kafka": {"bootstrap_servers": given.bootstrap_servers, "group_id": given.group},
        "registry": {"url": "http://127.0.0.1:1"},  # asked for by the settings, not used
        "sources": [{"topics": [given.topic], "id": ID, "attributes": {name: name for name in ATTRIBUTES}}],
        "target": {"client": "acme", "base_url": given.sink},
        "window": {
            "max_rows": ours.max_rows,
            "max_age": "2s",  # only the last one, which is not full, is closed for its age
        },
        "service": {"host": "127.0.0.1", "port": 0, "extension": not ours.no_extension},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "connector.yaml")
        path.write_text(json.dumps(settings))
        loaded = load(path, {})
    target = loaded.target.model_copy(update={"calls_per_minute": _CALLS_PER_MINUTE})
    return loaded.model_copy(update={"target": target})


if __name__ == "__main__":
    logs.configure("json", stream=sys.stderr)
    report(uvloop.run(carry(task())))
