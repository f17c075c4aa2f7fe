"""The terminal of the demo: a live panel with the story above it, or plain lines where there is no terminal.

Promises not to write an escape code to what is no terminal, and to leave the terminal as it found it. Called by
`demo`, on the event loop.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from connector.service.demo.panel import line, panel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TextIO

    from connector.service.demo.progress import Figures
    from connector.service.demo.verdict import Check

_LINES_EVERY_S: Final = 2.0
_PROMISE_WIDTH: Final = 21


class Screen:
    """Where the demo shows what it does.

    Args:
        stream: standard output, as a rule.
    """

    def __init__(self, stream: TextIO) -> None:
        encodes = stream.encoding.lower().startswith("utf")
        self._live_wanted = encodes and stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        # Told rather than found out, as CI systems set variables that make Rich colour what is no terminal.
        self._console = Console(file=stream, force_terminal=self._live_wanted, highlight=False)
        self._marks = ("✓", "✗") if encodes else ("yes", "NO ")
        self._live: Live | None = None
        self._next_line_s = 0.0

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show figures in place while in here, where that is possible; what they were last stays on the screen."""
        if not self._live_wanted:
            yield
            return
        with Live(
            console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        ) as self._live:
            yield
        self._live = None

    def show(self, figures: Figures) -> None:
        """What is going on now; as a line only every two seconds."""
        if self._live is not None:
            self._live.update(panel(figures), refresh=True)
        elif figures.elapsed_s >= self._next_line_s:
            self._next_line_s = figures.elapsed_s + _LINES_EVERY_S
            self.say(line(figures), figures.elapsed_s)

    def say(self, text: str, at_s: float | None = None) -> None:
        """One line of the story, above the live panel; `at_s` is when, since the beginning."""
        when = Text("" if at_s is None else f"{at_s:6.1f} s  ", style="dim")
        self._console.print(when + Text(text), soft_wrap=True)

    def restore(self) -> None:
        """Give the cursor back, before the process ends at once."""
        if self._live_wanted:
            self._console.show_cursor()

    def verdict(self, checks: Sequence[Check]) -> None:
        """Every promise with a mark and its proof."""
        self._console.print()
        for check in checks:
            mark, style = (self._marks[0], "green") if check.kept else (self._marks[1], "bold red")
            promise = Text(f" {check.promise:{_PROMISE_WIDTH}}", style="bold")
            self._console.print(Text(f"  {mark}", style=style) + promise + Text(check.proof), soft_wrap=True)
        self._console.print()
