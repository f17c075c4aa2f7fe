"""The members of the group: processes of the installed command, in numbered places, killed and brought back.

Owns their settings and logs, and the account of how each life ended. Promises that a life which ended without being
told to is noticed. Driven by `stage`, read by `judge`.
"""

from __future__ import annotations

import json
import signal
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.chaos.plan import FIRST_MEMBERS, SESSION_S, SPARE_MEMBERS, TIMEOUT_S
from tests.processes import Installed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.plan import Protocol

CALLS_PER_MINUTE = 50  # all that Target allows, so that one call too many shows
DRAIN_S = 8.0


def settings(  # noqa: PLR0913 (all that differs between two runs)
    *, brokers: str, registry: str, target: str, topic: str, token_file: Path, protocol: Protocol
) -> dict[str, Any]:
    """Short time-outs, so that much happens in minutes."""
    # The consumer protocol has no time-outs of a member's own.
    session = {"session.timeout.ms": int(SESSION_S["classic"] * 1000), "heartbeat.interval.ms": 1000}
    return {
        "kafka": {
            "bootstrap_servers": brokers,
            "group_id": topic,
            "properties": {"group.protocol": "consumer"} if protocol == "consumer" else session,
        },
        "registry": {"url": registry, "timeout": "3s"},
        "sources": [
            {
                "topics": [topic],
                "id": "customer_id",
                "attributes": {"version": "version", "note": "note", "mark": "mark"},
            }
        ],
        "window": {"max_age": "1s"},
        "target": {
            "client": "acme",
            "base_url": target,
            "token_file": str(token_file),
            "calls_per_minute": CALLS_PER_MINUTE,
            "throttle_hold": "2s",
            "timeout": f"{TIMEOUT_S:.0f}s",
        },
        "dead_letters": {"topic": f"{topic}.dead-letters"},
        "service": {"host": "127.0.0.1", "port": 0, "drain": f"{DRAIN_S:.0f}s"},
    }


@dataclass
class Moves:
    """What the logs tell of one another's batches.

    Attributes:
        gained: place and Unix time of each occasion on which a member was given partitions.
        sent: the place that sent a batch, by Target's id of it; a batch whose answer did not arrive is missing.
    """

    gained: list[tuple[int, float]] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)


class Members:
    """All places, some of them taken.

    Attributes:
        lives: how many there were.
        fell: those that ended by themselves: place and last line of the log.
        exit_codes: of those that were told to stop, after the place of each.
        slowest_stop_s: from SIGTERM to exit.
    """

    def __init__(self, folder: Path, shared: dict[str, Any]) -> None:
        self._folder = folder
        self._shared = shared
        self._running: dict[int, Installed] = {}
        self._frozen: set[int] = set()
        self._lock = threading.RLock()  # two lanes and the judge come here
        self.lives = 0
        self.fell: list[str] = []
        self.exit_codes: list[tuple[int, int]] = []
        self.slowest_stop_s = 0.0

    def start(self, place: int) -> None:
        """A new life, unless the place is taken."""
        with self._lock:
            if place not in self._running:
                config = self._folder / f"member-{place}.yaml"
                config.write_text(json.dumps(self._shared))
                self._running[place] = Installed(config)
                self.lives += 1

    def kill(self, place: int) -> None:
        """SIGKILL."""
        with self._lock:
            if place in self._running:
                self._running.pop(place).kill()

    def stop(self, place: int) -> None:
        """SIGTERM, and wait for its end."""
        with self._lock:
            member = self._running.pop(place, None)
        if member is not None:
            began, born = time.monotonic(), member.began()
            code = member.stop()
            if born or code != -signal.SIGTERM:  # before its first line nobody listens to signals, and nothing is lost
                self.exit_codes.append((place, code))
            self.slowest_stop_s = max(self.slowest_stop_s, time.monotonic() - began)

    def freeze(self, place: int) -> None:
        """SIGSTOP."""
        with self._lock:
            if place in self._running:
                self._running[place].freeze()
                self._frozen.add(place)

    def thaw(self, place: int) -> None:
        """SIGCONT."""
        with self._lock:
            if place in self._frozen:
                self._frozen.discard(place)
                self._running[place].thaw()

    def restart_blocked(self) -> int:
        """What an operator does once the reason is gone; how many there were."""
        blocked = [place for place in self.places() if self._is_blocked(place)]
        for place in blocked:
            self.stop(place)
            self.start(place)
        return len(blocked)

    def notice(self) -> None:
        """Look for lives that ended by themselves, and start others in their places."""
        with self._lock:
            for place in [place for place, member in self._running.items() if not member.alive()]:
                last = (self._folder / f"member-{place}.log").read_text().strip().splitlines()[-1:]
                self.fell.append(f"member {place}: {last}")
                del self._running[place]
                self.start(place)

    def places(self) -> list[int]:
        """Those that are taken."""
        with self._lock:
            return sorted(self._running)

    def end(self, *, kill: bool) -> None:
        """Stop or kill all."""
        for place in self.places():
            if kill:
                self.thaw(place)
                self.kill(place)
            else:
                self.stop(place)

    def blocked(self) -> list[str]:
        """Why lives were blocked, from the logs."""
        lines = (line for place in (*FIRST_MEMBERS, *SPARE_MEMBERS) for line in self._lines(place))
        texts = (str(line.get("text", "")) for line in lines if line.get("event") == "trouble")
        return [text for text in texts if text.startswith("blocked")]

    def moves(self) -> Moves:
        """Who was given partitions when, and who sent what, from the logs."""
        moves = Moves()
        for place in (*FIRST_MEMBERS, *SPARE_MEMBERS):
            had = 0
            for line in self._lines(place):
                match line.get("event"):
                    case "starting":
                        had = 0
                    case "assigned":
                        if line["partitions"] > had:
                            moves.gained.append((place, datetime.fromisoformat(line["timestamp"]).timestamp()))
                        had = line["partitions"]
                    case "batch_accepted" if line["status_url"]:
                        moves.sent[line["status_url"].rpartition("batchId=")[2]] = place
        return moves

    def _is_blocked(self, place: int) -> bool:
        port = next((line["port"] for line in reversed(self._lines(place)) if line.get("event") == "listening"), None)
        if port is None or place in self._frozen:
            return False
        with suppress(OSError, ValueError):
            try:
                body = urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).read()
            except urllib.error.HTTPError as not_ready:
                body = not_ready.read()
            return str(json.loads(body)["troubles"].get("pipeline", "")).startswith("blocked")
        return False

    def _lines(self, place: int) -> list[dict[str, Any]]:
        log = self._folder / f"member-{place}.log"
        lines: list[dict[str, Any]] = []
        for line in log.read_text().splitlines() if log.exists() else ():
            with suppress(ValueError):  # librdkafka writes some of its own, a killed life half of one
                lines.append(json.loads(line))
        return lines
