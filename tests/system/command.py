"""The installed command as a process of its own, for the tests of this folder: settings in, exit code and words out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.changes import changed
from tests.processes import COMMAND, wait_for

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from tests.containers import Kafka, Registry
    from tests.processes import Target


def environment(**more: str) -> dict[str, str]:
    """This process's own, without settings, and with a terminal wide enough that help texts keep their lines."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CONNECTOR_")}
    return kept | {"COLUMNS": "120", "NO_COLOR": "1"} | more


def minimal(**changes: Any) -> dict[str, Any]:
    """Settings that are fine, though nobody answers at any of their addresses."""
    settings: dict[str, Any] = {
        "kafka": {"bootstrap_servers": "127.0.0.1:1", "group_id": "target-profiles"},
        "registry": {"url": "http://127.0.0.1:1"},
        "sources": [{"topics": ["crm.customers"], "id": "customer_id", "attributes": {"city": "city"}}],
        "window": {"max_age": "300ms"},
        "target": {"client": "acme", "base_url": "http://127.0.0.1:1", "throttle_hold": "1s"},
        "service": {"host": "127.0.0.1", "port": 0},
    }
    return changed(settings, changes)


def against(kafka: Kafka, registry: Registry, target: Target, topic: str, **changes: Any) -> dict[str, Any]:
    """Settings for a topic of `crash.SCHEMA` between these; its name is that of the group too."""
    given = {
        "kafka__bootstrap_servers": kafka.address,
        "kafka__group_id": topic,
        "kafka__properties": {"session.timeout.ms": 2000, "heartbeat.interval.ms": 500},
        "registry__url": registry.url,
        "sources__topics": [topic],
        "sources__attributes": {"version": "version", "note": "note"},
        "target__base_url": target.url,
        "target__calls_per_minute": 50,
        "dead_letters__topic": f"{topic}.dead-letters",
    }
    return minimal(**given | changes)


@dataclass
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str
    after_s: float


def command(*arguments: str, **variables: str) -> Ended:
    """Run the command to its end."""
    began = time.monotonic()
    done = subprocess.run(
        [COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(**variables),
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - began)


@dataclass
class Service:
    """`target-connector run` under way; leaving its `with` block kills what is left of it."""

    settings: dict[str, Any]
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Self:
        config = self.folder / "connector.yaml"
        config.write_text(json.dumps(self.settings))
        self._out, self._err = (self.folder / "out").open("w+"), (self.folder / "err").open("w+")
        self._process = subprocess.Popen(
            [COMMAND, "run", "--config", str(config)],
            stdout=self._out,
            stderr=self._err,
            env=environment(**self.variables),
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(20)
        self._out.close()
        self._err.close()

    def ended(self, timeout_s: float = 60) -> Ended:
        """Wait for its end."""
        began = time.monotonic()
        code = self._process.wait(timeout_s)
        return Ended(code, self.out(), self.err(), time.monotonic() - began)

    def stop(self, timeout_s: float = 60) -> Ended:
        """SIGTERM, and wait for its end."""
        self.await_event("starting")  # before that nobody listens to signals
        self.signal(signal.SIGTERM)
        return self.ended(timeout_s)

    def signal(self, number: signal.Signals) -> None:
        assert self._process.poll() is None, self.err()
        self._process.send_signal(number)

    def out(self) -> str:
        return (self.folder / "out").read_text()

    def err(self) -> str:
        return (self.folder / "err").read_text()

    def log(self) -> list[dict[str, Any]]:
        """Its lines so far; a last one without an end is left out."""
        return [json.loads(line) for line in self.out().splitlines(keepends=True) if line.endswith("\n")]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.log() if line["event"] == name]

    def ask(self, path: str) -> tuple[int, str]:
        """Status and body of one of its pages."""
        return self._ask(self._port("listening"), path, "GET")

    def ask_admin(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Status and body of what the admin port answers, asked without the header that a change needs."""
        return self._ask(self.admin_port(), path, method)

    def admin_port(self) -> str:
        """For `status --port`, since a test lets it be any free one."""
        return self._port("admin_listening")

    def _port(self, event: str) -> str:
        self.await_event(event)
        return str(self.events(event)[0]["port"])

    def _ask(self, port: str, path: str, method: str) -> tuple[int, str]:
        try:
            request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 (loopback)
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def await_event(self, name: str, timeout_s: float = 30) -> None:
        wait_for(lambda: bool(self.events(name)), timeout_s, f"the log holds {name}")

    def await_trouble(self, part: str, words: str, timeout_s: float = 30) -> None:
        """Wait until `/readyz` tells of a trouble of this part in these words."""
        wait_for(lambda: words in self.troubles().get(part, ""), timeout_s, f"{part} tells of {words}")

    def troubles(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.ask("/readyz")[1])["troubles"]
        return found

    def await_ready(self, timeout_s: float = 60) -> None:
        wait_for(lambda: self.ask("/readyz")[0] == 200, timeout_s, "it is ready")
