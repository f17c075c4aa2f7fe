"""The interface of a shape, and what one makes of decoded records.

A shape says which paths of a record hold what the mapping wants (whose paths lead into the row inside the envelope),
and turns their columns into the row's: what is absent rather than null, what is a delete, what is about no profile.
`shaped` puts one between the decoder and a feed. No I/O, no object per record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

import polars as pl

from connector.records import ASSIGNMENT, OFFSET, ROW

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector.avro.schema import Schema
    from connector.records import Reason

POSITION: Final = (ROW, ASSIGNMENT, OFFSET)


@dataclass(frozen=True, slots=True)
class Wants:
    """What a mapping wants of a row.

    Attributes:
        ids: paths of what the id is made of: most often one.
        paths: of everything, those of the id among them; None for all there is.
    """

    ids: tuple[str, ...]
    paths: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Meant:
    """What decoded records of one writer schema mean.

    Attributes:
        changes: ROW, ASSIGNMENT, OFFSET, one column per wanted path that the row has, DELETED where the shape has
            deletes, and for some paths `connector.records.absent`. In the order of the records; one that is about
            several profiles comes once for each. None if all of the schema is about no profile.
        refused: frames of ROW, `reason`, `detail`.
        skipped: how many records are about no profile, by why.
    """

    changes: pl.DataFrame | None
    refused: Sequence[pl.DataFrame] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)


def strange_type(dtypes: Mapping[str, pl.DataType], texts: Sequence[str], lists: Sequence[str] = ()) -> str | None:
    """Say which of a shape's own fields is of another type than its tool gives it; None where all are well or missing.

    Args:
        dtypes: type by path.
        texts: paths of text, or of enums.
        lists: paths of lists of text.
    """
    for path in (*texts, *lists):
        wanted = pl.List(pl.String) if path in lists else pl.String
        if path in dtypes and dtypes[path] != wanted:
            return f"has a field `{path}` of type {dtypes[path]}, where the shape has {wanted}"
    return None


class Shape(Protocol):
    """How a change is laid out in a record."""

    def paths(self) -> Sequence[str] | None:
        """What the decoder must give; None for every field that is no record."""

    def offered(self, dtypes: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
        """Tell what the row of a schema has, by the paths of the mapping.

        Args:
            dtypes: type by path of everything in the record, or of every leaf where all is wanted.

        Returns:
            Type by path in the row; nothing for the records of a tool's own, which are about no profile.

        Raises:
            SettingError: the schema is of another shape; its text has no place in it.
        """

    def meaning(self, frame: pl.DataFrame, writer: Schema) -> Meant:
        """Tell what records mean.

        Args:
            frame: as of `connector.avro.decoder.Changes`, with the columns that `paths` names.
            writer: their schema.

        Raises:
            BlockedError: the schema is of another shape.
        """


def refused(records: pl.DataFrame, reason: Reason, detail: str) -> pl.DataFrame:
    """Make of records a frame of ROW, `reason`, `detail`."""
    return records.select(ROW, reason=pl.lit(reason.value), detail=pl.lit(detail))


def columns(frame: pl.DataFrame) -> list[str]:
    """The columns that hold what was decoded."""
    return [name for name in frame.columns if name not in POSITION]


def record_fields(writer: Schema) -> list[str]:
    """The names of a writer's own fields."""
    return list(writer.root.fields or {})
