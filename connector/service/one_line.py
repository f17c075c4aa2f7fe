"""Text of others on one line of ours.

Promises that no control character gets into a log, an error or a page: a line break there could forge an entry, an
escape sequence drive a terminal. Pure; called by the settings' errors, the logs and the health page.
"""

from __future__ import annotations


def one_line(text: object) -> str:
    """Returns the text with each character that cannot be printed as its escape: a backslash and its name."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in str(text)
    )
