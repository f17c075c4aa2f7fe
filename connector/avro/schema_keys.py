"""What names a writer's schema: the keys that `wire` takes off records, and that stores of schemas are asked by.

A key is a lead byte, which says what kind it is, and the bytes that tell schemas of that kind apart. Confluent's leads
are those of its own framing, so that no byte of a key is copied there. No I/O.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple
from uuid import UUID

_NEGATIVE: Final = 0x80  # the sign of a number, in its first byte


class Kind(Enum):
    """What kind of name it is, by the lead byte."""

    NONE = b""  # the framing names no schema
    NUMBER = b"\x00"  # 4 or 8 bytes, big-endian: what the registry's Confluent-compatible interface knows it by
    GUID = b"\x01"  # 16 bytes: Confluent's global name
    GLOBAL = b"\x02"  # 4 or 8 bytes, big-endian: Apicurio's global id
    VERSION = b"\x03"  # 16 bytes: the UUID of a schema version in AWS Glue
    FINGERPRINT = b"\xc3"  # 8 bytes, little-endian: CRC-64-AVRO of the parsing canonical form


class SchemaKey(NamedTuple):
    """A key, taken apart; its text is how messages call the schema."""

    kind: Kind
    name: bytes

    @classmethod
    def of(cls, key: bytes) -> SchemaKey:
        """Take a key apart.

        Raises:
            ValueError: its lead is none of ours.
        """
        return cls(Kind(key[:1]), key[1:])

    @property
    def number(self) -> int:
        """Give the id of a NUMBER or GLOBAL."""
        return int.from_bytes(self.name, "big")

    @property
    def possible(self) -> bool:
        """Whether a registry can have it: its numbers are Java's, never negative, and it may not even parse others."""
        return self.kind is Kind.GUID or (self.kind in {Kind.NUMBER, Kind.GLOBAL} and self.name[0] < _NEGATIVE)

    @property
    def uuid(self) -> UUID:
        """Give the id of a GUID or VERSION."""
        return UUID(bytes=self.name)

    def __str__(self) -> str:
        """Call the schema by its name, which is no secret and of no person."""
        match self.kind:
            case Kind.NUMBER:
                return f"schema {self.number}"
            case Kind.GLOBAL:
                return f"schema with the global id {self.number}"
            case Kind.GUID:
                return f"schema with the GUID {self.uuid}"
            case Kind.VERSION:
                return f"schema version {self.uuid}"
            case Kind.FINGERPRINT:
                return f"schema with the fingerprint {self.name.hex()}"
            case Kind.NONE:
                return "the schema"


NO_KEY: Final = Kind.NONE.value
