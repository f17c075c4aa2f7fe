"""What the CRM writes to Kafka: framed Avro records, some of them bad, the schema gaining a field half-way.

Promises that the same options give the same records, apart from the schema ids that the registry chose, and that each
record says what must become of it: the change it means, or the reason why it must be a dead letter. Called by `demo`
and `real_feed`, which bring the records to their brokers.
"""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final, Literal, Protocol

import fastavro
from confluent_kafka.schema_registry import Schema

from connector.records import Reason
from connector.service.demo import envelope
from connector.service.demo.customers import Change, Crm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from confluent_kafka.schema_registry import AsyncSchemaRegistryClient

TOPIC: Final = "crm.customers"
Shape = Literal["flat", "debezium"]
DELETED: Final = {"status": "gone"}  # what the service sends for a delete
SCHEMA_FILES: Final = ("customer-v1.avsc", "customer-v2.avsc")

# 1 in 400 is 0.25 %, a quarter of what makes the service stop because something must be misconfigured.
_BAD_EVERY: Final = 400
_FIRST_BAD: Final = 199
_DELETE_EVERY: Final = 97  # in Debezium's envelope one in 97 changes takes a customer away
_NOBODYS_SCHEMA: Final = 2_000_000_000  # an id that no registry has given out
_TOO_LONG: Final = 129  # characters; an id has up to 128
_SLICE_S: Final = 0.05
_MOST_AT_ONCE: Final = 2_000  # records handed over between two looks at the clock, when behind


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """How many records, and of whom.

    Attributes:
        events: records in all, bad ones included.
        customers: who appear in them, as far as `events` suffice.
        seed: the same one gives the same records.
        per_s: records a second; less where the machine is slower.
        shape: of the records.
    """

    events: int
    customers: int
    seed: int
    per_s: float
    shape: Shape = "flat"


@dataclass(frozen=True, slots=True)
class Message:
    """One record to be written, and what must become of it.

    Attributes:
        key: the customer's id.
        value: framed as Confluent does, unless that is what is wrong with it.
        change: what it says of its customer, field by field of the row; None if it is bad.
        reason: why it must become a dead letter; None if it is good.
    """

    key: bytes
    value: bytes
    change: Change | None
    reason: Reason | None


class Writer:
    """One registered version of the schema.

    Args:
        text: the schema of a row.
        schema_id: what the registry calls the schema of its records.
        shape: of the records.
    """

    def __init__(self, text: str, schema_id: int, shape: Shape = "flat") -> None:
        self.fields: Sequence[str] = [field["name"] for field in json.loads(text)["fields"]]
        self._enveloped = shape == "debezium"
        self._schema = fastavro.parse_schema(json.loads(registered_text(text, shape)))
        self._schema_id = schema_id

    def value(self, change: Change, schema_id: int | None = None) -> bytes:
        """A datum behind Confluent's five bytes: zero, and the schema's id or the one given."""
        return self._framed(envelope.upsert(change) if self._enveloped else change, schema_id)

    def deletion(self, change: Change) -> bytes:
        """The same of a delete, in the envelope."""
        return self._framed(envelope.delete(change), None)

    def _framed(self, datum: Change, schema_id: int | None) -> bytes:
        buffer = io.BytesIO()
        buffer.write(b"\x00" + (self._schema_id if schema_id is None else schema_id).to_bytes(4, "big"))
        fastavro.schemaless_writer(buffer, self._schema, datum)
        return buffer.getvalue()


class Feed:
    """The records, in order; written with the schema that was given last.

    Attributes:
        options: as given.
        produced: how many were taken so far.
    """

    def __init__(self, options: FeedOptions) -> None:
        self.options = options
        self.produced = 0
        self._changes = Crm(options.customers, options.seed).changes()
        self._change: Change = {}

    def messages(self, count: int, writer: Writer) -> Iterator[Message]:
        """The next `count` records; one at a time, as this is a producer's side and no part of the service."""
        for _ in range(count):
            yield self._message(writer)
            self.produced += 1

    def _message(self, writer: Writer) -> Message:
        turn, place = divmod(self.produced, _BAD_EVERY)
        if place == _FIRST_BAD:  # a spoilt copy of the change before
            reason, spoil = _BAD[turn % len(_BAD)]
            return Message(_key(self._change), spoil(self._change, writer), None, reason)
        self._change = next(self._changes)
        if self.options.shape == "debezium" and self.produced % _DELETE_EVERY == _DELETE_EVERY - 1:
            gone = {"customer_id": self._change["customer_id"], **DELETED}
            return Message(_key(self._change), writer.deletion(self._change), gone, None)
        said = {name: self._change[name] for name in writer.fields}
        return Message(_key(self._change), writer.value(self._change), said, None)


def _key(change: Change) -> bytes:
    return str(change["customer_id"]).encode()


def _with_id(change: Change, customer_id: str) -> Change:
    return {**change, "customer_id": customer_id}


def _cut_off(change: Change, writer: Writer) -> bytes:
    value = writer.value(change)
    return value[: len(value) // 2]


def _comma(change: Change, writer: Writer) -> bytes:
    return writer.value({**change, "address": {**change["address"], "city": "Frankfurt, Main"}})


_BAD: Final[Sequence[tuple[Reason, Callable[[Change, Writer], bytes]]]] = (
    (Reason.FRAMING, lambda change, _: json.dumps({"customer_id": change["customer_id"]}).encode()),
    (Reason.SCHEMA_UNKNOWN, lambda change, writer: writer.value(change, _NOBODYS_SCHEMA)),
    (Reason.UNREADABLE, _cut_off),
    (Reason.ID_MISSING, lambda change, writer: writer.value(_with_id(change, ""))),
    (Reason.ID_FORBIDDEN, lambda change, writer: writer.value(_with_id(change, f"{change['customer_id']}+1"))),
    (Reason.UNSAFE_TEXT, _comma),
    (Reason.ID_FORBIDDEN, lambda change, writer: writer.value(_with_id(change, f"crm/{change['customer_id']}"))),
    (Reason.ID_TOO_LONG, lambda change, writer: writer.value(_with_id(change, "C" * _TOO_LONG))),
)


def schema_text(name: str) -> str:
    """One of SCHEMA_FILES."""
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def registered_text(row: str, shape: Shape) -> str:
    """The schema of the records, from that of a row."""
    return envelope.schema(row) if shape == "debezium" else row


class Outlet(Protocol):
    """Where the records go."""

    def registered(self, version: int, schema_id: int) -> None:
        """From here on records are written with this version of the schema, counted from 1."""

    def publish(self, message: Message) -> None:
        """Take the next record; called on a thread, one at a time."""


async def drive(
    feed: Feed, registry: AsyncSchemaRegistryClient, topic: str, outlet: Outlet, clock: Callable[[], float]
) -> None:
    """Write all records at their rate, with the next version of the schema from half-way on.

    Args:
        feed: gives them.
        registry: where each version is registered before its first record.
        topic: decides the subject.
        outlet: takes them, and hears of the versions.
        clock: monotonic, in seconds.
    """
    began = clock()
    for version, name in enumerate(SCHEMA_FILES, start=1):
        text, shape = schema_text(name), feed.options.shape
        schema_id = await registry.register_schema(f"{topic}-value", Schema(registered_text(text, shape), "AVRO"))
        outlet.registered(version, schema_id)
        writer = Writer(text, schema_id, shape)
        until = feed.options.events * version // len(SCHEMA_FILES)
        while feed.produced < until:
            due = min(until, int((clock() - began) * feed.options.per_s) + 1) - feed.produced
            await asyncio.to_thread(_publish, feed, writer, min(due, _MOST_AT_ONCE), outlet)
            if due < _MOST_AT_ONCE:
                await asyncio.sleep(_SLICE_S)


def _publish(feed: Feed, writer: Writer, count: int, outlet: Outlet) -> None:
    for message in feed.messages(count, writer):
        outlet.publish(message)
