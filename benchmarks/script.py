"""Contender 3, what one would write instead: confluent-kafka, fastavro, a dict per profile, one POST a batch.

It has the connector's window, 100,000 profiles or ten seconds, and commits after `<success>true</success>`. It has
nothing else: no registry, no budget, no retry, no dead letters, no rebalance, no check of a value. It knows nothing of
the package, as its author would not.
"""

from __future__ import annotations

import time
import urllib.request
from datetime import datetime
from io import BytesIO
from typing import Any
from urllib.parse import quote

import fastavro
from confluent_kafka import Consumer, KafkaException

from benchmarks.events import ATTRIBUTES, ID, SCHEMA
from benchmarks.stopwatch import WINDOW_AGE_S, WINDOW_ROWS, Result, Stopwatch, Task, report, task

HEADER = f"batch=thirdPartyId,{','.join(ATTRIBUTES)}"


def carry(given: Task) -> Result:
    """Reads the topic to its end and delivers all of it."""
    watch = Stopwatch()
    consumer = Consumer(
        {
            "bootstrap.servers": given.bootstrap_servers,
            "group.id": given.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([given.topic], on_assign=lambda *_: watch.start())
    schema = fastavro.parse_schema(SCHEMA)
    profiles: dict[str, dict[str, Any]] = {}
    opened_at = time.monotonic()
    done = settled = rows = 0
    while settled < given.events:
        for message in consumer.consume(10_000, timeout=0.5):
            if message.error():
                raise KafkaException(message.error())
            value: Any = message.value()
            change: Any = fastavro.schemaless_reader(BytesIO(value[5:]), schema, None)
            profiles[change.pop(ID)] = change  # each event is a whole profile
            done += 1
        full = len(profiles) >= WINDOW_ROWS
        if full or (profiles and time.monotonic() - opened_at >= WINDOW_AGE_S):
            deliver(given.sink, profiles)
            consumer.commit(asynchronous=False)
            settled, rows = done, rows + len(profiles)
            if full:
                watch.lap(settled)
            profiles, opened_at = {}, time.monotonic()
    consumer.close()
    return watch.result(settled=settled, rows=rows)


def deliver(sink: str, profiles: dict[str, dict[str, Any]]) -> None:
    """Posts one batch.

    Raises:
        RuntimeError: it was not accepted.
    """
    lines = [HEADER]
    for profile_id, attributes in profiles.items():
        cells = [quote(profile_id, safe=""), *(quote(text(attributes[name]), safe="") for name in ATTRIBUTES)]
        lines.append(",".join(cells))
    request = urllib.request.Request(  # noqa: S310 (the sink, on loopback)
        f"{sink}/m2/acme/v2/profile/batchUpdate",
        "\n".join(lines).encode(),
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 (the sink, on loopback)
        body = answer.read()
    if b"<success>true</success>" not in body:
        raise RuntimeError("the batch was not accepted")


def text(value: Any) -> str:
    """Writes a cell as the connector does."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value)


if __name__ == "__main__":
    report(carry(task()))
