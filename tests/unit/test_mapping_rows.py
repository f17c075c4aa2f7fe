from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import BlockedError
from connector.profiles.mapping import Mapped, Mapping, UnsafeText
from connector.records import ASSIGNMENT, ID, OFFSET, ROW, Reason

TIER_AND_CITY = Mapping("id", {"loyaltyTier": "tier", "city": "address.city"})


def changes(schema: dict[str, Any] | None = None, **columns: list[Any]) -> pl.DataFrame:
    height = len(next(iter(columns.values())))
    positions = {ROW: range(10, 10 + height), ASSIGNMENT: [7] * height, OFFSET: range(100, 100 + height)}
    dtypes = {ROW: pl.UInt32, ASSIGNMENT: pl.UInt32, OFFSET: pl.Int64}
    dotted = {name.replace("__", "."): values for name, values in columns.items()}
    return pl.DataFrame(positions | dotted, schema_overrides=dtypes | (schema or {}))


def refusals(mapped: Mapped) -> list[tuple[int, str]]:
    return list(mapped.refused.select(ROW, "reason").iter_rows())


def test_a_change_becomes_a_row_under_the_names_of_target() -> None:
    """Each attribute holds the text of its own path, in the mapping's order, beside the record's position."""
    mapped = TIER_AND_CITY.rows(changes(address__city=["Graz", None], id=[1, 2], tier=["gold", "basic"]))
    assert mapped.rows.to_dicts() == [
        {ROW: 10, ASSIGNMENT: 7, OFFSET: 100, ID: "1", "loyaltyTier": "gold", "city": "Graz"},
        {ROW: 11, ASSIGNMENT: 7, OFFSET: 101, ID: "2", "loyaltyTier": "basic", "city": None},
    ]
    assert mapped.rows.schema == {
        ROW: pl.UInt32, ASSIGNMENT: pl.UInt32, OFFSET: pl.Int64, ID: pl.String, "loyaltyTier": pl.String,
        "city": pl.String,
    }  # fmt: skip
    assert mapped.refused.schema == {ROW: pl.UInt32, "reason": pl.String, "detail": pl.String}


def test_no_changes_make_no_rows_of_the_same_types() -> None:
    """An empty frame passes through with the types of a full one."""
    full = changes(id=["a"], tier=["gold"], address__city=["Graz"])
    mapped = TIER_AND_CITY.rows(full.head(0))
    assert mapped.rows.schema == TIER_AND_CITY.rows(full).rows.schema
    assert mapped.rows.is_empty()
    assert mapped.refused.is_empty()


def test_all_takes_every_field_but_the_id() -> None:
    """With `all`, attributes are named by their paths and the id is not sent a second time."""
    mapped = Mapping("id", None).rows(changes(id=["a"], tier=["gold"], address__city=["Graz"]))
    assert mapped.rows.columns == [ROW, ASSIGNMENT, OFFSET, ID, "tier", "address.city"]


def test_a_field_that_the_writer_lacks_is_left_unchanged() -> None:
    """An older writer schema without the field gives null, which leaves Target's value as it is."""
    mapped = TIER_AND_CITY.rows(changes(id=["a"], tier=["gold"]))
    assert mapped.rows["city"].to_list() == [None]
    assert mapped.rows["city"].dtype == pl.String


def test_empty_text_is_null() -> None:
    """Empty text and null mean the same to Target, so they are the same from here on."""
    assert TIER_AND_CITY.rows(changes(id=["a"], tier=[""])).rows["loyaltyTier"].to_list() == [None]


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        pytest.param(None, Reason.ID_MISSING, id="null"),
        pytest.param("", Reason.ID_MISSING, id="empty"),
        pytest.param("é" * 129, Reason.ID_TOO_LONG, id="129 characters"),
        pytest.param("+4915112345", Reason.ID_FORBIDDEN, id="a plus sign"),
        pytest.param("a/b", Reason.ID_FORBIDDEN, id="a slash"),
        pytest.param("a,b", Reason.ID_FORBIDDEN, id="a comma"),
        pytest.param("a\r", Reason.ID_FORBIDDEN, id="a carriage return"),
        pytest.param("a\nb", Reason.ID_FORBIDDEN, id="a line feed"),
        pytest.param("a\x00b", Reason.ID_FORBIDDEN, id="a zero byte"),
        pytest.param("a\x85b", Reason.ID_FORBIDDEN, id="a control character beyond ASCII"),
    ],
)
@pytest.mark.parametrize("policy", UnsafeText)
def test_an_id_that_target_cannot_take_is_refused(held: str | None, reason: Reason, policy: UnsafeText) -> None:
    """Such a record never becomes a row, whatever the policy for text says; its neighbours do."""
    mapped = Mapping("id", {}, policy).rows(changes(id=["good", held, "fine"]))
    assert refusals(mapped) == [(11, reason)]
    assert mapped.rows[ID].to_list() == ["good", "fine"]
    assert "`id`" in mapped.refused["detail"][0]


@pytest.mark.parametrize("held", ["é" * 128, "a b", "a|b", "José", "%2B", "0"], ids=lambda held: held[:6])
def test_an_id_that_target_takes_is_left_as_it_is(held: str) -> None:
    """What is not forbidden is not touched."""
    assert Mapping("id", {}).rows(changes(id=[held])).rows[ID].to_list() == [held]


@pytest.mark.parametrize(
    ("schema", "held", "expected"),
    [
        pytest.param({"id": pl.Int64}, -7, "-7", id="a whole number"),
        pytest.param({"id": pl.Decimal(38, 0)}, 7, "7", id="a decimal without a fraction"),
        pytest.param({"id": pl.Struct({"?string": pl.String(), "?long": pl.Int64()})}, {"?long": 7}, "7", id="a union"),
    ],
)
def test_an_id_may_be_a_number(schema: dict[str, Any], held: object, expected: str) -> None:
    """Numbers without a fraction are ids in decimal digits."""
    assert Mapping("id", {}).rows(changes(schema, id=[held])).rows[ID].to_list() == [expected]


def test_unsafe_text_is_a_dead_letter_by_default() -> None:
    """A comma, CR or LF in any value refuses its record, naming every such attribute once and no value."""
    mapped = TIER_AND_CITY.rows(
        changes(id=["a", "b", "c", "d"], tier=["x,secret", "x", "x\r", "x"], address__city=["y\n", "y", None, "y;"])
    )
    assert refusals(mapped) == [(10, Reason.UNSAFE_TEXT), (12, Reason.UNSAFE_TEXT)]
    assert mapped.rows[ID].to_list() == ["b", "d"]
    assert mapped.refused["detail"][0].endswith("in loyaltyTier, city")
    assert mapped.refused["detail"][1].endswith("in loyaltyTier")


def test_a_json_array_counts_as_unsafe_text() -> None:
    """The commas of JSON are commas: an array of two is refused, an array of one is not."""
    mapped = Mapping("id", {"tags": "tags"}).rows(changes(id=["a", "b"], tags=[["x", "y"], ["x"]]))
    assert refusals(mapped) == [(10, Reason.UNSAFE_TEXT)]
    assert mapped.rows["tags"].to_list() == ['["x"]']


def test_replace_makes_one_space_of_each_separator() -> None:
    """With `replace`, CR LF counts as one separator and nothing else changes."""
    mapped = Mapping("id", {"t": "t"}, UnsafeText.REPLACE).rows(changes(id=["a"], t=["a,b\r\nc\rd\n\n,e; f"]))
    assert mapped.rows["t"].to_list() == ["a b c d   e; f"]


def test_encode_lets_separators_through() -> None:
    """With `encode`, the text goes on as it is."""
    mapped = Mapping("id", {"t": "t"}, UnsafeText.ENCODE).rows(changes(id=["a"], t=["a,b\r\nc"]))
    assert mapped.rows["t"].to_list() == ["a,b\r\nc"]


def test_a_record_is_refused_once() -> None:
    """A record with several faults is one dead letter, and a bad id comes first."""
    mapped = Mapping("id", {"t": "t"}).rows(changes(id=["/" * 200, ""], t=["a,b", ","]))
    assert refusals(mapped) == [(10, Reason.ID_TOO_LONG), (11, Reason.ID_MISSING)]


@pytest.mark.parametrize(
    ("mapping", "frame", "text"),
    [
        pytest.param(Mapping("uid", {}), changes(id=["a"]), "no field `uid`", id="the writer schema lacks the id"),
        pytest.param(Mapping("id", {}), changes(id=[1.5]), "an id must be text", id="the id is a fraction now"),
        pytest.param(Mapping("id", {"t": "t"}), changes(id=["a"], t=[b"x"]), "holds bytes", id="bytes"),
        pytest.param(Mapping("id", {"t": "t"}), changes(id=["a"], t=[{"c": 1}]), "is a record", id="a record"),
        pytest.param(Mapping("id", None), changes(id=["a"], mboxPC=["x"]), "Target's own", id="all, a new bad name"),
    ],
)
def test_a_schema_that_does_not_fit_blocks(mapping: Mapping, frame: pl.DataFrame, text: str) -> None:
    """A mapping that does not fit a schema at run time stops the service; records are not skipped."""
    with pytest.raises(BlockedError, match=f"topic crm: .*{text}"):
        mapping.rows(frame, "topic crm")


IDS = st.none() | st.text(max_size=140)
CELLS = st.none() | st.text(max_size=12)


@settings(max_examples=120)
@given(st.lists(st.tuples(IDS, CELLS, CELLS), min_size=1, max_size=8), st.sampled_from(UnsafeText))
def test_every_record_is_a_row_or_refused(records: list[tuple[Any, Any, Any]], policy: UnsafeText) -> None:
    """No record is lost or doubled: each is a row with its own cells, or refused once with a known reason."""
    ids, first, second = (list(column) for column in zip(*records, strict=True))
    schema = {"id": pl.String, "x": pl.String, "y": pl.String}
    mapped = Mapping("id", {"A": "x", "B": "y"}, policy).rows(changes(schema, id=ids, x=first, y=second))
    assert sorted([*mapped.rows[ROW], *mapped.refused[ROW]]) == list(range(10, 10 + len(records)))
    assert all(Reason(code) for code in mapped.refused["reason"])
    for row in mapped.rows.iter_rows(named=True):
        given_id, *cells = records[row[ROW] - 10]
        assert row[ID] == given_id
        if policy is not UnsafeText.REPLACE:
            assert [row["A"], row["B"]] == [cell or None for cell in cells]
        if policy is not UnsafeText.ENCODE:
            assert not set("".join([row["A"] or "", row["B"] or ""])) & set(",\r\n")
