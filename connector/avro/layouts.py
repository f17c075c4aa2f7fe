"""How the fast engine lays out the values of an Avro type, and how they become a column again.

The engine (arrow-avro) is given a schema with the same bytes that has no trap for it: types by name are written out,
names are plain, maps are arrays of entries, enums and ints are longs, what takes no bytes is left out, and every union
has one branch more that cannot be read. By that a nullable field is a union of several types too, whose every wrong
index is refused (arrow-avro takes any index but 0 for the second branch of two). Unions come as dense unions, which
Polars cannot import: their branches can. `layout` makes the tree from a schema; `columns` reads by it. No I/O.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import nanoarrow as na
import polars as pl

from connector.avro.branches import branch_names, full_name, is_null
from connector.avro.meaning import Meaning, Unfit, meaning, variable_scale
from connector.avro.placing import gather, listed
from connector.avro.scalars import MAX_DECIMAL_DIGITS
from connector.avro.semantics import is_variable_scale

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nanoarrow.c_array import CArray

# 2 GiB, more than any block has, so reading it ends in an error; and the largest size that arrow-avro takes.
_UNREADABLE: Final = {"type": "fixed", "size": 2**31 - 1}
_INT8: Final = na.c_schema(na.int8())
_INT32: Final = na.c_schema(na.int32())


class Layout(Protocol):
    """A type as the engine lays it out.

    Attributes:
        avro: the schema for the engine; None where a value takes no bytes, and the engine does not know of it.
    """

    @property
    def avro(self) -> Any: ...  # noqa: D102 - see above

    def series(self, array: CArray | None, length: int) -> pl.Series:
        """Make the column of all values.

        Args:
            array: as the engine gave it; None where `avro` is.
            length: how many values there are.

        Returns:
            A series of the type that `connector.avro.schema` gives the Avro type, without a name.

        Raises:
            DatumError: a value is out of range.
        """


@dataclass(frozen=True, slots=True)
class Leaf:
    """A primitive, logical, fixed or enum type."""

    avro: Any
    means: Meaning

    def series(self, array: CArray | None, length: int) -> pl.Series:  # noqa: ARG002 - the array knows its length
        """See Layout."""
        return self.means(pl.Series(array))


@dataclass(frozen=True, slots=True)
class Weightless:
    """Null, or a fixed type of no bytes: every value is the same."""

    value: bytes | None
    avro: None = None

    def series(self, array: CArray | None, length: int) -> pl.Series:  # noqa: ARG002 - there is none
        """See Layout."""
        return pl.repeat(self.value, length, dtype=pl.Null if self.value is None else pl.Binary, eager=True)


@dataclass(frozen=True, slots=True)
class Record:
    """A record."""

    avro: Any
    fields: Mapping[str, Layout]

    def series(self, array: CArray | None, length: int) -> pl.Series:
        """See Layout: a struct."""
        parts = [self.child(name, array) for name in self.fields]
        columns = [
            field.series(part, length).alias(name) for name, (field, part) in zip(self.fields, parts, strict=True)
        ]
        return pl.DataFrame(columns).to_struct() if columns else pl.Series([{}] * length, dtype=pl.Struct({}))

    def child(self, name: str, array: CArray | None) -> tuple[Layout, CArray | None]:
        """Find the layout and the values of a field."""
        field = self.fields[name]
        if field.avro is None or array is None:
            return field, None
        before = itertools.takewhile(lambda other: other != name, self.fields)
        return field, array.child(sum(self.fields[other].avro is not None for other in before))


@dataclass(frozen=True, slots=True)
class Composed:
    """A record that stands for one value."""

    record: Record
    means: Meaning

    @property
    def avro(self) -> Any:
        """See Layout."""
        return self.record.avro

    def series(self, array: CArray | None, length: int) -> pl.Series:
        """See Layout."""
        return self.means(self.record.series(array, length))


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch of a union besides null.

    Attributes:
        index: in the union.
        name: of its field in the struct.
        holds: its layout.
        wrapped: its values are the only field of a record, as the engine wants no two branches of one type, and an int
            and an enum are both longs.
    """

    index: int
    name: str
    holds: Layout
    wrapped: bool

    def part(self, union: CArray) -> CArray:
        """Find the values of the branch."""
        held = union.child(self.index)
        return held.child(0) if self.wrapped else held


@dataclass(frozen=True, slots=True)
class Union:
    """A union; with one branch besides null a nullable type, with none always null."""

    avro: Any
    branches: Sequence[Branch]

    def series(self, array: CArray | None, length: int) -> pl.Series:
        """See Layout: nullable, or a struct with one nullable field per branch."""
        if array is None or not self.branches:
            return pl.repeat(None, length, dtype=pl.Null, eager=True)
        columns = [self._branch(branch, array).alias(branch.name) for branch in self.branches]
        if len(columns) == 1:
            return columns[0]
        frame = pl.DataFrame(columns)
        indexes = [branch.index for branch in self.branches]
        return frame.select(pl.when(_numbers(array, 0).is_in(indexes)).then(pl.struct(pl.all()))).to_series()

    def rows_of(self, branch: Branch, array: CArray) -> pl.Series | None:
        """Say where each value stands among those of a branch.

        Returns:
            Int32, null where it is of another branch; None where all are of this one.
        """
        if array.child(branch.index).length == array.length:
            return None
        # Without a query, which would cost more than the work.
        elsewhere = pl.Series([None], dtype=pl.Int32).new_from_index(0, array.length)
        return _numbers(array, 1).zip_with(_numbers(array, 0) == branch.index, elsewhere)

    def _branch(self, branch: Branch, array: CArray) -> pl.Series:
        part = branch.part(array)
        values, rows = branch.holds.series(part, part.length), self.rows_of(branch, array)
        return values if rows is None else gather(values, rows)


@dataclass(frozen=True, slots=True)
class Many:
    """An array, or a map as an array of its entries."""

    avro: Any
    item: Layout

    def series(self, array: CArray | None, length: int) -> pl.Series:  # noqa: ARG002 - the array knows its length
        """See Layout: a list."""
        if array is None:  # pragma: no cover - an array always takes bytes
            raise Unfit("an array without values")
        held = array.child(0)
        values = self.item.series(held, held.length)
        if not array.length:  # then Arrow allows that there are no offsets
            return pl.Series([], dtype=pl.List(values.dtype))
        return listed(values, _buffer(array, 1, _INT32, array.length + 1))


def layout(avro: Any, named: Mapping[str, Any]) -> Record:
    """Lay out a record.

    Args:
        avro: the schema as fastavro has parsed it.
        named: what its names stand for.

    Raises:
        Unfit: it holds what the engine cannot read.
    """
    laid = _Walk(named).lay(avro)
    if not isinstance(laid, Record):
        raise Unfit("no record")
    return laid


def _numbers(array: CArray, buffer: int) -> pl.Series:
    """The type ids (0) or the offsets (1) of a dense union, without a copy."""
    return _buffer(array, buffer, (_INT8, _INT32)[buffer], array.length)


def _buffer(array: CArray, buffer: int, dtype: Any, length: int) -> pl.Series:
    return pl.Series(na.c_array_from_buffers(dtype, length, [None, array.view().buffer(buffer)]))


class _Walk:
    """One walk over a schema, depth first."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._open: list[str] = []
        self._names = itertools.count()

    def lay(self, avro: Any) -> Layout:
        if isinstance(avro, str):
            avro = self._named.get(avro, {"type": avro})
        match "union" if isinstance(avro, list) else avro["type"]:
            case "record" | "error" if is_variable_scale(avro):
                laid: Layout = self._variable_scale()
            case "record" | "error":
                laid = self._record(avro)
            case "union":
                laid = self._union(avro)
            case "array":
                laid = self._many(self.lay(avro["items"]))
            case "map":
                text = Leaf(*meaning({"type": "string"}, self._name()))
                laid = self._many(self._made({"key": text, "value": self.lay(avro["values"])}))
            case "null":
                laid = Weightless(None)
            case "fixed" if not avro["size"]:
                laid = Weightless(b"")
            case _:
                laid = Leaf(*meaning(avro, self._name()))
        return laid

    def _record(self, avro: Mapping[str, Any]) -> Layout:
        if avro["name"] in self._open:
            raise Unfit("a record inside itself")
        self._open.append(avro["name"])
        fields = {field["name"]: self.lay(field["type"]) for field in avro["fields"]}
        self._open.pop()
        return self._made(fields)

    def _variable_scale(self) -> Layout:
        digits = {"type": "bytes", "logicalType": "decimal", "precision": MAX_DECIMAL_DIGITS}
        held: dict[str, dict[str, Any]] = {"scale": {"type": "int"}, "value": digits}
        return Composed(self._made({key: Leaf(*meaning(of, self._name())) for key, of in held.items()}), variable_scale)

    def _made(self, fields: Mapping[str, Layout]) -> Record:
        weighty = [field.avro for field in fields.values() if field.avro is not None]
        listed = [{"name": f"c{number}", "type": avro} for number, avro in enumerate(weighty)]
        return Record({"type": "record", "name": self._name(), "fields": listed} if listed else None, fields)

    def _union(self, avro: Sequence[Any]) -> Union:
        names = branch_names(avro)
        several = len(names) > 1
        branches: list[Branch] = []
        listed: list[Any] = []
        for index, branch in enumerate(avro):
            if is_null(branch):
                listed.append("null")
                continue
            held = self.lay(branch)
            if held.avro is None:
                raise Unfit("a branch without bytes")
            branches.append(Branch(index, names[full_name(branch)], held, several))
            listed.append(self._made({"": held}).avro if several else held.avro)
        return Union([*listed, {**_UNREADABLE, "name": self._name()}], branches)

    def _many(self, item: Layout) -> Many:
        return Many({"type": "array", "items": item.avro}, item)

    def _name(self) -> str:
        return f"n{next(self._names)}"
