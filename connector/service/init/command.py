"""The command `init` and its options.

Exit codes: 0 fine, 1 the registry does not answer, 2 an option is wrong or there is no such schema. Asks the registry
only, and writes one file, which must not be there yet, or standard output.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from connector.avro.decoder import Decoder
from connector.avro.registry import Registry
from connector.avro.shapes.detection import detect
from connector.avro.stores import SchemaFile
from connector.avro.wire import Framing
from connector.errors import FatalError, SettingError
from connector.service.composition import registry_options
from connector.service.init import proposal
from connector.service.registry_trouble import ANSWER_WITHIN_S, RegistryTrouble
from connector.service.sections import RegistrySettings

if TYPE_CHECKING:
    import polars as pl

Secret = Annotated[Path | None, typer.Option(show_default=False, help="See docs/configuration.md, `registry`.")]


def init(  # noqa: PLR0913, PLR0917 (one per option)
    topic: Annotated[str, typer.Argument(help="The topic with the change events.")],
    registry: Annotated[str, typer.Option(help="The schema registry's address.")] = "http://registry:8081",
    bootstrap_servers: Annotated[
        str, typer.Option(help="Brokers: `host:port`, with commas between; nobody asks them.")
    ] = "broker-1:9092",
    client: Annotated[str, typer.Option(help="Target's client code.")] = "acme",
    schema: Annotated[
        Path | None, typer.Option("--schema", help="An .avsc file instead of the registry.", show_default=False)
    ] = None,
    username: Annotated[str | None, typer.Option(help="The registry's user name.", show_default=False)] = None,
    password_file: Secret = None,
    token_file: Secret = None,
    ca_file: Secret = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write; otherwise standard output.", show_default=False),
    ] = None,
) -> None:
    """Write settings to begin with, from a topic's newest schema: a proposed id, attributes, and what to decide."""
    if output is not None and output.exists():
        raise SettingError(f"--output: {output} is there already; name another file")
    given = {
        "url": registry,
        "username": username,
        "password_file": password_file,
        "token_file": token_file,
        "ca_file": ca_file,
    }
    asked = _from_file(schema, topic) if schema else _newest(_registry(given), topic)
    seen = detect(asyncio.run(asked))
    place = proposal.Place(topic, bootstrap_servers, registry, client, None if schema is None else str(schema))
    text = proposal.render(place, seen, proposal.propose(seen.row, seen.id))
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")
        typer.echo(f"wrote {output}; now read it, and run `target-connector check --config {output}`")


def _registry(given: dict[str, Any]) -> RegistrySettings:
    try:
        return RegistrySettings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-") if first["loc"] else "registry"
        name = "registry" if option == "url" else option
        raise SettingError(f"--{name}: {first['msg'].removeprefix('Value error, ')}") from None


async def _newest(settings: RegistrySettings, topic: str) -> dict[str, pl.DataType]:
    trouble = RegistryTrouble()
    registry = Registry.connect(registry_options(settings), trouble)
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            dtypes = await Decoder(framing=Framing.CONFLUENT, schemas=registry, paths=None).newest(topic)
    except TimeoutError:
        raise FatalError(f"--registry: {trouble.why}") from None
    finally:
        await registry.close()
    if dtypes is None:
        raise SettingError(f"the registry has no schema under {topic}-value; name another topic, or give --schema")
    return dtypes


async def _from_file(schema: Path, topic: str) -> dict[str, pl.DataType]:
    return await Decoder(framing=Framing.PLAIN, schemas=SchemaFile.load(schema), paths=None).newest(topic) or {}
