"""What a topic's newest records tell that its schema does not: how they are framed, and what their keys are.

`look` asks the brokers as no member of a group; the rest is pure. Only for a proposal, which says what it is made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from connector.avro import wire
from connector.avro.recognition import is_text, looks_like, recognise
from connector.avro.wire import Framing
from connector.errors import FatalError
from connector.kafka import sample
from connector.kafka.headers import pairs_of
from connector.kafka.ranges import Ranges
from connector.records import VALUE, Partition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector.records import Record

LOOKED_AT: Final = 100
KEY_ID: Final = "key"
_LINES: Final[Mapping[Framing, Sequence[str]]] = {
    Framing.CONFLUENT: ["framing: confluent  # or apicurio, whose ids of 4 bytes look the same"],
    Framing.CONFLUENT_HEADER: ["framing: confluent-header"],
    Framing.APICURIO_HEADER: ["framing: apicurio-header"],
    Framing.APICURIO_LONG: [
        "framing: apicurio",
        "apicurio_id: global  # or content: what the producer's apicurio.registry.use-id says",
        "apicurio_id_bytes: 8",
    ],
    Framing.GLUE: ["framing: glue"],
    Framing.SINGLE_OBJECT: ["framing: single-object"],
}
OF_FOLDER: Final = frozenset({Framing.GLUE, Framing.SINGLE_OBJECT})


@dataclass(frozen=True, slots=True)
class Looked:
    """What the newest records seem to be.

    Attributes:
        records: how many have a value.
        framing: of their values; None where none is seen, as with bare datums.
        like: what they look like instead, in words; None where like nothing.
        keys: `text`, or `confluent` where they are framed as Confluent's or Apicurio's; None where some are missing or
            of another kind.
        schema_key: of the schema that the last of the values names by Confluent's framing; None with another one.
        key_path: path of what seems to be the id within keys that are records; None where there is none.
    """

    records: int
    framing: Framing | None
    like: str | None
    keys: str | None
    schema_key: bytes | None = None
    key_path: str | None = None

    @property
    def key_id(self) -> str | None:
        """The path of an id in the key, as `id` of the settings takes it; None where the key holds none."""
        if self.keys == "text":
            return KEY_ID
        return None if self.key_path is None else f"{KEY_ID}.{self.key_path}"


def look(properties: Mapping[str, Any], topic: str) -> Looked:
    """Look at the newest records of a topic; blocks.

    Args:
        properties: the consumer's, secrets included.
        topic: which.

    Raises:
        FatalError: no broker answers, or the topic is not there or may not be read.
    """
    with Ranges(properties, name="init") as ranges:
        count = ranges.partitions().get(topic)
        if count is None:
            raise FatalError(f"no topic {topic} is there, or may be seen")
        bounds = ranges.bounds(Partition(topic, number) for number in range(count))
        return judge(sample.read(ranges, sample.newest(bounds, LOOKED_AT)).chunk.records)


def judge(records: Sequence[Record]) -> Looked:
    """Say what records seem to be."""
    valued = [one for one in records if one.value() is not None]
    values: list[bytes] = [one.value() for one in valued]
    headers = [dict(pairs_of(one) or ()) for one in valued]
    framing = recognise(values, headers) if values else None
    like = looks_like(values, headers) if values and framing is None else None
    return Looked(len(values), framing, like, _keys([one.key() for one in records]), _schema_key(framing, values))


def _schema_key(framing: Framing | None, values: Sequence[bytes]) -> bytes | None:
    if framing is not Framing.CONFLUENT:
        return None
    last = pl.DataFrame({VALUE: values[-1:]}, schema={VALUE: pl.Binary})
    key: bytes | None = wire.split(last, framing)[wire.SCHEMA][0]
    return key


def _keys(keys: Sequence[bytes | None]) -> str | None:
    given = [key for key in keys if key]
    if not given or len(given) < len(keys):
        return None
    if recognise(given, [{}] * len(given)) is Framing.CONFLUENT:
        return "confluent"
    if looks_like(given, [{}] * len(given)) is not None:
        return None
    return "text" if all(map(is_text, given)) else None


def framing_lines(looked: Looked | None) -> list[str]:
    """The lines of a source that say its framing, for schemas from the registry or a folder."""
    if looked is None:
        return ["framing: confluent  # a guess: no record was looked at (--bootstrap-servers); docs/framings.md"]
    if not looked.records:
        return ["framing: confluent  # a guess: the topic holds no record yet; docs/framings.md"]
    if looked.framing is None:
        like = "no framing that we know" if looked.like is None else looked.like.replace("`", "")
        return [f"framing: confluent  # a guess: the newest {looked.records} records look like {like}"]
    first, *rest = _LINES[looked.framing]
    seen = f"as the newest {looked.records} records look"
    return [f"{first}; {seen}" if "#" in first else f"{first}  # {seen}", *rest]
