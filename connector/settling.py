"""When the positions of an accepted batch are settled: at once, or once Target has completed it (`target.commit_on`).

Between delivery and the ledger. `AtOnce` settles what Target queued. `WhenComplete` holds the offsets back until
Target says that the batch is in the profiles, a few batches at a time; what does not complete in time is not posted
again, as it could overtake newer rows: all that is open is given up and read again from the committed offsets. What is
held is in memory only, so after a crash, a stop or a rebalance it is read and delivered again, never lost. The
pipeline tells both, delivery asks whether one more batch may go.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol

from connector.errors import BlockedError, StartOverError
from connector.target.watchlist import End

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from typing import NoReturn

    from connector.kafka.offsets import Ledger
    from connector.records import Assignment, Span
    from connector.target.following import Following
    from connector.target.watchlist import Followed

LOOK_S: Final = 0.5


class Settling(Protocol):
    """What the pipeline tells of its batches; also delivery's `Follower`."""

    def room(self) -> bool:
        """Whether one more batch may be accepted now."""

    def accepted(self, status_url: str | None) -> None:
        """A body of the batch that is being sent was accepted."""

    def delivered(
        self, number: int, spans: Sequence[Span], rows: int, store: Callable[[Mapping[Assignment, int]], None]
    ) -> None:
        """All of batch `number` is accepted or a dead letter: settle its spans now or later, and store the offsets."""

    def forget(self) -> None:
        """The ledger has released assignments: nothing of them needs to be settled any more."""

    def share(self, assigned: int, partitions: int) -> None:
        """This replica owns `assigned` of all `partitions`."""

    async def run(self) -> NoReturn:
        """Look after what is held back, for ever.

        Raises:
            StartOverError: a batch did not complete; begin again from the committed offsets.
            BlockedError: the same, where a human is to look at it first.
        """


class AtOnce:
    """`commit_on: accepted`: a batch is settled as soon as Target has queued it."""

    def __init__(self, ledger: Ledger, following: Following | None) -> None:
        """Settle in `ledger`; `following`, if there is one, is told of the batches and changes nothing."""
        self._ledger = ledger
        self._following = following

    def room(self) -> bool:
        """See Settling."""
        return True

    def accepted(self, status_url: str | None) -> None:
        """See Settling."""
        if self._following is not None:
            self._following.accepted(status_url)

    def delivered(
        self, number: int, spans: Sequence[Span], rows: int, store: Callable[[Mapping[Assignment, int]], None]
    ) -> None:
        """See Settling."""
        store(self._ledger.settle(spans))
        if self._following is not None:
            self._following.close(number, rows, lambda _: None)

    def forget(self) -> None:
        """See Settling."""

    def share(self, assigned: int, partitions: int) -> None:
        """See Settling."""
        if self._following is not None:
            self._following.share(assigned, partitions)

    async def run(self) -> NoReturn:
        """See Settling."""
        while True:
            await asyncio.Event().wait()


@dataclass(frozen=True, slots=True)
class Patience:
    """How long completion is waited for.

    Attributes:
        batches: that may be unconfirmed at a time.
        timeout_s: for one of them.
        on_timeout: what happens then.
    """

    batches: int = 5
    timeout_s: float = 7200.0
    on_timeout: Literal["resend", "block"] = "resend"


@dataclass(slots=True, eq=False)
class _Held:
    number: int
    spans: Sequence[Span]
    since: float
    end: End | None = None


@dataclass(slots=True)
class WhenComplete:
    """`commit_on: complete`: a batch is settled once Target has completed it and all before it."""

    ledger: Ledger
    following: Following
    patience: Patience
    clock: Callable[[], float]  # monotonic, in seconds
    sleep: Callable[[float], Awaitable[None]]
    _held: deque[_Held] = field(default_factory=deque)  # in the order of acceptance
    _sending_since: float | None = None  # the newest acceptance of the batch that is being sent

    def room(self) -> bool:
        """See Settling."""
        return len(self._held) < self.patience.batches and self.following.room()

    def accepted(self, status_url: str | None) -> None:
        """See Settling."""
        self._sending_since = self.clock()
        self.following.accepted(status_url)

    def delivered(
        self, number: int, spans: Sequence[Span], rows: int, store: Callable[[Mapping[Assignment, int]], None]
    ) -> None:
        """See Settling."""
        held = _Held(number, spans, self.clock())
        self._held.append(held)
        self._sending_since = None

        def ended(batch: Followed) -> None:
            held.end = batch.end
            while self._held and self._held[0].end is End.COMPLETE:
                store(self.ledger.settle(self._held.popleft().spans))

        self.following.close(number, rows, ended)

    def forget(self) -> None:
        """See Settling."""
        for held in list(self._held):
            if not any(self.ledger.holds(span.assignment) for span in held.spans):
                self._held.remove(held)
                self.following.give_up(held.number)

    def share(self, assigned: int, partitions: int) -> None:
        """See Settling."""
        self.following.share(assigned, partitions)

    async def run(self) -> NoReturn:
        """See Settling."""
        while True:
            why = self._overdue()
            if why is not None:
                self._give_up(why)
            await self.sleep(LOOK_S)

    def _overdue(self) -> str | None:
        """Which batch will not complete, in words."""
        now = self.clock()
        for held in self._held:
            if held.end not in {None, End.COMPLETE}:
                return f"Target took batch {held.number} and did not complete it ({held.end})"
            if held.end is None and now - held.since >= self.patience.timeout_s:
                return f"Target did not complete batch {held.number} within target.unconfirmed.timeout"
        since = self._sending_since
        if since is not None and now - since >= self.patience.timeout_s and not self.following.room():
            return "Target did not complete a part of a batch within target.unconfirmed.timeout"
        return None

    def _give_up(self, why: str) -> NoReturn:
        if self.patience.on_timeout == "block":
            raise BlockedError(
                f"{why}; nothing of it is committed. Ask Adobe what became of it, then let it be sent again"
            )
        raise StartOverError(f"{why}; all from the committed offsets on is sent again")
