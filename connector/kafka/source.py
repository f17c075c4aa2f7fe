"""The source: the consumer on a thread of its own, chunks out, commands in.

Since confluent-kafka 2.16 every call on a Consumer waits until the running one returns, and a second thread starves
(confluent-kafka-python #2322), so all calls are made by one thread: it consumes lists, hands chunks to the event
loop, and takes commands from a queue between two lists. Offsets are only stored here, after the pipeline settled
them; librdkafka commits what is stored every second, on revoke and on close. While the pipeline is behind, the
partitions are paused but polling goes on, so the membership lives. Callbacks never raise: a raising one would lose
the list being fetched.

Bounds: the hand-off holds at most `high_records` or `high_bytes` and one more chunk.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from concurrent.futures import CancelledError as FutureCancelledError
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from confluent_kafka import Consumer, KafkaException, TopicPartition

from connector.errors import FatalError
from connector.kafka.assignments import Assignments
from connector.kafka.gate import Gate
from connector.kafka.troubles import meaning
from connector.records import Partition
from connector.telemetry import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from confluent_kafka import KafkaError, Message

    from connector.records import Assignment, Chunk
    from connector.telemetry import Telemetry

WATERMARKS_EVERY_POLLS = 50  # at 0.1 s a poll: the lag is told every 5 s or less


class Listener(Protocol):
    """Who is told about partitions that come and go; called on the event loop."""

    def assigned(self, assignments: Sequence[Assignment]) -> None:
        """These are ours from now on."""

    async def revoked(self, assignments: Sequence[Assignment], *, lost: bool) -> None:
        """These go: settle what can be settled (if not lost), then forget the rest."""

    def ends(self, offsets: Mapping[Partition, int]) -> None:
        """The end offsets of the partitions that are ours, as far as known."""


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How to consume.

    Attributes:
        properties: librdkafka's, complete (the settings see to it that none breaks a promise).
        topics: names, or regular expressions that begin with `^`.
        revoke_timeout_s: how long a rebalance waits for the call on the wire.
        max_records: of one list.
        poll_timeout_s: how long a list may take to fill; also how long a command may wait.
        high_records, high_bytes: of the hand-off, at which partitions are paused; resumed at half.
    """

    properties: Mapping[str, Any]
    topics: Sequence[str]
    revoke_timeout_s: float
    max_records: int = 50_000
    poll_timeout_s: float = 0.1
    high_records: int = 100_000
    high_bytes: int = 32_000_000


@dataclass(slots=True)
class _Thread:
    """The state of the consumer thread."""

    consumer: Consumer
    gate: Gate
    commands: queue.SimpleQueue[Callable[[], None]] = field(default_factory=queue.SimpleQueue)
    assignments: Assignments = field(default_factory=Assignments)
    polls: int = 0


class Source:
    """Kafka, as the pipeline sees it."""

    def __init__(self, options: SourceOptions, listener: Listener, telemetry: Telemetry) -> None:
        """Make the consumer; nothing is fetched before `start`."""
        self._options = options
        self._listener = listener
        self._telemetry = telemetry
        self._chunks: asyncio.Queue[tuple[Chunk, int] | FatalError] = asyncio.Queue()
        self._stopping = threading.Event()
        consumer = Consumer({**options.properties, "error_cb": self._hear})
        self._state = _Thread(consumer, Gate(options.high_records, options.high_bytes))
        self._thread = threading.Thread(target=self._run, name="kafka-consumer", daemon=True)

    def start(self) -> None:
        """Subscribe and begin to fetch; must be called on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def alive(self) -> bool:
        """Whether the consumer thread lives, or is yet to be started."""
        return self._thread.ident is None or self._thread.is_alive()

    async def chunk(self) -> Chunk:
        """The next chunk; safe to cancel.

        Raises:
            FatalError: the consumer can't go on.
        """
        item = await self._chunks.get()
        if isinstance(item, FatalError):
            raise item
        chunk, size_bytes = item
        self._command(lambda: self._taken(len(chunk.records), size_bytes))
        return chunk

    def store(self, offsets: Mapping[Assignment, int]) -> None:
        """Let these offsets be committed, for assignments that are still ours when the consumer thread gets to it."""
        if offsets:
            self._command(lambda: self._store(offsets))

    def suspend(self) -> None:
        """Fetch no more, but stay in the group."""
        self._command(self._suspend)

    async def close(self, timeout_s: float) -> bool:
        """Commit what is stored, leave the group and end the thread; whether that was done in time.

        Librdkafka's close can hang (after a fenced member, for example), hence the bound; the thread is a daemon.
        """
        self._stopping.set()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, timeout_s)
        return not self._thread.is_alive()

    # What follows runs on the consumer thread.

    def _run(self) -> None:
        consumer = self._state.consumer
        try:
            consumer.subscribe(
                list(self._options.topics),
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_lost,
            )
            while not self._stopping.is_set():
                self._run_commands()
                self._turn_gate()
                self._poll()
            self._run_commands()
            consumer.close()
        except Exception as error:  # noqa: BLE001 (the edge of the thread: nobody else would hear of it)
            self._tell_loop(self._chunks.put_nowait, FatalError(f"the Kafka consumer failed: {_text(error)}"))

    def _poll(self) -> None:
        messages = self._state.consumer.consume(self._options.max_records, self._options.poll_timeout_s)
        self._state.polls += 1
        good = [message for message in messages if message.error() is None]
        for message in messages if len(good) < len(messages) else ():
            if (error := message.error()) is not None:
                self._hear(error)
        if good:
            self._hand_over(good)
        if self._state.polls % WATERMARKS_EVERY_POLLS == 0:
            self._tell_ends()

    def _hand_over(self, messages: list[Message]) -> None:
        chunk, size_bytes, rewound = self._state.assignments.chunk(messages)
        for old, new in rewound:
            self._lose([old])
            self._tell_loop(self._listener.assigned, [new])
        self._state.gate.records += len(chunk.records)
        self._state.gate.size_bytes += size_bytes
        self._telemetry.polled(len(chunk.records), size_bytes)
        self._telemetry.trouble(Part.CONSUMER, None)
        self._tell_loop(self._chunks.put_nowait, (chunk, size_bytes))

    def _turn_gate(self) -> None:
        if self._state.gate.turn():
            self._apply_gate()

    def _apply_gate(self) -> None:
        """Pause or resume all; librdkafka's pause flag outlives a rebalance, so it is set either way."""
        ours = [TopicPartition(*partition) for partition in self._state.assignments.partitions()]
        if ours:
            consumer = self._state.consumer
            (consumer.pause if self._state.gate.shut else consumer.resume)(ours)

    def _taken(self, records: int, size_bytes: int) -> None:
        self._state.gate.records -= records
        self._state.gate.size_bytes -= size_bytes

    def _suspend(self) -> None:
        self._state.gate.suspended = True

    def _store(self, offsets: Mapping[Assignment, int]) -> None:
        positions = [
            TopicPartition(*assignment.partition, offset)
            for assignment, offset in offsets.items()
            if self._state.assignments.holds(assignment)
        ]
        if positions:
            # Refused where a rebalance came first: the new owner reads those records again.
            with contextlib.suppress(KafkaException):
                self._state.consumer.store_offsets(offsets=positions)

    def _on_assign(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        state = self._state
        self._tell_loop(self._listener.assigned, state.assignments.add(_named(partitions)))
        self._telemetry.trouble(Part.CONSUMER, None)
        # The pause flag may have stayed from an earlier assignment. Resuming what is not assigned yet is harmless;
        # pausing is not, so a shut gate is applied after the callback.
        with contextlib.suppress(KafkaException):
            state.consumer.resume(partitions)
        if state.gate.shut:
            state.commands.put(self._apply_gate)

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        going = self._state.assignments.of(_named(partitions))
        done = None
        try:
            done = asyncio.run_coroutine_threadsafe(self._listener.revoked(going, lost=False), self._loop)
            done.result(self._options.revoke_timeout_s)
        except (FutureTimeoutError, FutureCancelledError):
            if done is not None:
                done.cancel()
        except Exception as error:  # noqa: BLE001 (a callback that raises loses records)
            self._telemetry.trouble(Part.CONSUMER, f"a rebalance went wrong: {type(error).__name__}")
        self._run_commands()  # what was settled meanwhile is stored while the partitions are still ours
        self._state.assignments.remove(going)

    def _on_lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        gone = self._state.assignments.of(_named(partitions))
        self._state.assignments.remove(gone)
        self._lose(gone)

    def _lose(self, assignments: Sequence[Assignment]) -> None:
        asyncio.run_coroutine_threadsafe(self._listener.revoked(assignments, lost=True), self._loop)

    def _hear(self, error: KafkaError) -> None:
        """Of a message, or of the client: the `error_cb`, which must not raise."""
        match meaning(error):
            case FatalError() as fatal:
                self._tell_loop(self._chunks.put_nowait, fatal)
            case str() as text:
                self._telemetry.trouble(Part.CONSUMER, text)

    def _tell_ends(self) -> None:
        ends = {}
        for partition in self._state.assignments.partitions():
            with contextlib.suppress(KafkaException):
                _low, high = self._state.consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)
                if high >= 0:
                    ends[partition] = high
        self._tell_loop(self._listener.ends, ends)

    def _run_commands(self) -> None:
        while True:
            try:
                command = self._state.commands.get_nowait()
            except queue.Empty:
                return
            command()

    def _command(self, command: Callable[[], None]) -> None:
        self._state.commands.put(command)

    def _tell_loop(self, callback: Callable[..., object], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process is going
            self._loop.call_soon_threadsafe(callback, *arguments)


def _named(partitions: Iterable[TopicPartition]) -> list[Partition]:
    return [Partition(partition.topic, partition.partition) for partition in partitions]


def _text(error: Exception) -> str:
    return error.args[0].str() if isinstance(error, KafkaException) else type(error).__name__
