"""What is sent in place of nulls and deletes."""

from __future__ import annotations

import polars as pl
import pytest

from connector.profiles.mapping import Mapping
from connector.profiles.stand_ins import Counts, StandIns
from connector.records import ASSIGNMENT, DELETED, ID, OFFSET, ROW, absent

POSITIONS = {ROW: [0, 1, 2], ASSIGNMENT: [1, 1, 1], OFFSET: [5, 6, 7]}
CHANGES = pl.DataFrame(
    {
        **POSITIONS,
        "id": ["a", "b", "c"],
        "tier": ["gold", None, ""],
        "city": [None, None, "Graz"],
        absent("city"): [True, False, False],
    },
    schema_overrides={ROW: pl.UInt32, ASSIGNMENT: pl.UInt32},
)
ATTRIBUTES = {"tier": "tier", "city": "city", "phone": "phone"}


def cells(stand_ins: StandIns, changes: pl.DataFrame = CHANGES) -> tuple[list[tuple[str | None, ...]], Counts]:
    mapped = Mapping("id", ATTRIBUTES, stand_ins=stand_ins).rows(changes)
    return mapped.rows.drop(ROW, ASSIGNMENT, OFFSET, ID).rows(), mapped.counts


@pytest.mark.parametrize(
    ("stand_ins", "expected", "counts"),
    [
        pytest.param(
            StandIns(), [("gold", None, None), (None, None, None), (None, "Graz", None)], Counts(0, 3, 0), id="left"
        ),
        pytest.param(
            StandIns(others_take=True),
            [("gold", None, None), ("NONE", "NONE", None), ("NONE", "Graz", None)],
            Counts(0, 0, 3),
            id="sent",
        ),
        pytest.param(
            StandIns(sentinel="-", takes={"city": True}),
            [("gold", None, None), (None, "-", None), (None, "Graz", None)],
            Counts(0, 2, 1),
            id="sent for one attribute",
        ),
        pytest.param(
            StandIns(takes={"city": False}, others_take=True),
            [("gold", None, None), ("NONE", None, None), ("NONE", "Graz", None)],
            Counts(0, 1, 2),
            id="sent for all but one",
        ),
    ],
)
def test_a_null_that_was_said_is_left_or_sent(
    stand_ins: StandIns, expected: list[tuple[str | None, ...]], counts: Counts
) -> None:
    """Null and empty text are one; what is absent, or no field of the writer, is never sent; each null is counted."""
    assert cells(stand_ins) == (expected, counts)


def test_a_delete_has_the_attributes_of_deleted_and_no_others() -> None:
    """Nothing that the deleted row still holds is sent, nor a sentinel for it; other rows have none of `deleted`."""
    changes = CHANGES.with_columns(pl.Series(DELETED, [False, True, True]))
    rows = Mapping("id", ATTRIBUTES, stand_ins=StandIns({"tier": "gone", "status": "off"}, others_take=True)).rows(
        changes
    )
    assert rows.rows.drop(ROW, ASSIGNMENT, OFFSET).to_dicts() == [
        {ID: "a", "tier": "gold", "city": None, "phone": None, "status": None},
        {ID: "b", "tier": "gone", "city": None, "phone": None, "status": "off"},
        {ID: "c", "tier": "gone", "city": None, "phone": None, "status": "off"},
    ]
    assert (rows.counts, rows.partial) == (Counts(2, 0, 0), True)


def test_refused_records_are_not_counted() -> None:
    """The figures are of rows that are sent."""
    changes = CHANGES.with_columns(pl.Series("id", ["a", "", "c"]))
    mapped = Mapping("id", ATTRIBUTES, stand_ins=StandIns(others_take=True)).rows(changes)
    assert (mapped.rows.height, mapped.counts) == (2, Counts(0, 0, 1))
