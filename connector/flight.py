"""The batch in flight: at most one, begun when the one before it has landed, and cut short only between its calls.

A call that is cut may still be applied by Target, after whatever the next owner of its partitions sends. So whoever
ends a batch (`cut_short`) lets the call on the wire end first, which its time-out bounds; what it settles is settled as
ever. The pipeline flies it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from connector.errors import BlockedError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class Flight:
    """A batch on its way, or none."""

    def __init__(self, quiet: Callable[[], asyncio.Lock]) -> None:
        """Fly nothing yet; `quiet` gives what is held while no call is on the wire and none begins."""
        self._quiet = quiet
        self._task: asyncio.Task[None] | None = None

    def begin(self, delivery: Coroutine[Any, Any, None]) -> None:
        """Send a batch on its way; there must be none."""
        self._task = asyncio.create_task(delivery)

    def tasks(self) -> set[asyncio.Task[None]]:
        """What to wait for: the batch, if there is one."""
        return set() if self._task is None else {self._task}

    def look(self) -> None:
        """Forget the batch if it has landed.

        Raises:
            BlockedError: only a human can help; any other error that ended it as well.
        """
        if self._task is not None and self._task.done():
            landed, self._task = self._task, None
            landed.result()

    async def land(self) -> None:
        """Wait until it has landed, if there is one; a cancelled wait leaves it on its way. Raises as `look` does."""
        if self._task is not None:
            await asyncio.wait({self._task})
            self.look()

    async def cut_short(self) -> BlockedError | None:
        """Let its call on the wire end, begin no other, and give up the rest; what blocked it meanwhile, if anything.

        Cancelled, it gives up at once, as nobody has the time.
        """
        if self._task is None:
            return None
        task, self._task = self._task, None
        try:
            # Whoever holds the lock hands it on in order, so the batch can't begin a call before this.
            async with self._quiet():
                task.cancel()
        finally:
            task.cancel()
            (ended,) = await asyncio.gather(task, return_exceptions=True)
        return ended if isinstance(ended, BlockedError) else None
