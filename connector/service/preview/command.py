"""The command `preview` and its options.

Exit codes: 0 fine, also where there is nothing to see; 1 Kafka or the registry does not answer; 2 a setting or an
option is wrong, or the mapping does not fit the records. It joins no group, commits nothing and posts nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path  # noqa: TC003 (typer reads the annotations)
from typing import Annotated

import typer

from connector.service import logs
from connector.service.loading import load
from connector.service.options import Config, told, warn_personal
from connector.service.preview import body, looking, masking, report, shown
from connector.service.preview.looking import SCANNED, Wanted

MOST = 100_000  # records of a source


def preview(  # noqa: PLR0913 (one per option)
    *,
    config: Config = None,
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="N|TOPIC", help="One source, by its number from 1, or one topic."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="Records of each source.")] = 1_000,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="The first records of each partition, not the newest.")
    ] = False,
    profile_id: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help=f"Only this profile's, of {SCANNED:,} records of each source at most."),
    ] = None,
    values: Annotated[
        bool, typer.Option("--values", help="Show sample values as they are: personal data. Otherwise their form.")
    ] = False,
    file: Annotated[
        Path | None,
        typer.Option("--body", metavar="FILE", help="Write the exact body, personal data, to this new file."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """See what records become: types, values, refusals, body, and the calls an hour. Sends and changes nothing.

    Reads without a group and commits nothing, so it may run beside the service.
    """
    settings = load(config, os.environ)
    logs.configure("console", stream=sys.stderr)
    if file is not None:
        body.refuse_taken(file)
    show = masking.plain if values else masking.mask
    with told():
        seen = asyncio.run(looking.look(settings, Wanted(source, limit, from_beginning, profile_id, show)))
    made, too_large = body.bodies(seen.rows, settings.target.id_type)
    written = [] if file is None else body.write(made, file)
    if values:
        warn_personal()
    answer = report.answer(settings, seen, made, too_large, written, whole=profile_id is None)
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
    else:
        shown.show(answer)
    if written:
        names = ", ".join(map(str, written))
        typer.echo(f"warning: {names} holds personal data, readable by you only: remove it when done", err=True)
