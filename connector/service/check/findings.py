"""What a check found, and how it is shown: a line each, with the remedy under what is wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME_WIDTH: Final = 14
WIDE: Final = 200  # columns, where the output is no terminal


class State(StrEnum):
    """How it stands with one thing."""

    WELL = "well"
    UNSURE = "unsure"  # can't be known yet, or will soon be wrong
    WRONG = "wrong"


_SHOWN: Final = {State.WELL: ("✓", "green"), State.UNSURE: ("?", "yellow"), State.WRONG: ("✗", "bold red")}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what: `brokers`, `topic`, `framing`, `key framing`, `group`, `dead letters`, `schema`, `token`, `Target`.
        state: how it stands.
        text: what was seen; no value of a record and no secret.
        remedy: what to do, where it does not stand well.
    """

    name: str
    state: State
    text: str
    remedy: str | None = None


def well(name: str, text: str) -> Finding:
    """It is as it must be."""
    return Finding(name, State.WELL, text)


def unsure(name: str, text: str, remedy: str | None = None) -> Finding:
    """It can't be told."""
    return Finding(name, State.UNSURE, text, remedy)


def wrong(name: str, text: str, remedy: str | None = None) -> Finding:
    """The service could not do its work."""
    return Finding(name, State.WRONG, text, remedy)


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """All of them, for programs: `ok` is false where one is wrong."""
    return {"ok": ok(findings), "findings": [asdict(finding) for finding in findings]}


def ok(findings: Sequence[Finding]) -> bool:
    """Whether nothing is wrong."""
    return all(finding.state is not State.WRONG for finding in findings)


def show(findings: Sequence[Finding]) -> None:
    """Print them for people."""
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=WIDE)
    for finding in findings:
        sign, style = _SHOWN[finding.state]
        line = Text.assemble((sign, style), " ", (finding.name.ljust(NAME_WIDTH), "bold"), finding.text)
        console.print(line, soft_wrap=True)
        if finding.remedy:
            console.print(Text(f"{' ' * (NAME_WIDTH + 2)}→ {finding.remedy}"), soft_wrap=True)
    counts = [sum(finding.state is state for finding in findings) for state in (State.WRONG, State.UNSURE)]
    verdict = "ready to run" if ok(findings) else f"not ready: {counts[0]} wrong"
    console.print(Text(verdict + (f", {counts[1]} not sure" if counts[1] else "")))
