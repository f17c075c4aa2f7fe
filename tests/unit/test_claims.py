"""Which source gives which attribute."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from connector.profiles.claims import Claims
from connector.profiles.mapping import Mapping
from connector.profiles.stand_ins import StandIns
from connector.service.check import schema_side
from connector.service.check.findings import State
from connector.service.settings import Settings
from tests.changes import changed
from tests.system.command import minimal

if TYPE_CHECKING:
    from pathlib import Path


def test_a_name_that_another_source_has_is_told_with_both() -> None:
    """Each such name is one line that names both sources; a source's own names, given again, are none."""
    claims = Claims()
    claims.take(0, ["tier", "city"])
    claims.take(0, ["tier"])
    assert list(claims.clashes(0, ["tier", "city", "phone"])) == []
    told = list(claims.clashes(2, ["phone", "city", "tier"]))
    assert [line.split(";")[0] for line in told] == [
        "attribute city is written by sources[0] and sources[2]",
        "attribute tier is written by sources[0] and sources[2]",
    ]
    assert len(claims) == 2


def test_who_came_first_keeps_a_name() -> None:
    """What is taken a second time stays with the first, so that later lines name it."""
    claims = Claims()
    claims.take(0, ["tier"])
    claims.take(1, ["tier"])
    assert len(list(claims.clashes(1, ["tier"]))) == 1


def test_what_deletes_send_is_claimed_too() -> None:
    """An attribute of `deleted` is written, though no field of the schema becomes it."""
    mapping = Mapping("id", None, stand_ins=StandIns(deleted={"status": "gone"}))
    assert list(mapping.names(dict.fromkeys(["id", "tier"]))) == ["tier", "status"]  # type: ignore[arg-type]


def basket_file(folder: Path, name: str, *fields: str) -> dict[str, Any]:
    """A source of a schema in a file, all of whose fields it sends."""
    file = folder / f"{name}.avsc"
    held = [{"name": field, "type": "string"} for field in ("customer_id", *fields)]
    file.write_text(json.dumps({"type": "record", "name": name, "fields": held}))
    source = {"framing": "plain", "schema_file": str(file), "id": "customer_id", "attributes": "all"}
    return {"topics": [f"topic.{name}"], **source}


async def test_a_check_finds_what_two_schemas_bring(tmp_path: Path) -> None:
    """Where sources take all fields, a name of two of them is wrong before the service is started."""
    sources = [basket_file(tmp_path, "crm", "city", "tier"), basket_file(tmp_path, "pos", "store", "city")]
    given = Settings.model_validate(changed(minimal(), {"sources": sources}))
    found = await schema_side.look(given, ["topic.crm", "topic.pos"])
    assert [one.state for one in found] == [State.WELL, State.WELL, State.WRONG]
    assert "topic topic.pos: attribute city is written by sources[0] and sources[1]" in found[2].text
