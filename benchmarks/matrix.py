"""The matrix: what an event costs by all that it may depend on, each figure beside its reference in the same run.

First windows without Kafka (`windows`), then the whole road on Kafka (`groups`), each in a process of its own that is
given what the command has of its allocators. `--quick` leaves Kafka out.
"""

from __future__ import annotations

import argparse
import os

from benchmarks import brokers, contest

MOST_S = 3_600.0  # for each part; 50 million events take some minutes


def main() -> None:
    """Runs both and prints what they print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.matrix", description=__doc__)
    parser.add_argument("--bootstrap-servers", help="a Kafka that runs, instead of one in Docker")
    parser.add_argument("--quick", action="store_true", help="one turn without Kafka, half a minute")
    parser.add_argument("--rounds", type=int, default=1, help="of what runs on Kafka; default: 1")
    parser.add_argument("--long", action="store_true", help="also with 50,000,000 events")
    given = parser.parse_args()
    print(f"Load of the machine before: {os.getloadavg()[0]:.1f}\n")
    print(contest.answer(contest.start("benchmarks.windows", *["--quick"] * given.quick), MOST_S), flush=True)
    if given.quick:
        return
    with brokers.kafka(given.bootstrap_servers) as address:
        how = [f"--bootstrap-servers={address}", f"--rounds={given.rounds}", *["--long"] * given.long]
        print(contest.answer(contest.start("benchmarks.groups", *how), MOST_S))
    print(f"Load of the machine after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
