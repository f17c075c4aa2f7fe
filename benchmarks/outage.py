"""How much memory the connector holds while Target is down and the topics grow.

Three phases, one process of the connector with its default settings: catching up with a full topic, Target gone (its
port is closed) while events go on, Target back until all is settled. The memory is what the system says the process
has resident, sampled from outside. Linux only: it reads `/proc`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from benchmarks import brokers, contest
from benchmarks.events import IDS
from benchmarks.stopwatch import Task

if TYPE_CHECKING:
    import subprocess

LIVELY_S: Final = 20.0  # with Target there, before it goes
SAMPLE_S: Final = 0.25
MB: Final = 1_000_000


def main() -> None:
    """Measures and prints a table."""
    given = _options()
    later = int(given.rate * given.seconds)
    with brokers.kafka(given.bootstrap_servers) as address, brokers.topic(address) as topic:
        where = [f"--bootstrap-servers={address}", f"--topic={topic}", f"--ids={IDS}", f"--padding={given.padding}"]
        print(f"writing {given.events:,} events", file=sys.stderr)
        filled = contest.start("benchmarks.events", *where, f"--events={given.events}")
        size = json.loads(contest.answer(filled))["bytes_per_event"]
        with contest.sink_at() as sink:
            task = Task(address, topic, f"benchmark-{uuid.uuid4().hex[:8]}", given.events + later, sink)
            connector = contest.start("benchmarks.carry", *task.arguments(), f"--max-rows={given.max_rows}")
            peaks = {"Target takes batches": _watch(connector, LIVELY_S)}
        writing = contest.start("benchmarks.events", *where, f"--events={later}", f"--rate={given.rate}")
        peaks[f"Target down for {given.seconds:.0f} s"] = _watch(connector, given.seconds)
        contest.answer(writing)
        with contest.sink_at(urlsplit(sink).port or 0):
            peaks["Target back, until all is settled"] = _watch(connector, given.seconds)
            result = json.loads(contest.answer(connector))
    print(
        f"{given.events:,} events of {size:.0f} bytes, then {given.rate:,.0f} a second; windows of {given.max_rows:,}\n"
    )
    print("| | most memory, MB |\n| --- | ---: |")
    for phase, peak in peaks.items():
        print(f"| {phase} | {peak / MB:.0f} |")
    print(f"\n{result['settled']:,} events settled.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outage", description=__doc__)
    parser.add_argument("--bootstrap-servers", help="a Kafka that runs, instead of one in Docker")
    parser.add_argument("--events", type=int, default=3_000_000, help="in the topic at first; default: 3,000,000")
    parser.add_argument("--rate", type=float, default=2_000, help="events a second meanwhile; default: 2,000")
    parser.add_argument("--seconds", type=float, default=600, help="how long Target is down; default: 600")
    parser.add_argument(
        "--max-rows", type=int, default=100_000, help="of a window; default: 100,000, as in the service"
    )
    parser.add_argument("--padding", type=int, default=0, help="letters that each event is longer by")
    return parser.parse_args()


def _watch(process: subprocess.Popen[str], seconds: float) -> int:
    """Gives the most memory in bytes that the process has within so many seconds, or until its end."""
    until = time.monotonic() + seconds
    most = 0
    while time.monotonic() < until and process.poll() is None:
        most = max(most, _resident(process.pid))
        time.sleep(SAMPLE_S)
    return most


def _resident(pid: int) -> int:
    """Bytes; 0 if the process has just ended."""
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


if __name__ == "__main__":
    main()
