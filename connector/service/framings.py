"""The framings as the settings name them, and which keys of a source go with which.

Called by `sections`; `schema_stores` makes the parts that they mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from connector.service.sections import SourceSettings

Name = Literal["confluent", "confluent-header", "apicurio", "apicurio-header", "glue", "single-object", "plain"]
KeyName = Literal["none", "text", "confluent", "apicurio"]
NONE: Final = "none"
TEXT: Final = "text"
OF_AVRO: Final = frozenset({"confluent", "apicurio"})  # of keys
OF_REGISTRY: Final = frozenset({"confluent", "confluent-header", "apicurio", "apicurio-header"})
OF_FOLDER: Final = frozenset({"glue", "single-object"})
# What Apicurio's serializers do by default, since version 3.
APICURIO_ID: Final = "content"
APICURIO_ID_BYTES: Final = 4


def problems(source: SourceSettings) -> list[str | None]:
    """Say what does not go together."""
    framing, file, folder = source.framing, source.schema_file, source.schema_dir
    wants_file, wants_folder = framing == "plain", framing in OF_FOLDER
    of_key = source.key_framing
    apicurio = source.apicurio_id, source.apicurio_id_bytes
    return [
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
        if apicurio != (APICURIO_ID, APICURIO_ID_BYTES) and "apicurio" not in {framing, of_key}
        else None,
        "key_framing text means that the key is the id; write id: key"
        if of_key == TEXT and source.id != "key"
        else None,
        f"key_framing {of_key} means that the key is a record; write id: key. and the path of its field"
        if of_key in OF_AVRO and not source.id.startswith("key.")
        else None,
    ]
