"""The exact bytes that would be posted, in files that only their owner can read.

Cut as the delivery cuts a batch that Target takes at once. Rows that are over a limit of Target's on their own are left
out and counted, as they would become dead letters.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from connector.errors import SettingError
from connector.target import batchfile, profile_size
from connector.target.search import Search

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from connector.records import Rows
    from connector.target.batchfile import Body

MODE = 0o600


def bodies(rows: Rows | None, id_type: str) -> tuple[list[Body], int]:
    """Give the bodies of these rows, one for each call, and how many rows are over a limit of Target's on their own."""
    if rows is None:
        return [], 0
    limits = batchfile.Limits(id_type)
    within = profile_size.split(rows)[0] if profile_size.may_be_over(rows) else rows
    fitting, _ = batchfile.oversized(within, limits)
    return list(_bodies(Search(fitting, limits), id_type)), rows.height - fitting.height


def _bodies(search: Search, id_type: str) -> Iterator[Body]:
    while (part := search.next()) is not None:
        body = batchfile.Body(part, id_type)
        search.accepted(len(body))
        yield body


def refuse_taken(file: Path) -> None:
    """See that a body can be written to this file, before anybody is asked anything.

    Raises:
        SettingError: it is there already, or there is no such folder.
    """
    if os.path.lexists(file):
        raise SettingError(f"--body: {file} is there already; name another file, or remove it")
    if not file.parent.is_dir():
        raise SettingError(f"--body: there is no folder {file.parent}; make it, or name another")


def write(made: Sequence[Body], file: Path) -> list[Path]:
    """Write each body into a file of its own: FILE, FILE.2 and so on; overwrites nothing.

    Raises:
        SettingError: a file is there already or can't be written.
    """
    files = [file if number == 1 else file.with_name(f"{file.name}.{number}") for number in range(1, len(made) + 1)]
    for body, path in zip(made, files, strict=True):
        try:
            # Never through a link, never over another file, and closed to others from the first byte on.
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "wb") as opened:
                opened.writelines(body.pieces())
        except OSError as error:
            raise SettingError(f"--body: {path} can't be written ({error.strerror}); name another file") from None
    return files
