"""The stage: everything that runs, and what each mishap of the plan does to it.

Owns the containers' and processes' order of start and end, and the four lanes, a thread each. Promises that every
mishap is healed, that the witness hears when, and that a mishap which cannot be done ends the run with its reason.
Put together by `run`.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import docker
from docker.errors import APIError

from tests.chaos.plan import FIRST_MEMBERS, SLOW_S, Act, Lane
from tests.containers import STARTUP_S
from tests.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from docker.models.containers import Container

    from tests.chaos.feed import Feed
    from tests.chaos.members import Members
    from tests.chaos.plan import Plan
    from tests.chaos.witness import Witness
    from tests.cluster import Cluster
    from tests.containers import Registry
    from tests.processes import Target

PARTITIONS = 12
LANES: tuple[Lane, ...] = ("members", "brokers", "target", "registry")
SETTLED_S = 3.0  # until a member that has just begun says how it is
LAST_ACT_S = 180.0  # brokers may take so long to be in sync again
FIRST_TOKEN = "of the first day"


class Stage:
    """What runs.

    Attributes:
        played: acts of the plan that came to pass; on a busy machine those at the end may not.
    """

    def __init__(  # noqa: PLR0913 (everything, named)
        self,
        *,
        cluster: Cluster,
        registry: Registry,
        target: Target,
        topic: str,
        feed: Feed,
        members: Members,
        token_file: Path,
        session_s: float,
        say: Callable[[str], None],
    ) -> None:
        self._cluster = cluster
        self._registry = registry
        self._target = target
        self._topic = topic
        self._feed = feed
        self._members = members
        self._token_file = token_file
        self._session_s = session_s
        self._say = say
        self._refused = 0
        self._tokens = 0
        self.played: list[Act] = []
        self._failed: list[BaseException] = []
        self._lanes = {lane: threading.Lock() for lane in LANES}  # held during an act
        self._sleeping = threading.Event()  # set once, to end all lanes

    def play(self, plan: Plan, witness: Witness, *, stop_at_red: bool) -> None:
        """Let go wrong what the plan says; returns once all of it is healed, or the witness has seen enough.

        Raises:
            RuntimeError: a mishap could not be done.
        """
        began = time.monotonic()
        threads = [
            threading.Thread(target=self._lane, name=lane, args=(plan.lane(lane), began, witness), daemon=True)
            for lane in LANES
        ]
        for thread in threads:
            thread.start()
        while time.monotonic() < began + plan.seconds and not (stop_at_red and witness.red()):
            if self._sleeping.wait(0.5):
                break  # a mishap could not be done
        self._sleeping.set()
        for thread in threads:
            thread.join(LAST_ACT_S)
        if self._failed or any(thread.is_alive() for thread in threads):
            msg = f"the plan could not be played: {self._failed or [t.name for t in threads if t.is_alive()]}"
            raise RuntimeError(msg)

    def _lane(self, acts: Sequence[Act], began: float, witness: Witness) -> None:
        try:
            for act in acts:
                self._sleeping.wait(max(0.0, began + act.at_s - time.monotonic()))
                if self._sleeping.is_set():
                    return
                with self._lanes[act.lane]:
                    self._say(f"{time.monotonic() - began:7.1f} s  {act.lane:8} {act.kind} {act.which or ''}".rstrip())
                    self._do(act)
                self.played.append(act)
                witness.healed(f"{act.lane}: {act.kind}")
        except BaseException as error:  # noqa: BLE001 (the edge of the thread: `play` raises it)
            self._failed.append(error)
            self._sleeping.set()

    def _do(self, act: Act) -> None:
        match act.lane:
            case "members":
                self._member(act)
            case "brokers":
                self._broker(act)
            case "target":
                self._fault(act)
            case "registry":
                self._outage(act)

    def _last(self, act: Act) -> None:
        self._sleeping.wait(act.lasts_s)

    # Members.

    def _member(self, act: Act) -> None:
        members, place = self._members, act.which
        self._members.notice()
        match act.kind:
            case "kill":
                members.kill(place)
                self._last(act)
                members.start(place)
            case "stop":
                members.stop(place)
                self._last(act)
                members.start(place)
            case "freeze":
                members.freeze(place)
                self._last(act)
                members.thaw(place)
            case "add":
                members.start(place)
            case "remove":
                members.stop(place)
            case "join_while_slow":
                self._while_slow(partial(members.start, place))
            case "wake_while_slow":
                members.freeze(place)
                self._sleeping.wait(self._session_s + 2.0)
                # With all else well, so that the call is applied, and the member comes to one of its own meanwhile.
                with self._lanes["brokers"], self._lanes["registry"], self._lanes["target"]:
                    self._while_slow(partial(members.thaw, place))

    def _while_slow(self, come: Callable[[], None]) -> None:
        """A member comes while a call of another is on the wire for long: what a revocation must wait for."""
        self._target.switch({"kind": "slow", "times": 1, "delay_s": SLOW_S, "seconds": 10.0, "min_rows": 2})
        deadline = time.monotonic() + 10.0
        while time.monotonic() < deadline and b'"min_rows": 2' in self._target.ask("/simulator/faults"):
            self._sleeping.wait(0.1)
        come()
        self._sleeping.wait(SLOW_S)

    # Brokers.

    def _broker(self, act: Act) -> None:
        letters, nodes = f"{self._topic}.dead-letters", sorted(self._cluster.brokers)
        coordinator = self._cluster.coordinator(self._topic)
        match act.kind:
            case "coordinator":
                node = coordinator or nodes[0]
            case "letters_need_all":  # while offsets can still be committed
                spared = {coordinator, self._cluster.leader_of(letters, 0)}
                node = next(one for one in nodes if one not in spared)
                self._cluster.alter_topic(letters, {"min.insync.replicas": "3"})
            case _:
                node = self._cluster.leader_of(self._topic, act.which) or nodes[0]
        if act.kind == "frozen":
            self._cluster.pause(node)
        else:
            self._cluster.kill(node)
        if act.kind == "two":
            self._cluster.kill(nodes[nodes.index(node) - 1])
        self._last(act)
        self._cluster.heal()
        if act.kind == "letters_need_all":
            self._cluster.alter_topic(letters, {"min.insync.replicas": "2"})

    # Target.

    def _fault(self, act: Act) -> None:
        match act.kind:
            case "poison":
                self._refused += 1
                customer = f"refused-{self._refused}"
                self._target.switch({"kind": "poison", "profile_id": customer})
                self._feed.refuse(customer)
            case "token":
                self._tokens += 1
                token = f"{FIRST_TOKEN} and {self._tokens}"
                self._target.ask("/simulator/token", "PUT", token.encode())
                self._last(act)
                fresh = self._token_file.with_suffix(".new")
                fresh.write_text(token)
                fresh.rename(self._token_file)
                return
            case _:
                self._target.switch(act.fault)
        self._last(act)
        if act.kind == "redirect":
            self._members.restart_blocked()

    # The registry.

    def _outage(self, act: Act) -> None:
        """It goes away just after it took a schema that no member has asked for yet."""
        schema = self._feed.register()
        client = docker.from_env()
        try:
            container = client.containers.get(self._registry.get_container_id())
            wait_for(lambda: _paused(container), STARTUP_S, "the registry is frozen")
            try:
                self._feed.use(schema)
                self._last(act)
            finally:
                container.unpause()
        finally:
            client.close()

    # The beginning and the end.

    def begin(self, witness: Witness) -> None:
        """Start the members and the feed; returns once Target has taken the first batch."""
        self._token_file.write_text(FIRST_TOKEN)
        for place in FIRST_MEMBERS:
            self._members.start(place)
        self._feed.start()
        witness.start()
        wait_for(lambda: self._target.summary()["batches"] > 0, STARTUP_S, "the first batch is accepted")

    def heal(self) -> None:
        """Bring back whatever is still gone, and let whoever is blocked begin anew."""
        self._cluster.heal()
        self._members.notice()
        for place in FIRST_MEMBERS:
            self._members.start(place)
        time.sleep(SETTLED_S)
        self._members.restart_blocked()


def _paused(container: Container) -> bool:
    """Whether it is frozen; on a busy machine Docker may give up."""
    try:
        container.pause()
    except APIError:
        return False
    return True
