"""The text of a column: what Target gets for a value of each type, as Polars expressions.

Target knows text only, so the form of every type is part of the contract with the user; `docs/types.md` lists them
and a test holds that page to this module. Called by `mapping`.

Contract with the decoder: dates and times are of the years 1 to 9999, as ISO 8601 writes them; further out (5.8 million
years) Polars panics here.

A union of several types arrives as a struct with one field per branch, each named `?` and the branch, which no field
of an Avro record can be called. A map arrives as a list of structs of `key` and `value`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from connector.profiles.moments import formatted, iso

if TYPE_CHECKING:
    from polars.datatypes import DataTypeClass

_BRANCH: Final = "?"

_PLAIN: Final = (pl.Boolean, pl.String, pl.Categorical, pl.Enum, pl.Decimal, pl.Date, pl.Datetime, pl.Time, pl.Null)


def text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Build the expression that turns a column into its text (String; null stays null).

    Args:
        column: an expression of type `dtype`.
        dtype: one for which `unsupported` has nothing to say.

    Raises:
        ValueError: `dtype` has no text form.
    """
    if reason := unsupported(dtype):
        raise ValueError(reason)
    if isinstance(dtype, pl.Datetime) and dtype.time_unit != "ns":
        return column.map_batches(iso, return_dtype=pl.String, is_elementwise=True)  # one value may stand for all rows
    return _text(column, dtype)


def unsupported(dtype: pl.DataType) -> str | None:
    """Say why a column of this type has no text form and what to do about it; None where it has one."""
    if isinstance(dtype, pl.Struct) and not is_union(dtype):
        return "is a record, which has no text form of its own: name one of its fields"
    return _unsupported_inside(dtype)


def is_union(dtype: pl.Struct) -> bool:
    """Tell a union of several types from a record, by the names of the fields."""
    return bool(dtype.fields) and all(field.name.startswith(_BRANCH) for field in dtype.fields)


def branches(union: pl.Struct) -> list[pl.DataType]:
    """Give the types of a union, null left out."""
    return [_held(field) for field in union.fields]


def _unsupported_inside(dtype: pl.DataType) -> str | None:
    if isinstance(dtype, pl.List):
        return _unsupported_inside(_inner(dtype))
    if isinstance(dtype, pl.Struct):
        return next(filter(None, (_unsupported_inside(_held(field)) for field in dtype.fields)), None)
    if isinstance(dtype, pl.Binary):
        return "holds bytes, which have no text form: leave it out, or let the producer send text"
    if dtype.is_integer() or dtype.is_float() or isinstance(dtype, _PLAIN):
        return None
    return f"is of a type without a text form ({dtype}): leave it out"


def _text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Struct) and is_union(dtype):
        return pl.coalesce(_text(column.struct.field(field.name), _held(field)) for field in dtype.fields)
    if isinstance(dtype, pl.List | pl.Struct):
        return pl.when(column.is_not_null()).then(_json(column, dtype))
    if isinstance(dtype, pl.Datetime):
        return formatted(column, dtype)
    if isinstance(dtype, pl.Time):
        return column.dt.strftime("%H:%M:%S%.6f")
    return column.cast(pl.String)


def _json(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """JSON without spaces, of a column without nulls (where there are some, what it gives is not used)."""
    if isinstance(dtype, pl.List):
        return _json_list(column, _inner(dtype))
    if isinstance(dtype, pl.Struct):
        return _json_struct(column, dtype)
    if dtype.is_float():
        return pl.when(column.is_finite()).then(column.cast(pl.String)).otherwise(pl.lit("null"))
    if dtype.is_numeric() or isinstance(dtype, pl.Boolean | pl.Null):
        return column.cast(pl.String)
    return _quoted(_text(column, dtype))


def _json_list(column: pl.Expr, inner: pl.DataType) -> pl.Expr:
    element = pl.element()
    item, brackets = _json_or_null(element, inner), "[]"
    if isinstance(inner, pl.Struct) and _is_entry(inner):
        key, value = inner.fields
        held = _json_or_null(element.struct.field(value.name), _held(value))
        item, brackets = pl.concat_str(_quoted(element.struct.field(key.name)), pl.lit(":"), held), "{}"
    items = column.list.eval(item).list.join(",")
    return pl.concat_str(pl.lit(brackets[0]), items, pl.lit(brackets[1]))


def _json_struct(column: pl.Expr, dtype: pl.Struct) -> pl.Expr:
    if is_union(dtype):
        return pl.coalesce(
            pl.when(column.struct.field(field.name).is_not_null()).then(
                _json(column.struct.field(field.name), _held(field))
            )
            for field in dtype.fields
        )
    pieces: list[pl.Expr] = []
    for index, field in enumerate(dtype.fields):
        pieces.append(pl.lit(f'{"," if index else ""}"{field.name}":'))  # an Avro name needs no escape
        pieces.append(_json_or_null(column.struct.field(field.name), _held(field)))
    return pl.concat_str(pl.lit("{"), *pieces, pl.lit("}"))


def _json_or_null(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    return pl.when(_present(column, dtype)).then(_json(column, dtype)).otherwise(pl.lit("null"))


def _present(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Whether there is a value; a union of which no branch is there is null."""
    if isinstance(dtype, pl.Struct) and is_union(dtype):
        return pl.any_horizontal(_present(column.struct.field(field.name), _held(field)) for field in dtype.fields)
    return column.is_not_null()


def _quoted(column: pl.Expr) -> pl.Expr:
    """A JSON string: Polars quotes only whole structs, so the text becomes one, {"":"…"}, and its ends go again."""
    quoted = pl.struct(column.alias("")).struct.json_encode().str.strip_prefix('{"":').str.strip_suffix("}")
    return pl.when(column.is_not_null()).then(quoted)


def _is_entry(dtype: pl.Struct) -> bool:
    return [field.name for field in dtype.fields] == ["key", "value"] and isinstance(_held(dtype.fields[0]), pl.String)


def _held(field: pl.Field) -> pl.DataType:
    return _instance(field.dtype)


def _inner(dtype: pl.List) -> pl.DataType:
    return _instance(dtype.inner)


def _instance(dtype: DataTypeClass | pl.DataType) -> pl.DataType:
    return dtype() if isinstance(dtype, type) else dtype
