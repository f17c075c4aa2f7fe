"""One question for a batch's status over aiohttp: the thin edge between `following` and the network.

As strict as `client`: explicit time-outs, verified TLS, no redirect, no cookies, no more read than an answer can be.
Takes only an `Address`, which `addresses` gives, so that the token goes nowhere else.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from connector.target.client import CONNECT_TIMEOUT_S, beginning, tls_context
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
        self._token = token
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S),
            connector=aiohttp.TCPConnector(limit=1, ssl=tls_context(ca_file)),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "target-connector"},
        )

    async def ask(self, address: Address) -> Status:
        """See `following.StatusClient`."""
        headers = {} if self._token is None else {"Authorization": self._token.header()}
        # As Target wrote it, with nothing encoded anew; details are counts, and the rows that failed.
        url = URL(f"{address}{'&' if '?' in address else '?'}showDetails=true", encoded=True)
        try:
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                body = await beginning(response.content, MAX_STATUS_BYTES)
                now = datetime.now(UTC)
                return await asyncio.to_thread(read_status, response.status, response.headers, body, now)
        except (aiohttp.ClientError, OSError):  # TimeoutError is an OSError
            return Status(State.UNANSWERED)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
