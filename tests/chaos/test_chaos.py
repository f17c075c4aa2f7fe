"""Three minutes of chaos: everything goes wrong that can, and every profile is right afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.plan import plan
from tests.chaos.run import run, words

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster import Cluster
    from tests.containers import Registry

SEED = 2
SECONDS = 170.0
SETTLE_S = (
    200.0  # with the plan, the feed's end and the stops below the 600 s at which pytest ends a test without a verdict
)


@pytest.mark.alone
@pytest.mark.system
@pytest.mark.containers
def test_everything_fails_and_nothing_is_lost(tmp_path: Path, cluster: Cluster, registry: Registry) -> None:
    """With members, brokers, registry and Target failing all the time, no rule of the verdict is broken."""
    told = run(plan(SEED, SECONDS), cluster, registry, tmp_path, say=print, settle_s=SETTLE_S)
    assert told["green"], words(told)
