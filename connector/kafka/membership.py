"""Which partitions are ours: what happens when they come, go, are lost or begin anew.

The callbacks of a rebalance are called on the consumer thread, within a poll, and never raise. A revoke is awaited
for so long that the call on the wire is over, and what it settled is stored while the partitions are still ours; of
what is lost nothing is stored. The source makes it and polls.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from connector.kafka.assignments import Assignments
from connector.records import Partition
from connector.telemetry import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from connector.kafka.assignments import Remade
    from connector.kafka.listener import Teller
    from connector.records import Alongside, Assignment
    from connector.telemetry import Telemetry

COMMITTED_TIMEOUT_S = 2.0  # an assignment waits for it, and does without if the coordinator does not answer
# After a topic was made anew, what the group has committed may be the old one's offsets until each member has seen it,
# which takes 10 s at most, and the rebalances of that time are over, each of which may wait for a call on the wire.
SEEN_WITHIN_S = 30.0


class Membership:
    """The partitions of one consumer after another; belongs to the consumer thread.

    Attributes:
        assignments: what is ours.
        ours: the numbers of what is ours to deliver; replaced, never changed, so that any thread may read it.
    """

    def __init__(  # noqa: PLR0913 (who is told, and what the consumer thread lends)
        self,
        teller: Teller,
        telemetry: Telemetry,
        revoke_timeout_s: float,
        *,
        incremental: bool,
        store_first: Callable[[], None],
        joined: Callable[[], None],
        clock: Callable[[], float],
        alongside: Alongside | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            teller: tells the pipeline.
            telemetry: tells the operator.
            revoke_timeout_s: how long a revoke waits.
            incremental: whether the group's rebalances are.
            store_first: runs the commands that wait, once the call on the wire is over.
            joined: called when partitions have come, within the callback.
            clock: seconds that never decrease.
            alongside: what travels with the values of records.
        """
        self.assignments = Assignments(alongside)
        self.ours: frozenset[int] = frozenset()
        self._teller = teller
        self._telemetry = telemetry
        self._revoke_timeout_s = revoke_timeout_s
        self._incremental = incremental
        self._highest: dict[Partition, int] = {}
        self._anew: dict[str, float] = {}  # when each topic was seen to be made anew
        self._anew_s = SEEN_WITHIN_S + 2 * revoke_timeout_s
        self._store_first = store_first
        self._joined = joined
        self._clock = clock

    def join(self, consumer: Consumer, topics: Sequence[str]) -> None:
        """Be a member by way of this consumer from now on; whatever was ours by another one is lost."""
        self._consumer = consumer
        self._highest = {}
        self._let_go(self.assignments.partitions())
        consumer.subscribe(list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def store(self, offsets: Mapping[Assignment, int]) -> None:
        """Let the offsets of what is still ours be committed."""
        positions = [
            TopicPartition(*assignment.partition, offset)
            for assignment, offset in offsets.items()
            if self.assignments.holds(assignment)
        ]
        if not positions:
            return
        # Refused where a rebalance came first: the new owner reads those records again.
        with contextlib.suppress(KafkaException):
            self._consumer.store_offsets(offsets=positions)
            # Librdkafka commits by itself only what is above its last commit, which a topic made anew may not be.
            if lower := [one for one in positions if one.offset < self._highest_of(_name(one))]:
                self._consumer.commit(offsets=lower, asynchronous=True)
        self._note({_name(one): one.offset for one in positions})

    def _note(self, committed: Mapping[Partition, int]) -> None:
        for partition, offset in committed.items():
            self._highest[partition] = max(offset, self._highest_of(partition))

    def _highest_of(self, partition: Partition) -> int:
        """The highest offset that was committed since this consumer is a member."""
        return self._highest.get(partition, 0)

    def reread(self, topic: str) -> None:
        """The topic was made anew: begin with its first records, also in what comes to us soon."""
        self._anew[topic] = self._clock()
        remade = self.assignments.remake(topic)
        self.tell_remade(remade)
        for one in remade:
            with contextlib.suppress(KafkaException):  # it is going: then its new owner begins there
                self._consumer.seek(TopicPartition(*one.fresh.partition, one.start))

    def tell_remade(self, remade: Sequence[Remade]) -> None:
        """Tell the listener, before any record of what is fresh is handed over."""
        if remade:
            self.ours = self.assignments.numbers()
            self._teller.remade(remade)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if consumer is not self._consumer:
            return  # one that was given up, while it closes
        starts = self._committed(partitions)
        self._note(starts)
        starts = self._begin_anew(partitions, starts)
        assignments = self.assignments.add(_named(partitions), starts)
        self.ours = self.assignments.numbers()
        self._teller.assigned(assignments, starts)
        # The pause flag may have stayed from an earlier assignment. Resuming what is not assigned yet is harmless.
        with contextlib.suppress(KafkaException):
            consumer.resume(partitions)
        self._joined()

    def _begin_anew(self, partitions: list[TopicPartition], starts: dict[Partition, int]) -> dict[Partition, int]:
        """Assign by ourselves what is of a topic just made anew, from its first record; returns the starts left.

        An owner that knew nothing of it yet may have committed offsets of the old topic.
        """
        now = self._clock()
        anew = {topic for topic, seen_at in self._anew.items() if now - seen_at < self._anew_s}
        fresh = [one for one in partitions if one.topic in anew]
        if not fresh:
            return starts
        for one in fresh:
            one.offset = OFFSET_BEGINNING
        with contextlib.suppress(KafkaException):  # refused where another rebalance came first
            (self._consumer.incremental_assign if self._incremental else self._consumer.assign)(partitions)
        return {partition: offset for partition, offset in starts.items() if partition.topic not in anew}

    def _committed(self, partitions: list[TopicPartition]) -> dict[Partition, int]:
        """Where the group is, as far as its coordinator says so in time: from there a jump is told."""
        if not partitions:
            return {}
        try:
            found = self._consumer.committed(partitions, timeout=COMMITTED_TIMEOUT_S)
        except KafkaException:
            return {}
        known = [one for one in found if one.error is None and one.offset >= 0]
        return dict(zip(_named(known), (one.offset for one in known), strict=True))

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if consumer is not self._consumer:
            return
        going = self.assignments.of(_named(partitions))
        trouble = self._teller.revoked(going, self._revoke_timeout_s)
        if trouble is not None:
            self._telemetry.trouble(Part.CONSUMER, trouble)
        self._store_first()
        self.assignments.remove(_named(partitions))
        self.ours = self.assignments.numbers()

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if consumer is self._consumer:
            self._let_go(_named(partitions))

    def _let_go(self, partitions: Iterable[Partition]) -> None:
        gone = self.assignments.remove(partitions)
        self.ours = self.assignments.numbers()
        if gone:
            self._teller.lost(gone)


def _named(partitions: Iterable[TopicPartition]) -> list[Partition]:
    return [_name(partition) for partition in partitions]


def _name(partition: TopicPartition) -> Partition:
    return Partition(partition.topic, partition.partition)
