"""The dead-letter office: refused rows become the records they were made of, and the brake comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from connector import dead_letter_office
from connector.dead_letter_office import DeadLetterOffice
from connector.errors import BlockedError
from connector.kafka.brake import Brake, BrakeLimits
from connector.kafka.reread import Gone
from connector.profiles.window import Batch
from connector.records import ASSIGNMENT, ID, OFFSET, ROW, Assignment, DeadLetter, Partition, Reason, Span
from connector.target.delivery import Delivered, Refused
from connector.telemetry import Part, Silent

if TYPE_CHECKING:
    from collections.abc import Sequence

P0, P1 = Partition("crm", 0), Partition("crm", 1)
BATCH = Batch(
    feeds=(),
    trail=pl.DataFrame({ID: ["a", "b", "a"], ASSIGNMENT: [1, 1, 2], OFFSET: [10, 11, 7]}),
    spans=(Span(Assignment(1, P0), 10, 12), Span(Assignment(2, P1), 7, 8)),
    opened_at=0.0,
)


class Kept:
    """Dead letters in a list."""

    def __init__(self) -> None:
        self.letters: list[DeadLetter] = []

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        self.letters += letters


class Troubles(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str | None] = []

    def trouble(self, part: Part, text: str | None) -> None:
        assert part is Part.DEAD_LETTERS
        self.said.append(text)


def refused(profile_id: str) -> Delivered:
    row = pl.DataFrame({ID: [profile_id], "tier": ["gold"]})
    return Delivered(refused=[Refused(row, "HTTP 200, success=false: no such tier gold")])


async def test_a_refused_row_is_traced_to_all_its_records() -> None:
    """Every record of the batch that the row was made of becomes a letter, with what Target said."""
    kept = Kept()
    office = DeadLetterOffice(kept, Brake(BrakeLimits()), lambda at: [Gone(*one) for one in at], Silent())
    await office.store_rows(refused("a"), BATCH)
    assert [(one.record.partition(), one.record.offset()) for one in kept.letters] == [(0, 10), (1, 7)]
    assert {one.reason for one in kept.letters} == {Reason.REFUSED}
    assert {one.detail for one in kept.letters} == {"HTTP 200, success=false: no such tier gold"}


async def test_records_are_asked_for_until_the_brokers_give_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brokers that do not answer are waited for, and said so, instead of ending the process."""
    monkeypatch.setattr(dead_letter_office, "AGAIN_S", 0.0)
    answers: list[Any] = [TimeoutError("crm/0 did not give offset 11"), TimeoutError("crm/0"), None]

    def reread(positions: Sequence[tuple[Partition, int]]) -> list[Gone]:
        if (error := answers.pop(0)) is not None:
            raise error
        return [Gone(*one) for one in positions]

    kept, troubles = Kept(), Troubles()
    await DeadLetterOffice(kept, Brake(BrakeLimits()), reread, troubles).store_rows(refused("b"), BATCH)
    assert [one.record.offset() for one in kept.letters] == [11]
    assert troubles.said[0] is not None
    assert troubles.said[-1] is None


async def test_the_brake_comes_before_the_topic() -> None:
    """When there are too many, none is stored, and the text says where and why, not what."""
    kept = Kept()
    office = DeadLetterOffice(kept, Brake(BrakeLimits(at_least=3)), lambda _: [], Silent())
    frame = pl.DataFrame({ROW: [0, 1, 2], "reason": ["unsafe_text"] * 3, "detail": ["a comma, CR or LF in city"] * 3})
    with pytest.raises(BlockedError, match=r"3 unsafe_text .*city.* crm/0 offsets 0 to 2;") as blocked:
        await office.store_records(3, [frame], [Gone(P0, n) for n in range(3)])
    assert kept.letters == []
    assert "\n" not in str(blocked.value)


async def test_letters_by_policy_do_not_brake() -> None:
    """Tombstones that the settings send to the dead letters are no sign of a mistake."""
    kept = Kept()
    office = DeadLetterOffice(kept, Brake(BrakeLimits(at_least=3)), lambda _: [], Silent())
    frame = pl.DataFrame({ROW: [0, 1, 2], "reason": ["tombstone"] * 3, "detail": ["no value"] * 3})
    await office.store_records(3, [frame], [Gone(P0, n) for n in range(3)])
    assert len(kept.letters) == 3


async def test_targets_words_are_not_in_the_brakes_text() -> None:
    """They may repeat a value; the letters have them."""
    office = DeadLetterOffice(Kept(), Brake(BrakeLimits(at_least=1)), lambda at: [Gone(*one) for one in at], Silent())
    with pytest.raises(BlockedError) as blocked:
        await office.store_rows(refused("b"), BATCH)
    assert "gold" not in str(blocked.value)
    assert "1 refused (a row with tier: 1); at crm/0 offset 11" in str(blocked.value)


async def test_a_tripped_brake_says_every_reason_and_place() -> None:
    """Reasons with their counts and columns, each partition with its first and last offset, and both remedies."""
    office = DeadLetterOffice(Kept(), Brake(BrakeLimits(at_least=6)), lambda _: [], Silent())
    frame = pl.DataFrame(
        {
            ROW: [0, 1, 2],
            "reason": ["unsafe_text", "unsafe_text", "id_missing"],
            "detail": ["a comma, CR or LF in city", "a comma, CR or LF in street", "the id `key` is missing"],
        }
    )
    await office.store_records(3, [frame], [Gone(P0, 4), Gone(P0, 9), Gone(P1, 1)])
    with pytest.raises(BlockedError) as blocked:
        await office.store_records(3, [frame], [Gone(P0, 14), Gone(P1, 19), Gone(P1, 21)])
    text = str(blocked.value)
    assert "4 unsafe_text (a comma, CR or LF in city: 2, a comma, CR or LF in street: 2)" in text
    assert "2 id_missing (the id `key` is missing: 2)" in text
    assert "crm/0 offsets 4 to 14, crm/1 offsets 1 to 21" in text
    assert "correct the settings or the producer; unblocking lets these records become dead letters" in text


async def test_a_released_brake_lets_refused_rows_become_letters() -> None:
    """Whom a human has released, a batch that Target refuses in part does not stop again; the next one does."""
    kept = Kept()
    brake = Brake(BrakeLimits(at_least=1), released=3)
    office = DeadLetterOffice(kept, brake, lambda at: [Gone(*one) for one in at], Silent())
    await office.store_rows(refused("b"), BATCH)
    assert len(kept.letters) == 1
    with pytest.raises(BlockedError):
        await office.store_rows(refused("b"), BATCH)
