"""One call to the Bulk Profile Update API over aiohttp: the thin edge between `delivery` and the network.

Every time-out is explicit, TLS is always verified, a redirect is never followed (it would carry profiles and the
token to another host), cookies are not kept, and no more of an answer is read than an answer can be. Whatever happens,
the caller gets an `Answer`.
"""

from __future__ import annotations

import io
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import aiohttp

from connector.errors import SettingError
from connector.target.addresses import keeps_secrets
from connector.target.answer import Answer, Outcome, judge

if TYPE_CHECKING:
    from pathlib import Path

    from connector.target.auth import TokenFile

CONNECT_TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 64 * 1024  # Target's answers are under 1 kB; a proxy's error page may be longer, and is cut


class Client(Protocol):
    """What delivery needs of the network."""

    async def post(self, body: bytes) -> Answer:
        """Send one batch; never raises for what the network or Target does."""


class HttpClient:
    """Target's endpoint of one client code and API version."""

    def __init__(
        self,
        base_url: str,
        client: str,
        *,
        timeout_s: float,
        token: TokenFile | None = None,
        ca_file: Path | None = None,
    ) -> None:
        """Make a client; must be called on the running event loop.

        Args:
            base_url: scheme and host; the settings allow plain http for loopback addresses only.
            client: the client code, which is in the path as well as in the host.
            timeout_s: for one call from beginning to end.
            token: sent with every call, if given.
            ca_file: certificates to trust beside the system's own.

        Raises:
            SettingError: `ca_file` can't be used, or a token would go over plain http to another machine.
        """
        if token is not None and not keeps_secrets(base_url):  # the settings refuse any such address already
            raise SettingError("target.base_url: a token goes only over https; write https://")
        self._url = f"{base_url.rstrip('/')}/m2/{client}/v2/profile/batchUpdate"
        self._token = token
        self._timeout_s = timeout_s
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S),
            connector=aiohttp.TCPConnector(limit=1, ssl=tls_context(ca_file)),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "target-connector"},
        )

    async def post(self, body: bytes) -> Answer:
        """See Client."""
        headers = {} if self._token is None else {"Authorization": self._token.header()}
        try:
            # A stream, as aiohttp would copy bytes of over 1 MiB in one go, and warns of it.
            form = io.BytesIO(body)
            async with self._session.post(self._url, data=form, headers=headers, allow_redirects=False) as response:
                told = await beginning(response.content, MAX_ANSWER_BYTES)
                answer = judge(response.status, response.headers, told, datetime.now(UTC))
                if answer.outcome is Outcome.ACCEPTED and form.tell() < len(body):
                    return Answer(Outcome.UNAVAILABLE, f"{answer.text} before the batch was sent to its end")
                return answer
        except TimeoutError:
            return Answer(Outcome.UNAVAILABLE, f"no answer within {self._timeout_s:g} s, target.timeout")
        except (aiohttp.ClientError, OSError) as error:
            return Answer(Outcome.UNAVAILABLE, f"the call failed: {type(error).__name__}")

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """What is trusted: the system's authorities, and those of the file.

    Raises:
        SettingError: the file can't be used.
    """
    tls = ssl.create_default_context()
    if ca_file is not None:
        try:
            tls.load_verify_locations(cafile=ca_file)
        except OSError as error:  # ssl.SSLError is one
            msg = f"target.ca_file: {ca_file} is no PEM file of certificates; name one, or leave it out"
            raise SettingError(msg) from error
    return tls


async def beginning(content: aiohttp.StreamReader, max_bytes: int) -> bytes:
    """As much of an answer as is looked at; the total time-out bounds one that drips."""
    read = bytearray()
    async for piece in content.iter_any():
        read += piece
        if len(read) >= max_bytes:
            break
    return bytes(read[:max_bytes])
