"""The stage of the demo: an embedded broker, a simulated Target, a registry and the service itself, in this process.

Promises to take everything down again in the order in which it depends on each other, whatever happened. The service
is the real one, `app.serve` with settings as a user would write them. Called by `demo`.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka.schema_registry import AsyncSchemaRegistryClient

from connector.avro.registry import Patience, Registry
from connector.avro.registry_access import RegistryAccess
from connector.kafka.embedded import EmbeddedBroker
from connector.service.app import serve
from connector.service.demo.evidence import Witness
from connector.service.demo.feed import DELETED, TOPIC
from connector.service.demo.progress import Progress
from connector.service.settings import Settings
from connector.simulator.account import SimulatorOptions
from connector.simulator.app import Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connector.kafka.embedded import EmbeddedProducer
    from connector.service.demo.feed import Shape

HOST: Final = "127.0.0.1"
PARTITIONS: Final = 12
# The broker keeps 4 MiB of a partition and refuses more. Counted: 200,000 records of 500 customers fill the partition
# of the busiest of them to 94 %; with more customers they spread better.
MAX_EVENTS: Final = 200_000
# Debezium's envelope makes a value of 112 bytes of one of 70 (means, counted); with the same customers that many fit.
MAX_ENVELOPED_EVENTS: Final = 120_000
MIN_CUSTOMERS: Final = 500
DEAD_LETTERS: Final = "target-connector.dead-letters"
GROUP: Final = "target-profiles"


@dataclass(frozen=True, slots=True)
class Stage:
    """What plays together.

    Attributes:
        producer: the CRM's way into the broker.
        registry: where the CRM registers its schemas.
        simulator: Target.
        witness: tells what the broker has.
        progress: tells what the service does.
        serving: the service; ends early only if it failed.
        broker_address: host and port.
        target_url: of the simulated Target.
        pages_url: of the service's health page and metrics.
    """

    producer: EmbeddedProducer
    registry: AsyncSchemaRegistryClient
    simulator: Simulator
    witness: Witness
    progress: Progress
    serving: asyncio.Task[None]
    broker_address: str
    target_url: str
    pages_url: str


def settings(bootstrap_servers: str, target_url: str, port: int, shape: Shape = "flat") -> Settings:
    """The service's settings: the defaults, but for what makes a demo of half a minute worth watching."""
    source: dict[str, Any] = {"topics": [TOPIC], "id": "customer_id", "attributes": "all", "shape": shape}
    if shape == "debezium":
        source |= {"on_delete": "send", "deleted": DELETED}
    return Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": bootstrap_servers, "group_id": GROUP},
            "registry": {"url": f"http://{HOST}"},  # demanded by the source's framing; the registry is in this process
            "sources": [source],
            "window": {"max_age": "2s"},
            "target": {
                "client": "acme",
                "base_url": target_url,
                "calls_per_minute": 40,
                "throttle_hold": "3s",
                "timeout": "10s",
            },
            "dead_letters": {"topic": DEAD_LETTERS},
            "service": {"host": HOST, "port": port, "admin_port": 0, "drain": "2s"},
        }
    )


@asynccontextmanager
async def stage(shape: Shape = "flat") -> AsyncIterator[Stage]:
    """Build it up, and take it down at the end."""
    with EmbeddedBroker() as broker:
        broker.create_topic(TOPIC, PARTITIONS)
        broker.create_topic(DEAD_LETTERS, 1)
        with closing(Witness(broker.bootstrap_servers, GROUP)) as witness:
            # `version` counts the changes of a customer: Target tells if it ever saw one go down.
            simulator = Simulator(SimulatorOptions(version_attribute="version"))
            target_url = await simulator.start(HOST)
            try:
                registry, progress, port = AsyncSchemaRegistryClient.new_client({"url": "mock://"}), Progress(), _port()
                async with _service(
                    settings(broker.bootstrap_servers, target_url, port, shape), registry, progress
                ) as serving:
                    yield Stage(
                        producer=broker.producer(),
                        registry=registry,
                        simulator=simulator,
                        witness=witness,
                        progress=progress,
                        serving=serving,
                        broker_address=broker.bootstrap_servers,
                        target_url=target_url,
                        pages_url=f"http://{HOST}:{port}",
                    )
            finally:
                await simulator.stop()


@asynccontextmanager
async def _service(
    given: Settings, registry: AsyncSchemaRegistryClient, progress: Progress
) -> AsyncIterator[asyncio.Task[None]]:
    stop = asyncio.Event()
    # The CRM registers before it writes: an id still unknown after a second is a bad record.
    patience = Patience(unknown_for_s=1.0, unknown_tries=2)
    schemas = Registry(RegistryAccess(registry, telemetry=progress), patience=patience)
    serving = asyncio.create_task(serve(given, stop, also=[progress], schemas=schemas))
    try:
        yield serving
    finally:
        stop.set()
        await serving


def _port() -> int:
    """A port that was free a moment ago: the pages' address must be known before the service listens."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
