"""`where:` and `value:` on the whole road, and nothing of what they looked at in what is told."""

from __future__ import annotations

import hashlib
import io
import struct
from typing import TYPE_CHECKING, Any

import fastavro

from connector.records import Reason
from connector.telemetry import Part
from tests.embedded.road import Watcher, road, until

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Customer",
    "fields": [
        {"name": "email", "type": ["null", "string"], "default": None},
        {"name": "consent", "type": "boolean"},
        {"name": "code", "type": ["null", "string"], "default": None},
        {"name": "born", "type": ["null", {"type": "int", "logicalType": "date"}], "default": None},
    ],
}
OLDER = SCHEMA | {"fields": SCHEMA["fields"][:3]}
OTHER = SCHEMA | {"fields": [{"name": "code", "type": "long"}, *SCHEMA["fields"][:2], SCHEMA["fields"][3]]}
SOURCE: dict[str, Any] = {
    "sources__where": "consent AND coalesce(code, '') <> 'test'",
    "sources__id": {"value": "sha256(lower(trim(email)))"},
    "sources__attributes": {
        "segment": {"value": "CASE code WHEN 'A' THEN 'gold' WHEN 'B' THEN 'silver' ELSE 'none' END"},
        "birthday": {"value": "strftime(born, '%d.%m.')"},
        "source": {"value": "'crm'"},
    },
}


class Skips(Watcher):
    """Counts what was left out."""

    def __init__(self) -> None:
        super().__init__()
        self.skips: dict[str, int] = {}

    def skipped(self, why: str, count: int) -> None:
        self.skips[why] = self.skips.get(why, 0) + count


def value(schema_id: int, schema: dict[str, Any], **fields: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(dict(schema)), fields)
    return b"\0" + struct.pack(">I", schema_id) + out.getvalue()


def hashed(email: str) -> str:
    return hashlib.sha256(email.encode()).hexdigest()


async def test_only_what_counts_arrives_and_as_the_expressions_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of two versions of a schema; the rest is counted, committed, and no reason for a call; a third version blocks."""
    async with road(tmp_path) as it:
        older, newer = await it.register(OLDER), await it.register(SCHEMA)
        it.produce_raw(value(older, OLDER, email=" Planted-1@Example.com ", consent=True, code="A"))
        it.produce_raw(value(newer, SCHEMA, email="planted-2@example.com", consent=True, code="PLANTED", born=3_712))
        it.produce_raw(value(newer, SCHEMA, email="planted-3@example.com", consent=False, code="A", born=0))
        it.produce_raw(value(newer, SCHEMA, email="planted-4@example.com", consent=True, code="test", born=0))
        it.produce_raw(value(newer, SCHEMA, email=None, consent=True, code="B", born=0))
        expected = {
            hashed("planted-1@example.com"): {"segment": "gold", "source": "crm"},
            hashed("planted-2@example.com"): {"segment": "none", "source": "crm", "birthday": "01.03."},
        }
        async with it.watched(Skips(), **SOURCE) as member:
            await until(lambda: dict(it.simulator.profiles) == expected)
            await until(lambda: it.committed() == 5)
            assert isinstance(member, Skips)
            assert member.skips == {"filtered": 2}
            assert member.dead == {Reason.ID_MISSING: 1}
            calls = len(member.outcomes)
            it.produce_raw(value(newer, SCHEMA, email="planted-5", consent=False, code="A", born=0), times=3)
            await until(lambda: it.committed() == 8)
            assert (member.skips, len(member.outcomes)) == ({"filtered": 5}, calls)
            it.produce_raw(value(await it.register(OTHER), OTHER, code=5, email="planted-6", consent=True, born=None))
            await until(lambda: "`code` is a number" in member.troubles.get(Part.PIPELINE, ""))
            assert "where: character" in member.troubles[Part.PIPELINE]
        assert it.committed() == 8
    told = "".join(capsys.readouterr()).lower()
    assert "batch_accepted" in told
    assert "planted" not in told
    assert not any(one in told for one in expected)
