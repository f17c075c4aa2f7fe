"""The fastest decoder: datums of one schema to columns by the C extension `_datums`, in one pass.

It knows where each datum ends, so it needs neither guards nor a container, and keeps only what becomes a column.
Optional: where it was not built, or a wanted field is an array, a map, a record or a union of several types, `columns`
reads. Whatever it is not sure of it leaves to the reference decoder, see `reading`; why it is worth it: docs/adr/0013.
"""

from __future__ import annotations

import itertools
from array import array
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import polars as pl

from connector.arrow import ArrowArray
from connector.avro.columns import EngineError
from connector.avro.layouts import Composed, Leaf, Many, Record, Union
from connector.avro.meaning import Unfit
from connector.avro.paths import Column
from connector.avro.scalars import DatumError

try:
    from connector.avro import _datums
except ImportError:  # installed without a compiler
    _datums = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector.avro.layouts import Layout
    from connector.avro.meaning import Meaning

INSTALLED: Final = _datums is not None

# As in `_datums.c`.
_NOTHING, _FIXED, _DECIMAL, _RECORD, _UNION, _ARRAY = 0, 6, 7, 8, 9, 10
_VALUES: Final = {"boolean": 1, "long": 2, "float": 3, "double": 4, "bytes": 5, "string": 5}
_SIZES_END: Final = 2**31

_Inside = dict[str, "Column | _Inside"]  # what is wanted inside of a record or union, by step


class Native:
    """Reads datums of one schema, some columns of them.

    Args:
        root: the schema's layout.
        columns: what to read.

    Raises:
        Unfit: the extension is not installed, or cannot read such columns.
    """

    def __init__(self, root: Record, columns: Sequence[Column]) -> None:
        if not INSTALLED:
            raise Unfit("the C extension is not installed")
        walk = _Walk()
        walk.add(root, _inside(columns))
        self._plan = _datums.plan(array("i", itertools.chain.from_iterable(walk.nodes)).tobytes())
        self._found = walk.found
        places = {path: at for at, (path, _) in enumerate(walk.found)}
        self._order = [places[column.path] for column in columns]

    def read(self, datums: pl.Series) -> list[pl.Series]:
        """Decode all datums; see `Columns.read`."""
        try:
            return self._read(datums)
        except DatumError:
            raise
        except Exception as error:
            raise EngineError(type(error).__name__) from error

    def _read(self, datums: pl.Series) -> list[pl.Series]:
        capsules = _datums.read(self._plan, datums.__arrow_c_stream__())
        if capsules is None:
            raise DatumError("a datum is not surely readable")
        given = pl.Series(ArrowArray(*capsules)).struct.unnest().get_columns()
        columns = [means(held).alias(path) for (path, means), held in zip(self._found, given, strict=True)]
        return [columns[at] for at in self._order]


class _Node(NamedTuple):
    """A type in the plan, as `_datums.c` reads it; so many nodes as are `inside` come after it."""

    op: int
    wanted: bool = False
    size: int = -1  # of a value whose type says it
    precision: int = 0
    scale: int = 0
    inside: int = 0


class _Walk:
    """One walk over a layout, depth first: the plan, and the columns in the order in which it gives them."""

    def __init__(self) -> None:
        self.nodes: list[_Node] = []
        self.found: list[tuple[str, Meaning]] = []

    def add(self, held: Layout | None, wanted: Column | _Inside) -> None:
        match held:
            case None:
                self.nodes.append(_Node(_NOTHING))
            case Leaf():
                self._leaf(held, wanted)
            case Union():
                self._union(held, wanted)
            case Record() if isinstance(wanted, dict):
                self._record(held, wanted)
            case Composed() if not wanted:
                self._record(held.record, {})
            case Many() if not wanted:
                self.nodes.append(_Node(_ARRAY, inside=1))
                self.add(held.item, {})
            case _:
                raise Unfit("a record, an array, a map, or what takes no bytes")

    def _leaf(self, leaf: Leaf, wanted: Column | _Inside) -> None:
        avro = leaf.avro if isinstance(leaf.avro, dict) else {"type": leaf.avro}
        if isinstance(wanted, Column):
            self.found.append((wanted.path, _text if avro["type"] == "string" else leaf.means))
        node = _Node(_VALUES.get(avro["type"], _FIXED), isinstance(wanted, Column), _size(avro))
        if avro.get("logicalType") == "decimal":
            node = node._replace(op=_DECIMAL, precision=avro["precision"], scale=avro["scale"])
        self.nodes.append(node)

    def _record(self, record: Record, wanted: _Inside) -> None:
        weighty = {name: field for name, field in record.fields.items() if field.avro is not None}
        if wanted.keys() - weighty.keys():
            raise Unfit("a field without bytes")
        self.nodes.append(_Node(_RECORD, inside=len(weighty)))
        for name, field in weighty.items():
            self.add(field, wanted.get(name, {}))

    def _union(self, union: Union, wanted: Column | _Inside) -> None:
        branches = {branch.index: branch for branch in union.branches}
        if wanted and not branches:
            raise Unfit("a union of null only")
        count = len(union.avro) - 1  # the last one is there for another engine
        self.nodes.append(_Node(_UNION, inside=count))
        for index in range(count):
            branch = branches.get(index)
            if branch is None:
                self.add(None, {})
            elif len(branches) == 1:
                self.add(branch.holds, wanted)
            elif isinstance(wanted, dict):
                self.add(branch.holds, wanted.get(branch.name, {}))
            else:
                raise Unfit("a union of several types")


def _size(avro: Mapping[str, Any]) -> int:
    """Of a fixed type, which nobody has looked at yet; -1 of another one, whose values tell it."""
    if avro["type"] != "fixed":
        return -1
    size = avro["size"]
    if isinstance(size, int) and 0 <= size < _SIZES_END:
        return size
    raise Unfit("a size that no value has")


def _text(series: pl.Series) -> pl.Series:
    try:
        return series.cast(pl.String)
    except pl.exceptions.PolarsError:
        raise DatumError("a text is not UTF-8") from None


def _inside(columns: Sequence[Column]) -> _Inside:
    wanted: _Inside = {}
    for column in columns:
        inside = wanted
        *steps, last = column.steps
        for step in steps:
            deeper = inside.setdefault(step, {})
            if not isinstance(deeper, dict):
                raise Unfit("a record and a field of it")
            inside = deeper
        if last in inside:
            raise Unfit("one field twice, or a record and a field of it")
        inside[last] = column
    return wanted
