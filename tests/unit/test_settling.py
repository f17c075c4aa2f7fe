"""When offsets may pass: at acceptance, or once Target has completed what was accepted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from connector.errors import BlockedError, StartOverError
from connector.kafka.offsets import Ledger
from connector.records import Assignment, Partition, Span
from connector.settling import AtOnce, Patience, WhenComplete
from connector.target.budget import Budget
from connector.target.following import Following
from connector.target.status import State, Status
from connector.target.watchlist import Ration, Watchlist
from connector.telemetry import Silent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.settling import Settling
    from connector.target.addresses import Address

BASE = "https://acme.tt.omtrdc.net"
P0, P1 = Assignment(1, Partition("crm", 0)), Assignment(2, Partition("crm", 1))
TIMEOUT_S = 7200.0


class World:
    """Settling, with a Target whose answers a test sets by batch, and a clock that passes only when told."""

    def __init__(self, patience: Patience | None = None) -> None:
        self.now = 0.0
        self.until = 0.0
        self.states: dict[str, State] = {}
        self.stored: list[dict[Assignment, int]] = []
        self.ledger = Ledger()
        self.ledger.assign([P0, P1])
        budget = Budget(50)
        budget.share([P0.partition], [P0.partition], 0.0)
        self.following = Following(
            self,
            budget,
            Ration(50),
            Watchlist(60.0),
            Silent(),
            base_url=BASE,
            hold_s=60.0,
            clock=lambda: self.now,
            sleep=self.sleep,
        )
        self.settling: Settling = (
            AtOnce(self.ledger, self.following)
            if patience is None
            else WhenComplete(self.ledger, self.following, patience, lambda: self.now, self.sleep)
        )
        self.settling.share(1, 1)
        self.number = 0
        self.taken = {P0: 0, P1: 0}

    async def ask(self, address: Address) -> Status:
        return Status(self.states.get(address.rpartition("=")[2], State.INCOMPLETE))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        if self.now >= self.until:
            raise asyncio.CancelledError
        self.now += seconds

    async def pass_time(self, seconds: float) -> None:
        """Let the follower and the settling run; raises what the latter does."""
        self.until = self.now + seconds
        tasks = [asyncio.create_task(self.following.run()), asyncio.create_task(self.settling.run())]
        done, running = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for task in done:
            if not task.cancelled():
                task.result()

    def store(self, offsets: Mapping[Assignment, int]) -> None:
        if offsets:
            self.stored.append(dict(offsets))

    def deliver(self, *assignments: Assignment, parts: int = 1, named: bool = True) -> None:
        """One window of ten records of each assignment, accepted as so many batches."""
        self.number += 1
        spans = [Span(one, self.taken[one], self.taken[one] + 10) for one in assignments or (P0,)]
        for span in self.ledger.take(spans):
            self.taken[span.assignment] = span.next
        for part in range(parts):
            url = f"http://mboxedge1.tt.omtrdc.net/m2/acme/profile/batchStatus?batchId={self.number}.{part}"
            self.settling.accepted(url if named else None)
        self.settling.delivered(self.number, spans, 10, self.store)


async def test_at_acceptance_offsets_pass_at_once() -> None:
    """`commit_on: accepted` asks Target what became of a batch, and waits for nothing."""
    it = World()
    it.deliver(P0, P1)
    assert it.stored == [{P0: 10, P1: 10}]
    it.states["1.0"] = State.STUCK
    await it.pass_time(100)
    assert it.settling.room()


async def test_without_following_offsets_pass_as_well() -> None:
    """`follow: false` leaves delivery as it is."""
    it = World()
    it.settling = AtOnce(it.ledger, None)
    it.settling.share(1, 1)
    it.deliver(P0)
    it.settling.forget()
    assert it.stored == [{P0: 10}]
    assert it.settling.room()


async def test_offsets_pass_once_target_has_completed_the_batch() -> None:
    """Until then nothing of it is stored, however long that takes."""
    it = World(Patience())
    it.deliver(P0, P1)
    await it.pass_time(3600)
    assert it.stored == []
    it.states["1.0"] = State.COMPLETE
    await it.pass_time(700)
    assert it.stored == [{P0: 10, P1: 10}]


async def test_offsets_pass_in_the_order_of_acceptance() -> None:
    """A batch that is complete before an older one waits for it, even where they share no partition."""
    it = World(Patience())
    it.deliver(P0)
    it.deliver(P1)
    it.states["2.0"] = State.COMPLETE
    await it.pass_time(100)
    assert it.stored == []
    it.states["1.0"] = State.COMPLETE
    await it.pass_time(200)
    assert it.stored == [{P0: 10}, {P1: 10}]


async def test_a_window_of_several_batches_passes_with_the_last_of_them() -> None:
    """Half a window in the profiles is none."""
    it = World(Patience())
    it.deliver(P0, parts=2)
    it.states["1.0"] = State.COMPLETE
    await it.pass_time(100)
    assert it.stored == []
    it.states["1.1"] = State.COMPLETE
    await it.pass_time(200)
    assert it.stored == [{P0: 10}]


async def test_only_so_many_batches_are_unconfirmed_at_a_time() -> None:
    """The next one is not sent until one is complete."""
    it = World(Patience(batches=2))
    it.deliver(P0)
    assert it.settling.room()
    it.deliver(P0)
    assert not it.settling.room()
    it.states["1.0"] = State.COMPLETE
    await it.pass_time(100)
    assert it.settling.room()
    assert it.stored == [{P0: 10}]


async def test_there_is_no_room_for_what_target_would_forget() -> None:
    """A replica with a tenth of the partitions has one batch open, whatever the setting allows."""
    it = World(Patience(batches=5))
    it.settling.share(1, 10)
    it.deliver(P0)
    assert not it.settling.room()


async def test_a_window_without_a_row_passes_in_its_turn() -> None:
    """Where all records became dead letters there is nothing to confirm."""
    it = World(Patience())
    it.deliver(P0)
    it.deliver(P0, parts=0)
    assert it.stored == []
    it.states["1.0"] = State.COMPLETE
    await it.pass_time(100)
    assert it.stored == [{P0: 10}, {P0: 20}]


@pytest.mark.parametrize(
    ("state", "seconds", "told"),
    [
        pytest.param(State.INCOMPLETE, TIMEOUT_S + 1, "within target.unconfirmed.timeout", id="it takes too long"),
        pytest.param(State.UNANSWERED, TIMEOUT_S + 1, "within target.unconfirmed.timeout", id="no answer"),
        pytest.param(State.STUCK, 100, "stuck", id="stuck, at once"),
        pytest.param(State.GONE, 400, "gone", id="gone, once that was said three times"),
    ],
)
@pytest.mark.parametrize(("on_timeout", "error"), [("resend", StartOverError), ("block", BlockedError)])
async def test_what_does_not_complete_is_never_stored(
    state: State, seconds: float, told: str, on_timeout: str, error: type[Exception]
) -> None:
    """It ends this life of the pipeline, or blocks it, naming the batch; a batch behind it passes neither."""
    it = World(Patience(timeout_s=TIMEOUT_S, on_timeout=on_timeout))  # type: ignore[arg-type]
    it.deliver(P0)
    it.deliver(P1)
    it.states |= {"1.0": state, "2.0": State.COMPLETE}
    with pytest.raises(error, match=rf"batch 1 .*{told}|batch 1.*\({told}"):
        await it.pass_time(seconds)
    assert it.stored == []


async def test_gone_is_not_believed_at_once() -> None:
    """An edge that does not know the batch yet costs no repetition."""
    it = World(Patience())
    it.deliver(P0)
    it.states["1.0"] = State.GONE
    await it.pass_time(200)
    it.states["1.0"] = State.COMPLETE
    await it.pass_time(200)
    assert it.stored == [{P0: 10}]


async def test_an_acceptance_that_cannot_be_asked_for_is_not_complete() -> None:
    """Without an address there is no confirmation, so its offsets do not pass."""
    it = World(Patience())
    it.deliver(P0, named=False)
    with pytest.raises(StartOverError, match="unconfirmed"):
        await it.pass_time(10)
    assert it.stored == []


async def test_a_part_of_a_window_may_not_last_for_ever_either() -> None:
    """While the rest of it waits for room, the same time-out holds."""
    it = World(Patience(timeout_s=TIMEOUT_S))
    it.settling.share(1, 10)
    it.settling.accepted("http://mboxedge1.tt.omtrdc.net/m2/acme/profile/batchStatus?batchId=1.0")
    assert not it.settling.room()
    await it.pass_time(TIMEOUT_S - 100)
    with pytest.raises(StartOverError, match="a part of a batch"):
        await it.pass_time(200)


async def test_a_window_that_was_given_up_half_sent_is_not_waited_for() -> None:
    """Where its partitions went away between two of its batches, no time-out ends what goes on."""
    it = World(Patience(timeout_s=TIMEOUT_S))
    it.settling.accepted("http://mboxedge1.tt.omtrdc.net/m2/acme/profile/batchStatus?batchId=1.0")
    it.settling.forget()
    await it.pass_time(2 * TIMEOUT_S)


async def test_what_went_to_another_member_is_not_waited_for() -> None:
    """A revoke gives up what is unconfirmed of it: the next owner delivers it again; the rest goes on."""
    it = World(Patience(batches=2))
    it.deliver(P0)
    it.deliver(P1)
    it.states |= {"1.0": State.STUCK, "2.0": State.COMPLETE}
    it.ledger.release([P0])
    it.settling.forget()
    assert it.settling.room()
    await it.pass_time(100)
    assert it.stored == [{P1: 10}]


async def test_of_a_window_that_went_in_part_the_rest_is_still_held() -> None:
    """Only what is ours is stored, and only at completion."""
    it = World(Patience())
    it.deliver(P0, P1)
    it.ledger.release([P0])
    it.settling.forget()
    assert it.stored == []
    it.states["1.0"] = State.COMPLETE
    await it.pass_time(100)
    assert it.stored == [{P1: 10}]
