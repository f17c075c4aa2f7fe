"""The text of an expression to tokens: words, texts, numbers and signs, each with its place; and a way through them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from connector.profiles.expressions.tree import MAX_CHARS, ExpressionError, Place, place

if TYPE_CHECKING:
    from collections.abc import Iterator


class Sort(StrEnum):
    """What a token is."""

    WORD = "word"  # of a path, a function or the grammar
    NAME = "name"  # of a path, in double quotes
    TEXT = "text"
    NUMBER = "number"
    SIGN = "sign"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Attributes:
        sort: what it is.
        text: what it says, quotes taken off.
        start: index of its first character in the expression.
        end: index after its last.
    """

    sort: Sort
    text: str
    start: int
    end: int


# One after the other, each without a choice that could be taken back, so that time is linear in the text.
_PATTERNS: Final = re.compile(
    r"""\s+
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | "(?P<name>[^"]+)"
    | '(?P<text>(?:[^']|'')*)'
    | (?P<number>[0-9]+(?:\.[0-9]+)?(?![A-Za-z0-9_]))
    | (?P<sign><>|!=|<=|>=|\|\||[=<>(),.\-])
    """,
    re.VERBOSE,
)
_RESERVED: Final = frozenset(
    ("and", "or", "not", "in", "is", "null", "like", "between", "case", "when", "then", "else", "end", "true", "false")
)
_UNCLOSED: Final = {"'": "a text without its closing `'`", '"': 'a name without its closing `"`'}


def tokens(expression: str) -> Iterator[Token]:
    """Give the tokens of an expression, the last one of the sort END.

    Raises:
        ExpressionError: it is too long, or holds something that begins no token.
    """
    if len(expression) > MAX_CHARS:
        raise ExpressionError(f"has more than {MAX_CHARS} characters; let the producer do some of it")
    at = 0
    while at < len(expression):
        found = _PATTERNS.match(expression, at)
        if found is None:
            raise ExpressionError(_strange(expression[at]), at + 1)
        if found.lastgroup is not None:
            yield _token(found, Sort(found.lastgroup))
        at = found.end()
    yield Token(Sort.END, "", at, at)


def _token(found: re.Match[str], sort: Sort) -> Token:
    text = found[sort]
    if sort is Sort.TEXT:
        text = text.replace("''", "'")
    if not text.isprintable():
        raise ExpressionError("a text or name must be one line without control characters", found.start() + 1)
    return Token(sort, text, found.start(), found.end())


def _strange(character: str) -> str:
    if character in _UNCLOSED:
        return _UNCLOSED[character]
    shown = character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
    if character in "+*/%":
        return f"`{shown}` is not understood: there is no arithmetic; let the producer compute it"
    return f"`{shown}` is not understood; texts stand in single quotes"


class Tokens:
    """The tokens of one expression, and how far they are read."""

    def __init__(self, expression: str) -> None:
        self._text = expression
        self._tokens = list(tokens(expression))
        self._next = 0

    @property
    def now(self) -> Token:
        """The next one."""
        return self._tokens[self._next]

    @property
    def after(self) -> Token:
        """The one after the next."""
        return self._tokens[min(self._next + 1, len(self._tokens) - 1)]

    @property
    def ended(self) -> bool:
        """Whether all are read."""
        return self.now.sort is Sort.END

    @property
    def start(self) -> int:
        """Where the next one begins."""
        return self.now.start

    def take(self) -> Token:
        """Read the next one, which is not the end."""
        token = self.now
        self._next += 1
        return token

    def next_is(self, *words: str) -> bool:
        """Whether these words, or signs, come next."""
        coming = self._tokens[self._next : self._next + len(words)]
        return [token.text.lower() for token in coming if token.sort in {Sort.WORD, Sort.SIGN}] == [*words]

    def skip(self, *words: str) -> bool:
        """Read these words, or signs, if they come next; whether they did."""
        there = self.next_is(*words)
        self._next += len(words) if there else 0
        return there

    def expect(self, word: str, of: str) -> None:
        """Read a word, or sign, that must come next.

        Raises:
            ExpressionError: it does not.
        """
        if not self.skip(word):
            raise self.unexpected(f"`{word.upper()}` of {of}")

    def text_after(self, what: str) -> str:
        """Read a text that must come next.

        Raises:
            ExpressionError: something else does.
        """
        if self.now.sort is not Sort.TEXT:
            raise self.unexpected(f"a text in single quotes after {what}")
        return self.take().text

    def place(self, start: int) -> Place:
        """Name what was read from there on."""
        return place(self._text, start, self._tokens[self._next - 1].end)

    def unexpected(self, wanted: str) -> ExpressionError:
        """Say that something else was to come next."""
        shown = place(self._text, self.now.start, self.now.end).shown
        found = "it ends" if self.ended else f"`{shown}` stands"
        hint = "; a field of that name goes in double quotes" if is_reserved(self.now) else ""
        return ExpressionError(f"{found} where {wanted} should be{hint}", self.now.start + 1)


def is_reserved(token: Token) -> bool:
    """Whether a word belongs to the grammar, so that it is no field unless it stands in double quotes."""
    return token.sort is Sort.WORD and token.text.lower() in _RESERVED
