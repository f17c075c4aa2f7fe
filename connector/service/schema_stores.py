"""The framing of a source and where its schemas come from, as its settings say.

Called by `composition`, and by the commands that decode records without running the service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.avro.folder import SchemaFolder
from connector.avro.keys import Kind
from connector.avro.stores import SchemaFile
from connector.avro.wire import Framing
from connector.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connector.avro.stores import SchemaStore
    from connector.service.sections import SourceSettings

_APICURIO = {
    ("content", 4): Framing.APICURIO,
    ("content", 8): Framing.APICURIO_LONG,
    ("global", 4): Framing.APICURIO_GLOBAL,
    ("global", 8): Framing.APICURIO_GLOBAL_LONG,
}


def framing_of(source: SourceSettings) -> Framing:
    """Give the framing of a source's records."""
    if source.framing == "apicurio":
        return _APICURIO[source.apicurio_id, source.apicurio_id_bytes]
    return Framing(source.framing)


def headers_of(sources: Iterable[SourceSettings]) -> list[str]:
    """Name the headers that the framings of these sources need, each once."""
    return list(dict.fromkeys(name for source in sources for name in framing_of(source).headers))


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
