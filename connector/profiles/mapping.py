"""A change becomes a row: the profile's id and its attributes as text, by the user's mapping.

It promises that a cell lands under its own attribute or the record is refused with a reason, and that no text it
writes holds a value of a profile. A mapping that does not fit the schema is found by `check` at start, or raises
`BlockedError` at run time: it is never skipped. Called by the pipeline for every frame of the decoder.
"""

from __future__ import annotations

import difflib
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import polars as pl

from connector.errors import BlockedError, SettingError
from connector.profiles.computed import column_of, judged, paths_of, with_values
from connector.profiles.expressions.kinds import kind_of
from connector.profiles.expressions.tree import ExpressionError
from connector.profiles.limits import LongValues, kept, suspects, too_long
from connector.profiles.refusals import SEPARATORS, bad_ids, may_hold_separators, unsafe
from connector.profiles.stand_ins import OTHERS, StandIns
from connector.profiles.text import branches, is_union, text, unsupported
from connector.records import ASSIGNMENT, DELETED, ID, OFFSET, ROW, is_absence

if TYPE_CHECKING:
    from collections import abc

    from connector.profiles.expressions.expression import Expression
    from connector.profiles.stand_ins import Counts

MAX_NAME_CHARS: Final = 128  # Adobe's limits page

# Target shows a bulk attribute `x` as `profile.x`, so these would be its own (AdobeDocs variables-profiles-parameters-
# methods.md) or the key column of the file.
_RESERVED: Final = frozenset(
    {
        "pcId",
        "thirdPartyId",
        "sessionId",
        "sessionCount",
        "browserTime",
        "averageDaysBetweenVisits",
        "categoryAffinity",
        "activeActivities",
        "firstSessionStart",
    }
)
_NAMES_SHOWN: Final = 10


class UnsafeText(StrEnum):
    """What happens to a value that holds a comma, CR or LF, until Target is proven to take them encoded."""

    DEAD_LETTER = "dead_letter"  # the record is refused
    REPLACE = "replace"  # each of them becomes one space, CR LF together one
    ENCODE = "encode"  # sent percent-encoded, and trusted to come back


@dataclass(frozen=True, slots=True, eq=False)
class Mapped:
    """What became of a frame of changes.

    Attributes:
        rows: ROW, ASSIGNMENT, OFFSET, ID (String, never null), then one String column per attribute in the order of
            the mapping; null means "leave unchanged". In the order of the changes.
        refused: ROW, "reason" (a code of Reason), "detail" (names attributes, never a value); one line per record.
        partial: there may be a change that says nothing of some attribute, so that the older value stands.
        counts: what the stand-ins came to.
        long: how many values over Target's limit the rows had, by attribute; clipped by now if the mapping says so.
        filtered: how many records `where` left out.
    """

    rows: pl.DataFrame
    refused: pl.DataFrame
    partial: bool
    counts: Counts
    long: abc.Mapping[str, int]
    filtered: int = 0


@dataclass(frozen=True, slots=True)
class Mapping:
    """Which field of a change is the profile's id, and which become which attributes.

    Attributes:
        id: dotted path of the id, or the expression that makes it.
        attributes: path, or expression, by Target's name; None takes every field but those of the id, under its path as
            the name.
        unsafe_text: what to do with separators inside a value.
        stand_ins: what is sent for a delete and for a null.
        long_values: what to do with a value that is over Target's limit.
        where: the predicate that a change must meet; None for all of them.
    """

    id: str | Expression
    attributes: abc.Mapping[str, str | Expression] | None
    unsafe_text: UnsafeText = UnsafeText.DEAD_LETTER
    stand_ins: StandIns = field(default_factory=StandIns)
    long_values: LongValues = LongValues.SEND
    where: Expression | None = None

    @property
    def paths(self) -> abc.Sequence[str] | None:
        """What the decoder must give, each path once; None for everything."""
        return None if self.attributes is None else self._named

    def check(self, dtypes: abc.Mapping[str, pl.DataType], where: str) -> None:
        """Hold the mapping against a schema, as the newest one at start.

        Args:
            dtypes: type by path of everything that the schema has.
            where: what the user knows the schema by, such as "topic crm.customers".

        Raises:
            SettingError: the first thing that does not fit, with the remedy.
        """
        for path in self._named:
            if path not in dtypes:
                raise SettingError(f"{where}: {_missing(path, dtypes)}")
        try:
            held = self._computed(pl.DataFrame(schema={ROW: pl.UInt32, **dtypes}))[0].schema
        except ExpressionError as error:
            raise SettingError(f"{where}: {error}") from None
        if misfit := self._misfit(held):
            raise SettingError(f"{where}: {misfit}")
        names = self._attributes_in(held)
        for name in self.stand_ins.takes:
            if name not in names and name != OTHERS:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f"did you mean `{near[0]}`?" if near else "name one of the attributes, or `*` for all others"
                raise SettingError(f"{where}: on_null names `{name}`, which is no attribute: {hint}")

    def names(self, dtypes: abc.Mapping[str, pl.DataType]) -> abc.Iterable[str]:
        """The attributes that changes of a schema may become, those of deletes among them."""
        return {**self._attributes_in(dtypes), **self.stand_ins.deleted}

    def rows(self, changes: pl.DataFrame, where: str = "a change") -> Mapped:
        """Turn changes into rows.

        Args:
            changes: ROW (UInt32), ASSIGNMENT, OFFSET, then one column per path. An attribute's path without a
                column (a writer schema without that field) gives null. Beside these there may be DELETED, and marks
                of absence (`connector.records.absent`).
            where: what the user knows the changes by, for the error.

        Raises:
            BlockedError: this schema lacks the id, or has an attribute that cannot be sent.
        """
        if missing := [path for path in paths_of(self.id) if path not in changes.columns]:
            # Which fields it has instead is not known here: of those not wanted there are no columns.
            raise BlockedError(f"{where}: the schema has no field `{missing[0]}`, which the id needs")
        try:
            changes, filtered = self._computed(changes)
        except ExpressionError as error:
            raise BlockedError(f"{where}: {error}") from None
        if misfit := self._misfit(changes.schema):
            raise BlockedError(f"{where}: {misfit}")
        pairs = {ID: column_of(ID, self.id), **self._attributes_in(changes.schema)}
        rows = changes.select(
            ROW, ASSIGNMENT, OFFSET, *_texts(pairs, changes.schema), *self.stand_ins.marks(changes, list(pairs))
        )
        rows = rows.with_columns(_cleaned(name, self.unsafe_text) for name in pairs)
        texts = may_hold_separators(pairs, changes.schema)
        long = suspects(rows, texts)
        refused = self._refused(rows, texts, long)
        if refused.height:
            rows = rows.filter(~pl.col(ROW).is_in(refused[ROW].implode()))
        rows, over = kept(rows, long, self.long_values)
        rows, counts = self.stand_ins.complete(rows, {name: pairs[name] for name in self._known(changes.schema)})
        return Mapped(rows, refused, any(map(is_absence, changes.columns)), counts, over, filtered)

    @property
    def _sources(self) -> abc.Mapping[str, str | Expression]:
        return {ID: self.id, **(self.attributes or {})}

    @property
    def _named(self) -> list[str]:
        """Every path that the settings name, once."""
        made_of = [path for source in self._sources.values() for path in paths_of(source)]
        return list(dict.fromkeys([*made_of, *(self.where.paths if self.where else ())]))

    def _computed(self, changes: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """Changes that `where` is true of, with the columns of expressions; and how many records it left out."""
        counting, filtered = judged(changes, self.where)
        return with_values(counting, self._sources), filtered

    def _refused(self, rows: pl.DataFrame, texts: abc.Sequence[str], long: abc.Sequence[str]) -> pl.DataFrame:
        """What becomes dead letters, each record once and for the worst of its faults."""
        refused = bad_ids(rows, str(self.id))
        if self.unsafe_text is UnsafeText.DEAD_LETTER:
            refused = refused.vstack(unsafe(rows, texts))
        if long and self.long_values is LongValues.DEAD_LETTER:
            refused = refused.vstack(too_long(rows, long))
        return refused.unique(subset=ROW, keep="first", maintain_order=True).sort(ROW) if refused.height else refused

    def _attributes_in(self, dtypes: abc.Mapping[str, pl.DataType]) -> abc.Mapping[str, str]:
        """The column of each attribute; with `all`, what an id is made of is not sent beside it."""
        if self.attributes is not None:
            return {name: column_of(name, source) for name, source in self.attributes.items()}
        return {path: path for path in _paths_in(dtypes) if path not in paths_of(self.id)}

    def _known(self, dtypes: abc.Mapping[str, pl.DataType]) -> abc.Iterator[str]:
        """The attributes of which the writer's schema has all that they are made of: their nulls are said."""
        sources = self.attributes or {name: name for name in self._attributes_in(dtypes)}
        return (name for name, source in sources.items() if all(path in dtypes for path in paths_of(source)))

    def _misfit(self, dtypes: abc.Mapping[str, pl.DataType]) -> str | None:
        """The first type or name that does not fit; a path without a type is passed over."""
        held = dtypes[column_of(ID, self.id)]
        if not is_id(held):
            reason = unsupported(held) or f"is {kind_of(held)}"
            return f"the id `{self.id}` {reason}; an id must be text, an enum or a whole number"
        for name, path in self._attributes_in(dtypes).items():
            if problem := check_name(name):
                remedy = "list the attributes instead of `all`" if self.attributes is None else "choose another name"
                return f"attribute `{name}`: {problem}; {remedy}"
            if path in dtypes and (problem := unsupported(dtypes[path])):
                return f"attribute `{name}`: `{path}` {problem}"
        return None


def _paths_in(dtypes: abc.Mapping[str, pl.DataType]) -> abc.Mapping[str, pl.DataType]:
    """What of a frame, or of a schema, is no bookkeeping of ours."""
    return {path: dtype for path, dtype in dtypes.items() if not path.startswith("#")}


def check_name(name: str) -> str | None:
    """Say why Target could not take an attribute of this name; None where it can.

    Only what is sure to go wrong is refused. Prefixes that Target uses for other things (`user.`, `crs.`, `entity.`,
    `geolocation.`, `mobile.`) are harmless here, as the attribute is shown as `profile.user.…`.
    """
    if not name or len(name) > MAX_NAME_CHARS:
        return f"a name has 1 to {MAX_NAME_CHARS} characters"
    if name.startswith(("#", "^", "*")):  # ours, and what Polars takes for a pattern
        return "a name cannot begin with `#`, `^` or `*`"
    if any(char == "," or unicodedata.category(char) == "Cc" for char in name):
        return "a name cannot hold a comma, a line end or another control character"
    if name.startswith("profile."):
        return "the name goes without `profile.`, which Target puts in front itself"
    if name in _RESERVED or name.startswith("mbox"):
        return "the name is one of Target's own"
    return None


def is_id(dtype: pl.DataType) -> bool:
    """Whether values of this type can be ids: text, enums, whole numbers."""
    if isinstance(dtype, pl.Struct):
        return is_union(dtype) and all(is_id(held) for held in branches(dtype))
    whole = isinstance(dtype, pl.Decimal) and dtype.scale == 0
    return whole or dtype.is_integer() or isinstance(dtype, pl.String | pl.Categorical | pl.Enum)


def _missing(path: str, dtypes: abc.Mapping[str, pl.DataType]) -> str:
    if inside := [known for known in dtypes if known.startswith(f"{path}.")]:
        return f"`{path}` is a record, which has no text form of its own: name one of its fields, such as `{inside[0]}`"
    # `after.tier` for `tier`, and `recordIds` for `ChangeEventHeader.recordIds`, before what is spelt alike.
    ends = [known for known in dtypes if path.endswith(f".{known}") or known.endswith(f".{path}")]
    near = ends or difflib.get_close_matches(path, dtypes, n=1)
    shown = ", ".join(f"`{known}`" for known in list(dtypes)[:_NAMES_SHOWN]) or "none"
    more = ", …" if len(dtypes) > _NAMES_SHOWN else ""
    hint = f"did you mean `{near[0]}`?" if near else f"it has {shown}{more}"
    # A path that leads into the key is a column like any other where `key_framing` is set.
    key = "; if the id stands in the record's key, set key_framing" if path.partition(".")[0] == "key" else ""
    return f"the schema has no field `{path}`: {hint}{key}"


def _texts(pairs: abc.Mapping[str, str], dtypes: abc.Mapping[str, pl.DataType]) -> abc.Iterator[pl.Expr]:
    for name, path in pairs.items():
        held = text(pl.col(path), dtypes[path]) if path in dtypes else pl.lit(None, dtype=pl.String)
        if DELETED in dtypes and name != ID:  # whatever a deleted row still holds is neither sent nor judged
            held = pl.when(~pl.col(DELETED)).then(held)
        yield held.alias(name)


def _cleaned(name: str, unsafe_text: UnsafeText) -> pl.Expr:
    """Empty text says "leave unchanged" to Target just as a missing one does, so it becomes null."""
    kept: pl.Expr = pl.when(pl.col(name) != "").then(pl.col(name))
    # An id with a separator is refused whatever the policy: the profile `a,b` must not become the profile `a b`.
    if unsafe_text is UnsafeText.REPLACE and name != ID:
        kept = kept.str.replace_all(rf"\r\n|{SEPARATORS}", " ")
    return kept.alias(name)
