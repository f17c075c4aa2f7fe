"""The play: a CRM writes, the service carries, Target fails for a while, and at the end everything is compared.

`run` is the whole story, `main` what the command calls. Writing 100,000 records takes 28 s, all of it under a minute.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from connector.errors import ConnectorError, FatalError
from connector.service import logs
from connector.service.demo import verdict
from connector.service.demo.evidence import Evidence
from connector.service.demo.feed import TOPIC, Feed, FeedOptions, drive
from connector.service.demo.progress import Figures, Rate
from connector.service.demo.screen import Screen
from connector.service.demo.stage import DEAD_LETTERS, PARTITIONS, stage
from connector.service.demo.truth import Truth
from connector.simulator.faults import FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from connector.service.demo.feed import Message, Shape
    from connector.service.demo.stage import Stage
    from connector.service.demo.verdict import Check

_EVENTS_PER_S: Final = 3_600.0  # 100,000 in 28 s
_OUTAGE_AT: Final = 0.35  # of the events
_FLUSH_TIMEOUT_S: Final = 20.0
_SETTLE_TIMEOUT_S: Final = 60.0  # after the last record; a batch takes 3 s, an outage 10
_LOOK_S: Final = 0.25
_FRAME_S: Final = 0.125


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """How large a demo.

    Attributes:
        events: records that the CRM writes.
        customers: of whom.
        seed: the same one gives the same records.
        keep: go on after the verdict until told to stop.
        shape: of the records.
    """

    events: int = 100_000
    customers: int = 20_000
    seed: int = 1
    keep: bool = False
    shape: Shape = "flat"


async def main(options: DemoOptions) -> int:
    """Run the demo on standard output until it ends, SIGTERM or Ctrl-C; gives the exit code.

    The service's log goes to a file, so that it does not scroll over the screen.
    """
    stop, screen = asyncio.Event(), Screen(sys.stdout)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _stop, stop, screen)
    log = tempfile.NamedTemporaryFile(  # noqa: SIM115 (open to the end of the process: the client's threads log to it)
        "w", prefix="target-connector-demo-", suffix=".log", encoding="utf-8", buffering=1, delete=False
    )
    logs.configure("console", stream=log)  # type: ignore[arg-type]  # a TextIO but for its name
    try:
        kept = await run(options, screen, stop)
    except ConnectorError as error:
        screen.say(f"error: {error}")
        kept = False
    screen.say(f"The service's log is in {log.name}")
    return 0 if kept else 1


def _stop(stop: asyncio.Event, screen: Screen) -> None:
    if stop.is_set():
        screen.restore()
        os._exit(1)  # asked twice: at once
    stop.set()


async def run(
    options: DemoOptions,
    screen: Screen,
    stop: asyncio.Event,
    *,
    judge: Callable[[Truth, Evidence], Sequence[Check]] = verdict.judge,
) -> bool:
    """Play it, and give whether every promise was kept; False too if it was stopped before the verdict.

    Args:
        options: how large.
        screen: where to show it.
        stop: set to stop.
        judge: compares at the end.

    Raises:
        ConnectorError: the service ended by itself, or the broker is full.
    """
    stopping = asyncio.create_task(stop.wait())
    async with stage(options.shape) as built:  # whose end raises what the service failed with
        play = _Play(built, options, screen)
        with screen.live():
            evidence = await _unless_stopped(play.run(), play.show_figures(), built.serving, stopping)
        if evidence is None:
            screen.say("Stopped before the verdict.")
            return False
        checks = await asyncio.to_thread(judge, play.truth, evidence)
        screen.verdict(checks)
        kept = all(check.kept for check in checks)
        screen.say(
            f"{'Every promise is kept' if kept else 'A promise is BROKEN'}, after {play.elapsed_s():.0f} seconds."
        )
        if options.keep:
            screen.say(f"Still running until Ctrl-C: {built.pages_url}/  {built.pages_url}/metrics")
            screen.say(f"Target as it sees itself: {built.target_url}/  {built.target_url}/simulator/profiles")
            await asyncio.wait({stopping, built.serving}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
    return kept


async def _unless_stopped(
    playing: Coroutine[Any, Any, Evidence],
    showing: Coroutine[Any, Any, None],
    serving: asyncio.Task[None],
    stopping: asyncio.Task[bool],
) -> Evidence | None:
    """Play to the end; None if stopped before. Whatever fails ends the others."""
    play, show = asyncio.create_task(playing), asyncio.create_task(showing)
    try:
        await asyncio.wait({play, show, serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (serving, show):
            if task.done():
                task.result()
                raise FatalError("the service ended before the demo did; see its log")
        return play.result() if play.done() else None
    finally:
        play.cancel()
        show.cancel()
        await asyncio.gather(play, show, return_exceptions=True)


@dataclass(slots=True)
class _Play:
    """One performance.

    Attributes:
        truth: what must come out, filled while the CRM writes.
    """

    stage: Stage
    options: DemoOptions
    screen: Screen
    truth: Truth = field(default_factory=Truth)
    _feed: Feed = field(init=False)
    _began: float = field(default_factory=time.monotonic)
    _produced: Rate = field(default_factory=Rate)
    _consumed: Rate = field(default_factory=Rate)

    def __post_init__(self) -> None:
        given = self.options
        self._feed = Feed(FeedOptions(given.events, given.customers, given.seed, _EVENTS_PER_S, given.shape))

    def elapsed_s(self) -> float:
        return time.monotonic() - self._began

    def _say(self, text: str) -> None:
        self.screen.say(text, self.elapsed_s())

    async def run(self) -> Evidence:
        """From the first record to the evidence."""
        self._say(f"Kafka is in this process: {self.stage.broker_address}, {PARTITIONS} partitions of {TOPIC}")
        self._say(
            f"Target is simulated: {self.stage.target_url}; the connector's health: {self.stage.pages_url}/readyz"
        )
        outage = asyncio.create_task(self._outage())
        try:
            await drive(self._feed, self.stage.registry, TOPIC, self, time.monotonic)
            await asyncio.to_thread(self.stage.producer.flush, _FLUSH_TIMEOUT_S)
            self._say(f"The CRM has written all {self.options.events:,} records; the last of them are on their way")
            committed = await self._settled()
            self.screen.show(self._figures())
        finally:
            outage.cancel()
        letters = await asyncio.to_thread(self.stage.witness.letters, DEAD_LETTERS)
        simulator = self.stage.simulator
        return Evidence(committed, letters, dict(simulator.profiles.items()), simulator.summary())

    def publish(self, message: Message) -> None:
        """See Outlet."""
        partition = zlib.crc32(message.key) % PARTITIONS
        self.stage.producer.produce(TOPIC, message.value, key=message.key, partition=partition)
        self.truth.note(partition, message)

    def registered(self, version: int, schema_id: int) -> None:
        """See Outlet."""
        what = "registers its schema" if version == 1 else "adds a field, preferred_channel, to its schema"
        self._say(f"The CRM {what}: version {version}, id {schema_id}")

    async def _outage(self) -> None:
        """Let Target fail in the middle: an answer that is lost, then server errors, then a throttle."""
        simulator = self.stage.simulator
        await _until(lambda: self._feed.produced >= _OUTAGE_AT * self.options.events)
        self._say("On purpose: Target takes the next batch, but cuts the connection instead of answering")
        simulator.faults.add(FaultKind.CUT_AFTER, times=1)
        await _until(lambda: not simulator.faults.active())
        self._say("On purpose: Target breaks down, with HTTP 500 twice and 503 once")
        simulator.faults.add(FaultKind.SERVER_ERROR, times=2)
        simulator.faults.add(FaultKind.UNAVAILABLE, times=1)
        await _until(lambda: not simulator.faults.active())
        accepted = simulator.summary().batches
        await _until(lambda: simulator.summary().batches > accepted)
        self._say("Target answers again, and has what the connector held back meanwhile")

    async def _settled(self) -> dict[int, int]:
        """The committed offsets, once they are all there are, or the time is up."""
        deadline = self.elapsed_s() + _SETTLE_TIMEOUT_S
        while True:
            committed = await asyncio.to_thread(self.stage.witness.committed, TOPIC, PARTITIONS)
            if verdict.settled(self.truth, committed) >= self.options.events or self.elapsed_s() > deadline:
                return committed
            await asyncio.sleep(_LOOK_S)

    async def show_figures(self) -> None:
        """Several times a second, without end."""
        while True:
            self.screen.show(self._figures())
            await asyncio.sleep(_FRAME_S)

    def _figures(self) -> Figures:
        heard, summary, now = self.stage.progress.heard(), self.stage.simulator.summary(), self.elapsed_s()
        return Figures(
            elapsed_s=now,
            events=self.options.events,
            produced=self._feed.produced,
            produced_per_s=self._produced.per_s(self._feed.produced, now),
            consumed_per_s=self._consumed.per_s(heard.consumed, now),
            heard=heard,
            calls_in_last_60_s=summary.calls_in_last_60_s,
            profiles=summary.profiles,
            faults=[fault.kind for fault in self.stage.simulator.faults.active()],
        )


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 (counts of a thread and of the simulator, which tell nobody when they change)
        await asyncio.sleep(_LOOK_S)
