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
    """Gives a table of medians.

    A contender is held against the first and the last one of the same round, as the rounds differ in what else the
    machine did; the range shows by how much.
    """
    rates = {name: [one.events / one.seconds for one in runs] for name, runs in results.items()}
    ceiling, script = rates[next(iter(rates))], rates[next(reversed(rates))]
    lines = []
    for name, runs in results.items():
        of_ceiling = [rate / other for rate, other in zip(rates[name], ceiling, strict=True)]
        of_script = [rate / other for rate, other in zip(rates[name], script, strict=True)]
        lines.append(
            (
                name,
                f"{median(rates[name]):,.0f}",
                _range(rates[name], ",.0f"),
                f"{median(of_ceiling):.1%}",
                f"{median(of_script):.2f} ({_range(of_script, '.2f')})",
                f"{median(1e6 * one.cpu_s / one.events for one in runs):.1f}",
                f"{median(one.peak_bytes for one in runs) / 1e6:,.0f}",
            )
        )
    return table(_HEAD, lines)


def _range(values: Sequence[float], form: str) -> str:
    return f"{min(values):{form}} to {max(values):{form}}"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Gives a Markdown table; all columns but the first are numbers."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *lines))
