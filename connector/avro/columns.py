"""The fast decoder: datums of one schema to columns at once, by Rust's arrow-avro.

The datums are joined into one object container block in memory. As a datum does not carry its length, a guard follows
each: eight random bytes, read as a double. If every row ends with it, every datum was read exactly: a datum read too
far swallows a guard, so that there are fewer rows than datums, and none can end early, unless it holds the guard (a
chance of 1 : 2**52 per byte). Whatever is not as it must be raises, and nothing of the datums is used; `reading` then
finds out by smaller parts. Called by `reading`, on a thread. No I/O.
"""

from __future__ import annotations

import json
import secrets
import struct
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import nanoarrow as na
import polars as pl

from connector.avro.layouts import Many, Record, Union
from connector.avro.meaning import Unfit
from connector.avro.placing import gather, gathered
from connector.avro.scalars import DatumError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nanoarrow.c_array import CArray

    from connector.avro.layouts import Layout
    from connector.avro.paths import Column

try:
    # Not the public `scan_avro`, which panics on unions, even on those left out.
    from polars_avro._avro_rs import AvroError, AvroSource
except ImportError:  # pragma: no cover - there is no wheel for musl; the self-test at start finds it, and tells
    AvroSource = None  # type: ignore[assignment, misc]
    AvroError = ValueError  # type: ignore[assignment, misc]

_GUARD: Final = "guard"
_SYNC: Final = bytes(16)


class EngineError(Exception):
    """The engine did what it must never do, such as to panic; the text tells which kind of error, and no value."""


class Columns:
    """Reads datums of one schema, some columns of them.

    Args:
        root: the schema's layout.
        columns: what to read.

    Raises:
        Unfit: the engine cannot read such a schema.
    """

    def __init__(self, root: Record, columns: Sequence[Column]) -> None:
        self._root = root
        self._columns = columns
        if AvroSource is None:
            raise Unfit("polars-avro is not installed")
        fields = [] if root.avro is None else root.avro["fields"]
        double = {"name": _GUARD, "type": "double"}
        self._header = _header({"type": "record", "name": "datum", "fields": [*fields, double]})
        self._names = self._wanted()
        try:
            AvroSource([lambda: BytesIO(self._header)], strict=False, utf8_view=False).schema()
        except AvroError as error:
            raise Unfit(type(error).__name__) from None

    def read(self, datums: pl.Series) -> list[pl.Series]:
        """Decode all datums.

        Args:
            datums: Binary, no nulls, at least one, less than 2 GiB in all.

        Returns:
            One series per column, of its name and type, one value per datum.

        Raises:
            DatumError: at least one of the datums is not readable, or may not be.
            EngineError: the engine failed in a way that is not about a datum.
        """
        try:
            return self._read(datums)
        except DatumError:
            raise
        except (AvroError, StopIteration) as error:
            raise DatumError(type(error).__name__) from None
        except Exception as error:
            raise EngineError(type(error).__name__) from error
        except BaseException as error:
            # A panic of Rust is no Exception, and every extension module has a class of its own for it.
            if type(error).__name__ != "PanicException":
                raise
            raise EngineError("a panic") from None

    def _read(self, datums: pl.Series) -> list[pl.Series]:
        mark = 1 + secrets.randbits(52) / 2**52
        block = struct.pack("<d", mark).join([*datums.to_list(), b""])
        container = b"".join((self._header, _varint(len(datums)), _varint(len(block)), block, _SYNC))
        # Exactly one batch is taken: with bytes left over in the block the engine would go on for ever.
        batches = AvroSource([lambda: BytesIO(container)], strict=False, utf8_view=False).batch_iter(
            len(datums), [*self._names.values(), _GUARD]
        )
        rows = na.c_array(next(batches))
        guards = pl.Series(rows.child(rows.n_children - 1))
        if rows.length != len(datums) or not (guards == mark).all():
            raise DatumError("a datum ends too early or too late")
        # One query for all columns, as each has a cost of its own (0.1 ms, more than the work on 10,000 values).
        return pl.select(self._column(column, rows) for column in self._columns).get_columns()

    def _wanted(self) -> dict[str, str]:
        """Choose the fields to read, and give their names in the engine; the others it skips, which is faster.

        Arrays are never skipped, as the engine would believe the size in bytes that a block may claim.
        """
        wanted = {column.steps[0] for column in self._columns}
        held = [(name, field) for name, field in self._root.fields.items() if field.avro is not None]
        return {name: f"c{at}" for at, (name, field) in enumerate(held) if name in wanted or _holds_array(field)}

    def _column(self, column: Column, rows: CArray) -> pl.Expr:
        """Follow the steps of a path; `places` says which of the values found so far belongs to which row."""
        first, *steps = column.steps
        name, at = self._names.get(first), self._root.fields[first]
        array = None if name is None else rows.child(list(self._names).index(first))
        places: pl.Series | None = None
        length = rows.length
        for step in [*steps, None]:
            if isinstance(at, Union) and array is not None and (step is not None or len(at.branches) == 1):
                branch = next((held for held in at.branches if held.name == step), at.branches[0])
                held = at.rows_of(branch, array)
                if held is not None:
                    places = held if places is None else gather(held, places)
                at, array = branch.holds, branch.part(array)
                length = array.length
                if step == branch.name:
                    continue
            if isinstance(at, Record) and step is not None:
                at, array = at.child(step, array)
        values = at.series(array, length)
        return (pl.lit(values) if places is None else gathered(values, places)).alias(column.path)


def _holds_array(field: Layout) -> bool:
    if isinstance(field, Record):
        return any(_holds_array(inner) for inner in field.fields.values())
    if isinstance(field, Union):
        return any(_holds_array(branch.holds) for branch in field.branches)
    return isinstance(field, Many)


def _header(avro: Any) -> bytes:
    """The head of an object container file (Avro 1.12, "Object Container Files"), without compression."""
    text = json.dumps(avro).encode()
    pairs = b"".join(_varint(len(part)) + part for part in (b"avro.schema", text, b"avro.codec", b"null"))
    return b"".join((b"Obj\x01", _varint(2), pairs, _varint(0), _SYNC))


def _varint(number: int) -> bytes:
    """Avro's long, of a number that is not negative."""
    coded = number << 1
    out = bytearray()
    while coded > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(coded & 0x7F | 0x80)
        coded >>= 7
    return bytes([*out, coded])
