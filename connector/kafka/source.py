"""The source: the consumer on a thread of its own, chunks out, commands in.

Since confluent-kafka 2.16 every call on a Consumer waits until the running one returns, and a second thread starves
(confluent-kafka-python #2322), so all calls are made by one thread: it polls by way of a reader (`polled`, `drain`),
hands chunks to the event loop, and takes commands from a queue between two polls. Offsets are only stored here, after
the pipeline settled them; librdkafka commits what is stored every second, on revoke and on close. While the pipeline is
behind, the partitions are paused but polling goes on, so the membership lives. Callbacks never raise: a raising one
would lose the list being fetched.

Bounds: the hand-off holds `high_records` or `high_bytes`, and one more chunk; one without a record counts as one.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaException, TopicPartition

from connector.errors import FatalError
from connector.kafka import drain
from connector.kafka.denied import Denied
from connector.kafka.gate import Gate
from connector.kafka.lifeline import Lifeline, abandon
from connector.kafka.listener import Teller
from connector.kafka.membership import Membership
from connector.kafka.properties import is_incremental
from connector.kafka.pulse import Pulse
from connector.kafka.troubles import is_fatal, is_refusal, meaning
from connector.records import NOTHING
from connector.telemetry import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from confluent_kafka import KafkaError

    from connector.kafka.listener import Listener
    from connector.kafka.polled import Polled, Reader
    from connector.records import Alongside, Assignment, Chunk, Partition
    from connector.telemetry import Telemetry

LOOK_EVERY_S = 5.0  # of polls that took as long as they may: the lag is told, and a cut lifeline looked for
SHUT_POLL_S = 0.01  # while the gate is shut a poll only waits for it: at a million records a second 10,000 are taken
STEADY_EVERY_S = 0.1
QUIET_S = 15.0  # librdkafka connects anew every 10 s at least, and tells of each refusal: after this there is none


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How to consume.

    Attributes:
        properties: librdkafka's, complete (the settings see to it that none breaks a promise).
        topics: names, or regular expressions that begin with `^`.
        revoke_timeout_s: how long a rebalance waits for the call on the wire.
        max_records: of one list; fewer if they are large.
        poll_timeout_s: how long a list may take to fill; also how long a command may wait.
        high_records, high_bytes: of the hand-off, at which partitions are paused; resumed at half.
        extension: whether records are drained by the C extension, where it is installed.
        alongside: what travels with the values.
    """

    properties: Mapping[str, Any]
    topics: Sequence[str]
    revoke_timeout_s: float
    max_records: int = 30_000
    poll_timeout_s: float = 0.1
    high_records: int = 40_000
    high_bytes: int = 16_000_000
    extension: bool = True
    alongside: Alongside = NOTHING


class Source:
    """Kafka, as the pipeline sees it."""

    def __init__(
        self,
        options: SourceOptions,
        listener: Listener,
        telemetry: Telemetry,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make the consumer; nothing is fetched before `start`."""
        self._options = options
        self._telemetry = telemetry
        self._clock = clock
        self._teller = Teller(listener)
        self._chunks: asyncio.Queue[tuple[Chunk, int]] = asyncio.Queue()
        self._failures: asyncio.Queue[FatalError] = asyncio.Queue()
        self._denied = Denied()
        self._commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._pulse = Pulse(clock())
        self._gate = Gate(options.high_records, options.high_bytes)
        self._membership = Membership(
            self._teller,
            telemetry,
            options.revoke_timeout_s,
            incremental=is_incremental(options.properties),
            store_first=self._run_commands,
            joined=self._go_on,
            clock=clock,
        )
        self._lifeline = Lifeline(options.properties)
        self._clients = 0
        self._consumer, self._reader = self._client()
        self._silent_s = self._since_look_s = 0.0
        self._refused_at = float("inf")
        self._given_up = False
        self._thread = threading.Thread(target=self._run, name="kafka-consumer", daemon=True)

    def _client(self) -> tuple[Consumer, Reader]:
        number = self._clients = self._clients + 1

        def hear(error: KafkaError) -> None:
            if number == self._clients:  # one that was cut off, and closes, has nothing more to say
                self._hear(error)

        options, given = self._options, {**self._options.properties, "error_cb": hear}
        return drain.client(given, self._telemetry, extension=options.extension, alongside=options.alongside)

    def start(self) -> None:
        """Subscribe and begin to fetch; must be called on the running event loop."""
        self._teller.start(asyncio.get_running_loop())
        self._pulse.last = self._clock()
        self._thread.start()

    def alive(self) -> bool:
        """Whether the consumer thread lives, or is yet to be started."""
        return self._thread.ident is None or self._thread.is_alive()

    async def chunk(self) -> Chunk:
        """The next chunk; safe to cancel."""
        chunk, size_bytes = await self._chunks.get()
        self._commands.put(lambda: self._gate.take(len(chunk.records), size_bytes))
        return chunk

    async def failed(self) -> NoReturn:
        """Wait until the consumer can't go on, which is heard whatever else is waited for; safe to cancel.

        Raises:
            FatalError: it can't.
        """
        raise await self._failures.get()

    def store(self, offsets: Mapping[Assignment, int]) -> None:
        """Let these offsets be committed, for assignments that are still ours when the consumer thread gets to it."""
        if offsets:
            self._commands.put(lambda: self._membership.store(offsets))

    def ours(self, assignments: frozenset[int]) -> bool:
        """Whether all of these are ours to deliver, beyond doubt.

        Known sooner than the listener is told, and in doubt after this process was stopped for a while.
        """
        return self._pulse.steady(self._clock()) and assignments <= self._membership.ours

    async def steady(self) -> None:
        """Wait until what is ours is beyond doubt: until librdkafka had time to find out what a stop cost."""
        while not self._pulse.steady(self._clock()):  # noqa: ASYNC110 (another thread's beats, and the time between)
            await asyncio.sleep(STEADY_EVERY_S)

    def reread(self, topic: str) -> None:
        """The topic was made anew: read its partitions from their beginning, unless they went back by themselves."""
        self._commands.put(lambda: self._membership.reread(topic))

    def suspend(self) -> None:
        """Fetch no more, but stay in the group."""
        self._commands.put(self._gate.suspend)

    async def close(self, timeout_s: float) -> bool:
        """Commit what is stored, leave the group and end the thread; whether that was done in time.

        Librdkafka's close can hang, hence the bound; the thread is a daemon.
        """
        self._stopping.set()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, timeout_s)
        return not self._thread.is_alive()

    # What follows runs on the consumer thread.

    def _run(self) -> None:
        try:
            self._membership.join(self._consumer, self._reader, self._options.topics)
            while not self._stopping.is_set():
                self._run_commands()
                if self._gate.turn():
                    self._apply_gate()
                self._poll()
            self._run_commands()
            self._reader.close()
            (abandon if self._given_up else Consumer.close)(self._consumer)
        except Exception as error:  # noqa: BLE001 (the edge of the thread: nobody else would hear of it)
            self._reader.close()  # or what waits in the extension's queue would keep the client from ending
            text = error.args[0].str() if isinstance(error, KafkaException) else type(error).__name__
            self._fail(FatalError(f"the Kafka consumer failed: {text}"))

    def _poll(self) -> None:
        timeout_s = SHUT_POLL_S if self._gate.shut else self._options.poll_timeout_s
        polled = self._reader.poll(self._gate.portion(self._options.max_records), timeout_s)
        self._pulse.beat(self._clock())
        for error, topic in polled.failures:
            self._hear(error, topic)
        if polled.runs:
            self._hand_over(polled)
        self._silent_s = 0.0 if polled.runs or polled.failures else self._silent_s + timeout_s
        self._since_look_s += timeout_s
        if self._since_look_s >= LOOK_EVERY_S:
            self._since_look_s = 0.0
            self._reader.coming(self._membership.assignments.partitions())
            self._tell_ends()
            self._forget_a_refusal()
            if self._silent_s >= LOOK_EVERY_S:
                self._look_at_the_lifeline()

    def _hand_over(self, polled: Polled) -> None:
        gathered = self._membership.assignments.gather(polled, lambda partition: self._watermarks(partition)[0])
        self._membership.tell_remade(gathered.remade)
        for jump in gathered.jumps:
            self._telemetry.jumped(jump)
        self._denied.read({run.topic for run in polled.runs})
        self._tell_well()
        chunk, held_bytes = gathered.chunk, gathered.size_bytes + polled.beside_bytes
        if chunk.spans:
            self._gate.put(len(chunk.records), held_bytes)
            self._telemetry.polled(len(chunk.records), gathered.size_bytes)
            self._teller.tell(self._chunks.put_nowait, (chunk, held_bytes))

    def _look_at_the_lifeline(self) -> None:
        """Go on with a new client if this one is cut off; the old one may take a minute to close."""
        topic = next((partition.topic for partition in self._membership.assignments.partitions()), None)
        if self._lifeline.is_cut(self._consumer, topic):
            self._reader.close()
            old, (self._consumer, self._reader) = self._consumer, self._client()
            self._membership.join(self._consumer, self._reader, self._options.topics)
            threading.Thread(target=old.close, name="kafka-consumer-cut-off", daemon=True).start()

    def _apply_gate(self) -> None:
        """Hold or release all; librdkafka's pause flag outlives a rebalance, so it is set either way."""
        self._reader.hold(self._membership.assignments.partitions(), shut=self._gate.shut)

    def _go_on(self) -> None:
        """Partitions have come."""
        self._tell_well()
        if self._gate.shut:
            self._commands.put(self._apply_gate)  # after the callback: what is not assigned yet can't be paused

    def _hear(self, error: KafkaError, topic: str | None = None) -> None:
        """Of a message, or of the client: the `error_cb`, which must not raise."""
        self._given_up = self._given_up or is_fatal(error)
        match meaning(error, self._options.properties["group.id"], topic):
            case FatalError() as fatal:
                self._fail(fatal)
            case str() as text:
                if topic is not None:
                    self._denied.add(topic, text)
                self._telemetry.trouble(Part.CONSUMER, self._denials() or text)
                if is_refusal(error):
                    self._refused_at = self._clock()

    def _forget_a_refusal(self) -> None:
        if self._clock() - self._refused_at > QUIET_S:
            self._tell_well()

    def _tell_well(self) -> None:
        """All goes on, but for the topics that may not be read."""
        self._refused_at = float("inf")
        self._telemetry.trouble(Part.CONSUMER, self._denials())

    def _denials(self) -> str | None:
        return self._denied.text({partition.topic for partition in self._membership.assignments.partitions()})

    def _fail(self, error: FatalError) -> None:
        self._teller.tell(self._failures.put_nowait, error)

    def _tell_ends(self) -> None:
        ends = {partition: self._watermarks(partition)[1] for partition in self._membership.assignments.partitions()}
        self._teller.ends({partition: end for partition, end in ends.items() if end >= 0})

    def _watermarks(self, partition: Partition) -> tuple[int, int]:
        """The first offset that Kafka has and the end, as of the newest answer; negative where not known yet."""
        try:
            return self._consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)
        except KafkaException:
            return OFFSET_INVALID, OFFSET_INVALID

    def _run_commands(self) -> None:
        while True:
            try:
                command = self._commands.get_nowait()
            except queue.Empty:
                return
            command()
