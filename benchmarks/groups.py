"""The whole road on real Kafka, over partitions, length of the topic and replicas; beside `consume()` in the same run.

Contenders are those of `contest`, in processes of their own and in turn. Replicas are several processes of the
connector in one group, watched from outside by their logs: they start together, and the clock runs from the moment
when each has partitions to the last full batch. `matrix` runs it; needs Docker, or `--bootstrap-servers`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from contextlib import ExitStack
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import Message

from benchmarks import brokers, contest
from benchmarks.events import IDS, PARTITIONS, events
from benchmarks.figures import table
from benchmarks.stages import PARTITION, Clock, Steps
from benchmarks.stopwatch import WINDOW_ROWS, Result, Task
from connector.__main__ import FREED_SOON, GLIBC

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SPREADS: Final = (1, PARTITIONS, 64)  # partitions of a topic
REPLICAS: Final = (1, 2, 4)
CONSUME: Final = "benchmarks.consume"
CARRY: Final = "benchmarks.carry"
TOPICS_HEAD: Final = (
    "",
    "`consume()`, events/s",
    "the connector, events/s",
    "of `consume()`",
    "times the reference decoder alone",
    "`consume()`, CPU s per million events",
    "the connector",
)
REPLICAS_HEAD: Final = (
    "replicas",
    "events/s together",
    "times one",
    "of `consume()` in one process",
    "times the reference decoder alone",
)
MOST_S: Final = 120.0  # for replicas
NEVER: Final = 10**12  # events after which a replica ends by itself


def once(module: str, address: str, topic: str, count: int, sink: str) -> Result:
    """Lets one contender read a topic.

    Raises:
        RuntimeError: it did not settle every event.
    """
    time.sleep(1)  # lets the broker finish with the last group
    task = Task(address, topic, _group(), count, sink)
    result = Result(**json.loads(contest.answer(contest.start(module, *task.arguments()))))
    if result.settled != count:
        raise RuntimeError(f"{module}: settled {result.settled} of {count} events")
    return result


def replicas(number: int, address: str, topic: str, count: int, sink: str) -> float:
    """Lets so many processes of one group read a topic, and gives their events a second together.

    Raises:
        RuntimeError: they did not settle enough of it in time, or not one full batch while all had partitions.
    """
    time.sleep(1)
    task = Task(address, topic, _group(), NEVER, sink)
    told: queue.Queue[tuple[int, dict[str, Any]]] = queue.Queue()
    members = [_member(index, task, told) for index in range(number)]
    enough = count - number * WINDOW_ROWS * 3 // 2  # what is less than a full window waits for its age
    owned = dict.fromkeys(range(number), 0)
    settled, began, before, last = 0, None, 0, (0, 0.0)
    until = time.monotonic() + MOST_S
    try:
        while settled < enough:
            index, line = told.get(timeout=until - time.monotonic())
            if line["event"] == "assigned":
                owned[index] = line["partitions"]
            elif line["event"] == "batch_accepted":
                settled += line["records"]
                if line["due"] == "rows":
                    last = (settled, time.monotonic())
            if began is None and all(owned.values()):
                began, before = time.monotonic(), settled
    except (queue.Empty, ValueError):
        raise RuntimeError(f"{number} replicas settled {settled} of {count} events in {MOST_S:.0f} s") from None
    finally:
        for member in members:
            member.kill()
            member.wait()
    if began is None or last[1] <= began:
        raise RuntimeError(f"{number} replicas: no full batch while each had partitions; more events are needed")
    return (last[0] - before) / (last[1] - began)


def _member(index: int, task: Task, told: queue.Queue[tuple[int, dict[str, Any]]]) -> subprocess.Popen[str]:
    """Starts a replica, of which each line of the log is told."""
    process = subprocess.Popen(
        [sys.executable, "-m", CARRY, *task.arguments()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=FREED_SOON | {name: str(value) for name, (_, value) in GLIBC.items()} | os.environ,
    )

    def listen() -> None:
        for line in process.stderr or ():
            if line.startswith("{"):
                told.put((index, json.loads(line)))

    threading.Thread(target=listen, daemon=True).start()
    return process


def reference(turns: int) -> float:
    """Gives how many of the same events a second the reference decoder reads, alone."""
    steps, clock = Steps(engines=()), Clock()
    messages = [
        Message(*PARTITION, offset, customer.encode(), value)
        for offset, (customer, value) in enumerate(events(10_000, IDS))
    ]
    for _ in range(turns):
        asyncio.run(steps.pass_once(clock, messages))
    return len(messages) / median(clock.seconds["decode"])


def _group() -> str:
    return f"benchmark-{uuid.uuid4().hex[:8]}"


def _fill(address: str, topics: Sequence[str], count: int) -> None:
    where = [f"--bootstrap-servers={address}", *(f"--topic={topic}" for topic in topics), f"--ids={IDS}"]
    print(f"writing {count:,} events to each of {len(topics)} topics", file=sys.stderr)
    filled = contest.start("benchmarks.events", *where, f"--events={count}", f"--distinct={min(count, IDS)}")
    contest.answer(filled, most_s=300 + count / 10_000)


def _rates(runs: Sequence[Result]) -> float:
    return median(one.events / one.seconds for one in runs)


def _cpu(runs: Sequence[Result]) -> float:
    return median(1e6 * one.cpu_s / one.events for one in runs)


class Contest:
    """All runs against one broker and one sink.

    Args:
        address: of the broker.
        sink: its address.
        rounds: how often each is run.
    """

    def __init__(self, address: str, sink: str, rounds: int) -> None:
        self._address = address
        self._sink = sink
        self._rounds = rounds
        self._slow = reference(rounds)

    def topics(self, named: dict[str, tuple[str, int]]) -> Iterator[tuple[str, ...]]:
        """Gives a line for each topic, by what is to be said of it: topic and events."""
        runs: dict[str, list[tuple[Result, Result]]] = {what: [] for what in named}
        for _ in range(self._rounds):
            for what, (topic, count) in named.items():
                ceiling, ours = (once(one, self._address, topic, count, self._sink) for one in (CONSUME, CARRY))
                print(f"{what}: {ours.events / ours.seconds:,.0f} events/s", file=sys.stderr)
                runs[what].append((ceiling, ours))
        for what, pairs in runs.items():
            most, found = _rates([one for one, _ in pairs]), _rates([one for _, one in pairs])
            cpu = [_cpu([pair[at] for pair in pairs]) for at in (0, 1)]
            ratios = f"{found / most:.2f}", f"{found / self._slow:.1f}"
            yield (what, f"{most:,.0f}", f"{found:,.0f}", *ratios, *(f"{one:.2f}" for one in cpu))

    def groups(self, topic: str, count: int) -> Iterator[tuple[str, ...]]:
        """Gives a line for each number of replicas."""
        rates: dict[int, list[float]] = {number: [] for number in REPLICAS}
        ceilings = []
        for _ in range(self._rounds):
            ceilings.append(once(CONSUME, self._address, topic, count, self._sink))
            for number, found in rates.items():
                found.append(replicas(number, self._address, topic, count, self._sink))
                print(f"{number} replicas: {found[-1]:,.0f} events/s", file=sys.stderr)
        one = median(rates[1])
        for number, found in rates.items():
            rate = median(found)
            times = (rate / one, rate / _rates(ceilings), rate / self._slow)
            yield (f"{number}", f"{rate:,.0f}", *(f"{value:.2f}" for value in times))


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.groups", description=__doc__)
    parser.add_argument("--bootstrap-servers", help="a Kafka that runs, instead of one in Docker")
    parser.add_argument("--rounds", type=int, default=1, help="default: 1; `make bench` is to take ten minutes")
    parser.add_argument("--events", type=int, default=1_000_000, help="default: 1,000,000")
    parser.add_argument("--long", action="store_true", help="also 50 times as many events, not only 5 times: long")
    given = parser.parse_args()
    counts = [given.events * times for times in ((5, 50) if given.long else (5,))]
    with ExitStack() as stack:
        address = stack.enter_context(brokers.kafka(given.bootstrap_servers))
        sink = stack.enter_context(contest.sink_at())
        spread = {number: stack.enter_context(brokers.topic(address, number)) for number in SPREADS}
        longer = {count: stack.enter_context(brokers.topic(address)) for count in counts}
        _fill(address, list(spread.values()), given.events)
        for count, topic in longer.items():
            _fill(address, [topic], count)
        match = Contest(address, sink, given.rounds)
        named = {f"{number} partition{'s' * (number > 1)}": (topic, given.events) for number, topic in spread.items()}
        named |= {f"{PARTITIONS} partitions, {count:,} events": (topic, count) for count, topic in longer.items()}
        print(f"Medians of {given.rounds}; {given.events:,} events where nothing else is said\n")
        print(table(TOPICS_HEAD, list(match.topics(named))))
        print(f"\n{counts[0]:,} events, {PARTITIONS} partitions, on the cores that there are:\n")
        print(table(REPLICAS_HEAD, list(match.groups(longer[counts[0]], counts[0]))))


if __name__ == "__main__":
    main()
