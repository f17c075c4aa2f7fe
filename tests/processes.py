"""Processes that tests start, kill and ask: the simulated Target and the installed command, each on its own.

What the crash tests and the chaos run have in common. Like them it uses what a user has and imports nothing of the
package.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

COMMAND = str(Path(sys.executable).parent / "target-connector")


@dataclass
class Target:
    """The simulated Target, a process of its own that outlives every kill."""

    process: subprocess.Popen[str]
    url: str

    def ask(self, path: str, method: str = "GET", body: bytes | None = None) -> bytes:
        request = urllib.request.Request(f"{self.url}{path}", body, method=method)  # noqa: S310 (loopback)
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 (loopback)
            text: bytes = answer.read()
        return text

    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ask("/simulator/summary"))
        return found

    def profiles(self) -> dict[str, dict[str, str]]:
        lines = map(json.loads, self.ask("/simulator/profiles").splitlines())
        return {line["id"]: line["attributes"] for line in lines}

    def switch(self, fault: Mapping[str, Any] | None) -> None:
        """Switch a fault on, or all of them off."""
        if fault is None:
            self.ask("/simulator/faults", "DELETE")
        else:
            self.ask("/simulator/faults", "POST", json.dumps(fault).encode())


@contextmanager
def simulated_target(*options: str, env: Mapping[str, str] | None = None) -> Iterator[Target]:
    process = subprocess.Popen(
        [COMMAND, "simulate-target", "--port", "0", "--version-attribute", "version", *options],
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    )
    try:
        assert process.stdout is not None
        url = next(word for word in process.stdout.readline().split() if word.startswith("http://"))
        yield Target(process, url)
    finally:
        process.terminate()
        assert process.wait(20) == 0
        process.stdout.close()  # type: ignore[union-attr]


class Installed:
    """The installed command in a process; its log goes beside its settings."""

    def __init__(self, config: Path, env: Mapping[str, str] | None = None) -> None:
        self._log = config.with_suffix(".log").open("a")
        self._log_began = self._log.tell()
        command = [COMMAND, "run", "--config", str(config)]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log, env=env)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(20)
        self._log.close()

    def freeze(self) -> None:
        """SIGSTOP."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(60)
        self._log.close()
        return code

    def alive(self) -> bool:
        return self._process.poll() is None

    def began(self) -> bool:
        """Whether it has written anything yet."""
        return Path(self._log.name).stat().st_size > self._log_began


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            msg = f"{what}: not within {seconds:.0f} s"
            raise TimeoutError(msg)
        time.sleep(0.02)
