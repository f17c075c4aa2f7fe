"""The framing of a source and where its schemas come from, as its settings say.

Called by `composition`, and by the commands that decode records without running the service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.avro.decoder import Decoder
from connector.avro.folder import SchemaFolder
from connector.avro.reading import ENGINES
from connector.avro.registry import OfKeys, Registry
from connector.avro.schema_keys import Kind
from connector.avro.stores import SchemaFile
from connector.avro.wire import Framing
from connector.errors import SettingError
from connector.records import Alongside
from connector.service import framings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector.avro.reading import Engines
    from connector.avro.stores import SchemaStore
    from connector.service.sources import SourceSettings
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


def key_framing_of(source: SourceSettings) -> Framing:
    """Give the framing of a source's keys, where they are Avro records."""
    return _apicurio(source) if source.key_framing == "apicurio" else Framing.CONFLUENT


def _apicurio(source: SourceSettings) -> Framing:
    return _APICURIO[source.apicurio_id, source.apicurio_id_bytes]


def alongside(sources: Sequence[SourceSettings]) -> Alongside:
    """Say what these sources need of records beside their values: headers, each once, and keys."""
    headers = dict.fromkeys(name for source in sources for name in framing_of(source).headers)
    return Alongside(tuple(headers), any(map(framings.in_key, sources)))


def keys_of(
    source: SourceSettings, registry: SchemaStore | None, telemetry: Telemetry | None = None, engines: Engines = ENGINES
) -> Decoder | None:
    """Make what decodes the keys of a source, the id's path within them being its only one; None where they are text.

    Raises:
        SettingError: there is no registry and the keys are records.
    """
    if not framings.of_key(source):
        return None
    if registry is None:
        raise SettingError(f"registry.url: missing; key_framing {source.key_framing} needs it")
    framing = key_framing_of(source)
    schemas = OfKeys(registry) if isinstance(registry, Registry) else registry
    paths = [framings.key_path(source)]
    return Decoder(framing=framing, schemas=schemas, paths=paths, engines=engines, telemetry=telemetry)


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
