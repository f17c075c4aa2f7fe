"""`check` looks at the keys of records where a source finds ids in them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from connector.service.check.findings import State
from connector.service.check.key_side import judge
from connector.service.settings import Settings
from tests.changes import changed
from tests.system.command import minimal

if TYPE_CHECKING:
    from connector.service.sources import SourceSettings

FRAMED = struct.pack(">bI", 0, 5) + b"\x06c-1"
LONG = struct.pack(">bq", 0, 5) + b"\x06c-1"
IN_KEY = {"sources__key_framing": "text", "sources__id": "key"}
IN_AVRO = {"sources__key_framing": "confluent", "sources__id": "key.id"}
IN_APICURIO = {"sources__key_framing": "apicurio", "sources__id": "key.id", "sources__apicurio_id_bytes": 8}
OF_DELETES = {"sources__key_framing": "text", "sources__on_delete": "send", "sources__deleted": {"status": "gone"}}


@dataclass
class Keyed:
    """A record of which only the key matters, and whether it has a value."""

    its_key: bytes | None
    its_value: bytes | None = b"value"

    def key(self) -> bytes | None:
        return self.its_key

    def value(self) -> bytes | None:
        return self.its_value


def source(changes: dict[str, Any]) -> SourceSettings:
    return Settings.model_validate(changed(minimal(), changes)).sources[0]


@pytest.mark.parametrize(
    ("changes", "keys", "state", "told"),
    [
        pytest.param(IN_KEY, [b"c-1", b"c-2"], State.WELL, "the newest 2 records of crm are text", id="text"),
        pytest.param(IN_KEY, [b"\xff", b"\xfe"], State.WRONG, "are not text; they look like no", id="no text at all"),
        pytest.param(IN_KEY, [b"c-1", b"\xfe"], State.UNSURE, "1 keys of the newest 2", id="some are no text"),
        pytest.param(IN_KEY, [FRAMED] * 2, State.WRONG, "look like `key_framing: confluent`", id="Avro, not text"),
        pytest.param(IN_KEY, ["c\xa01".encode()], State.WELL, "are text", id="a space that does not break"),
        pytest.param(IN_KEY, [b'{"id": 1}'], State.UNSURE, "look like JSON", id="JSON, not text"),
        pytest.param(IN_KEY, [None, None], State.WRONG, "are missing", id="no keys"),
        pytest.param(
            IN_KEY, [b"c-1", None], State.UNSURE, "1 of the newest 2 records of crm have no key", id="some none"
        ),
        pytest.param(IN_AVRO, [FRAMED] * 2, State.WELL, "framed as confluent", id="Avro"),
        pytest.param(IN_AVRO, [b"c-1"], State.WRONG, "the newest record of crm are not framed", id="text, not Avro"),
        pytest.param(IN_AVRO, [FRAMED, b"c-1"], State.UNSURE, "1 keys of the newest 2", id="some are not framed"),
        pytest.param(IN_APICURIO, [LONG] * 2, State.WELL, "framed as apicurio, 8 bytes", id="Apicurio's eight bytes"),
    ],
)
def test_keys_are_held_against_their_framing(
    changes: dict[str, Any], keys: list[bytes | None], state: State, told: str
) -> None:
    """Wrong where none fits, with what they look like; not sure where some do not; never a key in the text."""
    found = judge("crm", source(changes), [Keyed(key) for key in keys])
    assert found is not None
    assert (found.name, found.state) == ("key framing", state)
    assert told in found.text
    assert "c-1" not in found.text
    assert (found.remedy is None) is (state is State.WELL)


def test_only_the_keys_that_are_read_matter() -> None:
    """With deletes alone in keys, those of the records without a value; the others only while there are none."""
    deletes = [Keyed(b"c-1", None)]
    others = [Keyed(b"\xff"), Keyed(None)]
    assert judge("crm", source({}), others) is None
    assert judge("crm", source(OF_DELETES), []) is None
    states = [getattr(judge("crm", source(OF_DELETES), some), "state", None) for some in ([*deletes, *others], others)]
    assert states == [State.WELL, State.WRONG]
