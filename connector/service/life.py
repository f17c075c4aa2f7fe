"""One life of the parts: start up, prove the mappings, carry records until told to end, shut down.

`lives` composes the parts, calls `live`, and `shut_down` whatever happened.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from connector.errors import SettingError
from connector.profiles.claims import Claims
from connector.service import events

if TYPE_CHECKING:
    from connector.service.composition import Parts

CLOSE_TIMEOUT_S = 10.0  # to commit and leave the group; librdkafka's close can hang


async def live(parts: Parts, stop: asyncio.Event) -> None:
    """Carry records until `stop` is set and what is open is drained.

    Raises:
        SettingError: a mapping does not fit the newest schema of its topic.
        StartOverError: what is open must be given up.
        FatalError: the process can't go on.
    """
    if await _started(parts, stop):
        await _carry(parts, stop)


async def _started(parts: Parts, stop: asyncio.Event) -> bool:
    """Wait for the brokers and the topics, prove the mappings, start to fetch; False if told to stop meanwhile."""
    stopping = asyncio.create_task(stop.wait())
    proving = asyncio.create_task(_prove(parts))
    try:
        await asyncio.wait({stopping, proving}, return_when=asyncio.FIRST_COMPLETED)
        if not proving.done():
            return False
        proving.result()
    finally:
        stopping.cancel()
        proving.cancel()
        await asyncio.gather(stopping, proving, return_exceptions=True)
    if stop.is_set():
        return False
    parts.source.start()
    return True


async def _prove(parts: Parts) -> None:
    """See that letters have a place to go, and hold each mapping against the newest schema of each topic."""
    topics = await parts.watch.topics()
    if await parts.provide(topics):
        structlog.get_logger().info(events.TOPIC_CREATED, topic=parts.dead_letters.topic)
    claims = Claims()
    for topic in topics:
        number, feed = next((number, feed) for number, feed in enumerate(parts.feeds) if feed.reads(topic))
        dtypes = await feed.decoder.newest(topic)
        if dtypes:  # not where nothing is registered yet, nor for records that are about no profile
            feed.mapping.check(dtypes, f"topic {topic}")
            names = feed.mapping.names(dtypes)
            for clash in claims.clashes(number, names):
                raise SettingError(f"topic {topic}: {clash}")
            claims.take(number, names)


async def _carry(parts: Parts, stop: asyncio.Event) -> None:
    """Carry records; whichever of its tasks fails ends the others."""
    carrying = asyncio.create_task(parts.pipeline.run(parts.source, stop))
    beside = (parts.source.failed, parts.watch.run, *parts.target.beside)
    tasks = [carrying, *(asyncio.create_task(run()) for run in beside)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def shut_down(parts: Parts) -> bool:
    """Give up unwritten dead letters, commit what is settled and leave the group; whether that was done in time."""
    parts.dead_letters.close()  # a letter that can't be written must not hold up the rest; its offset is not stored
    return await parts.source.close(CLOSE_TIMEOUT_S)
