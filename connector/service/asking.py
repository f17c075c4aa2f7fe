"""The commands `status` and `unblock`: they ask the service that runs on this machine, at its admin port.

Exit codes: 0 fine, 2 an option is wrong, 1 nobody answers or the service refuses. In Kubernetes:
`kubectl exec POD -- target-connector status`.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote

import typer
import yaml
from pydantic import ValidationError

from connector.service import admin, environment
from connector.service.environment import FILE_VARIABLE
from connector.service.one_line import one_line
from connector.service.options import Config, warn_personal
from connector.service.sections import ServiceSettings
from connector.service.settings_file import SettingsTextError, parse
from connector.service.status_table import print_batch, print_status

if TYPE_CHECKING:
    from typing import NoReturn

TIMEOUT_S: Final = 10.0
IDS_TIMEOUT_S: Final = 100.0  # Target is asked, within the call budget
MAX_ANSWER_BYTES: Final = 50_000_000
_PORTS: Final = ("port", "admin_port")  # where the first is 0, so is the second

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
    path = "/status" if batch is None else f"/status/{quote(batch, safe='')}"
    question = _Question("GET", path)
    if ids:
        question = _Question("GET", f"{path}?ids=1", {admin.HEADER: admin.IDS}, timeout_s=IDS_TIMEOUT_S)
    told = _ask(port or _port(config), question)
    if ids:
        warn_personal()
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
            help="So many records pass the brake, if it was the brake; otherwise dead_letters.brake.of.",
            show_default=False,
        ),
    ] = None,
    config: Config = None,
    port: Port = None,
) -> None:
    """Let the blocked service on this machine start over from the committed offsets.

    It tries again what it stopped for. Where the brake stopped it, the next records may become dead letters.
    """
    headers = {admin.HEADER: admin.UNBLOCK, "Content-Type": "application/json"}
    question = _Question("POST", "/unblock", headers, json.dumps({"records": records}).encode())
    released = _ask(port or _port(config), question)["records"]
    rest = f"the brake lets {released} records pass" if released else "it was not the brake, which is as it was"
    typer.echo(f"starting over; {rest}")


@dataclass(frozen=True, slots=True)
class _Question:
    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout_s: float = TIMEOUT_S


def _port(config: Path | None) -> int:
    """The admin port of the settings; looks at nothing else, as a file that is being mended may hold mistakes."""
    named = config or os.environ.get(FILE_VARIABLE)
    given: Any = {}
    try:
        if named:
            values = parse(Path(named).read_text("utf-8"))[0]
            given = values.get("service") if isinstance(values, dict) else None
    except (OSError, ValueError, yaml.YAMLError, SettingsTextError):
        _give_up(f"{named}: service.admin_port can't be read; give --port")
    known = {name: given[name] for name in _PORTS if name in given} if isinstance(given, dict) else {}
    variables = environment.read(os.environ)
    known |= {name: variables.values["service", name] for name in _PORTS if ("service", name) in variables.values}
    try:
        port = ServiceSettings.model_validate(known).admin_port
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        _give_up(f"{variables.variables.get(('service', name), named)}: service.{name} is no port; give --port")
    return port or _give_up("service.admin_port is 0, any free port; the log's admin_listening names it: give --port")


def _ask(port: int, question: _Question) -> Any:
    """What the service answers; no proxy is asked, whatever the environment names, as this is the machine itself."""
    where = f"{admin.HOST}:{port}"
    connection = HTTPConnection(admin.HOST, port, timeout=question.timeout_s)
    try:
        connection.request(question.method, question.path, question.body, question.headers)
        answer = connection.getresponse()
        is_ours, body = admin.HEADER in answer.headers, answer.read(MAX_ANSWER_BYTES)
    except OSError:
        _give_up(f"no service answers at {where}; is it running on this machine? --port takes another port")
    except HTTPException:
        _give_up(f"what answers at {where} is no target-connector")
    finally:
        connection.close()
    if not is_ours:
        _give_up(f"what answers at {where} is no target-connector")
    if answer.status >= HTTPStatus.BAD_REQUEST:
        _give_up(_refusal(body) or f"the service answers {answer.status}")
    return json.loads(body)


def _refusal(body: bytes) -> str | None:
    try:
        return one_line(json.loads(body)["error"])
    except (ValueError, LookupError, TypeError):
        return None


def _give_up(text: str) -> NoReturn:
    sys.stderr.write(f"error: {text}\n")
    raise typer.Exit(1)
