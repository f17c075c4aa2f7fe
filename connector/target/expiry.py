"""When the token stops being accepted, as a file beside it says.

Target's token is opaque and lives for about 90 days, so only who made it knows its end; whoever mounts the token can
mount a time stamp beside it. Promises that a stamp which is replaced is noticed within a minute, and that one which
can't be read any more is told and not taken for a token that lasts. `composition` makes it, `app` runs the watch.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

from connector.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path
    from typing import NoReturn

    from connector.telemetry import Telemetry

LOOK_S: Final = 60.0
_MAX_BYTES: Final = 100  # a time stamp takes 20 to 35
_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


class ExpiryFile:
    """A time stamp that lives in a file."""

    def __init__(self, path: Path) -> None:
        """Read it for the first time.

        Raises:
            SettingError: the file is missing, unreadable, or holds something else.
        """
        self._path = path
        if self.read() is None:
            raise SettingError(
                "target.token_expires_file: cannot be read, or holds no time of RFC 3339; write one line such as"
                " 2027-02-22T09:00:00Z into it, or leave the setting out"
            )

    def read(self) -> datetime | None:
        """The time at which the token expires, with its zone; None while the file says none."""
        try:
            with self._path.open("rb") as file:
                text = file.read(_MAX_BYTES).decode().strip().upper()
            return datetime.fromisoformat(text) if _RFC_3339.fullmatch(text) else None
        except (OSError, ValueError):  # ValueError: no UTF-8, or a 30th of February
            return None


async def watch(
    file: ExpiryFile,
    telemetry: Telemetry,
    *,
    now: Callable[[], datetime],
    sleep: Callable[[float], Awaitable[None]],
) -> NoReturn:
    """Tell the expiry at once and then each minute, for ever.

    Args:
        file: read anew each time.
        telemetry: who is told.
        now: the current time with its zone.
        sleep: waits so many seconds.
    """
    while True:
        telemetry.token_expires(file.read(), now())
        await sleep(LOOK_S)
