"""A bar chart of the contest as SVG for docs/performance.md: events per second by contender. Pure; called by `road`.

Plain shapes and text that say all there is, in greys and one blue that are legible on a white page and on a dark one.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# Pixels.
WIDTH: Final = 800
LABELS: Final = 300
FIGURES: Final = 110
BAR: Final = 24
STEP: Final = 36
TOP: Final = 40


def svg(title: str, rates: Mapping[str, float]) -> str:
    """Draws one bar for each rate, in their order, with its name before it and its figure behind it.

    Args:
        title: above the bars; also what is read out in place of the picture.
        rates: events a second by name; backticks are left out. At least one is above zero.
    """
    room, most = WIDTH - LABELS - FIGURES, max(rates.values())
    height = TOP + STEP * len(rates)
    drawn = []
    for at, (name, rate) in enumerate(rates.items()):
        top, length = TOP + STEP * at, round(room * rate / most)
        middle = top + BAR // 2
        label = escape(name.replace("`", ""))
        drawn += [
            f'<text x="{LABELS - 10}" y="{middle}" text-anchor="end">{label}</text>',
            f'<rect x="{LABELS}" y="{top}" width="{max(1, length)}" height="{BAR}" fill="#3b7dd8"/>',
            f'<text x="{LABELS + length + 8}" y="{middle}">{rate:,.0f}</text>',
        ]
    said = escape(title)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        f' role="img" aria-label="{said}" font-family="sans-serif" font-size="14" fill="#777"'
        ' dominant-baseline="central">'
    )
    above = f'<text x="{LABELS}" y="18" font-weight="bold">{said}</text>'
    return "\n".join([head, f"<title>{said}</title>", above, *drawn, "</svg>", ""])
