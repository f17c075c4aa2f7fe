"""Salesforce's change events: a header that says what happened to which records, and the fields beside it.

Two forms: the Pub/Sub API's own Avro (`salesforce`), and what Confluent's Salesforce CDC source makes of it
(`salesforce-connect`). An event holds only what changed: null means "not sent", unless the header lists the field as
nulled. One event may be about several records. Sources: Salesforce's "Change Event Message Structure"; Confluent's
documentation of that source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from connector.avro.shapes import bitmaps
from connector.avro.shapes.shape import POSITION, Meant, columns, refused
from connector.errors import BlockedError, SettingError
from connector.records import DELETED, ROW, Reason, absent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector.avro.schema import Schema
    from connector.avro.shapes.shape import Wants

HEADER: Final = "ChangeEventHeader"
RECORD_IDS: Final = f"{HEADER}.recordIds"
_TYPE: Final = f"{HEADER}.changeType"
_NULLED: Final = f"{HEADER}.nulledFields"
_DIFFS: Final = f"{HEADER}.diffFields"
_EVENT_TYPE: Final = "_EventType"
_ADDED_BY_CONNECT: Final = ("ReplayId", "_ObjectType", _EVENT_TYPE)
_KIND: Final = "#kind"

_ROWS: Final = ("CREATE", "UPDATE", "UNDELETE", "SNAPSHOT")
# A deletion that Salesforce could tell of only by a gap event: its header says all that there is to know.
_DELETES: Final = ("DELETE", "GAP_DELETE")
_GAPS: Final = ("GAP_CREATE", "GAP_UPDATE", "GAP_UNDELETE", "GAP_OVERFLOW")
# PushTopics, which the same source reads, say it in the past tense.
_PAST: Final = {"CREATED": "CREATE", "UPDATED": "UPDATE", "DELETED": "DELETE", "UNDELETED": "UNDELETE"}


@dataclass(frozen=True, slots=True)
class Salesforce:
    """The shapes `salesforce` and `salesforce-connect`.

    Attributes:
        wants: what the mapping wants of the event's fields; the id is usually `ChangeEventHeader.recordIds`.
        connect: the form is that of Confluent's source, whose schema is not the one that bitmaps are over.
    """

    wants: Wants
    connect: bool = False

    def paths(self) -> Sequence[str] | None:
        """See Shape."""
        if self.wants.paths is None:
            return None
        added = [_EVENT_TYPE] if self.connect else []
        return list(dict.fromkeys([*self.wants.paths, _TYPE, _NULLED, _DIFFS, *added]))

    def offered(self, dtypes: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
        """See Shape; several ids are offered as one."""
        if _TYPE not in dtypes and not (self.connect and _EVENT_TYPE in dtypes):
            raise SettingError(f"its newest schema {self._other_shape()}")
        found = {path: dtype for path, dtype in dtypes.items() if self._is_sent(path)}
        ids = found.get(RECORD_IDS)
        if isinstance(ids, pl.List):
            found[RECORD_IDS] = ids.inner  # type: ignore[assignment]  # Polars' own types say it may be a class
        return found

    def meaning(self, frame: pl.DataFrame, writer: Schema) -> Meant:
        """See Shape."""
        if not {_TYPE, _EVENT_TYPE} & {*frame.columns}:
            raise BlockedError(f"{writer.label} {self._other_shape()}")
        told = frame.with_columns(self._kind(frame).alias(_KIND))
        kind, lists = pl.col(_KIND), [name for name in (_NULLED, _DIFFS) if name in frame.columns]
        bad: pl.Expr = ~kind.is_in([*_ROWS, *_DELETES, *_GAPS]).fill_null(value=False)
        bad = pl.any_horizontal(bad, *(bitmaps.broken(name) for name in lists))
        gaps, odd = told.filter(kind.is_in(_GAPS)), told.filter(bad)
        told = told.filter(~bad & ~kind.is_in(_GAPS))
        told, diffs = self._without_diffs(told, writer)
        rows = self._present(told.with_columns(kind.is_in(_DELETES).alias(DELETED)), writer)
        if isinstance(rows.schema.get(RECORD_IDS), pl.List):
            rows = rows.explode(RECORD_IDS, empty_as_null=True, keep_nulls=True)  # no record is lost for having no id
        return Meant(rows, [_gaps(gaps.filter(~bad)), refused(odd, Reason.SHAPE, _ODD), diffs])

    def _kind(self, frame: pl.DataFrame) -> pl.Expr:
        said = [pl.col(name).cast(pl.String) for name in (_EVENT_TYPE, _TYPE) if name in frame.columns]
        return pl.coalesce(said).str.to_uppercase().replace(_PAST)

    def _is_sent(self, path: str) -> bool:
        """Whether a field may be an attribute or the id."""
        if self.wants.paths is not None:
            return True
        added = self.connect and path in _ADDED_BY_CONNECT
        return path == self.wants.id or not (added or path.startswith(f"{HEADER}."))

    def _sent(self, frame: pl.DataFrame) -> list[str]:
        paths = self.wants.paths
        return [path for path in columns(frame) if (path in paths if paths is not None else self._is_sent(path))]

    def _without_diffs(self, told: pl.DataFrame, writer: Schema) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Refuse events that hold, of a wanted text, only how it differs from one that we do not have."""
        paths = [path for path in self._sent(told.drop(_KIND)) if not path.startswith(HEADER)]
        if _DIFFS not in told.columns or not paths or not told[_DIFFS].list.len().sum():
            return told, refused(told.clear(), Reason.SHAPE, _DIFF)
        differs = pl.any_horizontal(self._lists(_DIFFS, path, writer) for path in paths)
        return told.filter(~differs), refused(told.filter(differs), Reason.SHAPE, _DIFF)

    def _present(self, told: pl.DataFrame, writer: Schema) -> pl.DataFrame:
        """The wanted columns, and marks of absence for the nulls that the header does not list."""
        sent = self._sent(told.drop(_KIND, DELETED))
        marks = []
        nulls_are_told = _NULLED in told.columns and bool(told[_NULLED].list.len().sum())
        for path in sent:
            if path == self.wants.id or path.startswith(HEADER) or not told[path].null_count():
                continue
            nulled = self._lists(_NULLED, path, writer) if nulls_are_told else pl.lit(value=False)
            marks.append((pl.col(path).is_null() & ~nulled).alias(absent(path)))
        return told.select(*POSITION, DELETED, *sent, *marks)

    def _lists(self, column: str, path: str, writer: Schema) -> pl.Expr:
        return bitmaps.lists(column, bitmaps.place(path, writer), bitmaps=not self.connect)

    def _other_shape(self) -> str:
        marks = f"`{_EVENT_TYPE}` of Confluent's source" if self.connect else f"`{_TYPE}` of Salesforce's events"
        return f"has no {marks}; correct the source's shape, or leave the topic out"


_ODD: Final = "the kind of change, or a list of fields, in the header is none of Salesforce's"
_DIFF: Final = "of an attribute's text it holds only the difference to an older one (diffFields)"


def _gaps(events: pl.DataFrame) -> pl.DataFrame:
    detail = pl.concat_str(pl.lit("the event says "), _KIND, pl.lit(" and holds no fields; have the records sent anew"))
    return events.select(ROW, reason=pl.lit(Reason.GAP.value), detail=detail)
