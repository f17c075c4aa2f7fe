from __future__ import annotations

from typing import get_args

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from connector.profiles.mapping import Mapping, UnsafeText
from connector.records import ASSIGNMENT, ID, OFFSET, ROW
from connector.simulator.body import Decode, Refusal, RefusedError, parse
from connector.target.encoding import Encoder
from tests.lines import body, lined

encode = Encoder().encode
SEPARATORS = set(",\r\n")

# Half of the texts are made of what has ended cells, rows, parameters and escapes before.
TEXT = st.text(st.sampled_from(",\r\n&=+%#;\"' \t\x00\x85\u2028é한👩🚀a0"), max_size=8) | st.text(max_size=8)
CELLS = st.tuples(st.none() | TEXT, st.none() | TEXT)
RECORDS = st.lists(st.tuples(TEXT, CELLS), unique_by=lambda record: record[0], min_size=1, max_size=6)
Records = list[tuple[str, tuple[str | None, str | None]]]
NAMES = {"A": "x", "Größe & Maß": "y"}


def rows(records: Records, policy: UnsafeText) -> pl.DataFrame:
    """Rows as they go into the body, by way of the mapping and its policy; never none."""
    changes = pl.DataFrame(
        [(number, 0, 0, one, *cells) for number, (one, cells) in enumerate(records)],
        schema={ROW: pl.UInt32, ASSIGNMENT: pl.UInt32, OFFSET: pl.Int64} | dict.fromkeys(["id", "x", "y"], pl.String),
        orient="row",
    )
    mapped = Mapping("id", NAMES, policy).rows(changes).rows.drop(ROW, ASSIGNMENT, OFFSET)
    assume(not mapped.is_empty())
    return mapped


def profiles(mapped: pl.DataFrame) -> dict[str, dict[str, str]]:
    held = {row.pop(ID): row for row in mapped.to_dicts()}
    return {one: {name: cell for name, cell in row.items() if cell is not None} for one, row in held.items()}


@pytest.mark.parametrize("policy", [UnsafeText.DEAD_LETTER, UnsafeText.REPLACE])
@pytest.mark.parametrize("reading", get_args(Decode))
@settings(max_examples=80)
@given(records=RECORDS)
def test_what_the_policy_lets_through_reads_back_under_every_reading(
    records: Records, reading: Decode, policy: UnsafeText
) -> None:
    """Whether Target decodes before or after it splits, every cell comes back the same, under its own name and id."""
    mapped = rows(records, policy)
    assert parse(body(lined(encode(mapped)), "thirdPartyId"), reading).rows == profiles(mapped)


@settings(max_examples=80)
@given(RECORDS)
def test_separators_read_back_where_target_splits_first(records: Records) -> None:
    """With `encode`, even commas and line ends come back the same if Target decodes after it splits."""
    mapped = rows(records, UnsafeText.ENCODE)
    assert parse(body(lined(encode(mapped)), "thirdPartyId"), "after-split").rows == profiles(mapped)


@settings(max_examples=80)
@given(RECORDS)
def test_a_strict_target_refuses_only_what_encode_lets_through(records: Records) -> None:
    """With `encode`, a body is ambiguous exactly where a cell holds a separator: the policy names the whole risk."""
    mapped = rows(records, UnsafeText.ENCODE)
    data = body(lined(encode(mapped)), "thirdPartyId")
    if SEPARATORS & set("".join(cell for row in profiles(mapped).values() for cell in row.values())):
        with pytest.raises(RefusedError) as caught:
            parse(data, "strict")
        assert caught.value.reason is Refusal.HIDDEN_SEPARATOR
    else:
        assert parse(data, "strict").rows == profiles(mapped)
