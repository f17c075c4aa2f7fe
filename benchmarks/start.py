"""How long the installed command takes from its start to its first poll, and from SIGTERM to its end.

Each life is a process of its own, in a group that nobody has used, against a sink that takes batches or (its port
closed) does not. Read from the outside: the log's lines and the exit of the process.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import tempfile
import time
from typing import TYPE_CHECKING, Final

from benchmarks import brokers, contest
from benchmarks.command import PREFIX, Setting, running
from benchmarks.events import ATTRIBUTES, ID, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_S: Final = 60.0
DRAIN_S: Final = 5
CLOSED: Final = "http://127.0.0.1:1"


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--bootstrap-servers", help="a Kafka that runs, instead of one in Docker")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    rows: dict[str, list[float]] = {}
    with brokers.kafka(given.bootstrap_servers) as address, brokers.topic(address) as topic, contest.sink_at() as sink:
        filled = contest.start(
            "benchmarks.events", f"--bootstrap-servers={address}", f"--topic={topic}", "--events=20000", "--ids=20000"
        )
        contest.answer(filled)
        for _ in range(given.rounds):
            for state, target in (
                ("Target takes batches", sink),
                (f"Target is down, service.drain: {DRAIN_S}s", CLOSED),
            ):
                for what, seconds in _life(address, topic, target).items():
                    rows.setdefault(f"{what}; {state}", []).append(seconds)
    print("| | median, s | longest, s |\n| --- | ---: | ---: |")
    for what, taken in rows.items():
        print(f"| {what} | {statistics.median(taken):.2f} | {max(taken):.2f} |")


def _life(address: str, topic: str, target: str) -> dict[str, float]:
    """Starts the command, waits until it has polled records, ends it; gives seconds by step."""
    schema = SCHEMA | {"fields": [PREFIX, *SCHEMA["fields"]]}
    attributes = {name: name for name in ATTRIBUTES}
    setting = Setting(address, topic, target, schema, ID, attributes, max_age="1s", drain=f"{DRAIN_S}s")
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        with running(setting, folder) as (process, log):
            taken = {
                "start to the pages": _until(lambda: b'"listening"' in log.read_bytes(), began),
                "start to the first poll with an assignment": _until(lambda: b'"assigned"' in log.read_bytes(), began),
            }
            _until(lambda: b'"batch_accepted"' in log.read_bytes() or b'"trouble"' in log.read_bytes(), began)
            began = time.perf_counter()
            process.send_signal(signal.SIGTERM)
            process.wait(MOST_S)
            return taken | {"SIGTERM to the end": time.perf_counter() - began}


def _until(condition: Callable[[], bool], began: float) -> float:
    while not condition():
        if time.perf_counter() - began > MOST_S:
            raise TimeoutError(f"not within {MOST_S:.0f} s")
        time.sleep(0.005)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
