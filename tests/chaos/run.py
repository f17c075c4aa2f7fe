"""One run: start everything, play the plan, heal, wait until all is settled, judge.

Promises a report however the judging ends, and an error, not a verdict, where nothing can be judged. Called by
`__main__`, by the test and by `mutations`.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tests.chaos.feed import Feed
from tests.chaos.members import CALLS_PER_MINUTE, Members, settings
from tests.chaos.stage import FIRST_TOKEN, PARTITIONS, Stage
from tests.chaos.truth import Truth
from tests.chaos.verdict import RULES, Evidence, report
from tests.chaos.witness import Witness
from tests.processes import simulated_target, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.chaos.plan import Plan
    from tests.cluster import Cluster
    from tests.containers import Registry
    from tests.processes import Target

SETTLE_S = 300.0  # a search for a refused row takes some forty calls at sixteen a minute


def run(  # noqa: PLR0913 (what a run needs, named)
    plan: Plan,
    cluster: Cluster,
    registry: Registry,
    folder: Path,
    *,
    say: Callable[[str], None],
    stop_at_red: bool = False,
    settle_s: float = SETTLE_S,
) -> dict[str, Any]:
    """Play a plan and judge; the report, as JSON can hold it.

    Args:
        plan: what goes wrong.
        cluster: whose brokers are killed.
        registry: that goes away.
        folder: for settings, logs, and `report.json`.
        say: for every line.
        stop_at_red: end at the first broken rule that shows while it runs, as `mutations` wants.
        settle_s: how long everything may take to be settled afterwards.

    Raises:
        RuntimeError: something of the run itself failed, so that nothing can be judged.
        TimeoutError: likewise.
    """
    say(str(plan))
    began = time.monotonic()
    token_file = folder / "token"
    token_file.write_text(FIRST_TOKEN)
    with simulated_target("--token-file", str(token_file)) as target:
        told = _play(plan, cluster, registry, target, folder, say, stop_at_red=stop_at_red, settle_s=settle_s)
    told = {
        "seed": plan.seed,
        "seconds": plan.seconds,
        "protocol": plan.protocol,
        "green": not any(told["broken"].values()),
        **told,
        "took_s": round(time.monotonic() - began, 1),
        "cpu_s": _cpu_s(),
    }
    (folder / "report.json").write_text(json.dumps(told, indent=1))
    return told


def _play(  # noqa: PLR0913, PLR0917 (what `run` was given, and Target)
    plan: Plan,
    cluster: Cluster,
    registry: Registry,
    target: Target,
    folder: Path,
    say: Callable[[str], None],
    *,
    stop_at_red: bool,
    settle_s: float,
) -> dict[str, Any]:
    topic, truth = f"chaos.{plan.seed}.{time.time_ns()}", Truth(PARTITIONS)
    cluster.create_topic(topic, partitions=PARTITIONS)
    cluster.create_topic(f"{topic}.dead-letters", partitions=1)
    token_file = folder / "token"
    shared = settings(
        brokers=cluster.addresses,
        registry=registry.url,
        target=target.url,
        topic=topic,
        token_file=token_file,
        protocol=plan.protocol,
    )
    members = Members(folder, shared)
    feed = Feed(plan, cluster.addresses, registry.url, topic)
    witness = Witness(cluster.addresses, topic, target, truth, CALLS_PER_MINUTE, members.moves)
    stage = Stage(
        cluster=cluster,
        registry=registry,
        target=target,
        topic=topic,
        feed=feed,
        members=members,
        token_file=token_file,
        session_s=plan.session_s,
        say=say,
    )
    try:
        stage.begin(witness)
        stage.play(plan, witness, stop_at_red=stop_at_red)
        whole, unsettled = not (stop_at_red and witness.red()), 0
        feed.finish(60)
        if whole:
            stage.heal()
            witness.healed("everything")
            unsettled = _settle(witness, members, feed.acknowledged, settle_s, say)
            members.end(kill=False)
        witness.finish()
    finally:
        members.end(kill=True)
    told = report(
        Evidence(
            truth=truth,
            seen=witness.seen,
            profiles=target.profiles(),
            summary=target.summary(),
            calls_per_minute=CALLS_PER_MINUTE,
            fell=members.fell,
            blocked=members.blocked(),
            exit_codes=members.exit_codes,
            unsettled=unsettled,
            whole=whole,
        )
    )
    played = f"{len(stage.played)} of {len(plan.acts)}"
    return {**told, "mishaps": played, "lives": members.lives, "slowest_stop_s": round(members.slowest_stop_s, 1)}


def _settle(witness: Witness, members: Members, records: int, within_s: float, say: Callable[[str], None]) -> int:
    """Wait until every record is settled and committed; how many are not when the time is up."""
    began = time.monotonic()
    with suppress(TimeoutError):
        wait_for(lambda: witness.done(records) or witness.failed(), within_s, "everything is settled")
    members.notice()
    left = witness.left()
    say(f"healed; after {time.monotonic() - began:.0f} s {left[0]} records are not settled, {left[1]} not committed")
    return max(left)


def _cpu_s() -> float:
    """Of this process and those it started and waited for; the containers' is not in it."""
    times = os.times()
    return round(times.user + times.system + times.children_user + times.children_system, 1)


def words(told: dict[str, Any]) -> str:
    """The report for people."""
    rows = [f"  {told['broken'][rule]:6}  {rule:16} {meaning}" for rule, meaning in RULES.items()]
    recovery = [
        f"  {what:28} {found['times']:3} times, median {found['median_s']:5.1f} s, worst {found['worst_s']:5.1f} s"
        for what, found in told["recovery"].items()
    ]
    figures = (
        f"{told['mishaps']} mishaps; {told['records']} records, {told['bad_records']} bad,"
        f" {told['profiles']} profiles, {told['lives']} lives of"
        f" members; {told['batches']} batches, {told['rows']} rows, {told['duplicate_rows']} duplicates"
        f" ({told['duplicate_share']:.1%}), {told['resent']} older ones sent again after a move,"
        f" {told['dead_letters']} dead letters and {told['dead_letters_repeated']}"
        f" again; {sum(told['calls'].values())} calls, {told['most_calls_in_60_s']} in the busiest minute; slowest stop"
        f" {told['slowest_stop_s']} s; {told['looks']} looks, {told['looks_blind']} blind; took {told['took_s']} s,"
        f" {told['cpu_s']} s of CPU"
    )
    verdict = "GREEN" if told["green"] else "RED"
    return "\n".join(
        (
            figures,
            f"calls: {told['calls']}",
            "from healing until all was settled that had been written by then:",
            *recovery,
            f"seed {told['seed']}: {verdict}",
            *rows,
            *(f"  {line}" for line in (*told["ahead"], *told["fell"], *told["ended_badly"], *told["blocked"])),
        )
    )
