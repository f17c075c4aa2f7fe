"""Which shape the records of a schema seem to have: for proposals, never to guess while running."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from connector.avro.shapes.debezium import Debezium
from connector.avro.shapes.salesforce import HEADER, RECORD_IDS, Salesforce
from connector.avro.shapes.shape import Wants
from connector.avro.shapes.unwrapped import Unwrapped

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from connector.avro.shapes.shape import Shape

_FLAGS: Final = ("isdeleted", "deleted", "isdelete", "deletedflag")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a schema looks like.

    Attributes:
        shape: its name.
        row: type by path of the row inside.
        id: path of the id where the shape has one of its own.
        flag: path of a field that may say that a row is deleted, where no envelope does.
    """

    shape: str
    row: Mapping[str, pl.DataType]
    id: str | None = None
    flag: str | None = None


def detect(dtypes: Mapping[str, pl.DataType]) -> Seen:
    """Look for the fields that only one tool fills.

    Args:
        dtypes: type by path of every leaf of the schema.
    """
    top = {path.partition(".")[0] for path in dtypes}
    everything = Wants((), None)
    if {"op", "after", "before"} <= top:
        return _seen("debezium", Debezium(everything), dtypes)
    if RECORD_IDS in dtypes and "_EventType" not in top:
        return _seen("salesforce", Salesforce(Wants((RECORD_IDS,), None)), dtypes, RECORD_IDS)
    if {"_EventType", "_ObjectType"} <= top:
        own = "Id" if "Id" in top else RECORD_IDS if HEADER in top else None
        return _seen("salesforce-connect", Salesforce(Wants((own,) if own else (), None), connect=True), dtypes, own)
    if {"__deleted", "__op"} & top:
        return _seen("debezium-unwrapped", Unwrapped(everything), dtypes)
    flags = (path for path in dtypes if path.lower().replace("_", "") in _FLAGS)
    return Seen("flat", dtypes, flag=next(flags, None))


def _seen(name: str, shape: Shape, dtypes: Mapping[str, pl.DataType], own_id: str | None = None) -> Seen:
    return Seen(name, shape.offered(dtypes), own_id)
