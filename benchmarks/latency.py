"""How long an event takes from Kafka to Target's acceptance, how soon the first batch is there, and what idling costs.

The installed command, a process of its own, with default settings but for the age of a window; a Kafka, and a sink in
this process. First nothing happens for a while, then a steady stream of events comes, each of another customer, with
the time of its writing as an attribute. The sink reads that time when it answers; it answers at once.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import random
import re
import statistics
import struct
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import fastavro
from aiohttp import web
from confluent_kafka import Producer

from benchmarks import brokers
from benchmarks.command import PREFIX, Setting, running
from benchmarks.sink import ANSWER

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA: Final[dict[str, Any]] = {
    "type": "record",
    "name": "Customer",
    "fields": [
        PREFIX,
        {"name": "customer_id", "type": "string"},
        {"name": "written_ms", "type": "long"},
        {"name": "city", "type": ["null", "string"]},
    ],
}
ATTRIBUTES: Final = {"writtenMs": "written_ms", "city": "city"}
_TICKS_PER_S: Final = 100  # Linux' USER_HZ, in which /proc counts


@dataclass
class Sink:
    """Takes batches.

    Attributes:
        waited_s: of each row, from its writing to the answer.
        first: when the first batch came, by `time.monotonic`.
    """

    waited_s: list[float] = field(default_factory=list)
    first: float | None = None

    def reset(self) -> None:
        """Forgets what came."""
        self.first = None
        self.waited_s.clear()

    def wait_s(self) -> float:
        """Waits for the first batch, and tells when it came."""
        while self.first is None:
            time.sleep(0.01)
        return self.first

    async def take(self, request: web.Request) -> web.Response:
        """Answers as Target does, and reads the times."""
        body = (await request.read()).decode()
        now = time.time()
        self.first = self.first or time.monotonic()
        self.waited_s += [now - int(ms) / 1000 for ms in re.findall(r"(?m)^c-\d+,(\d+)", body)]
        return web.Response(text=ANSWER, content_type="text/xml")


async def serve(address: str, topic: str, given: argparse.Namespace) -> dict[str, float]:
    """Measures beside a sink."""
    sink = Sink()
    app = web.Application(client_max_size=64_000_000)
    app.router.add_post("/m2/{client}/v2/profile/batchUpdate", sink.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    target = f"http://127.0.0.1:{runner.addresses[0][1]}"
    figures = await asyncio.to_thread(measure, sink, address, topic, target, given)
    await runner.cleanup()
    return figures


def _first_s(sink: Sink, setting: Setting, folder: str) -> float:
    """Seconds from the start of a command to its first batch; an event is in the topic already."""
    sink.reset()
    time.sleep(random.uniform(0, 2))  # noqa: S311 (so that starts do not keep step with the turns of the call budget)
    began = time.monotonic()
    with running(setting, folder):
        return sink.wait_s() - began


def measure(sink: Sink, address: str, topic: str, target: str, given: argparse.Namespace) -> dict[str, float]:
    """Runs the command and gives the figures in seconds, the last one in cores."""
    _write(address, topic, [time.time()])
    setting = Setting(address, topic, target, SCHEMA, "customer_id", ATTRIBUTES, max_age="1s")
    with tempfile.TemporaryDirectory() as folder:
        # The first one waits some seconds more: new brokers make the topic of the groups' offsets.
        _, *starts = [_first_s(sink, setting, folder) for _ in range(1 + given.starts)]
        sink.reset()
        with running(replace(setting, max_age=f"{given.age}s"), folder) as (process, _):
            sink.wait_s()
            time.sleep(5)
            used, at = _cpu_s(process.pid), time.monotonic()
            time.sleep(given.idle)
            idle = (_cpu_s(process.pid) - used) / (time.monotonic() - at)
            sink.waited_s.clear()
            _stream(address, topic, given.rate, given.seconds)
            time.sleep(given.age + 5)
            process.terminate()
            process.wait(30)
    expected = given.rate * given.seconds
    if len(sink.waited_s) != expected:
        raise RuntimeError(f"{len(sink.waited_s)} rows came, not {expected}")
    percentiles = statistics.quantiles(sink.waited_s, n=1000)
    return {
        "start to the first batch, max_age 1 s: median": statistics.median(starts),
        "longest of the starts": max(starts),
        "from Kafka to acceptance: median": percentiles[499],
        "p99": percentiles[989],
        "longest": max(sink.waited_s),
        "p99 less the window's age": percentiles[989] - given.age,
        "idle, cores": idle,
    }


def _stream(address: str, topic: str, rate: int, seconds: int) -> None:
    producer = Producer({"bootstrap.servers": address, "linger.ms": 0})
    schema, began = fastavro.parse_schema(SCHEMA), time.monotonic()
    for number in range(rate * seconds):
        if number % 10 == 0:
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
        producer.produce(topic, _value(schema, number, time.time()), str(number))
        producer.poll(0)
    producer.flush(30)


def _write(address: str, topic: str, times: Sequence[float]) -> None:
    producer = Producer({"bootstrap.servers": address})
    schema = fastavro.parse_schema(SCHEMA)
    for number, at in enumerate(times):
        producer.produce(topic, _value(schema, 10_000_000 + number, at), str(number))
    producer.flush(30)


def _value(schema: Any, number: int, at: float) -> bytes:
    out = io.BytesIO()
    prefix = b"\0" + struct.pack(">I", 1)
    change = {"prefix": prefix, "customer_id": f"c-{number}", "written_ms": int(at * 1000), "city": "Graz"}
    fastavro.schemaless_writer(out, schema, change)
    return out.getvalue()


def _cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used. Linux only."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--bootstrap-servers", help="a Kafka that runs, instead of one in Docker")
    parser.add_argument("--rate", type=int, default=1_000, help="events a second; default: 1,000")
    parser.add_argument("--seconds", type=int, default=60, help="of the stream; default: 60")
    parser.add_argument("--idle", type=int, default=20, help="seconds of nothing to do; default: 20")
    parser.add_argument("--starts", type=int, default=5, help="to measure; default: 5")
    parser.add_argument("--age", type=int, default=10, help="window.max_age in seconds; default: 10")
    given = parser.parse_args()
    with brokers.kafka(given.bootstrap_servers) as address, brokers.topic(address) as topic:
        figures = asyncio.run(serve(address, topic, given))
    print(f"{given.rate:,} events a second for {given.seconds} s, window.max_age {given.age} s\n")
    print("| | seconds |\n| --- | ---: |")
    for what, figure in figures.items():
        print(f"| {what} | {figure:.3f} |")


if __name__ == "__main__":
    main()
