"""The dead-letter office: refused rows become the records they were made of, and the brake comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from connector import dead_letter_office
from connector.dead_letter_office import DeadLetterOffice
from connector.errors import BlockedError, BrakeError
from connector.kafka.brake import Brake, BrakeLimits
from connector.kafka.reread import Gone
from connector.profiles.batch import Batch
from connector.records import ASSIGNMENT, ID, OFFSET, ROW, Assignment, DeadLetter, Partition, Reason, Span
from connector.target.delivered import Delivered, Refused
from connector.telemetry import Part, Silent
from tests.lines import lined
from tests.troubles import Troubles

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


def refused(profile_id: str) -> Delivered:
    row = lined(pl.DataFrame({ID: [profile_id], "tier": ["gold"]}))
    return Delivered(refused=[Refused(row, "HTTP 200, success=false: no such tier gold")])


async def test_a_refused_row_is_traced_to_all_its_records() -> None:
    """Every record of the batch that the row was made of becomes a letter, with what Target said."""
    kept = Kept()
    office = DeadLetterOffice(kept, Brake(BrakeLimits()), lambda at: [Gone(*one) for one in at], Silent())
    await office.store_rows(refused("a"), BATCH)
    assert [(one.record.partition(), one.record.offset()) for one in kept.letters] == [(0, 10), (1, 7)]
    assert {one.reason for one in kept.letters} == {Reason.REFUSED}
    assert {one.detail for one in kept.letters} == {"HTTP 200, success=false: no such tier gold"}


ROWS = refused("a").refused


@pytest.mark.parametrize(
    ("done", "reason"),
    [
        (Delivered(too_large=ROWS), Reason.ROW_TOO_LARGE),
        (Delivered(overweight=ROWS), Reason.PROFILE_TOO_LARGE),
    ],
    ids=["of a batch", "of a profile"],
)
async def test_a_row_over_a_limit_has_that_reason(done: Delivered, reason: Reason) -> None:
    """Its records become letters as those of a refused row do, and say which limit it was."""
    kept = Kept()
    office = DeadLetterOffice(kept, Brake(BrakeLimits()), lambda at: [Gone(*one) for one in at], Silent())
    await office.store_rows(done, BATCH)
    assert [(one.reason, one.record.offset()) for one in kept.letters] == [(reason, 10), (reason, 7)]
    assert {one.stage for one in kept.letters} == {"TASK_PUT"}


async def test_records_are_asked_for_until_the_brokers_give_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brokers that do not answer are waited for, and said so, instead of ending the process."""
    monkeypatch.setattr(dead_letter_office, "AGAIN_S", 0.0)
    answers: list[Any] = [TimeoutError("crm/0 did not give offset 11"), TimeoutError("crm/0"), None]

    def reread(positions: Sequence[tuple[Partition, int]]) -> list[Gone]:
        if (error := answers.pop(0)) is not None:
            raise error
        return [Gone(*one) for one in positions]

    kept, troubles = Kept(), Troubles(Part.DEAD_LETTERS)
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


def crowd(count: int, first_bad: int) -> tuple[Batch, Delivered]:
    """A batch of so many profiles of two records each, of which the last ones are refused."""
    ids = [f"{number:05d}" for number in range(count)]
    trail = pl.DataFrame(
        {ID: [*ids, *ids], ASSIGNMENT: [1] * 2 * count, OFFSET: range(2 * count)}, schema_overrides={OFFSET: pl.Int64}
    )
    batch = Batch(feeds=(), trail=trail, spans=(Span(Assignment(1, P0), 0, 2 * count),), opened_at=0.0)
    bad = [Refused(lined(pl.DataFrame({ID: [one], "tier": ["gold"]})), "no") for one in ids[first_bad:]]
    return batch, Delivered(given=count, rows=first_bad, refused=bad)


def never(positions: Sequence[tuple[Partition, int]]) -> list[Gone]:
    raise AssertionError(positions)


async def test_the_brake_is_asked_before_anything_is_read_again() -> None:
    """What trips it is counted from the batch's own trail; reading thousands of records first would take hours."""
    batch, done = crowd(1_000, 900)
    with pytest.raises(BlockedError, match=r"200 refused \(a row with tier: 200\); at crm/0 offsets 900 to 1999;"):
        await DeadLetterOffice(Kept(), Brake(BrakeLimits()), never, Silent()).store_rows(done, batch)


def test_a_search_is_stopped_once_the_brake_would_trip() -> None:
    """Two percent of a large batch: known after the first hundreds of rows, and told with reasons and places."""
    brake = Brake(BrakeLimits())
    brake.trips(10_000, 0)
    office = DeadLetterOffice(Kept(), brake, never, Silent())
    batch, done = crowd(50_000, 49_900)
    done.rows = 4_900  # as far as the search is: 5,000 rows of 10,000 records
    few = Delivered(given=50_000, rows=4_950, refused=done.refused[:50])
    office.look(batch, few)  # 100 records of 10,000
    with pytest.raises(BlockedError, match="too many dead letters; of the last 200: 200 refused"):
        office.look(batch, done)
    few.rows = 49_950
    office.look(batch, few)
    assert not brake.trips_on_batch(10_000, 100)  # it was asked only


def test_a_few_refused_rows_of_a_large_batch_do_not_stop_its_search() -> None:
    """0.1 % of a batch, found along the way, is no reason to stop."""
    brake = Brake(BrakeLimits())
    brake.trips(10_000, 0)
    office = DeadLetterOffice(Kept(), brake, never, Silent())
    batch, done = crowd(60_000, 59_940)
    for found in range(1, 61):
        office.look(batch, Delivered(given=60_000, rows=found * 999, refused=done.refused[:found]))


@pytest.mark.parametrize("released", [0, 1])
async def test_few_rows_do_not_become_letters_while_target_took_nothing_at_all(released: int) -> None:
    """In a life in which Target accepted nothing the settings may be wrong; a human who unblocks has decided."""
    kept = Kept()
    done = refused("b")
    done.given, done.trusted = 1, False
    brake = Brake(BrakeLimits(), released=released)
    office = DeadLetterOffice(kept, brake, lambda at: [Gone(*one) for one in at], Silent())
    if released:
        await office.store_rows(done, BATCH)
        assert len(kept.letters) == 1
        return
    with pytest.raises(
        BlockedError, match=r"Target refuses every row of a batch of 1, and accepted none before; check target\.client"
    ) as blocked:
        await office.store_rows(done, BATCH)
    assert "gold" not in str(blocked.value)
    assert kept.letters == []


@pytest.mark.parametrize("released", [0, 1], ids=["nobody unblocked", "a human unblocked"])
async def test_a_search_without_hope_ends_unless_the_records_are_known_to_be_bad(released: int) -> None:
    """Also where Target took rows before: a window may hold bad rows only, and only a human can tell."""
    office = DeadLetterOffice(Kept(), Brake(BrakeLimits(), released=released), lambda _at: [], Silent())
    done = refused("b")
    done.hopeless = "success=false"
    if released:
        office.look(BATCH, done)
        return
    with pytest.raises(BrakeError, match=r"refuses every row of a batch \(success=false\); check target\.client"):
        office.look(BATCH, done)


async def test_nothing_is_remembered_of_a_row_without_records() -> None:
    """A row whose records are not in the batch any more casts no suspicion on the others' letters."""
    kept = Kept()
    office = DeadLetterOffice(kept, Brake(BrakeLimits(at_least=2)), lambda at: [Gone(*one) for one in at], Silent())
    done = Delivered(refused=[*refused("b").refused, *refused("nobody").refused])
    await office.store_rows(done, BATCH)
    assert [one.record.offset() for one in kept.letters] == [11]
    with pytest.raises(BlockedError, match="of the last 2: 2 refused"):
        await office.store_rows(refused("b"), BATCH)


async def test_a_partition_that_began_anew_gives_no_other_record() -> None:
    """Where the old offset means another record now, the letter has only the position, and nothing is read there."""
    kept = Kept()
    asked: list[tuple[Partition, int]] = []

    def reread(positions: Sequence[tuple[Partition, int]]) -> list[Gone]:
        asked.extend(positions)
        return [Gone(*one) for one in positions]

    office = DeadLetterOffice(kept, Brake(BrakeLimits()), reread, Silent(), remade=lambda: frozenset({2}))
    await office.store_rows(refused("a"), BATCH)
    assert asked == [(P0, 10)]
    assert [(one.record.partition(), one.record.offset()) for one in kept.letters] == [(0, 10), (1, 7)]


async def test_a_held_reason_waits_for_a_human_and_then_passes() -> None:
    """A gap blocks where a setting says so, at the first one, naming kind and place; once released it is a letter."""
    kept, gap = Kept(), [pl.DataFrame({ROW: [0], "reason": ["gap"], "detail": ["the event says GAP_UPDATE"]})]
    holds = frozenset({Reason.GAP})
    office = DeadLetterOffice(kept, Brake(BrakeLimits(), holds=holds), lambda _: [], Silent())
    with pytest.raises(BrakeError, match=r"a setting says to block here: .*GAP_UPDATE: 1; at crm/0 offset 10; mend"):
        await office.store_records(1, gap, [Gone(P0, 10)])
    assert kept.letters == []
    released = DeadLetterOffice(kept, Brake(BrakeLimits(), 1, holds), lambda _: [], Silent())
    await released.store_records(1, gap, [Gone(P0, 10)])
    assert [one.reason for one in kept.letters] == [Reason.GAP]


@pytest.mark.parametrize("reason", [Reason.TOMBSTONE, Reason.DELETED, Reason.GAP])
async def test_what_a_setting_sends_to_the_letters_never_trips_the_brake(reason: Reason) -> None:
    """A nightly purge of the source is no misconfiguration of ours, however many deletes it brings."""
    kept, limits = Kept(), BrakeLimits(share=0.01, of=100, at_least=1)
    office = DeadLetterOffice(kept, Brake(limits), lambda _: [], Silent())
    ruled = pl.DataFrame({ROW: range(100), "reason": [reason.value] * 100, "detail": ["x"] * 100})
    await office.store_records(100, [ruled], [Gone(P0, offset) for offset in range(100)])
    assert len(kept.letters) == 100
