"""Schemas by Apicurio's global ids, which only its own interface knows: its Confluent-compatible one has content ids.

Called by `registry_access`, by way of a client like its own: with the same credentials, bounds and certificates.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka.schema_registry import Schema
from confluent_kafka.schema_registry.error import SchemaRegistryError

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import AsyncSchemaRegistryClient

_COMPATIBLE: Final = re.compile(r"/apis/ccompat/v\d+/?$")
# Apicurio 3 has `v3`; `v2` is all that Apicurio 2 has. Neither takes the other's parameter, nor minds it.
_ROOTS: Final = ("v3", "v2")
_WHOLE: Final = {"references": "DEREFERENCE", "dereference": "true"}  # with the types that it refers to put in
_NOT_FOUND: Final = 404


def core_url(url: str) -> str:
    """Give the address of Apicurio's own interface for that of the compatible one; of several, each."""
    return ",".join(f"{_COMPATIBLE.sub('', one.strip().rstrip('/'))}/apis/registry" for one in url.split(","))


class ApicurioCore:
    """Asks Apicurio's own interface, beside the address of the compatible one."""

    def __init__(self, client: AsyncSchemaRegistryClient) -> None:
        """Ask by way of this client, whose address is `core_url`'s; it is closed with this."""
        self._client = client

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def schema(self, global_id: int) -> Schema | None:
        """Give the schema of a global id, or None where the registry has none, or is not Apicurio's.

        Raises:
            SchemaRegistryError: it refuses, or fails.
            ValueError: what it has is no JSON.
            httpx2.HTTPError: it does not answer.
        """
        for root in _ROOTS:
            try:
                rest: Any = self._client._rest_client  # noqa: SLF001 (the client has no method for paths of others)
                found = await rest.get(f"{root}/ids/globalIds/{global_id}", _WHOLE)
            except SchemaRegistryError as error:
                if error.http_status_code != _NOT_FOUND:
                    raise
            else:
                return Schema(json.dumps(found), "AVRO")
        return None
