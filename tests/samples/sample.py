"""What a sample is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Event(NamedTuple):
    """One change event.

    Attributes:
        what: in words.
        datum: as fastavro takes it.
        becomes: rows of id (`#id`) and attributes, or the name of a reason, or why it is skipped.
    """

    what: str
    datum: dict[str, Any]
    becomes: Sequence[Mapping[str, str | None]] | str


@dataclass(frozen=True)
class Sample:
    """A schema and events of it.

    Attributes:
        name: of its files.
        schema: Avro.
        source: keys of the settings' source, topics and framing left out.
        events: at least one for each operation.
    """

    name: str
    schema: dict[str, Any]
    source: dict[str, Any]
    events: Sequence[Event]


def row(customer: str, **attributes: str | None) -> list[dict[str, str | None]]:
    """What an event becomes that is about one profile."""
    return [{"#id": customer, **attributes}]
