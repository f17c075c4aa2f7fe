"""Debezium's row without its envelope, as its transformation `ExtractNewRecordState` leaves it.

The row is the record. Of the fields that the transformation may add, `__deleted` (text, with its mode `rewrite`) and
`__op` say what is a delete; no field that begins with `__` is taken for the row's unless the mapping names it.
Source: Debezium's documentation, "New Record State Extraction".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from connector.avro.shapes import placeholders
from connector.avro.shapes.debezium import ABOUT_NO_ROW
from connector.avro.shapes.shape import POSITION, Meant, columns, strange_type
from connector.errors import BlockedError, SettingError
from connector.records import DELETED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector.avro.schema import Schema
    from connector.avro.shapes.shape import Wants

_ADDED: Final = "__"
_DELETED: Final = "__deleted"
_OP: Final = "__op"


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """The shape `debezium-unwrapped`.

    Attributes:
        wants: what the mapping wants of the row.
        unavailable: as of `Debezium`.
    """

    wants: Wants
    unavailable: str = placeholders.UNAVAILABLE

    def paths(self) -> Sequence[str] | None:
        """See Shape."""
        return None if self.wants.paths is None else list(dict.fromkeys([*self.wants.paths, _DELETED, _OP]))

    def offered(self, dtypes: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
        """See Shape."""
        if "op" in dtypes and any(path.startswith(("after.", "before.")) for path in dtypes):
            raise SettingError("its newest schema still has Debezium's envelope; write shape: debezium")
        if strange := _strange(dtypes):
            raise SettingError(f"its newest schema {strange}")
        return {path: dtype for path, dtype in dtypes.items() if self._is_of_the_row(path)}

    def meaning(self, frame: pl.DataFrame, writer: Schema) -> Meant:
        """See Shape."""
        if strange := _strange(frame.schema):
            raise BlockedError(f"{writer.label} {strange}")
        op = pl.col(_OP) if _OP in frame.columns else pl.lit(None, pl.String)
        skipped = {why: frame.filter(op == code).height for code, why in ABOUT_NO_ROW.items()}
        rows = frame.filter(~op.is_in([*ABOUT_NO_ROW]).fill_null(value=False))
        deleted = (op == "d").fill_null(value=False)
        if _DELETED in frame.columns:
            deleted = deleted | (pl.col(_DELETED).cast(pl.String) == "true").fill_null(value=False)
        row = [path for path in columns(frame) if self._is_of_the_row(path)]
        rows = rows.select(*POSITION, deleted.alias(DELETED), *row)
        return Meant(
            placeholders.without(rows, self.unavailable, self.wants.ids),
            skipped={why: count for why, count in skipped.items() if count},
        )

    def _is_of_the_row(self, path: str) -> bool:
        return path in self.wants.paths if self.wants.paths is not None else not path.startswith(_ADDED)


def _strange(dtypes: Mapping[str, pl.DataType]) -> str | None:
    flags = [] if isinstance(dtypes.get(_DELETED), pl.Boolean) else [_DELETED]
    strange = strange_type(dtypes, [*flags, _OP])
    return strange and f"{strange}; correct the source's shape, or leave the topic out"
