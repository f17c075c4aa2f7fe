"""What Kafka holds, record by record: the truth that a run is judged by.

Owns one entry per record, at its partition and offset: good with its customer and version, bad with the reason it must
get, or a tombstone, which is skipped. `feed` writes which it is into a header; `witness` reads the topic. (What the
producer hears is not enough: with brokers killed, a record may be there twice, of which it hears once.) Compact, since
an hour brings millions.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

_BAD, _TOMBSTONE = -1, -2  # in place of a version


class Truth:
    """All records of one topic.

    Attributes:
        newest: of each customer, the version of its newest good record, in the order of the topic.
        bad: by partition and offset, the reason of each record that must become a dead letter.
        tombstones: how many there are.
        disorder: good records that come after a newer one of their customer, since the producer had to write again.
    """

    def __init__(self, partitions: int) -> None:
        self._customers = [array("l") for _ in range(partitions)]
        self._versions = [array("l") for _ in range(partitions)]
        self.newest: dict[int, int] = {}
        self.bad: dict[tuple[int, int], str] = {}
        self.tombstones = 0
        self.disorder = 0

    def read(self, partition: int, offset: int, header: str) -> None:
        """The next record of a partition, by its header: one of the three below.

        Raises:
            RuntimeError: it is not the next one.
        """
        match header.split():
            case ["good", customer, version]:
                self.good(partition, offset, int(customer), int(version))
            case ["bad", reason]:
                self.wrong(partition, offset, reason)
            case _:
                self.tombstone(partition, offset)

    def good(self, partition: int, offset: int, customer: int, version: int) -> None:
        """A record that must arrive, unless a newer one of its customer does."""
        self._add(partition, offset, customer, version)
        self.disorder += version <= self.newest.get(customer, 0)
        self.newest[customer] = version

    def wrong(self, partition: int, offset: int, reason: str) -> None:
        """A record that must become a dead letter."""
        self._add(partition, offset, 0, _BAD)
        self.bad[partition, offset] = reason

    def tombstone(self, partition: int, offset: int) -> None:
        """A record that is skipped."""
        self._add(partition, offset, 0, _TOMBSTONE)
        self.tombstones += 1

    def _add(self, partition: int, offset: int, customer: int, version: int) -> None:
        if offset != len(self._versions[partition]):
            msg = f"offset {offset} of partition {partition} after {len(self._versions[partition])} records: no truth"
            raise RuntimeError(msg)
        self._customers[partition].append(customer)
        self._versions[partition].append(version)

    def ends(self) -> list[int]:
        """How many records are known, by partition."""
        return [len(versions) for versions in self._versions]

    def records(self) -> int:
        """How many records are known in all."""
        return sum(self.ends())

    def settled(
        self, partition: int, offset: int, accepted: dict[int, int], letters: Container[tuple[int, int]]
    ) -> bool:
        """Whether a record is done with: accepted as it is or newer, a dead letter, or skipped.

        Args:
            partition: of the record.
            offset: of the record.
            accepted: of each customer, the highest version that Target has accepted.
            letters: partition and offset of all dead letters.
        """
        version = self._versions[partition][offset]
        if version == _TOMBSTONE:
            return True
        if version == _BAD:
            return (partition, offset) in letters
        return accepted.get(self._customers[partition][offset], 0) >= version
