"""How one moment of the demo looks: as a panel for a terminal, as a line for anything else.

Pure: figures in, text out. Called by `screen`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.box import ROUNDED
from rich.console import Group
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from connector.records import Reason
    from connector.service.demo.progress import Figures

WIDTH: Final = 96
_BAR_WIDTH: Final = 40
_MB: Final = 1e6


def panel(figures: Figures) -> RenderableType:
    """The moment as a panel, at most WIDTH columns wide."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", min_width=12)
    table.add_column(style="bold", min_width=8, justify="right")
    table.add_column(ratio=1)
    heard = figures.heard
    calls = f"last answer {heard.last_outcome}" if heard.last_outcome else "none yet"
    table.add_row("produced", f"{figures.produced:,}", _bar(figures))
    table.add_row("consumed", f"{heard.consumed:,}", f"{figures.consumed_per_s:,.0f}/s")
    table.add_row("lag", f"{lag(figures):,}", f"{under_way(figures):,} of them in the window or on their way")
    table.add_row("batches", f"{heard.batches:,}", f"{heard.rows:,} rows, {heard.size_bytes / _MB:.1f} MB")
    table.add_row(
        "calls", f"{sum(heard.calls.values()):,}", f"{figures.calls_in_last_60_s} in the last minute; {calls}"
    )
    table.add_row("", "", _counts(heard.calls))
    table.add_row("profiles", f"{figures.profiles:,}", f"in Target, which {_target(figures)}")
    table.add_row("dead letters", f"{sum(heard.letters.values()):,}", _counts(heard.letters))
    title = Text.assemble(("Target Connector", "bold"), f"  {figures.elapsed_s:4.0f} s ")
    return Panel(
        Group(table, _state(figures)), title=title, title_align="left", width=WIDTH, box=ROUNDED, border_style="dim"
    )


def line(figures: Figures) -> str:
    """The moment as one line."""
    heard = figures.heard
    trouble = f" | {_troubles(figures)}" if heard.troubles else ""
    return (
        f"produced {figures.produced:,} | consumed {heard.consumed:,} ({figures.consumed_per_s:,.0f}/s)"
        f" | lag {lag(figures):,} | batches {heard.batches:,} | rows {heard.rows:,}"
        f" | calls {sum(heard.calls.values()):,} | dead letters {sum(heard.letters.values()):,}{trouble}"
    )


def lag(figures: Figures) -> int:
    """How many records are written but not settled; counts are read one after the other, hence the bound."""
    return max(figures.produced - figures.heard.settled, 0)


def under_way(figures: Figures) -> int:
    """How many of them the service has read."""
    return max(figures.heard.consumed - figures.heard.settled, 0)


def _bar(figures: Figures) -> RenderableType:
    row = Table.grid(padding=(0, 2))
    bar = ProgressBar(
        total=figures.events, completed=figures.produced, width=_BAR_WIDTH, complete_style="cyan", finished_style="cyan"
    )
    row.add_row(bar, f"{figures.produced_per_s:,.0f}/s")
    return row


def _target(figures: Figures) -> str:
    return f"fails on purpose ({', '.join(figures.faults)})" if figures.faults else "is well"


def _state(figures: Figures) -> Text:
    """One line below the figures: what is wrong, or that nothing is."""
    if figures.heard.troubles:
        return Text.assemble(("● ", "yellow"), _troubles(figures))
    return Text.assemble(("● ", "green"), ("the connector is well", "dim"))


def _troubles(figures: Figures) -> str:
    return "; ".join(f"{part}: {text}" for part, text in figures.heard.troubles.items())


def _counts(counts: Mapping[str, int] | Mapping[Reason, int]) -> str:
    return " · ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
