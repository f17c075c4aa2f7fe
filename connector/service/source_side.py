"""Puts the parts of one source together, as its settings say: decoder, shape, mapping.

Called by `composition`, and by the commands that look at a mapping without running it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from connector.avro.decoder import Decoder
from connector.avro.keys import KeyedDecoder, Keys
from connector.avro.reading import ENGINES
from connector.avro.shapes.debezium import Debezium
from connector.avro.shapes.flagged import Flagged
from connector.avro.shapes.salesforce import Salesforce
from connector.avro.shapes.shape import Wants
from connector.avro.shapes.shaped import ShapedDecoder
from connector.avro.shapes.unwrapped import Unwrapped
from connector.feeds import Feed
from connector.kafka.topics import reads
from connector.profiles.deletes import OnDelete
from connector.profiles.expressions.expression import Expression
from connector.profiles.limits import LongValues
from connector.profiles.mapping import Mapping, UnsafeText
from connector.profiles.stand_ins import OTHERS, StandIns
from connector.service.fields import VALUE
from connector.service.framings import NONE, in_key, key_path
from connector.service.schema_stores import framing_of, keys_of, store_of

if TYPE_CHECKING:
    from collections import abc
    from collections.abc import Sequence

    from connector.avro.reading import Engines
    from connector.avro.shapes.shape import Shape
    from connector.avro.stores import SchemaStore
    from connector.avro.wire import Framing
    from connector.service.sources import SourceSettings
    from connector.telemetry import Telemetry


def make_feed(
    source: SourceSettings, registry: SchemaStore | None, telemetry: Telemetry | None = None, engines: Engines = ENGINES
) -> Feed:
    """Make the feed of a source.

    Args:
        source: its settings.
        registry: where its schemas come from, unless from files.
        telemetry: is told of records that were not decoded in columns.
        engines: what may decode in columns.

    Raises:
        SettingError: a file or folder can't be used, or there is no registry and it needs one.
    """
    decoder = make_decoder(source, store_of(source, registry), framing_of(source), telemetry, engines)
    of_keys = keys_of(source, registry, telemetry, engines)
    keyed = source.key_framing != NONE and source.on_delete == "send"
    return Feed(
        reads=partial(reads, source.topics),
        decoder=KeyedDecoder(decoder, of_keys, source.id_paths[0]) if in_key(source) else decoder,
        mapping=make_mapping(source),
        on_delete=OnDelete(source.on_delete),
        keys=Keys(source.id_paths[0], of_keys, key_path(source)) if keyed else None,
    )


def make_mapping(source: SourceSettings) -> Mapping:
    """Make the mapping of a source."""
    attributes = (
        None if source.attributes == "all" else {name: _source(held) for name, held in source.attributes.items()}
    )
    return Mapping(
        _source(source.id),
        attributes,
        UnsafeText(source.unsafe_text),
        _stand_ins(source),
        LongValues(source.long_values),
        None if source.where is None else Expression.parse(source.where),
    )


def _source(given: str | abc.Mapping[str, str]) -> str | Expression:
    return given if isinstance(given, str) else Expression.parse(given[VALUE])


def _stand_ins(source: SourceSettings) -> StandIns:
    given = {OTHERS: source.on_null} if isinstance(source.on_null, str) else source.on_null
    takes = {name: rule == "sentinel" for name, rule in given.items()}
    return StandIns(source.deleted, source.sentinel, takes, takes.get(OTHERS, False))


def make_decoder(
    source: SourceSettings,
    schemas: SchemaStore,
    framing: Framing,
    telemetry: Telemetry | None = None,
    engines: Engines = ENGINES,
) -> Decoder | ShapedDecoder:
    """Make what decodes the values of a source, by its shape, without an id that stands in the key; see `make_feed`."""
    wants = Wants(source.id_paths, _paths_in_values(source))
    shape = make_shape(source, wants)
    paths = wants.paths if shape is None else shape.paths()
    decoder = Decoder(framing=framing, schemas=schemas, paths=paths, engines=engines, telemetry=telemetry)
    return decoder if shape is None else ShapedDecoder(decoder, shape)


def _paths_in_values(source: SourceSettings) -> Sequence[str] | None:
    paths = make_mapping(source).paths
    return [path for path in paths if path not in source.id_paths] if paths is not None and in_key(source) else paths


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
