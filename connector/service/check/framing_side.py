"""The newest records of each topic against the framing that its source says, before one is read for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl

from connector.avro import wire
from connector.avro.recognition import looks_like
from connector.avro.wire import Framing
from connector.errors import FatalError
from connector.kafka import sample
from connector.kafka.headers import columns_of, pairs_of
from connector.kafka.ranges import Ranges
from connector.kafka.topics import reads
from connector.records import VALUE, Alongside, Partition
from connector.service.check import key_side
from connector.service.check.findings import Finding, unsure, well, wrong
from connector.service.schema_stores import framing_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connector.records import Record
    from connector.service.settings import Settings

LOOKED_AT: Final = 100  # records of a topic, over all of its partitions
_NAME: Final = "framing"
_REMEDY: Final = "correct sources.framing (docs/framings.md), or what writes there"


def look(settings: Settings, consumer: Mapping[str, Any], topics: Sequence[str]) -> list[Finding]:
    """Look at the newest records of these topics, as no member of a group; blocks.

    Args:
        settings: all of them.
        consumer: the consumer's properties, secrets included.
        topics: that exist, and are meant by a source.
    """
    return list(_findings(settings, consumer, topics))


def _findings(settings: Settings, consumer: Mapping[str, Any], topics: Sequence[str]) -> Iterator[Finding]:
    with Ranges(consumer, name="check") as ranges:
        for topic in topics:
            source = next(source for source in settings.sources if reads(source.topics, topic))
            try:
                found = _newest(ranges, topic)
            except FatalError as error:
                yield unsure(_NAME, f"the newest records of {topic} can't be read: {error}")
                continue
            if valued := [one for one in found if one.value() is not None]:
                yield judge(topic, framing_of(source), valued)
            if of_keys := key_side.judge(topic, source, found):
                yield of_keys


def _newest(ranges: Ranges, topic: str) -> Sequence[Record]:
    partitions = [Partition(topic, number) for number in range(ranges.partitions().get(topic, 0))]
    return sample.read(ranges, sample.newest(ranges.bounds(partitions), LOOKED_AT)).chunk.records


def judge(topic: str, framing: Framing, records: Sequence[Any]) -> Finding:
    """Say how records, each with a value, go with a framing."""
    values = [one.value() for one in records]
    columns = [pl.Series(VALUE, values, pl.Binary), *columns_of(records, Alongside(framing.headers))]
    other = wire.split(pl.DataFrame(columns), framing)[wire.SCHEMA].null_count()
    some = f"the newest {len(records)} records of {topic}"
    if framing is not Framing.PLAIN and other < len(records):
        if other:
            return unsure(_NAME, f"{other} of {some} are not framed as {framing}: dead letters", _REMEDY)
        return well(_NAME, f"{some} are framed as {framing}")
    found = looks_like(values, [dict(pairs_of(one) or ()) for one in records])
    if framing is not Framing.PLAIN:
        looks = "like no framing that we know" if found is None else f"like {found}"
        return wrong(_NAME, f"{some} are not framed as {framing}; these look {looks}", _REMEDY)
    if found is None:
        return well(_NAME, f"{some} have no framing to be seen")
    return unsure(_NAME, f"{some} look like {found}, and the source says {framing}", _REMEDY)
