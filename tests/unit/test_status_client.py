"""The HTTP edge of following: the token reaches Target, over TLS or on this machine, and nobody else."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from connector.errors import SettingError
from connector.records import Partition
from connector.target.addresses import Address
from connector.target.auth import TokenFile
from connector.target.budget import Budget
from connector.target.following import Following
from connector.target.status import State
from connector.target.status_client import MAX_STATUS_BYTES, HttpStatusClient
from connector.target.watchlist import Ration, Watchlist
from connector.telemetry import Silent
from tests.served import dripping, server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

COMPLETE = "<response><status>complete</status><failedUpdates>0</failedUpdates></response>"
P0 = Partition("crm", 0)
PATH = "/m2/acme/profile/batchStatus?batchId=acme-1"
Seen = list[tuple[str, str, str | None]]


@asynccontextmanager
async def client(folder: Path, *, timeout_s: float = 5.0) -> AsyncIterator[HttpStatusClient]:
    (folder / "token").write_text("secret\n")
    made = HttpStatusClient(timeout_s=timeout_s, token=TokenFile(folder / "token"))
    try:
        yield made
    finally:
        await made.close()


def note(seen: Seen) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(request: web.Request) -> web.Response:
        seen.append((request.method, request.raw_path, request.headers.get("Authorization")))
        return web.Response(text=COMPLETE)

    return handler


async def test_a_question_is_a_get_with_details_and_the_token(tmp_path: Path) -> None:
    """The path and query are as Target wrote them, escapes included."""
    seen: Seen = []
    async with server(note(seen)) as url, client(tmp_path) as target:
        status = await target.ask(Address(f"{url}/m2/acme/profile/batchStatus?batchId=a%2Fb&m2Node=00"))
    assert status.state is State.COMPLETE
    path = "/m2/acme/profile/batchStatus?batchId=a%2Fb&m2Node=00&showDetails=true"
    assert seen == [("GET", path, "Bearer secret")]


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    """The token does not go where a redirect points, be it the same machine."""
    seen: Seen = []
    async with server(note(seen)) as elsewhere:

        async def handler(_request: web.Request) -> web.Response:
            return web.Response(status=302, headers={"Location": elsewhere + PATH, "Set-Cookie": "a=b"})

        async with server(handler) as url, client(tmp_path) as target:
            assert (await target.ask(Address(url + PATH))).state is State.UNANSWERED
    assert seen == []


async def test_an_answer_cannot_lead_the_token_elsewhere(tmp_path: Path) -> None:
    """Of all addresses that answers name, only those of the configured host and port get a call, or the token."""
    ours: Seen = []
    others: Seen = []
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        await asyncio.sleep(0)
        if now > 2000:
            raise asyncio.CancelledError

    async with server(note(ours)) as url, server(note(others)) as other, client(tmp_path) as target:
        budget, port = Budget(50), other.rpartition(":")[2]
        budget.share([P0], [P0], 0.0)
        following = Following(
            target,
            budget,
            Ration(50),
            Watchlist(60.0),
            Silent(),
            base_url=url,
            hold_s=60,
            clock=lambda: now,
            sleep=sleep,
        )
        following.share(1, 1)
        tricks = [
            other + PATH,
            f"http://localhost:{port}{PATH}",
            f"{url}@127.0.0.1:{port}{PATH}",
            f"http://127.0.0.1:{port}\\@{url.removeprefix('http://')}{PATH}",
            f"http://{url.removeprefix('http://')}#@127.0.0.1:{port}{PATH}",
            f"{url}{PATH}\r\nHost: 127.0.0.1:{port}",
        ]
        for number, trick in enumerate((*tricks, url + PATH)):
            following.accepted(trick)
            following.close(number, 1, lambda _: None)
        with pytest.raises(asyncio.CancelledError):
            await following.run()
    assert others == []
    assert ours == [("GET", f"{PATH}&showDetails=true", "Bearer secret")]


async def test_an_address_over_tls_is_never_asked_in_plain_text(tmp_path: Path) -> None:
    """Where TLS fails the question has no answer; nothing of it, not even the token, was readable on the way."""
    heard = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(65536))
        writer.close()

    listening = await asyncio.start_server(listen, "127.0.0.1", 0, family=socket.AF_INET)
    async with listening, client(tmp_path) as target:
        port = listening.sockets[0].getsockname()[1]
        status = await target.ask(Address(f"https://127.0.0.1:{port}{PATH}"))
    assert status.state is State.UNANSWERED
    assert heard
    assert b"secret" not in heard
    assert b"batchStatus" not in heard


async def test_an_answer_that_drips_or_never_comes_ends_in_time(tmp_path: Path) -> None:
    """The time-out is for the whole question."""
    async with server(dripping) as url, client(tmp_path, timeout_s=0.3) as target:
        assert (await target.ask(Address(url + PATH))).state is State.UNANSWERED


async def test_nobody_listening_is_an_answer(tmp_path: Path) -> None:
    """The batch is asked for again later."""
    async with client(tmp_path) as target:
        assert (await target.ask(Address(f"http://127.0.0.1:9{PATH}"))).state is State.UNANSWERED


async def test_a_huge_answer_is_not_read_to_its_end(tmp_path: Path) -> None:
    """A list of failed rows without end is cut, and the batch's end is known all the same."""
    row = b"<profile><id>a</id><status>failed</status></profile>" * 10_000
    sent = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            await response.write(b"<response><status>complete</status>")
            while sent < 20 * MAX_STATUS_BYTES:
                await response.write(row)
                sent += len(row)
        except ConnectionError:
            pass
        return response

    async with server(handler) as url, client(tmp_path) as target:
        status = await target.ask(Address(url + PATH))
    assert status.state is State.COMPLETE
    assert status.failed > 10_000
    assert sent < 20 * MAX_STATUS_BYTES


async def test_certificates_that_are_none_are_said_at_once(tmp_path: Path) -> None:
    """A CA file that is no PEM names the setting."""
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(SettingError, match=r"target\.ca_file"):
        HttpStatusClient(timeout_s=1.0, ca_file=tmp_path / "ca.pem")
