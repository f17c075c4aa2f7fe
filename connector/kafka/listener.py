"""Who is told about partitions that come and go, and how the consumer thread tells it.

The listener lives on the event loop, the source calls from its own thread: nothing is awaited there but the end of a
revoke, and that only for so long. Nothing here raises: in a callback of librdkafka's that would lose records.
"""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import CancelledError as FutureCancelledError
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connector.kafka.assignments import Remade
    from connector.records import Assignment, Partition


class Listener(Protocol):
    """Who is told about partitions that come and go; called on the event loop."""

    def assigned(self, assignments: Sequence[Assignment], starts: Mapping[Partition, int]) -> None:
        """These are ours from now on, to be read from `starts` as far as that is known."""

    def remade(self, remade: Sequence[Remade]) -> None:
        """Partitions began anew: what was read before is still ours to deliver, but nothing of it may be stored."""

    async def revoked(self, assignments: Sequence[Assignment], *, lost: bool) -> None:
        """These go: settle what can be settled (if not lost), then forget the rest."""

    def ends(self, offsets: Mapping[Partition, int]) -> None:
        """The end offsets of the partitions that are ours, as far as known."""


class Teller:
    """Tells the event loop, from the consumer thread."""

    def __init__(self, listener: Listener) -> None:
        """Tell this listener, once the loop is known."""
        self._listener = listener

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """The listener lives on this loop."""
        self._loop = loop

    def assigned(self, assignments: Sequence[Assignment], starts: Mapping[Partition, int]) -> None:
        """These are ours from now on."""
        self.tell(self._listener.assigned, assignments, starts)

    def remade(self, remade: Sequence[Remade]) -> None:
        """These began anew."""
        self.tell(self._listener.remade, remade)

    def ends(self, offsets: Mapping[Partition, int]) -> None:
        """These are the ends."""
        self.tell(self._listener.ends, offsets)

    def tell(self, callback: Callable[..., object], *arguments: object) -> None:
        """Let the loop call it."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process is going
            self._loop.call_soon_threadsafe(callback, *arguments)

    def lost(self, assignments: Sequence[Assignment]) -> None:
        """These are gone already."""
        with contextlib.suppress(RuntimeError):
            asyncio.run_coroutine_threadsafe(self._listener.revoked(assignments, lost=True), self._loop)

    def revoked(self, assignments: Sequence[Assignment], timeout_s: float) -> str | None:
        """Let these go, and wait for that; what went wrong, if anything did."""
        letting_go = self._listener.revoked(assignments, lost=False)
        try:
            done = asyncio.run_coroutine_threadsafe(letting_go, self._loop)
        except RuntimeError:
            letting_go.close()
            return None
        try:
            done.result(timeout_s)
        except FutureTimeoutError:
            done.cancel()
            return f"a call to Target held up a rebalance for {timeout_s:.0f} s; its records are read again"
        except FutureCancelledError:
            return None
        except Exception as error:  # noqa: BLE001 (a callback that raises loses records)
            return f"a rebalance went wrong: {type(error).__name__}"
        return None
