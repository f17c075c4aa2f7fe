"""Replays letters through the topics that they came from.

Promises exactly once for readers of committed records, and newest wins: what is newer is looked for before anything is
written, and once more, within the open transaction, in what came meanwhile. Blocks; called by `commands`.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector.errors import FatalError, SettingError
from connector.kafka import letters as shelf
from connector.kafka.letters import position_of
from connector.kafka.ranges import Ranges
from connector.kafka.replay import Copier, Copy, newest
from connector.service.dead_letters import judging
from connector.service.dead_letters.judging import Found, Outcome

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from connector.kafka.letters import Letter, Position
    from connector.records import Partition
    from connector.service.dead_letters.filters import Filter
    from connector.service.dead_letters.judging import Options

CHUNK_LETTERS = 100  # of one transaction: so many are tried again if something newer came meanwhile
CHUNK_BYTES = 8_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where letters are and may go.

    Attributes:
        properties: librdkafka's, of the service's consumer.
        topic: the dead-letter topic.
        reads: whether one of the sources reads a topic.
    """

    properties: Mapping[str, Any]
    topic: str
    reads: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay would do.

    Attributes:
        letters: to be replayed, in this order.
        found: what the dead-letter topic holds.
        counts: of the others, by what speaks against them.
        reached: how far each source partition was searched for newer records.
    """

    letters: Sequence[Letter]
    found: Found
    counts: Counter[Outcome]
    reached: dict[Partition, int]


def plan(place: Place, chosen: Filter, options: Options) -> Plan:
    """Find out what to do; writes nothing.

    Raises:
        SettingError: there is no dead-letter topic, or no letter at a position asked for.
        FatalError: the brokers don't answer, or don't let us read.
    """
    found = Found()
    with Ranges(place.properties, name="letters") as ranges:
        found.gather(shelf.read(ranges, place.topic, chosen.since_ms), chosen.takes)
        missing = chosen.positions - {letter.position for letter in found.letters}
        if missing:
            raise SettingError(f"no letter at {', '.join(map(str, sorted(missing)))} of {place.topic}; see `list`")
        verdict = judging.judge(found, options, place.reads, ranges.partitions())
        left = verdict.replay
        reached: dict[Partition, int] = {}
        if not options.even_superseded:
            wanted = judging.keys(left)
            bounds = ranges.bounds(wanted)
            stretches = {
                one: (max(min(ours.values()) + 1, bounds[one][0]), bounds[one][1]) for one, ours in wanted.items()
            }
            late = judging.superseded(left, newest(ranges, wanted, stretches))
            reached = dict(ranges.reached)
            left = [letter for letter in left if letter.position not in late]
            verdict.counts[Outcome.SUPERSEDED] += len(late)
        verdict.counts[Outcome.LATER] += max(0, len(left) - options.limit)
        return Plan(left[: options.limit], found, verdict.counts, reached)


def replay(
    place: Place, chosen: Filter, options: Options, tell: Callable[[int, int], None] = lambda _done, _of: None
) -> Counter[Outcome]:
    """Replay letters; `tell` hears how many are done, of how many.

    Returns:
        How many letters had which outcome.

    Raises:
        SettingError: there is no dead-letter topic.
        FatalError: it could not be done, or not all of it: what was replayed is marked, and another run does the rest.
    """
    copier = Copier(place.properties, place.topic)
    copier.begin()  # before looking: from now on nobody else replays, and what others did can be seen
    planned = plan(place, chosen, options)
    counts = planned.counts
    done = 0
    with (
        Ranges(place.properties, name="letters") as letters,
        Ranges(place.properties, name="letters", committed=False) as meanwhile,
    ):
        for chunk in _chunks(planned.letters):
            wanted = [letter.position for letter in chunk]
            messages = {position_of(message): message for message in shelf.fetch(letters, place.topic, wanted)}
            copies = [
                Copy(one, messages[one.position], [p for p in planned.found.twins(one) if p != one.position])
                for one in chunk
                if one.position in messages
            ]
            counts[Outcome.GONE] += len(chunk) - len(copies)  # retention was faster than we
            late = _write(copier, copies, planned.reached, meanwhile)
            counts[Outcome.SUPERSEDED] += late
            counts[Outcome.REPLAYED] += len(copies) - late
            done += len(chunk)
            tell(done, len(planned.letters))
    return counts


def _write(copier: Copier, copies: Sequence[Copy], reached: dict[Partition, int], meanwhile: Ranges) -> int:
    """Write copies in one transaction, without those that something newer came for; returns how many these are."""
    left = list(copies)
    try:
        while left:
            ends = copier.write(left)
            late = _overtaken([copy.letter for copy in left], reached, ends, meanwhile)
            reached.update({partition: end for partition, end in ends.items() if partition in reached and not late})
            if not late:
                copier.commit()
                break
            copier.abort()
            left = [copy for copy in left if copy.letter.position not in late]
    except FatalError:
        with contextlib.suppress(FatalError):
            copier.abort()  # or readers wait until the transaction times out
        raise
    return len(copies) - len(left)


def _overtaken(
    letters: Sequence[Letter], reached: Mapping[Partition, int], ends: Mapping[Partition, int], meanwhile: Ranges
) -> set[Position]:
    """Letters whose key got a newer record after the search for such and before the copy.

    What a transaction of others wrote counts here even if it is undone later: the letter is then left for another run.
    """
    stretches = {partition: (first, ends[partition]) for partition, first in reached.items() if partition in ends}
    wanted = {partition: ours for partition, ours in judging.keys(letters).items() if partition in stretches}
    stretches = {partition: stretches[partition] for partition in wanted}
    return set(judging.superseded(letters, newest(meanwhile, wanted, stretches)))


def _chunks(letters: Sequence[Letter]) -> Iterator[list[Letter]]:
    chunk: list[Letter] = []
    size_bytes = 0
    for letter in letters:
        chunk.append(letter)
        size_bytes += letter.value_bytes or 0
        if len(chunk) >= CHUNK_LETTERS or size_bytes >= CHUNK_BYTES:
            yield chunk
            chunk, size_bytes = [], 0
    if chunk:
        yield chunk
