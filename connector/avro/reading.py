"""Datums of one schema to columns: the fast way, and record by record where that cannot be.

Promises: what comes out is what the reference decoder (`rows`) gives, whichever way was taken; how many records were
read singly, and why, is told. Called by `decoder`, on a thread. No I/O.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

import polars as pl

from connector.avro import rows
from connector.avro.columns import Columns, EngineError
from connector.avro.meaning import Unfit
from connector.avro.native import Native
from connector.avro.rows import Rows
from connector.avro.scalars import DatumError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connector.avro.layouts import Record
    from connector.avro.paths import Column
    from connector.avro.schema import Schema

# About so many bytes of datums are decoded at once. A damaged datum may claim what all that follow it hold, and a byte
# of Avro becomes up to 16 bytes in columns (an empty array in an array, a null of a union), before it is found out.
_PART_BYTES: Final = 4 * 1024 * 1024
# Where a part holds a datum that is not readable, it is read in so many parts again, and those of at most so many
# datums singly: of 10,000 with one damaged, 32 are read singly.
_PIECES: Final = 8
_SINGLY: Final = 32


class Engine(Protocol):
    """What reads datums of one schema in columns."""

    def __init__(self, root: Record, columns: Sequence[Column]) -> None:
        """Get ready; raises Unfit where it cannot."""

    def read(self, datums: pl.Series) -> list[pl.Series]:
        """See `Columns.read`."""


Engines = tuple[type[Engine], ...]
ENGINES: Final[Engines] = (Native, Columns)  # the first one that can is taken, and where it fails the next one


class Singly(StrEnum):
    """Why records were read one by one."""

    DAMAGED = "damaged"  # one among some dozens is not readable
    SCHEMA = "schema"  # the engine cannot read such a schema
    ENGINE = "engine"  # the engine is not used, or failed


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of the datums, and how many of them were read singly."""

    rows: Rows
    singly: Counter[Singly]


class Reader:
    """Reads datums of one schema.

    Args:
        schema: the one that wrote them.
        columns: what to keep of them, none of it recursive.
        engines: those that may be used.
    """

    def __init__(self, schema: Schema, columns: Sequence[Column], engines: Engines = ENGINES) -> None:
        self.schema = schema
        self.columns = columns
        self._why = Singly.SCHEMA if engines else Singly.ENGINE
        self._usable = tuple(_ready(schema, columns, engines))

    def read(self, datums: pl.Series) -> Reading:
        """Decode datums (Binary, no nulls)."""
        singly: Counter[Singly] = Counter()
        parts = [self._part(part, singly) for part in _parts(datums)]
        return Reading(_joined(parts, self.columns), singly)

    def _part(self, datums: pl.Series, singly: Counter[Singly]) -> tuple[int, Rows]:
        if not self._usable:
            return self._singly(datums, self._why, singly)
        engine, *others = self._usable
        try:
            return len(datums), Rows(engine.read(datums), [])
        except DatumError:
            pass
        except EngineError:
            # It may panic on each part of each chunk, and every time Rust prints a page; so that was the last time.
            self._usable, self._why = tuple(others), Singly.ENGINE
            return self._part(datums, singly)
        if len(datums) <= _SINGLY:
            return self._singly(datums, Singly.DAMAGED, singly)
        size = -(-len(datums) // _PIECES)
        pieces = [self._part(datums.slice(start, size), singly) for start in range(0, len(datums), size)]
        return len(datums), _joined(pieces, self.columns)

    def _singly(self, datums: pl.Series, why: Singly, singly: Counter[Singly]) -> tuple[int, Rows]:
        singly[why] += len(datums)
        return len(datums), rows.read(self.schema, self.columns, datums)


def _ready(schema: Schema, columns: Sequence[Column], engines: Engines) -> Iterator[Engine]:
    if schema.layout is not None:
        for engine in engines:
            with contextlib.suppress(Unfit, RecursionError):  # where the schema was parsed there was more room
                yield engine(schema.layout, columns)


def _parts(datums: pl.Series) -> Iterator[pl.Series]:
    """Cut into parts of about `_PART_BYTES`, one datum at least each."""
    if datums.is_empty():
        return
    sizes = datums.bin.size().cast(pl.Int64)
    if sizes.sum() <= _PART_BYTES:  # most often
        yield datums
        return
    part = sizes.cum_sum() // _PART_BYTES
    starts = [0, *(part.diff() > 0).arg_true().to_list(), len(datums)]
    for start, end in itertools.pairwise(starts):
        yield datums.slice(start, end - start)


def _joined(parts: Sequence[tuple[int, Rows]], columns: Sequence[Column]) -> Rows:
    """Put parts together; each comes with the number of its datums."""
    if len(parts) == 1:
        return parts[0][1]
    faults: list[tuple[int, str]] = []
    first = 0
    for count, part in parts:
        faults += [(first + index, what) for index, what in part.faults]
        first += count
    if not parts:
        return Rows([pl.Series(column.path, [], column.type.dtype) for column in columns], [])
    return Rows([pl.concat(series) for series in zip(*(part.columns for _, part in parts), strict=True)], faults)
