"""The pulse: whether this process was stopped for so long that its membership may have ended unnoticed.

A process that was stopped (SIGSTOP, a frozen container, a starved machine) goes on where it was, while the group may
have given its partitions away: what it sends first could overtake its successor. So after a gap between two polls
nothing may be sent until librdkafka had time to find out. Pure, told the time; beaten by the consumer thread, asked
on the event loop.
"""

from __future__ import annotations

from dataclasses import dataclass

# 20 polls of 0.1 s; well under every session's time-out that brokers allow by default, which is 6 s and more.
LATE_S = 2.0
# After a stop librdkafka checks the session at once and sends the overdue heartbeat; its answer takes a round trip.
SETTLE_S = 1.0


@dataclass(slots=True)
class Pulse:
    """When the consumer thread last polled, and when it came back after a gap.

    Attributes:
        last: the newest beat, in seconds.
        resumed: the newest beat that came late.
    """

    last: float
    resumed: float = float("-inf")

    def beat(self, now: float) -> None:
        """A poll is over."""
        if now - self.last > LATE_S:
            self.resumed = now
        self.last = now

    def steady(self, now: float) -> bool:
        """Whether polls have come without a gap for long enough."""
        return now - self.last <= LATE_S and now - self.resumed >= SETTLE_S
