"""The HTTP edge: whatever the network does, there is an answer, and the token goes nowhere else."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from connector.errors import SettingError
from connector.target.answer import Outcome
from connector.target.auth import TokenFile
from connector.target.client import MAX_ANSWER_BYTES, HttpClient
from tests.lines import Text
from tests.served import dripping, server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

OK = "<response><success>true</success><batchStatus></batchStatus><message>ok</message></response>"


@asynccontextmanager
async def client(base_url: str, *, timeout_s: float = 5.0, token: TokenFile | None = None) -> AsyncIterator[HttpClient]:
    made = HttpClient(base_url, "acme", timeout_s=timeout_s, token=token)
    try:
        yield made
    finally:
        await made.close()


async def test_a_batch_is_posted_as_a_form_to_version_two() -> None:
    """Method, path, content type and bytes are Adobe's."""
    seen: list[tuple[str, str, str, bytes, str | None]] = []

    async def handler(request: web.Request) -> web.Response:
        authorization = request.headers.get("Authorization")
        seen.append((request.method, request.path, request.content_type, await request.read(), authorization))
        return web.Response(text=OK)

    async with server(handler) as url, client(url) as target:
        answer = await target.post(Text(b"batch=thirdPartyId,a\n1,x"))
    assert answer.outcome is Outcome.ACCEPTED
    form = "application/x-www-form-urlencoded"
    assert seen == [("POST", "/m2/acme/v2/profile/batchUpdate", form, b"batch=thirdPartyId,a\n1,x", None)]


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    """Neither profiles nor the token go where a redirect points."""
    elsewhere: list[str] = []

    async def other(request: web.Request) -> web.Response:
        elsewhere.append(request.path)
        return web.Response(text=OK)

    async with server(other) as other_url:

        async def handler(_request: web.Request) -> web.Response:
            return web.Response(status=307, headers={"Location": other_url})

        async with server(handler) as url, client(url) as target:
            assert (await target.post(Text(b"batch="))).outcome is Outcome.MISCONFIGURED
    assert elsewhere == []


async def test_a_rotated_token_is_used_from_the_next_call_on(tmp_path: Path) -> None:
    """The token is read from its file at every call."""
    seen: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(text=OK)

    file = tmp_path / "token"
    file.write_text("first\n")
    async with server(handler) as url, client(url, token=TokenFile(file)) as target:
        await target.post(Text(b"batch="))
        file.write_text("second")
        await target.post(Text(b"batch="))
        file.write_text("half\na token")
        await target.post(Text(b"batch="))
        file.unlink()
        await target.post(Text(b"batch="))
    assert seen == ["Bearer first", "Bearer second", "Bearer second", "Bearer second"]


@pytest.mark.parametrize(
    ("content", "what"), [(None, "cannot be read"), ("", "empty"), (" \n", "empty"), ("a\nb", "line")]
)
def test_a_token_file_that_holds_no_token_is_said_at_once(tmp_path: Path, content: str | None, what: str) -> None:
    """A missing or empty token file names itself and the remedy."""
    if content is not None:
        (tmp_path / "token").write_text(content)
    with pytest.raises(SettingError, match=rf"target\.token_file: .*{what}"):
        TokenFile(tmp_path / "token")


async def test_a_token_is_not_taken_where_it_could_be_overheard(tmp_path: Path) -> None:
    """With a token, plain http to another machine is refused before anything is opened."""
    (tmp_path / "token").write_text("token")
    with pytest.raises(SettingError, match=r"target\.base_url: .*https"):
        HttpClient("http://acme.tt.omtrdc.net", "acme", timeout_s=1.0, token=TokenFile(tmp_path / "token"))


async def test_certificates_that_are_none_are_said_at_once(tmp_path: Path) -> None:
    """A CA file that is no PEM names the setting."""
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(SettingError, match=r"target\.ca_file"):
        HttpClient("https://acme.tt.omtrdc.net", "acme", timeout_s=1.0, ca_file=tmp_path / "ca.pem")


async def test_nobody_listening_is_an_answer() -> None:
    """A refused connection means that Target is not available."""
    async with client("http://127.0.0.1:9") as target:
        answer = await target.post(Text(b"batch="))
    assert answer.outcome is Outcome.UNAVAILABLE
    assert "the call failed" in answer.text


async def test_a_cut_connection_is_an_answer() -> None:
    """A connection that ends without an answer is sent again: the batch may or may not have been applied."""

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with server(handler) as url, client(url) as target:
        assert (await target.post(Text(b"batch="))).outcome is Outcome.UNAVAILABLE


async def test_an_answer_that_drips_ends_in_time() -> None:
    """The time-out is for the whole call, so an answer that never ends cannot hold the pipeline."""
    async with server(dripping) as url, client(url, timeout_s=0.3) as target:
        answer = await target.post(Text(b"batch="))
    assert answer.outcome is Outcome.UNAVAILABLE
    assert answer.text == "no answer within 0.3 s, target.timeout"


async def test_a_huge_answer_is_not_read_to_its_end() -> None:
    """Only the beginning of an answer is looked at."""
    sent = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while sent < 200 * MAX_ANSWER_BYTES:
                await response.write(b"x" * MAX_ANSWER_BYTES)
                sent += MAX_ANSWER_BYTES
        except ConnectionError:
            pass
        return response

    async with server(handler) as url, client(url) as target:
        assert (await target.post(Text(b"batch="))).outcome is Outcome.UNAVAILABLE
    assert sent < 200 * MAX_ANSWER_BYTES
