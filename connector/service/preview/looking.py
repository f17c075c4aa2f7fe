"""From the settings to what the records of each source become: read, decoded, mapped, merged, and nothing sent.

The real parts do it: the feeds, the window and its encoder as `composition` makes them. Reading joins no group and
commits nothing (`kafka.sample`), and no part of Target's side is even made. `command` calls it, `shown` shows it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from connector.errors import BlockedError, FatalError, SettingError
from connector.kafka import sample
from connector.kafka.ranges import Ranges
from connector.kafka.topics import match
from connector.records import ASSIGNMENT, ID, ROW, Partition
from connector.service.composition import consumer_properties, make_feeds, make_window
from connector.service.preview import attributes
from connector.service.preview.attributes import Decoded
from connector.service.preview.calls import DAY_H, HOUR_S, Rate
from connector.service.registry_trouble import ANSWER_WITHIN_S, RegistryTrouble
from connector.service.schema_stores import alongside

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connector.feeds import Feed, Read
    from connector.kafka.sample import Sample
    from connector.profiles.window import Window
    from connector.records import Rows
    from connector.service.preview.attributes import Attribute
    from connector.service.settings import Settings
    from connector.service.sources import SourceSettings

SCANNED: Final = 100_000  # records of a source, in search of an id


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for.

    Attributes:
        source: the number of one of the sources, from 1, or a topic; None for all sources.
        limit: records of each source.
        from_beginning: the first records and not the newest.
        id: only those of this profile.
        show: what of a value may be shown.
    """

    source: str | None
    limit: int
    from_beginning: bool
    id: str | None
    show: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Found:
    """What Kafka gave of one source.

    Attributes:
        index: of the source in the settings.
        topics: how many partitions each of its topics has.
        sample: the records.
        rate: what its topics got lately.
    """

    index: int
    topics: Mapping[str, int]
    sample: Sample
    rate: Rate


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of one source's records.

    Attributes:
        number: of the source, from 1.
        source: its settings.
        found: what Kafka gave.
        records: of these, so many were looked at: all, or those of the profile asked for.
        rows: so many of them gave a row, or more than one.
        profiles: how many different ids these have.
        skipped: records left out by a setting, by why.
        refused: records that would become dead letters, by reason.
        long: values over Target's limit that are sent, whole or clipped, by attribute.
        attributes: the id and the attributes.
    """

    number: int
    source: SourceSettings
    found: Found
    records: int
    rows: int
    profiles: int
    skipped: Mapping[str, int]
    refused: Mapping[str, int]
    long: Mapping[str, int]
    attributes: Sequence[Attribute]


@dataclass(frozen=True, slots=True)
class Preview:
    """All of it.

    Attributes:
        sources: one for each that was looked at.
        rows: what Target would get, merged as a window does.
        empty: profiles left out as none of their attributes has a value.
    """

    sources: Sequence[Seen]
    rows: Rows | None
    empty: int


async def look(settings: Settings, wanted: Wanted) -> Preview:
    """Look at the records of the sources.

    Raises:
        SettingError: there is no such source, a file can't be used, or the mapping does not fit the records.
        FatalError: Kafka or the registry does not answer.
    """
    chosen = _chosen(settings.sources, wanted.source)
    found = await asyncio.to_thread(_read, settings, chosen, wanted)
    listener = RegistryTrouble()
    window = make_window(settings)
    async with AsyncExitStack() as opened:
        feeds = make_feeds(settings, listener, opened)
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S * len(found)):
                decoded = [await _decoded(feeds[one.index], one, wanted) for one in found]
            seen = [
                await _seen(settings, feeds[one.index], one, records, wanted, window)
                for one, records in zip(found, decoded, strict=True)
            ]
        except TimeoutError:
            raise FatalError(f"{listener.why}; see registry.url") from None
        except BlockedError as error:
            raise SettingError(f"{error}; the service would block here") from None
    if not any(one.rows for one in seen):
        return Preview(seen, None, 0)
    _, rows, empty = await asyncio.to_thread(window.close().made)
    return Preview(seen, rows, empty)


def _chosen(sources: Sequence[SourceSettings], wanted: str | None) -> list[tuple[int, Sequence[str]]]:
    """Give the index of each source that is meant, and the topics of it that are."""
    if wanted is None:
        return [(index, source.topics) for index, source in enumerate(sources)]
    if wanted.isdecimal() and 1 <= int(wanted) <= len(sources):
        return [(int(wanted) - 1, sources[int(wanted) - 1].topics)]
    for index, source in enumerate(sources):
        if match(source.topics, {wanted: 1}).topics:
            return [(index, [wanted])]
    known = ", ".join(topic for source in sources for topic in source.topics)
    raise SettingError(f"--source: no source reads it; write 1 to {len(sources)}, or a topic of {known}")


def _read(settings: Settings, chosen: Sequence[tuple[int, Sequence[str]]], wanted: Wanted) -> list[Found]:
    """Ask Kafka; blocks."""
    with Ranges(consumer_properties(settings), name="preview") as ranges:
        existing = ranges.partitions()
        return [_source(ranges, settings, index, _topics(names, existing), wanted) for index, names in chosen]


def _topics(names: Sequence[str], existing: Mapping[str, int]) -> dict[str, int]:
    state = match(names, existing)
    if missing := [*state.missing, *([] if state.topics or state.missing else names)]:
        raise FatalError(f"no topic {', '.join(missing)} is there, or may be seen; `check` says more")
    return {topic: existing[topic] for topic in state.topics}


def _source(ranges: Ranges, settings: Settings, index: int, topics: Mapping[str, int], wanted: Wanted) -> Found:
    partitions = [Partition(topic, number) for topic, count in topics.items() for number in range(count)]
    bounds = ranges.bounds(partitions)
    some = sample.oldest if wanted.from_beginning else sample.newest
    stretches = some(bounds, wanted.limit if wanted.id is None else SCANNED)
    now_ms = int(time.time() * 1000)
    gained = [
        sum(
            bounds[one][1] - first
            for one, first in ranges.first_since(partitions, now_ms - hours * HOUR_S * 1000).items()
            if first is not None
        )
        for hours in (1, DAY_H)
    ]
    return Found(index, topics, sample.read(ranges, stretches, alongside(settings.sources)), Rate(*gained))


async def _decoded(feed: Feed, found: Found, wanted: Wanted) -> list[Decoded]:
    """Decode a source's records, topic by topic; where an id is asked for, keep the newest of that profile."""
    decoded = []
    chunk = found.sample.chunk
    for topic in found.topics:
        numbers = [span.assignment.number for span in chunk.spans if span.assignment.partition.topic == topic]
        frame = chunk.frame.filter(pl.col(ASSIGNMENT).is_in(numbers))
        if frame.height and (dtypes := await feed.decoder.newest(topic)):
            feed.mapping.check(dtypes, f"topic {topic}")  # knows more fields, for its hints, than records that are read
        one = Decoded(topic, frame, chunk.records, await feed.decoder.decode(topic, frame))
        if wanted.id is not None:
            rows = (await one.read(attributes.bare(feed))).rows  # with those that an attribute makes a dead letter
            ours = rows.filter(pl.col(ID) == wanted.id)[ROW] if rows.height else frame[ROW].clear()
            frame = frame.filter(pl.col(ROW).is_in(ours.implode())).tail(wanted.limit)
            one = Decoded(topic, frame, chunk.records, await feed.decoder.decode(topic, frame))
        decoded.append(one)
    return decoded


async def _seen(  # noqa: PLR0913, PLR0917 (whose, what, and where it goes)
    settings: Settings, feed: Feed, found: Found, decoded: Sequence[Decoded], wanted: Wanted, window: Window
) -> Seen:
    whole: list[Read] = [await one.read(feed) for one in decoded]
    for read in whole:
        lines = await asyncio.to_thread(window.lines, found.index, read.rows, partial=read.partial)
        window.add(found.index, lines, [], now=0.0)
    refused = sum((attributes.by_reason(read.refused) for read in whole), attributes.by_reason([]))
    ids = [read.rows[ID] for read in whole if read.rows.height]
    skipped = {why: 0 for read in whole for why in read.skipped}
    return Seen(
        number=found.index + 1,
        source=settings.sources[found.index],
        found=found,
        records=sum(one.frame.height for one in decoded),
        rows=sum(map(len, ids)),
        profiles=pl.concat(ids).n_unique() if ids else 0,
        skipped={why: sum(read.skipped.get(why, 0) for read in whole) for why in skipped},
        refused=refused,
        long=sum((Counter(read.long) for read in whole), Counter[str]()),
        attributes=await attributes.look(feed, decoded, whole, wanted.show),
    )
