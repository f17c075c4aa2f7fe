"""What `status` prints for people; the same figures as the page."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from connector.service.page.render import clock, size, span, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

_STYLES = {"ready": "bold green", "starting": "bold blue", "waiting": "bold yellow", "blocked": "bold red"}
WIDE = 200  # columns, where the output is no terminal


def print_status(told: Mapping[str, Any]) -> None:
    """Print all of it."""
    console = _console()
    now = datetime.fromisoformat(told["now"])

    def ago(at: str) -> str:
        return span((now - datetime.fromisoformat(at)).total_seconds())

    state = Text(told["state"], style=_STYLES[told["state"]])
    console.print(state, f"for {ago(told['state_since'])}; version {told['version']}, up {ago(told['since'])}")
    for trouble in told["troubles"]:
        console.print(Text(f"{trouble['part']}, for {ago(trouble['since'])}: {trouble['text']}"), soft_wrap=True)
    budget, totals = told["budget"], told["totals"]
    every = "?" if told["all_partitions"] is None else told["all_partitions"]
    console.print(
        f"partitions {told['partitions']} of {every}" if told["partitions"] is not None else "no partitions yet",
        f"lag {whole(told['lag']['records'])}" if told["lag"] else "lag unknown",
        f"{totals['records']} records, {totals['rows']} rows, {size(totals['size_bytes'])} settled",
        f"{budget['calls_per_minute'] * budget['share'] * budget['pace']:.1f} calls/min",
        sep=" · ",
    )
    for name in ("dead_letters", "skipped"):
        if told[name]:
            counts = ", ".join(f"{count} {why}" for why, count in sorted(told[name].items()))
            console.print(f"{name.replace('_', ' ')}: {counts}", soft_wrap=True)
    if told["batches"]:
        console.print(_batches(told["batches"]))


def print_batch(batch: Mapping[str, Any]) -> None:
    """Print one batch, and the ids of its failed rows if they were asked for."""
    console = _console()
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name in ("number", "batch_id", "at", "due", "records", "rows", "size_bytes", "calls", "refused", "age_s"):
        table.add_row(name, Text(str(batch[name])))
    table.add_row("in Target", _end(batch))
    table.add_row("rows failed", str(batch["failed"]))
    table.add_row("rows not found", str(batch["not_found"]))
    console.print(table)
    for profile in batch.get("failed_ids", []):
        console.print(Text(profile), soft_wrap=True)


def _batches(batches: list[Mapping[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("batch", "settled", "due"):
        table.add_column(name)
    for name in ("records", "rows", "size", "calls", "age", "refused"):
        table.add_column(name, justify="right")
    for name in ("in Target", "Target's id"):
        table.add_column(name)
    for one in batches:
        table.add_row(
            str(one["number"]),
            clock(one["at"]),
            one["due"],
            str(one["records"]),
            str(one["rows"]),
            size(one["size_bytes"]),
            str(one["calls"]),
            f"{one['age_s']:.1f} s",
            str(one["refused"]),
            _end(one),
            Text(one["batch_id"] or ""),
        )
    return table


def _end(batch: Mapping[str, Any]) -> Text:
    end = batch["end"] or "accepted"
    if batch["failed"]:
        return Text(f"{end}, {batch['failed']} rows failed", style="red")
    return Text(end, style={"complete": "green", "stuck": "red", "accepted": "dim"}.get(end, "yellow"))


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDE)
