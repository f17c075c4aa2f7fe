"""What came out, as tables for docs/performance.md. Pure; called by `road` and `stages`."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.stopwatch import Result

_HEAD: Final = (
    "",
    "events/s",
    "lowest to highest",
    "of `consume()`",
    "times the script",
    "CPU s per million events",
    "peak memory, MB",
)


def contest(results: Mapping[str, Sequence[Result]]) -> str:
    """Gives a table of medians, with each rate as a share of the first contender's and of the last one's."""
    rates = {name: [one.events / one.seconds for one in runs] for name, runs in results.items()}
    ceiling, script = (median(rates[name]) for name in (next(iter(rates)), next(reversed(rates))))
    lines = []
    for name, runs in results.items():
        rate = median(rates[name])
        lines.append(
            (
                name,
                f"{rate:,.0f}",
                f"{min(rates[name]):,.0f} to {max(rates[name]):,.0f}",
                f"{rate / ceiling:.1%}",
                f"{rate / script:.2f}",
                f"{median(1e6 * one.cpu_s / one.events for one in runs):.1f}",
                f"{median(one.peak_bytes for one in runs) / 1e6:,.0f}",
            )
        )
    return table(_HEAD, lines)


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Gives a Markdown table; all columns but the first are numbers."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *lines))
