"""What several commands share: an option, and the warning before personal data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="The settings file; otherwise CONNECTOR_CONFIG names it.", show_default=False),
]


def warn_personal() -> None:
    """Say on standard error what the answer may hold, before it is shown."""
    typer.echo("warning: what follows may be personal data: keep it out of logs and tickets", err=True)
