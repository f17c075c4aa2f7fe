"""What must be in Target and in the dead-letter topic, known from the feed alone.

Shares no code with the road that the records take: the text of a value is worked out here anew, from Python's values.
Pure. `demo` notes each record as it is written; `verdict` asks at the end.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connector.records import Reason
    from connector.service.demo.customers import Change
    from connector.service.demo.feed import Message


@dataclass(slots=True)
class Truth:
    """Filled record by record, in the order in which a partition gets them.

    Attributes:
        newest: the newest good change by customer.
        bad: the reason by partition and offset.
        ends: how many records each partition got.
    """

    newest: dict[str, Change] = field(default_factory=dict)
    bad: dict[tuple[int, int], Reason] = field(default_factory=dict)
    ends: Counter[int] = field(default_factory=Counter)

    def note(self, partition: int, message: Message) -> None:
        """This record is the partition's next; nobody else writes to the topic, so its offset is known."""
        if message.change is not None:
            self.newest[message.change["customer_id"]] = message.change
        if message.reason is not None:
            self.bad[partition, self.ends[partition]] = message.reason
        self.ends[partition] += 1

    def profiles(self) -> dict[str, dict[str, str]]:
        """Id to attributes as text, by the path of the field; what is null leaves no trace."""
        return {
            customer_id: {path: text for path, text in _texts(change) if path != "customer_id"}
            for customer_id, change in self.newest.items()
        }


def _texts(change: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in change.items():
        if isinstance(value, dict):
            yield from _texts(value, f"{above}{name}.")
        elif value is not None:
            yield above + name, _text(value)


def _text(value: object) -> str:
    """The text that docs/types.md promises."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)  # text, whole numbers, and decimals with all digits of their scale
