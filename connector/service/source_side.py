"""Puts the parts of one source together, as its settings say: decoder, shape, mapping.

Called by `composition`, and by the commands that look at a mapping without running it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from connector.avro.decoder import Decoder
from connector.avro.keys import Keys
from connector.avro.shapes.debezium import Debezium
from connector.avro.shapes.flagged import Flagged
from connector.avro.shapes.salesforce import Salesforce
from connector.avro.shapes.shape import Wants
from connector.avro.shapes.shaped import ShapedDecoder
from connector.avro.shapes.unwrapped import Unwrapped
from connector.avro.stores import SchemaFile
from connector.avro.wire import Framing
from connector.errors import SettingError
from connector.feeds import Feed
from connector.kafka.topics import reads
from connector.profiles.deletes import OnDelete
from connector.profiles.mapping import Mapping, UnsafeText
from connector.profiles.stand_ins import OTHERS, StandIns

if TYPE_CHECKING:
    from connector.avro.shapes.shape import Shape
    from connector.avro.stores import SchemaStore
    from connector.feeds import Decodes
    from connector.service.sources import SourceSettings
    from connector.telemetry import Telemetry


def make_feed(
    source: SourceSettings, registry: SchemaStore | None, telemetry: Telemetry | None = None, *, fast: bool = True
) -> Feed:
    """Make the feed of a source.

    Args:
        source: its settings.
        registry: where its schemas come from, if it names no file.
        telemetry: is told of records that were not decoded in columns.
        fast: whether the decoder may decode in columns.

    Raises:
        SettingError: its schema file can't be used, or there is no registry and it needs one.
    """
    schemas = SchemaFile.load(source.schema_file) if source.schema_file is not None else registry
    if schemas is None:
        raise SettingError("registry.url: missing; a source with the framing confluent needs it")
    return Feed(
        reads=partial(reads, source.topics),
        decoder=make_decoder(source, schemas, Framing(source.framing), telemetry, fast=fast),
        mapping=make_mapping(source),
        on_delete=OnDelete(source.on_delete),
        keys=_keys(source, registry, telemetry, fast=fast),
    )


def _keys(
    source: SourceSettings, registry: SchemaStore | None, telemetry: Telemetry | None, *, fast: bool
) -> Keys | None:
    if source.key_framing == "none":
        return None
    if source.key_framing == "text" or registry is None:  # the settings demand one for the other framing
        return Keys(source.id, None)
    decoder = Decoder(framing=Framing.CONFLUENT, schemas=registry, paths=[source.id], fast=fast, telemetry=telemetry)
    return Keys(source.id, decoder)


def make_mapping(source: SourceSettings) -> Mapping:
    """Make the mapping of a source."""
    attributes = None if source.attributes == "all" else source.attributes
    return Mapping(source.id, attributes, UnsafeText(source.unsafe_text), _stand_ins(source))


def _stand_ins(source: SourceSettings) -> StandIns:
    given = {OTHERS: source.on_null} if isinstance(source.on_null, str) else source.on_null
    takes = {name: rule == "sentinel" for name, rule in given.items()}
    return StandIns(source.deleted, source.sentinel, takes, takes.get(OTHERS, False))


def make_decoder(
    source: SourceSettings,
    schemas: SchemaStore,
    framing: Framing,
    telemetry: Telemetry | None = None,
    *,
    fast: bool = True,
) -> Decodes:
    """Make what decodes the records of a source, by its shape; see `make_feed`."""
    wants = Wants(source.id, make_mapping(source).paths)
    shape = make_shape(source, wants)
    paths = wants.paths if shape is None else shape.paths()
    decoder = Decoder(framing=framing, schemas=schemas, paths=paths, fast=fast, telemetry=telemetry)
    return decoder if shape is None else ShapedDecoder(decoder, shape)


def make_shape(source: SourceSettings, wants: Wants) -> Shape | None:
    """Make the shape of a source; None where a record is the row itself."""
    if source.shape == "debezium":
        return Debezium(wants, source.unavailable_value)
    if source.shape == "debezium-unwrapped":
        return Unwrapped(wants, source.unavailable_value)
    if source.shape in {"salesforce", "salesforce-connect"}:
        return Salesforce(wants, connect=source.shape == "salesforce-connect")
    if source.delete_flag is not None:
        return Flagged(wants, source.delete_flag.field, source.delete_flag.value)
    return None
