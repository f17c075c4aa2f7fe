"""The id in a record's key: all that a record without a value says.

Turns such records into deletes, as the source's `key_framing` says, so that `on_delete: send` has an id to send. Called
by feeds. Only records without a value have their keys looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from connector.avro.decoder import DETAIL
from connector.avro.keyed import text_of
from connector.records import DELETED, ROW, VALUE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector.avro.decoder import Changes, Decoder
    from connector.avro.schema import Schema
    from connector.records import Record


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
        # Objects, but only of the records without a value, whose keys no frame holds.
        keys = [records[row].key() for row in nameless[ROW]]
        if self.decoder is None:
            read = [nameless.with_columns(text_of(pl.Series(self.id, keys, pl.Binary)))]
            writers: list[Schema | None] = [None]
            unreadable = changes.unreadable
        else:
            framed = nameless.with_columns(pl.Series(VALUE, keys, pl.Binary))
            known = await self.decoder.decode(topic, framed)
            keyless = framed.filter(pl.col(VALUE).is_null()).with_columns(pl.lit(None, pl.String).alias(self.id))
            read = [*(one.rename({self.path: self.id}, strict=False) for one in known.frames), keyless]
            writers = [*known.writers, None]
            faults = known.unreadable.with_columns(pl.concat_str(pl.lit("its key: "), DETAIL).alias(DETAIL))
            unreadable = pl.concat([changes.unreadable, faults]).sort(ROW)
        deletes = [(_delete(one), writer) for one, writer in zip(read, writers, strict=True) if one.height]
        return replace(
            changes,
            frames=[*changes.frames, *(one for one, _ in deletes)],
            writers=[*changes.writers, *(writer for _, writer in deletes)],
            unreadable=unreadable,
            tombstones=changes.tombstones.clear(),
        )


def _delete(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.drop(VALUE, strict=False).with_columns(pl.lit(value=True).alias(DELETED))
