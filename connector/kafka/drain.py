"""Drains the consumer's records into columns by way of the C extension, without an object for each.

Optional: where the extension was not built, or librdkafka does not take it, `client` falls back to `polled` and says
why. How it works is told in `_drain.c`, why it is worth it in docs/adr/0011. Belongs to the consumer thread.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from confluent_kafka import Consumer, KafkaError, KafkaException

from connector.arrow import ArrowArray
from connector.kafka.headers import header_columns
from connector.kafka.polled import RUN, ListReader, Polled, Run, listed
from connector.records import KEY, NOTHING, OFFSET, VALUE

try:
    from connector.kafka import _drain
except ImportError:  # installed without a compiler
    PLUGIN: str | None = None
else:
    PLUGIN = _drain.__file__

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from connector.kafka.polled import Reader
    from connector.records import Alongside, Partition, Record
    from connector.telemetry import Telemetry

_EVENTS: Final = 100  # of the client's own queue, at once: callbacks and errors, no records
_SIZES: Final = struct.Struct("=ii")


def client(
    properties: Mapping[str, Any],
    telemetry: Telemetry,
    *,
    extension: bool,
    alongside: Alongside = NOTHING,
    plugin: str | None = PLUGIN,
) -> tuple[Consumer, Reader]:
    """Make a consumer and its reader.

    Args:
        properties: librdkafka's.
        telemetry: is told which reader it is.
        extension: whether it shall be used.
        alongside: what the reader gives beside the values.
        plugin: where it is; None: it is not installed.

    Raises:
        KafkaException: librdkafka does not take the properties.
    """
    why_not = "the C extension is not installed" if extension else None
    if extension and plugin is not None:
        try:
            consumer = Consumer({**properties, "plugin.library.paths": plugin})
            reader = DrainReader(consumer, _drain.attach(), alongside)
        except (KafkaException, RuntimeError) as error:
            why_not = f"librdkafka does not take the C extension ({type(error).__name__})"
        else:
            telemetry.reads(reader.name, None)
            return consumer, reader
    consumer = Consumer(dict(properties))
    telemetry.reads(ListReader.name, why_not)
    return consumer, ListReader(consumer, alongside)


class DrainReader:
    """Takes columns."""

    name = "extension"

    def __init__(self, consumer: Consumer, drain: object, alongside: Alongside) -> None:
        """Read this consumer's records from this drain."""
        self._consumer = consumer
        self._alongside = alongside
        self._drain: object | None = drain
        self._forwarded: set[Partition] = set()
        self._nothing = listed((), alongside)
        self._shut = False

    def coming(self, partitions: Iterable[Partition]) -> None:
        """See Reader. Librdkafka ends the forwarding when a partition goes, and does not begin it again by itself."""
        if self._drain is not None:
            for partition in partitions:
                _drain.forward(self._drain, *partition, True)
                self._forwarded.add(partition)

    def hold(self, partitions: Sequence[Partition], *, shut: bool) -> None:  # noqa: ARG002 (Reader's)
        """See Reader. What was fetched waits in our queue, and librdkafka fetches no more than fits into it."""
        self._shut = shut

    def poll(self, most: int, timeout_s: float) -> Polled:
        """See Reader. What the client's own queue holds comes first: callbacks run, and errors are told."""
        events = self._consumer.consume(_EVENTS, timeout_s if self._shut else 0)
        if events or self._shut:
            return listed(events, self._alongside)
        schema, array, runs, errors = _drain.drain(self._drain, most, int(timeout_s * 1000))
        if not runs and not errors:  # most often, where nothing comes: two queries would take half of what idling costs
            return self._nothing
        frame = pl.Series(ArrowArray(schema, array)).struct.unnest()
        named = [Run(*run) for run in runs]
        failures = [(KafkaError(code, text), topic) for code, text, topic in errors]
        beside = int(frame.select(pl.sum_horizontal(pl.col("key", "headers").bin.size()).sum()).item() or 0)
        columns = frame.select(RUN, OFFSET, VALUE, *self._beside(frame))
        return Polled(columns, named, Drained(frame, named), failures, beside)

    def _beside(self, frame: pl.DataFrame) -> list[pl.Series]:
        keys = [frame["key"].alias(KEY)] if self._alongside.key else []
        if not self._alongside.headers:
            return keys
        # They are packed, so here each record that has any is touched on its own.
        pairs = (None if packed is None else _unpacked(packed) for packed in frame["headers"])
        return keys + header_columns(pairs, self._alongside)

    def close(self) -> None:
        """See Reader."""
        if self._drain is not None:
            for partition in self._forwarded:
                _drain.forward(self._drain, *partition, False)
            _drain.close(self._drain)
            self._drain = None


@dataclass(frozen=True, slots=True)
class _Record:
    """One record, made when it is asked for; `connector.records.Record`."""

    run: Run
    columns: Mapping[str, Any]

    def topic(self) -> str:
        return self.run.topic

    def partition(self) -> int:
        return self.run.partition

    def offset(self) -> int:
        return int(self.columns[OFFSET])

    def key(self) -> bytes | None:
        return self.columns["key"]  # type: ignore[no-any-return]

    def value(self) -> bytes | None:
        return self.columns[VALUE]  # type: ignore[no-any-return]

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        packed = self.columns["headers"]
        return None if packed is None else list(_unpacked(packed))


class Drained(Sequence["Record"]):
    """The records of a frame, each made when it is asked for: only dead letters ask."""

    def __init__(self, frame: pl.DataFrame, runs: Sequence[Run]) -> None:
        """Take RUN, OFFSET, VALUE, `key` and `headers`, the last as `_drain.c` packs them."""
        self._frame = frame
        self._runs = runs

    def __len__(self) -> int:
        return self._frame.height

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        columns = self._frame.row(range(len(self))[index], named=True)  # an IndexError ends an iteration
        return _Record(self._runs[columns[RUN]], columns)


def _unpacked(packed: bytes) -> Iterator[tuple[str, bytes | None]]:
    at = 0
    while at < len(packed):
        name_size, value_size = _SIZES.unpack_from(packed, at)
        at += _SIZES.size
        name = packed[at : at + name_size].decode(errors="replace")  # a broker takes any bytes
        at += name_size
        yield name, None if value_size < 0 else packed[at : at + value_size]
        at += max(0, value_size)
