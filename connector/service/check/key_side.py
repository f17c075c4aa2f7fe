"""The keys of a topic's newest records against `key_framing`, where a source finds ids in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl

from connector.avro import wire
from connector.avro.recognition import is_text, looks_like
from connector.records import VALUE
from connector.service import framings
from connector.service.check.findings import Finding, State, unsure, well, wrong
from connector.service.schema_stores import key_framing_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector.service.sources import SourceSettings

_NAME: Final = "key framing"
_REMEDY: Final = "correct sources.key_framing (docs/framings.md), or what writes there"
_NO_KEY: Final = "let the producer write keys, or take the id from a field"


def judge(topic: str, source: SourceSettings, records: Sequence[Any]) -> Finding | None:
    """Say how the keys of records go with a source; None where it does not read them, or there are no records."""
    in_key = framings.in_key(source)
    # Where only deletes have their ids in keys, those are looked at, and any others as long as there are none.
    read = records if in_key else [one for one in records if one.value() is None] or records
    if source.key_framing == framings.NONE or not read:
        return None
    keys = [key for one in read if (key := one.key()) is not None]
    some = f"the newest {len(read)} records of {topic}" if len(read) > 1 else f"the newest record of {topic}"
    if not keys:
        return (wrong if in_key else unsure)(_NAME, f"the keys of {some} are missing", _NO_KEY)
    found = _framed(some, source, keys)
    if found.state is State.WELL and in_key and len(keys) < len(read):
        return unsure(_NAME, f"{len(read) - len(keys)} of {some} have no key, so no id: dead letters", _NO_KEY)
    return found


def _framed(some: str, source: SourceSettings, keys: Sequence[bytes]) -> Finding:
    other, found = _strange(source, keys), looks_like(keys, [{}] * len(keys))
    seen = None if found is None else found.replace("`framing:", "`key_framing:")
    if other == len(keys):
        looks = "like no framing that we know" if seen is None else f"like {seen}"
        return wrong(_NAME, f"the keys of {some} are not {_meant(source)}; they look {looks}", _REMEDY)
    if other:
        return unsure(_NAME, f"{other} keys of {some} are not {_meant(source)}: dead letters", _REMEDY)
    if source.key_framing == framings.TEXT and seen is not None:
        return unsure(_NAME, f"the keys of {some} look like {seen}, and the source says text", _REMEDY)
    return well(_NAME, f"the keys of {some} are {_meant(source)}")


def _strange(source: SourceSettings, keys: Sequence[bytes]) -> int:
    """Count the keys that are not as the source says."""
    if source.key_framing == framings.TEXT:
        return sum(not is_text(key) for key in keys)
    framed = wire.split(pl.DataFrame({VALUE: keys}, schema={VALUE: pl.Binary}), key_framing_of(source))
    return framed[wire.SCHEMA].null_count()


def _meant(source: SourceSettings) -> str:
    return "text" if source.key_framing == framings.TEXT else f"framed as {key_framing_of(source)}"
