"""The command `target-connector`.

Exit codes: 0 fine, 2 a setting or a file is wrong (one line each on standard error), 1 anything else. Never a stack
trace for what a user can cause. Each command's work is elsewhere; here are only its options.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from importlib.metadata import version
from pathlib import Path  # noqa: TC003 (typer reads the annotations)
from typing import TYPE_CHECKING, Annotated, Literal

import structlog
import typer
import uvloop

from connector.errors import SettingError
from connector.service import asking, events, logs, units
from connector.service.app import serve
from connector.service.check.command import check
from connector.service.dead_letters import commands as dead_letters
from connector.service.demo import demo as play
from connector.service.demo import feed, real_feed
from connector.service.demo.simulated_target import simulate
from connector.service.demo.stage import MAX_ENVELOPED_EVENTS, MAX_EVENTS, MIN_CUSTOMERS
from connector.service.init.command import init
from connector.service.options import Config  # noqa: TC001 (typer reads the annotations)
from connector.service.preview.command import preview
from connector.service.secret_files import read_secret
from connector.service.settings_watch import SettingsWatch
from connector.simulator.account import SimulatorOptions

if TYPE_CHECKING:
    from connector.service.settings import Settings

app = typer.Typer(
    name="target-connector",
    help="Keeps visitor profiles in Adobe Target equal to what your systems of record say in Kafka.",
    epilog="Exit codes: 0 fine, 2 a setting or a file is wrong, 1 anything else.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

app.add_typer(dead_letters.app)
app.command()(init)
app.command()(check)
app.command()(preview)
app.command()(asking.status)
app.command()(asking.unblock)


def main() -> None:
    """Run the command line; what `target-connector` calls."""
    logs.configure("console")  # until the settings say otherwise; structlog's own default would show variables
    try:
        app()
    except SettingError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"error: {line}\n")
        sys.exit(2)
    except Exception as error:  # noqa: BLE001 (the edge of the process: Python's own trace may quote values)
        structlog.get_logger().error(events.FAILED, exc_info=error)
        sys.stdout.flush()
        os._exit(1)  # at once: librdkafka's own end can hang after a fatal error (a fenced member, for example)


@app.callback(invoke_without_command=True)
def _options(
    *,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if show_version:
        typer.echo(f"target-connector {version('target-connector')}")
        raise typer.Exit


@app.command()
def run(config: Config = None) -> None:
    """Carry profile changes from Kafka to Target until told to stop.

    SIGTERM or Ctrl-C delivers what is open, within `service.drain`, lets the call on the wire end, commits and leaves;
    the second one ends at once, which loses nothing either.
    """
    watch = SettingsWatch(config, os.environ)
    settings = watch.load()
    logs.configure(settings.service.log_format)
    uvloop.run(_until_signalled(settings, watch))


async def _until_signalled(settings: Settings, watch: SettingsWatch) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _stop, stop, signal.Signals(number).name)
    await serve(settings, stop, watch=watch)


def _stop(stop: asyncio.Event, why: str) -> None:
    if stop.is_set():
        os._exit(1)  # asked twice: at once; what was not accepted is read again
    structlog.get_logger().info(events.STOPPING, why=why)
    stop.set()


@app.command()
def demo(
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running after the verdict, until Ctrl-C.")] = False,
    event_count: Annotated[
        int, typer.Option("--events", min=1, max=MAX_EVENTS, help="Change events that the CRM writes.")
    ] = 100_000,
    customer_count: Annotated[
        int, typer.Option("--customers", min=MIN_CUSTOMERS, help="Customers who change.")
    ] = 20_000,
    seed: Annotated[int, typer.Option(help="Another one gives other customers.")] = 1,
    shape: Annotated[
        Literal["flat", "debezium"],
        typer.Option(help="How changes are laid out; `debezium` has deletes too, and fewer events fit."),
    ] = "flat",
) -> None:
    """Show the whole road in one process, against a simulated Target, and prove the outcome.

    Needs nothing else: the broker, the schema registry and Target are in the process. Ends with a verdict; exit code
    1 if a promise was broken.
    """
    if shape == "debezium" and event_count > MAX_ENVELOPED_EVENTS:
        raise SettingError(f"--events: {MAX_ENVELOPED_EVENTS} at most with --shape debezium")
    options = play.DemoOptions(event_count, customer_count, seed, keep, shape)
    raise typer.Exit(uvloop.run(play.main(options)))


def _seconds(given: str) -> float:
    try:
        return units.duration(given)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@app.command()
def simulate_target(  # noqa: PLR0913, PLR0917 (one per option)
    host: Annotated[str, typer.Option(help="Address to listen on; it has no protection.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Its port; 0 takes any free one.")] = 8081,
    client: Annotated[str, typer.Option(help="The client code in the addresses.")] = "acme",
    calls_per_minute: Annotated[int, typer.Option(min=1, help="Calls beyond are answered with 503.")] = 50,
    reading: Annotated[
        Literal["replace", "merge"],
        typer.Option(help="What a later batch does to the attributes of an earlier one; Adobe's words allow both."),
    ] = "replace",
    decode: Annotated[
        Literal["strict", "after-split", "before-split"],
        typer.Option(help="When percent-encoding is undone; `strict` takes only what both readings read alike."),
    ] = "strict",
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token that calls must carry.", show_default=False)
    ] = None,
    ingestion_delay: Annotated[
        float, typer.Option(parser=_seconds, metavar="DURATION", help="From acceptance until rows can be read.")
    ] = "0s",  # type: ignore[assignment]  # the parser reads the default too
    version_attribute: Annotated[
        str | None, typer.Option(help="A whole-number attribute that must never go down.", show_default=False)
    ] = None,
) -> None:
    """Run a simulated Adobe Target until SIGTERM or Ctrl-C; docs/simulator.md says what it does."""
    options = SimulatorOptions(
        client=client,
        calls_per_minute=calls_per_minute,
        reading=reading,
        decode=decode,
        token=None if token_file is None else read_secret(token_file, "--token-file"),
        ingestion_delay_s=ingestion_delay,
        version_attribute=version_attribute,
    )
    uvloop.run(simulate(options, host, port, typer.echo))


@app.command(hidden=True)
def demo_feed(  # noqa: PLR0913, PLR0917 (one per option)
    bootstrap_servers: Annotated[str, typer.Option(help="Brokers: `host:port`, with commas between.")],
    registry: Annotated[str, typer.Option(help="The schema registry's address.")],
    topic: Annotated[str, typer.Option(help="Created if it is missing.")] = feed.TOPIC,
    event_count: Annotated[int, typer.Option("--events", min=1, help="Change events to write.")] = 100_000,
    customer_count: Annotated[int, typer.Option("--customers", min=1, help="Customers who change.")] = 20_000,
    rate: Annotated[float, typer.Option(min=0.1, help="Events a second.")] = 1_000,
    seed: Annotated[int, typer.Option(help="Another one gives other customers.")] = 1,
) -> None:
    """Write the demo's change events to a real Kafka; for deploy/compose.yaml."""
    logs.configure("console")
    place = real_feed.Place(bootstrap_servers, registry, topic)
    uvloop.run(real_feed.feed(place, feed.FeedOptions(event_count, customer_count, seed, rate), typer.echo))
