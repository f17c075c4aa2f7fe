"""The pipeline's share of the call budget: known anew after every rebalance."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import pytest

from connector.kafka.offsets import Ledger
from connector.pipeline import Pipeline
from connector.records import Assignment, Partition
from connector.telemetry import Silent

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from connector.profiles.window import Window
    from connector.settling import Settling
    from connector.target.delivery import Delivery

EVERYONE = [Partition("crm.customers", number) for number in range(4)]
FIRST, SECOND = Assignment(1, EVERYONE[0]), Assignment(2, EVERYONE[1])


class Shares:
    """Stands for what the pipeline tells of partitions: delivery, settling and window."""

    def __init__(self) -> None:
        self.told: list[tuple[set[Partition], list[Partition]]] = []
        self.wire = asyncio.Lock()

    def share(self, held: Any, everyone: Any) -> None:
        if not isinstance(held, int):  # settling has numbers
            self._tell(held, everyone)

    def _tell(self, held: Collection[Partition], everyone: Sequence[Partition]) -> None:
        self.told.append((set(held), list(everyone)))

    def quiet(self) -> asyncio.Lock:
        return self.wire

    def forget(self, _assignments: object = None) -> None:
        """Nothing is in the window, and nothing waits for its completion."""


def make() -> tuple[Pipeline, Shares]:
    shares, nothing = Shares(), cast("Any", None)
    pipeline = Pipeline(
        feeds=[],
        window=cast("Window", shares),
        delivery=cast("Delivery", shares),
        ledger=Ledger(),
        numbers=count(1),
        settling=cast("Settling", shares),
        office=nothing,
        telemetry=Silent(),
        clock=nothing,
        drain_s=1.0,
    )
    return pipeline, shares


async def test_no_turn_is_ours_between_an_assignment_and_the_answer() -> None:
    """What was known before a rebalance may be out of date: it is asked for, and only the answer gives turns."""
    pipeline, shares = make()
    pipeline.partitions(EVERYONE)
    pipeline.unsure.clear()
    pipeline.assigned([FIRST], {})
    assert shares.told[-1] == ({EVERYONE[0]}, [])
    assert pipeline.unsure.is_set()
    pipeline.partitions(EVERYONE)
    assert shares.told[-1] == ({EVERYONE[0]}, EVERYONE)


@pytest.mark.parametrize("lost", [False, True])
async def test_no_turn_is_ours_between_a_revoke_and_the_answer(*, lost: bool) -> None:
    """Whoever gets the partitions may have started after the topics grew."""
    pipeline, shares = make()
    pipeline.assigned([FIRST, SECOND], {})
    pipeline.partitions(EVERYONE)
    pipeline.unsure.clear()
    await pipeline.revoked([SECOND], lost=lost)
    assert shares.told[-1] == ({EVERYONE[0]}, [])
    assert pipeline.unsure.is_set()
