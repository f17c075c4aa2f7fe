"""The feed: change events at an even pace, good and bad ones, each with a header that says which (`truth`).

Owns what a record looks like. A customer's attributes repeat its id and version, so that a row that shifted shows, and
hold what an encoder may stumble over. Bad records are sprinkled at a share below the brake. Started by `stage`.
"""

from __future__ import annotations

import io
import json
import queue
import random
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

import fastavro
from confluent_kafka import Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

    from tests.chaos.plan import Plan

BAD_SHARE = 0.003  # the brake is at 0.01
TOMBSTONE_SHARE = 0.002
HOT_SHARE, HOT = 0.2, 20  # so much of the events concern so few customers
TICK_S = 0.02
NASTY = "ü&=%+#;ß漢"  # all of it must be encoded, and none of it refused

TRUTH = "truth"  # the header

Written = tuple[bytes | None, str]  # a record's value and the truth about it


def attributes(customer: str, version: int) -> dict[str, str]:
    """What Target must hold of a customer."""
    return {"version": str(version), "note": f"{customer} {version} {NASTY}", "mark": f"{version}:{customer}"}


class Feed:
    """A thread that writes.

    Attributes:
        acknowledged: how many records the brokers have.
    """

    def __init__(self, plan: Plan, brokers: str, registry: str, topic: str) -> None:
        self._plan = plan
        self._topic = topic
        self._registry = registry
        self._chance = random.Random(f"{plan.seed} feed")  # noqa: S311 (a load, no secret)
        self._version = 0
        self.acknowledged = 0
        self._schemas = 0
        self._refused: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._failed: list[str] = []
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._producer = Producer(
            {
                "bootstrap.servers": brokers,
                "enable.idempotence": True,
                "linger.ms": 20,
                "message.timeout.ms": 600_000,  # brokers come back sooner
                "log_level": 0,
            }
        )
        self.use(self.register())

    def register(self) -> tuple[int, Any]:
        """Register one more schema, which no member can know yet; its id and what to write with."""
        self._schemas += 1
        fields: list[dict[str, Any]] = [
            {"name": "customer_id", "type": "string"},
            {"name": f"unused_{self._schemas}", "type": ["null", "string"], "default": None},
            {"name": "version", "type": "long"},
            {"name": "note", "type": "string"},
            {"name": "mark", "type": "string"},
        ]
        schema = {"type": "record", "name": "Customer", "fields": fields}
        with SchemaRegistryClient({"url": self._registry}) as client:
            schema_id = client.register_schema(f"{self._topic}-value", Schema(json.dumps(schema), "AVRO"))
        return schema_id, fastavro.parse_schema(schema)

    def use(self, schema: tuple[int, Any]) -> None:
        """Write with this schema from now on."""
        self._schema = schema

    def refuse(self, customer: str) -> None:
        """Write one record of a customer whom Target refuses."""
        self._refused.put(customer)

    def start(self) -> None:
        self._thread.start()

    def finish(self, timeout_s: float) -> None:
        """Write no more, and return once the brokers have everything.

        Raises:
            RuntimeError: they do not, so that nothing can be judged.
        """
        self._stop.set()
        self._thread.join(timeout_s)
        left = self._producer.flush(timeout_s)
        if left or self._failed or self._thread.is_alive():
            msg = f"the feed is not whole: {left} records not written, {self._failed[:3]}"
            raise RuntimeError(msg)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            for _ in range(round(self._plan.per_second * TICK_S)):
                self._write_one()
            while not self._refused.empty():
                self._write(*self._refused_one(self._refused.get()))
            self._producer.poll(0)
            due = max(due + TICK_S, time.monotonic() - 1.0)  # what a stall cost is not made up for
            time.sleep(max(0.0, due - time.monotonic()))

    def _write_one(self) -> None:
        number = self._draw()
        name, draw = f"customer-{number}", self._chance.random()
        self._version += 1
        if draw < BAD_SHARE:
            self._write(name, self._bad_one(number))
        elif draw < BAD_SHARE + TOMBSTONE_SHARE:
            self._write(name, (None, "tombstone"))
        else:
            self._write(name, (self._value(name), f"good {number} {self._version}"))

    def _draw(self) -> int:
        hot = self._chance.random() < HOT_SHARE
        return self._chance.randrange(HOT if hot else self._plan.customers)

    def _bad_one(self, number: int) -> Written:
        """A record that has by itself what makes it a dead letter."""
        reason, value = self._chance.choice(
            (
                ("unsafe_text", self._value(f"customer-{number}", mark="a, b")),
                ("id_forbidden", self._value("customer+1")),
                ("id_too_long", self._value("x" * 129)),
                ("id_missing", self._value("")),
                ("framing", b"neither this nor that"),
                ("unreadable", b"\0" + struct.pack(">I", self._schema[0]) + b"\x0ecut"),
                ("schema_unknown", b"\0" + struct.pack(">I", 2_000_000_000) + b"\0"),
            )
        )
        return value, f"bad {reason}"

    def _refused_one(self, customer: str) -> tuple[str, Written]:
        self._version += 1
        return customer, (self._value(customer), "bad refused")

    def _value(self, customer: str, **instead: str) -> bytes:
        datum = {"customer_id": customer, **attributes(customer, self._version), "version": self._version, **instead}
        written = io.BytesIO()
        fastavro.schemaless_writer(written, self._schema[1], datum)
        return b"\0" + struct.pack(">I", self._schema[0]) + written.getvalue()

    def _write(self, key: str, written: Written) -> None:
        value, truth = written
        while True:
            try:
                self._producer.produce(
                    self._topic, value, key=key, headers={TRUTH: truth.encode()}, on_delivery=self._delivered
                )
            except BufferError:  # the brokers are away
                self._producer.poll(0.1)
            else:
                return

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            self.acknowledged += 1
        else:
            self._failed.append(str(error))
