"""What a letter holds, for human eyes: its value decoded as the source of its topic says.

Only for `show --values`. What cannot be decoded in a few seconds is left to be shown as it is.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import polars as pl

from connector.avro.decoder import Decoder
from connector.avro.registry import Registry
from connector.errors import ConnectorError
from connector.kafka.assignments import COLUMNS
from connector.kafka.headers import columns_of
from connector.kafka.topics import reads
from connector.records import ASSIGNMENT, OFFSET, ROW, Alongside
from connector.service.composition import registry_options
from connector.service.framings import OF_REGISTRY
from connector.service.schema_stores import framing_of, store_of
from connector.telemetry import Silent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.records import Record
    from connector.service.sections import RegistrySettings
    from connector.service.settings import Settings
    from connector.service.sources import SourceSettings

REGISTRY_WAIT_S = 10.0


async def fields(settings: Settings, topic: str, record: Record) -> Mapping[str, Any] | None:
    """Decode a record's value; None if its topic is of no source, it is no such datum, or the registry does not answer.

    Returns:
        Values by their dotted path.
    """
    source = next((one for one in settings.sources if reads(one.topics, topic)), None)
    if source is None:
        return None
    try:
        async with asyncio.timeout(REGISTRY_WAIT_S):
            return await _decode(source, settings.registry, topic, record)
    except (TimeoutError, ConnectorError):
        return None


async def _decode(
    source: SourceSettings, registry: RegistrySettings | None, topic: str, record: Record
) -> Mapping[str, Any] | None:
    asked = None
    if source.framing in OF_REGISTRY and registry is not None:
        asked = Registry.connect(registry_options(registry), Silent())
    try:
        framing = framing_of(source)
        frame = pl.DataFrame([(0, 0, 0, record.value())], schema=COLUMNS, orient="row")
        frame = frame.with_columns(columns_of([record], Alongside(framing.headers)))
        decoded = await Decoder(framing=framing, schemas=store_of(source, asked), paths=None).decode(topic, frame)
        rows = [row for one in decoded.frames for row in one.drop(ROW, ASSIGNMENT, OFFSET).rows(named=True)]
        return rows[0] if rows else None
    finally:
        if asked is not None:
            await asked.close()
