"""What the pipeline calls: the records of one poll to data frames of changes, one frame per writer schema.

Promises: every record comes out exactly once, as a row of a frame, unreadable with its reason, or a tombstone; the
event loop only waits for schemas, the decoding runs on a thread. Records of a schema keep their order.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import polars as pl

from connector.avro import paths as where
from connector.avro import wire
from connector.avro.inflating import MOST_INFLATED_BYTES, inflated
from connector.avro.reading import ENGINES, Reader, Singly
from connector.avro.schema import Schema
from connector.avro.stores import Refused
from connector.errors import BlockedError, SettingError
from connector.records import ASSIGNMENT, OFFSET, ROW, VALUE, Reason, header_column
from connector.telemetry import Silent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector.avro.paths import Column
    from connector.avro.reading import Engines
    from connector.avro.stores import SchemaStore
    from connector.avro.wire import Framing
    from connector.telemetry import Telemetry

REASON: Final = "reason"
DETAIL: Final = "detail"
_NOT_INFLATED: Final = f"its datum is not what zlib made, or holds more than {MOST_INFLATED_BYTES} bytes"


@dataclass(frozen=True, slots=True)
class Changes:
    """What the records of one poll mean.

    Attributes:
        frames: one per writer schema, in the order of first appearance, possibly without rows: ROW (UInt32),
            ASSIGNMENT, OFFSET as they came in, then one column per wanted path, called by it. A path that the writer
            schema lacks has no column. Types as `connector.avro.scalars` and `connector.avro.schema` list them.
        unreadable: ROW (UInt32), `reason` and `detail` (String) of the records that could not be read, by ROW.
        tombstones: ROW (UInt32) of the records without a value.
        writers: the writer schema of each frame, its label naming the topic's newest too; None, or fewer than there
            are frames, for what no schema wrote.
        skipped: how many records were left out, by why: those that a shape knows to be about no profile.
    """

    frames: Sequence[pl.DataFrame]
    unreadable: pl.DataFrame
    tombstones: pl.DataFrame
    writers: Sequence[Schema | None] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)


class Decoder:
    """Decodes the records of one configured source.

    Args:
        framing: how its records name their schema.
        schemas: where the schemas come from.
        paths: the dotted paths to give columns for; None for every field that is no record.
        engines: what may decode in columns where that can be; otherwise it is done record by record.
        telemetry: is told of records that were read singly.
    """

    def __init__(
        self,
        *,
        framing: Framing,
        schemas: SchemaStore,
        paths: Sequence[str] | None,
        engines: Engines = ENGINES,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._framing = framing
        self._schemas = schemas
        self._paths = paths
        self._engines = engines
        self._telemetry = telemetry or Silent()
        self._readers: dict[str, dict[bytes, Reader]] = {}
        self._newest: dict[str, Schema | None] = {}

    async def decode(self, topic: str, frame: pl.DataFrame) -> Changes:
        """Decode records of one topic; waits for as long as the registry does not answer.

        Args:
            topic: its subject `<topic>-value` is asked for aliases.
            frame: ROW, ASSIGNMENT, OFFSET, VALUE, and the columns of the framing's headers.

        Raises:
            BlockedError: a wanted path leads to a recursive field.
        """
        tombstones = frame.filter(pl.col(VALUE).is_null()).select(ROW)
        given = frame.select(ROW, ASSIGNMENT, OFFSET, VALUE, *map(header_column, self._framing.headers))
        framed = wire.split(given.drop_nulls(VALUE), self._framing)
        groups = framed.drop_nulls(wire.SCHEMA).partition_by(wire.SCHEMA, maintain_order=True)
        by_key: dict[bytes, pl.DataFrame] = {group[wire.SCHEMA][0]: group for group in groups}
        readers = await self._readers_for(topic, list(by_key))

        other = f"it is not framed as sources.framing says: {self._framing}"
        unreadable = [_unreadable(framed.filter(pl.col(wire.SCHEMA).is_null()), Reason.FRAMING, other)]
        readable: list[tuple[Reader, pl.DataFrame]] = []
        for key, group in by_key.items():
            reader = readers[key]
            if isinstance(reader, Refused):
                unreadable.append(_unreadable(group, Reason.SCHEMA_UNKNOWN, reader.detail))
            else:
                readable.append((reader, group))
        decoded, singly = await asyncio.to_thread(_decode, readable)
        for why, count in singly.items():
            self._telemetry.read_singly(why, count)
        unreadable += [faults for _, faults in decoded]
        frames, writers = [rows for rows, _ in decoded], [self._named(topic, reader.schema) for reader, _ in readable]
        return Changes(frames, pl.concat(unreadable).sort(ROW), tombstones, writers)

    async def newest(self, topic: str) -> dict[str, pl.DataType] | None:
        """Tell what the newest schema of a topic offers, for the check of a mapping at start.

        Returns:
            Type by path: of every leaf where all are wanted, else of every path there is, whole records (Struct)
            and wanted paths by older names included. None where nothing is registered for the topic yet.

        Raises:
            SettingError: the newest schema cannot be used, or a wanted path leads to a recursive field of it.
        """
        newest = await self._schemas.newest(topic)
        if newest is None:
            return None
        if isinstance(newest, Refused):
            raise SettingError(f"topic {topic}: {newest.detail}")
        found = [where.find(path, newest.root, newest.root) for path in self._paths or ()]
        wanted = [column for column in found if column is not None]
        for column in wanted:
            if column.type.dtype is None:
                raise SettingError(f"topic {topic}: {_recursive(column, newest)}")
        walk = where.leaves if self._paths is None else where.reachable
        offered = itertools.chain(walk(newest.root), wanted)
        return {column.path: column.type.dtype for column in offered if column.type.dtype is not None}

    async def _readers_for(self, topic: str, keys: Sequence[bytes]) -> Mapping[bytes, Reader | Refused]:
        known = self._readers.setdefault(topic, {})
        new = [key for key in keys if key not in known]
        found = dict(zip(new, await asyncio.gather(*map(self._schemas.schema, new)), strict=True))
        usable = {key: schema for key, schema in found.items() if isinstance(schema, Schema)}
        if usable:
            newest = await self._schemas.newest(topic)
            self._renew(topic, newest if isinstance(newest, Schema) else None)
            known.update({key: self._reader(topic, schema) for key, schema in usable.items()})
        return known | {key: refused for key, refused in found.items() if isinstance(refused, Refused)}

    def _renew(self, topic: str, newest: Schema | None) -> None:
        """Take note of the newest schema; readers that were made by another one's aliases are made again."""
        if topic in self._newest and self._newest[topic] is newest:
            return
        self._newest[topic] = newest
        readers = self._readers[topic]
        readers.update({key: self._reader(topic, reader.schema) for key, reader in readers.items()})

    def _reader(self, topic: str, schema: Schema) -> Reader:
        newest = self._newest[topic]
        aliases = newest.root if newest else None
        if self._paths is None:
            return Reader(schema, list(where.leaves(schema.root, aliases)), self._engines)
        found = [where.find(path, schema.root, aliases) for path in self._paths]
        columns = [column for column in found if column is not None]
        for column in columns:
            if column.type.dtype is None:
                raise BlockedError(f"topic {topic}: {_recursive(column, self._named(topic, schema))}")
        return Reader(schema, columns, self._engines)

    def _named(self, topic: str, schema: Schema) -> Schema:
        """Label a schema so that whoever must mend it finds its subject."""
        newest = self._newest[topic]
        if newest is None or newest.label == schema.label:
            return schema
        return replace(schema, label=f"{schema.label} (the newest is {newest.label})")


def _recursive(column: Column, schema: Schema) -> str:
    return f"{column.path} in {schema.label} holds records inside themselves, which no column can: leave it out"


def _decode(
    groups: Sequence[tuple[Reader, pl.DataFrame]],
) -> tuple[list[tuple[pl.DataFrame, pl.DataFrame]], Counter[Singly]]:
    """Read each group; gives its frame, and its unreadable records, and how many records were read singly."""
    decoded = []
    singly: Counter[Singly] = Counter()
    for reader, group in groups:
        parts, unreadable = zip(*(_read(reader, part, singly) for part in inflated(group)), strict=True)
        decoded.append((pl.concat(parts), pl.concat(itertools.chain.from_iterable(unreadable))))
    return decoded, singly


def _read(reader: Reader, group: pl.DataFrame, singly: Counter[Singly]) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Read datums (null where not inflated): rows, and what could not be read; `singly` counts on."""
    unreadable = []
    if group[wire.DATUM].null_count():
        unreadable.append(_unreadable(group.filter(pl.col(wire.DATUM).is_null()), Reason.UNREADABLE, _NOT_INFLATED))
        group = group.drop_nulls(wire.DATUM)
    reading = reader.read(group[wire.DATUM])
    singly += reading.singly
    result, places = reading.rows, group.select(ROW, ASSIGNMENT, OFFSET)
    at_fault = pl.Series([index for index, _ in result.faults], dtype=pl.UInt32)
    details = pl.Series(DETAIL, [detail for _, detail in result.faults], pl.String)
    unreadable.append(_unreadable(places.select(ROW)[at_fault], Reason.UNREADABLE, details))
    if len(at_fault):
        places = places.filter(~pl.int_range(pl.len(), dtype=pl.UInt32).is_in(at_fault.implode()))
    return places.with_columns(result.columns), unreadable


def _unreadable(frame: pl.DataFrame, reason: Reason, detail: str | pl.Series) -> pl.DataFrame:
    text = pl.lit(detail, pl.String) if isinstance(detail, str) else detail
    return frame.select(ROW, pl.lit(reason.value, pl.String).alias(REASON), text.alias(DETAIL))
