"""What a contender is given, and how it is timed: the same clock, the same beginning and the same end for all.

The clock starts when the group gives the partitions to the contender, so that everything fetched counts for everyone.
It is read at each lap, and the last lap is the result: after each list for a contender that only reads, and at the
acceptance of each full batch for those that deliver. What is left at the end is less than a batch and would only wait
for its age, so it is delivered and checked but not timed. Each contender prints one JSON object, which `road` reads.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from dataclasses import asdict, dataclass
from typing import Final

WINDOW_ROWS: Final = 100_000  # profiles of a batch, the connector's default
WINDOW_AGE_S: Final = 10.0  # likewise
_RSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024  # getrusage counts kilobytes, macOS bytes


@dataclass(frozen=True, slots=True)
class Task:
    """What every contender is given.

    Attributes:
        bootstrap_servers: the brokers.
        topic: holds `events` records and nothing else.
        group: a consumer group that nobody has used.
        events: how many records to read.
        sink: address of the sink, for those that deliver.
    """

    bootstrap_servers: str
    topic: str
    group: str
    events: int
    sink: str

    def arguments(self) -> list[str]:
        """Writes it as command-line arguments, which `task` reads."""
        return [f"--{name.replace('_', '-')}={value}" for name, value in asdict(self).items()]


@dataclass(frozen=True, slots=True)
class Result:
    """What one run of one contender took.

    Attributes:
        events: done when the clock was last read.
        seconds: until then, since the partitions were assigned.
        cpu_s: user and system time of the process in that time.
        peak_bytes: the most memory the process ever held.
        budget_wait_s: how long calls waited for the account's budget.
        settled: all events, those after the last lap included; must be all there are.
        rows: that the sink accepted, by the contender's own count.
    """

    events: int
    seconds: float
    cpu_s: float
    peak_bytes: int
    budget_wait_s: float
    settled: int
    rows: int


class Stopwatch:
    """Times one run."""

    def __init__(self) -> None:
        self._began: tuple[float, float] | None = None
        self._last = (0, 0.0, 0.0)

    def start(self) -> None:
        """The partitions are ours; later calls change nothing."""
        self._began = self._began or _now()

    def lap(self, events: int) -> None:
        """So many events are done by now.

        Raises:
            RuntimeError: it was never started.
        """
        if self._began is None:
            raise RuntimeError("events before an assignment")
        now = _now()
        self._last = (events, now[0] - self._began[0], now[1] - self._began[1])

    def result(self, *, settled: int, rows: int = 0, budget_wait_s: float = 0.0) -> Result:
        """Sums up.

        Raises:
            RuntimeError: there was no lap: fewer events than a full batch.
        """
        events, seconds, cpu_s = self._last
        if not events:
            raise RuntimeError("no full batch: too few events, or too many of the same ids")
        # Of this process alone: a parent's peak is inherited at its start, but the parent stays smaller than any child.
        peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
        return Result(events, seconds, cpu_s, peak_bytes, budget_wait_s, settled, rows)


def task() -> Task:
    """Reads the task from the command line."""
    parser = argparse.ArgumentParser()
    for name in ("bootstrap-servers", "topic", "group", "sink"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--events", type=int, required=True)
    return Task(**vars(parser.parse_known_args()[0]))


def report(result: Result) -> None:
    """Prints a result for `road`."""
    print(json.dumps(asdict(result)))


def _now() -> tuple[float, float]:
    """Seconds on the clock and of CPU; all threads of the process, librdkafka's too."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), used.ru_utime + used.ru_stime
