"""Secrets, read from their files.

Promises that no error shows what a file holds, nor its path: people paste a token where its file should be named.
Called at start, by the settings' check and by whoever makes a client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connector.errors import SettingError

if TYPE_CHECKING:
    from pathlib import Path

MAX_SECRET_BYTES: Final = 64 * 1024  # a token is a few kB, a chain of certificates some tens; a log file is neither


def read_secret(path: Path, key: str, *, lines: bool = False) -> str:
    """Returns what a secret's file holds, without the white space around it.

    Args:
        path: the file.
        key: the setting that names it, for the error.
        lines: whether it may have several lines, as a PEM key does.

    Raises:
        SettingError: it is missing, unreadable, empty, too large or not text.
    """
    problem = file_problem(path)
    if problem:
        raise SettingError(f"{key}: {problem}")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
        secret = content.decode().strip()
    except OSError as error:
        raise SettingError(f"{key}: the file cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SettingError(f"{key}: the file is not UTF-8 text; does it hold the secret and nothing else?") from None
    if not secret:
        raise SettingError(f"{key}: the file is empty; write the secret into it")
    if len(content) > MAX_SECRET_BYTES:
        raise SettingError(f"{key}: the file is larger than 64 KiB; does it hold the secret and nothing else?")
    if not lines and any(not character.isprintable() for character in secret):
        raise SettingError(f"{key}: the file has several lines or control characters; write the secret on one line")
    return secret


def has_lines(property_name: str) -> bool:
    """Returns whether the secret of one of librdkafka's properties may have several lines."""
    return property_name.endswith(".pem")


def file_problem(path: Path) -> str | None:
    """Returns why a path is not a file that could be read, in words, or None."""
    try:
        if path.is_file():
            return None
        return "is not a file" if path.exists() else "no such file; is it mounted where the setting says?"
    except (OSError, ValueError):  # ValueError: a NUL character in the path
        return "cannot be read; may the service's user enter that directory?"
