"""The bound of the registry's answers, which its client reads whole: laid around the stream that it reads from.

Promises that no more than `MAX_ANSWER_BYTES` of an answer are read, and that these stay so many: an answer is asked
for uncompressed and a compressed one, of which 1 kB may hold a megabyte, is not read at all. Called by
`registry_access` for each client that it makes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# The registry keeps a schema as JSON in a record of a topic, 1 MB by default (max.message.bytes), and answers about as
# much. Eight questions at once (registry_access) may hold so much each, and three times that while they are parsed.
MAX_ANSWER_BYTES: Final = 4_000_000
_PLAIN: Final = "identity"


class AnswerTooLargeError(ValueError):
    """An answer that is not read to its end; its text says why not."""


def bound(session: httpx2.AsyncClient) -> None:
    """Let this session read no more of any answer."""
    session.headers["Accept-Encoding"] = _PLAIN
    session.event_hooks = {"response": [_lay_bound]}  # called before the body is read


async def _lay_bound(response: httpx2.Response) -> None:
    if response.headers.get("Content-Encoding", _PLAIN).lower() != _PLAIN:
        raise AnswerTooLargeError("answers compressed, though asked not to")
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Bounded(response.stream)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read_bytes = 0
        async for piece in self._stream:
            read_bytes += len(piece)
            if read_bytes > MAX_ANSWER_BYTES:
                raise AnswerTooLargeError(f"answers more than {MAX_ANSWER_BYTES // 1_000_000} MB")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
