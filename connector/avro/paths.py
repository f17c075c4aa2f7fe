"""Where in a record a path leads: dotted paths of field names, found in a schema by name or alias.

A mapping is written once, for one schema; records of older and newer ones call some of its fields by other names, which
the newest schema's aliases tie together. Called by `decoder`, once per schema. No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connector.avro.schema import Field, Type


@dataclass(frozen=True, slots=True)
class Column:
    """What a path leads to in one schema.

    Attributes:
        path: as the mapping spells it.
        steps: the keys to follow through a datum; a step that is missing, or null on the way, means null.
        type: of what is found; its `dtype` is None where it is recursive, and it may be a whole record.
    """

    path: str
    steps: Sequence[str]
    type: Type


def find(path: str, writer: Type, newest: Type | None = None) -> Column | None:
    """Follow a path through records, nullable records and unions with exactly one record among their branches.

    Args:
        path: names joined by dots, such as `address.city`.
        writer: the record to find it in.
        newest: the record whose aliases count: where the writer's record lacks a name, the first of the names that
            the newest field called so, by name or by alias, goes by, and the writer's record has, stands for it.

    Returns:
        The column, or None where the writer's record has no such field.
    """
    steps: list[str] = []
    at = writer
    for name in path.split("."):
        declared = _field(newest, name) or _renamed(newest, name)
        names = (name, declared.name, *declared.aliases) if declared else (name,)
        field = next((found for candidate in names if (found := _field(at, candidate))), None)
        if field is None:
            return None
        steps += [at.branch, field.name] if at.branch else [field.name]
        at, newest = field.type, declared.type if declared else None
    return Column(path, tuple(steps), at)


def leaves(writer: Type, newest: Type | None = None) -> Iterator[Column]:
    """Give every field that is no record, records flattened with dots, in the schema's order.

    Arrays, maps and unions of several types are leaves. Recursive fields are left out. A field that the newest record
    knows by another name is called by that name.
    """
    return (column for column in reachable(writer, newest, through_branches=False) if column.type.fields is None)


def reachable(
    writer: Type, newest: Type | None = None, *, through_branches: bool = True, above: Column | None = None
) -> Iterator[Column]:
    """Give every path that `find` finds by name, records before their fields; a recursive field is left out.

    Args:
        writer: the record to look through.
        newest: see `leaves`.
        through_branches: whether to go on into the only record among the branches of a union of several types.
            If not, such a union is given as something without fields.
        above: where the record was found; None at the top.
    """
    prefix, before = (f"{above.path}.", above.steps) if above else ("", ())
    inward = [*before, writer.branch] if writer.branch else before
    names = _newest_names(writer, newest)
    for field in (writer.fields or {}).values():
        name = names.get(field.name, field.name)
        found = field.type
        if found.branch and not through_branches:
            found = replace(found, fields=None, branch=None)
        if found.dtype is None and found.fields is None:
            continue
        column = Column(f"{prefix}{name}", (*inward, field.name), found)
        if found.dtype is not None:
            yield column
        declared = _field(newest, name)
        yield from reachable(
            found, declared.type if declared else None, through_branches=through_branches, above=column
        )


def _field(record: Type | None, name: str) -> Field | None:
    return record.fields.get(name) if record is not None and record.fields is not None else None


def _renamed(record: Type | None, old: str) -> Field | None:
    """The field that once was called so."""
    fields = record.fields if record is not None else None
    return next((field for field in (fields or {}).values() if old in field.aliases), None)


def _newest_names(writer: Type, newest: Type | None) -> Mapping[str, str]:
    """Map the writer's names of fields that the newest record calls otherwise to the newest names."""
    renamed: dict[str, str] = {}
    for declared in (newest.fields or {}).values() if newest else ():
        old = next((alias for alias in declared.aliases if _field(writer, alias)), None)
        if old is not None and _field(writer, declared.name) is None and _field(newest, old) is None:
            renamed[old] = declared.name
    return renamed
