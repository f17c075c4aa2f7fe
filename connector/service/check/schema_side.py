"""Each mapping against the newest schema of its topics, or against a schema that is not deployed yet."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

import polars as pl

from connector.avro.shapes.detection import detect
from connector.avro.stores import SchemaFile
from connector.avro.wire import Framing
from connector.errors import SettingError
from connector.kafka.topics import reads
from connector.profiles.claims import Claims
from connector.service import framings
from connector.service.check.findings import Finding, unsure, well, wrong
from connector.service.composition import make_feeds
from connector.service.registry_trouble import ANSWER_WITHIN_S, RegistryTrouble
from connector.service.source_side import make_decoder, make_mapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from connector.feeds import Feed
    from connector.profiles.mapping import Mapping as RowMapping
    from connector.service.settings import Settings
    from connector.service.sources import SourceSettings

_NAME: Final = "schema"
_OWN: Final = "records of the tool's own, which are about no profile and are left out"
_UNNAMED: Final = "nothing says which schema of schema_dir is the newest", "name it by schema_file"


async def look(settings: Settings, topics: Sequence[str]) -> list[Finding]:
    """Hold the mapping of each of these topics against its newest schema."""
    listener = RegistryTrouble()
    async with AsyncExitStack() as opened:
        try:
            feeds = make_feeds(settings, listener, opened)
        except SettingError as error:
            return [wrong("registry", str(error))]
        findings, claims = [], Claims()
        for topic in topics:
            number, feed = next((number, feed) for number, feed in enumerate(feeds) if feed.reads(topic))
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    found, names = await _topic(topic, feed, _source(settings.sources, topic))
                findings += found
                findings += [wrong(_NAME, f"topic {topic}: {clash}") for clash in claims.clashes(number, names)]
                claims.take(number, names)
            except TimeoutError:
                return [*findings, wrong("registry", listener.why, "see registry.url; schemas were not looked at")]
        return findings


def _unregistered(topic: str, source: SourceSettings) -> tuple[str, str]:
    subjects = [f"{topic}-value"] + [f"{topic}-key"] * (framings.of_key(source) and framings.in_key(source))
    remedy = "register one, or see that producers use the subject naming of the topic's name"
    return f"the registry has none under {' or '.join(subjects)}", remedy


async def _topic(topic: str, feed: Feed, source: SourceSettings) -> tuple[list[Finding], Iterable[str]]:
    """What is to be said of a topic, and the attributes that it gives as far as they are known."""
    doubts: list[Finding] = []
    try:
        dtypes = await feed.decoder.newest(topic)
        if dtypes is None:
            return [unsure(_NAME, *(_UNNAMED if source.schema_dir else _unregistered(topic, source)))], ()
        if not dtypes:
            return [well(_NAME, f"{topic}: {_OWN}")], ()
        doubts = _of_another_shape(topic, source, dtypes)
        feed.mapping.check(dtypes, f"topic {topic}")
    except SettingError as error:
        return [wrong(_NAME, str(error), "correct sources, or the schema"), *doubts], ()
    return [well(_NAME, f"{topic}: {_fits(feed.mapping, dtypes)}"), *doubts], feed.mapping.names(dtypes)


def _of_another_shape(name: str, source: SourceSettings, dtypes: Mapping[str, pl.DataType]) -> list[Finding]:
    """Doubt rows that look like a tool's change events; the tools' own shapes refuse what they do not know."""
    like = detect(dtypes).shape
    if source.shape not in {"flat", "jdbc"} or source.delete_flag or like == "flat":
        return []
    why = f"{name} looks like `shape: {like}`, and is read as {source.shape}, which does not know its deletes"
    return [unsure("shape", why, f"write shape: {like}, and paths of the row inside; docs/shapes.md")]


def _fits(mapping: RowMapping, dtypes: dict[str, pl.DataType]) -> str:
    names = len(dtypes) - 1 if mapping.attributes is None else len(mapping.attributes)
    return f"id `{mapping.id}` and {names} attributes fit"


async def candidate(settings: Settings, file: Path, topic: str | None) -> list[Finding]:
    """Hold the mapping of a topic against a schema in a file, before it is registered.

    Args:
        settings: all of them; nothing that they name is asked.
        file: the schema, .avsc.
        topic: whose records it is for; None where there is one source.

    Raises:
        SettingError: the file can't be used, or it is not clear which source is meant.
    """
    source = _source(settings.sources, topic)
    mapping = make_mapping(source)
    decoder = make_decoder(source, SchemaFile.load(file), Framing.PLAIN)
    where = topic or source.topics[0]
    doubts: list[Finding] = []
    try:
        dtypes = await decoder.newest(where)
        if not dtypes:
            return [well(_NAME, f"{file.name}: {_OWN}")]
        doubts = _of_another_shape(file.name, source, dtypes)
        if framings.in_key(source):  # the file is the value's schema
            dtypes[source.id_paths[0]] = pl.String()
        mapping.check(dtypes, file.name)
    except SettingError as error:
        remedy = "keep what the mapping needs, or change sources before it is deployed"
        return [wrong(_NAME, str(error), remedy), *doubts]
    return [well(_NAME, f"{file.name}: {_fits(mapping, dtypes)}"), *doubts]


def _source(sources: Sequence[SourceSettings], topic: str | None) -> SourceSettings:
    meant = [source for source in sources if topic is None or reads(source.topics, topic)]
    if len(meant) != 1:
        raise SettingError("--topic: name one that a source reads" if topic else "--topic: say whose schema it is")
    return meant[0]
