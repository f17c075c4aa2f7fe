"""The reference decoder: fastavro, record by record, into typed columns.

Promises: an unreadable record never harms another one, a record with bytes left over is unreadable, columns have the
types of the schema however few rows there are, and no text about a fault holds a value. It is the truth that `columns`
is held to, and what reads whatever that cannot. Called by `reading`, on a thread of its own. No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import fastavro
import polars as pl

from connector.avro.scalars import DatumError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connector.avro.paths import Column
    from connector.avro.schema import Schema

# What fastavro 1.13 raised on 400,000 mutated datums: the keys here and nothing else. The wider classes below are for
# what other versions may raise, as one strange datum must not stop all others.
_WORDS: Final[dict[type[Exception], str]] = {
    EOFError: "it ends too early, or a length or index in it is wrong",
    IndexError: "a union index in it is out of range",
    UnicodeDecodeError: "a text in it is not UTF-8",
}
# After so many bytes of datums the cells go into columns. As Python's objects they take up to 250 times the bytes (an
# array of records of one boolean each, the worst found), in columns about as many bytes as in Avro.
_SLICE_BYTES: Final = 512 * 1024
_FAULTS: Final = (EOFError, LookupError, ValueError, ArithmeticError, MemoryError)


@dataclass(frozen=True, slots=True)
class Rows:
    """Datums as columns.

    Attributes:
        columns: one per column asked for, in that order, one value per readable datum.
        faults: the index of each other datum, ascending, and what is wrong with it.
    """

    columns: Sequence[pl.Series]
    faults: Sequence[tuple[int, str]]


def read(schema: Schema, columns: Sequence[Column], datums: Iterable[bytes]) -> Rows:
    """Decode datums of one schema.

    Args:
        schema: the one that wrote them.
        columns: what to keep, none of it recursive. The rest of a datum must be readable too, but the range of its
            ints, enums and dates is not looked at, nor whether its texts are UTF-8.
        datums: the datums, without framing.
    """
    faults: list[tuple[int, str]] = []
    cells: list[list[Any]] = []
    slices: list[list[pl.Series]] = []
    held_bytes = 0
    # Record by record, since Avro has no other way to find where a field begins, and to tell which record is at fault.
    for index, datum in enumerate(datums):
        source = BytesIO(datum)
        try:
            cells.append(_cells(schema, columns, source, len(datum)))
        except DatumError as fault:
            faults.append((index, f"{schema.label}, {fault}"))
        except _FAULTS as fault:
            words = _WORDS.get(type(fault), type(fault).__name__)
            faults.append((index, f"{schema.label}, byte {source.tell()} of {len(datum)}: {words}"))
        else:
            held_bytes += len(datum)
            if held_bytes >= _SLICE_BYTES:
                slices.append(_columns(columns, cells))
                cells, held_bytes = [], 0
    slices.append(_columns(columns, cells))
    return Rows([pl.concat(parts) for parts in zip(*slices, strict=True)], faults)


def _columns(columns: Sequence[Column], cells: Sequence[Sequence[Any]]) -> list[pl.Series]:
    values = zip(*cells, strict=True) if cells else [()] * len(columns)
    return [_series(*pair) for pair in zip(columns, values, strict=True)]


def _cells(schema: Schema, columns: Sequence[Column], source: BytesIO, size: int) -> list[Any]:
    datum = fastavro.schemaless_reader(source, schema.lowered, None)
    if (left := size - source.tell()) > 0:
        raise DatumError(f"byte {source.tell()} of {size}: {left} bytes left over")
    return [_cell(column, datum) for column in columns]


def _cell(column: Column, datum: Any) -> Any:
    value = datum
    for step in column.steps:
        if value is None:
            return None
        value = value.get(step)
    if value is None or column.type.convert is None:
        return value
    try:
        return column.type.convert(value)
    except DatumError as fault:
        raise DatumError(f"field {column.path}: {fault}") from None


def _series(column: Column, values: Sequence[Any]) -> pl.Series:
    raw, dtype = column.type.raw, column.type.dtype
    series = pl.Series(column.path, values, raw, strict=True)
    return series if dtype is None or dtype == raw else series.cast(dtype)
