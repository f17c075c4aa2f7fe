"""Runs the contenders, each in a process of its own, one after the other, round after round; checks what they did.

A, B, C, A, B, C, …: so that whatever slows this machine for a while slows each of them. A run counts only if all events
were settled and the sink has exactly the rows that the contender says it delivered. Called by `road`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from benchmarks.stopwatch import Result, Task
from connector.__main__ import FREED_AT_ONCE, GLIBC

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# The module, and its arguments beside the task's.
CONTENDERS: Final = {
    "`consume()` alone": ("benchmarks.consume",),
    "the connector": ("benchmarks.carry",),
    "the connector without its C extension": ("benchmarks.carry", "--no-extension"),
    "a script": ("benchmarks.script",),
}
_MOST_S: Final = 300  # for one run


def run(bootstrap_servers: str, topic: str, events: int, rounds: int) -> dict[str, list[Result]]:
    """Holds the contest.

    Returns:
        The results of each contender, round by round.

    Raises:
        RuntimeError: a contender failed, or did not deliver what it should.
    """
    results: dict[str, list[Result]] = {name: [] for name in CONTENDERS}
    with sink_at() as sink:
        for number in range(rounds):
            for name, command in CONTENDERS.items():
                group = f"benchmark-{uuid.uuid4().hex[:8]}"
                before = _rows_taken(sink)
                result = _one(command, Task(bootstrap_servers, topic, group, events, sink))
                _check(name, result, events, _rows_taken(sink) - before)
                results[name].append(result)
                print(f"round {number + 1}, {name}: {result.events / result.seconds:,.0f} events/s", file=sys.stderr)
    return results


def start(module: str, *arguments: str) -> subprocess.Popen[str]:
    """Starts a module of this folder; its standard output is ours to read."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=FREED_AT_ONCE
        | {name: str(value) for name, (_, value) in GLIBC.items()}
        | os.environ,  # as the command has it
    )


def answer(process: subprocess.Popen[str], most_s: float = _MOST_S) -> str:
    """Waits for a process's end and gives what it printed.

    Raises:
        RuntimeError: it failed.
    """
    try:
        printed, _ = process.communicate(timeout=most_s)
    finally:
        process.kill()
    if process.returncode:
        raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
    return printed


def _one(command: Sequence[str], task: Task) -> Result:
    time.sleep(1)  # lets the broker finish with the last group
    return Result(**json.loads(answer(start(*command, *task.arguments()))))


def _check(name: str, result: Result, events: int, taken: int) -> None:
    if result.settled != events:
        raise RuntimeError(f"{name}: settled {result.settled} of {events} events")
    if result.rows != taken:
        raise RuntimeError(f"{name}: says {result.rows} rows, but the sink took {taken}")


@contextmanager
def sink_at(port: int = 0) -> Iterator[str]:
    """Runs a sink and gives its address; port 0 is any free one."""
    process = start("benchmarks.sink", f"--port={port}")
    try:
        if process.stdout is None or not (url := process.stdout.readline().strip()):
            raise RuntimeError("the sink did not start")
        yield url
    finally:
        process.kill()
        process.communicate()


def _rows_taken(sink: str) -> int:
    with urllib.request.urlopen(f"{sink}/taken", timeout=10) as response:  # noqa: S310 (loopback)
        return int(json.load(response)["rows"])
