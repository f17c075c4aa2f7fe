"""Tokens to the tree, by recursive descent; `docs/expressions.md` has the grammar.

What needs no rule of its own is written in terms of others: BETWEEN, NOT IN, and the CASE with a value to compare.
Whatever is wrong is told with its place.
"""

from __future__ import annotations

import difflib
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from connector.profiles.expressions import casts, functions, operators, signatures
from connector.profiles.expressions.tokens import Sort, Token, Tokens, is_reserved
from connector.profiles.expressions.tree import MAX_DEPTH, Call, ExpressionError, Field, Literal, Node, call

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_DIGITS: Final = 18  # of a number: such a one fits 64 bits, and a decimal of 38 digits whatever its scale
_COMPARISONS: Final = frozenset({"=", "<>", "!=", "<", "<=", ">", ">="})
_CONSTANTS: Final = {"null": None, "true": True, "false": False}

# What other databases call it.
_ELSEWHERE: Final = {
    "concat": "write a || b",
    "substring": "write substr(text, first, count)",
    **dict.fromkeys(("ifnull", "nvl", "isnull"), "write coalesce(value, default)"),
    **dict.fromkeys(("if", "iif", "decode", "lookup"), "write CASE WHEN condition THEN value ELSE value END"),
    **dict.fromkeys(("to_char", "date_format", "format_date", "format_timestamp"), "write strftime(when, format)"),
    **dict.fromkeys(("to_timestamp", "from_unixtime", "epoch_ms"), "write from_epoch(number, unit)"),
}


def parse(expression: str) -> Node:
    """Make the tree of an expression.

    Raises:
        ExpressionError: it is none.
    """
    if not expression.strip():
        raise ExpressionError("is empty; write an expression, such as lower(email)")
    return _Parser(expression).whole()


class _Parser:
    """Reads one expression."""

    def __init__(self, expression: str) -> None:
        self._tokens = Tokens(expression)
        self._depth = 0

    def _call(self, name: str, start: int, *arguments: Node) -> Call:
        return call(name, arguments, self._tokens.place(start))

    def whole(self) -> Node:
        found = self._expression()
        if not self._tokens.ended:
            raise self._tokens.unexpected("the end, or an operator")
        return found

    # The grammar, from what binds least.

    def _expression(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(f"has more than {MAX_DEPTH} levels inside each other", self._tokens.start + 1)
        found = self._joined("or")
        self._depth -= 1
        return found

    def _joined(self, word: str) -> Node:
        start = self._tokens.start
        parts = [self._joined("and") if word == "or" else self._negatable()]
        while self._tokens.skip(word):
            parts.append(self._joined("and") if word == "or" else self._negatable())
        return self._call(word, start, *parts) if len(parts) > 1 else parts[0]

    def _negatable(self) -> Node:
        start = self._tokens.start
        return self._call("not", start, self._compared()) if self._tokens.skip("not") else self._compared()

    def _compared(self) -> Node:
        start = self._tokens.start
        value = self._concatenated()
        if self._tokens.now.sort is Sort.SIGN and self._tokens.now.text in _COMPARISONS:
            name = self._tokens.take().text.replace("!=", "<>")
            return self._call(name, start, value, self._concatenated())
        if self._tokens.skip("is"):
            negated = self._tokens.skip("not")
            self._tokens.expect("null", "IS NULL")
            tested: Call | None = self._call("is null", start, value)
        else:
            negated = self._tokens.skip("not")
            tested = self._tested(value, start)
        if tested is None:
            if negated:
                raise self._tokens.unexpected("IN, LIKE or BETWEEN after NOT")
            return value
        return self._call("not", start, tested) if negated else tested

    def _tested(self, value: Node, start: int) -> Call | None:
        if self._tokens.skip("in"):
            self._tokens.expect("(", "IN (…)")
            members = self._listed(self._member)
            return self._call("in", start, value, *members)
        if self._tokens.skip("like"):
            at = self._tokens.start
            pattern = Literal(self._tokens.text_after("LIKE"), self._tokens.place(at))
            operators.check_pattern(pattern)
            return self._call("like", start, value, pattern)
        if self._tokens.skip("between"):
            low = self._concatenated()
            self._tokens.expect("and", "BETWEEN … AND …")
            high = self._concatenated()
            return self._call("and", start, self._call(">=", start, value, low), self._call("<=", start, value, high))
        return None

    def _listed(self, item: Callable[[], Node]) -> list[Node]:
        """What stands between parentheses, of which the first is taken already; at least one."""
        found = [item()]
        while self._tokens.skip(","):
            found.append(item())
        self._tokens.expect(")", "the list")
        return found

    def _member(self) -> Node:
        at = self._tokens.now
        found = self._primary()
        if not isinstance(found, Literal) or found.value is None:
            raise ExpressionError("IN takes texts, numbers and dates, no fields and no NULL", at.start + 1)
        return found

    def _concatenated(self) -> Node:
        start = self._tokens.start
        parts = [self._zoned()]
        while self._tokens.skip("||"):
            parts.append(self._zoned())
        return self._call("||", start, *parts) if len(parts) > 1 else parts[0]

    def _zoned(self) -> Node:
        start = self._tokens.start
        value = self._primary()
        if not self._tokens.skip("at", "time", "zone"):
            return value
        at = self._tokens.start
        zone = Literal(self._tokens.text_after("AT TIME ZONE"), self._tokens.place(at))
        operators.check_zone(zone)
        return self._call("at time zone", start, value, zone)

    def _primary(self) -> Node:
        token = self._tokens.now
        if self._tokens.skip("("):
            found = self._expression()
            self._tokens.expect(")", "the parenthesis")
            return found
        if token.sort is Sort.TEXT:
            self._tokens.take()
            return Literal(token.text, self._tokens.place(token.start))
        if token.sort is Sort.NUMBER or self._tokens.next_is("-"):
            return self._number(token)
        if token.sort not in {Sort.WORD, Sort.NAME}:
            raise self._tokens.unexpected("a field, a value or a function")
        return self._worded(token)

    def _number(self, token: Token) -> Literal:
        sign = -1 if self._tokens.skip("-") else 1
        if self._tokens.now.sort is not Sort.NUMBER:
            raise self._tokens.unexpected("the digits of a number")
        digits = self._tokens.take().text
        if len(digits.replace(".", "")) > _MAX_DIGITS:
            raise ExpressionError(f"a number of more than {_MAX_DIGITS} digits", token.start + 1)
        return Literal(sign * (Decimal(digits) if "." in digits else int(digits)), self._tokens.place(token.start))

    def _worded(self, token: Token) -> Node:
        """What begins with a word: a constant, a CASE, a CAST, a date, a function, a field."""
        word = token.text.lower() if token.sort is Sort.WORD else ""
        after = self._tokens.after
        if word == "case":
            return self._case()
        if word in {"date", "timestamp"} and after.sort is Sort.TEXT:
            return self._moment(word)
        if word and after.sort is Sort.SIGN and after.text == "(" and not is_reserved(token):
            return self._cast() if word == "cast" else self._function()
        if word in _CONSTANTS:
            self._tokens.take()
            return Literal(_CONSTANTS[word], self._tokens.place(token.start))
        if is_reserved(token):
            raise self._tokens.unexpected("a field, a value or a function")
        return self._field()

    def _field(self) -> Field:
        start = self._tokens.start
        steps = [self._tokens.take().text]
        while self._tokens.skip("."):
            if self._tokens.now.sort not in {Sort.WORD, Sort.NAME}:
                raise self._tokens.unexpected("a field's name after the dot")
            steps.append(self._tokens.take().text)
        return Field(".".join(steps), self._tokens.place(start))

    def _moment(self, word: str) -> Literal:
        start = self._tokens.take().start
        text = self._tokens.take().text
        try:
            value = date.fromisoformat(text) if word == "date" else datetime.fromisoformat(text)
            if isinstance(value, datetime) and value.tzinfo is not None:
                value = value.astimezone(UTC)
        except (ValueError, OverflowError):
            form = "DATE '2024-01-31'" if word == "date" else "TIMESTAMP '2024-01-31T12:00:00Z'"
            raise ExpressionError(f"is not a {word}; write it as in {form}", start + 1) from None
        return Literal(value, self._tokens.place(start))

    def _case(self) -> Node:
        start = self._tokens.take().start
        compared = None if self._tokens.next_is("when") else self._expression()
        branches: list[Node] = []
        while self._tokens.skip("when"):
            at = self._tokens.start
            condition = self._expression()
            branches.append(condition if compared is None else self._call("=", at, compared, condition))
            self._tokens.expect("then", "CASE WHEN … THEN …")
            branches.append(self._expression())
        if not branches:
            raise self._tokens.unexpected("WHEN of CASE")
        default = self._expression() if self._tokens.skip("else") else Literal(None, self._tokens.place(start))
        self._tokens.expect("end", "CASE")
        return self._call("case", start, *branches, default)

    def _cast(self) -> Call:
        start = self._tokens.take().start
        self._tokens.expect("(", "CAST")
        value = self._expression()
        self._tokens.expect("as", "CAST(… AS …)")
        kind = casts.target(self._tokens.take())
        self._tokens.expect(")", "CAST(… AS …)")
        return self._call(f"cast as {kind}", start, value)

    def _function(self) -> Call:
        token = self._tokens.take()
        name = token.text.lower()
        if name not in functions.TABLE:
            raise ExpressionError(_unknown(name), token.start + 1)
        self._tokens.take()
        arguments = [] if self._tokens.skip(")") else self._listed(self._expression)
        function = functions.TABLE[name]
        found = call(name, tuple(arguments), self._tokens.place(token.start), function.uses)
        signatures.check(function, found)
        return found


def _unknown(name: str) -> str:
    remedy = _ELSEWHERE.get(name)
    near = difflib.get_close_matches(name, functions.TABLE, n=1)
    known = f"did you mean {near[0]}?" if near else f"there are {', '.join(functions.TABLE)}"
    return f"there is no function {name}; {remedy or known}"
