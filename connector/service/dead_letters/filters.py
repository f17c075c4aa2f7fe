"""Which letters a command is about: by reason, topic, time and position.

Pure: told the time. `commands` reads the options with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connector.records import Reason
from connector.service import units
from connector.service.nearest import nearest

if TYPE_CHECKING:
    from connector.kafka.letters import Letter, Position


@dataclass(frozen=True, slots=True)
class Filter:
    """What a letter must be to be taken; what is empty or None takes all.

    Attributes:
        reasons: one of them.
        topics: its record was in one of them.
        since_ms: written then or later, in ms since 1970.
        until_ms: written before.
        positions: stands at one of them.
    """

    reasons: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    since_ms: int | None = None
    until_ms: int | None = None
    positions: frozenset[Position] = frozenset()

    def takes(self, letter: Letter) -> bool:
        """Whether the letter is meant; one without a time is not, where a time is asked for."""
        origin = letter.origin
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (not self.topics or (origin is not None and origin.partition.topic in self.topics))
            and (self.since_ms is None or (letter.at_ms is not None and letter.at_ms >= self.since_ms))
            and (self.until_ms is None or (letter.at_ms is not None and letter.at_ms < self.until_ms))
            and (not self.positions or letter.position in self.positions)
        )


def moment(text: str, now_s: float) -> int:
    """Read a time, or how long ago it was.

    Args:
        text: ISO 8601, in UTC unless it says otherwise, or a duration such as `2h`.
        now_s: seconds since 1970.

    Returns:
        Milliseconds since 1970.

    Raises:
        ValueError: it is neither.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        try:
            return int((now_s - units.duration(text)) * 1000)
        except ValueError:
            raise ValueError("is no time; write 2026-11-24T08:00, in UTC, or 2h for two hours ago") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def reason(text: str) -> str:
    """Check a reason: one of ours, or the name of a Java class in a letter of Kafka Connect.

    Raises:
        ValueError: no letter can have it.
    """
    known = [str(one) for one in Reason]
    if text in known or "." in text:
        return text
    raise ValueError(f"is no reason; {nearest(text, known)}")
