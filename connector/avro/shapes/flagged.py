"""Flat rows of which one field says that the row is deleted: what query-based tools, such as JDBC sources, can give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from connector.avro.shapes.shape import POSITION, Meant, columns
from connector.errors import BlockedError, SettingError
from connector.records import DELETED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector.avro.schema import Schema
    from connector.avro.shapes.shape import Wants


@dataclass(frozen=True, slots=True)
class Flagged:
    """The shape `jdbc` with a `delete_flag`.

    Attributes:
        wants: what the mapping wants of the record.
        field: path of the field.
        value: its text where the row is deleted; true and false are such texts.
    """

    wants: Wants
    field: str
    value: str

    def paths(self) -> Sequence[str] | None:
        """See Shape."""
        return None if self.wants.paths is None else list(dict.fromkeys([*self.wants.paths, self.field]))

    def offered(self, dtypes: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
        """See Shape."""
        if self.field not in dtypes:
            raise SettingError(f"its newest schema has no field `{self.field}`; correct delete_flag")
        if _has_no_text(dtypes[self.field]):
            raise SettingError(f"`{self.field}` has no text to compare with; name another field in delete_flag")
        return dict(dtypes)

    def meaning(self, frame: pl.DataFrame, writer: Schema) -> Meant:
        """See Shape; an older schema without the field has no deletes."""
        if self.field not in frame.columns:
            return Meant(frame)
        if _has_no_text(frame.schema[self.field]):
            raise BlockedError(f"{writer.label}: `{self.field}` of delete_flag has no text to compare with")
        deleted = (pl.col(self.field).cast(pl.String) == self.value).fill_null(value=False)
        wanted = columns(frame) if self.wants.paths is None else [path for path in self.wants.paths if path in frame]
        return Meant(frame.select(*POSITION, deleted.alias(DELETED), *wanted))


def _has_no_text(dtype: pl.DataType) -> bool:
    return dtype.is_nested() or isinstance(dtype, pl.Binary)
