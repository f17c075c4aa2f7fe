"""Delivery: every row is accepted or found to be refused, and nothing is given up."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING
from urllib.parse import unquote

import polars as pl
import pytest

from connector.errors import BlockedError
from connector.records import ID, Partition
from connector.target.answer import Answer, Outcome
from connector.target.batchfile import Limits
from connector.target.budget import MINUTE_S, OPEN_S, Budget
from connector.target.delivery import Claim, Delivery, Pace
from connector.telemetry import Part, Silent
from tests.lines import lined
from tests.troubles import Troubles

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.records import Rows
    from connector.target.delivered import Delivered
    from connector.target.session import Body

OURS = Partition("crm.customers", 0)
ACCEPTED = Answer(Outcome.ACCEPTED, "HTTP 200", status_url="http://x/batchStatus?batchId=1")


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class Target:
    """Answers by a rule, and remembers the bodies and when they came."""

    def __init__(self, clock: Clock, answers: Callable[[bytes], Answer] | list[Answer]) -> None:
        self.clock = clock
        self.answers = answers
        self.bodies: list[bytes] = []
        self.times: list[float] = []

    async def post(self, given: Body) -> Answer:
        body = b"".join(given.pieces())
        self.bodies.append(body)
        self.times.append(self.clock())
        await asyncio.sleep(0)
        if callable(self.answers):
            return self.answers(body)
        return self.answers.pop(0) if self.answers else ACCEPTED


class Narrowings(Silent):
    """Keeps what is said of the size of bodies."""

    def __init__(self) -> None:
        self.said: list[int] = []

    def narrowed(self, size_bytes: int) -> None:
        self.said.append(size_bytes)


class Waits(Silent):
    """Tells when a wait for the budget is over."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    def held(self, seconds: float) -> None:
        self.over.set()


def rows(*ids: str) -> Rows:
    return lined(pl.DataFrame({ID: ids, "tier": ["gold"] * len(ids)}, schema={ID: pl.String, "tier": pl.String}))


def ids_in(body: bytes) -> list[str]:
    return [unquote(line.split(",")[0]) for line in body.decode().split("\n")[1:]]


def make(
    answers: Callable[[bytes], Answer] | list[Answer], limits: Limits | None = None, telemetry: Silent | None = None
) -> tuple[Delivery, Target, Clock]:
    clock = Clock()
    target = Target(clock, answers)
    budget = Budget(50)
    delivery = Delivery(
        target,
        budget,
        limits or Limits("thirdPartyId"),
        Pace(),
        telemetry or Silent(),
        clock=clock,
        sleep=clock.sleep,
        random=random.Random(1),  # noqa: S311 (jitter)
    )
    delivery.share([OURS], [OURS])
    return delivery, target, clock


async def at_once() -> None:
    pass


def held_while(held: Callable[[], bool]) -> Claim:
    return Claim(held, certain=lambda: True, steady=at_once)


OURS_FOR_GOOD = held_while(lambda: True)


async def test_an_accepted_batch_is_one_call() -> None:
    """Rows that Target accepts cost one call, and the status URL comes back."""
    delivery, target, _ = make([ACCEPTED])
    done = await delivery.deliver(rows("a", "b"), OURS_FOR_GOOD)
    assert done.whole
    assert (done.rows, done.calls, done.refused) == (2, 1, [])
    assert done.size_bytes == len(target.bodies[0])
    assert done.status_url == ACCEPTED.status_url


async def test_no_rows_are_no_call() -> None:
    """A batch that has nothing to say costs nothing."""
    delivery, target, _ = make([])
    done = await delivery.deliver(rows(), OURS_FOR_GOOD)
    assert done.whole
    assert done.calls == 0
    assert target.bodies == []


@pytest.mark.parametrize("outcome", [Outcome.UNAVAILABLE, Outcome.THROTTLED, Outcome.UNAUTHORIZED])
async def test_the_same_bytes_are_sent_until_target_can_take_them(outcome: Outcome) -> None:
    """While Target is down, throttled or does not know the token, the same bytes are sent again, for ever."""
    delivery, target, _ = make([Answer(outcome, "no")] * 30)
    done = await delivery.deliver(rows("a", "b"), OURS_FOR_GOOD)
    assert done.whole
    assert done.calls == 31
    assert done.rows == 2
    assert len(set(target.bodies)) == 1


async def test_waits_grow_and_are_bounded() -> None:
    """Each failure doubles the wait up to a minute, and at most half of it is left to chance."""
    delivery, target, _ = make([Answer(Outcome.UNAVAILABLE, "no")] * 12)
    await delivery.deliver(rows("a"), OURS_FOR_GOOD)
    gaps = [b - a for a, b in zip(target.times, target.times[1:], strict=False)]
    turn_s = 1.22  # to which a wait is rounded up
    assert gaps[0] <= 1 + turn_s
    assert all(30 <= gap <= 60 + turn_s for gap in gaps[-5:])


@pytest.mark.parametrize(
    ("asked", "least"),
    [
        pytest.param(None, 60, id="a throttle that names no time holds a minute"),
        pytest.param(5.0, 60, id="a short Retry-After is no reason to come back early"),
        pytest.param(300.0, 300, id="a long Retry-After is kept"),
    ],
)
async def test_a_throttle_holds_the_budget(asked: float | None, least: float) -> None:
    """After a throttle no call is made for at least a minute or as long as Target asked."""
    delivery, target, _ = make([Answer(Outcome.THROTTLED, "HTTP 503", retry_after_s=asked)])
    await delivery.deliver(rows("a"), OURS_FOR_GOOD)
    assert target.times[1] - target.times[0] >= least


async def test_trouble_is_told_and_taken_back() -> None:
    """An operator hears that Target is not available, and that it is well again."""
    troubles = Troubles(Part.TARGET)
    delivery, _, _ = make([Answer(Outcome.UNAVAILABLE, "HTTP 500")], telemetry=troubles)
    await delivery.deliver(rows("a"), OURS_FOR_GOOD)
    assert troubles.said[0] is not None
    assert "HTTP 500" in troubles.said[0]
    assert troubles.said[-1] is None


async def test_bad_rows_are_found_and_their_siblings_accepted() -> None:
    """A refused batch is searched until the offending rows stand alone; all others are accepted, in their order."""
    bad = {"7", "300"}

    def answer(body: bytes) -> Answer:
        found = bad & set(ids_in(body))
        if not found:
            return ACCEPTED
        return Answer(Outcome.REFUSED, "success=false", f"bad row {min(found)}", "http://x/batchStatus?batchId=acme-7")

    delivery, target, _ = make(answer)
    done = await delivery.deliver(rows(*map(str, range(512))), OURS_FOR_GOOD)
    assert done.whole
    assert {refused.row.lines[ID][0] for refused in done.refused} == bad
    assert {refused.text for refused in done.refused} == {
        "success=false: bad row 7 (batch acme-7)",
        "success=false: bad row 300 (batch acme-7)",
    }
    assert done.rows == 510
    sent = [i for body in target.bodies if not bad & set(ids_in(body)) for i in ids_in(body)]
    assert sent == [str(i) for i in range(512) if str(i) not in bad]
    assert done.calls <= 25


async def test_a_target_that_refuses_every_row_is_told_at_once() -> None:
    """Where no half is accepted, it may not be a row that is wrong: whoever looks hears of it, and may end it."""
    delivery, target, _ = make(lambda _: Answer(Outcome.REFUSED, "success=false", "no such client"))

    def look(done: Delivered) -> None:
        if done.hopeless is not None:
            raise BlockedError(done.hopeless)

    with pytest.raises(BlockedError, match="success=false"):
        await delivery.deliver(rows(*map(str, range(64))), OURS_FOR_GOOD, look)
    assert len(target.bodies) <= 12


async def test_a_target_that_refuses_every_row_can_be_searched_to_the_end() -> None:
    """Nobody ends it: each row is set apart, as after a human said that these are bad."""
    delivery, _, _ = make(lambda _: Answer(Outcome.REFUSED, "success=false"))
    done = await delivery.deliver(rows(*map(str, range(9))), OURS_FOR_GOOD)
    assert (done.whole, len(done.refused), done.rows) == (True, 9, 0)


@pytest.mark.parametrize("size", [2, 1000])
async def test_bad_rows_at_the_head_are_found_too(size: int) -> None:
    """Two bad rows before anything was accepted are two bad rows, and not a Target that refuses everything."""

    def answer(body: bytes) -> Answer:
        return Answer(Outcome.REFUSED, "success=false") if {"0", "1"} & set(ids_in(body)) else ACCEPTED

    delivery, _, _ = make(answer)
    done = await delivery.deliver(rows(*map(str, range(size))), OURS_FOR_GOOD)
    assert done.whole
    assert {refused.row.lines[ID][0] for refused in done.refused} == {"0", "1"}
    assert done.rows == size - 2


async def test_a_row_that_is_too_large_on_its_own_is_set_apart() -> None:
    """413 for a single row is about its size; it is no sign of a Target that refuses everything."""
    delivery, _, _ = make(lambda body: Answer(Outcome.TOO_LARGE, "HTTP 413") if "5" in ids_in(body) else ACCEPTED)
    done = await delivery.deliver(rows(*map(str, range(8))), OURS_FOR_GOOD)
    assert done.whole
    assert [too_large.row.lines[ID][0] for too_large in done.too_large] == ["5"]
    assert done.refused == []


async def test_a_batch_that_is_too_large_is_halved() -> None:
    """413 halves the batch until the parts pass."""
    delivery, target, _ = make(
        lambda body: Answer(Outcome.TOO_LARGE, "HTTP 413") if len(ids_in(body)) > 3 else ACCEPTED
    )
    done = await delivery.deliver(rows(*map(str, range(10))), OURS_FOR_GOOD)
    assert done.whole
    assert done.rows == 10
    assert done.refused == []
    accepted = [ids_in(body) for body in target.bodies if len(ids_in(body)) <= 3]
    assert [i for part in accepted for i in part] == list(map(str, range(10)))


async def test_the_size_that_passed_is_remembered_and_told_once() -> None:
    """After a 413 the next batches are cut before they are sent, to the size that Target took."""
    said = Narrowings()
    delivery, target, _ = make(
        lambda body: Answer(Outcome.TOO_LARGE, "HTTP 413") if len(body) > 100 else ACCEPTED, telemetry=said
    )
    batch = rows(*(f"{number:02d}" for number in range(20)))
    await delivery.deliver(batch, OURS_FOR_GOOD)
    first = len(target.bodies)
    assert said.said == [max(len(body) for body in target.bodies if len(body) <= 100)]
    await delivery.deliver(batch, OURS_FOR_GOOD)
    await delivery.deliver(batch, OURS_FOR_GOOD)
    assert all(len(body) <= said.said[0] for body in target.bodies[first:])
    assert len(said.said) == 1


async def test_a_row_larger_than_what_passed_is_still_tried() -> None:
    """Only Target can say that a row alone is too large: the remembered size makes no dead letters."""
    delivery, _, _ = make(lambda body: Answer(Outcome.TOO_LARGE, "413") if len(ids_in(body)) > 2 else ACCEPTED)
    await delivery.deliver(rows(*(f"{number:02d}" for number in range(20))), OURS_FOR_GOOD)
    done = await delivery.deliver(rows("a", "x" * 500, "b"), OURS_FOR_GOOD)
    assert done.whole
    assert (done.rows, done.too_large) == (3, [])


async def test_an_answer_that_was_lost_is_asked_for_with_the_same_bytes() -> None:
    """A cut after sending leaves open whether the part was applied: it is sent again, before any other part."""
    lost = {2, 5, 6}  # the numbers of the calls whose answer does not arrive

    def answer(body: bytes) -> Answer:
        if len(target.bodies) in lost:
            return Answer(Outcome.UNAVAILABLE, "the call failed: ServerDisconnectedError")
        return Answer(Outcome.REFUSED, "success=false") if "5" in ids_in(body) else ACCEPTED

    delivery, target, _ = make(answer)
    done = await delivery.deliver(rows(*map(str, range(8))), OURS_FOR_GOOD)
    assert done.whole
    assert [refused.row.lines[ID][0] for refused in done.refused] == ["5"]
    assert done.rows == 7
    for number in lost:
        assert target.bodies[number] == target.bodies[number - 1]


async def test_a_turn_that_is_over_when_the_wire_is_free_is_not_used() -> None:
    """Whoever waited for the wire looks at the budget again, as a late call would come too close to later ones."""
    waits = Waits()
    delivery, target, clock = make([], telemetry=waits)
    async with delivery.quiet():
        sending = asyncio.create_task(delivery.deliver(rows("a"), OURS_FOR_GOOD))
        await waits.over.wait()
        clock.now += OPEN_S + 0.1
        assert target.bodies == []
    assert (await sending).whole
    assert target.times[0] % (61 / 50) == pytest.approx(0, abs=1e-6)


async def test_after_a_throttle_calls_come_at_half_the_pace() -> None:
    """A throttle is followed by calls at twice their distance."""
    delivery, target, _ = make([ACCEPTED] * 3 + [Answer(Outcome.THROTTLED, "HTTP 503")])
    for _ in range(8):
        await delivery.deliver(rows("a"), OURS_FOR_GOOD)
    gaps = [b - a for a, b in zip(target.times, target.times[1:], strict=False)]
    assert gaps[:3] == pytest.approx([61 / 50] * 3)
    assert gaps[3] >= 60 - 1e-6
    assert sum(gaps[4:]) == pytest.approx(4 * 2 * 61 / 50, abs=61 / 50 + 1e-6)


async def test_rows_over_the_limits_are_split_before_they_are_sent() -> None:
    """A batch over the limits of one call becomes several; a row over them alone is set apart and never sent."""
    delivery, target, _ = make([], Limits("thirdPartyId", 4, 100))
    done = await delivery.deliver(rows("a", "b", "c", "d", "x" * 200), OURS_FOR_GOOD)
    assert done.whole
    assert [ids_in(body) for body in target.bodies] == [["a", "b", "c"], ["d"]]
    assert [refused.row.lines[ID][0] for refused in done.too_large] == ["x" * 200]


async def test_a_row_over_the_limit_of_a_profile_is_never_sent() -> None:
    """Target would drop attributes of it: it is set apart, whoever looks hears of it first, and the rest arrives."""
    delivery, target, _ = make([])
    looked: list[int] = []
    batch = lined(pl.DataFrame({ID: ["a", "b", "c"], "tier": ["gold", "x" * 65_536, "%20" * 60_000]}))
    done = await delivery.deliver(batch, OURS_FOR_GOOD, lambda _: looked.append(len(target.bodies)))
    assert done.whole
    assert [ids_in(body) for body in target.bodies] == [["a", "c"]]
    assert [(one.row.lines[ID][0], one.text) for one in done.overweight] == [
        ("b", "over 64 KB of names and values, the limit of a profile")
    ]
    assert looked == [0]
    assert (done.rows, done.set_apart, done.judged) == (2, 1, 3)


async def test_a_misconfigured_target_blocks() -> None:
    """404, a redirect and the like stop the sending at once."""
    delivery, target, _ = make([Answer(Outcome.MISCONFIGURED, "HTTP 404")])
    with pytest.raises(BlockedError, match=r"HTTP 404.*target\.base_url"):
        await delivery.deliver(rows("a"), OURS_FOR_GOOD)
    assert len(target.bodies) == 1


async def test_calls_keep_the_budgets_distance() -> None:
    """Every call counts, also those of a search."""
    delivery, target, _ = make(lambda body: ACCEPTED if len(ids_in(body)) < 4 else Answer(Outcome.TOO_LARGE, "413"))
    await delivery.deliver(rows(*map(str, range(16))), OURS_FOR_GOOD)
    assert len(target.times) > 4
    assert all(b - a >= MINUTE_S / 50 - 1e-9 for a, b in zip(target.times, target.times[1:], strict=False))


async def test_delivery_ends_between_calls_when_partitions_went_away() -> None:
    """`ours` is asked before each call; once it says no, nothing more is sent."""
    delivery, target, _ = make([Answer(Outcome.UNAVAILABLE, "no")] * 5)
    done = await delivery.deliver(rows("a"), held_while(lambda: len(target.bodies) < 2))
    assert not done.whole
    assert len(target.bodies) == 2


@pytest.mark.parametrize("held", [pytest.param([], id="for the budget"), pytest.param([OURS], id="after a failure")])
async def test_a_wait_ends_when_partitions_went_away(held: list[Partition]) -> None:
    """Whatever delivery waits for, it looks up each second, so that a rebalance or a stop need not wait with it."""
    delivery, _, clock = make([Answer(Outcome.UNAVAILABLE, "no")] * 20)
    delivery.share(held, [OURS])
    assert not (await delivery.deliver(rows("a"), held_while(lambda: clock() < 100.5))).whole
    assert clock() <= 101.5


async def test_quiet_waits_for_the_call_on_the_wire() -> None:
    """Whoever holds `quiet` knows that no call is on the wire and that none begins."""
    delivery, target, _ = make([])
    on_the_wire, answer = asyncio.Event(), asyncio.Event()

    async def post(_body: Body) -> Answer:
        on_the_wire.set()
        await answer.wait()
        return ACCEPTED

    target.post = post  # type: ignore[method-assign, assignment]
    sending = asyncio.create_task(delivery.deliver(rows("a"), OURS_FOR_GOOD))
    await on_the_wire.wait()
    quiet = asyncio.create_task(delivery.quiet().acquire())
    await asyncio.sleep(0)
    assert not quiet.done()
    answer.set()
    assert await quiet
    assert (await sending).whole
    delivery.quiet().release()


class Doubt:
    """A claim that is in doubt once, after so many calls, until the delivery has waited for its end."""

    def __init__(self, target: Target, calls: int, *, then_held: bool) -> None:
        self.target, self.calls, self.then_held = target, calls, then_held
        self.waits = 0
        self.claim = Claim(self.held, self.certain, self.steady)

    def held(self) -> bool:
        return self.then_held or self.waits == 0

    def certain(self) -> bool:
        return self.waits > 0 or len(self.target.bodies) < self.calls

    async def steady(self) -> None:
        self.waits += 1


def refusing(*bad: str) -> Callable[[bytes], Answer]:
    return lambda body: Answer(Outcome.REFUSED, "success=false") if set(bad) & set(ids_in(body)) else ACCEPTED


@pytest.mark.parametrize("calls", [1, 5, 9])
async def test_a_doubt_does_not_throw_a_search_away(calls: int) -> None:
    """A late poll makes it doubtful for a moment what is ours: the search then goes on where it was."""
    plain, undoubted, _ = make(refusing("5", "50"))
    await plain.deliver(rows(*map(str, range(64))), OURS_FOR_GOOD)
    delivery, target, _ = make(refusing("5", "50"))
    doubt = Doubt(target, calls, then_held=True)
    done = await delivery.deliver(rows(*map(str, range(64))), doubt.claim)
    assert done.whole
    assert doubt.waits == 1
    assert target.bodies == undoubted.bodies  # so nothing that was accepted is sent again
    assert done.calls == len(target.bodies)


async def test_a_doubt_that_ends_in_a_loss_ends_the_delivery() -> None:
    """Nothing is sent in doubt, nor once it is known that the partitions went away; the calls made are told."""
    delivery, target, _ = make(refusing("5"))
    doubt = Doubt(target, 4, then_held=False)
    done = await delivery.deliver(rows(*map(str, range(64))), doubt.claim)
    assert not done.whole
    assert done.calls == len(target.bodies) == 4


async def test_a_doubt_that_comes_while_the_turn_is_waited_for_is_noticed() -> None:
    """What is ours is asked last of all with the wire free, as waits for the budget and the wire may be long."""
    answers = iter([True, False, False])
    steadied: list[int] = []

    async def steady() -> None:
        steadied.append(len(target.bodies))

    delivery, target, _ = make([])
    done = await delivery.deliver(rows("a"), Claim(lambda: True, lambda: next(answers, True), steady))
    assert done.whole
    assert steadied == [0]  # before anything was sent


async def test_a_loss_that_the_source_knows_first_is_waited_for() -> None:
    """Between the source's knowledge and the ledger's nothing is sent, and the loop is not kept from running."""
    delivery, target, clock = make([])
    claim = Claim(held=lambda: clock() < 3, certain=lambda: False, steady=at_once)
    assert not (await delivery.deliver(rows("a"), claim)).whole
    assert target.bodies == []


async def test_somebody_may_stop_a_search() -> None:
    """After each row that is set apart it is asked whether there are too many by now; the search may take hours."""
    bad = {str(number) for number in range(10, 1000, 50)}
    seen: list[tuple[int, int]] = []

    def look(done: Delivered) -> None:
        seen.append((len(done.refused), done.judged))
        if len(done.refused) == 3:
            raise BlockedError("too many")

    delivery, target, _ = make(refusing(*bad))
    with pytest.raises(BlockedError, match="too many"):
        await delivery.deliver(rows(*map(str, range(1000))), OURS_FOR_GOOD, look)
    assert seen == [(1, 11), (2, 61), (3, 111)]
    assert len(target.bodies) < 60


async def test_it_is_remembered_whether_target_ever_took_a_row() -> None:
    """Few rows that are refused in a life in which nothing was accepted may not be to blame."""
    delivery, _, _ = make(refusing("a"))
    assert not (await delivery.deliver(rows("a"), OURS_FOR_GOOD)).trusted
    assert (await delivery.deliver(rows("a", "b"), OURS_FOR_GOOD)).trusted
    assert (await delivery.deliver(rows("a"), OURS_FOR_GOOD)).trusted
