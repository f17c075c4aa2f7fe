"""One question for a batch's status: the thin edge between `following` and the network.

As strict as a batch's call (see `session`). Takes only an `Address`, which `addresses` gives, so that the token goes
nowhere else.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from yarl import URL

from connector.target.session import FAILURES, Session
from connector.target.status import State, Status, read_status

if TYPE_CHECKING:
    from pathlib import Path

    from connector.target.addresses import Address
    from connector.target.auth import TokenFile

MAX_STATUS_BYTES = 1024 * 1024  # some 10,000 failed rows at 100 bytes each; of more, so many are counted


class HttpStatusClient:
    """Target's batchStatus."""

    def __init__(self, *, timeout_s: float, token: TokenFile | None = None, ca_file: Path | None = None) -> None:
        """Make a client; must be called on the running event loop.

        Args:
            timeout_s: for one question from beginning to end.
            token: sent with every question, if given.
            ca_file: certificates to trust beside the system's own.

        Raises:
            SettingError: `ca_file` can't be used.
        """
        self._session = Session(timeout_s=timeout_s, token=token, ca_file=ca_file)

    async def ask(self, address: Address) -> Status:
        """See `following.StatusClient`."""
        # As Target wrote it, with nothing encoded anew; details are counts, and the rows that failed.
        url = URL(f"{address}{'&' if '?' in address else '?'}showDetails=true", encoded=True)
        try:
            reply = await self._session.call("GET", url, max_bytes=MAX_STATUS_BYTES)
        except FAILURES:
            return Status(State.UNANSWERED)
        return await asyncio.to_thread(read_status, reply.status, reply.headers, reply.body, datetime.now(UTC))

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
