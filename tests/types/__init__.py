"""Values of every Avro, Kafka Connect and Debezium type, and the table in docs/types.md that is made of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "types.md"
_HEAD = ("type", "column", "for example", "text")


@dataclass(frozen=True, slots=True)
class Golden:
    """A value of a type.

    Attributes:
        type: what the docs call it.
        about: which value it is, or what its text is like.
        schema: Avro, of the value.
        datum: the value in Avro's binary encoding.
        column: what it becomes, as `shown` writes it.
        text: what Target gets; None for null, and for a type without a text.
        remedy: part of what is said of a type without a text.
    """

    type: str
    about: str
    schema: Any
    datum: bytes
    column: str
    text: str | None
    remedy: str | None = None

    @property
    def record(self) -> str:
        """The schema of a record whose only field is the value; its datum is that of the value."""
        return json.dumps({"type": "record", "name": "Golden", "fields": [{"name": "value", "type": self.schema}]})


def golden() -> list[Golden]:
    """All of them, in the order of the file."""
    lines = map(json.loads, (HERE / "golden.jsonl").read_text("utf-8").splitlines())
    return [Golden(**line | {"datum": bytes.fromhex(line["datum"])}) for line in lines]


def shown(dtype: Any) -> str:
    """Write a Polars type as the docs do: short, and of a record only the names of its fields."""
    if isinstance(dtype, pl.List):
        return f"List({shown(dtype.inner)})"
    if isinstance(dtype, pl.Struct):
        return f"Struct({', '.join(field.name for field in dtype.fields)})"
    if isinstance(dtype, pl.Decimal):
        return f"Decimal({dtype.precision}, {dtype.scale})"
    if isinstance(dtype, pl.Datetime):
        return f"Datetime({', '.join(filter(None, (dtype.time_unit, dtype.time_zone)))})"
    return str(dtype)


def page() -> str:
    """The page with the table as it should be; everything else on it as it is."""
    lines = PAGE.read_text("utf-8").splitlines()
    start = lines.index(next(line for line in lines if line.startswith("|")))
    end = lines.index("", start)
    return "\n".join([*lines[:start], *_table(), *lines[end:]]) + "\n"


def _table() -> list[str]:
    rows = [_HEAD, ("---",) * len(_HEAD), *map(_row, golden())]
    return [f"| {' | '.join(row)} |".replace("|  |", "| |") for row in rows]


def _row(one: Golden) -> tuple[str, ...]:
    text = "" if one.text is None else f"`{one.text}`"
    return one.type, f"`{one.column}`", one.about, f"none: {one.remedy}" if one.remedy else text
