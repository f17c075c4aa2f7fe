"""A decoder that gives the rows inside the envelopes of one shape: what a feed asks where its shape is not flat."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from connector.errors import BlockedError, SettingError
from connector.records import ROW

if TYPE_CHECKING:
    from connector.avro.decoder import Changes, Decoder
    from connector.avro.shapes.shape import Shape


@dataclass(frozen=True, slots=True)
class ShapedDecoder:
    """Decodes by a shape.

    Attributes:
        decoder: gives the columns of `shape.paths()`.
        shape: says what they mean.
    """

    decoder: Decoder
    shape: Shape

    async def decode(self, topic: str, frame: pl.DataFrame) -> Changes:
        """See `Decoder.decode`; the frames are as `Meant.changes`.

        Raises:
            BlockedError: a writer schema is of another shape.
        """
        decoded = await self.decoder.decode(topic, frame)
        return await asyncio.to_thread(self._meaning, topic, decoded)

    async def newest(self, topic: str) -> dict[str, pl.DataType] | None:
        """See `Decoder.newest`; the paths lead into the row. Nothing where the topic is about no profile.

        Raises:
            SettingError: the newest schema cannot be used, or is of another shape.
        """
        dtypes = await self.decoder.newest(topic)
        try:
            return None if dtypes is None else self.shape.offered(dtypes)
        except SettingError as error:
            raise SettingError(f"topic {topic}: {error}") from None

    def _meaning(self, topic: str, decoded: Changes) -> Changes:
        try:
            pairs = zip(decoded.frames, decoded.writers, strict=True)
            meant = [(self.shape.meaning(frame, writer), writer) for frame, writer in pairs if writer is not None]
        except BlockedError as error:
            raise BlockedError(f"topic {topic}: {error}") from None
        skipped: Counter[str] = Counter()
        for one, _ in meant:
            skipped.update(one.skipped)
        unreadable = pl.concat([decoded.unreadable, *(frame for one, _ in meant for frame in one.refused)]).sort(ROW)
        frames = [one.changes for one, _ in meant if one.changes is not None]
        writers = [writer for one, writer in meant if one.changes is not None]
        return replace(decoded, frames=frames, unreadable=unreadable, writers=writers, skipped=skipped)
