"""The addresses that Adobe documents: batchUpdate and batchStatus in both versions, and Profile Fetch.

Owns the order of checks: the call is counted, its body read to the end, then limit, faults, client, token, headers,
body. Promises an answer to every request that is read, except where a fault cuts the connection, and no access log,
since addresses hold ids. Called by aiohttp; built by `app`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from aiohttp import hdrs, web

from connector.simulator import answers
from connector.simulator.body import MAX_BODY_BYTES, Batch, Refusal, RefusedError, parse
from connector.simulator.faults import INSTEAD, FaultKind, Faults, Path

if TYPE_CHECKING:
    from connector.simulator.account import Account
    from connector.simulator.answers import Answer


class AdobeApi:
    """Handlers of the documented addresses.

    Args:
        account: the state behind them.
        faults: what goes wrong on purpose.
        epoch_s: what to add to the account's clock for seconds since 1970.
    """

    def __init__(self, account: Account, faults: Faults, epoch_s: float) -> None:
        self._account = account
        self._faults = faults
        self._epoch_s = epoch_s

    def routes(self) -> list[web.RouteDef]:
        """The addresses with their handlers."""
        return [
            web.post("/m2/{client}/profile/batchUpdate", self._update_v1),
            web.post("/m2/{client}/v2/profile/batchUpdate", self._update_v2),
            web.get("/m2/{client}/profile/batchStatus", self._status),
            web.get("/m2/{client}/v2/profile/batchStatus", self._status),
            web.get("/rest/v1/profiles/thirdPartyId/{id}", self._fetch_by_third_party_id),
            web.get("/rest/v1/profiles/{id}", self._fetch_by_pc_id),
        ]

    async def _update_v1(self, request: web.Request) -> web.Response:
        return await self._update(request, create=False)

    async def _update_v2(self, request: web.Request) -> web.Response:
        return await self._update(request, create=True)

    async def _update(self, request: web.Request, *, create: bool) -> web.Response:
        admitted = self._account.call()
        try:
            body = await _read(request)
        except ConnectionError:
            return self._cut(request, "hung_up")
        rows = 0 if body is None else body.count(b"\n", 0, -1)  # one after each line but the last
        if (ended := await self._ended_early(request, "update", rows, admitted=admitted)) is not None:
            return ended
        if body is None:
            return self._answer("too_large", answers.TOO_LARGE)
        try:
            _check_headers(request)
            batch = await asyncio.to_thread(parse, body, self._account.options.decode)
            if self._faults.strike((FaultKind.POISON,), "update", rows, batch.rows):
                raise RefusedError(Refusal.POISON)  # noqa: TRY301 - one place counts and answers all refusals
        except RefusedError as refused:
            self._account.refuse(refused.reason)
            return self._answer("refused", answers.refused(str(refused)))
        return self._accept(request, batch, create=create)

    def _accept(self, request: web.Request, batch: Batch, *, create: bool) -> web.Response:
        rows = len(batch.rows)
        stuck = self._faults.strike((FaultKind.STUCK,), "update", rows) is not None
        batch_id = self._account.accept(batch, create=create, stuck=stuck, failing=self._failing(batch))
        if self._faults.strike((FaultKind.CUT_AFTER,), "update", rows) is not None:
            return self._cut(request, f"fault_{FaultKind.CUT_AFTER}")
        client, bare = self._account.options.client, self._account.options.bare_ampersand
        query = {"batchId": batch_id, "m2Node": "00"} if bare else {"batchId": batch_id}
        url = f"http://{request.host}/m2/{client}/profile/batchStatus?{urlencode(query)}"
        return self._answer("accepted", answers.accepted(url, escaped=not bare))

    def _failing(self, batch: Batch) -> list[str]:
        """The ids of the rows that a fault makes fail, each fault struck once."""
        ids = set(batch.rows)
        failing: list[str] = []
        while (fault := self._faults.strike((FaultKind.FAILED_ROW,), "update", len(batch.rows), ids)) is not None:
            failing.append(str(fault.profile_id))
            ids.discard(str(fault.profile_id))
        return failing

    async def _status(self, request: web.Request) -> web.Response:
        if (ended := await self._ended_early(request, "status", admitted=self._account.call())) is not None:
            return ended
        batch = self._account.status(request.query.get("batchId", ""))
        if batch is None or self._faults.strike((FaultKind.FORGOTTEN,), "status") is not None:
            return self._answer("unknown_batch", answers.UNKNOWN_BATCH)
        details = request.query.get("showDetails") == "true"
        return self._answer("status", answers.status_of(batch, details=details))

    async def _fetch_by_third_party_id(self, request: web.Request) -> web.Response:
        return self._fetch(request, "third party id")

    async def _fetch_by_pc_id(self, request: web.Request) -> web.Response:
        return self._fetch(request, "mboxPC")

    def _fetch(self, request: web.Request, kind: str) -> web.Response:
        # Not counted: Profile Fetch has a limit of its own (a million a day), which nobody meets here.
        client = self._account.options.client
        if request.query.get("client") != client:
            return _response(answers.UNKNOWN_CLIENT)
        if not self._authorized(request):
            return _response(answers.FORBIDDEN)
        profile_id, profiles = request.match_info["id"], self._account.profiles
        if profile_id not in profiles:
            return web.json_response(answers.no_profile(client, kind, profile_id), status=404)
        modified_at_s = self._epoch_s + profiles.modified(profile_id)
        return web.json_response(answers.profile(client, profile_id, profiles[profile_id], modified_at_s))

    async def _ended_early(
        self, request: web.Request, on: Path, rows: int = 0, *, admitted: bool
    ) -> web.Response | None:
        """The answer to a call of which no more needs to be looked at; None if it goes on."""
        if not admitted:
            return self._answer("over_budget", answers.OVER_BUDGET)
        if (ended := await self._strike(request, on, rows)) is not None:
            return ended
        if request.match_info["client"] != self._account.options.client:
            return self._answer("unknown_client", answers.UNKNOWN_CLIENT)
        if not self._authorized(request):
            return self._answer("forbidden", answers.FORBIDDEN)
        return None

    async def _strike(self, request: web.Request, on: Path, rows: int) -> web.Response | None:
        """Let the faults strike that come before anything is applied; None if the call goes on."""
        if (slow := self._faults.strike((FaultKind.SLOW,), on, rows)) is not None:
            await asyncio.sleep(slow.delay_s)
            if request.transport is None or request.transport.is_closing():
                return self._cut(request, "hung_up")
        if (fault := self._faults.strike(INSTEAD, on, rows)) is None:
            return None
        outcome = f"fault_{fault.kind}"
        return (
            self._cut(request, outcome)
            if fault.kind is FaultKind.CUT_BEFORE
            else self._answer(outcome, answers.of_fault(fault))
        )

    def _authorized(self, request: web.Request) -> bool:
        token = self._account.token
        return token is None or request.headers.get(hdrs.AUTHORIZATION) == f"Bearer {token}"

    def _answer(self, outcome: str, answer: Answer) -> web.Response:
        self._account.answered(outcome)
        return _response(answer)

    def _cut(self, request: web.Request, outcome: str) -> web.Response:
        self._account.answered(outcome)
        if request.transport is not None:
            request.transport.abort()
        return web.Response()  # goes nowhere: aiohttp finds the connection closed


def _response(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status, text=answer.text, content_type=answer.content_type, headers=answer.headers
    )


async def _read(request: web.Request) -> bytes | None:
    """The whole body, or None if it is over the limit; read to its end even then, so that the sender hears why."""
    body = bytearray()
    size = 0
    async for piece in request.content.iter_any():
        size += len(piece)
        if size < MAX_BODY_BYTES:
            body += piece
    return bytes(body) if size < MAX_BODY_BYTES else None


def _check_headers(request: web.Request) -> None:
    charset = (request.charset or "utf-8").lower()
    if request.content_type != "application/x-www-form-urlencoded" or charset != "utf-8":
        raise RefusedError(Refusal.CONTENT_TYPE)
    if hdrs.CONTENT_ENCODING in request.headers:
        raise RefusedError(Refusal.CONTENT_ENCODING)
