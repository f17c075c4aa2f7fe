"""The judge judged: a plan is what its seed says, and every rule can say no. Needs no Docker."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from tests.chaos import plan as plans
from tests.chaos.feed import attributes
from tests.chaos.members import Moves
from tests.chaos.mutations import MUTATIONS, ROOT, Mutation
from tests.chaos.truth import Truth
from tests.chaos.verdict import RULES, Evidence, broken
from tests.chaos.witness import Seen, overtaken

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_plan_is_what_its_seed_says() -> None:
    """The same seed and length give the same plan, another seed another one."""
    assert plans.plan(7, 180) == plans.plan(7, 180)
    assert plans.plan(7, 180).acts != plans.plan(8, 180).acts


@pytest.mark.parametrize("seed", range(1, 21))
def test_three_minutes_hold_every_kind(seed: int) -> None:
    """Whatever the seed: members, brokers and Target do everything wrong that they can, and the registry goes away."""
    drawn = plans.plan(seed, 180)
    assert {act.kind for act in drawn.lane("members")} == set(plans.MEMBERS)
    assert {act.kind for act in drawn.lane("brokers")} == set(plans.BROKERS)
    assert {act.kind for act in drawn.lane("target")} == set(plans.TARGET)
    assert drawn.lane("registry")


def test_peace_stretches_the_times_between() -> None:
    """With more peace fewer things go wrong in the same time."""
    assert len(plans.plan(3, 600, peace=5.0).acts) < len(plans.plan(3, 600).acts) / 2


def test_the_acts_of_a_lane_follow_each_other() -> None:
    """None begins before the one before it is healed, and all are over when the time is."""
    drawn = plans.plan(3, 600)
    for lane in ("members", "brokers", "target", "registry"):
        acts = drawn.lane(lane)
        assert all(one.at_s + one.lasts_s <= other.at_s for one, other in itertools.pairwise(acts))
        assert acts[-1].at_s + acts[-1].lasts_s <= 600


def test_there_are_always_members() -> None:
    """However many are added and removed, two are left, and a place is never taken twice."""
    present = set(plans.FIRST_MEMBERS)
    for act in plans.plan(5, 3600).lane("members"):
        if act.kind in {"add", "join_while_slow"}:
            assert act.which not in present
            present.add(act.which)
        else:
            assert act.which in present
            present -= {act.which} if act.kind == "remove" else set()
        assert len(present) >= plans.FEWEST_MEMBERS


def written() -> Truth:
    """Three records of two customers, a bad one and a tombstone."""
    truth = Truth(2)
    truth.good(0, 0, customer=1, version=1)
    truth.good(0, 1, customer=1, version=3)
    truth.good(1, 0, customer=2, version=2)
    truth.wrong(1, 1, reason="unreadable")
    truth.tombstone(1, 2)
    return truth


def evidence(**instead: Any) -> Evidence:
    """All is well, but for what is given."""
    fine = Evidence(
        truth=written(),
        seen=Seen(letters={(1, 1): "unreadable"}, most_calls=50),
        profiles={"customer-1": attributes("customer-1", 3), "customer-2": attributes("customer-2", 2)},
        summary={},
        calls_per_minute=50,
        fell=(),
        blocked=("blocked: Target answers HTTP 302; check target.base_url",),
        exit_codes=((1, 0),),
        unsettled=0,
    )
    return dataclasses.replace(fine, **instead)


def seen(**instead: Any) -> Seen:
    return dataclasses.replace(evidence().seen, **instead)


def holding(name: str, held: dict[str, str] | None) -> dict[str, Any]:
    """The profiles, with one changed or gone."""
    profiles = {**evidence().profiles, name: held}
    return {other: has for other, has in profiles.items() if has is not None}


def test_what_is_well_is_green() -> None:
    """With every profile as its newest record, and every bad record a dead letter, no rule is broken."""
    assert broken(evidence()) == dict.fromkeys(RULES, 0)


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        ("lost", lambda: evidence(profiles=holding("customer-2", None))),
        ("stale", lambda: evidence(profiles=holding("customer-1", attributes("customer-1", 1)))),
        ("misaligned", lambda: evidence(profiles=holding("customer-1", attributes("customer-2", 3)))),
        ("misaligned", lambda: evidence(seen=seen(misaligned=1))),
        ("unknown", lambda: evidence(profiles=holding("customer-3", attributes("customer-3", 9)))),
        ("backwards", lambda: evidence(seen=seen(backwards=1))),
        ("backwards", lambda: evidence(seen=seen(backwards=3, disorder=2))),
        ("ahead", lambda: evidence(seen=seen(ahead=["partition 0"]))),
        ("letters_missing", lambda: evidence(seen=seen(letters={}))),
        ("letters_extra", lambda: evidence(seen=seen(letters={(1, 1): "unreadable", (0, 0): "refused"}))),
        ("letters_wrong", lambda: evidence(seen=seen(letters={(1, 1): "refused"}))),
        ("over_budget", lambda: evidence(seen=seen(most_calls=51))),
        ("fell", lambda: evidence(fell=("member 1",))),
        ("blocked", lambda: evidence(blocked=("blocked: too many dead letters at once",))),
        ("exit_codes", lambda: evidence(exit_codes=((2, 1),))),
        ("unsettled", lambda: evidence(unsettled=1)),
    ],
)
def test_each_rule_says_no(rule: str, wrong: Callable[[], Evidence]) -> None:
    """One thing wrong breaks the one rule that is about it."""
    assert {name for name, times in broken(wrong()).items() if times} == {rule}


@pytest.mark.parametrize(
    ("gained", "told"),
    [
        pytest.param([], (5, 0), id="nothing moved"),
        pytest.param([(1, 89.0)], (5, 0), id="before the newer row"),
        pytest.param([(1, 95.0)], (0, 5), id="between the two"),
        pytest.param([(1, 99.0)], (5, 0), id="after the older row"),
        pytest.param([(2, 95.0)], (5, 0), id="between the two, to another member"),
    ],
)
def test_a_row_may_go_back_only_after_its_sender_was_given_partitions(
    gained: list[tuple[int, float]], told: tuple[int, int]
) -> None:
    """Whoever is given some sends again what was not committed; a retry or an old owner may replace nothing."""
    reversals = [{"newer_at": 90.0, "older_at": 98.0, "batch_id": "acme-7", "rows": 5}]
    assert overtaken(reversals, Moves(gained, {"acme-7": 1})) == told


def test_a_row_of_an_unknown_sender_may_go_back_after_any_move() -> None:
    """The answer to its batch never arrived, so that no log tells who sent it."""
    reversals = [{"newer_at": 90.0, "older_at": 98.0, "batch_id": "acme-7", "rows": 5}]
    assert overtaken(reversals, Moves([(2, 95.0)], {})) == (0, 5)
    assert overtaken(reversals, Moves([], {})) == (5, 0)


def test_what_must_be_accepted_before_an_offset_passes() -> None:
    """A good record itself or a newer one of its customer, a bad one's letter; nothing for a tombstone."""
    truth = written()
    assert not truth.settled(0, 0, {}, set())
    assert truth.settled(0, 0, {1: 3}, set())
    assert not truth.settled(0, 1, {1: 1, 2: 9}, set())
    assert not truth.settled(1, 1, {1: 9}, {(0, 1)})
    assert truth.settled(1, 1, {}, {(1, 1)})
    assert truth.settled(1, 2, {}, set())


def test_the_truth_is_read_from_headers() -> None:
    """Which kind a record is stands in its header; one that was written twice is told, and the last one counts."""
    truth = Truth(1)
    for offset, header in enumerate(("good 7 1", "good 7 2", "good 7 1", "bad framing", "tombstone")):
        truth.read(0, offset, header)
    assert (truth.newest, truth.bad, truth.tombstones, truth.disorder) == ({7: 1}, {(0, 3): "framing"}, 1, 1)


def test_a_gap_in_the_truth_is_an_error() -> None:
    """A record that the truth does not know makes every verdict worthless, so it is said at once."""
    with pytest.raises(RuntimeError, match="offset 7 of partition 0 after 2 records"):
        written().good(0, 7, customer=1, version=9)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_fits_the_source(mutation: Mutation) -> None:
    """The text that a mutation changes stands in the source once; otherwise the proof by mutations is out of date."""
    assert (ROOT / mutation.file).read_text().count(mutation.before) == 1
