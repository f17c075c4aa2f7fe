"""An expression of the settings: what it reads, and the column it gives. The face of this package to the mapping."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import polars as pl

from connector.profiles.expressions import building, parsing, tree
from connector.profiles.expressions.kinds import Kind
from connector.profiles.text import unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.profiles.expressions.kinds import Typed
    from connector.profiles.expressions.tree import Node


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression.

    Attributes:
        text: as the settings spell it.
        root: its tree.
        paths: what it reads, each path once.
    """

    text: str
    root: Node
    paths: tuple[str, ...]

    def __str__(self) -> str:
        """The text on one line for messages, cut if it is long."""
        return tree.place(self.text, 0, len(self.text)).shown

    @classmethod
    def parse(cls, text: str) -> Expression:
        """Make one of its text.

        Raises:
            ExpressionError: it is none; the error names the place in the text.
        """
        root = parsing.parse(text)
        return cls(text, root, tree.paths(root))

    def column(self, dtypes: Mapping[str, pl.DataType]) -> Typed:
        """Build the column of a value that can be sent.

        Args:
            dtypes: type by path; a path that is not there is NULL.

        Raises:
            ExpressionError: the types do not go together, or what comes out has no text.
        """
        built = self._built(dtypes)
        if why := unsupported(built.dtype):
            raise built.wrong(why)
        return built

    def condition(self, dtypes: Mapping[str, pl.DataType]) -> pl.Expr:
        """Build the column (Boolean) of a predicate.

        Raises:
            ExpressionError: the types do not go together, or it is none.
        """
        built = self._built(dtypes)
        if built.kind is Kind.NULL:
            return built.column.cast(pl.Boolean)
        if built.kind is not Kind.TRUTH:
            raise built.wrong(f"is {built.kind}, which is no condition; compare it, such as with IS NOT NULL")
        return built.column

    def _built(self, dtypes: Mapping[str, pl.DataType]) -> Typed:
        return _build(self.root, self.paths, tuple(dtypes.get(path) for path in self.paths))


@lru_cache(maxsize=256)
def _build(root: Node, paths: tuple[str, ...], dtypes: tuple[pl.DataType | None, ...]) -> Typed:
    """Build once for all frames of a schema: of a long expression that takes 10 ms."""
    known = {path: dtype for path, dtype in zip(paths, dtypes, strict=True) if dtype is not None}
    built = building.build(root, known)
    return replace(built, column=_as_high_as_the_frame(built.column))


def _as_high_as_the_frame(column: pl.Expr) -> pl.Expr:
    """Repeat one value for all rows, where Polars gives just one.

    It keeps a column whose values are all the same as one value, and of some operators on such a column and a literal
    (`'a' = coalesce(x, 'a')`, x all null) it gives one row instead of all, which is an error (as in its issue 29082).
    """
    return pl.when(pl.repeat(value=True, n=pl.len())).then(column)
