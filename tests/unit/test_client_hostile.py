"""A hostile server: whatever it sends, the client answers in time, in little memory, and tells its token nobody else.

Raw sockets, since a web framework would not send what these do. Each behaviour is a function that is given the
connection after the request's head was read.
"""

from __future__ import annotations

import asyncio
import gzip
import time
import tracemalloc
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from connector.target.addresses import Address
from connector.target.answer import Outcome
from connector.target.auth import TokenFile
from connector.target.client import HttpClient
from connector.target.status import State
from connector.target.status_client import HttpStatusClient
from tests.lines import Text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

TIMEOUT_S = 1.0
HANG_S = 20.0  # far above the time-out, as a busy machine is slow; what hangs does so for ever
MOST_BYTES = 8_000_000  # aiohttp's and the server's buffers, with room; the answers would be 100 MB and more
BODY = b"batch=thirdPartyId,a\n1,x"
XML = b"<response><success>true</success><batchStatus></batchStatus><message>ok</message></response>"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(XML), XML)
GZIPPED_ZEROS = gzip.compress(bytes(10_000_000))


@asynccontextmanager
async def listening(behaviour: Behaviour, *, body: bytes = b"") -> AsyncIterator[tuple[str, list[bytes]]]:
    """The address of a server that behaves so, and the heads of the requests that it got.

    Where the request has no body, as a question for a status, the behaviour may be shown one.
    """
    heads: list[bytes] = []
    serving: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            if body:
                reader.feed_data(body)
            await behaviour(reader, writer)
        with suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**16)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heads
    finally:
        server.close()
        await asyncio.gather(*(task for task in serving if task))  # each ends once the client has hung up


@asynccontextmanager
async def client(url: str, token: TokenFile | None = None) -> AsyncIterator[HttpClient]:
    made = HttpClient(url, "acme", timeout_s=TIMEOUT_S, token=token)
    try:
        yield made
    finally:
        await made.close()


def sends(*pieces: bytes, repeat: int = 1) -> Behaviour:
    """Reads the body, then sends this and closes."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(BODY))
        for _ in range(repeat):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()

    return behave


def then(first: bytes, again: bytes, times: int) -> Behaviour:
    """Reads the body, then sends one thing once and another many times."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await sends(first)(reader, writer)
        for _ in range(times):
            writer.write(again)
            await writer.drain()

    return behave


async def says_nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()  # until the client gives up


async def hangs_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def resets_after(sent: bytes) -> Behaviour:
    """Sends the beginning of an answer, then resets the connection."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await sends(sent)(reader, writer)
        writer.transport.abort()

    return behave


def drips(text: bytes) -> Behaviour:
    """Sends one byte at a time, far slower than the time-out allows."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(BODY))
        for byte in text:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(TIMEOUT_S / 10)

    return behave


HEAD = b"HTTP/1.1 200 OK\r\n"
LINE = b"X-Flood: " + b"y" * 1000 + b"\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GZIPPED = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(GZIPPED_ZEROS), GZIPPED_ZEROS)
HOSTILE = [
    pytest.param(says_nothing, id="no answer at all"),
    pytest.param(hangs_up, id="a reset in place of an answer"),
    pytest.param(resets_after(HEAD), id="a reset in the head"),
    pytest.param(resets_after(HEAD + b"Content-Length: 100\r\n\r\n<resp"), id="a reset in the body"),
    pytest.param(drips(OK), id="a head that drips"),
    pytest.param(then(HEAD + b"\r\n", b"x" * 65536, 1600), id="100 MB"),
    pytest.param(then(CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n", 1600), id="100 MB in chunks"),
    pytest.param(then(CHUNKED, b"1;" + b"x" * 65536, 1600), id="a chunk extension without an end"),
    pytest.param(sends(CHUNKED + b"FFFFFFFFFFFFFFFFFFFFFFFF\r\nxx"), id="a chunk larger than memory"),
    pytest.param(sends(CHUNKED + b"zz\r\nnonsense\r\n0\r\n\r\n"), id="chunks of garbage"),
    pytest.param(then(CHUNKED + b"0\r\n", LINE, 100_000), id="trailers without an end"),
    pytest.param(then(HEAD, LINE, 100_000), id="headers without an end"),
    pytest.param(then(HEAD + b"X: ", b"y" * 65536, 1600), id="a header line without an end"),
    pytest.param(then(b"HTTP/1.1 200 ", b"y" * 65536, 1600), id="a status line without an end"),
    pytest.param(then(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 1000, 5_000), id="provisional answers without an end"),
    pytest.param(sends(GZIPPED), id="a gzip bomb"),
    pytest.param(sends(HEAD + b"Content-Encoding: gzip\r\n\r\nno gzip"), id="a compression that is none"),
    pytest.param(sends(HEAD + b"Content-Length: -1\r\n\r\n" + XML), id="a negative length"),
    pytest.param(sends(HEAD + b"Content-Length: 5\r\nContent-Length: 9\r\n\r\n" + XML), id="two lengths"),
    pytest.param(sends(HEAD + b"Content-Length: 99999\r\n\r\n" + XML), id="less than the length"),
    pytest.param(sends(b"\x16\x03\x01\x02\x00\x01\x00" * 100), id="TLS on the plain port"),
    pytest.param(sends(b"<response><success>true</success></response>"), id="an answer without a head"),
    pytest.param(sends(b"HTTP/9.9 200 OK\r\n\r\n" + XML), id="a version that does not exist"),
    pytest.param(sends(b"HTTP/1.1 000 \r\n\r\n"), id="a status of zero"),
    pytest.param(sends(b"HTTP/1.1 99999 Much\r\n\r\n"), id="a status of five digits"),
    pytest.param(sends(HEAD + b"Set-Cookie: " + b"a=b;" * 1500 + b"\r\n\r\n"), id="a strange cookie"),
]  # fmt: skip


@pytest.mark.parametrize("behaviour", HOSTILE)
async def test_a_hostile_answer_means_to_send_again(behaviour: Behaviour) -> None:
    """It is neither an acceptance nor an error: in time, and in little memory, Target counts as not available."""
    async with listening(behaviour) as (url, _), client(url) as target:
        tracemalloc.start()
        try:
            began = time.monotonic()
            answer = await target.post(Text(BODY))
            took_s = time.monotonic() - began
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert answer.outcome is Outcome.UNAVAILABLE
    assert took_s < HANG_S
    assert peak_bytes < MOST_BYTES


@pytest.mark.parametrize("behaviour", HOSTILE)
async def test_a_hostile_answer_is_no_status(behaviour: Behaviour) -> None:
    """The same of a batch's status: in time, and in little memory, it is asked for again later."""
    async with listening(behaviour, body=BODY) as (url, _):
        asking = HttpStatusClient(timeout_s=TIMEOUT_S)
        tracemalloc.start()
        try:
            began = time.monotonic()
            status = await asking.ask(Address(f"{url}/m2/acme/profile/batchStatus?batchId=acme-1"))
            took_s = time.monotonic() - began
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            await asking.close()
    assert status.state is State.UNANSWERED
    assert took_s < HANG_S
    assert peak_bytes < MOST_BYTES


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n" + XML, id="HTTP/1.0, ended by closing"),
        pytest.param(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, id="after two others"
        ),
        pytest.param(HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(XML), id="compressed unasked"),
        pytest.param(CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in XML) + b"0\r\n\r\n", id="byte by byte"),
        pytest.param(
            HEAD + b"Content-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(XML) + XML, id="as a picture"
        ),
    ],
)
async def test_an_odd_acceptance_is_one(answer: bytes) -> None:
    """An acceptance in a form that HTTP allows, however unusual, is not sent again."""
    async with listening(sends(answer)) as (url, _), client(url) as target:
        assert (await target.post(Text(BODY))).outcome is Outcome.ACCEPTED


async def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_batch() -> None:
    """A second answer on the same connection, sent in advance, settles nothing: the next batch has its own call."""
    failing = b"HTTP/1.1 500 Error\r\nContent-Length: 0\r\n\r\n"
    async with listening(sends(failing + OK + OK)) as (url, heads), client(url) as target:
        assert (await target.post(Text(BODY))).outcome is Outcome.UNAVAILABLE
        await asyncio.sleep(0)
        await target.post(Text(BODY))
    assert len(heads) == 2


LARGE = BODY + b"x" * 5_000_000


@pytest.mark.parametrize("reads_on", [False, True], ids=["and reads no more", "and then reads the rest"])
async def test_an_acceptance_of_half_a_batch_is_none(*, reads_on: bool) -> None:
    """Target has not read the batch when it says so, whatever it says: nothing is settled."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(100_000)
        writer.write(OK)
        await writer.drain()
        if reads_on:
            await asyncio.sleep(TIMEOUT_S / 10)  # the client has the answer by then
            await reader.read()

    async with listening(behave) as (url, _), client(url) as target:
        assert (await target.post(Text(LARGE))).outcome is Outcome.UNAVAILABLE


async def test_a_batch_too_large_to_be_read_is_halved() -> None:
    """413 in the middle of the body, the rest being thrown away, is the answer and no failed call."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(100_000)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        await reader.read()

    async with listening(behave) as (url, _), client(url) as target:
        assert (await target.post(Text(LARGE))).outcome is Outcome.TOO_LARGE


async def test_a_server_that_reads_nothing_is_left_in_time() -> None:
    """A batch that nobody reads does not hold the road for longer than the time-out."""

    async def behave(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await stopped.wait()

    stopped = asyncio.Event()
    async with listening(behave) as (url, _), client(url) as target:
        began = time.monotonic()
        assert (await target.post(Text(LARGE))).outcome is Outcome.UNAVAILABLE
        assert time.monotonic() - began < HANG_S
        stopped.set()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_the_token_and_the_batch_do_not_follow_a_redirect(tmp_path: Path, status: int) -> None:
    """Where a redirect points gets no call, whatever its status; Target, named as misconfigured, blocks."""
    file = tmp_path / "token"
    file.write_text("t0ken")
    async with listening(sends(OK)) as (elsewhere, calls):
        location = elsewhere.replace("127.0.0.1", "localhost").encode()
        redirect = b"HTTP/1.1 %d Moved\r\nLocation: %b/x\r\nContent-Length: 0\r\n\r\n" % (status, location)
        async with listening(sends(redirect)) as (url, heads), client(url, TokenFile(file)) as target:
            assert (await target.post(Text(BODY))).outcome is Outcome.MISCONFIGURED
    assert calls == []
    assert [b"Bearer t0ken" in head for head in heads] == [True]


async def test_a_cookie_is_not_kept() -> None:
    """What an answer wants kept is not sent with the next batch."""
    cookie = b"HTTP/1.1 500 E\r\nSet-Cookie: tracked=1; Path=/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with listening(sends(cookie)) as (url, heads), client(url.replace("127.0.0.1", "localhost")) as target:
        await target.post(Text(BODY))
        await target.post(Text(BODY))
    assert [b"tracked" in head for head in heads] == [False, False]
