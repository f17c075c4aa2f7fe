"""The tree of an expression, what can be wrong with one, and how large one may be.

What its user writes is bounded here, once, so that no expression can take more than a small multiple of what it reads:
`Call.size` counts a part as often as it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

MAX_CHARS: Final = 2_000  # of an expression
MAX_DEPTH: Final = 20  # parentheses, calls and CASEs inside each other; each is about ten calls of the parser
MAX_SIZE: Final = 500  # fields, literals and calls; a CASE with 100 branches has 301
_SHOWN: Final = 40


class ExpressionError(Exception):
    """An expression cannot be used; says where in it, why, and the remedy."""

    def __init__(self, text: str, at: int | None = None) -> None:
        super().__init__(text if at is None else f"character {at}: {text}")


@dataclass(frozen=True, slots=True)
class Place:
    """A part of the text.

    Attributes:
        at: its first character, counted from 1.
        shown: itself, for messages; cut if it is long.
    """

    at: int
    shown: str


@dataclass(frozen=True, slots=True)
class Field:
    """What the change holds under a path."""

    path: str
    place: Place
    size: int = 1


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that the expression itself gives; None is NULL."""

    value: str | int | bool | Decimal | date | None
    place: Place
    size: int = 1


@dataclass(frozen=True, slots=True)
class Call:
    """A function or an operator, and what it is applied to."""

    name: str
    arguments: tuple[Node, ...]
    place: Place
    size: int


Node = Field | Literal | Call


def call(name: str, arguments: tuple[Node, ...], place: Place, uses: int = 1) -> Call:
    """Make a call that uses each argument so often.

    Raises:
        ExpressionError: that makes the expression too large.
    """
    size = 1 + uses * sum(argument.size for argument in arguments)
    if size > MAX_SIZE:
        raise ExpressionError(f"has more than {MAX_SIZE} parts; let the producer do some of it")
    return Call(name, arguments, place, size)


def place(text: str, start: int, end: int) -> Place:
    """Name a part of a text, from its indices."""
    shown = " ".join(text[start:end].split())
    return Place(start + 1, shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…")


def paths(node: Node) -> tuple[str, ...]:
    """All paths in a tree, each once, in the order of the text."""
    if isinstance(node, Field):
        return (node.path,)
    if isinstance(node, Literal):
        return ()
    return tuple(dict.fromkeys(path for argument in node.arguments for path in paths(argument)))
