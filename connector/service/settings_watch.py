"""The settings file as it was read, and whether it says something else by now.

Promises that a file with problems is told once for each of its contents. Looks at the content and not at the file's
time or number, as Kubernetes changes a mounted ConfigMap by turning a symbolic link. Made by `cli`; asked by `lives`
while the service is blocked.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from connector.service.environment import FILE_VARIABLE
from connector.service.loading import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.service.settings import Settings


class SettingsWatch:
    """Remembers which content the settings were made of."""

    def __init__(self, path: Path | None, environ: Mapping[str, str]) -> None:
        """Take the arguments of `loading.load`; reads nothing yet."""
        self._path = path
        self._environ = environ
        named = path or environ.get(FILE_VARIABLE)
        self._file = None if named is None else Path(named)
        self._seen: bytes | None = None

    def load(self) -> Settings:
        """Read the settings now.

        Raises:
            SettingError: anything is wrong.
        """
        self._seen = self._digest()  # before the file is read: a change in between is seen at the next look
        return load(self._path, self._environ)

    def changed(self) -> Settings | None:
        """The settings, if the file's content is another than at the last look.

        Raises:
            SettingError: it is, and something is wrong with it.
        """
        return None if self._digest() == self._seen else self.load()

    def _digest(self) -> bytes | None:
        try:
            return None if self._file is None else sha256(self._file.read_bytes()).digest()
        except OSError:
            return None  # away, or about to be replaced
