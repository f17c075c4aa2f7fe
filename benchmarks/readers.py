"""What a record costs until it is in a chunk: `consume()` alone, the reader of the client, and that of the C extension.

`python -m benchmarks.readers`, with Docker or `--bootstrap-servers`. Each runs in a process of its own, in turn, round
after round, by the connector's own client properties and poll size; all of the process's CPU counts, librdkafka's
threads too. docs/performance.md has what came out.
"""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks import brokers, contest, figures
from benchmarks.stopwatch import Result, Stopwatch, report
from connector.kafka import drain
from connector.kafka.assignments import Assignments
from connector.kafka.properties import consumer as properties
from connector.records import Partition
from connector.telemetry import Silent

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import TopicPartition

READERS: Final = ("consume() alone", "client", "extension")
_RECORDS: Final = 10_000  # as the connector's source has them
_TIMEOUT_S: Final = 0.1


def read(bootstrap_servers: str, topic: str, reader: str, events: int) -> Result:
    """Reads the topic to its end.

    Raises:
        RuntimeError: the extension is not installed.
    """
    given = properties(bootstrap_servers, f"benchmark-{uuid.uuid4().hex[:8]}", {})
    consumer, taking = drain.client(given, Silent(), extension=reader == "extension")
    if reader == "extension" and taking.name != reader:
        raise RuntimeError("the C extension is not installed")
    watch = Stopwatch()
    assignments = Assignments()

    def assigned(_: object, partitions: list[TopicPartition]) -> None:
        ours = [Partition(one.topic, one.partition) for one in partitions]
        assignments.add(ours)
        taking.coming(ours)
        watch.start()

    def chunk() -> int:
        polled = taking.poll(_RECORDS, _TIMEOUT_S)
        return assignments.gather(polled, lambda _: 0).chunk.frame.height

    def alone() -> int:
        return sum(message.error() is None for message in consumer.consume(_RECORDS, _TIMEOUT_S))

    consumer.subscribe([topic], on_assign=assigned)
    _count(alone if reader == READERS[0] else chunk, events, watch)
    taking.close()
    consumer.close()
    return watch.result(settled=events)


def _count(poll: Callable[[], int], events: int, watch: Stopwatch) -> None:
    done = 0
    while done < events:
        if (came := poll()) > 0:
            done += came
            watch.lap(done)


def main() -> None:
    """Measures and prints; with `--reader`, one run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readers", description=__doc__)
    parser.add_argument("--bootstrap-servers", help="a Kafka that runs, instead of one in Docker")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--topic", help=argparse.SUPPRESS)
    parser.add_argument("--reader", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.reader:
        report(read(given.bootstrap_servers, given.topic, given.reader, given.events))
        return
    results: dict[str, list[Result]] = {reader: [] for reader in READERS}
    with brokers.kafka(given.bootstrap_servers) as address, brokers.topic(address) as topic:
        where = [f"--bootstrap-servers={address}", f"--topic={topic}", f"--events={given.events}"]
        contest.answer(contest.start("benchmarks.events", *where, "--ids=1000000"))
        for _ in range(given.rounds):
            for reader in READERS:
                printed = contest.answer(contest.start("benchmarks.readers", *where, f"--reader={reader}"))
                results[reader].append(Result(**json.loads(printed)))
                print(reader, file=sys.stderr)
    print(_table(results))


def _table(results: dict[str, list[Result]]) -> str:
    head = ("", "records/s", "CPU us per record", "lowest to highest", "peak memory, MB")
    lines = []
    for reader, runs in results.items():
        costs = [1e6 * one.cpu_s / one.events for one in runs]
        rate = f"{median(one.events / one.seconds for one in runs):,.0f}"
        memory = f"{median(one.peak_bytes for one in runs) / 1e6:,.0f}"
        lines.append((reader, rate, f"{median(costs):.2f}", f"{min(costs):.2f} to {max(costs):.2f}", memory))
    return figures.table(head, lines)


if __name__ == "__main__":
    main()
