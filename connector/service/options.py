"""What several commands share: an option, how they end where others do not do their part, a warning."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from confluent_kafka import KafkaException

from connector.errors import BlockedError, FatalError, SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="The settings file; otherwise CONNECTOR_CONFIG names it.", show_default=False),
]


def warn_personal() -> None:
    """Say on standard error what the answer may hold, before it is shown."""
    typer.echo("warning: what follows may be personal data: keep it out of logs and tickets", err=True)


@contextmanager
def told() -> Iterator[None]:
    """Say on one line what Kafka, the registry or Target did not do, and end with 1."""
    try:
        yield
    except (FatalError, BlockedError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    except KafkaException as error:
        raise SettingError(f"kafka.properties: {error.args[0].str()}; correct or remove the property") from None
