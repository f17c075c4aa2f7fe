"""What goes wrong, and when: a pure function of the seed and the length of a run.

Owns the kinds of mishap and how they are dealt. Promises that the same seed and length give the same plan, and that
every kind is dealt once before any is dealt again. Four lanes run beside each other: members, brokers, Target, and the
registry. `stage` does what the plan says.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Lane = Literal["members", "brokers", "target", "registry"]
Protocol = Literal["classic", "consumer"]

# A silent member is given up after that. The newer protocol's is Kafka's default, which the client counts by itself.
SESSION_S: Mapping[Protocol, float] = {"classic": 6.0, "consumer": 45.0}
TIMEOUT_S = 17.0  # of one call to Target
# At the beginning a member wakes into a slow call, and nothing else goes wrong meanwhile: the other lanes begin after
# it or, where the session is longer than this, wait for it.
ALONE_S = 30.0
SLOW_S = 15.0  # within that, and longer than a new member takes to its first call, on a busy machine too
FIRST_MEMBERS = (1, 2, 3)
SPARE_MEMBERS = (4, 5)
FEWEST_MEMBERS = 2
# The search for a refused row takes some forty calls, of sixteen a minute: none begins later than this before the end.
SEARCH_S = 110.0
SMALLEST_ROWS = 8  # refusals by a fault spare smaller batches: the search for refused rows must find none by accident

MEMBERS = ("kill", "freeze", "stop", "add", "remove", "join_while_slow", "wake_while_slow")
BROKERS = ("leader", "coordinator", "two", "frozen", "letters_need_all")
# Every row of the outcome table (`connector/target/answer.py`), some of them in several guises.
TARGET = (
    "success_false", "400", "poison",  # refused
    "413",  # too large
    "401", "403", "token",  # unauthorized
    "503", "429",  # throttled
    "500", "garbage", "cut_before", "cut_after", "slow", "time_out",  # unavailable
    "redirect",  # misconfigured
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Act:
    """One mishap.

    Attributes:
        at_s: seconds after the beginning; later if the one before it in its lane takes longer.
        lane: what it concerns; the acts of a lane follow each other.
        kind: one of the names above.
        lasts_s: until it is healed.
        which: a member, or the partition whose leader is meant.
        fault: what the simulated Target is told, for those of its lane.
    """

    at_s: float
    lane: Lane
    kind: str
    lasts_s: float
    which: int = 0
    fault: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        of = f" {self.which}" if self.which else ""
        return f"{self.at_s:7.1f} s  {self.lane:8} {self.kind}{of} for {self.lasts_s:.1f} s"


@dataclass(frozen=True, slots=True)
class Plan:
    """One run.

    Attributes:
        seed: which it is.
        seconds: how long things go wrong.
        protocol: the consumer group's.
        per_second: events.
        customers: how many profiles there are.
        acts: in order of time.
    """

    seed: int
    seconds: float
    protocol: Protocol
    per_second: int
    customers: int
    acts: Sequence[Act]

    @property
    def session_s(self) -> float:
        """After what time a silent member is given up."""
        return SESSION_S[self.protocol]

    def lane(self, lane: Lane) -> list[Act]:
        """The acts of one lane."""
        return [act for act in self.acts if act.lane == lane]

    def __str__(self) -> str:
        head = (
            f"seed {self.seed}, {self.seconds:.0f} s, group protocol {self.protocol}, {self.per_second} events/s of"
            f" {self.customers} customers, {len(self.acts)} mishaps"
        )
        return "\n".join((head, *map(str, self.acts)))


def plan(seed: int, seconds: float, protocol: Protocol | None = None, peace: float = 1.0) -> Plan:
    """Draw the plan of a seed.

    Args:
        seed: any number.
        seconds: how long things go wrong.
        protocol: of the group; drawn if not given.
        peace: by how much the times between mishaps are stretched. With 1 there is hardly a moment in which nothing is
            broken, so that most recoveries have to wait for the next one.
    """
    chance = random.Random(seed)  # noqa: S311 (a plan, no secret)
    drawn: Protocol = chance.choice(("classic", "consumer"))
    protocol = protocol or drawn
    lanes: dict[Lane, Callable[[random.Random, float], Iterator[Act]]] = {
        "members": partial(_members, session_s=SESSION_S[protocol]),
        "brokers": _brokers,
        "target": partial(_target, seconds=seconds),
        "registry": _registry,
    }
    acts: list[Act] = []
    for lane, draw in lanes.items():
        for act in draw(random.Random(f"{seed} {lane}"), peace):  # noqa: S311
            if act.at_s + act.lasts_s > seconds:
                break
            acts.append(act)
    return Plan(
        seed,
        seconds,
        protocol,
        per_second=chance.randrange(500, 901, 50),
        customers=chance.randrange(5_000, 20_001, 1_000),
        acts=sorted(acts, key=lambda act: act.at_s),
    )


def _dealt(chance: random.Random, kinds: Sequence[str], first: str | None = None) -> Iterator[str]:
    """The kinds without end, shuffled anew each time all were dealt, but one of them first."""
    while True:
        yield from sorted(chance.sample(kinds, len(kinds)), key=lambda kind: kind != first)


def _members(chance: random.Random, peace: float, session_s: float) -> Iterator[Act]:
    present, spare, now = list(FIRST_MEMBERS), list(SPARE_MEMBERS), 3.0
    for dealt in _dealt(chance, MEMBERS, first="wake_while_slow"):
        kind = dealt
        if kind in {"add", "join_while_slow"} and not spare:
            kind = "remove"
        elif kind == "remove" and len(present) == FEWEST_MEMBERS:
            kind = "add"
        lasts_s = {
            "kill": chance.uniform(0.0, 3.0),
            "stop": chance.uniform(0.0, 2.0),
            "freeze": session_s + chance.uniform(2.0, 5.0),
            "join_while_slow": SLOW_S,
            "wake_while_slow": session_s + 2.0 + SLOW_S,
        }.get(kind, 0.0)
        if kind in {"add", "join_while_slow"}:
            which = spare.pop(0)
            present.append(which)
        else:
            which = chance.choice(present)
            if kind == "remove":
                present.remove(which)
                spare.append(which)
        yield Act(now, "members", kind, lasts_s, which)
        now += lasts_s + peace * chance.uniform(3.0, 7.0)


def _brokers(chance: random.Random, peace: float) -> Iterator[Act]:
    now = ALONE_S
    for kind in _dealt(chance, BROKERS):
        # A letter that was not waited for shows once a batch after it is accepted and committed.
        lasts_s = chance.uniform(14.0, 18.0) if kind == "letters_need_all" else chance.uniform(6.0, 12.0)
        yield Act(now, "brokers", kind, lasts_s, chance.randrange(12))
        now += lasts_s + peace * chance.uniform(10.0, 15.0)  # to be in sync again, and some peace


def _target(chance: random.Random, peace: float, seconds: float) -> Iterator[Act]:
    now = ALONE_S
    # The refused row comes first, since after the throttles of its round the pace is slow.
    for kind in _dealt(chance, TARGET, first="poison"):
        if kind == "poison" and now > seconds - SEARCH_S:
            continue
        fault, lasts_s = _fault(kind, chance)
        yield Act(now, "target", kind, lasts_s, fault=fault)
        now += lasts_s + peace * chance.uniform(1.5, 2.5)


def _fault(kind: str, chance: random.Random) -> tuple[dict[str, Any], float]:
    """What the simulator is told, and for how long it may strike."""
    lasts_s = chance.uniform(4.0, 6.0)
    if kind in {"token", "poison"}:
        return {}, lasts_s
    more_of: dict[str, dict[str, Any]] = {
        "success_false": {"times": 1, "min_rows": SMALLEST_ROWS},
        "400": {"times": 1, "min_rows": SMALLEST_ROWS},
        "413": {"times": 1, "min_rows": SMALLEST_ROWS},  # each halves a member's batches for the rest of its life
        "429": {"times": chance.randint(1, 2), "retry_after_s": chance.randint(1, 4)},
        "slow": {"times": 2, "delay_s": chance.uniform(2.0, TIMEOUT_S - 4.0)},
        "time_out": {"kind": "slow", "times": 1, "delay_s": TIMEOUT_S + 3.0},
        "redirect": {"times": 1},
    }
    more = more_of.get(kind, {"times": chance.randint(1, 3)})
    return {"kind": kind, **more, "seconds": lasts_s}, lasts_s


def _registry(chance: random.Random, peace: float) -> Iterator[Act]:
    now = ALONE_S + chance.uniform(5.0, 25.0)
    while True:
        lasts_s = chance.uniform(6.0, 12.0)
        yield Act(now, "registry", "down", lasts_s)
        now += lasts_s + peace * chance.uniform(30.0, 50.0)
