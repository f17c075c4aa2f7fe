"""The command `init` and its options.

Exit codes: 0 fine, 1 the registry does not answer, 2 an option is wrong or there is no such schema. Asks the registry
and, where brokers are named, for the newest records; writes one file, which must not be there yet, or standard output.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from confluent_kafka import KafkaException
from pydantic import ValidationError

from connector.avro.decoder import Decoder
from connector.avro.paths import leaves
from connector.avro.registry import OfKeys, Registry
from connector.avro.shapes.detection import detect
from connector.avro.stores import Refused, SchemaFile
from connector.avro.wire import Framing
from connector.errors import FatalError, SettingError
from connector.profiles.mapping import is_id
from connector.service.composition import kafka_properties, registry_options
from connector.service.init import proposal, records
from connector.service.registry_trouble import ANSWER_WITHIN_S, RegistryTrouble
from connector.service.sections import KafkaSettings, RegistrySettings

if TYPE_CHECKING:
    import polars as pl

    from connector.service.init.records import Looked

BROKERS: Final = "broker-1:9092"  # what stands in the file if none are named
GROUP: Final = "target-profiles"
Secret = Annotated[Path | None, typer.Option(show_default=False, help="See docs/configuration.md, `registry`.")]


def init(  # noqa: PLR0913, PLR0917 (one per option)
    topic: Annotated[str, typer.Argument(help="The topic with the change events.")],
    registry: Annotated[str, typer.Option(help="The schema registry's address.")] = "http://registry:8081",
    bootstrap_servers: Annotated[
        str | None,
        typer.Option(
            help="Brokers: `host:port`, with commas between. The newest records tell the framing.", show_default=False
        ),
    ] = None,
    properties: Annotated[
        list[str] | None, typer.Option("--property", metavar="NAME=VALUE", help="Of librdkafka; may be repeated.")
    ] = None,
    secrets: Annotated[
        list[str] | None, typer.Option("--secret", metavar="NAME=FILE", help="The same, with the value in a file.")
    ] = None,
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
    kafka = _kafka(bootstrap_servers or BROKERS, _pairs("property", properties), _pairs("secret", secrets))
    looked = None if bootstrap_servers is None else _look(kafka, topic)
    key = None if looked is None else looked.schema_key
    asked = _from_file(schema, topic) if schema else _newest(_registry(given), topic, key)
    seen = detect(asyncio.run(asked))
    if looked is not None and looked.keys == "confluent" and not schema:
        looked = replace(looked, key_path=asyncio.run(_id_of_keys(_registry(given), topic)))
    place = proposal.Place(
        topic,
        kafka.bootstrap_servers,
        registry,
        client,
        None if schema is None else str(schema),
        kafka.properties,
        {name: str(file) for name, file in kafka.secrets.items()},
    )
    text = proposal.render(place, seen, proposal.propose(seen.row, seen.id), looked)
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")
        typer.echo(f"wrote {output}; now read it, and run `target-connector check --config {output}`, then `preview`")


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    found = {}
    for one in given or ():
        name, sign, value = one.partition("=")
        if not sign:
            raise SettingError(f"--{option}: write NAME=VALUE, such as security.protocol=SASL_SSL")
        found[name] = value
    return found


def _kafka(bootstrap_servers: str, properties: dict[str, str], secrets: dict[str, str]) -> KafkaSettings:
    given = {"bootstrap_servers": bootstrap_servers, "group_id": GROUP, "properties": properties, "secrets": secrets}
    try:
        return KafkaSettings.model_validate(given)
    except ValidationError as error:
        raise _refused(error, {"properties": "property", "secrets": "secret"}) from None


def _registry(given: dict[str, Any]) -> RegistrySettings:
    try:
        return RegistrySettings.model_validate(given)
    except ValidationError as error:
        raise _refused(error, {"url": "registry"}) from None


def _refused(error: ValidationError, options: dict[str, str]) -> SettingError:
    first = error.errors()[0]
    key = str(first["loc"][0]) if first["loc"] else "registry"
    name = options.get(key, key).replace("_", "-")
    return SettingError(f"--{name}: {first['msg'].removeprefix('Value error, ')}")


def _look(kafka: KafkaSettings, topic: str) -> Looked | None:
    """Look at the newest records; where that can't be done say so, as the schema alone suffices to begin with."""
    try:
        return records.look(kafka_properties(kafka), topic)
    except FatalError as error:
        typer.echo(f"warning: --bootstrap-servers: {error}; the records were not looked at", err=True)
    except KafkaException as error:
        raise SettingError(f"--property: {error.args[0].str()}") from None
    return None


async def _newest(settings: RegistrySettings, topic: str, key: bytes | None) -> dict[str, pl.DataType]:
    """Give the types of the topic's newest schema, or of the one with this key, which a record named."""
    trouble = RegistryTrouble()
    registry = Registry.connect(registry_options(settings), trouble)
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            dtypes = await Decoder(framing=Framing.CONFLUENT, schemas=registry, paths=None).newest(topic)
            if dtypes is None and key is not None:
                dtypes = await _named(registry, topic, key)
    except TimeoutError:
        raise FatalError(f"--registry: {trouble.why}") from None
    finally:
        await registry.close()
    if dtypes is None:
        raise SettingError(f"the registry has no schema under {topic}-value; name another topic, or give --schema")
    return dtypes


async def _named(registry: Registry, topic: str, key: bytes) -> dict[str, pl.DataType] | None:
    schema = await registry.schema(key)
    if isinstance(schema, Refused):
        return None
    why = f"the registry has no {topic}-value, so this is the schema of a record, and `check` has none to look at"
    typer.echo(f"warning: {why}", err=True)
    return {column.path: column.type.dtype for column in leaves(schema.root) if column.type.dtype is not None}


async def _id_of_keys(settings: RegistrySettings, topic: str) -> str | None:
    """Give the path of what seems to be the id in the newest schema of the topic's keys."""
    registry = Registry.connect(registry_options(settings), RegistryTrouble())
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            decoder = Decoder(framing=Framing.CONFLUENT, schemas=OfKeys(registry), paths=None)
            dtypes = await decoder.newest(topic) or {}
    except (TimeoutError, SettingError):
        return None
    finally:
        await registry.close()
    alone = next(iter(dtypes)) if len(dtypes) == 1 and all(map(is_id, dtypes.values())) else None
    return proposal.propose(dtypes).id or alone


async def _from_file(schema: Path, topic: str) -> dict[str, pl.DataType]:
    return await Decoder(framing=Framing.PLAIN, schemas=SchemaFile.load(schema), paths=None).newest(topic) or {}
