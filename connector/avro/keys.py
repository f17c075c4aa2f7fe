"""Ids that stand in the records' keys, as a source's `key_framing` says.

`KeyedDecoder` gives every record the id of its key; feeds have it in place of the decoder of values, and it promises
the same: every record comes out exactly once, with its own key. `Keys` makes deletes of the records without a value,
whose key is all that they say, so that `on_delete: send` has an id to send; feeds call it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

import polars as pl
from polars.exceptions import ComputeError, PolarsError

from connector.avro.decoder import DETAIL, REASON
from connector.errors import BlockedError
from connector.records import ASSIGNMENT, DELETED, KEY, OFFSET, ROW, VALUE, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector.avro.decoder import Changes, Decoder
    from connector.avro.schema import Schema
    from connector.avro.shapes.shaped import ShapedDecoder
    from connector.records import Record

ID_IN_KEY: Final = "key"  # how paths begin that lead into the record's key; alone, the whole key
OF_KEY: Final = "the key: "  # how the detail of a dead letter begins whose key is at fault
_NO_TEXT: Final = f"{OF_KEY}it is no UTF-8 text (key_framing: text)"


class KeyedDecoder:
    """Decodes values, and of the keys what the id is.

    Args:
        values: decodes the values, without the id.
        keys: decodes the keys, its only path being the id's within them; None where the whole key is the id as text.
        id_path: what the column is called: `key`, or `key.` and that path.
    """

    def __init__(self, values: Decoder | ShapedDecoder, keys: Decoder | None, id_path: str) -> None:
        self._values = values
        self._keys = keys
        self._id_path = id_path

    async def decode(self, topic: str, frame: pl.DataFrame) -> Changes:
        """Decode records of one topic; see `Decoder.decode`.

        Args:
            topic: its subjects `<topic>-value` and `<topic>-key` are asked for aliases.
            frame: ROW, ASSIGNMENT, OFFSET, VALUE, KEY, and the columns of the framing's headers.

        Returns:
            As the decoder of the values, with the column of the id: null where a record has no key.

        Raises:
            BlockedError: a key's schema lacks the id, or keys have it as types that do not go together.
        """
        changes = await self._values.decode(topic, frame)
        ids, bad = await self._ids(topic, frame.filter(pl.col(VALUE).is_not_null()))
        # Once each, whatever is wrong with them; and what a shape has left out is done with.
        if bad.height:
            there = pl.concat([one.select(ROW) for one in changes.frames] or [bad.select(ROW).clear()])
            bad = bad.join(there, on=ROW, how="semi").join(changes.unreadable, on=ROW, how="anti")
        frames = [one.join(bad, on=ROW, how="anti", maintain_order="left") for one in changes.frames]
        if ids is not None:
            frames = [one.drop(self._id_path, strict=False) for one in frames]  # `attributes: all` takes a namesake
            frames = [one.join(ids, on=ROW, how="left", maintain_order="left") for one in frames]
        return replace(changes, frames=frames, unreadable=pl.concat([changes.unreadable, bad]).sort(ROW))

    async def newest(self, topic: str) -> dict[str, pl.DataType] | None:
        """Tell what the newest schemas of a topic offer; see `Decoder.newest`."""
        values = await self._values.newest(topic)
        if not values:
            return values
        if self._keys is None:
            return values | {self._id_path: pl.String()}
        keys = await self._keys.newest(topic)
        # Nothing but the id is taken from the key.
        path = self._id_path.removeprefix(f"{ID_IN_KEY}.")
        return None if keys is None else values | ({self._id_path: keys[path]} if path in keys else {})

    async def _ids(self, topic: str, frame: pl.DataFrame) -> tuple[pl.DataFrame | None, pl.DataFrame]:
        """Give ROW and the id, and ROW, REASON, DETAIL of unreadable keys; no id where no key's schema has it."""
        if self._keys is None:
            return _texts(frame, self._id_path)
        keys = await self._keys.decode(topic, frame.select(ROW, ASSIGNMENT, OFFSET, pl.col(KEY).alias(VALUE)))
        path = self._id_path.removeprefix(f"{ID_IN_KEY}.")
        found = [one.select(ROW, pl.col(path).alias(self._id_path)) for one in keys.frames if path in one.columns]
        bad = _of_keys(keys.unreadable)
        if not keys.frames:
            return pl.DataFrame(schema={ROW: pl.UInt32, self._id_path: pl.String}), bad
        for one, writer in zip(keys.frames, keys.writers, strict=True):
            if one.height and writer is not None and path not in one.columns:
                raise BlockedError(f"topic {topic}, {writer.label}: the schema of the key has no field `{path}`")
        if not found:
            return None, bad
        try:
            return pl.concat(found, how="diagonal_relaxed"), bad
        except PolarsError:
            types = " and ".join(sorted({str(one.schema[self._id_path]) for one in found}))
            why = f"topic {topic}: schemas of its keys have `{path}` as {types}, which do not go together"
            raise BlockedError(f"{why}; let the producer write one of them") from None


@dataclass(frozen=True, slots=True)
class Keys:
    """How the keys of one source are read.

    Attributes:
        id: what the column of the id is called.
        decoder: of keys that are records, for the path of the id in them; None where the key is text.
        path: of the id in such a key.
    """

    id: str
    decoder: Decoder | None
    path: str

    async def deletes(self, topic: str, frame: pl.DataFrame, records: Sequence[Record], changes: Changes) -> Changes:
        """Take the records without a value for deletes.

        Args:
            topic: where they are from.
            frame: what `changes` was decoded from: ROW, ASSIGNMENT, OFFSET, VALUE.
            records: of the chunk; ROW is their index.
            changes: of the same records.

        Returns:
            The same, with the records without a value among the frames or the unreadable. A record without a key has
            no id (null).

        Raises:
            BlockedError: a key's schema lacks the id.
        """
        nameless = frame.filter(pl.col(VALUE).is_null())
        # Objects, but only of the records without a value, whose keys no frame need hold.
        keys = pl.Series(KEY, [records[row].key() for row in nameless[ROW]], pl.Binary)
        read, bad = await self._read(topic, nameless.select(ROW, ASSIGNMENT, OFFSET, keys))
        return replace(
            changes,
            frames=[*changes.frames, *(one.with_columns(pl.lit(value=True).alias(DELETED)) for one, _ in read)],
            writers=[*changes.writers, *(writer for _, writer in read)],
            unreadable=pl.concat([changes.unreadable, bad]).sort(ROW),
            tombstones=changes.tombstones.clear(),
        )

    async def _read(
        self, topic: str, frame: pl.DataFrame
    ) -> tuple[list[tuple[pl.DataFrame, Schema | None]], pl.DataFrame]:
        """Make of ROW, ASSIGNMENT, OFFSET, KEY frames with the id for KEY, none empty, and their keys' writer schemas.

        And ROW, REASON, DETAIL of the unreadable.
        """
        writers: Sequence[Schema | None] = ()
        if self.decoder is None:
            ids, bad = _texts(frame, self.id)
            known = frame.with_columns(ids[self.id]).join(bad, on=ROW, how="anti", maintain_order="left")
            read = [known.drop(KEY)]
        else:
            keys = await self.decoder.decode(topic, frame.rename({KEY: VALUE}))
            bad, writers = _of_keys(keys.unreadable), keys.writers
            keyless = frame.filter(pl.col(KEY).is_null()).drop(KEY).with_columns(pl.lit(None, pl.String).alias(self.id))
            read = [*(one.rename({self.path: self.id}, strict=False) for one in keys.frames), keyless]
        return [(one, writer) for one, writer in zip_longest(read, writers) if one.height], bad


def _of_keys(unreadable: pl.DataFrame) -> pl.DataFrame:
    """Say of faults that a decoder found that they are the keys'."""
    detail = pl.lit(OF_KEY) + pl.col(DETAIL).str.replace("sources.framing", "sources.key_framing", literal=True)
    return unreadable.with_columns(detail.alias(DETAIL))


def _texts(frame: pl.DataFrame, name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give ROW and the text of KEY, called by this name; and ROW, REASON, DETAIL of the keys that are none."""
    ids = frame.select(ROW, text_of(frame[KEY]).alias(name))
    no_text = frame.filter(pl.col(KEY).is_not_null() & ids[name].is_null())
    reason, detail = pl.lit(Reason.UNREADABLE.value).alias(REASON), pl.lit(_NO_TEXT).alias(DETAIL)
    return ids, no_text.select(ROW, reason, detail)


def text_of(keys: pl.Series) -> pl.Series:
    """Give keys as String, null where they are no UTF-8."""
    with contextlib.suppress(ComputeError):
        return keys.cast(pl.String)
    # Polars does not tell which one is none, so here, and only here, each is decoded by itself.
    return pl.Series(keys.name, [None if key is None else _decoded(key) for key in keys], pl.String)


def _decoded(key: bytes) -> str | None:
    try:
        return key.decode()
    except UnicodeDecodeError:
        return None
