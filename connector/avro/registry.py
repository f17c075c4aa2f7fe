"""Writer schemas from a Confluent-compatible registry.

Promises: every schema is fetched, with those it refers to, and made ready once; an id that the registry answers not to
know is asked for again for a few seconds (what answers may lag behind what a producer registered with), then refused,
and refused at once for a while after. Called by `decoder`; `service` makes it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from connector.avro.lowering import parse
from connector.avro.registry_access import RegistryAccess, RegistryOptions
from connector.avro.schema import Schema, SchemaError
from connector.avro.schema_keys import SchemaKey
from connector.avro.stores import Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from confluent_kafka.schema_registry import Schema as Registered

    from connector.telemetry import Telemetry

_MOST_REFERENCES: Final = 200  # of one schema, with those of its references; a chain may have no end
_MOST_UNKNOWN: Final = 10_000  # ids kept as unknown: garbage in a topic can name any of 4 billion


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to believe that an unknown id may become known.

    Attributes:
        unknown_for_s: how long it is asked for.
        unknown_tries: how often, over that time; at least two.
        refused_for_s: how long it is refused without asking again.
    """

    unknown_for_s: float = 5.0
    unknown_tries: int = 3
    refused_for_s: float = 60.0


class Registry:
    """A SchemaStore on a registry.

    Args:
        access: the way to the registry.
        patience: how long to believe that an unknown id may become known.
        clock: seconds from any fixed point on.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        access: RegistryAccess,
        *,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._access = access
        self._patience = patience or Patience()
        self._clock = clock
        self._sleep = sleep
        self._by_key: dict[bytes, Schema | Refused] = {}
        self._newest: dict[str, tuple[object, Schema | Refused]] = {}
        self._unknown_until: dict[bytes, float] = {}

    @classmethod
    def connect(cls, options: RegistryOptions, telemetry: Telemetry) -> Registry:
        """Make one with a client of its own; nothing is sent yet.

        Raises:
            SettingError: the address, or one of the certificate files, cannot be used.
        """
        return cls(RegistryAccess(options.client(), core=options.core(), telemetry=telemetry))

    async def close(self) -> None:
        """Close the connections."""
        await self._access.close()

    async def schema(self, key: bytes) -> Schema | Refused:
        """See SchemaStore."""
        if (known := self._by_key.get(key)) is not None:
            return known
        named = SchemaKey.of(key)
        unknown = Refused(f"the registry does not know {named}, or one that it refers to")
        if not named.possible:
            return unknown
        until = self._unknown_until.get(key)
        if until is not None and until > self._clock():
            return unknown
        for again in range(self._patience.unknown_tries):
            if again:
                await self._sleep(self._patience.unknown_for_s / (self._patience.unknown_tries - 1))
            registered = await self._access.schema(named)
            ready = await self._ready(str(named), registered) if registered else None
            if ready is not None:
                return self._by_key.setdefault(key, ready)
        self._remember_unknown(key)
        return unknown

    async def newest(self, topic: str) -> Schema | Refused | None:
        """See SchemaStore. The subject is `<topic>-value`, as the registry's TopicNameStrategy has it."""
        return await self.newest_of(f"{topic}-value")

    async def newest_of(self, subject: str) -> Schema | Refused | None:
        """Give the newest schema of a subject, as `newest`."""
        found = await self._access.version(subject, "latest")
        if found is None:
            return None
        identity = (found.version, found.schema_id)
        known = self._newest.get(subject)
        if known is not None and known[0] == identity:
            return known[1]
        label = f"version {found.version} of {subject}"
        ready = await self._ready(label, found.schema)
        if ready is None:
            return Refused(f"{label} refers to a schema that the registry does not know")
        self._newest[subject] = (identity, ready)
        return ready

    async def _ready(self, label: str, registered: Registered) -> Schema | Refused | None:
        """Make a schema ready to read with; None where the registry does not know one that it refers to."""
        if registered.schema_type not in {None, "AVRO"}:
            return Refused(f"{label} is of type {registered.schema_type}, not AVRO")
        references: dict[tuple[str, int], str] = {}
        try:
            if not await self._collect(registered, references):
                return None
            return parse(registered.schema_str or "", label, list(references.values()))
        except SchemaError as error:
            return Refused(f"{label} {error}")

    async def _collect(self, registered: Registered, found: dict[tuple[str, int], str]) -> bool:
        """Fetch what a schema refers to, each after what it refers to itself, and once; False where one is unknown.

        Raises:
            SchemaError: there are too many.
        """
        for reference in registered.references or ():
            key = (reference.subject or "", reference.version or 0)
            if key in found:
                continue
            if len(found) >= _MOST_REFERENCES:
                raise SchemaError(f"refers to more than {_MOST_REFERENCES} others")
            found[key] = ""  # those that refer to each other in a circle are not fetched for ever
            version = await self._access.version(*key)
            if version is None or not await self._collect(version.schema, found):
                return False
            del found[key]
            found[key] = version.schema.schema_str or ""
        return True

    def _remember_unknown(self, key: bytes) -> None:
        now = self._clock()
        if len(self._unknown_until) >= _MOST_UNKNOWN:
            self._unknown_until = {known: until for known, until in self._unknown_until.items() if until > now}
        if len(self._unknown_until) < _MOST_UNKNOWN:
            self._unknown_until[key] = now + self._patience.refused_for_s


class OfKeys:
    """The same registry, for the keys of records instead of their values."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def schema(self, key: bytes) -> Schema | Refused:
        """See SchemaStore."""
        return await self._registry.schema(key)

    async def newest(self, topic: str) -> Schema | Refused | None:
        """See SchemaStore. The subject is `<topic>-key`."""
        return await self._registry.newest_of(f"{topic}-key")
