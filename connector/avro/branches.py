"""The branches of a union, and what they are called in a struct. Called by `lowering` and `layouts`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from connector.avro.schema import SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def is_null(avro: Any) -> bool:
    """Tell whether a branch, as fastavro has parsed it, is null."""
    return avro == "null" or (isinstance(avro, dict) and avro["type"] == "null")


def full_name(avro: Any) -> str:
    """Give the name of a branch that fastavro has parsed: of its type, with its namespace."""
    return str(avro.get("name", avro["type"]) if isinstance(avro, dict) else avro)


def branch_names(union: Sequence[Any]) -> Mapping[str, str]:
    """Name the branches besides null: `?` and the type's name, its full name where a shorter one would be taken twice.

    Returns:
        Name by full name, in the order of the branches.

    Raises:
        SchemaError: two branches have one name, or a branch is a union.
    """
    full = [full_name(branch) for branch in union if not is_null(branch)]
    if len(set(full)) < len(full) or any(isinstance(branch, list) for branch in union):
        raise SchemaError("has a union that holds one type twice, or another union")
    short = Counter(_last(name) for name in full)
    return {name: f"?{name if short[_last(name)] > 1 else _last(name)}" for name in full}


def _last(name: str) -> str:
    return name.rpartition(".")[2]
