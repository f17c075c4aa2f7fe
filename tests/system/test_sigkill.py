"""SIGKILL at any moment loses nothing: every profile is compared with its newest event."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from tests.processes import Installed, Target, simulated_target, wait_for
from tests.system import crash

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.containers import Kafka, Registry

EVENTS = 200_000
KILLS = 20


def kill_in_the_gap(life: crash.Connector, target: Target, chance: random.Random) -> str:
    """Kill between the POST and the commit: up to 0.3 s before, or up to 1.2 s after, Target accepts a batch.

    Offsets are committed within a second after acceptance. Returns which of the two it was.
    """
    batches = target.summary()["batches"]
    if chance.random() < 0.3:
        # Calls come every 60 / 35 s: somewhere around the next one.
        wait_for(lambda: target.summary()["batches"] > batches, 60, "a batch is accepted")
        time.sleep(chance.uniform(1.3, 1.75))
        life.kill()
        return "around a POST"
    wait_for(lambda: target.summary()["batches"] > batches, 60, "a batch is accepted")
    time.sleep(chance.uniform(0.0, 1.0))
    life.kill()
    return "between acceptance and commit"


def survive(start: Callable[[], crash.Connector], target: Target, feed: crash.Feed, seed: int) -> int:
    """Kill and restart while events flow, then let the last life finish; returns its exit code."""
    chance = random.Random(seed)  # noqa: S311 (when to kill)
    moments: dict[str, int] = {}
    feed.allowed = 0
    writing = feed.run(per_second=EVENTS / 100)
    for kill in range(1, KILLS + 1):
        feed.allowed = feed.total * kill // KILLS  # so that events flow until the last kill, however slow the machine
        life = start()
        moment = kill_in_the_gap(life, target, chance)
        moments[moment] = moments.get(moment, 0) + 1
    writing.join()
    life = start()
    wait_for(lambda: crash.committed(feed.brokers, feed.topic, feed.topic) == feed.total, 120, "all is committed")
    assert life.alive()
    print(f"\n{KILLS} kills with seed {seed}: {moments}")  # noqa: T201 (shown by -s, and where the test fails)
    return life.stop()


def judge(target: Target, feed: crash.Feed) -> None:
    """None lost, none stale, none misaligned, within the budget; duplicates are counted and printed."""
    profiles, summary = target.profiles(), target.summary()
    expected = {key: {"version": str(version), "note": f"n {version}"} for key, version in feed.newest.items()}
    lost = expected.keys() - profiles.keys()
    stale = [key for key, wanted in expected.items() if key in profiles and profiles[key] != wanted]
    share = summary["duplicate_rows"] / summary["rows"]
    print(  # noqa: T201 (the figures are the point)
        f"{feed.total} events, {len(expected)} profiles, {summary['batches']} batches, {summary['rows']} rows,"
        f" {summary['duplicate_rows']} duplicate rows ({share:.1%}), {summary['went_backwards']} backwards,"
        f" {summary['most_calls_in_60_s']} calls in the busiest minute"
    )
    assert len(lost) == 0
    assert len(stale) == 0
    assert profiles.keys() == expected.keys()
    assert summary["refusals"] == {}
    assert summary["most_calls_in_60_s"] <= 50


@pytest.mark.system
@pytest.mark.containers
def test_sigkill_of_the_installed_command_loses_nothing(tmp_path: Path, kafka: Kafka, registry: Registry) -> None:
    """Twenty kills between POST and commit while 200,000 events flow: every profile equals its newest event."""
    topic = f"kill.{time.time_ns()}"
    kafka.create_topic(topic, partitions=crash.PARTITIONS)
    feed = crash.Feed(kafka.address, registry.url, topic, EVENTS)
    with simulated_target() as target:
        config = tmp_path / "connector.yaml"
        crash.write_settings(config, kafka, registry, target, topic)
        assert survive(lambda: Installed(config), target, feed, seed=time.time_ns()) == 0
        judge(target, feed)


@pytest.mark.system
@pytest.mark.containers
def test_sigkill_of_the_image_loses_nothing(tmp_path: Path, kafka: Kafka, registry: Registry, app_image: str) -> None:
    """The same with the image that is shipped, read-only and without privileges."""
    topic = f"kill-image.{time.time_ns()}"
    kafka.create_topic(topic, partitions=crash.PARTITIONS)
    feed = crash.Feed(kafka.address, registry.url, topic, EVENTS)
    with simulated_target() as target:
        config = tmp_path / "connector.yaml"
        crash.write_settings(config, kafka, registry, target, topic)
        assert survive(lambda: crash.FromImage(config, app_image), target, feed, seed=time.time_ns()) == 0
        judge(target, feed)
