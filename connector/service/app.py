"""The life of the service: start up, carry records until told to stop, shut down.

`serve` is what `run` and the demo call. Pages answer from the first moment, so that a service that waits for its
brokers can say so. Nothing here is done twice: `composition` makes the parts, `pipeline` carries the records.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from connector.errors import SettingError
from connector.service import events
from connector.service.composition import compose
from connector.service.health import Health, web_app
from connector.service.journal import Journal, Tee
from connector.service.metrics import Metrics
from connector.service.settings import describe
from connector.service.target_side import costs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from connector.avro.stores import SchemaStore
    from connector.service.composition import Parts
    from connector.service.sections import ServiceSettings
    from connector.service.settings import Settings
    from connector.telemetry import Telemetry

CLOSE_TIMEOUT_S = 10.0  # to commit and leave the group; librdkafka's close can hang


async def serve(
    settings: Settings,
    stop: asyncio.Event,
    *,
    also: Sequence[Telemetry] = (),
    schemas: SchemaStore | None = None,
) -> None:
    """Run the service until `stop` is set and what is open is drained.

    Args:
        settings: all of them.
        stop: set to stop.
        also: who is told beside the metrics, the log and the health page.
        schemas: instead of the registry, for a demo in one process.

    Raises:
        SettingError: a setting, or a file it names, turned out to be wrong.
        FatalError: the process can't go on.
    """
    log = structlog.get_logger()
    log.info(events.STARTING, version=version("target-connector"), settings=describe(settings))
    _warn_of_risks(settings)
    metrics, journal, health = Metrics(), Journal(log, time.monotonic), Health()
    parts = compose(settings, Tee(metrics, journal, health, *also), schemas)
    async with AsyncExitStack() as stack:
        stack.callback(journal.close)
        stack.push_async_callback(_shut_down, parts)
        await stack.enter_async_context(_pages(settings.service, web_app(health, metrics, parts.source.alive)))
        if await _started(parts, stop):
            await _carry(parts, stop)
        stopped_at = time.monotonic()
    log.info(events.STOPPED, after_s=round(time.monotonic() - stopped_at, 3))


async def _started(parts: Parts, stop: asyncio.Event) -> bool:
    """Wait for the brokers and the topics, prove the mappings, start to fetch; False if told to stop meanwhile."""
    stopping = asyncio.create_task(stop.wait())
    proving = asyncio.create_task(_prove(parts))
    await asyncio.wait({stopping, proving}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not proving.done():
        proving.cancel()
        await asyncio.wait({proving})
        return False
    proving.result()
    if stop.is_set():
        return False
    parts.source.start()
    return True


async def _prove(parts: Parts) -> None:
    """See that letters have a place to go, and hold each mapping against the newest schema of each topic."""
    topics = await parts.watch.topics()
    if await parts.provide(topics):
        structlog.get_logger().info(events.TOPIC_CREATED, topic=parts.dead_letters.topic)
    for topic in topics:
        feed = next(feed for feed in parts.feeds if feed.reads(topic))
        dtypes = await feed.decoder.newest(topic)
        if dtypes is not None:
            feed.mapping.check(dtypes, f"topic {topic}")


async def _carry(parts: Parts, stop: asyncio.Event) -> None:
    """Carry records; whichever of its tasks fails ends the others."""
    carrying = asyncio.create_task(parts.pipeline.run(parts.source, stop))
    tasks = [carrying, *(asyncio.create_task(run()) for run in (parts.watch.run, *parts.target.beside))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _shut_down(parts: Parts) -> None:
    """End the parts in the order in which they depend on each other."""
    parts.dead_letters.close()  # a letter that can't be written must not hold up the rest; its offset is not stored
    await parts.source.close(CLOSE_TIMEOUT_S)  # commits what is settled and leaves the group
    await parts.target.close()
    if parts.registry is not None:
        await parts.registry.close()


@asynccontextmanager
async def _pages(settings: ServiceSettings, app: web.Application) -> AsyncIterator[None]:
    """Serve the pages for machines meanwhile."""
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await _listen(runner, settings.host, settings.port)
        yield
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise SettingError(f"service.port: {host}:{port} cannot be listened on ({error.strerror})") from error
    structlog.get_logger().info(events.LISTENING, host=host, port=runner.addresses[0][1])


def _warn_of_risks(settings: Settings) -> None:
    """What the settings ask for and Target does not promise to do well."""
    log: Callable[..., object] = structlog.get_logger().warning
    if any(source.events == "partial" for source in settings.sources):
        log(events.WARNED, text="events: partial; Target may drop what an earlier batch of a profile held (see README)")
    if len(settings.sources) > 1:
        log(events.WARNED, text="several sources; a profile that two of them write may lose what one of them wrote")
    if settings.target.commit_on == "complete":
        log(events.WARNED, text=costs(settings.target))
    if any(source.unsafe_text == "encode" for source in settings.sources):
        log(events.WARNED, text="unsafe_text: encode; whether Target keeps an encoded comma in its cell is not known")
