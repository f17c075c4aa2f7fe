"""`python -m tests.chaos.mutations`: breaks the service on purpose, in copies, and wants every chaos run red.

A judge that never says no proves nothing. Owns the six mistakes that would break a promise, each as a change of one
piece of text; a test holds the texts to the source, so that none goes out of date unseen. Prints which rule caught
each, and ends with 1 if one was not caught.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NEEDED = ("connector", "tests", "pyproject.toml", "schemas")
MINUTES = 3.0
BOUND_S = 900.0  # of one run, on a busy machine


@dataclass(frozen=True, slots=True)
class Mutation:
    """One mistake.

    Attributes:
        name: what is done wrong.
        file: where.
        before: the right text, which stands there once.
        after: the wrong one.
        seed: of a plan in which it has every chance to show.
    """

    name: str
    file: str
    before: str
    after: str
    seed: int = 1

    def apply(self, root: Path) -> None:
        """Make the mistake in a copy.

        Raises:
            LookupError: the text does not stand there once.
        """
        file = root / self.file
        text = file.read_text()
        if text.count(self.before) != 1:
            msg = f"{self.name}: its text stands in {self.file} {text.count(self.before)} times; update mutations.py"
            raise LookupError(msg)
        file.write_text(text.replace(self.before, self.after))


MUTATIONS = (
    Mutation(
        "offsets stored before acceptance",
        "connector/pipeline.py",
        "        done, calls = Delivered(), 0\n",
        "        done, calls = Delivered(), 0\n        self._source.store(self._ledger.settle(batch.spans))\n",
    ),
    Mutation(
        "revoke that does not wait",
        "connector/pipeline.py",
        "            async with self._delivery.quiet():\n",
        "            if self._delivery is not None:\n",
    ),
    Mutation(
        "retry after newer rows",
        "connector/pipeline.py",
        "        if not self._flight.tasks():\n            if due := due or",
        "        if not self._flight.tasks() or due is Due.AGE:\n            if due := due or",
    ),
    Mutation(
        "budget not shared",
        "connector/target/budget.py",
        "        return all(one and one[turn % len(one)] in self._held for one in rounds)\n",
        "        return bool(rounds and self._held)\n",
    ),
    Mutation(
        "dead letter not awaited",
        "connector/dead_letter_office.py",
        "            await self._dead_letters.send(letters)\n",
        "            self._sending = asyncio.create_task(self._dead_letters.send(letters))\n",
        # The letters' topic can't be written from 30 s on, before any throttle. In seed 1 that falls into a redirect
        # and two throttles, so that on a busy machine no batch may be accepted meanwhile.
        seed=3,
    ),
    Mutation(
        "success not read",
        "connector/target/answer.py",
        '    success = _field(body, "success")\n',
        '    success = "true"\n',
    ),
)


def caught(mutation: Mutation, seed: int) -> dict[str, int] | None:
    """Run the chaos against the mistake; the rules that it broke, empty if none, None if nothing could be judged."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as made:
        copy = Path(made) / "project"
        copy.mkdir()
        for name in NEEDED:
            source = ROOT / name
            copied = shutil.copytree if source.is_dir() else shutil.copy
            copied(source, copy / name)
        mutation.apply(copy)
        told = copy / "told"
        command = [sys.executable, "-m", "tests.chaos", "--seed", str(seed), "--minutes", str(MINUTES)]
        done = subprocess.run(
            [*command, "--protocol", "classic", "--stop-at-red", "--folder", str(told)],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            timeout=BOUND_S,
            check=False,
        )
        report = told / "report.json"
        if not report.exists():
            _say(done.stdout[-2000:] + done.stderr[-2000:])
            return None
        broken: dict[str, int] = json.loads(report.read_text())["broken"]
        return {rule: times for rule, times in broken.items() if times}


def main() -> int:
    """Try all, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.mutations", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seed", type=int, help="of the plan; each mistake has its own if not given")
    parser.add_argument("names", nargs="*", help="words of a mistake's name; all if not given")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    green = 0
    for mutation in MUTATIONS:
        if given.names and not any(name in mutation.name for name in given.names):
            continue
        began = time.monotonic()
        broken = caught(mutation, mutation.seed if given.seed is None else given.seed)
        verdict = "NOT JUDGED" if broken is None else "red" if broken else "GREEN, so not caught"
        green += not broken
        _say(f"{mutation.name}: {verdict} {broken or ''} after {time.monotonic() - began:.0f} s")
    return 1 if green else 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 (it is what the command is for)


if __name__ == "__main__":
    sys.exit(main())
