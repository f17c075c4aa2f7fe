"""Random Avro schemas and datums of them, by seed: what the fast decoder and the reference are compared with.

Generated with `random` rather than Hypothesis, as there are hundreds of thousands in a run. Whoever finds a difference
gets the seed.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import fastavro

from connector.avro import semantics
from connector.avro.semantics import NAME, VARIABLE_SCALE

_LETTERS: Final = "abcÄß,\n\0€漢🙂"
_DECIMALS: Final = ((1, 0), (4, 4), (9, 2), (12, 2), (18, 0), (38, 10), (38, 0), (64, 20))
_LONGS: Final = (0, 1, -1, 63, 64, -64, -65, 2**31 - 1, -(2**31), 2**53, -(2**63), 2**63 - 1)
_SCALARS: Final[tuple[Any, ...]] = (
    "null",
    "boolean",
    "int",
    "long",
    "float",
    "double",
    "bytes",
    "string",
    "string",
    {"type": "string", "logicalType": "uuid"},
    {"type": "int", "logicalType": "date"},
    {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "time-micros"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "long", "logicalType": "timestamp-nanos"},
    {"type": "long", "logicalType": "local-timestamp-millis"},
    {"type": "long", "logicalType": "local-timestamp-micros"},
    {"type": "long", "logicalType": "local-timestamp-nanos"},
    *({"type": base, NAME: name} for (base, name) in semantics._LOGICAL),
    {"type": "string", NAME: "io.debezium.time.ZonedTimestamp"},
    {"type": "bytes", NAME: "org.apache.kafka.connect.data.Decimal", "connect.parameters": {"scale": "3"}},
)
_VARIABLE_SCALE: Final = {
    "type": "record",
    NAME: VARIABLE_SCALE,
    "fields": [{"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}],
}
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True)
class Case:
    """A schema, and datums that fastavro wrote with it."""

    schema: Any
    datums: list[bytes]


class Chance:
    """Draws schemas and values; the same seed draws the same.

    Args:
        seed: any number.
        weightless: whether fields may be of types that take no bytes.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - chooses tests, guards no secret
        self._names = 0
        self._named: dict[str, Any] = {}

    def case(self, datums: int) -> Case:
        """Draw a schema of a record, and so many datums of it."""
        schema = self._record(self._random.randint(1, 3))
        parsed = fastavro.parse_schema(json.loads(json.dumps(schema)))
        return Case(schema, [self._written(parsed, schema) for _ in range(datums)])

    def damaged(self, datum: bytes) -> bytes:
        """Draw some other bytes: with bits flipped, cut, something put in, a huge length, or another's end."""
        chance, value = self._random, bytearray(datum)
        for _ in range(chance.randint(1, 2)):
            at = chance.randrange(len(value) + 1)
            match chance.randrange(5):
                case 0 if at < len(value):
                    value[at] ^= 1 << chance.randrange(8)
                case 1:
                    del value[at:]
                case 2:
                    value[at:at] = chance.randbytes(chance.randint(1, 3))
                case 3:
                    value[at : at + 1] = b"\xff\xff\xff\xff\x0f"
                case _:
                    value += value[: chance.randint(1, 4)]
        return bytes(value)

    def _written(self, parsed: Any, schema: Any) -> bytes:
        out = BytesIO()
        fastavro.schemaless_writer(out, parsed, self._value(schema))
        return out.getvalue()

    def _name(self) -> str:
        self._names += 1
        return f"T{self._names}"

    def _record(self, depth: int) -> Any:
        fields = [{"name": f"f{at}", "type": self._type(depth)} for at in range(self._random.randint(1, 6))]
        name = self._name()
        self._named[name] = {"type": "record", "name": name, "fields": fields}
        return self._named[name]

    def _type(self, depth: int) -> Any:  # noqa: C901, PLR0911 - one case per kind of type
        kinds = ["scalar", "scalar", "decimal", "own scale", "enum", "fixed", "nullable", "known"]
        if depth > 0:
            kinds += ["array", "map", "record", "union", "nullable", "nullable"]
        match self._random.choice(kinds):
            case "decimal":
                precision, scale = self._random.choice(_DECIMALS)
                return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
            case "own scale":
                return self._new(_VARIABLE_SCALE)
            case "enum":
                symbols = ["A", "B", "long_symbol"][: self._random.randint(1, 3)]
                return self._new({"type": "enum", "symbols": symbols})
            case "fixed":
                return self._new(self._fixed())
            case "known" if self._named:
                return self._random.choice(list(self._named))
            case "array":
                return {"type": "array", "items": self._weighty(depth - 1)}
            case "map":
                return {"type": "map", "values": self._weighty(depth - 1)}
            case "record":
                return self._record(depth - 1)
            case "nullable":
                return self._shuffled(["null", self._in_union(depth - 1)])
            case "union":
                return self._union(depth)
        return self._random.choice(_SCALARS)

    def _new(self, avro: dict[str, Any]) -> Any:
        name = self._name()
        self._named[name] = {**avro, "name": name}
        return self._named[name]

    def _fixed(self) -> dict[str, Any]:
        size = self._random.choice((0, 1, 3, 12, 16, 20))
        if size == 16 and self._random.random() < 0.5:
            return {"type": "fixed", "size": size, "logicalType": "uuid"}
        if size in {12, 20} and self._random.random() < 0.5:
            return {"type": "fixed", "size": size, "logicalType": "decimal", "precision": 20, "scale": 5}
        return {"type": "fixed", "size": size}

    def _weighty(self, depth: int) -> Any:
        """A type for the items of an array: one that takes bytes."""
        while self._no_bytes(drawn := self._type(depth)):
            pass
        return drawn

    def _no_bytes(self, avro: Any) -> bool:
        avro = self._named.get(avro, avro) if isinstance(avro, str) else avro
        if isinstance(avro, dict) and avro["type"] == "record":
            return all(self._no_bytes(field["type"]) for field in avro["fields"])
        return avro == "null" or (isinstance(avro, dict) and avro["type"] == "fixed" and avro["size"] == 0)

    def _in_union(self, depth: int) -> Any:
        while isinstance(drawn := self._type(depth), list) or drawn == "null":
            pass
        return drawn

    def _union(self, depth: int) -> list[Any]:
        drawn = [self._in_union(depth - 1) for _ in range(self._random.randint(2, 4))]
        by_name = {self._full(branch): branch for branch in drawn}
        return self._shuffled([*by_name.values(), *(["null"] if self._random.random() < 0.5 else [])])

    def _full(self, avro: Any) -> str:
        avro = self._named.get(avro, avro) if isinstance(avro, str) else avro
        return str(avro.get("name", avro["type"]) if isinstance(avro, dict) else avro)

    def _shuffled(self, items: list[Any]) -> list[Any]:
        self._random.shuffle(items)
        return items

    def _value(self, avro: Any) -> Any:  # noqa: PLR0911 - one case per kind of type
        chance = self._random
        if isinstance(avro, list):
            branch = chance.choice(avro)
            return None if branch == "null" else (self._full(branch), self._value(branch))
        if isinstance(avro, str):
            avro = self._named.get(avro, {"type": avro})
        avro = avro if avro["type"] == "enum" else semantics.resolved(avro)
        match avro["type"]:
            case "record" if NAME in avro:
                scale = chance.choice((0, 2, -3, 10, 38, 40, -1_000, 1_000, chance.randint(-60, 60)))
                return {"scale": scale, "value": self._number(chance.choice((1, 2, 5, 16)), 38)}
            case "record":
                return {field["name"]: self._value(field["type"]) for field in avro["fields"]}
            case "array":
                return [self._value(avro["items"]) for _ in range(chance.choice((0, 0, 1, 2, 5)))]
            case "map":
                return {self._text(): self._value(avro["values"]) for _ in range(chance.choice((0, 1, 3)))}
            case "enum":
                return chance.choice(avro["symbols"])
            case "fixed":
                return self._number(avro["size"], avro.get("precision")) if "precision" in avro else self._bytes(avro)
            case "bytes" if "precision" in avro:
                return self._number(chance.choice((1, 2, 5, 16)), avro["precision"])
        return self._scalar(avro)

    def _bytes(self, avro: Any) -> bytes:
        return self._random.randbytes(avro["size"])

    def _number(self, size: int, precision: int | None) -> bytes:
        limit = min(10 ** min(precision or 1, 38), 2 ** (8 * size - 1)) - 1  # 38: what the engine can hold
        number = self._random.choice((0, 1, -1, limit, -limit, self._random.randint(-limit, limit)))
        return number.to_bytes(size, "big", signed=True)

    def _text(self) -> str:
        return "".join(self._random.choices(_LETTERS, k=self._random.choice((0, 1, 3, 11, 12, 13, 40))))

    def _scalar(self, avro: Any) -> Any:  # noqa: C901, PLR0911 - one case per type
        chance = self._random
        match avro["type"], avro.get("logicalType"):
            case "null", _:
                return None
            case "boolean", _:
                return chance.random() < 0.5
            case "int", "date":
                return chance.randint(-719_162, 2_932_896)
            case "int", "time-millis":
                return chance.randrange(_DAY_MS)
            case "long", "time-nanos":
                return chance.randrange(_DAY_MS * 1_000_000)
            case "long", "time-micros":
                return chance.randrange(_DAY_MS * 1_000)
            case "long", "timestamp-millis" | "local-timestamp-millis":
                return chance.randint(-719_162 * _DAY_MS, 2_932_896 * _DAY_MS)
            case "long", "timestamp-micros" | "local-timestamp-micros":
                return chance.randint(-719_162 * _DAY_MS * 1_000, 2_932_896 * _DAY_MS * 1_000)
            case "int", _:
                return chance.choice((*_LONGS[:9], chance.randint(-(2**31), 2**31 - 1)))
            case "long", _:
                return chance.choice((*_LONGS, chance.randint(-(2**63), 2**63 - 1)))
            case "float" | "double", _:
                return chance.choice(
                    (0.0, -0.0, 1.5, float("nan"), float("inf"), float(chance.randint(-(2**20), 2**20)))
                )
            case "bytes", _:
                return chance.randbytes(chance.choice((0, 1, 12, 13)))
        return self._text()
