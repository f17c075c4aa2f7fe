"""The framings as the settings name them, and which keys of a source go with which.

Called by `sections`; `schema_stores` makes the parts that they mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from pathlib import Path

Name = Literal["confluent", "confluent-header", "apicurio", "apicurio-header", "glue", "single-object", "plain"]
OF_REGISTRY: Final = frozenset({"confluent", "confluent-header", "apicurio", "apicurio-header"})
OF_FOLDER: Final = frozenset({"glue", "single-object"})
# What Apicurio's serializers do by default, since version 3.
APICURIO_ID: Final = "content"
APICURIO_ID_BYTES: Final = 4


def problems(
    framing: str, apicurio: tuple[str, int], schema_file: Path | None, schema_dir: Path | None
) -> list[str | None]:
    """Say what does not go together; `apicurio`: which id, and of how many bytes."""
    wants_file, wants_folder = framing == "plain", framing in OF_FOLDER
    return [
        "framing plain needs schema_file; name the .avsc file" if wants_file and not schema_file else None,
        "schema_file is only for the framings plain, glue and single-object; leave one out"
        if schema_file and not (wants_file or wants_folder)
        else None,
        f"framing {framing} needs schema_dir; name the folder of the .avsc files"
        if wants_folder and not schema_dir
        else None,
        "schema_dir is only for the framings glue and single-object; leave one out"
        if schema_dir and not wants_folder
        else None,
        "apicurio_id and apicurio_id_bytes are only for the framing apicurio; leave them out"
        if apicurio != (APICURIO_ID, APICURIO_ID_BYTES) and framing != "apicurio"
        else None,
    ]
