"""Values for human eyes, without what they say: each character becomes the kind that it is of.

Pure; called wherever a sample of a value is shown and nobody asked for values.
"""

from __future__ import annotations

from typing import Final

from connector.service.one_line import one_line

WIDTH: Final = 32  # characters of a sample
_KEPT: Final = frozenset(" !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def mask(text: str) -> str:
    """Give `x` for a letter, `X` for a capital, `9` for a digit; ASCII's punctuation stays, all else is `?`.

    What is left to be seen is the length, up to WIDTH, and the form: an address of e-mail, a date, a code.
    """
    return shortened("".join(map(_kind, text[: WIDTH + 1])))


def plain(text: str) -> str:
    """Give the value itself, on one line and no longer than a sample may be."""
    return shortened(one_line(text[: WIDTH + 1]))


def shortened(text: str) -> str:
    """Cut a text to the length of a sample."""
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _kind(character: str) -> str:
    if character.isdecimal():
        return "9"
    if character.isalpha():
        return "X" if character.isupper() else "x"
    return character if character in _KEPT else "?"
