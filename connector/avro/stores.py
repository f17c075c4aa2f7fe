"""Where writer schemas come from: the interface, and the store of one schema in a file.

The other stores are `registry` and `folder`. Called by `decoder`; `service` chooses one per source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from connector.avro.lowering import parse
from connector.avro.schema import Schema, SchemaError
from connector.errors import SettingError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Refused:
    """There is no schema to read with; `detail` says which and why, for a dead letter."""

    detail: str


class SchemaStore(Protocol):
    """Gives schemas, ready to read with. Both calls may wait for as long as their source does not answer."""

    async def schema(self, key: bytes) -> Schema | Refused:
        """Give the schema that has this key (`schema_keys`)."""

    async def newest(self, topic: str) -> Schema | Refused | None:
        """Give the newest schema of the topic's values, the same object as long as it is the same; None if unknown."""


class SchemaFile:
    """One schema for every record, from a file."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    @classmethod
    def load(cls, path: Path) -> SchemaFile:
        """Read the schema from an .avsc file.

        Raises:
            SettingError: the file cannot be read, or holds no Avro schema of a record.
        """
        try:
            return cls(parse(path.read_text("utf-8"), f"schema {path.name}"))
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise SettingError(f"schema file {path} cannot be read ({why}): give the path of an .avsc file") from error
        except SchemaError as error:
            raise SettingError(f"schema file {path} {error}: give an Avro schema of a record") from error

    async def schema(self, key: bytes) -> Schema | Refused:  # noqa: ARG002 - a file holds one schema, whatever the key
        """See SchemaStore."""
        return self._schema

    async def newest(self, topic: str) -> Schema | Refused | None:  # noqa: ARG002 - as above
        """See SchemaStore."""
        return self._schema
