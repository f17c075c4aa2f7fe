"""The command `check` and its options.

Exit codes: 0 nothing is wrong, 1 something is, 2 a setting or option is. It joins no group, commits, creates and posts
nothing, so it may run beside the service, and in a pipeline before one is deployed.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path  # noqa: TC003 (typer reads the annotations)
from typing import TYPE_CHECKING, Annotated

import typer

from connector.service.check import findings, framing_side, kafka_side, schema_side, target_side
from connector.service.composition import consumer_properties
from connector.service.loading import load
from connector.service.options import Config  # noqa: TC001 (typer reads the annotations)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector.service.check.findings import Finding
    from connector.service.settings import Settings


def check(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    schema: Annotated[
        Path | None,
        typer.Option(
            "--schema", help="Only hold this .avsc file against the mapping, asking nobody.", show_default=False
        ),
    ] = None,
    topic: Annotated[
        str | None, typer.Option("--topic", help="Whose records --schema is for.", show_default=False)
    ] = None,
    config: Config = None,
) -> None:
    """See whether the service could do its work: brokers, topics, rights, registry, mapping, token, Target.

    Changes nothing, joins no group and posts nothing to Target. Exit code 1 if something is wrong.
    """
    if topic is not None and schema is None:
        raise typer.BadParameter("--topic goes with --schema")
    settings = load(config, os.environ)
    found = asyncio.run(_look(settings) if schema is None else schema_side.candidate(settings, schema, topic))
    if as_json:
        typer.echo(json.dumps(findings.as_json(found), indent=2))
    else:
        findings.show(found)
    raise typer.Exit(0 if findings.ok(found) else 1)


async def _look(settings: Settings) -> Sequence[Finding]:
    consumer = consumer_properties(settings)
    kafka, topics = await asyncio.to_thread(kafka_side.look, settings, consumer)
    framing = await asyncio.to_thread(framing_side.look, settings, consumer, topics)
    return [*kafka, *framing, *await schema_side.look(settings, topics), *await target_side.look(settings.target)]
