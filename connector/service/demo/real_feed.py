"""The demo's feed for a real Kafka and a real registry, for `demo-feed` and deploy/compose.yaml.

Promises that every record is acknowledged, in order, or that the command fails; unless it is told to stop before.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx2
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from confluent_kafka.schema_registry.error import SchemaRegistryError

from connector.avro.registry_access import RegistryOptions
from connector.errors import FatalError
from connector.service.demo.feed import Feed, FeedOptions, drive

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.service.demo.feed import Message

_PARTITIONS: Final = 12
_ASK_TIMEOUT_S: Final = 10.0
_FLUSH_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where the records go."""

    bootstrap_servers: str
    registry_url: str
    topic: str


async def feed(place: Place, options: FeedOptions, say: Callable[[str], None]) -> None:
    """Create the topic if it is missing and write all records, or as many as were written when told to stop.

    Raises:
        FatalError: brokers or registry do not do as asked.
        SettingError: the registry's address cannot be used.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    writing, stopping = asyncio.create_task(_write(place, options, say)), asyncio.create_task(stop.wait())
    await asyncio.wait({writing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if writing.done():
        stopping.cancel()
        return writing.result()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    return say("Stopped.")


async def _write(place: Place, options: FeedOptions, say: Callable[[str], None]) -> None:
    properties = {
        "bootstrap.servers": place.bootstrap_servers,
        "logger": logging.getLogger("librdkafka"),  # its lines would go to standard error as they are
    }
    registry = RegistryOptions(place.registry_url).client()
    outlet = _Outlet(properties, place.topic, say)
    try:
        await asyncio.to_thread(_create_if_missing, properties, place.topic)
        say(f"Writing {options.events:,} records to {place.topic}, {options.per_s:,.0f} a second")
        await drive(Feed(options), registry, place.topic, outlet, time.monotonic)
        await asyncio.to_thread(outlet.flush)
    except KafkaException as error:
        reason = error.args[0].str()
        raise FatalError(f"the brokers at {place.bootstrap_servers} do not do as asked ({reason})") from error
    except SchemaRegistryError as error:
        raise FatalError(f"the registry refuses the schema (HTTP {error.http_status_code})") from error
    except httpx2.HTTPError as error:
        raise FatalError(f"the registry does not answer ({type(error).__name__}); check --registry") from error
    finally:
        await registry.aclose()
    say("All records are written.")


class _Outlet:
    """A producer that keeps the order and forgets no failure."""

    def __init__(self, properties: dict[str, Any], topic: str, say: Callable[[str], None]) -> None:
        self._say = say
        self._topic = topic
        self._failed = 0
        self._producer = Producer(properties | {"enable.idempotence": True, "on_delivery": self._delivered})

    def registered(self, version: int, schema_id: int) -> None:
        """See Outlet."""
        self._say(f"The schema's version {version} is registered with the id {schema_id}")

    def publish(self, message: Message) -> None:
        """See Outlet."""
        while True:
            try:
                self._producer.produce(self._topic, message.value, message.key)
            except BufferError:  # librdkafka's own queue is full
                self._producer.poll(0.1)
            else:
                break
        self._producer.poll(0)

    def flush(self) -> None:
        waiting = self._producer.flush(_FLUSH_TIMEOUT_S)
        if waiting or self._failed:
            raise FatalError(f"not in Kafka: {self._failed} failed records, {waiting} waiting")

    def _delivered(self, error: KafkaError | None, _record: object) -> None:
        self._failed += error is not None


def _create_if_missing(properties: dict[str, Any], topic: str) -> None:
    admin = AdminClient(properties)
    if topic in admin.list_topics(timeout=_ASK_TIMEOUT_S).topics:
        return
    try:
        admin.create_topics([NewTopic(topic, _PARTITIONS)])[topic].result(_ASK_TIMEOUT_S)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
