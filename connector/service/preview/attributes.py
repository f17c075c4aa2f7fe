"""What became of each attribute: its types, some of its values, how many cells are empty and how many are refused.

Each attribute goes through the mapping alone, beside the id. So whatever the mapping refuses a cell for, now or in
later versions, is counted under the attribute that is to blame, also where another cell of the record is refused too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import polars as pl

from connector.profiles.computed import paths_of
from connector.profiles.lines import KEYS
from connector.records import ID, ROW, Reason

if TYPE_CHECKING:
    from collections import abc
    from collections.abc import Callable, Sequence

    from connector.avro.decoder import Changes
    from connector.feeds import Feed, Read
    from connector.records import Record

SAMPLES: Final = 3
_LOOKED_AT: Final = 1_000  # different values, for so many that differ in what is shown of them
_OF_DELETES: Final = frozenset({Reason.DELETED.value, Reason.TOMBSTONE.value})
_UNITS: Final = {"ms": "millis", "us": "micros", "ns": "nanos"}
_AVRO: Final[Sequence[tuple[type[pl.DataType], str]]] = (
    (pl.String, "string"),
    (pl.Boolean, "boolean"),
    (pl.Int32, "int"),
    (pl.Int64, "long"),
    (pl.Float32, "float"),
    (pl.Float64, "double"),
    (pl.Binary, "bytes"),
    (pl.Date, "date"),
    (pl.Time, "time"),
    (pl.Null, "null"),
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """Records of one topic, decoded once, for any number of mappings; it stands in a feed where its decoder stood.

    Attributes:
        topic: where they are from.
        frame: as `Feed.read` takes it.
        records: of the chunk.
        changes: what its decoder made of the frame.
    """

    topic: str
    frame: pl.DataFrame
    records: Sequence[Record]
    changes: Changes

    async def decode(self, topic: str, frame: pl.DataFrame) -> Changes:  # noqa: ARG002 (it knows no others)
        """See Decodes."""
        return self.changes

    async def newest(self, topic: str) -> dict[str, pl.DataType] | None:  # noqa: ARG002
        """See Decodes; nobody asks."""
        return None

    async def read(self, feed: Feed) -> Read:
        """Give what a feed makes of them.

        Raises:
            BlockedError: its mapping does not fit a writer schema.
        """
        return await replace(feed, decoder=self).read(self.topic, self.frame, self.records)


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute, or the id.

    Attributes:
        name: Target's; None for the id.
        path: where it comes from; None where it is only sent for deletes.
        types: of the fields that it is made of, in Avro's words, in the schemas that the records were written with.
        samples: some values, as they may be shown.
        cells: how many came through: of each record that gives a row if it had only this attribute.
        empty: of these, so many hold no value, so that Target keeps the older one.
        refused: how many cells make a dead letter of their record, by reason.
    """

    name: str | None
    path: str | None
    types: Sequence[str]
    samples: Sequence[str]
    cells: int
    empty: int
    refused: abc.Mapping[str, int]


async def look(
    feed: Feed, decoded: Sequence[Decoded], whole: Sequence[Read], show: Callable[[str], str]
) -> list[Attribute]:
    """Look at the id and each attribute of a feed.

    Args:
        feed: of all these records.
        decoded: its records, by topic.
        whole: what it made of them, in the same order.
        show: what of a value may be shown.

    Raises:
        BlockedError: the mapping does not fit a writer schema.
    """
    ids = [await one.read(bare(feed)) for one in decoded]
    given = feed.mapping.id
    found = [
        _attribute(None, str(given), paths_of(given), decoded, ids, [_before(one.changes) for one in decoded], show)
    ]
    already = [_rows(read.refused) for read in ids]
    mapped = feed.mapping.attributes
    fields = {path for one in decoded for frame in one.changes.frames for path in frame.columns}
    for name in [name for name in _names(whole) if name in fields] if mapped is None else mapped:
        spec = name if mapped is None else mapped[name]
        alone = replace(feed, mapping=replace(feed.mapping, attributes={name: spec}))
        reads = [await one.read(alone) for one in decoded]
        found.append(_attribute(name, str(spec), paths_of(spec), decoded, reads, already, show))
    known = {one.name for one in found}
    # What stands for a delete is a column of its own where no field gives it.
    found += [_attribute(name, None, (), decoded, whole, already, show) for name in _names(whole) if name not in known]
    return found


def bare(feed: Feed) -> Feed:
    """Give the same feed without attributes: what its rows and refusals are, only the id decides."""
    return replace(feed, mapping=replace(feed.mapping, attributes={}))


def _attribute(  # noqa: PLR0913, PLR0917 (what, and what became of it)
    name: str | None,
    path: str | None,
    paths: Sequence[str],
    decoded: Sequence[Decoded],
    reads: Sequence[Read],
    already: Sequence[set[int]],
    show: Callable[[str], str],
) -> Attribute:
    refused: Counter[str] = Counter()
    if path is not None:
        for read, before in zip(reads, already, strict=True):
            refused.update(by_reason(read.refused, before))
    cells = pl.concat([_column(read.rows, name or ID) for read in reads])
    return Attribute(
        name=name,
        path=path,
        types=_types(paths, decoded),
        samples=_samples(cells, show),
        cells=len(cells),
        empty=cells.null_count(),
        refused=dict(refused),
    )


def _column(rows: pl.DataFrame, name: str) -> pl.Series:
    return rows[name].alias("") if name in rows.columns else pl.Series("", [None] * rows.height, pl.String)


def _samples(cells: pl.Series, show: Callable[[str], str]) -> list[str]:
    """Some of the newest values that differ in what is shown."""
    values = cells.drop_nulls().reverse().unique(maintain_order=True).head(_LOOKED_AT)
    return list(dict.fromkeys(map(show, values)))[:SAMPLES]


def _names(reads: Sequence[Read]) -> list[str]:
    names = (name for read in reads for name in read.rows.columns if name not in {ROW, *KEYS})
    return list(dict.fromkeys(names))


def _before(changes: Changes) -> set[int]:
    """The records that are refused before a mapping sees them."""
    return set(changes.unreadable[ROW])


def _rows(refused: Sequence[pl.DataFrame]) -> set[int]:
    return {row for frame in refused for row in frame[ROW]}


def by_reason(refused: Sequence[pl.DataFrame], without: set[int] | None = None) -> Counter[str]:
    """Count dead letters by reason, each record once; `without` are left out, and deletes with them."""
    if not refused:
        return Counter()
    once = pl.concat(frame.select(ROW, "reason") for frame in refused).unique(ROW, keep="first", maintain_order=True)
    if without is not None:
        once = once.filter(~pl.col(ROW).is_in([*without]) & ~pl.col("reason").is_in([*_OF_DELETES]))
    return Counter(once["reason"].to_list())


def _types(paths: Sequence[str], decoded: Sequence[Decoded]) -> list[str]:
    frames = [frame.schema for one in decoded for frame in one.changes.frames]
    return list(dict.fromkeys(avro(frame[path]) for path in paths for frame in frames if path in frame))


def avro(dtype: pl.DataType) -> str:
    """Name the Avro type whose column has this type; several may have the same, as an enum is a string here."""
    match dtype:
        case pl.Datetime(time_unit=unit, time_zone=zone):
            return f"{'' if zone else 'local-'}timestamp-{_UNITS[unit]}"
        case pl.Decimal(precision=precision, scale=scale):
            return f"decimal({precision},{scale})"
        case pl.List(inner=inner):
            return f"array of {avro(inner)}"  # type: ignore[arg-type]
        case pl.Struct(fields=fields):
            return f"record or union of {', '.join(field.name for field in fields)}"
    return next((name for kind, name in _AVRO if isinstance(dtype, kind)), str(dtype))
