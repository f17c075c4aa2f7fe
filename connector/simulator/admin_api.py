"""The addresses that only this simulator has: fault switches, questions and the mbox call.

Owns everything below `/simulator/` and the status page; docs/simulator.md lists it. Never counted as calls to Target
and never authenticated, so the simulator belongs on a loopback address or in a test network. Built by `app`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aiohttp import web

from connector.errors import SettingError

if TYPE_CHECKING:
    from connector.simulator.account import Account
    from connector.simulator.faults import Faults

_PROFILES_PER_WRITE = 1000  # a few 100 kB at a time, and the loop gets its turn in between


class AdminApi:
    """Handlers of the simulator's own addresses.

    Args:
        account: the state they tell of.
        faults: what they switch.
        epoch_s: what to add to the account's clock for seconds since 1970.
    """

    def __init__(self, account: Account, faults: Faults, epoch_s: float) -> None:
        self._account = account
        self._faults = faults
        self._epoch_s = epoch_s

    def routes(self) -> list[web.RouteDef]:
        """The addresses with their handlers."""
        return [
            web.get("/", self._page),
            web.get("/simulator/summary", self._summary),
            web.get("/simulator/profiles", self._profiles),
            web.get("/simulator/profiles/{id}", self._profile),
            web.get("/simulator/written", self._written),
            web.get("/simulator/reversals", self._reversals),
            web.post("/simulator/mbox/{id}", self._visit),
            web.get("/simulator/faults", self._list_faults),
            web.post("/simulator/faults", self._add_fault),
            web.delete("/simulator/faults", self._clear_faults),
            web.put("/simulator/token", self._change_token),
        ]

    async def _page(self, _: web.Request) -> web.Response:
        lines = (f"{name}: {value}" for name, value in asdict(self._account.summary()).items())
        return web.Response(text="\n".join(("A simulated Adobe Target.", "", *lines, "")))

    async def _summary(self, _: web.Request) -> web.Response:
        return web.json_response(asdict(self._account.summary()))

    async def _profiles(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        profiles = self._account.profiles
        ids = list(profiles)  # profiles are never removed, so each is still there when its turn comes
        for start in range(0, len(ids), _PROFILES_PER_WRITE):
            lines = (_line(profile_id, profiles[profile_id]) for profile_id in ids[start : start + _PROFILES_PER_WRITE])
            await response.write("".join(lines).encode())
        await response.write_eof()
        return response

    async def _profile(self, request: web.Request) -> web.Response:
        profile_id, profiles = request.match_info["id"], self._account.profiles
        if profile_id not in profiles:
            return _problem("no such profile", 404)
        return web.json_response(text=_line(profile_id, profiles[profile_id]))

    async def _written(self, request: web.Request) -> web.Response:
        """What was written since row `since`, for a judge that looks every second."""
        profiles = self._account.profiles
        try:
            since = int(request.query.get("since", "0"))
        except ValueError:
            return _problem("since is not a number", 400)
        lines = (
            _line(profile_id, profiles[profile_id], highest_version=version)
            for profile_id, version in profiles.since(since)
        )
        text = "".join((json.dumps({"written": profiles.written}) + "\n", *lines))
        return web.Response(text=text, content_type="application/x-ndjson")

    async def _reversals(self, _: web.Request) -> web.Response:
        told = [
            {"newer_at": self._epoch_s + then, "older_at": self._epoch_s + at, "batch_id": batch_id, "rows": rows}
            for then, at, batch_id, rows in self._account.reversals()
        ]
        return web.json_response(told)

    async def _visit(self, request: web.Request) -> web.Response:
        self._account.visit(request.match_info["id"])
        return web.Response(status=204)

    async def _list_faults(self, _: web.Request) -> web.Response:
        return web.json_response([fault.model_dump() for fault in self._faults.active()])

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            self._faults.read(await request.json())
        except SettingError as error:
            return _problem(str(error), 400)
        except ValueError:
            return _problem("the body is not JSON", 400)
        return web.Response(status=204)

    async def _clear_faults(self, _: web.Request) -> web.Response:
        self._faults.clear()
        return web.Response(status=204)

    async def _change_token(self, request: web.Request) -> web.Response:
        """The body is the new token as plain text; an empty one switches authentication off."""
        self._account.token = await request.text() or None
        return web.Response(status=204)


def _line(profile_id: str, attributes: dict[str, str], **more: object) -> str:
    # ASCII, so that no reader takes one of Unicode's other line separators for the end of a line.
    return json.dumps({"id": profile_id, "attributes": attributes, **more}) + "\n"


def _problem(text: str, status: int) -> web.Response:
    problem: dict[str, Any] = {"error": text}
    return web.json_response(problem, status=status)
