"""The life of the process: serve its pages, lead the parts' lives until told to stop.

`serve` is what `run` and the demo call. Pages answer from the first moment, so that a service that waits for its
brokers, or for a human, can say so; they stay while the parts start over. Nothing here is done twice: `composition`
makes the parts, `life` and `lives` lead them, `pipeline` carries the records.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from connector.errors import SettingError
from connector.service import admin, events
from connector.service.health import Health, web_app
from connector.service.journal import Journal, Tee
from connector.service.lives import Lives
from connector.service.metrics import Metrics
from connector.service.overview import Overview
from connector.service.page.render import page
from connector.service.settings import describe
from connector.service.target_side import costs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from connector.avro.stores import SchemaStore
    from connector.service.settings import Settings
    from connector.service.settings_watch import SettingsWatch
    from connector.telemetry import Telemetry


async def serve(
    settings: Settings,
    stop: asyncio.Event,
    *,
    also: Sequence[Telemetry] = (),
    schemas: SchemaStore | None = None,
    watch: SettingsWatch | None = None,
) -> None:
    """Run the service until `stop` is set and what is open is drained.

    Args:
        settings: all of them.
        stop: set to stop.
        also: who is told beside the metrics, the log and the health page.
        schemas: instead of the registry, for a demo in one process.
        watch: tells of changed settings while the service is blocked.

    Raises:
        SettingError: a setting, or a file it names, turned out to be wrong.
        FatalError: the process can't go on.
    """
    log = structlog.get_logger()
    log.info(events.STARTING, version=version("target-connector"), settings=describe(settings))
    _warn_of_risks(settings)
    metrics, journal, health = Metrics(), Journal(log, time.monotonic), Health()
    overview = Overview(health, lambda: lives.settings, lambda: datetime.now(UTC))
    telemetry = Tee(metrics, journal, health, overview, *also)
    lives = Lives(settings, telemetry, health, schemas=schemas, watch=watch, clock=time.monotonic)
    pages = web_app(health, metrics, lives.alive, lambda: page(overview.told()))
    commands = admin.admin_app(overview, lives)
    service = settings.service
    stopping = asyncio.create_task(_moment_of(stop))
    async with AsyncExitStack() as stack:
        stack.callback(stopping.cancel)
        stack.callback(journal.close)
        await stack.enter_async_context(_served(pages, service.host, service.port, "port", events.LISTENING))
        await stack.enter_async_context(
            _served(commands, admin.HOST, service.admin_port, "admin_port", events.ADMIN_LISTENING)
        )
        await lives.run(stop)
    log.info(events.STOPPED, after_s=round(time.monotonic() - await stopping, 3))


async def _moment_of(event: asyncio.Event) -> float:
    await event.wait()
    return time.monotonic()


@asynccontextmanager
async def _served(app: web.Application, host: str, port: int, setting: str, event: str) -> AsyncIterator[None]:
    """Serve pages meanwhile, and log where."""
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise SettingError(f"service.{setting}: {host}:{port} cannot be listened on ({error.strerror})") from error
        structlog.get_logger().info(event, host=host, port=runner.addresses[0][1])
        yield
    finally:
        await runner.cleanup()


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
