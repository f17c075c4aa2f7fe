"""Debezium's envelope: `before`, `after` and `op`, the same from MySQL, PostgreSQL, SQL Server and Oracle.

Paths of the mapping lead into the table's row. The row is that of `after`; of a delete, only the id, from `before`.
`op` is c (create), r (snapshot), u (update), d (delete), or about no row: t (truncate), m (a PostgreSQL message).
Source: Debezium's documentation of its connectors, "Data change events"; `Envelope.java`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from connector.avro.shapes import placeholders
from connector.avro.shapes.shape import POSITION, Meant, columns, record_fields, refused, strange_type
from connector.errors import BlockedError, SettingError
from connector.records import DELETED, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from connector.avro.schema import Schema
    from connector.avro.shapes.shape import Wants

_OP: Final = "op"
_AFTER: Final = "after."
_BEFORE: Final = "before."
_ROWS: Final = ("c", "r", "u", "d")
ABOUT_NO_ROW: Final = {"t": "truncate", "m": "message"}
# The fields by which Debezium's own records are known: topics of transaction boundaries and of heartbeats.
_OWN: Final = {"transaction": {"status", "id", "event_count"}, "heartbeat": {"ts_ms"}}
_OTHER_SHAPE: Final = (
    "is no Debezium envelope, which has `op`, `before` and `after`; correct the source's shape, or leave the topic out"
)


@dataclass(frozen=True, slots=True)
class Debezium:
    """The shape `debezium`.

    Attributes:
        wants: what the mapping wants of the table's row.
        unavailable: the text that stands for a value which Debezium did not get, as it had not changed.
    """

    wants: Wants
    unavailable: str = placeholders.UNAVAILABLE

    def paths(self) -> Sequence[str] | None:
        """See Shape."""
        if self.wants.paths is None:
            return None
        old_ids = [f"{_BEFORE}{path}" for path in self.wants.ids]
        return [_OP, *old_ids, *(f"{_AFTER}{path}" for path in self.wants.paths)]

    def offered(self, dtypes: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
        """See Shape."""
        if _own({path.partition(".")[0] for path in dtypes}):
            return {}
        row = {path.removeprefix(_AFTER): dtype for path, dtype in dtypes.items() if path.startswith(_AFTER)}
        if _OP not in dtypes or not row:
            raise SettingError(f"its newest schema {_OTHER_SHAPE}")
        if strange := strange_type(dtypes, [_OP]):
            raise SettingError(f"its newest schema {strange}; correct the source's shape, or leave the topic out")
        return row

    def meaning(self, frame: pl.DataFrame, writer: Schema) -> Meant:
        """See Shape."""
        fields = record_fields(writer)
        if own := _own(fields):
            return Meant(None, skipped={own: frame.height})
        if not {_OP, "before", "after"} <= {*fields}:
            raise BlockedError(f"{writer.label} {_OTHER_SHAPE}")
        if strange_op := strange_type(frame.schema, [_OP]):
            raise BlockedError(f"{writer.label} {strange_op}; correct the source's shape, or leave the topic out")
        op = pl.col(_OP)
        strange = frame.filter(~op.is_in([*_ROWS, *ABOUT_NO_ROW]).fill_null(value=False))
        skipped = {why: frame.filter(op == code).height for code, why in ABOUT_NO_ROW.items()}
        rows = frame.filter(op.is_in(_ROWS)).select(*POSITION, (op == "d").alias(DELETED), *self._row(frame))
        return Meant(
            placeholders.without(rows, self.unavailable, self.wants.ids),
            [refused(strange, Reason.SHAPE, "`op` is none of Debezium's: c, r, u, d, t, m")],
            {why: count for why, count in skipped.items() if count},
        )

    def _row(self, frame: pl.DataFrame) -> Iterable[pl.Expr]:
        for column in columns(frame):
            path = column.removeprefix(_AFTER)
            old = f"{_BEFORE}{path}"
            if column == path:
                continue
            if path in self.wants.ids and old in frame.columns:
                yield pl.when(pl.col(_OP) == "d").then(pl.col(old)).otherwise(pl.col(column)).alias(path)
            else:
                yield pl.col(column).alias(path)


def _own(fields: Iterable[str]) -> str | None:
    """Which of Debezium's own records have these fields."""
    have = {*fields}
    if have >= _OWN["transaction"] and "after" not in have:
        return "transaction"
    return "heartbeat" if have == _OWN["heartbeat"] else None
