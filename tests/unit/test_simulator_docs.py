"""docs/simulator.md tells of everything the simulator knows."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from connector.simulator.account import Account, SimulatorOptions, Summary
from connector.simulator.admin_api import AdminApi
from connector.simulator.adobe_api import AdobeApi
from connector.simulator.body import Refusal
from connector.simulator.faults import Fault, FaultKind, Faults

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()


def zero() -> float:
    """A clock that stands still."""
    return 0.0


def own_addresses() -> list[str]:
    """The addresses of the simulator's own."""
    account, faults = Account(SimulatorOptions(), zero), Faults(zero)
    return [f"{route.method} {route.path}" for route in AdminApi(account, faults, 0.0).routes()]


def update_addresses() -> list[str]:
    """Adobe's addresses that take batches."""
    account, faults = Account(SimulatorOptions(), zero), Faults(zero)
    return [
        f"{route.method} {route.path}" for route in AdobeApi(account, faults, 0.0).routes() if route.method == "POST"
    ]


@pytest.mark.parametrize(
    "word",
    [
        *FaultKind,
        *Refusal,
        *(option.name for option in fields(SimulatorOptions)),
        *(field.name for field in fields(Summary)),
        *(name for name in Fault.model_fields if name not in ("kind", "on")),
        *own_addresses(),
        *update_addresses(),
    ],
)
def test_the_page_tells_of_it(word: str) -> None:
    """Every fault, refusal, option, field of the summary and address stands on the page."""
    assert f"`{word}`" in PAGE
