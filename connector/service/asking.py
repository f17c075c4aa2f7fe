"""The commands `status` and `unblock`: they ask the service that runs on this machine, at its admin port.

Exit codes: 0 fine, 2 an option is wrong, 1 nobody answers or the service refuses. In Kubernetes:
`kubectl exec POD -- target-connector status`.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote

import typer
import yaml
from pydantic import ValidationError

from connector.service import admin, environment
from connector.service.environment import FILE_VARIABLE
from connector.service.one_line import one_line
from connector.service.options import Config  # noqa: TC001 (typer reads the annotations)
from connector.service.sections import ServiceSettings
from connector.service.settings_file import SettingsTextError, parse
from connector.service.status_table import print_batch, print_status

if TYPE_CHECKING:
    from typing import NoReturn

TIMEOUT_S: Final = 10.0
IDS_TIMEOUT_S: Final = 100.0  # Target is asked, within the call budget
MAX_ANSWER_BYTES: Final = 50_000_000
PERSONAL: Final = "what follows may be personal data: keep it out of logs and tickets"

Port = Annotated[
    int | None,
    typer.Option(min=1, max=65_535, help="The admin port; otherwise that of the settings.", show_default=False),
]


def status(
    batch: Annotated[
        str | None, typer.Argument(help="One batch: its number, or Target's id of it.", show_default=False)
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ids: Annotated[
        bool, typer.Option("--ids", help="Ask Target for the ids of a batch's failed rows: personal data.")
    ] = False,
    config: Config = None,
    port: Port = None,
) -> None:
    """Tell how the service on this machine is, and what became of its newest batches."""
    if ids and batch is None:
        raise typer.BadParameter("--ids needs a batch")
    path = "/status" if batch is None else f"/status/{quote(batch, safe='')}" + ("?ids=1" if ids else "")
    told = _ask(urllib.request.Request(_url(port, config, path)), IDS_TIMEOUT_S if ids else TIMEOUT_S)  # noqa: S310 (loopback)
    if ids:
        sys.stderr.write(f"warning: {PERSONAL}\n")
    if as_json:
        typer.echo(json.dumps(told, indent=2))
    elif batch is None:
        print_status(told)
    else:
        print_batch(told)


def unblock(
    records: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=admin.MAX_RECORDS,
            help="So many records pass the brake, whatever they are; otherwise dead_letters.brake.of.",
            show_default=False,
        ),
    ] = None,
    config: Config = None,
    port: Port = None,
) -> None:
    """Let the blocked service on this machine start over from the committed offsets.

    It tries again what it stopped for. Where the brake stopped it, the next records may become dead letters.
    """
    body = json.dumps({"records": records}).encode()
    url = _url(port, config, "/unblock")
    request = urllib.request.Request(url, body, {admin.HEADER: admin.UNBLOCK, "Content-Type": "application/json"})  # noqa: S310 (loopback)
    told = _ask(request, TIMEOUT_S)
    typer.echo(f"starting over; the brake lets {told['records']} records pass")


def _url(port: int | None, config: Path | None, path: str) -> str:
    return f"http://{admin.HOST}:{port or _port(config)}{path}"


def _port(config: Path | None) -> int:
    """The admin port of the settings; looks at nothing else, as a file that is being mended may hold mistakes."""
    named = config or os.environ.get(FILE_VARIABLE)
    given: Any = {}
    try:
        if named:
            values = parse(Path(named).read_text("utf-8"))[0]
            given = values.get("service") if isinstance(values, dict) else None
        given = given if isinstance(given, dict) else {}
        known = {name: given[name] for name in ("port", "admin_port") if name in given}
        for place, value in environment.read(os.environ).values.items():
            if place[0] == "service" and place[-1] in {"port", "admin_port"}:
                known[str(place[-1])] = value
        port = ServiceSettings.model_validate(known).admin_port
    except (OSError, ValueError, yaml.YAMLError, SettingsTextError, ValidationError):
        _give_up(f"{named}: service.admin_port can't be read; give --port")
    return port or _give_up("service.admin_port is 0, any free port; the log's admin_listening names it: give --port")


def _ask(request: urllib.request.Request, timeout_s: float) -> Any:
    # Not through the proxy that the environment may name: this is the machine itself.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout_s) as answer:
            return json.loads(answer.read(MAX_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            _give_up(_refusal(error.read(MAX_ANSWER_BYTES)) or f"the service answers {error.code}")
    except OSError:  # urllib's errors are
        _give_up(f"no service answers at {request.host}; is it running on this machine? --port takes another port")
    except ValueError:
        _give_up(f"what answers at {request.host} is no target-connector")


def _refusal(body: bytes) -> str | None:
    try:
        return one_line(json.loads(body)["error"])
    except (ValueError, LookupError, TypeError):
        return None


def _give_up(text: str) -> NoReturn:
    sys.stderr.write(f"error: {text}\n")
    raise typer.Exit(1)
