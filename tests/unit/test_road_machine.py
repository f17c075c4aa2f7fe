"""The road against a model: whatever comes in which order, no offset runs ahead and no profile goes back in time.

The real window, ledger, delivery, office and pipeline, between a broker, a Target and a dead-letter topic of a few
lines each. Every cell says which record it came from, so what Target holds can be judged by itself. Time is the loop's,
and passes only when a rule says so.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import unquote

import polars as pl
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connector.avro.decoder import Changes
from connector.dead_letter_office import DeadLetterOffice
from connector.feeds import Feed
from connector.kafka.brake import Brake, BrakeLimits
from connector.kafka.offsets import Ledger
from connector.pipeline import Pipeline
from connector.profiles.mapping import Mapping
from connector.profiles.merging import Events
from connector.profiles.window import Limits, Window
from connector.records import ASSIGNMENT, OFFSET, ROW, VALUE, Assignment, Chunk, Partition, Reason, Record, Span
from connector.settling import AtOnce
from connector.target import batchfile
from connector.target.answer import Answer, Outcome
from connector.target.budget import Budget
from connector.target.delivery import Delivery, Pace
from connector.target.encoding import Encoder
from connector.telemetry import Part, Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Mapping as Map

    from connector.kafka.dead_letters import DeadLetters
    from connector.records import DeadLetter
    from connector.target.session import Body

T = TypeVar("T")
Place = tuple[Partition, int]  # of a record

PARTITIONS = [Partition(topic, number) for topic in ("full", "partial") for number in (0, 1)]
IDS = [f"p{number}" for number in range(5)]
ATTRIBUTES = ("a", "b")
SPINS = 60  # rounds of the loop in which everything settles that does not wait for a rule
ROUNDS_TO_HEAL = 200


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose time is told."""

    now = 1_000_000.0

    def time(self) -> float:
        return self.now


class Inline(ThreadPoolExecutor):
    """Runs at once what would run in a thread, so that a run is the same each time."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        done: Future[T] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


@dataclass(frozen=True)
class Kept:
    """A record of the model's topics; `connector.records.Record`."""

    place: Place
    profile: str
    names: tuple[str, ...]  # the attributes that it holds
    content: bytes | None

    def topic(self) -> str:
        return self.place[0].topic

    def partition(self) -> int:
        return self.place[0].partition

    def offset(self) -> int:
        return self.place[1]

    def key(self) -> None:
        return None

    def value(self) -> bytes | None:
        return self.content

    def headers(self) -> None:
        return None


class Decoder:
    """JSON in place of Avro; waits while the registry does not answer."""

    def __init__(self, registry: asyncio.Event) -> None:
        self._registry = registry

    async def decode(self, topic: str, frame: pl.DataFrame) -> Changes:
        await self._registry.wait()
        good = frame.filter(pl.col(VALUE).bin.starts_with(b"{"))
        datums = [json.loads(value) for value in good[VALUE]]
        columns = {name: [datum.get(name) for datum in datums] for name in ("id", *ATTRIBUTES)}
        bad = frame.filter(~pl.col(VALUE).bin.starts_with(b"{"))
        return Changes(
            [
                good.select(ROW, ASSIGNMENT, OFFSET).hstack(
                    pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
                )
            ],
            bad.select(ROW, reason=pl.lit(Reason.UNREADABLE.value), detail=pl.lit("no JSON")),
            frame.filter(pl.col(VALUE).is_null()).select(ROW),
        )

    async def newest(self, topic: str) -> None:
        return None


def feed(topic: str, registry: asyncio.Event) -> Feed:
    attributes = {f"{topic}-{name}": name for name in ATTRIBUTES}
    return Feed(lambda name: name == topic, Decoder(registry), Mapping("id", attributes))


class Ear(Silent):
    """Hears whether the pipeline blocked."""

    def __init__(self) -> None:
        self.blocked = False

    def trouble(self, part: Part, text: str | None) -> None:
        self.blocked = self.blocked or (part is Part.PIPELINE and text is not None)


@dataclass
class Cell:
    """What Target holds of one attribute: the record it came from, and the assignment it was sent under."""

    place: Place
    assignment: int


@dataclass
class World:
    """What outlives the process: topics, committed offsets, dead letters, Target's profiles."""

    log: dict[Partition, list[Kept]] = field(default_factory=lambda: {one: [] for one in PARTITIONS})
    committed: dict[Partition, int] = field(default_factory=lambda: dict.fromkeys(PARTITIONS, 0))
    letters: set[Place] = field(default_factory=set)
    profiles: dict[str, dict[str, Cell]] = field(default_factory=dict)
    poisoned: str | None = None

    def expected(self, profile: str, partition: Partition, below: int) -> dict[str, int]:
        """Attribute by attribute, the offset of the record that Target must hold at least."""
        records = [
            one
            for one in self.log[partition][:below]
            if one.profile == profile and one.content and one.place not in self.letters
        ]
        if partition.topic == "full":
            return {name: records[-1].offset() for name in records[-1].names} if records else {}
        return {name: one.offset() for one in records for name in one.names}


class Road:
    """One life of the process, and what the model knows of it."""

    def __init__(self, loop: Loop, world: World, numbers: Callable[[], int]) -> None:
        self.loop = loop
        self.world = world
        self.numbers = numbers
        self.held: dict[Partition, Assignment] = {}
        self.position: dict[Partition, int] = {}
        self.going: list[Assignment] = []  # being revoked
        self.leaving: asyncio.Task[None] | None = None
        self.chunks: deque[Chunk] = deque()
        self.arrived = asyncio.Event()
        self.body: bytes | None = None  # on the wire
        self.under: dict[Partition, Assignment] = {}  # what was held when it was sent: it may outlast a revoke
        self.answer: asyncio.Future[Answer] | None = None
        self.again: bytes | None = None  # must be sent again before anything else is
        self.letterbox = asyncio.Event()  # set: the dead-letter topic answers
        self.letterbox.set()
        self.registry = asyncio.Event()  # set: the registry answers
        self.registry.set()
        self.certain = asyncio.Event()  # set: the membership in the group is beyond doubt
        self.certain.set()
        self.polled: Counter[Place] = Counter()
        self.lettered: Counter[Place] = Counter()
        self.ear = Ear()
        self.stop = asyncio.Event()
        self.pipeline = self._pipeline()
        self.run = loop.create_task(self.pipeline.run(self, self.stop))

    def _pipeline(self) -> Pipeline:
        budget, ledger = Budget(6_000), Ledger()
        limits = batchfile.Limits("thirdPartyId", 4, 100_000)  # three rows a call: batches are split
        delivery = Delivery(
            self,
            budget,
            limits,
            Pace(),
            self.ear,
            clock=self.loop.time,
            sleep=asyncio.sleep,
            random=random.Random(1),  # noqa: S311 (jitter)
        )
        brake = Brake(BrakeLimits(share=1.0, of=10_000, at_least=1_000_000))
        return Pipeline(
            feeds=[feed("full", self.registry), feed("partial", self.registry)],
            window=Window(Limits(4, 10_000, 10.0), [Events.FULL, Events.PARTIAL], Encoder().lines),
            delivery=delivery,
            numbers=count(1),
            ledger=ledger,
            settling=AtOnce(ledger, None),
            office=DeadLetterOffice(cast("DeadLetters", self), brake, self._reread, self.ear),
            telemetry=self.ear,
            clock=self.loop.time,
            drain_s=20.0,
        )

    # The source.

    async def chunk(self) -> Chunk:
        while not self.chunks:
            self.arrived.clear()
            await self.arrived.wait()
        return self.chunks.popleft()

    def store(self, offsets: Map[Assignment, int]) -> None:
        """Judge what is about to be committed: all below must have reached Target or the dead letters."""
        for assignment, offset in offsets.items():
            partition = assignment.partition
            assert self.held.get(partition) == assignment, "an offset of a partition that is not ours was stored"
            assert self.world.committed[partition] <= offset <= self.position[partition], "an offset that nobody read"
            for profile in IDS:
                for name, least in self.world.expected(profile, partition, offset).items():
                    cell = self.world.profiles.get(profile, {}).get(f"{partition.topic}-{name}")
                    assert cell is not None, "an offset ran ahead of a profile"
                    assert cell.place[1] >= least, "an offset ran ahead of a newer value"
            for record in self.world.log[partition][:offset]:
                assert record.content != b"bad" or record.place in self.world.letters, "ahead of a dead letter"
            self.world.committed[partition] = offset

    def suspend(self) -> None:
        """See Records."""

    def ours(self, assignments: frozenset[int]) -> bool:
        return self.certain.is_set() and assignments <= {one.number for one in self.held.values()}

    async def steady(self) -> None:
        await self.certain.wait()

    # The dead-letter topic.

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        await self.letterbox.wait()
        for letter in letters:
            record = cast("Kept", letter.record)
            self.lettered[record.place] += 1
            assert self.lettered[record.place] <= self.polled[record.place], "a dead letter twice"
            self.world.letters.add(record.place)

    def _reread(self, positions: Sequence[Place]) -> Sequence[Record]:
        return [self.world.log[partition][offset] for partition, offset in positions]

    # Target.

    async def post(self, given: Body) -> Answer:
        body = b"".join(given.pieces())
        assert self.body is None, "two calls on the wire"
        assert self.again in {None, body}, "something newer overtook a batch whose fate is open"
        for _, cells in rows_of(body):
            for place in cells.values():
                assert place[0] in self.held, "a row of a partition that is not ours was sent"
        self.body, self.answer, self.under = body, self.loop.create_future(), dict(self.held)
        try:
            return await self.answer
        finally:
            self.body = self.answer = None

    def apply(self, body: bytes) -> None:
        """Take a batch as Target does, and judge each row."""
        for profile, cells in rows_of(body):
            self._judge(profile, cells)
            for name, place in cells.items():
                number = self.under[place[0]].number
                before = self.world.profiles.setdefault(profile, {}).get(name)
                if before is not None and before.assignment == number:
                    assert before.place[1] <= place[1], "an older value came after a newer one"
                self.world.profiles[profile][name] = Cell(place, number)

    def _judge(self, profile: str, cells: dict[str, Place]) -> None:
        for topic in ("full", "partial"):
            places = {name.partition("-")[2]: place for name, place in cells.items() if name.startswith(topic)}
            if not places:
                continue
            partition, newest = max(places.values())
            log = self.world.log[partition]
            assert all(log[offset].profile == profile for _, offset in places.values()), "a value of another profile"
            if topic == "full":
                assert set(places) == set(log[newest].names), "not all of a full event"
                assert {offset for _, offset in places.values()} == {newest}, "two full events in one row"
            for name, (_, offset) in places.items():
                between = log[offset + 1 : newest]
                newer = [one for one in between if one.profile == profile and one.content and name in one.names]
                assert not [one for one in newer if one.place not in self.world.letters], "not the newest value"


def rows_of(body: bytes) -> list[tuple[str, dict[str, Place]]]:
    """Read a body with other code than wrote it: profile, and by attribute the record that its cell names."""
    header, *lines = body.decode().split("\n")
    names = header.removeprefix("batch=").split(",")[1:]
    rows = []
    for line in lines:
        profile, *cells = map(unquote, line.split(","))
        found = {name: cell.split(":") for name, cell in zip(names, cells, strict=True) if cell}
        rows.append((profile, {n: (Partition(c[0], int(c[1])), int(c[2])) for n, c in found.items()}))
    assert len({profile for profile, _ in rows}) == len(rows), "a profile twice in a batch"
    return rows


class RoadMachine(RuleBasedStateMachine):
    """Records, answers, rebalances, crashes, in any order."""

    @initialize()
    def begin(self) -> None:
        self.loop = Loop()
        self.loop.set_default_executor(Inline(1))
        self.numbers = iter(range(1, 1_000_000))
        self.world = World()
        self._live()
        self._assign(PARTITIONS[:2])

    def _live(self) -> None:
        async def made() -> Road:
            return Road(self.loop, self.world, lambda: next(self.numbers))

        self.road = self.loop.run_until_complete(made())
        self._spin()

    def _spin(self) -> None:
        async def spin() -> None:
            for _ in range(SPINS):
                await asyncio.sleep(0)

        self.loop.run_until_complete(spin())
        if self.road.run.done():
            self.road.run.result()
        if self.road.leaving is not None and self.road.leaving.done():
            self.road.leaving.result()
            on_the_wire = rows_of(self.road.body) if self.road.body else []
            gone = {assignment.partition for assignment in self.road.going}
            still = [place for _, cells in on_the_wire for place in cells.values() if place[0] in gone]
            assert not still, "partitions were let go with a call on the wire"
            self._gone()

    def _call(self, what: Callable[[], object]) -> None:
        """Call from inside the loop, as the source does."""

        async def calling() -> None:
            what()

        self.loop.run_until_complete(calling())
        self._spin()

    # What comes.

    @rule(
        partitions=st.lists(st.sampled_from(PARTITIONS), min_size=1, max_size=4),
        records=st.lists(
            st.tuples(st.sampled_from(IDS), st.sets(st.sampled_from(ATTRIBUTES)), st.sampled_from("rrrrbt")),
            min_size=1,
            max_size=6,
        ),
    )
    def records_come(self, partitions: list[Partition], records: list[tuple[str, set[str], str]]) -> None:
        for partition in partitions:
            self._produce(partition, records)
        if not self.road.going:
            self._poll(5)

    def _produce(self, partition: Partition, records: list[tuple[str, set[str], str]]) -> None:
        log = self.world.log[partition]
        for wish, names, kind in records:
            # Kafka puts all records of one key into one partition.
            profile = wish if int(wish[1]) % 2 == partition.partition else IDS[partition.partition]
            offset = len(log)
            cell = f"{partition.topic}:{partition.partition}:{offset}"
            datum = {"id": profile, **dict.fromkeys(sorted(names), cell)}
            content = {"r": json.dumps(datum).encode(), "b": b"bad", "t": None}[kind]
            log.append(Kept((partition, offset), profile if kind == "r" else "", tuple(sorted(names)), content))

    @precondition(lambda self: not self.road.going)
    @rule(most=st.integers(1, 5))
    def poll(self, most: int) -> None:
        self._poll(most)

    def _poll(self, most: int) -> None:
        road, records, spans = self.road, [], []
        for partition, assignment in road.held.items():
            first = road.position[partition]
            new = self.world.log[partition][first : first + most]
            if new:
                records += new
                spans.append(Span(assignment, first, first + len(new)))
                road.position[partition] = first + len(new)
        if not records:
            return
        frame = pl.DataFrame(
            {
                ROW: range(len(records)),
                ASSIGNMENT: [road.held[one.place[0]].number for one in records],
                OFFSET: [one.offset() for one in records],
                VALUE: [one.content for one in records],
            },
            schema={ROW: pl.UInt32, ASSIGNMENT: pl.UInt32, OFFSET: pl.Int64, VALUE: pl.Binary},
        )
        road.polled.update(one.place for one in records)
        road.chunks.append(Chunk(frame, records, spans))
        self._call(road.arrived.set)

    @rule(seconds=st.sampled_from([1, 5, 11, 70]))
    def time_passes(self, seconds: int) -> None:
        for _ in range(seconds):
            self.loop.now += 1
            self._spin_little()
        self._spin()

    def _spin_little(self) -> None:
        async def spin() -> None:
            for _ in range(8):
                await asyncio.sleep(0)

        self.loop.run_until_complete(spin())

    # What Target says.

    def _answer(self, outcome: Outcome) -> None:
        road = self.road
        assert road.answer is not None
        known = outcome in {Outcome.ACCEPTED, Outcome.REFUSED, Outcome.TOO_LARGE}
        # While partitions go, may have gone or went meanwhile, the batch is made again, of the rows that are ours then.
        places = (place for _, cells in rows_of(cast("bytes", road.body)) for place in cells.values())
        same = all(road.held.get(partition) == road.under[partition] for partition, _ in places)
        road.again = road.body if same and not known and not road.going and road.certain.is_set() else None
        self._call(lambda: cast("asyncio.Future[Answer]", road.answer).set_result(Answer(outcome, "said so")))

    @precondition(lambda self: self.road.body is not None)
    @rule()
    def accept(self) -> None:
        body = cast("bytes", self.road.body)
        if self.world.poisoned in {profile for profile, _ in rows_of(body)}:
            self._answer(Outcome.REFUSED)
            return
        self.road.apply(body)
        self._answer(Outcome.ACCEPTED)

    @precondition(lambda self: self.road.body is not None)
    @rule(
        outcome=st.sampled_from([Outcome.UNAVAILABLE, Outcome.THROTTLED, Outcome.UNAUTHORIZED]), applied=st.booleans()
    )
    def fail(self, outcome: Outcome, *, applied: bool) -> None:
        """Not accepted, though a call that was cut may have been applied."""
        body = cast("bytes", self.road.body)
        if applied and outcome is Outcome.UNAVAILABLE and self.world.poisoned is None:
            self.road.apply(body)
        self._answer(outcome)

    @precondition(lambda self: self.road.body is not None and len(rows_of(self.road.body)) > 1)
    @rule()
    def too_large(self) -> None:
        self._answer(Outcome.TOO_LARGE)

    @rule(profile=st.none() | st.sampled_from(IDS))
    def poison(self, profile: str | None) -> None:
        self.world.poisoned = profile

    @rule(answers=st.booleans())
    def dead_letter_topic(self, *, answers: bool) -> None:
        self._call(self.road.letterbox.set if answers else self.road.letterbox.clear)

    @rule(answers=st.booleans())
    def schema_registry(self, *, answers: bool) -> None:
        self._call(self.road.registry.set if answers else self.road.registry.clear)

    @rule(certain=st.booleans())
    def membership(self, *, certain: bool) -> None:
        """As after a stop of the whole process, until Kafka has answered: nothing may be sent anew."""
        if not certain:
            self.road.again = None  # the batch is made again once it is certain whose the rows are
        self._call(self.road.certain.set if certain else self.road.certain.clear)

    # Partitions that come and go.

    def _assign(self, partitions: Sequence[Partition]) -> None:
        road = self.road
        new = [Assignment(road.numbers(), one) for one in partitions if one not in road.held]
        for assignment in new:
            road.held[assignment.partition] = assignment
            road.position[assignment.partition] = self.world.committed[assignment.partition]
        self._call(lambda: road.pipeline.assigned(new, {}))
        self._call(lambda: road.pipeline.partitions(PARTITIONS))

    @precondition(lambda self: not self.road.going)
    @rule(partitions=st.sets(st.sampled_from(PARTITIONS), min_size=1))
    def assign(self, partitions: set[Partition]) -> None:
        self._assign(sorted(partitions))

    @precondition(lambda self: self.road.held and not self.road.going)
    @rule(partitions=st.sets(st.sampled_from(PARTITIONS), min_size=1), lost=st.booleans())
    def revoke(self, partitions: set[Partition], *, lost: bool) -> None:
        """The source waits until the pipeline has let go; meanwhile it neither polls nor assigns."""
        road = self.road
        gone = [assignment for partition, assignment in sorted(road.held.items()) if partition in partitions]
        if not gone:
            return
        road.again = None  # a batch without their rows comes next
        road.going = gone
        if lost:
            self._forget(gone)

        async def leave() -> None:
            await road.pipeline.revoked(gone, lost=lost)
            road.pipeline.partitions(PARTITIONS)  # as the watch tells after each rebalance

        self._call(lambda: setattr(road, "leaving", self.loop.create_task(leave())))

    def _forget(self, gone: Sequence[Assignment]) -> None:
        for assignment in gone:
            self.road.held.pop(assignment.partition, None)

    def _gone(self) -> None:
        self._forget(self.road.going)
        self.road.going, self.road.leaving = [], None

    @precondition(lambda self: self.road.going)
    @rule()
    def revoke_takes_too_long(self) -> None:
        leaving = cast("asyncio.Task[None]", self.road.leaving)

        async def cancelled() -> None:
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)

        self.loop.run_until_complete(cancelled())
        self._gone()
        self._spin()

    @rule(really=st.integers(0, 3))
    def crash(self, really: int) -> None:
        """The process ends at once, seldom; another one begins with what is committed."""
        if really == 0:
            self._restart()

    def _restart(self) -> None:
        self._end()
        self._live()
        self._assign(PARTITIONS)

    def _end(self) -> None:
        async def ended() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.loop.run_until_complete(ended())

    @invariant()
    def it_lives(self) -> None:
        """Nothing of all this ends the pipeline."""
        assert not self.road.run.done()

    def teardown(self) -> None:
        """All heals: then every record has arrived, as a value, a dead letter, or nothing to say."""
        if not hasattr(self, "road"):
            return
        try:
            self._heal()
            for partition, log in self.world.log.items():
                assert self.world.committed[partition] == len(log), "a record that never settled"
                bad = {record.place for record in log if record.content == b"bad"}
                assert bad <= self.world.letters
        finally:
            self._end()
            self.loop.close()

    def _heal(self) -> None:
        if self.road.going:
            self.revoke_takes_too_long()
        self._call(self.road.letterbox.set)
        self._call(self.road.registry.set)
        self._call(self.road.certain.set)
        self._assign(PARTITIONS)
        for _ in range(ROUNDS_TO_HEAL):
            if self.road.ear.blocked:  # also by what is only sent now
                self.world.poisoned = None
                self._restart()
            self._poll(5)
            while self.road.body is not None:
                self.accept()
            if all(self.world.committed[one] == len(log) for one, log in self.world.log.items()):
                return
            self.time_passes(5)


RoadMachine.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


TestRoad = RoadMachine.TestCase
