"""How many events per second the whole road takes, beside `consume()` alone and a script, in one go.

Needs Docker for a Kafka of its own, or `--bootstrap-servers` of one that runs. Writes the events, lets `contest` run
the contenders in turn, prints the table and then the stages of `stages`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from statistics import median

from benchmarks import brokers, chart, contest, figures
from benchmarks.events import IDS, PARTITIONS

QUICK_EVENTS = 300_000
IDLE_LOAD = 0.5  # over the last minute


def main() -> None:
    """Measures and prints."""
    _say_if_busy()
    given = _options()
    with brokers.kafka(given.bootstrap_servers) as address, brokers.topic(address) as topic:
        print(f"writing {given.events:,} events over {given.ids:,} ids", file=sys.stderr)
        where = [f"--bootstrap-servers={address}", f"--topic={topic}"]
        filled = contest.start("benchmarks.events", *where, f"--events={given.events}", f"--ids={given.ids}")
        size = json.loads(contest.answer(filled))["bytes_per_event"]
        results = contest.run(address, topic, given.events, given.rounds)
    print(f"{given.events:,} events of {size:.0f} bytes over {given.ids:,} ids, {PARTITIONS} partitions;", end=" ")
    print(f"medians of {given.rounds}\n\n{figures.contest(results)}\n")
    if given.chart:
        rates = {name: median(one.events / one.seconds for one in runs) for name, runs in results.items()}
        given.chart.write_text(chart.svg("Events per second, the whole road", rates), "utf-8")
    waited = sum(one.budget_wait_s for runs in results.values() for one in runs)
    print(f"The connector's calls waited {waited:.1f} s for the call budget in all rounds together.\n")
    print(contest.answer(contest.start("benchmarks.stages", *(["--quick"] if given.quick else []))))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.road", description=__doc__)
    parser.add_argument("--bootstrap-servers", help="a Kafka that runs, instead of one in Docker")
    parser.add_argument("--events", type=int, help="default: 1,000,000")
    parser.add_argument("--ids", type=int, default=IDS, help=f"default: {IDS:,}")
    parser.add_argument("--rounds", type=int, help="default: 3")
    parser.add_argument("--quick", action="store_true", help=f"one round of {QUICK_EVENTS:,} events: a minute")
    parser.add_argument("--chart", type=Path, help="also draw the contest as SVG, into this file")
    given = parser.parse_args()
    given.events = given.events or (QUICK_EVENTS if given.quick else 1_000_000)
    given.rounds = given.rounds or (1 if given.quick else 3)
    return given


def _say_if_busy() -> None:
    """Others on the same cores slow the contenders that need both of them more than those that need one."""
    if (load := os.getloadavg()[0]) > IDLE_LOAD:
        print(f"this machine is busy (load {load:.1f}): the figures will be too low, and not alike", file=sys.stderr)


if __name__ == "__main__":
    main()
