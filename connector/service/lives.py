"""One life of the parts after the other, in one process: what a restart would do, minus the process.

While the service is blocked it waits here for a human: for `unblock`, or for a settings file that says something
else. A pipeline that gives up what is open (`StartOverError`) begins again after a wait that doubles. Starting over
shuts the parts down, which commits what is settled and leaves the group, and composes them anew; they read from the
committed offsets. `app` runs it; the admin port asks `unblock`.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import structlog

from connector.errors import BrakeError, FatalError, SettingError, StartOverError, blocked
from connector.service import events
from connector.service.composition import Heritage, compose
from connector.service.journal import Tee
from connector.service.life import live, shut_down
from connector.service.settings import describe
from connector.telemetry import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector.avro.stores import SchemaStore
    from connector.service.composition import Parts
    from connector.service.health import Health
    from connector.service.settings import Settings
    from connector.service.settings_watch import SettingsWatch
    from connector.telemetry import Telemetry

LOOK_S = 0.5  # how soon a human's word, or a changed file, is heard while blocked
LONGEST_WAIT_S = 60.0
FAILED_ROWS_TIMEOUT_S = 90.0  # a batch may be several of Target's, each of which waits for the budget
CALM_S = 300.0  # a life that lasted so long is no part of a storm
_OF_THE_PROCESS: Final = ("host", "port", "admin_port", "log_format")  # of `service`: as they were at start


@dataclass(frozen=True, slots=True)
class Again:
    """Another life.

    Attributes:
        why: for the log.
        released: records that the brake lets pass in it.
        wait_s: before it begins.
    """

    why: str
    released: int = 0
    wait_s: float = 0.0


class Storm:
    """How long to wait after lives that gave up, so that they do not follow each other without end."""

    def __init__(self) -> None:
        self._lives = 0  # in a row that gave up soon

    def wait_s(self, lasted_s: float) -> float:
        """A life gave up after so many seconds: 1 s, doubled for each that soon follows, 60 s at most."""
        self._lives = 1 if lasted_s >= CALM_S else self._lives + 1
        return min(LONGEST_WAIT_S, 2.0 ** min(self._lives - 1, 16))


class Lives:
    """Leads one life after the other."""

    def __init__(  # noqa: PLR0913 (what a life is made of, named)
        self,
        settings: Settings,
        telemetry: Telemetry,
        health: Health,
        *,
        schemas: SchemaStore | None,
        watch: SettingsWatch | None,
        clock: Callable[[], float],
    ) -> None:
        """Keep what lives are made of.

        Args:
            settings: of the first life.
            telemetry: who is told.
            health: knows whether the service is blocked.
            schemas: instead of the registry.
            watch: tells of changed settings; None if nothing can change them.
            clock: monotonic, in seconds.
        """
        self.settings = settings
        self._telemetry = telemetry
        self._health = health
        self._schemas = schemas
        self._watch = watch
        self._clock = clock
        self._log: Any = structlog.get_logger()
        self._release: int | None = None  # asked for, and not yet granted
        self._storm = Storm()
        self._numbers = count(1)  # of the batches
        self._parts: Parts | None = None  # of the life that is led

    def alive(self) -> bool:
        """Whether the consumer's thread lives, or is yet to be started."""
        return self._parts is None or self._parts.source.alive()

    def number_of(self, batch: str) -> int | None:
        """Our number of the followed batch that was sent as what Target calls so; None if there is none."""
        following = None if self._parts is None else self._parts.target.following
        found = None if following is None else following.find(batch)
        return None if found is None else found.number

    async def failed_rows(self, number: int) -> Sequence[str]:
        """The ids of a recent batch's rows that Target could not apply: personal data, for the operator's eyes.

        Raises:
            LookupError: it is none of the recent ones, or nothing is followed.
            TimeoutError: no call of the budget was free, or Target gave no status.
        """
        following = None if self._parts is None else self._parts.target.following
        if following is None:
            raise LookupError("no batch is followed now; see target.follow")
        async with asyncio.timeout(FAILED_ROWS_TIMEOUT_S):
            return await following.failed_rows(str(number))

    def unblock(self, records: int | None) -> int | None:
        """Start over, as a human asks for it.

        Args:
            records: that the brake lets pass then, if it was the brake that blocked; None for its own `of`.

        Returns:
            How many it lets pass, or None if the service is not blocked, so that there is nothing to do.
        """
        if not self._health.blocked():
            return None
        # A release that nobody needs would let the next misconfiguration empty a topic into the dead letters.
        reasons = () if self._parts is None else self._parts.pipeline.blocked_by
        braked = any(isinstance(reason, BrakeError) for reason in reasons)
        wished = self.settings.dead_letters.brake.of if records is None else records
        self._release = wished if braked else 0
        return self._release

    async def run(self, stop: asyncio.Event) -> None:
        """Live until `stop` is set and what is open is drained.

        Raises:
            SettingError: in the first life a setting, or a file it names, turned out to be wrong.
            FatalError: the process can't go on.
        """
        again = await self._live(stop, 0)
        while again is not None and not stop.is_set():
            await self._rest(again, stop)
            try:
                again = await self._live(stop, again.released)
            except SettingError as error:
                # At start that ends the process. Now it is alive, and may be what a changed schema or file brought.
                self._telemetry.trouble(Part.PIPELINE, blocked(error))
                again = await self._healed(stop)

    async def _live(self, stop: asyncio.Event, released: int) -> Again | None:
        """One life; returns what the next is to be like, or None if told to stop."""
        began, told = self._clock(), Tee(self._telemetry)
        async with AsyncExitStack() as opened:
            opened.callback(told.silence)  # a thread that outlives its life has nothing more to say
            parts = compose(self.settings, told, opened, Heritage(released, self._numbers), self._schemas)
            self._parts = parts
            left = False
            try:
                again = await self._lead(parts, stop)
            except StartOverError as error:
                again = Again(str(error), wait_s=self._storm.wait_s(self._clock() - began))
            finally:
                left = await shut_down(parts)
                self._parts = None
        if again is not None and not left:
            raise FatalError("the consumer did not leave its group in time, so the process can't start over in itself")
        return again

    async def _lead(self, parts: Parts, stop: asyncio.Event) -> Again | None:
        ending = asyncio.Event()
        living = asyncio.create_task(live(parts, ending))
        healing = asyncio.create_task(self._healed(stop))
        try:
            await asyncio.wait({living, healing}, return_when=asyncio.FIRST_COMPLETED)
            if living.done():
                living.result()
                raise FatalError("the parts ended without being told to")
            ending.set()
            await living
            return healing.result()
        finally:
            living.cancel()
            healing.cancel()
            await asyncio.gather(living, healing, return_exceptions=True)

    async def _healed(self, stop: asyncio.Event) -> Again | None:
        """Wait until a human has healed what blocks the service; None if told to stop."""
        while not await _set_within(stop, LOOK_S):
            if self._health.blocked():
                changed = await self._take_changes()
                release, self._release = self._release, None
                if changed or release is not None:
                    return Again("the settings file changed" if changed else "unblocked", release or 0)
        return None

    async def _take_changes(self) -> bool:
        """Take over what the settings file says, if it says something else; whether it does."""
        try:
            changed = None if self._watch is None else await asyncio.to_thread(self._watch.changed)
        except SettingError as error:
            self._log.warning(events.WARNED, text=f"the changed settings can't be used: {'; '.join(_lines(error))}")
            return False
        if changed is None:
            return False
        fixed = [name for name in _OF_THE_PROCESS if _differ(changed, self.settings, name)]
        if fixed:
            names = ", ".join(f"service.{name}" for name in fixed)
            self._log.warning(events.WARNED, text=f"{names}: changed in the file; only a restart changes it")
        self.settings = changed
        self._log.info(events.SETTINGS_CHANGED, settings=describe(changed))
        return True

    async def _rest(self, again: Again, stop: asyncio.Event) -> None:
        """Let everything be as at start, and wait for as long as the next life is to wait."""
        self._log.warning(events.STARTING_OVER, why=again.why, after_s=again.wait_s)
        self._health.start_over()
        for part in Part:
            self._telemetry.trouble(part, None)
        if again.wait_s:
            self._telemetry.trouble(Part.CONSUMER, f"starting over in {again.wait_s:.0f} s: {again.why}")
            await _set_within(stop, again.wait_s)


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait so long at most; whether it is set."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


def _lines(error: SettingError) -> list[str]:
    return str(error).splitlines()


def _differ(one: Settings, other: Settings, name: str) -> bool:
    return bool(getattr(one.service, name) != getattr(other.service, name))
