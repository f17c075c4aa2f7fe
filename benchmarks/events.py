"""The change events that all contenders read, and the process that writes them to a topic.

Owns the schema, the events and the mapping that every contender has to apply. The same arguments always give the
same events. `python -m benchmarks.events` fills a topic; `road` starts it, to stay a small process itself.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import random
import string
import struct
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import fastavro
from confluent_kafka import Producer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PARTITIONS: Final = 8
IDS: Final = 1_000_000  # customers, where nothing else is said
ID: Final = "customer_id"
SCHEMA: Final[dict[str, Any]] = {
    "type": "record",
    "name": "Customer",
    "fields": [
        {"name": ID, "type": "string"},
        {"name": "tier", "type": "string"},
        {"name": "city", "type": ["null", "string"], "default": None},
        {"name": "country", "type": "string"},
        {"name": "segment", "type": "string"},
        {"name": "points", "type": "int"},
        {"name": "lifetime_value", "type": "double"},
        {"name": "newsletter", "type": "boolean"},
        {"name": "store", "type": ["null", "string"], "default": None},
        {"name": "updated_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}
SCHEMA_ID: Final = 1  # what a registry that knows no other schema gives it
ATTRIBUTES: Final = tuple(field["name"] for field in SCHEMA["fields"] if field["name"] != ID)

_CITIES: Final = ("Graz", "Wien", "São Paulo", "Zürich", "New York", "Sankt Gallen", "Milano", "Łódź")
_COUNTRIES: Final = ("AT", "BR", "CH", "US", "IT", "PL")
_TIERS: Final = ("bronze", "silver", "gold", "platinum")
_SEGMENTS: Final = ("frequent-traveller", "weekend-shopper", "newcomer", "business")
_NONE_OF: Final = 10  # one event of so many lacks a nullable field


def events(count: int, ids: int, padding: int = 0) -> Iterator[tuple[str, bytes]]:
    """Gives id and value, in Confluent's framing, of so many events over so many customers, drawn evenly.

    Args:
        count: of the events.
        ids: of the customers.
        padding: letters that every event's segment is longer by, no two events alike.
    """
    chance = random.Random(7)  # noqa: S311 (test data; the seed makes it the same each time)
    schema = fastavro.parse_schema(SCHEMA)
    header = b"\0" + struct.pack(">I", SCHEMA_ID)
    began = datetime(2026, 11, 24, tzinfo=UTC)
    letters = "".join(chance.choices(string.ascii_letters, k=100_000 + padding))
    for number in range(count):
        customer = f"customer-{chance.randrange(ids):08}"
        datum = io.BytesIO()
        change = {
            ID: customer,
            "tier": chance.choice(_TIERS),
            "city": chance.choice(_CITIES) if chance.randrange(_NONE_OF) else None,
            "country": chance.choice(_COUNTRIES),
            "segment": chance.choice(_SEGMENTS) + _piece(letters, number, padding),
            "points": chance.randrange(100_000),
            "lifetime_value": chance.randrange(1_000_000) / 100,
            "newsletter": chance.random() < 0.5,
            "store": f"store-{chance.randrange(500):04}" if chance.randrange(_NONE_OF) else None,
            "updated_at": began + timedelta(milliseconds=number),
        }
        fastavro.schemaless_writer(datum, schema, change)
        yield customer, header + datum.getvalue()


def _piece(letters: str, number: int, length: int) -> str:
    start = number % (len(letters) - length)
    return letters[start : start + length]


def fill(bootstrap_servers: str, topic: str, written: Iterable[tuple[str, bytes]], rate: float | None = None) -> int:
    """Writes events, keyed by id, as fast as it can or `rate` a second.

    Returns:
        The bytes of all values together.

    Raises:
        RuntimeError: the brokers did not take all of them.
    """
    producer = Producer(
        {"bootstrap.servers": bootstrap_servers, "linger.ms": 50, "queue.buffering.max.messages": 500_000}
    )
    size_bytes = failed = 0
    began = time.monotonic()

    def delivered(error: object, _message: object) -> None:
        nonlocal failed
        failed += error is not None

    for number, (customer, value) in enumerate(written):
        size_bytes += len(value)
        if rate and number % 100 == 0:
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
        while True:
            try:
                producer.produce(topic, value, customer, on_delivery=delivered)
            except BufferError:  # librdkafka's own queue is full
                producer.poll(0.1)
            else:
                break
        producer.poll(0)
    waiting = producer.flush(120)
    if waiting or failed:
        raise RuntimeError(f"not in Kafka: {failed} failed records, {waiting} waiting")
    return size_bytes


def main() -> None:
    """Fills topics and prints the bytes per event."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.events")
    parser.add_argument("--bootstrap-servers", required=True)
    parser.add_argument("--topic", required=True, action="append", help="given twice, both get the same events")
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--distinct", type=int, help="make so many, and write them over and over; default: all")
    parser.add_argument("--ids", type=int, required=True)
    parser.add_argument("--padding", type=int, default=0)
    parser.add_argument("--rate", type=float, help="events a second; default: as fast as it can")
    given = parser.parse_args()
    made: Iterable[tuple[str, bytes]] = events(given.distinct or given.events, given.ids, given.padding)
    if given.distinct or len(given.topic) > 1:
        made = list(made)
    for topic in given.topic:
        written = itertools.islice(itertools.cycle(made), given.events) if given.distinct else made
        size_bytes = fill(given.bootstrap_servers, topic, written, given.rate)
    print(json.dumps({"bytes_per_event": size_bytes / given.events}))


if __name__ == "__main__":
    main()
