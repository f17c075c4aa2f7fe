"""The witness: looks every second whether an offset is ahead of what Target has accepted, and how long healing takes.

Reads the committed offsets first and what Target accepted and the dead letters after that, so that everything below
an offset must show. Owns what was seen; `verdict` judges it. A look that fails because brokers are away is left out
and counted.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.chaos.feed import TRUTH, attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tests.chaos.members import Moves
    from tests.chaos.truth import Truth
    from tests.processes import Target

EVERY_S = 1.0
MOST_RECORDS = 5_000  # of one list
# Right after a change of leaders a partition's end may look older than it is: what is missing is looked for so long.
LETTERS_LATE_S = 3.0
_REASON = "target-connector.reason"


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long after a mishap was healed all records were settled that had been written until then."""

    what: str
    after_s: float


@dataclass
class Seen:
    """What the witness has seen.

    Attributes:
        looks, blind: how often it looked, and could not.
        ahead: offsets that were ahead of what was settled, in words.
        misaligned: rows in which an attribute held what belongs to another, or to another profile.
        backwards: rows that replaced a newer one.
        resent: those that did so after their sender was given partitions. Whoever is reads what was not committed
            again, maybe in more windows than one: then a profile goes back, and forward again. At least once, no more.
        disorder: records that did so in the topic already.
        most_calls: in the busiest minute.
        letters: partition and offset of each dead letter, with its reason.
        repeated: dead letters that were there before.
        accepted: of each customer, the highest version that Target ever took.
        recoveries: in order of healing.
    """

    looks: int = 0
    blind: int = 0
    ahead: list[str] = field(default_factory=list)
    misaligned: int = 0
    backwards: int = 0
    resent: int = 0
    disorder: int = 0
    most_calls: int = 0
    letters: dict[tuple[int, int], str] = field(default_factory=dict)
    repeated: int = 0
    accepted: dict[int, int] = field(default_factory=dict)
    recoveries: list[Recovery] = field(default_factory=list)


@dataclass(slots=True)
class _Pending:
    what: str
    healed_at: float
    ends: list[int] | None = None  # known once the topic was read after that


def overtaken(reversals: Iterable[Mapping[str, Any]], moves: Moves) -> tuple[int, int]:
    """How many rows replaced a newer one, and how many of others did so after their sender was given partitions.

    Where it is not known who sent them, as the answer did not arrive, it may be anybody.

    Args:
        reversals: as the simulator tells them: `newer_at`, `older_at`, `batch_id` and `rows`.
        moves: who was given partitions when, and who sent what.
    """
    backwards = resent = 0
    for one in reversals:
        sender = moves.sent.get(one["batch_id"])
        times = [at for place, at in moves.gained if sender in {place, None}]
        if any(one["newer_at"] < at <= one["older_at"] for at in times):
            resent += one["rows"]
        else:
            backwards += one["rows"]
    return backwards, resent


def broken_by_now(seen: Seen, calls_per_minute: int) -> dict[str, int]:
    """How often each rule was broken that can be judged at any time."""
    return {
        "misaligned": seen.misaligned,
        "backwards": max(0, seen.backwards - seen.disorder),
        "ahead": len(seen.ahead),
        "over_budget": max(0, seen.most_calls - calls_per_minute),
    }


class Witness:
    """A thread that looks."""

    def __init__(  # noqa: PLR0913, PLR0917 (all that it looks at)
        self,
        brokers: str,
        topic: str,
        target: Target,
        truth: Truth,
        calls_per_minute: int,
        moves: Callable[[], Moves],
    ) -> None:
        self.seen = Seen()
        self._target = target
        self._calls_per_minute = calls_per_minute
        self._truth = truth
        self._moves = moves
        self._partitions = [TopicPartition(topic, number) for number in range(len(truth.ends()))]
        self._settled = [0] * len(self._partitions)  # all below is settled
        self._committed = [0] * len(self._partitions)
        self._written = 0
        self._pending: list[_Pending] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)
        quiet = {"bootstrap.servers": brokers, "enable.auto.commit": False, "log_level": 0}
        self._group = Consumer({**quiet, "group.id": topic})  # asks for its offsets, and never joins
        self._letters = Consumer({**quiet, "group.id": f"{topic}.witness", "enable.partition.eof": False})
        self._letters_at = TopicPartition(f"{topic}.dead-letters", 0, 0)
        self._letters.assign([self._letters_at])
        self._letters_read = 0
        self._topic = Consumer({**quiet, "group.id": f"{topic}.truth"})
        self._topic.assign([TopicPartition(topic, number, 0) for number in range(len(truth.ends()))])

    def start(self) -> None:
        self._thread.start()

    def healed(self, what: str) -> None:
        """A mishap is over: what was written until now should soon be settled."""
        with self._lock:
            self._pending.append(_Pending(what, time.monotonic()))

    def done(self, records: int) -> bool:
        """Whether every record is settled and committed, and there are at least so many."""
        ends = self._truth.ends()
        return self._settled == ends and self._committed == ends and self._truth.records() >= records

    def left(self) -> tuple[int, int]:
        """How many records are not settled, and how many not committed."""
        ends = sum(self._truth.ends())
        return ends - sum(self._settled), ends - sum(self._committed)

    def finish(self) -> None:
        """Look no more.

        Raises:
            RuntimeError: it could not look on.
        """
        self._stop.set()
        self._thread.join(60)
        self._group.close()
        self._letters.close()
        self._topic.close()
        if self._failed:
            msg = f"the witness fell: {self._failed[0]!r}"
            raise RuntimeError(msg) from self._failed[0]

    def failed(self) -> bool:
        return bool(self._failed)

    def red(self) -> bool:
        """Whether a rule is broken already, of those that can be judged at any time."""
        return any(broken_by_now(self.seen, self._calls_per_minute).values())

    def _run(self) -> None:
        try:
            while not self._stop.wait(EVERY_S):
                self.seen.looks += 1
                try:
                    self._look()
                except KafkaException:
                    self.seen.blind += 1
        except BaseException as error:  # noqa: BLE001 (the edge of the thread: `finish` raises it)
            self._failed.append(error)

    def _look(self) -> None:
        committed = [max(0, one.offset) for one in self._group.committed(self._partitions, timeout=5)]
        self._read_truth()
        ends = self._truth.ends()
        self._read_written()
        self._read_letters()
        self._advance(ends)
        claimed = [min(one, end) for one, end in zip(committed, ends, strict=True)]
        deadline = time.monotonic() + LETTERS_LATE_S
        while self._ahead(claimed) and time.monotonic() < deadline:
            self._read_letters()
            self._advance(ends)
        self._note_ahead(claimed)
        self._committed = committed
        self._note_recoveries()

    def _read_truth(self) -> None:
        """What was written since the last look."""
        with self._lock:
            pending = [one for one in self._pending if one.ends is None]
        read = MOST_RECORDS
        while read == MOST_RECORDS:  # a list that is not full has come to the end, or near: the feed goes on meanwhile
            records = self._topic.consume(MOST_RECORDS, timeout=0.2)
            read = len(records)
            for record in records:
                if record.error() is None:
                    header = _text_of(dict(record.headers() or []))[TRUTH]
                    self._truth.read(record.partition() or 0, record.offset() or 0, header)
        self.seen.disorder = self._truth.disorder
        for one in pending:
            one.ends = self._truth.ends()

    def _read_written(self) -> None:
        """What Target took since the last look."""
        lines = self._target.ask(f"/simulator/written?since={self._written}").splitlines()
        self._written = json.loads(lines[0])["written"]
        for line in map(json.loads, lines[1:]):
            name, version = str(line["id"]), line["highest_version"]
            kind, _, number = name.partition("-")
            held = line["attributes"]
            if version is None or held != attributes(name, int(held["version"])):
                self.seen.misaligned += 1
            elif kind == "customer":
                self.seen.accepted[int(number)] = version

        summary = self._target.summary()
        self.seen.most_calls = summary["most_calls_in_60_s"]
        if summary["went_backwards"] != self.seen.backwards + self.seen.resent:
            told = json.loads(self._target.ask("/simulator/reversals"))
            self.seen.backwards, self.seen.resent = overtaken(told, self._moves())

    def _read_letters(self) -> None:
        _low, end = self._letters.get_watermark_offsets(self._letters_at, timeout=5)
        deadline = time.monotonic() + 5
        while self._letters_read < end and time.monotonic() < deadline:
            for letter in self._letters.consume(1_000, timeout=0.5):
                if letter.error() is not None:
                    continue
                headers = _text_of(dict(letter.headers() or []))
                place = (int(headers["__connect.errors.partition"]), int(headers["__connect.errors.offset"]))
                self.seen.repeated += place in self.seen.letters
                self.seen.letters[place] = headers[_REASON]
                self._letters_read = (letter.offset() or 0) + 1

    def _advance(self, ends: Sequence[int]) -> None:
        letters = self.seen.letters.keys()
        for partition, end in enumerate(ends):
            at = self._settled[partition]
            while at < end and self._truth.settled(partition, at, self.seen.accepted, letters):
                at += 1
            self._settled[partition] = at

    def _ahead(self, claimed: Sequence[int]) -> bool:
        return any(one > settled for one, settled in zip(claimed, self._settled, strict=True))

    def _note_ahead(self, claimed: Sequence[int]) -> None:
        for partition, (one, settled) in enumerate(zip(claimed, self._settled, strict=True)):
            if one > settled:
                kind = self._truth.bad.get((partition, settled), "a good record")
                self.seen.ahead.append(f"partition {partition}: committed {one}, settled {settled} ({kind})")

    def _note_recoveries(self) -> None:
        now = time.monotonic()
        with self._lock:
            still = []
            for one in self._pending:
                if one.ends and all(settled >= end for settled, end in zip(self._settled, one.ends, strict=True)):
                    self.seen.recoveries.append(Recovery(one.what, now - one.healed_at))
                else:
                    still.append(one)
            self._pending = still


def _text_of(headers: Mapping[str, str | bytes | None]) -> dict[str, str]:
    return {name: value.decode() if isinstance(value, bytes) else str(value) for name, value in headers.items()}
