"""The bearer token: read from its file at every call, so that a rotated one is picked up without a restart.

At most a call a second is made, so reading a file of forty bytes each time costs nothing. Only `client` asks, and only
for a URL that may see the token.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from connector.errors import SettingError

if TYPE_CHECKING:
    from pathlib import Path

_MAX_BYTES: Final = 64 * 1024  # a token is 36 characters, or a few kB; a log file that is named by mistake is more


class TokenFile:
    """A token that lives in a file."""

    def __init__(self, path: Path) -> None:
        """Read the token for the first time.

        Raises:
            SettingError: the file is missing, unreadable or empty.
        """
        self._path = path
        try:
            token = self._read()
        except (OSError, UnicodeDecodeError) as error:
            msg = f"target.token_file: cannot be read ({type(error).__name__}); mount the file with the token"
            raise SettingError(msg) from error
        if not _usable(token):
            msg = "target.token_file: is empty, or more than one printable line; write the token into it"
            raise SettingError(msg)
        self._last = token

    def header(self) -> str:
        """The value of the `Authorization` header; the last token known while the file is being replaced."""
        # Unreadable while it is being replaced: the last token works, or is answered by 401 and asked for again.
        with contextlib.suppress(OSError, UnicodeDecodeError):
            token = self._read()
            if _usable(token):
                self._last = token
        return f"Bearer {self._last}"

    def _read(self) -> str:
        with self._path.open("rb") as file:
            return file.read(_MAX_BYTES).decode().strip()


def _usable(token: str) -> bool:
    """Whether it can stand in a header."""
    return bool(token) and token.isascii() and token.isprintable()
