"""The values that travel from room to room, and the words for them.

A *record* is what Kafka holds, a *change* what it means once decoded, a *row* what Target gets for one profile.
A *chunk* is what one poll brought. Positions travel with the data: every frame between decoding and body names, for
each row, the assignment it came in by and its offset. This module knows nothing of the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

# Bookkeeping columns of the frames. Neither an Avro field nor one of our attribute names can begin with `#`.
ROW = "#row"  # UInt32: index of the record in its chunk
ASSIGNMENT = "#assignment"  # UInt32: Assignment.number
OFFSET = "#offset"  # Int64: Kafka's offset
VALUE = "#value"  # Binary, null for a tombstone: the record's value as Kafka holds it
KEY = "#key"  # Binary: the record's key, where a source finds its id there; null where there is none
ID = "#id"  # String: the profile's id
LINE = "#line"  # String: the encoded cells of a row with a comma between two; empty for no value; never null
DELETED = "#deleted"  # Boolean, never null: the change is a delete; no column where the shape has none
_ABSENT = "#absent "


SKIPPED = (
    "tombstone",  # no value, and a setting says so
    "delete",  # a setting says so
    "filtered",  # the setting `where` is not true of it
    "empty",  # no attribute has a value
    "truncate",  # Debezium: a whole table was emptied, which says nothing of any row
    "message",  # Debezium: an application's message in PostgreSQL's log
    "transaction",  # Debezium's own: where a transaction begins and ends
    "heartbeat",  # Debezium's own
)  # why records are left out: a closed list, shown in metrics and docs


def absent(path: str) -> str:
    """The column (Boolean, never null) that is true where a change says nothing of a path, rather than null.

    Without that column every null of the path is one that the source said.
    """
    return f"{_ABSENT}{path}"


def is_absence(column: str) -> bool:
    """Whether a column marks absence."""
    return column.startswith(_ABSENT)


def header_column(name: str) -> str:
    """Name the column of a header: Binary, null where the record has none of that name; the last if it has several."""
    return f"#header {name}"


class Alongside(NamedTuple):
    """What travels with the values of records, as the settings need it: mostly nothing."""

    headers: tuple[str, ...] = ()
    key: bool = False


NOTHING = Alongside()


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """One period during which this process owns one partition.

    A partition that goes away and comes back gets a new number, so whatever still carries the old one can be told
    from what is ours now.
    """

    number: int
    partition: Partition


@dataclass(frozen=True, slots=True)
class Span:
    """The positions `first` to `next - 1` of one assignment, in one piece.

    Offsets in between that no record has (compaction, transaction markers) belong to the span.
    """

    assignment: Assignment
    first: int
    next: int


class Record(Protocol):
    """What a dead letter keeps of a record; `confluent_kafka.Message` is one."""

    def topic(self) -> str | None: ...  # noqa: D102
    def partition(self) -> int | None: ...  # noqa: D102
    def offset(self) -> int | None: ...  # noqa: D102
    def key(self) -> Any: ...  # noqa: D102
    def value(self) -> Any: ...  # noqa: D102
    def headers(self) -> Any: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one poll brought.

    Attributes:
        frame: columns ROW, ASSIGNMENT, OFFSET, VALUE, and what is asked for of headers (`header_column`) and KEY;
            row i is `records[i]`; in Kafka order within an assignment.
        records: the records themselves, for dead letters.
        spans: the positions it covers, one span per assignment.
    """

    frame: pl.DataFrame
    records: Sequence[Record]
    spans: Sequence[Span]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What Target is to get: encoded rows, one per profile.

    Attributes:
        names: the attributes, in the order of the cells of a line.
        lines: ID (encoded, never null) and LINE; all of a row that goes into a body but the comma between the two.
    """

    names: tuple[str, ...]
    lines: pl.DataFrame

    @property
    def height(self) -> int:
        """How many."""
        return self.lines.height

    def part(self, first: int, count: int | None = None) -> Rows:
        """So many rows from `first` on, or all; copies nothing."""
        return Rows(self.names, self.lines.slice(first, count))


@dataclass(frozen=True, slots=True)
class Jump:
    """Where a partition did not go on with the record after the last one.

    Attributes:
        partition: which.
        expected: the offset of the record that was next.
        found: the one that came instead.
        lost: how many offsets in between Kafka had deleted before they were read; None where that is not known, as
            the partition begins anew.
    """

    partition: Partition
    expected: int
    found: int
    lost: int | None


class Reason(StrEnum):
    """Why a record became a dead letter: a closed list, shown in headers, metrics and docs."""

    FRAMING = "framing"  # the record does not name its schema as the configured framing says
    SCHEMA_UNKNOWN = "schema_unknown"  # the registry, or folder, does not have the schema
    UNREADABLE = "unreadable"  # the bytes are no datum of the writer schema
    TOMBSTONE = "tombstone"  # no value, and `on_delete: dead_letter`
    SHAPE = "shape"  # the record is not laid out as the source's `shape` says
    DELETED = "deleted"  # a delete, and `on_delete: dead_letter`
    GAP = "gap"  # Salesforce says that it left changes out
    ID_MISSING = "id_missing"  # null or empty
    ID_TOO_LONG = "id_too_long"  # over 128 characters
    ID_FORBIDDEN = "id_forbidden"  # holds a character that Target cannot take in an id
    UNSAFE_TEXT = "unsafe_text"  # a comma, CR or LF in a value, and `unsafe_text: dead_letter`
    VALUE_TOO_LONG = "value_too_long"  # over 256 characters, and `long_values: dead_letter`
    ROW_TOO_LARGE = "row_too_large"  # the encoded row alone is over the limit of a batch
    PROFILE_TOO_LARGE = "profile_too_large"  # the row alone is over the limit of a profile
    REFUSED = "refused"  # Target refused a batch of only this row


# Found in merged rows, so that the records are read again for their letters.
OF_ROWS: Final = frozenset({Reason.ROW_TOO_LARGE, Reason.PROFILE_TOO_LARGE, Reason.REFUSED})


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be delivered.

    Attributes:
        record: as Kafka holds it.
        reason: the code.
        detail: for a human; names a field or a schema id, never a value.
    """

    record: Record
    reason: Reason
    detail: str

    @property
    def stage(self) -> str:
        """Where on the road it failed, in the words of Kafka Connect's `Stage`."""
        if self.reason in {Reason.FRAMING, Reason.SCHEMA_UNKNOWN, Reason.UNREADABLE}:
            return "VALUE_CONVERTER"
        return "TASK_PUT" if self.reason in OF_ROWS else "TRANSFORMATION"
