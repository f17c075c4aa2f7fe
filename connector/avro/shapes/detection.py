"""Which shape the records of a schema seem to have: for proposals, never to guess while running."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def detect(paths: Iterable[str]) -> str:
    """Name the shape by the fields that only its tool fills.

    Args:
        paths: of every leaf of the schema.
    """
    have = {*paths}
    top = {path.partition(".")[0] for path in have}
    if {"op", "after", "before"} <= top:
        return "debezium"
    return "debezium-unwrapped" if {"__deleted", "__op"} & have else "flat"
