"""The tree to a column, by the types of a schema: where types are checked, and every name must be one that is known."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl

from connector.profiles.expressions import casts, functions, operators, signatures
from connector.profiles.expressions.kinds import UTC, Kind, Typed
from connector.profiles.expressions.tree import Call, Field, Literal
from connector.profiles.text import is_union, text, unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.profiles.expressions.tree import Node


def build(node: Node, dtypes: Mapping[str, pl.DataType]) -> Typed:
    """Build the column of a tree.

    Args:
        node: of `parsing.parse`.
        dtypes: type by path; a path that is not there is NULL, of any type.

    Raises:
        ExpressionError: the types do not go together.
    """
    if isinstance(node, Field):
        return _field(node, dtypes)
    if isinstance(node, Literal):
        return _literal(node)
    return _call(node, [build(argument, dtypes) for argument in node.arguments])


def _call(node: Call, arguments: list[Typed]) -> Typed:
    if node.name.startswith("cast as "):
        return casts.cast(arguments[0], node.name.removeprefix("cast as "), node.place)
    if node.name == "in":
        return operators.within(arguments, [_value(member) for member in node.arguments[1:]], node.place)
    if node.name == "like":
        return operators.like(arguments[0], str(_value(node.arguments[1])), node.place)
    if node.name == "at time zone":
        return operators.at_zone(arguments[0], str(_value(node.arguments[1])), node.place)
    if node.name in operators.RULES:
        return operators.RULES[node.name](arguments, node.place)
    return signatures.build(functions.TABLE[node.name], node, arguments)


def _value(node: Node) -> object:
    return node.value if isinstance(node, Literal) else None


def _field(node: Field, dtypes: Mapping[str, pl.DataType]) -> Typed:
    dtype = dtypes.get(node.path, pl.Null())
    if node.path not in dtypes:
        return Typed(pl.lit(None), dtype, node.place)
    column = pl.col(node.path)
    found = Typed(column, dtype, node.place)
    if isinstance(dtype, pl.Struct):
        if (why := unsupported(dtype)) or not is_union(dtype):
            raise found.wrong(str(why))
        return Typed(text(column, dtype), pl.String(), node.place)
    return found if found.kind is not Kind.TEXT else Typed(column.cast(pl.String), pl.String(), node.place)


def _literal(node: Literal) -> Typed:
    dtype = _dtype(node.value)
    return Typed(pl.lit(node.value, dtype=dtype), dtype, node.place, literal=True)


def _dtype(value: object) -> pl.DataType:
    if isinstance(value, Decimal):
        digits, scale = len(value.as_tuple().digits), -int(value.as_tuple().exponent)
        return pl.Decimal(max(digits, scale), scale)
    if isinstance(value, datetime):
        return pl.Datetime("us", UTC if value.tzinfo else None)
    known = {bool: pl.Boolean(), int: pl.Int64(), str: pl.String(), date: pl.Date()}
    return next((dtype for kind, dtype in known.items() if isinstance(value, kind)), pl.Null())
