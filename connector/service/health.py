"""Is it alive, is it ready, and what is wrong: the state, and the pages that tell of it.

Promises that `/readyz` says 200 only once Kafka has answered with an assignment (which may be empty) and while no part
is in trouble, and otherwise names each trouble; and that `/livez` asks for a restart only when one would help. `app`
makes it, all parts tell it, from any thread; Kubernetes and Prometheus ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from connector.service.one_line import one_line
from connector.service.page.render import HEADERS
from connector.telemetry import Part, Silent

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.service.metrics import Metrics

_EXPOSITION_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus' text format
_FRESH: Final = {"Cache-Control": "no-store"}


class State(StrEnum):
    """How the service is, in a word."""

    STARTING = "starting"  # no assignment yet, and nothing wrong so far
    READY = "ready"
    WAITING = "waiting"  # a part is in trouble; goes on by itself
    BLOCKED = "blocked"  # waits for a human


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a part, in one line, and since when."""

    part: Part
    text: str
    since: datetime


class Health(Silent):
    """Keeps what decides readiness (see Telemetry); the rest of what it is told it lets pass."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """As at the beginning; `now` gives the time with its zone."""
        self._now = now
        self._lock = Lock()
        self._share: tuple[int, int | None] | None = None
        self._troubles: dict[Part, Trouble] = {}
        self._state = (State.STARTING, now())

    def assigned(self, partitions: int, all_partitions: int | None) -> None:
        """See Telemetry."""
        with self._lock:
            self._share = (partitions, all_partitions)
            self._note_state()

    def trouble(self, part: Part, text: str | None) -> None:
        """See Telemetry."""
        with self._lock:
            if text is None:
                self._troubles.pop(part, None)
            else:
                before = self._troubles.get(part)
                self._troubles[part] = Trouble(part, one_line(text), before.since if before else self._now())
            self._note_state()

    def _note_state(self) -> None:
        if Part.PIPELINE in self._troubles:
            state = State.BLOCKED
        elif self._troubles:
            state = State.WAITING
        else:
            state = State.STARTING if self._share is None else State.READY
        if state is not self._state[0]:
            self._state = (state, self._now())

    def state(self) -> tuple[State, datetime]:
        """How it is, and since when."""
        with self._lock:
            return self._state

    def troubles(self) -> list[Trouble]:
        """What is wrong, in the order of its beginning."""
        with self._lock:
            return sorted(self._troubles.values(), key=lambda trouble: trouble.since)

    def start_over(self) -> None:
        """As at the beginning: no assignment, no trouble."""
        with self._lock:
            self._share = None
            self._troubles.clear()
            self._note_state()

    def blocked(self) -> bool:
        """Whether it waits for a human."""
        with self._lock:
            return Part.PIPELINE in self._troubles

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Returns whether it is ready, and what `/readyz` tells: troubles by part, partitions owned and in all."""
        with self._lock:
            share, troubles = self._share, {str(part): one.text for part, one in self._troubles.items()}
        partitions, all_partitions = share or (None, None)
        ready = share is not None and not troubles
        return ready, {
            "ready": ready,
            "troubles": troubles,
            "partitions": partitions,
            "all_partitions": all_partitions,
        }


def web_app(health: Health, metrics: Metrics, alive: Callable[[], bool], page: Callable[[], str]) -> web.Application:
    """Returns the pages: `/` for people, `/livez`, `/readyz`, `/metrics` for machines; GET and HEAD.

    Args:
        health: answers for `/readyz`.
        metrics: what `/metrics` shows.
        alive: whether the consumer's thread lives; that the loop does, the answer itself shows.
        page: what `/` shows, as HTML.
    """

    async def front(_request: web.Request) -> web.Response:
        return web.Response(text=page(), content_type="text/html", headers=HEADERS)

    async def livez(_request: web.Request) -> web.Response:
        living = alive()
        return web.json_response({"alive": living}, status=200 if living else 503, headers=_FRESH)

    async def readyz(_request: web.Request) -> web.Response:
        ready, told = health.ready()
        return web.json_response(told, status=200 if ready else 503, headers=_FRESH)

    async def figures(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers=_FRESH | {"Content-Type": _EXPOSITION_TYPE})

    app = web.Application()
    app.add_routes(
        [
            web.get("/", front),
            web.get("/livez", livez),
            web.get("/readyz", readyz),
            web.get("/metrics", figures),
        ]
    )
    return app
