"""Follows accepted batches: asks Target, within the budget's spare calls, what became of them.

Accepted means queued and nothing more (AdobeDocs profile-bulk-api.md); this is how it is known that the rows are in
the profiles, how many could not be applied, and which batches Target will never finish. Thin: `watchlist` says which
batch is asked for when, `addresses` where that may be, `status` what the answer means. `settling` tells it of
accepted batches and may wait for their end; `app` runs it; the status page and command ask what is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from connector.target.addresses import status_address
from connector.target.status import State
from connector.telemetry import FollowReport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import NoReturn

    from connector.target.addresses import Address
    from connector.target.status import Status
    from connector.target.watchlist import Followed, Ration, Watchlist
    from connector.telemetry import Telemetry

LOOK_S: Final = 0.2  # a turn of the budget is open for 0.5 s
PATIENCE_S: Final = 30.0  # how long an operator's question waits for its call
REFUSED_ADDRESS: Final = "refused_address"


class StatusClient(Protocol):
    """What following needs of the network."""

    async def ask(self, address: Address) -> Status:
        """One question; never raises for what the network or Target does."""


class Allowance(Protocol):
    """What following needs of the call budget; `budget.Budget` is one."""

    def spare(self, now: float) -> bool:
        """Whether a call of low priority may be made now."""

    def wait_s(self, now: float) -> float:
        """Seconds until the next call is allowed; 0 if it is now."""

    def spend(self, now: float) -> None:
        """A call is made now."""

    def hold(self, seconds: float, now: float) -> None:
        """No call for so long."""


class Following:
    """The follower of one pipeline's batches."""

    def __init__(  # noqa: PLR0913 (the ports of one part, named)
        self,
        client: StatusClient,
        budget: Allowance,
        ration: Ration,
        watchlist: Watchlist,
        telemetry: Telemetry,
        *,
        base_url: str,
        hold_s: float,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """Put the parts together.

        Args:
            client: asks.
            budget: of calls.
            ration: how many of them may be questions.
            watchlist: says when to ask for what.
            telemetry: who is told.
            base_url: the configured one.
            hold_s: no call for so long after a 503 or 429, at least.
            clock: the budget's, in seconds.
            sleep: waits so many seconds.
        """
        self._client = client
        self._budget = budget
        self._ration = ration
        self._watchlist = watchlist
        self._telemetry = telemetry
        self._base_url = base_url
        self._hold_s = hold_s
        self._clock = clock
        self._sleep = sleep

    def share(self, assigned: int, partitions: int) -> None:
        """This replica owns `assigned` of all `partitions`."""
        self._ration.share(assigned, partitions)
        self._watchlist.share(assigned, partitions)

    def room(self) -> bool:
        """Whether one more body can be accepted without Target forgetting one that is open."""
        return self._watchlist.room()

    def accepted(self, status_url: str | None) -> None:
        """A body of the batch that is being sent was accepted; where its answer says it can be asked for."""
        address = None if status_url is None else status_address(status_url, self._base_url)
        if status_url is not None and address is None:
            self._telemetry.asked(REFUSED_ADDRESS)
        self._watchlist.accepted(address, self._clock())

    def close(self, number: int, rows: int, then: Callable[[Followed], None]) -> None:
        """All of the batch that was being sent is accepted; `then` is told once when it has ended."""

        def ended(batch: Followed) -> None:
            if batch.parts:
                self._telemetry.followed(_report(batch))
            then(batch)

        self._watchlist.close(number, rows, self._clock(), ended)
        self._telemetry.unconfirmed(self._watchlist.unconfirmed())

    def give_up(self, number: int) -> None:
        """Nobody waits for this batch any more."""
        self._watchlist.give_up(number, self._clock())
        self._telemetry.unconfirmed(self._watchlist.unconfirmed())

    def recent(self) -> Sequence[Followed]:
        """The newest batches, open or ended, newest first."""
        return self._watchlist.recent()

    async def run(self) -> NoReturn:
        """Ask, for ever."""
        while True:
            due = self._watchlist.due(self._clock())
            if due is not None and self._may_ask():
                batch, part = due
                if part.address is not None:
                    status = await self._ask(part.address)
                    self._watchlist.told(batch, part, status, self._clock())
            self._telemetry.unconfirmed(self._watchlist.unconfirmed())
            await self._sleep(LOOK_S)

    def find(self, name: str) -> Followed | None:
        """The recent batch of this number, or of which a body is what Target calls so."""
        for batch in self.recent():
            if name == str(batch.number) or any(name == part.batch_id for part in batch.parts):
                return batch
        return None

    async def failed_rows(self, name: str) -> list[str]:
        """The ids of the rows of a recent batch that Target could not apply, as far as it lists them.

        For the operator's eyes: ids are personal data. Asks Target anew, as nothing of them is kept here.

        Args:
            name: as for `find`.

        Raises:
            LookupError: the batch is none of the recent ones.
            TimeoutError: no call of the budget was free, or Target gave no status.
        """
        batch = self.find(name)
        if batch is None:
            raise LookupError("that batch is none of the recent ones")
        ids: list[str] = []
        for address in [part.address for part in batch.parts if part.address is not None]:
            patience_ends = self._clock() + PATIENCE_S
            while self._budget.wait_s(self._clock()) > 0:
                if self._clock() >= patience_ends:
                    raise TimeoutError("no call of the budget is free now; ask again later")
                await self._sleep(LOOK_S)
            status = await self._ask(address)
            if status.state not in {State.COMPLETE, State.INCOMPLETE, State.STUCK}:
                raise TimeoutError(f"Target does not tell of that batch ({status.state})")
            ids += status.failed_ids
        return ids

    def _may_ask(self) -> bool:
        now = self._clock()
        return self._ration.allows(now) and self._budget.spare(now)

    async def _ask(self, address: Address) -> Status:
        now = self._clock()
        self._budget.spend(now)
        self._ration.spend(now)
        status = await self._client.ask(address)
        if status.state is State.THROTTLED:
            self._budget.hold(max(self._hold_s, status.retry_after_s or 0.0), self._clock())
        self._telemetry.asked(status.state)
        return status


def _report(batch: Followed) -> FollowReport:
    return FollowReport(
        number=batch.number,
        end=str(batch.end),
        rows=batch.rows,
        failed=sum(part.failed for part in batch.parts),
        not_found=sum(part.not_found for part in batch.parts),
        asked=sum(part.asked for part in batch.parts),
        after_s=(batch.ended_at or batch.accepted_at) - batch.accepted_at,
    )
