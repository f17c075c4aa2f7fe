"""Puts the parts together, as the settings say; the only place that knows all rooms.

Builds, opens nothing that needs an answer. `app` gives it the settings and runs what comes back.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaException

from connector.avro import native, proof
from connector.avro.columns import Columns
from connector.avro.native import Native
from connector.avro.registry import Registry
from connector.avro.registry_access import RegistryOptions
from connector.dead_letter_office import DeadLetterOffice
from connector.errors import SettingError
from connector.kafka import properties as librdkafka
from connector.kafka.brake import Brake, BrakeLimits
from connector.kafka.causes import plain
from connector.kafka.dead_letter_topic import Wanted, provide
from connector.kafka.dead_letters import DeadLetterTopic
from connector.kafka.offsets import Ledger
from connector.kafka.reread import Reread
from connector.kafka.source import Source, SourceOptions
from connector.kafka.topics import TopicWatch
from connector.pipeline import Pipeline
from connector.profiles.merging import Events
from connector.profiles.window import Limits, Window
from connector.records import Reason
from connector.service.schema_stores import alongside
from connector.service.secret_files import has_lines, read_secret
from connector.service.source_side import make_feed
from connector.service.target_side import TargetSide, make_target_side
from connector.target.encoding import Encoder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from contextlib import AsyncExitStack
    from pathlib import Path
    from typing import Any

    from connector.avro.reading import Engines
    from connector.avro.stores import SchemaStore
    from connector.feeds import Feed
    from connector.kafka.topics import TopicState
    from connector.service.sections import KafkaSettings, RegistrySettings
    from connector.service.settings import Settings
    from connector.telemetry import Telemetry

REVOKE_WAIT_S = 5.0  # beyond the time-out of the call that a rebalance may have to wait for


@dataclass(frozen=True, slots=True)
class Heritage:
    """What a life of the parts has from the life before.

    Attributes:
        released: records that the brake lets pass.
        numbers: of the batches to come, so that a number means one batch in all of the process.
    """

    released: int
    numbers: Iterator[int]


@dataclass(frozen=True, slots=True)
class Parts:
    """What `app` starts and ends."""

    pipeline: Pipeline
    source: Source
    watch: TopicWatch
    feeds: Sequence[Feed]
    target: TargetSide
    dead_letters: DeadLetterTopic
    provide: Callable[[Sequence[str]], Awaitable[bool]]


def compose(
    settings: Settings,
    telemetry: Telemetry,
    opened: AsyncExitStack,
    heritage: Heritage,
    schemas: SchemaStore | None = None,
) -> Parts:
    """Make the parts; must be called on the running event loop.

    Args:
        settings: all of them.
        telemetry: who is told.
        opened: closes what was opened, also if an error ends this half-way.
        heritage: from the life before.
        schemas: instead of the registry that the settings name, for a demo in one process.

    Raises:
        SettingError: a file that the settings name can't be used, or librdkafka does not take its properties.
    """
    consumer = consumer_properties(settings)
    _prove(consumer)
    feeds = make_feeds(settings, telemetry, opened, schemas)
    ledger = Ledger()
    target = make_target_side(settings.target, ledger, telemetry, extension=settings.service.extension)
    opened.push_async_callback(target.close)
    again = opened.enter_context(closing(Reread(consumer)))
    options, brake = _source_options(settings, consumer), _brake(settings, heritage.released)
    try:
        dead_letters = DeadLetterTopic(consumer, settings.dead_letters.topic, settings.kafka.group_id, telemetry)
        pipeline = Pipeline(
            feeds=feeds,
            window=make_window(settings),
            delivery=target.delivery,
            ledger=ledger,
            numbers=heritage.numbers,
            settling=target.settling,
            office=DeadLetterOffice(dead_letters, brake, again, telemetry, remade=ledger.detached),
            telemetry=telemetry,
            clock=time.monotonic,
            drain_s=settings.service.drain,
        )
        source = Source(options, pipeline, telemetry)
        watch = _watch(consumer, options.topics, telemetry, pipeline, source)
    except KafkaException as error:
        raise _refused(error) from error
    return Parts(pipeline, source, watch, feeds, target, dead_letters, _provider(settings, consumer, telemetry))


def _watch(
    consumer: dict[str, Any], topics: Sequence[str], telemetry: Telemetry, pipeline: Pipeline, source: Source
) -> TopicWatch:
    def changed(state: TopicState) -> None:
        pipeline.partitions(state.partitions)

    return TopicWatch(consumer, topics, telemetry, changed=changed, remade=source.reread, asked=pipeline.unsure)


def _prove(consumer: dict[str, Any]) -> None:
    """See that librdkafka takes the properties, before anything is open that an error would leave open."""
    try:
        Consumer(consumer).close()
    except KafkaException as error:
        raise _refused(error) from error


def _refused(error: KafkaException) -> SettingError:
    said = plain(error.args[0].str().removeprefix("Failed to create consumer: "))
    return SettingError(f"kafka.properties: {said}; correct or remove the property")


def _provider(
    settings: Settings, consumer: dict[str, Any], telemetry: Telemetry
) -> Callable[[Sequence[str]], Awaitable[bool]]:
    wanted = Wanted(settings.dead_letters.topic, settings.dead_letters.create)
    return partial(provide, wanted, consumer, telemetry=telemetry)


def _source_options(settings: Settings, consumer: dict[str, Any]) -> SourceOptions:
    topics = [topic for source in settings.sources for topic in source.topics]
    revoke_timeout_s = settings.target.timeout + REVOKE_WAIT_S
    beside = alongside(settings.sources)
    return SourceOptions(consumer, topics, revoke_timeout_s, extension=settings.service.extension, alongside=beside)


def make_window(settings: Settings) -> Window:
    """Make the empty window."""
    limits = Limits(settings.window.max_rows, settings.window.max_bytes, settings.window.max_age)
    return Window(
        limits,
        [Events(source.events) for source in settings.sources],
        Encoder(extension=settings.service.extension).lines,
    )


def _brake(settings: Settings, released: int) -> Brake:
    brake = settings.dead_letters.brake
    blocks = any(source.gaps == "block" for source in settings.sources)
    holds = frozenset({Reason.GAP}) if blocks else frozenset[Reason]()
    return Brake(BrakeLimits(brake.share, brake.of, brake.at_least), released, holds)


def consumer_properties(settings: Settings) -> dict[str, Any]:
    """All of librdkafka's properties; see `kafka_properties`."""
    return kafka_properties(settings.kafka)


def kafka_properties(kafka: KafkaSettings) -> dict[str, Any]:
    """All of librdkafka's properties, secrets included.

    Raises:
        SettingError: the file of a secret can't be used.
    """
    secrets = {
        name: read_secret(path, f"kafka.secrets.{name}", lines=has_lines(name)) for name, path in kafka.secrets.items()
    }
    return librdkafka.consumer(kafka.bootstrap_servers, kafka.group_id, {**kafka.properties, **secrets})


def make_feeds(
    settings: Settings, telemetry: Telemetry, opened: AsyncExitStack, schemas: SchemaStore | None = None
) -> list[Feed]:
    """Make the feeds, one for each of the sources; `opened` closes what they need.

    Raises:
        SettingError: a file that the settings name can't be used.
    """
    store = schemas or _registry(settings, telemetry, opened)
    engines = _proven(settings, telemetry)
    return [make_feed(source, store, telemetry, engines) for source in settings.sources]


def _proven(settings: Settings, telemetry: Telemetry) -> Engines:
    """Give the engines that may decode: those that are installed and wanted, and give what the reference gives."""
    wanted: Engines = (Native, Columns) if settings.service.extension and native.INSTALLED else (Columns,)
    proven = proof.prove(wanted)
    telemetry.columns(proven.why_not, proven.slowly)
    return proven.engines


def _registry(settings: Settings, telemetry: Telemetry, opened: AsyncExitStack) -> Registry | None:
    if settings.registry is None:
        return None
    registry = Registry.connect(registry_options(settings.registry), telemetry)
    opened.push_async_callback(registry.close)
    return registry


def registry_options(registry: RegistrySettings) -> RegistryOptions:
    """How the registry is reached, secrets included.

    Raises:
        SettingError: the file of a secret can't be used.
    """
    password, token = registry.password_file, registry.token_file
    return RegistryOptions(
        url=registry.url,
        username=registry.username,
        password=None if password is None else read_secret(password, "registry.password_file"),
        token=None if token is None else read_secret(token, "registry.token_file"),
        ca_file=_text(registry.ca_file),
        cert_file=_text(registry.cert_file),
        key_file=_text(registry.key_file),
        timeout_s=registry.timeout,
    )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
