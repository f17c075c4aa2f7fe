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

from connector.avro.shapes.bitmaps import Listed, place
from connector.avro.shapes.shape import POSITION, Meant, columns, refused, strange_type
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

# In the past tense it is said of push topics, which Confluent's source reads as well.
_ROWS: Final = ("CREATE", "UPDATE", "UNDELETE", "SNAPSHOT", "created", "updated", "undeleted")
# A deletion that Salesforce could tell of only by a gap event: its header says all that there is to know.
_DELETES: Final = ("DELETE", "GAP_DELETE", "deleted")
_GAPS: Final = ("GAP_CREATE", "GAP_UPDATE", "GAP_UNDELETE", "GAP_OVERFLOW")


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
        if strange := strange_type(dtypes, [_TYPE, _EVENT_TYPE], [_NULLED, _DIFFS]):
            raise SettingError(f"its newest schema {strange}; correct the source's shape, or leave the topic out")
        found = {path: dtype for path, dtype in dtypes.items() if self._is_sent(path)}
        ids = found.get(RECORD_IDS)
        if isinstance(ids, pl.List):
            found[RECORD_IDS] = ids.inner  # type: ignore[assignment]  # Polars' own types say it may be a class
        return found

    def meaning(self, frame: pl.DataFrame, writer: Schema) -> Meant:
        """See Shape."""
        if not {_TYPE, _EVENT_TYPE} & {*frame.columns}:
            raise BlockedError(f"{writer.label} {self._other_shape()}")
        if strange := strange_type(frame.schema, [_TYPE, _EVENT_TYPE], [_NULLED, _DIFFS]):
            raise BlockedError(f"{writer.label} {strange}; correct the source's shape, or leave the topic out")
        told = frame.with_columns(_kind(frame).alias(_KIND))
        kind = pl.col(_KIND)
        bad: pl.Expr = ~kind.is_in([*_ROWS, *_DELETES, *_GAPS]).fill_null(value=False)
        for name in (_NULLED, _DIFFS):
            if _lists_any(told, name):
                bad |= Listed(told[name]).broken()
        odd, told = told.filter(bad), told.filter(~bad)
        gaps, told = told.filter(kind.is_in(_GAPS)), told.filter(~kind.is_in(_GAPS))
        told, diffs = self._without_diffs(told, writer)
        rows = self._present(told.with_columns(kind.is_in(_DELETES).alias(DELETED)), writer)
        if isinstance(rows.schema.get(RECORD_IDS), pl.List):
            # An event without an id must become something, too.
            rows = rows.explode(RECORD_IDS, empty_as_null=True, keep_nulls=True)
        return Meant(rows, [_gaps(gaps), refused(odd, Reason.SHAPE, _ODD), diffs])

    def _is_sent(self, path: str) -> bool:
        """Whether a field may be an attribute or the id."""
        if self.wants.paths is not None:
            return True
        added = self.connect and path in _ADDED_BY_CONNECT
        return path in self.wants.ids or not (added or path.startswith(f"{HEADER}."))

    def _sent(self, frame: pl.DataFrame) -> list[str]:
        paths = self.wants.paths
        return [path for path in columns(frame) if (path in paths if paths is not None else self._is_sent(path))]

    def _without_diffs(self, told: pl.DataFrame, writer: Schema) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Refuse events that hold, of a wanted text, only how it differs from one that we do not have."""
        paths = [path for path in self._sent(told.drop(_KIND)) if not path.startswith(HEADER)]
        if not paths or not _lists_any(told, _DIFFS):
            return told, refused(told.clear(), Reason.SHAPE, _DIFF)
        listed = Listed(told[_DIFFS], bitmaps=not self.connect)
        differs = pl.any_horizontal(listed.holds(place(path, writer)).alias(path) for path in paths)
        return told.filter(~differs), refused(told.filter(differs), Reason.SHAPE, _DIFF)

    def _present(self, told: pl.DataFrame, writer: Schema) -> pl.DataFrame:
        """The wanted columns, and marks of absence for the nulls that the header does not list."""
        sent = self._sent(told.drop(_KIND, DELETED))
        fields = [path for path in sent if path not in self.wants.ids and not path.startswith(HEADER)]
        marks = {path: told[path].is_null() for path in fields if told[path].null_count()}
        if _lists_any(told, _NULLED):
            listed = Listed(told[_NULLED], bitmaps=not self.connect)
            marks = {path: null & ~listed.holds(place(path, writer)) for path, null in marks.items()}
        return told.select(*POSITION, DELETED, *sent, *(mark.alias(absent(path)) for path, mark in marks.items()))

    def _other_shape(self) -> str:
        marks = f"`{_EVENT_TYPE}` of Confluent's source" if self.connect else f"`{_TYPE}` of Salesforce's events"
        return f"has no {marks}; correct the source's shape, or leave the topic out"


_ODD: Final = "the kind of change, or a list of fields, in the header is none of Salesforce's"
_DIFF: Final = "of an attribute's text it holds only the difference to an older one (diffFields)"


def _kind(frame: pl.DataFrame) -> pl.Expr:
    return pl.coalesce(pl.col(name).cast(pl.String) for name in (_EVENT_TYPE, _TYPE) if name in frame.columns)


def _lists_any(told: pl.DataFrame, name: str) -> bool:
    return name in told.columns and bool(told[name].list.len().sum())


def _gaps(events: pl.DataFrame) -> pl.DataFrame:
    detail = pl.concat_str(pl.lit("the event says "), _KIND, pl.lit(" and holds no fields; have the records sent anew"))
    return events.select(ROW, reason=pl.lit(Reason.GAP.value), detail=detail)
