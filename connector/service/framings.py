"""The framings as the settings name them, and which keys of a source go with which.

Called by `sources`; `schema_stores` makes the parts that they mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from connector.service.sources import SourceSettings

Name = Literal["confluent", "confluent-header", "apicurio", "apicurio-header", "glue", "single-object", "plain"]
KeyName = Literal["none", "text", "confluent", "apicurio"]
KEY: Final = "key"
NONE: Final = "none"
TEXT: Final = "text"
OF_AVRO: Final = frozenset({"confluent", "apicurio"})  # of keys
OF_REGISTRY: Final = frozenset({"confluent", "confluent-header", "apicurio", "apicurio-header"})
OF_FOLDER: Final = frozenset({"glue", "single-object"})
# What Apicurio's serializers do by default, since version 3.
APICURIO_ID: Final = "content"
APICURIO_ID_BYTES: Final = 4


def in_key(source: SourceSettings) -> bool:
    """Whether the id of every record stands in its key."""
    if source.key_framing == TEXT:
        return source.id_paths == (KEY,)
    return of_key(source) and source.id_paths[0].startswith(f"{KEY}.")


def of_key(source: SourceSettings) -> bool:
    """Whether keys are Avro records."""
    return source.key_framing in OF_AVRO


def asks_registry(source: SourceSettings) -> str | None:
    """Give the setting for which a registry is needed, and what it says; None where none is."""
    if source.framing in OF_REGISTRY:
        return f"the framing {source.framing}"
    return f"the key_framing {source.key_framing}" if of_key(source) else None


def key_path(source: SourceSettings) -> str:
    """Give the path of the id within a key that is a record; of records without a value, it is that in the row."""
    return source.id_paths[0].removeprefix(f"{KEY}.") if in_key(source) else source.id_paths[0]


def problems(source: SourceSettings) -> list[str | None]:
    """Say what does not go together."""
    framing, file, folder = source.framing, source.schema_file, source.schema_dir
    wants_file, wants_folder = framing == "plain", framing in OF_FOLDER
    nobody_asks = source.key_framing != NONE and source.on_delete != "send" and not in_key(source)
    apicurio = source.apicurio_id, source.apicurio_id_bytes
    return [
        "with key_framing an id is made of one field, as keys hold no other; leave key_framing out, or name one"
        if source.key_framing != NONE and len(source.id_paths) > 1
        else None,
        "framing plain needs schema_file; name the .avsc file" if wants_file and not file else None,
        "schema_file is only for the framings plain, glue and single-object; leave one out"
        if file and not (wants_file or wants_folder)
        else None,
        f"framing {framing} needs schema_dir; name the folder of the .avsc files"
        if wants_folder and not folder
        else None,
        "schema_dir is only for the framings glue and single-object; leave one out"
        if folder and not wants_folder
        else None,
        "apicurio_id and apicurio_id_bytes are only for the framing apicurio; leave them out"
        if apicurio != (APICURIO_ID, APICURIO_ID_BYTES) and "apicurio" not in {framing, source.key_framing}
        else None,
        "key_framing text means that the key is the id; write id: key, or on_delete: send"
        if nobody_asks and source.key_framing == TEXT
        else None,
        f"key_framing {source.key_framing} means that the key is a record; write id: key. and the path of its field, "
        "or on_delete: send"
        if of_key(source) and (nobody_asks or source.id_paths == (KEY,))
        else None,
    ]
