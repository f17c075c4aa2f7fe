"""One call to Target over aiohttp, as strict for a batch as for a question: what `client` and `status_client` share.

Every time-out is explicit, TLS is always verified, a redirect is never followed (it would carry profiles and the
token to another host), cookies are not kept, and no more of an answer is read, after decompression, than an answer
can be.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import aiohttp

from connector.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from yarl import URL

    from connector.target.auth import TokenFile

CONNECT_TIMEOUT_S = 10.0
FAILURES = (aiohttp.ClientError, OSError)  # of a call; TimeoutError is an OSError


_WRITE_BYTES: Final = 1 << 16  # handed to the connection at a time: what it holds back until it has room


class Body(Protocol):
    """What is sent."""

    def __len__(self) -> int:
        """How many bytes all pieces have."""

    def pieces(self) -> Iterator[bytes]:
        """All of it; a thread asks for each."""


class Reply(NamedTuple):
    """What came back.

    Attributes:
        status: of HTTP.
        headers: by their names, in whatever case.
        body: its beginning.
        sent_bytes: so much of the data was sent by then.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent_bytes: int


class Session:
    """Connections to Target; one call at a time."""

    def __init__(
        self, *, timeout_s: float, token: TokenFile | None = None, ca_file: Path | None = None, content_type: str = ""
    ) -> None:
        """Make a session; must be called on the running event loop.

        Args:
            timeout_s: for one call from beginning to end, so it bounds an answer that drips.
            token: sent with every call, if given; the caller sees to it that it goes to nobody else.
            ca_file: certificates to trust beside the system's own.
            content_type: of what is sent, if anything is.

        Raises:
            SettingError: `ca_file` can't be used.
        """
        self._token = token
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S),
            connector=aiohttp.TCPConnector(limit=1, ssl=tls_context(ca_file)),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "target-connector"} | ({"Content-Type": content_type} if content_type else {}),
        )

    async def call(self, method: str, url: str | URL, *, max_bytes: int, data: Body | None = None) -> Reply:
        """Send one request and read the beginning of its answer.

        Args:
            method: of HTTP.
            url: of Target.
            max_bytes: of the answer's body, after decompression; the rest is not read.
            data: what to send.

        Raises:
            TimeoutError: it took too long.
            aiohttp.ClientError, OSError: it failed; see `FAILURES`.
        """
        headers = {} if self._token is None else {"Authorization": self._token.header()}
        form = None if data is None else _Form(data)
        if data is not None:
            headers["Content-Length"] = str(len(data))
        async with self._session.request(method, url, data=form, headers=headers, allow_redirects=False) as response:
            body = await _beginning(response.content, max_bytes)
            # At the end of an answer aiohttp stops to send, so this stays what it is.
            return Reply(response.status, response.headers, body, 0 if form is None else form.sent_bytes)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


class _Form:
    """Bytes on their way: each piece is made, beside the event loop, when the one before is with the connection."""

    def __init__(self, data: Body) -> None:
        self.sent_bytes = 0
        self._pieces = data.pieces()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await asyncio.to_thread(next, self._pieces, None)) is not None:
            for first in range(0, len(piece), _WRITE_BYTES):
                part = piece[first : first + _WRITE_BYTES]
                self.sent_bytes += len(part)
                yield part


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


async def _beginning(content: aiohttp.StreamReader, max_bytes: int) -> bytes:
    read = bytearray()
    async for piece in content.iter_any():
        read += piece
        if len(read) >= max_bytes:
            break
    return bytes(read[:max_bytes])
