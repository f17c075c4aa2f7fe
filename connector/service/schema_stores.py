"""The framing of a source and where its schemas come from, as its settings say.

Called by `composition`, and by the commands that decode records without running the service.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from connector.avro.decoder import Decoder
from connector.avro.folder import SchemaFolder
from connector.avro.keyed import ID_IN_KEY, KeyedDecoder
from connector.avro.registry import OfKeys, Registry
from connector.avro.schema_keys import Kind
from connector.avro.stores import SchemaFile
from connector.avro.wire import Framing
from connector.errors import SettingError
from connector.records import Alongside
from connector.service.framings import NONE, OF_AVRO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector.avro.stores import SchemaStore
    from connector.feeds import Decodes
    from connector.service.sections import SourceSettings
    from connector.telemetry import Telemetry

_APICURIO = {
    ("content", 4): Framing.APICURIO,
    ("content", 8): Framing.APICURIO_LONG,
    ("global", 4): Framing.APICURIO_GLOBAL,
    ("global", 8): Framing.APICURIO_GLOBAL_LONG,
}


def framing_of(source: SourceSettings) -> Framing:
    """Give the framing of a source's records."""
    return _apicurio(source) if source.framing == "apicurio" else Framing(source.framing)


def _apicurio(source: SourceSettings) -> Framing:
    return _APICURIO[source.apicurio_id, source.apicurio_id_bytes]


def alongside(sources: Sequence[SourceSettings]) -> Alongside:
    """Say what these sources need of records beside their values: headers, each once, and keys."""
    headers = dict.fromkeys(name for source in sources for name in framing_of(source).headers)
    return Alongside(tuple(headers), any(source.key_framing != NONE for source in sources))


def decoder_of(
    source: SourceSettings,
    registry: SchemaStore | None,
    paths: Sequence[str] | None,
    *,
    fast: bool = True,
    telemetry: Telemetry | None = None,
) -> Decodes:
    """Make what decodes the records of a source; `paths`: what the mapping needs, or None for everything.

    Raises:
        SettingError: a file or folder can't be used, or there is no registry and the source needs one.
    """
    make = partial(Decoder, fast=fast, telemetry=telemetry)
    of_value = paths if paths is None or source.key_framing == NONE else [path for path in paths if path != source.id]
    values = make(framing=framing_of(source), schemas=store_of(source, registry), paths=of_value)
    if source.key_framing == NONE:
        return values
    keys = None
    if source.key_framing in OF_AVRO:
        if not isinstance(registry, Registry):
            raise SettingError(f"registry.url: missing; key_framing {source.key_framing} needs it")
        framing = _apicurio(source) if source.key_framing == "apicurio" else Framing.CONFLUENT
        keys = make(framing=framing, schemas=OfKeys(registry), paths=[source.id.removeprefix(f"{ID_IN_KEY}.")])
    return KeyedDecoder(values, keys, source.id)


def store_of(source: SourceSettings, registry: SchemaStore | None) -> SchemaStore:
    """Give where the schemas of a source come from.

    Raises:
        SettingError: a file or folder can't be used, or there is no registry and the source needs one.
    """
    file = None if source.schema_file is None else SchemaFile.load(source.schema_file)
    if source.schema_dir is not None:
        kind = Kind.VERSION if source.framing == "glue" else Kind.FINGERPRINT
        return SchemaFolder.load(source.schema_dir, kind, file)
    store = file or registry
    if store is None:
        raise SettingError(f"registry.url: missing; a source with the framing {source.framing} needs it")
    return store
