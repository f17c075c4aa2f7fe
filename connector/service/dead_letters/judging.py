"""Which letters may be replayed, and why the others not.

Promises that a letter is replayed once, however often it is asked for, that of several letters of one record one is
replayed, and that none goes over a newer record of its key. Pure; called by `replaying`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from connector.kafka.letters import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from connector.kafka.letters import Letter, Origin
    from connector.kafka.replay import Keys
    from connector.records import Partition


class Outcome(StrEnum):
    """What becomes of a letter; the text is shown."""

    REPLAYED = "replayed"
    BEFORE = "replayed before (--again)"
    DUPLICATE = "another letter of a record that is counted already"
    SUPERSEDED = "superseded by a newer record of the same key (--even-superseded)"
    KEYLESS = "without a key: what is newer cannot be told (--keyless)"
    GONE = "without content: the record was gone from Kafka before its letter was written"
    FOREIGN = "of a topic that no source of these settings reads"
    HOMELESS = "of a topic or partition that is no more"
    LATER = "left for another run (--limit)"


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for beyond the safe way.

    Attributes:
        again: what was replayed before, too.
        even_superseded: what a newer record of its key stands against, too.
        keyless: what has no key, too.
        limit: so many letters at most, the oldest first.
    """

    again: bool = False
    even_superseded: bool = False
    keyless: bool = False
    limit: int = 100_000


@dataclass(slots=True)
class Found:
    """What the dead-letter topic holds.

    Attributes:
        letters: those that are meant.
        replayed: positions that a marker names.
        same: the positions of all letters of each record. One that failed again when it was replayed counts as
            another record, though it may have the same offset.
    """

    letters: list[Letter] = field(default_factory=list)
    replayed: set[Position] = field(default_factory=set)
    same: dict[tuple[Partition, int, str], list[Position]] = field(default_factory=dict)

    def gather(self, items: Iterable[Letter | Position], takes: Callable[[Letter], bool]) -> None:
        """Take in what `kafka.letters.read` gives."""
        for item in items:
            if isinstance(item, Position):
                self.replayed.add(item)
                continue
            if item.origin is not None:
                self.same.setdefault(_record(item.origin), []).append(item.position)
            if takes(item):
                self.letters.append(item)

    def twins(self, letter: Letter) -> Sequence[Position]:
        """All letters of the record of this letter, itself included."""
        if letter.origin is None:
            return [letter.position]
        return self.same[_record(letter.origin)]


@dataclass(slots=True)
class Verdict:
    """What is to be done.

    Attributes:
        replay: to be replayed, in the order of their topics; of one record one letter.
        counts: of all others.
    """

    replay: list[Letter] = field(default_factory=list)
    counts: Counter[Outcome] = field(default_factory=Counter)


def judge(found: Found, options: Options, reads: Callable[[str], bool], partitions: Mapping[str, int]) -> Verdict:
    """Decide what needs no look at the topics' records.

    Args:
        found: in the dead-letter topic.
        options: as asked for.
        reads: whether one of the sources reads a topic.
        partitions: how many partitions each topic of the cluster has.
    """
    verdict = Verdict()
    taken: set[Position] = set()
    for letter in sorted(found.letters, key=_age):
        outcome = _against(letter, found, options, reads, partitions)
        if outcome is None and taken & set(found.twins(letter)):
            outcome = Outcome.DUPLICATE
        if outcome is None:
            taken.add(letter.position)
            verdict.replay.append(letter)
        else:
            verdict.counts[outcome] += 1
    return verdict


def _against(
    letter: Letter, found: Found, options: Options, reads: Callable[[str], bool], partitions: Mapping[str, int]
) -> Outcome | None:
    if letter.origin is None or not reads(letter.origin.partition.topic):
        return Outcome.FOREIGN
    if letter.gone:
        return Outcome.GONE
    if not options.again and not found.replayed.isdisjoint(found.twins(letter)):
        return Outcome.BEFORE
    topic, number = letter.origin.partition
    if number >= partitions.get(topic, 0):
        return Outcome.HOMELESS
    if letter.key is None and not options.keyless:
        return Outcome.KEYLESS
    return None


def keys(letters: Iterable[Letter]) -> Keys:
    """The keys to look for, each with the oldest offset that one of its letters has."""
    wanted: Keys = {}
    for letter in letters:
        if letter.origin is not None and letter.key is not None:
            ours = wanted.setdefault(letter.origin.partition, {})
            ours[letter.key] = min(letter.origin.first_offset, ours.get(letter.key, letter.origin.first_offset))
    return wanted


def superseded(letters: Iterable[Letter], newest: Keys) -> Collection[Position]:
    """The positions of letters whose key has a newer record."""
    return {
        letter.position
        for letter in letters
        if letter.origin is not None
        and letter.key is not None
        and newest.get(letter.origin.partition, {}).get(letter.key, -1) > letter.origin.first_offset
    }


def _record(origin: Origin) -> tuple[Partition, int, str]:
    return origin.partition, origin.offset, origin.copy_of


def _age(letter: Letter) -> tuple[str, int, int, int, Position]:
    """Orders letters as their records stood, so that of one key the newest is replayed last."""
    if letter.origin is None:
        return "", 0, 0, 0, letter.position
    topic, number = letter.origin.partition
    return topic, number, letter.origin.first_offset, letter.origin.offset, letter.position
