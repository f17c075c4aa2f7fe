"""`python -m tests.chaos`: a run on three brokers and a registry of its own, with Docker and nothing else.

Prints the plan, what happens, and the verdict; ends with 0 if every rule held and with 1 otherwise.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.plan import plan
from tests.chaos.run import run, words
from tests.cluster import Cluster
from tests.containers import KAFKA_IMAGE, REGISTRY_IMAGE, Registry, missing


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="What survives, if everything fails.")
    parser.add_argument("--seed", type=int, help="of the plan; any if not given")
    parser.add_argument("--minutes", type=float, default=3.0, help="how long things go wrong (3)")
    parser.add_argument("--protocol", choices=("classic", "consumer"), help="of the group; drawn if not given")
    parser.add_argument("--peace", type=float, default=1.0, help="stretches the times between mishaps (1)")
    parser.add_argument("--plan", action="store_true", help="print the plan and end")
    parser.add_argument("--stop-at-red", action="store_true", help="end at the first broken rule that shows at once")
    parser.add_argument("--folder", type=Path, help="where logs and report.json go; a temporary one if not given")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the containers go as well
    seed = time.time_ns() % 1_000_000 if given.seed is None else given.seed
    drawn = plan(seed, given.minutes * 60, given.protocol, given.peace)
    if given.plan:
        _say(str(drawn))
        return 0
    if (why := missing(KAFKA_IMAGE, REGISTRY_IMAGE)) is not None:
        sys.exit(f"error: {why}")
    folder = given.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    _say(f"logs and report: {folder}")
    with Cluster() as cluster, Registry() as registry:
        told = run(drawn, cluster, registry, folder, say=_say, stop_at_red=given.stop_at_red)
    _say(words(told))
    return 0 if told["green"] else 1


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 (it is what the command is for)


if __name__ == "__main__":
    sys.exit(main())
