"""What expressions make of changes: which of them count, and the columns of values that no field holds.

Called by `mapping` for every frame, before anything else: its other steps see a computed value as they see a field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from connector.profiles.expressions.expression import Expression
from connector.profiles.expressions.tree import ExpressionError
from connector.records import DELETED, ID, ROW, absent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def column_of(name: str, source: str | Expression) -> str:
    """Where the value of an attribute, or the id, stands: under its path, or in a column of our own."""
    return f"#value {name}" if isinstance(source, Expression) else source


def paths_of(source: str | Expression) -> tuple[str, ...]:
    """What a value is made of."""
    return source.paths if isinstance(source, Expression) else (source,)


def judged(changes: pl.DataFrame, where: Expression | None) -> tuple[pl.DataFrame, int]:
    """Keep the changes that a predicate is true of, and all deletes.

    A delete may hold nothing but the id, and whatever it holds, an older change of the profile may have been kept: then
    the profile is in Target.

    Returns:
        Those that are kept, and how many records are left out with all that they hold.

    Raises:
        ExpressionError: the predicate does not fit the schema.
    """
    if where is None:
        return changes, 0
    try:
        counts = where.condition(changes.schema)
    except ExpressionError as error:
        raise ExpressionError(f"where: {error}") from None
    if DELETED in changes.columns:
        counts = counts | pl.col(DELETED)
    kept = changes.filter(counts)
    return kept, changes[ROW].n_unique() - kept[ROW].n_unique() if kept.height < changes.height else 0


def with_values(changes: pl.DataFrame, sources: Mapping[str, str | Expression]) -> pl.DataFrame:
    """Add the columns that `column_of` names.

    A value is absent, and null, where a field that it is made of is absent: what it was made of is not known.

    Raises:
        ExpressionError: an expression does not fit the schema.
    """
    computed = {name: source for name, source in sources.items() if isinstance(source, Expression)}
    added = (column for name, source in computed.items() for column in _columns(changes, name, source))
    return changes.with_columns(added) if computed else changes


def _columns(changes: pl.DataFrame, name: str, source: Expression) -> Iterator[pl.Expr]:
    try:
        column, value = column_of(name, source), source.column(changes.schema).column
    except ExpressionError as error:
        raise ExpressionError(f"{'the id' if name == ID else f'attribute `{name}`'}: {error}") from None
    marks = [absent(path) for path in source.paths if absent(path) in changes.columns]
    if marks:
        unknown = pl.any_horizontal(marks)
        value = pl.when(~unknown).then(value)
        yield unknown.alias(absent(column))
    yield value.alias(column)
