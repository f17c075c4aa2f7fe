"""Which accepted batches are followed, and when each is asked for: the policy of `following`, told the time.

Target keeps the statuses of the ten newest batches of an account, for a day (Adobe's older batch_update page), and
each question is a call of the account's budget. So only the newest are followed, the first question comes after the
time that Target needs at least, the next ones ever later, and a batch that is about to be forgotten is asked for once
more. A batch may be sent in several bodies, each of which Target calls a batch; it is followed until
the last of them has ended. Pure.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from connector.target.addresses import batch_id
from connector.target.status import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector.target.addresses import Address
    from connector.target.status import Status

KEPT: Final = 10  # statuses that Target keeps per account
KEPT_S: Final = 24 * 3600.0
GROWTH: Final = 1.5  # of the gap between two questions: at 1, 2.5, 4.75, 8.1, 13.2 minutes and so on
LONGEST: Final = 10  # times the first gap
GONE_TIMES: Final = 3  # before it is believed: an edge of Target's may not know a batch yet
RECENT: Final = 50
MINUTE_S: Final = 60.0


class End(StrEnum):
    """How following a batch ended."""

    COMPLETE = "complete"
    UNCONFIRMED = "unconfirmed"  # it could not be asked for to the end: newer batches, a day, no address
    GONE = "gone"  # Target says that it knows no such batch
    STUCK = "stuck"  # Target says that it will not finish it


_WORST_FIRST: Final = (End.STUCK, End.GONE, End.UNCONFIRMED, End.COMPLETE)


@dataclass(slots=True, eq=False)
class Sent:
    """One accepted body of a batch: a batch of its own, as Target knows it.

    Attributes:
        address: where its status can be asked for; None if Target named no such place.
        accepted_at: when, of the clock that the methods are told.
        next_at: when to ask.
        gap_s: from the last question to the next.
        asked: how many questions there were.
        gone: how many times in a row Target knew no such batch.
        end: None while it is open.
        failed: rows that Target could not apply.
        not_found: rows of profiles that were not found.
    """

    address: Address | None
    accepted_at: float
    next_at: float
    gap_s: float
    asked: int = 0
    gone: int = 0
    end: End | None = None
    failed: int = 0
    not_found: int = 0

    @property
    def batch_id(self) -> str | None:
        """What Target calls it, if it named an address to ask."""
        return batch_id(self.address)


@dataclass(slots=True, eq=False)
class Followed:
    """One batch that was accepted, and what became of it.

    Attributes:
        number: of the batch, counts from 1 in this life of the pipeline; 0 while not all of it is accepted.
        rows: that Target accepted.
        parts: the bodies that it was sent in.
        accepted_at: when the last of them was, of the clock that the methods are told.
        ended_at: when the last of them had ended; None while it is open.
        then: told of the end.
    """

    number: int = 0
    rows: int = 0
    parts: list[Sent] = field(default_factory=list)
    accepted_at: float = 0.0
    ended_at: float | None = None
    then: Callable[[Followed], None] | None = field(default=None, repr=False)

    @property
    def end(self) -> End | None:
        """How it ended: as the worst of its parts did; None while it is open."""
        if self.ended_at is None:
            return None
        ends = {part.end for part in self.parts} | {End.COMPLETE}  # a batch without a row has no part
        return next(end for end in _WORST_FIRST if end in ends)


class Watchlist:
    """What is followed."""

    def __init__(self, first_s: float) -> None:
        """Nothing yet; `first_s` is from acceptance to the first question, and later gaps follow from it."""
        self._first_s = first_s
        self._keep = KEPT
        self._filling = Followed()
        self._open: list[Followed] = []  # accepted as a whole, oldest first
        self._kept: deque[tuple[Followed, Sent]] = deque()  # what Target keeps of ours, oldest first, ended or not
        self._recent: deque[Followed] = deque(maxlen=RECENT)

    def share(self, assigned: int, partitions: int) -> None:
        """This replica owns `assigned` of all `partitions`: so many of the kept statuses are its own from now on."""
        self._keep = max(1, KEPT * assigned // max(partitions, 1))

    def room(self) -> bool:
        """Whether one more body can be accepted without Target forgetting one that is open."""
        first_open = next((i for i, (_, part) in enumerate(self._kept) if part.end is None), len(self._kept))
        return len(self._kept) - first_open < self._keep

    def accepted(self, address: Address | None, now: float) -> None:
        """A body of the batch that is being sent was accepted; None if its answer named no address to ask."""
        part = Sent(address, now, now + self._first_s, self._first_s)
        self._filling.parts.append(part)
        if address is None:
            part.end = End.UNCONFIRMED
            return
        self._kept.append((self._filling, part))
        while len(self._kept) > self._keep:
            batch, oldest = self._kept.popleft()
            self._end(batch, oldest, End.UNCONFIRMED, now)
        _, oldest = self._kept[0]
        if len(self._kept) == self._keep and oldest is not part:
            oldest.next_at = min(oldest.next_at, now)  # the next batch pushes it out: a last question

    def close(self, number: int, rows: int, now: float, then: Callable[[Followed], None]) -> None:
        """All of the batch that was being sent is accepted; `then` is told once it has ended, perhaps at once."""
        batch, self._filling = self._filling, Followed()
        batch.number, batch.rows, batch.accepted_at, batch.then = number, rows, now, then
        self._open.append(batch)
        if batch.parts:
            self._recent.append(batch)
        self._settle(batch, now)

    def give_up(self, number: int, now: float) -> None:
        """Nobody waits for this batch any more."""
        for batch in [one for one in self._open if one.number == number]:
            for part in batch.parts:
                self._end(batch, part, End.UNCONFIRMED, now)

    def due(self, now: float) -> tuple[Followed, Sent] | None:
        """The body to ask for now: of those whose time has come, the one that Target forgets first."""
        for batch, part in list(self._kept):
            if now - part.accepted_at >= KEPT_S:
                self._end(batch, part, End.UNCONFIRMED, now)
        open_ones = ((batch, part) for batch, part in self._kept if part.end is None)
        return next(((batch, part) for batch, part in open_ones if part.next_at <= now), None)

    def told(self, batch: Followed, part: Sent, status: Status, now: float) -> None:
        """Note what Target said of a body, and when to ask again."""
        part.asked += 1
        part.gap_s = min(part.gap_s * GROWTH, self._first_s * LONGEST)
        part.next_at = now + part.gap_s
        part.gone = part.gone + 1 if status.state is State.GONE else 0
        if part.end is not None:
            return  # it was pushed out while the answer was on its way
        if status.state in {State.COMPLETE, State.STUCK}:
            part.failed, part.not_found = status.failed, status.not_found
            self._end(batch, part, End(status.state), now)
        elif part.gone >= GONE_TIMES:
            self._end(batch, part, End.GONE, now)

    def recent(self) -> Sequence[Followed]:
        """The newest batches, open or ended, newest first."""
        return list(reversed(self._recent))

    def unconfirmed(self) -> int:
        """How many batches are accepted as a whole and open."""
        return len(self._open)

    def _end(self, batch: Followed, part: Sent, end: End, now: float) -> None:
        if part.end is None:
            part.end = end
            self._settle(batch, now)

    def _settle(self, batch: Followed, now: float) -> None:
        """End a batch once it is accepted as a whole and none of its parts is open."""
        if batch in self._open and all(part.end is not None for part in batch.parts):
            self._open.remove(batch)
            batch.ended_at = now
            if batch.then is not None:
                batch.then(batch)


class Ration:
    """How many of the account's calls may be questions: a fifth, as each one taken is one that no batch can have."""

    SHARE: Final = 0.2

    def __init__(self, calls_per_minute: int) -> None:
        """Of so many calls of the whole account."""
        self._all_per_minute = calls_per_minute * self.SHARE
        self._per_minute = 0.0
        self._asked: deque[float] = deque()

    def share(self, assigned: int, partitions: int) -> None:
        """This replica owns `assigned` of all `partitions` from now on."""
        self._per_minute = self._all_per_minute * assigned / max(partitions, 1)

    def allows(self, now: float) -> bool:
        """Whether one more question may be asked now."""
        if self._per_minute <= 0:
            return False
        # So many in a minute; with less than one a minute, one in as many minutes as that takes.
        within_s = MINUTE_S / min(1.0, self._per_minute)
        while self._asked and self._asked[0] <= now - within_s:
            self._asked.popleft()
        return len(self._asked) < max(1, int(self._per_minute))

    def spend(self, now: float) -> None:
        """One is asked now."""
        self._asked.append(now)
