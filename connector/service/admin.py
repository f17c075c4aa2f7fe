"""The admin port: what `status` and `unblock` ask, for this machine only.

It is bound to the loopback address. Since a browser on this machine could be led to it, by a name that resolves to
127.0.0.1 or by a foreign page's form, it answers only where `Host` is a loopback name, and changes something, or asks
Target, only with a header that no form can send and no foreign script may. Its own answers bear that header too, so
that the commands know them from those of another program on the port. `app` serves it.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from aiohttp import web

from connector.service.one_line import one_line
from connector.service.overview import shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from connector.service.overview import Overview

HOST: Final = "127.0.0.1"
HEADER: Final = "X-Target-Connector"
UNBLOCK: Final = "unblock"  # the header's value, by what is asked
IDS: Final = "ids"
MAX_BODY_BYTES: Final = 1024
MAX_RECORDS: Final = 1_000_000_000
_NOT_FOLLOWED: Final = (
    "that batch is not followed (any more): target.follow is off, it is not among the newest, or the service started"
    " over since"
)
_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_FRESH: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Lives(Protocol):
    """What the port asks of `lives`."""

    def unblock(self, records: int | None) -> int | None:
        """Start over; how many records the brake lets pass, or None if nothing is blocked."""

    def number_of(self, batch: str) -> int | None:
        """The number of a followed batch by Target's id of any of its parts, or by its number."""

    async def failed_rows(self, number: int) -> Sequence[str]:
        """The ids of a batch's rows that Target could not apply; LookupError, TimeoutError."""


def admin_app(overview: Overview, lives: Lives) -> web.Application:
    """Returns the pages: GET `/status`, GET `/status/{batch}` (`?ids=1` with the ids of failed rows), POST `/unblock`.

    Args:
        overview: knows what there is to tell.
        lives: does what is asked.
    """
    pages = _Pages(overview, lives)
    app = web.Application(middlewares=[_only_this_machine], client_max_size=MAX_BODY_BYTES)
    app.on_response_prepare.append(_sign)
    app.add_routes(
        [
            web.get("/status", pages.status),
            web.get("/status/{batch}", pages.batch),
            web.post("/unblock", pages.unblock),
        ]
    )
    return app


class _Pages:
    def __init__(self, overview: Overview, lives: Lives) -> None:
        self._overview = overview
        self._lives = lives

    async def status(self, _request: web.Request) -> web.Response:
        return web.json_response(self._overview.told(), headers=_FRESH)

    async def batch(self, request: web.Request) -> web.Response:
        name = request.match_info["batch"]
        number = self._lives.number_of(name)  # one batch of ours may be several of Target's, and the overview has one
        found = self._overview.batch(name if number is None else str(number))
        if found is None:
            return _refusal(404, "no such batch among the newest; `target-connector status` lists them")
        told = shown(found)
        if request.query.get("ids") == "1":
            if request.headers.get(HEADER) != IDS:  # it spends calls, and what it tells is personal
                return _refusal(403, f"the header {HEADER}: {IDS} is missing; use `target-connector status --ids`")
            try:
                told["failed_ids"] = list(await self._lives.failed_rows(found.number))
            except LookupError:
                return _refusal(404, _NOT_FOLLOWED)
            except TimeoutError as error:
                return _refusal(503, str(error) or "Target did not answer in time; ask again later")
        return web.json_response(told, headers=_FRESH)

    async def unblock(self, request: web.Request) -> web.Response:
        if request.headers.get(HEADER) != UNBLOCK:
            return _refusal(403, f"the header {HEADER}: {UNBLOCK} is missing; use `target-connector unblock`")
        try:
            records = _records(await request.read())
        except ValueError as error:
            return _refusal(400, str(error))
        released = self._lives.unblock(records)
        if released is None:
            return _refusal(409, "nothing is blocked")
        return web.json_response({"starting_over": True, "records": released}, status=202, headers=_FRESH)


async def _sign(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers[HEADER] = version("target-connector")


@web.middleware
async def _only_this_machine(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    if not _is_loopback(request.headers.get("Host", "")):
        return _refusal(403, f"ask {HOST} by its address")
    return await handler(request)


def _is_loopback(host: str) -> bool:
    try:
        return urlsplit(f"//{host}").hostname in _NAMES
    except ValueError:
        return False


def _records(body: bytes) -> int | None:
    """How many records the brake is to let pass.

    Raises:
        ValueError: the body is no such wish; its text says what one is.
    """
    if not body:
        return None
    try:
        wish = json.loads(body)
    except (ValueError, RecursionError):
        wish = None
    records = wish.get("records") if isinstance(wish, dict) and set(wish) <= {"records"} else 0
    if records is None or (type(records) is int and 1 <= records <= MAX_RECORDS):
        return records
    raise ValueError(f'the body must be empty or like {{"records": 10000}}, from 1 to {MAX_RECORDS}')


def _refusal(status: int, text: str) -> web.Response:
    return web.json_response({"error": one_line(text)}, status=status, headers=_FRESH)
