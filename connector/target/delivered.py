"""What became of the rows of one batch: what `delivery` tells the pipeline and the dead-letter office.

It grows while the batch is on its way, so that whoever looks at a search meanwhile sees how far it came.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector.records import Rows


@dataclass(frozen=True, slots=True)
class Refused:
    """One row that Target refused in a batch of its own, and what Target said; or that is over a limit, and which."""

    row: Rows
    text: str


@dataclass(slots=True)
class Delivered:
    """What became of the rows of one batch.

    Attributes:
        given: how many rows it has.
        rows: how many of them Target accepted.
        size_bytes: of the bodies accepted.
        calls: that it took.
        status_url: of the last body accepted.
        refused: rows that Target refused alone.
        too_large: rows that are too large alone.
        overweight: rows that are over the limit of a profile alone.
        trusted: Target has accepted a row in the life of this process, so that it is rows which are wrong.
        hopeless: what Target said, where it took neither the first row that it was given alone nor any probe.
        whole: False if partitions went away meanwhile; then only `calls` means anything.
    """

    given: int = 0
    rows: int = 0
    size_bytes: int = 0
    calls: int = 0
    status_url: str | None = None
    refused: list[Refused] = field(default_factory=list)
    too_large: list[Refused] = field(default_factory=list)
    overweight: list[Refused] = field(default_factory=list)
    trusted: bool = True
    hopeless: str | None = None
    whole: bool = False

    @property
    def set_apart(self) -> int:
        """How many rows are for the dead letters."""
        return len(self.refused) + len(self.too_large) + len(self.overweight)

    @property
    def judged(self) -> int:
        """How many rows are accepted or set apart."""
        return self.rows + self.set_apart


def nobody_looks(done: Delivered) -> None:
    """For who does not care how many rows are refused."""
