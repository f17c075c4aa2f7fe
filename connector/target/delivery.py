"""Delivery: brings the rows of a closed window to Target, however long it takes.

Calls within the budget, reads the answer, and acts on it: the same bytes again while Target can't take them or left
open whether it did, a search for the bad rows while it refuses them, until every row is accepted or was refused on its
own. There is never more than one call of a batch on the wire, and `quiet` lets the pipeline wait for its end, so that
partitions change hands only between calls and nothing newer overtakes a batch that is sent again. The pipeline stores
offsets; this module knows none.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from connector.errors import BlockedError
from connector.target import batchfile, profile_size
from connector.target.answer import Outcome
from connector.target.delivered import Delivered, Refused, nobody_looks
from connector.target.search import Search
from connector.telemetry import Part

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from connector.records import Partition, Rows
    from connector.target.answer import Answer
    from connector.target.budget import Budget
    from connector.target.client import Client
    from connector.telemetry import Telemetry

LOOK_S = 1.0  # while a call waits, the share may change and partitions may go away


@dataclass(frozen=True, slots=True)
class Pace:
    """How delivery waits.

    Attributes:
        throttle_hold_s: at least, after a 429 or 503.
        backoff_s: the first wait after a failure; doubled each time.
        backoff_max_s: the longest.
    """

    throttle_hold_s: float = 60.0
    backoff_s: float = 1.0
    backoff_max_s: float = 60.0


class Follower(Protocol):
    """Who follows what was accepted, and may want fewer batches open at a time."""

    def room(self) -> bool:
        """Whether one more batch may be accepted now; asked again each second."""

    def accepted(self, status_url: str | None) -> None:
        """A batch was accepted, and can be asked for there, if its answer said so."""


class Nobody:
    """Follows nothing."""

    def room(self) -> bool:
        """See Follower."""
        return True

    def accepted(self, status_url: str | None) -> None:
        """See Follower."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Whether a batch is ours to deliver.

    Attributes:
        held: False once some of its partitions went away; that is for good.
        certain: False while that is in doubt, which passes.
        steady: waits for as long as the doubt lasts.
    """

    held: Callable[[], bool]
    certain: Callable[[], bool]
    steady: Callable[[], Awaitable[None]]


class Delivery:
    """The acceptance rule, around a client and a budget."""

    def __init__(  # noqa: PLR0913 (the ports of one part, named)
        self,
        client: Client,
        budget: Budget,
        limits: batchfile.Limits,
        pace: Pace,
        telemetry: Telemetry,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        random: random.Random,
        follower: Follower | None = None,
        body: Callable[[Rows, str], batchfile.Body] = batchfile.Body,
    ) -> None:
        """Put the parts together; `clock` is the budget's, in seconds; `body` makes one of rows and the id's type."""
        self._body = body
        self._follower = follower or Nobody()
        self._client = client
        self._budget = budget
        self._limits = limits
        self._pace = pace
        self._telemetry = telemetry
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._wire = asyncio.Lock()
        self._took_any = False
        self._passes: int | None = None  # bytes of a body that Target took after it had found a larger one too large

    def quiet(self) -> asyncio.Lock:
        """Held with `async with`, says: no call is on the wire, and none begins."""
        return self._wire

    def share(self, held: Collection[Partition], everyone: Sequence[Partition]) -> None:
        """This replica owns `held` of all partitions, and may use its turns of the budget (see Budget.share).

        After every rebalance `everyone` is empty, so that no call is made before all partitions were asked for anew: a
        member that came with it may have started after a topic grew, and know nothing of the order before.
        """
        self._budget.share(held, everyone, self._clock())

    def last_turn_s(self, within_s: float) -> float:
        """Seconds until the last call that may begin within so many seconds; those if none may."""
        return self._budget.latest_s(within_s, self._clock())

    async def deliver(self, rows: Rows, claim: Claim, look: Callable[[Delivered], None] = nobody_looks) -> Delivered:
        """Bring encoded rows to Target.

        Args:
            rows: encoded, one per profile.
            claim: asked before every call, with none on the wire. Once it is not held the delivery ends; while it is
                in doubt nothing is sent, and then the delivery goes on where it was.
            look: told after each row that was set apart; may raise BlockedError, as the search may take hours, and as
                Target may refuse whatever it is given.

        Returns:
            What became of the rows, in a continuation of the last call, without the loop in between, so that the
            caller can settle an accepted batch before anything else happens.

        Raises:
            BlockedError: no retry can help, or `look` raised it.
        """
        done = Delivered(given=rows.height)
        rows = await _within_limits(rows, self._limits, done)
        if done.set_apart:
            look(done)
        search = Search(rows, self._limits if self._passes is None else self._limits.narrowed(self._passes + 1))
        while (part := search.next()) is not None:
            body = self._body(part, self._limits.id_type)
            answer = await self._insist(body, done, claim)
            if answer is None:
                return done
            if answer.outcome is Outcome.ACCEPTED:
                search.accepted(len(body))
                self._note(answer, part.height, len(body), done)
            elif _search_on(search, answer, len(body), done):
                look(done)
        self._learn(search.proven)
        done.trusted, done.whole = self._took_any, True
        return done

    def _note(self, answer: Answer, rows: int, size_bytes: int, done: Delivered) -> None:
        self._follower.accepted(answer.status_url)
        self._took_any = True
        done.rows += rows
        done.size_bytes += size_bytes
        done.status_url = answer.status_url

    def _learn(self, size_bytes: int | None) -> None:
        """Cut the batches to come to the size that passed after a 413, for the life of this process."""
        if size_bytes is not None and (self._passes is None or size_bytes < self._passes):
            self._passes = size_bytes
            self._telemetry.narrowed(size_bytes)

    async def _insist(self, body: batchfile.Body, done: Delivered, claim: Claim) -> Answer | None:
        """Send the same bytes until the answer is about them and not about Target; None if partitions went away."""
        failures = 0
        while True:
            await self._wait_for_room(claim)
            await self._wait_for_certainty(claim)
            await self._wait_for_budget(claim)
            async with self._wire:
                if not claim.held():
                    self._telemetry.trouble(Part.TARGET, None)  # none of ours any more
                    return None
                if not claim.certain() or self._budget.wait_s(self._clock()) > 0:
                    continue  # the turn was over, or was taken, when the wire was free
                answer = await self._call(body)
            done.calls += 1
            match answer.outcome:
                case Outcome.ACCEPTED | Outcome.REFUSED | Outcome.TOO_LARGE:
                    self._telemetry.trouble(Part.TARGET, None)
                    return answer
                case Outcome.MISCONFIGURED:
                    msg = f"Target answers {answer.text}; check target.base_url and target.client"
                    raise BlockedError(msg)
                case Outcome.THROTTLED:
                    hold_s = max(answer.retry_after_s or 0.0, self._pace.throttle_hold_s)
                    self._budget.hold(hold_s, self._clock())
                    self._telemetry.trouble(
                        Part.TARGET, f"throttled, next call in {hold_s:.0f} s, then at a slower pace ({answer.text})"
                    )
                case Outcome.UNAUTHORIZED:
                    self._telemetry.trouble(
                        Part.TARGET,
                        f"the token is not accepted ({answer.text}); put a valid one into target.token_file",
                    )
                    await self._back_off(failures, claim)
                case Outcome.UNAVAILABLE:
                    self._telemetry.trouble(Part.TARGET, f"not available, trying again ({answer.text})")
                    await self._back_off(failures, claim)
            failures += 1

    async def _call(self, body: batchfile.Body) -> Answer:
        began = self._clock()
        self._budget.spend(began)
        self._telemetry.paced(self._budget.pace(began))
        answer = await self._client.post(body)
        self._telemetry.called(answer.outcome, self._clock() - began, len(body))
        return answer

    async def _wait_for_room(self, claim: Claim) -> None:
        while claim.held() and not self._follower.room():
            await self._sleep(LOOK_S)

    async def _wait_for_certainty(self, claim: Claim) -> None:
        while claim.held() and not claim.certain():
            await claim.steady()
            if not claim.certain():  # what was lost is known to the source before anybody is told
                await self._sleep(LOOK_S)

    async def _wait_for_budget(self, claim: Claim) -> None:
        began = self._clock()
        while claim.held() and (wait_s := self._budget.wait_s(self._clock())) > 0:
            await self._sleep(min(wait_s, LOOK_S))
        if (waited_s := self._clock() - began) > 0:
            self._telemetry.held(waited_s)

    async def _back_off(self, failures: int, claim: Claim) -> None:
        """Wait twice as long after each failure, less up to half by chance: replicas should not come back at once."""
        longest_s = min(self._pace.backoff_max_s, self._pace.backoff_s * 2 ** min(failures, 16))
        until = self._clock() + longest_s * self._random.uniform(0.5, 1.0)
        while claim.held() and (wait_s := until - self._clock()) > 0:
            await self._sleep(min(wait_s, LOOK_S))


async def _within_limits(rows: Rows, limits: batchfile.Limits, done: Delivered) -> Rows:
    """Set apart the rows that need not be sent: Target would drop a part of them, or no body can hold them."""
    if profile_size.may_be_over(rows):
        rows, over = await asyncio.to_thread(profile_size.split, rows)
        done.overweight = _each(over, "over 64 KB of names and values, the limit of a profile")
    rows, over = batchfile.oversized(rows, limits)
    done.too_large = _each(over, "over the size of a batch on its own")
    return rows


def _each(rows: Rows, text: str) -> list[Refused]:
    return [Refused(rows.part(index, 1), text) for index in range(rows.height)]


def _search_on(search: Search, answer: Answer, size_bytes: int, done: Delivered) -> bool:
    """Go on with the search after an answer that is about the rows; whether it was a row alone, which is noted."""
    too_large = answer.outcome is Outcome.TOO_LARGE
    row = search.too_large(size_bytes) if too_large else search.refused()
    if row is not None:
        batch = f" (batch {answer.batch_id})" if answer.batch_id else ""
        kind = done.too_large if too_large else done.refused
        kind.append(Refused(row, f"{answer.text}: {answer.message}{batch}"))
    if search.hopeless:
        done.hopeless = answer.text
    return row is not None
