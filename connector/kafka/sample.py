"""Some records of some partitions, as a chunk: the newest, or the first ones, bounded in number, bytes and time.

What commands look at before or beside the service: no member of a group, and nothing is committed, as `ranges` reads
them. The shares of the partitions are pure. `service.check`, `service.init` and `service.preview` call it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE

from connector.kafka.assignments import Assignments
from connector.kafka.polled import listed
from connector.records import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from confluent_kafka import Message

    from connector.kafka.ranges import Ranges
    from connector.records import Alongside, Chunk, Partition

    Stretches = Mapping[Partition, tuple[int, int]]

MAX_BYTES: Final = 64_000_000  # of values; decoded they take a few times as much
WITHIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What was read.

    Attributes:
        chunk: the records; its spans do not matter.
        cut: why it ended before the stretches did; None if it did not.
        first_ms, last_ms: the oldest and newest time of a record, in ms since 1970; None where none has one.
    """

    chunk: Chunk
    cut: str | None
    first_ms: int | None
    last_ms: int | None


def newest(bounds: Stretches, most: int) -> dict[Partition, tuple[int, int]]:
    """Give the stretch at the end of each partition, so many offsets in all; see `shares`.

    Args:
        bounds: the first offset of each, and the one after the last.
        most: offsets of all of them together; of those, some may hold no record.
    """
    given = shares({one: end - first for one, (first, end) in bounds.items()}, most)
    return {one: (end - given[one], end) for one, (_, end) in bounds.items()}


def oldest(bounds: Stretches, most: int) -> dict[Partition, tuple[int, int]]:
    """Give the stretch at the beginning of each partition; see `newest`."""
    given = shares({one: end - first for one, (first, end) in bounds.items()}, most)
    return {one: (first, first + given[one]) for one, (first, _) in bounds.items()}


def shares(available: Mapping[Partition, int], most: int) -> dict[Partition, int]:
    """Share out so many offsets evenly; what one partition lacks the others get."""
    given: dict[Partition, int] = {}
    left = most
    for index, one in enumerate(sorted(available, key=lambda one: (available[one], one))):
        given[one] = min(available[one], -(-left // (len(available) - index)))
        left -= given[one]
    return given


def read(
    ranges: Ranges,
    stretches: Stretches,
    alongside: Alongside = NOTHING,
    *,
    max_bytes: int = MAX_BYTES,
    clock: Callable[[], float] = time.monotonic,
) -> Sample:
    """Read the records of stretches; blocks.

    Args:
        ranges: reads them.
        stretches: by partition the first offset and the one after the last.
        alongside: what is needed of records beside their values.
        max_bytes: of values; what takes more is cut.
        clock: monotonic, in seconds.

    Raises:
        FatalError: they may not be read, or nothing comes for too long.
    """
    ours = Assignments()
    ours.add(stretches)
    messages, cut = _taken(ranges.read(stretches), max_bytes, clock)
    # A sample is small: the client gives times per record only.
    times = [at for kind, at in (one.timestamp() for one in messages) if kind != TIMESTAMP_NOT_AVAILABLE]
    chunk = ours.gather(listed(messages, alongside), lambda _: -1).chunk
    return Sample(chunk, cut, min(times, default=None), max(times, default=None))


def _taken(messages: Iterator[Message], max_bytes: int, clock: Callable[[], float]) -> tuple[list[Message], str | None]:
    until = clock() + WITHIN_S
    taken: list[Message] = []
    size_bytes = 0
    for message in messages:
        taken.append(message)
        size_bytes += len(message.value() or b"")
        if size_bytes >= max_bytes:
            return taken, f"stopped at {max_bytes / 1e6:.0f} MB"
        if clock() > until:
            return taken, f"stopped after {WITHIN_S:.0f} s"
    return taken, None
