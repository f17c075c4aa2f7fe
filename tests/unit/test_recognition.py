"""What records look like: said at `check` and with the brake's reason, and never without good cause."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.avro.recognition import looks_like
from connector.avro.wire import Framing
from connector.dead_letter_office import DeadLetterOffice
from connector.errors import BrakeError
from connector.kafka.brake import Brake, BrakeLimits
from connector.records import ROW, Reason
from connector.service.check.findings import State
from connector.service.check.framing_side import judge
from connector.telemetry import Silent
from tests.framings import golden, record, written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector.records import DeadLetter

FRAMINGS = [
    pytest.param("confluent", "", Framing.CONFLUENT, "`framing: confluent`, or", id="Confluent's"),
    pytest.param("confluent-header", "", Framing.CONFLUENT_HEADER, "confluent-header", id="Confluent's header"),
    pytest.param("apicurio", "", Framing.APICURIO, "or `apicurio` with an id of 4", id="Apicurio's"),
    pytest.param(
        "apicurio",
        "8 bytes, global id",
        Framing.APICURIO_GLOBAL_LONG,
        "`apicurio_id_bytes: 8`",
        id="its 8 bytes",
    ),
    pytest.param("apicurio-header", "content id", Framing.APICURIO_HEADER, "apicurio-header", id="Apicurio's header"),
    pytest.param("apicurio-header", "global id", Framing.APICURIO_HEADER, "apicurio-header", id="its global id"),
    pytest.param("glue", "", Framing.GLUE, "glue", id="Glue's"),
    pytest.param("glue", "zlib", Framing.GLUE, "glue", id="Glue's with zlib"),
    pytest.param("single-object", "", Framing.SINGLE_OBJECT, "single-object", id="Avro's"),
]


@pytest.mark.parametrize(("name", "form", "framing", "told"), FRAMINGS)
def test_each_framing_is_recognised_and_fits_itself(name: str, form: str, framing: Framing, told: str) -> None:
    """By the values that its own serializer wrote."""
    wrote = golden(name, form) * 10
    found = looks_like([one.value for one in wrote], [one.headers for one in wrote])
    assert found is not None
    assert told in found
    assert judge("crm", framing, written(name, form)).state is State.WELL


@pytest.mark.parametrize(("name", "form", "framing", "told"), FRAMINGS)
def test_a_wrong_framing_is_told_with_the_right_one(name: str, form: str, framing: Framing, told: str) -> None:
    """In one line, for whatever else the settings say; Confluent's and Apicurio's four bytes are the same."""
    records = written(name, form)
    for other in (Framing.CONFLUENT, Framing.APICURIO_HEADER, Framing.GLUE, Framing.SINGLE_OBJECT):
        if other is not framing and not (other is Framing.CONFLUENT and framing is Framing.APICURIO):
            found = judge("crm", other, records)
            assert (found.state, told in found.text) == (State.WRONG, True), (other, found.text)
    plain = judge("crm", Framing.PLAIN, records)
    assert (plain.state, told in plain.text) == (State.UNSURE, True)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        pytest.param([b'{"id": 1}', b" []"], "JSON, not Avro", id="JSON"),
        pytest.param([struct.pack(">bI", 0, 5) + b'{"id": 1}'], "Confluent's framing with JSON", id="JSON by a schema"),
        pytest.param([b"Obj\x01" + bytes(40)], "whole Avro files", id="container files"),
        pytest.param([b"\x06c-1\x02\x08gold", b"\x06c-2\x00"], None, id="bare datums"),
        pytest.param([struct.pack(">bI", 0, number) for number in range(1, 40)], None, id="as many ids as records"),
        pytest.param([b"", b"\x00", b"\x01"], None, id="next to nothing"),
        pytest.param([b"[" * 100_000], None, id="brackets without end"),
    ],
)
def test_what_is_no_framing_is_told_too(values: Sequence[bytes], told: str | None) -> None:
    """Or nothing is said, where nothing can be known."""
    found = looks_like(values, [{}] * len(values))
    assert found is None if told is None else found is not None and told in found


@given(st.lists(st.tuples(st.binary(max_size=30), st.dictionaries(st.text(max_size=3), st.binary())), min_size=1))
@settings(max_examples=50)
def test_no_bytes_break_it(records: list[tuple[bytes, dict[str, bytes]]]) -> None:
    """It is asked when things are wrong already."""
    looks_like([value for value, _ in records], [headers for _, headers in records])


def test_some_odd_records_are_told_as_such() -> None:
    """The framing is right, and what else is written there becomes dead letters."""
    found = judge("crm", Framing.CONFLUENT, [*written("confluent", ""), record(b"x")])
    assert (found.state, "1 of the newest 31 records" in found.text) == (State.UNSURE, True)


class Nowhere:
    """Takes no letter."""

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        """Must not be called."""
        raise AssertionError(len(letters))


@pytest.mark.parametrize("reason", [Reason.FRAMING, Reason.UNREADABLE, Reason.SCHEMA_UNKNOWN])
async def test_the_first_records_of_another_framing_block_with_its_name(reason: Reason) -> None:
    """Instead of becoming thousands of dead letters; nothing of what they hold is in the text."""
    records = written("glue", "zlib") * 10
    frame = pl.DataFrame({ROW: range(len(records)), "reason": reason.value, "detail": "d"})
    office = DeadLetterOffice(Nowhere(), Brake(BrakeLimits()), lambda _: [], Silent())
    with pytest.raises(BrakeError, match="these look like `framing: glue`; correct the settings") as said:
        await office.store_records(len(records), [frame], records)
    assert "c-1" not in str(said.value)


async def test_what_the_mapping_refused_is_not_looked_at() -> None:
    """Its framing was right."""
    records = written("glue", "") * 10
    frame = pl.DataFrame({ROW: range(len(records)), "reason": Reason.ID_MISSING.value, "detail": "d"})
    office = DeadLetterOffice(Nowhere(), Brake(BrakeLimits()), lambda _: [], Silent())
    with pytest.raises(BrakeError) as said:
        await office.store_records(len(records), [frame], records)
    assert "look like" not in str(said.value)
