"""Writer schemas from a folder of .avsc files, for framings whose keys no registry of ours knows.

Promises: a file that is added while the service runs is found once a record needs it. Called by `decoder`; `service`
makes it.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from fastavro.schema import fingerprint, to_parsing_canonical_form

from connector.avro.lowering import parse
from connector.avro.schema import Schema, SchemaError
from connector.avro.schema_keys import Kind, SchemaKey
from connector.avro.stores import Refused, SchemaFile
from connector.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOK_EVERY_S: Final = 10.0  # at most so often is the folder looked through for a key that it did not have


class SchemaFolder:
    """A SchemaStore of the files in one folder.

    Args:
        folder: holds one schema a file: each whole, with the types it uses in it.
        kind: VERSION: a file is called by its UUID, such as `b7b4a7f0-9c96-4e4a-a687-fb5de9ef0c63.avsc`; FINGERPRINT:
            files may have any name.
        newest: what `newest` gives; without it, the only file of the folder, or none.
        clock: seconds from any fixed point on.
    """

    def __init__(
        self,
        folder: Path,
        kind: Kind,
        newest: SchemaFile | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._kind = kind
        self._named = newest
        self._clock = clock
        self._looked_at = float("-inf")
        self._by_key: dict[bytes, Schema] = {}
        self._faults: list[str] = []

    @classmethod
    def load(cls, folder: Path, kind: Kind, newest: SchemaFile | None = None) -> SchemaFolder:
        """Read all of the schemas.

        Raises:
            SettingError: the folder, or a file in it, cannot be read, or there is none.
        """
        store = cls(folder, kind, newest)
        store.look()
        if store._faults:
            raise SettingError("; ".join(store._faults))
        if not store._by_key:
            raise SettingError(f"schema folder {folder} holds no .avsc file: put the writers' schemas there")
        return store

    async def schema(self, key: bytes) -> Schema | Refused:
        """See SchemaStore."""
        if key not in self._by_key and self._clock() - self._looked_at >= LOOK_EVERY_S:
            await asyncio.to_thread(self.look)
        found = self._by_key.get(key)
        if found is not None:
            return found
        faults = f" ({'; '.join(self._faults)})" if self._faults else ""
        return Refused(f"{self._folder} has no {SchemaKey.of(key)}{faults}")

    async def newest(self, topic: str) -> Schema | Refused | None:  # noqa: ARG002 - the folder knows no topics
        """See SchemaStore."""
        if self._named is not None:
            return await self._named.schema(b"")
        return next(iter(self._by_key.values())) if len(self._by_key) == 1 else None

    def look(self) -> None:
        """Read the files whose schemas are not known yet; those that cannot be read are told with what is refused."""
        self._looked_at = self._clock()
        found, faults = dict(self._by_key), []
        try:
            files = sorted(self._folder.glob("*.avsc"))
            if not self._folder.is_dir():
                faults.append(f"schema folder {self._folder} is no folder")
        except OSError as error:
            files, faults = [], [f"schema folder {self._folder} cannot be read ({error.strerror})"]
        for file in files:
            try:
                key, schema = _read(file, self._kind)
            except SettingError as error:
                faults.append(str(error))
            else:
                found.setdefault(key, schema)  # the same object as long as it is the same
        self._by_key, self._faults = found, faults


def _read(file: Path, kind: Kind) -> tuple[bytes, Schema]:
    try:
        text = file.read_text("utf-8")
        parse(text, file.name)  # whatever is wrong with it is said here
        key = SchemaKey(kind, UUID(file.stem).bytes if kind is Kind.VERSION else _fingerprint(json.loads(text)))
        return kind.value + key.name, parse(text, str(key))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingError(f"schema file {file} cannot be read ({why})") from error
    except SchemaError as error:
        raise SettingError(f"schema file {file} {error}: give an Avro schema of a record") from error
    except ValueError as error:  # of UUID
        raise SettingError(f"schema file {file} is not called by a schema version's UUID: rename it") from error


def _fingerprint(schema: Any) -> bytes:
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))
