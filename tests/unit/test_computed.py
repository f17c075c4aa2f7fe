"""`where:` and `value:` in the mapping: which records count, and what rows hold that no field of the change holds."""

from __future__ import annotations

import hashlib
from typing import Any

import polars as pl
import pytest

from connector.errors import BlockedError, SettingError
from connector.profiles.expressions.expression import Expression
from connector.profiles.limits import LongValues
from connector.profiles.mapping import Mapped, Mapping, UnsafeText
from connector.profiles.stand_ins import Counts, StandIns
from connector.records import ASSIGNMENT, DELETED, ID, OFFSET, ROW, Reason, absent

DTYPES: dict[str, pl.DataType] = {
    "email": pl.String(),
    "tier": pl.String(),
    "points": pl.Int64(),
    "photo": pl.Binary(),
    "consent": pl.Boolean(),
    "address": pl.Struct({"city": pl.String()}),
    "address.city": pl.String(),
}


def changes(**columns: list[Any]) -> pl.DataFrame:
    height = len(next(iter(columns.values())))
    positions = {ROW: range(height), ASSIGNMENT: [7] * height, OFFSET: range(100, 100 + height)}
    named = {name.replace("__", "."): values for name, values in columns.items()}
    return pl.DataFrame(positions | named, schema_overrides={ROW: pl.UInt32, ASSIGNMENT: pl.UInt32, OFFSET: pl.Int64})


def mapping(
    attributes: dict[str, str | Expression] | None, where: str | None = None, *, of: str | None = None, **more: Any
) -> Mapping:
    return Mapping(
        id="email" if of is None else Expression.parse(of),
        attributes=attributes,
        where=None if where is None else Expression.parse(where),
        **more,
    )


def cells(mapped: Mapped) -> list[tuple[str | None, ...]]:
    return mapped.rows.drop(ROW, ASSIGNMENT, OFFSET).rows()


def test_only_what_meets_the_predicate_becomes_rows() -> None:
    """Of TRUE, FALSE and NULL only the first counts; what is left out is counted, at its place nothing is refused."""
    given = changes(email=["a", "b", "", "d"], tier=["x", "y", "z", "w"], consent=[True, False, None, True])
    mapped = mapping({"tier": "tier"}, "consent").rows(given)
    assert cells(mapped) == [("a", "x"), ("d", "w")]
    assert mapped.rows[OFFSET].to_list() == [100, 103]
    assert (mapped.filtered, mapped.refused.height) == (2, 0)


def test_without_a_predicate_all_count() -> None:
    """No setting, no filter."""
    mapped = mapping({"tier": "tier"}).rows(changes(email=["a"], tier=[None]))
    assert (mapped.rows.height, mapped.filtered) == (1, 0)


def test_a_record_of_several_changes_is_left_out_once_and_whole() -> None:
    """A record that is about several profiles counts as one, and not while one of its changes is kept."""
    given = changes(email=["a", "b", "c", "d"], tier=["x", "x", "y", "z"]).with_columns(
        pl.Series(ROW, [0, 0, 1, 1], pl.UInt32)
    )
    assert mapping({}, "tier = 'z'").rows(given).filtered == 1
    assert mapping({}, "tier = 'nothing'").rows(given).filtered == 2


def test_a_value_is_what_its_expression_gives() -> None:
    """In the mapping's order, beside fields; paths with dots are those of the change."""
    attributes: dict[str, str | Expression] = {
        "hash": Expression.parse("sha256(lower(trim(email)))"),
        "tier": "tier",
        "place": Expression.parse("upper(address.city) || ' (AT)'"),
        "source": Expression.parse("'crm'"),
        "rich": Expression.parse("points > 10"),
    }
    given = changes(email=[" A@b.at ", "c"], tier=["x", None], address__city=["Graz", None], points=[11, 9])
    digest = hashlib.sha256(b"a@b.at").hexdigest(), hashlib.sha256(b"c").hexdigest()
    mapped = mapping(attributes).rows(given)
    assert mapped.rows.columns[4:] == [*attributes]
    assert cells(mapped) == [
        (" A@b.at ", digest[0], "x", "GRAZ (AT)", "crm", "true"),
        ("c", digest[1], None, None, "crm", "false"),
    ]


def test_an_id_may_be_made_by_an_expression() -> None:
    """Of the hash of an e-mail, say; one that is missing is a dead letter that shows the expression and no value."""
    made = mapping({"tier": "tier"}, of="sha256(lower(email))").rows(changes(email=["A", None], tier=["x", "y"]))
    assert cells(made) == [(hashlib.sha256(b"a").hexdigest(), "x")]
    assert made.refused.rows() == [(1, Reason.ID_MISSING, "the id `sha256(lower(email))` is null or empty")]


def test_with_all_a_field_that_the_id_is_made_of_is_not_sent_beside_it() -> None:
    """Whoever hashes an e-mail does not mean to send it."""
    mapped = mapping(None, "points > 0", of="sha256(email)").rows(changes(email=["a"], points=[1]))
    assert mapped.rows.columns[3:] == [ID, "points"]


def test_the_decoder_is_asked_for_what_expressions_read() -> None:
    """Each path once: of the id, of the attributes, of the predicate, and no other."""
    made = mapping(
        {"a": Expression.parse("tier || address.city"), "b": "tier"}, "consent AND points > 1", of="trim(email)"
    )
    assert made.paths == ["email", "tier", "address.city", "consent", "points"]
    assert mapping(None, "consent").paths is None


@pytest.mark.parametrize("policy", UnsafeText)
def test_the_policy_for_separators_holds_for_what_is_computed(policy: UnsafeText) -> None:
    """A comma is a comma, whoever put it there; numbers and truths are not looked at."""
    attributes: dict[str, str | Expression] = {
        "a": Expression.parse("tier || ',' || tier"),
        "b": Expression.parse("points > 1"),
    }
    mapped = mapping(attributes, unsafe_text=policy).rows(changes(email=["a"], tier=["x"], points=[2]))
    expected = {UnsafeText.DEAD_LETTER: [], UnsafeText.REPLACE: [("a", "x x", "true")]}
    assert cells(mapped) == expected.get(policy, [("a", "x,x", "true")])
    assert mapped.refused["reason"].to_list() == [Reason.UNSAFE_TEXT] * (policy is UnsafeText.DEAD_LETTER)


@pytest.mark.parametrize(("policy", "sent"), [(LongValues.CLIP, 256), (LongValues.SEND, 300)])
def test_the_limit_of_values_holds_for_what_is_computed(policy: LongValues, sent: int) -> None:
    """A value that an expression makes too long is counted, and clipped if the settings say so."""
    made = mapping({"a": Expression.parse("tier || tier || tier")}, long_values=policy)
    mapped = made.rows(changes(email=["a"], tier=["x" * 100]))
    assert len(mapped.rows["a"][0]) == sent
    assert mapped.long == {"a": 1}


def test_empty_text_of_an_expression_is_null() -> None:
    """As that of a field is: Target leaves the value unchanged."""
    assert cells(mapping({"a": Expression.parse("trim(tier)")}).rows(changes(email=["a"], tier=["  "]))) == [
        ("a", None)
    ]


def test_a_value_of_something_absent_is_absent() -> None:
    """It is neither sent as the default in the expression nor as the sentinel, and the older value stands."""
    attributes: dict[str, str | Expression] = {
        "greeting": Expression.parse("coalesce(tier, 'new') || coalesce(address.city, '')"),
        "points": Expression.parse("points"),
    }
    given = changes(
        email=["a", "b", "c"], tier=[None, None, "x"], address__city=["Graz", "Wien", None], points=[1, 2, None]
    )
    given = given.with_columns(
        pl.Series(absent("tier"), [True, False, False]), pl.Series(absent("address.city"), [False, False, True])
    )
    mapped = mapping(attributes, stand_ins=StandIns(others_take=True)).rows(given)
    assert cells(mapped) == [("a", None, "1"), ("b", "newWien", "2"), ("c", None, "NONE")]
    assert (mapped.partial, mapped.counts) == (True, Counts(0, 0, 1))


def test_a_null_of_an_expression_is_said_if_the_writer_has_all_of_its_fields() -> None:
    """An older schema that lacks a field says nothing of it, so no sentinel is sent for it; a default is."""
    attributes: dict[str, str | Expression] = {
        "a": Expression.parse("upper(later)"),
        "b": Expression.parse("upper(tier)"),
        "c": Expression.parse("coalesce(later, 'none')"),
    }
    mapped = mapping(attributes, stand_ins=StandIns(others_take=True)).rows(changes(email=["x"], tier=[None]))
    assert cells(mapped) == [("x", None, "NONE", "none")]
    assert mapped.counts == Counts(0, 0, 1)


def test_a_predicate_of_a_field_that_the_writer_lacks_is_not_true() -> None:
    """NULL is what such a field holds; whoever means otherwise writes a default."""
    given = changes(email=["x"], tier=["y"])
    assert mapping({}, "consent").rows(given).filtered == 1
    assert mapping({}, "coalesce(consent, TRUE)").rows(given).filtered == 0


DELETES = changes(
    email=["a", "b", "c", "d"], tier=["x", "x", None, "x"], consent=[True, False, None, False]
).with_columns(pl.Series(DELETED, [True, True, True, False]))


@pytest.mark.parametrize("where", ["consent", "later = 5", "FALSE", "tier IS NOT NULL AND consent"])
def test_a_delete_goes_on_whatever_it_holds(where: str) -> None:
    """An older change of its profile may have met the predicate, and then the profile is in Target."""
    mapped = mapping({}, where, stand_ins=StandIns({"status": "gone"})).rows(DELETES)
    assert mapped.rows[ID].to_list() == ["a", "b", "c"]
    assert mapped.filtered == 1


def test_what_a_deleted_row_still_holds_is_not_computed_into_it() -> None:
    """A delete has the attributes of `deleted` and no others, not even a constant."""
    attributes: dict[str, str | Expression] = {"source": Expression.parse("'crm'")}
    mapped = mapping(attributes, stand_ins=StandIns({"status": "gone"})).rows(DELETES.tail(2))
    assert cells(mapped) == [("c", None, "gone"), ("d", "crm", None)]


def test_no_changes_make_no_rows_of_the_same_types() -> None:
    """An empty frame passes through with the types of a full one."""
    made = mapping({"h": Expression.parse("sha256(tier)"), "n": Expression.parse("'x'")}, "tier = 'a'")
    full = changes(email=["a"], tier=["a"])
    assert made.rows(full.head(0)).rows.schema == made.rows(full).rows.schema
    assert made.rows(full.head(0)).rows.is_empty()


@pytest.mark.parametrize(
    ("made", "told"),
    [
        pytest.param(
            mapping({"a": Expression.parse("lower(tear)")}), ["no field `tear`", "did you mean `tier`?"], id="value"
        ),
        pytest.param(mapping({}, "cnsent"), ["no field `cnsent`", "did you mean `consent`?"], id="where"),
        pytest.param(mapping({}, of="lower(eml)"), ["no field `eml`", "did you mean `email`?"], id="id"),
        pytest.param(mapping({"a": Expression.parse("lower(address)")}), ["`address` is a record"], id="a record"),
        pytest.param(
            mapping({"a": Expression.parse("lower(points)")}),
            ["attribute `a`: character 7: `points` is a number", "write CAST(points AS VARCHAR)"],
            id="the type of a value",
        ),
        pytest.param(
            mapping({}, "tier"), ["where: character 1: `tier` is text, which is no condition"], id="no condition"
        ),
        pytest.param(
            mapping({}, "tier > 5"), ["where: character 1", "write CAST(tier AS BIGINT)"], id="the type of where"
        ),
        pytest.param(mapping({}, of="points > 1"), ["the id `points > 1` is true or false"], id="the type of an id"),
        pytest.param(mapping({}, of="email || points"), ["the id: character 10: `points`"], id="a type within an id"),
        pytest.param(
            mapping({"a": Expression.parse("photo")}), ["attribute `a`: character 1: `photo` holds bytes"], id="bytes"
        ),
    ],
)
def test_an_expression_that_does_not_fit_is_found_at_start(made: Mapping, told: list[str]) -> None:
    """Each misfit is one line that names topic, setting, place and remedy."""
    with pytest.raises(SettingError) as error:
        made.check(DTYPES, "topic crm.customers")
    line = str(error.value)
    assert line.startswith("topic crm.customers: ")
    assert [part for part in told if part not in line] == []


def test_an_expression_that_fits_passes() -> None:
    """What fits the newest schema is not complained about."""
    attributes: dict[str, str | Expression] = {"a": Expression.parse("sha256(email)"), "b": Expression.parse("points")}
    mapping(attributes, "photo IS NOT NULL AND address.city LIKE 'G%'", of="trim(email)").check(DTYPES, "topic crm")
    mapping(None, "consent", of="trim(email)").check({"email": pl.String(), "consent": pl.Boolean()}, "topic crm")


@pytest.mark.parametrize(
    ("made", "frame", "told"),
    [
        pytest.param(mapping({"a": Expression.parse("lower(tier)")}), changes(email=["x"], tier=[5]),
                     "attribute `a`: character 7: `tier` is a number", id="a value"),
        pytest.param(mapping({}, "tier = 'a'"), changes(email=["x"], tier=[5]),
                     "where: character 8: `'a'` is text, and `tier` is a number", id="a predicate"),
        pytest.param(mapping({}, of="sha256(email)"), changes(email=[5]),
                     "the id: character 8: `email` is a number", id="an id"),
        pytest.param(mapping({}, of="sha256(email)"), changes(tier=["x"]), "no field `email`", id="an id that is gone"),
    ],
)  # fmt: skip
def test_a_schema_that_breaks_an_expression_blocks(made: Mapping, frame: pl.DataFrame, told: str) -> None:
    """A writer's schema of another type stops the service; nothing is skipped, nothing guessed."""
    with pytest.raises(BlockedError) as error:
        made.rows(frame, "topic crm")
    assert str(error.value).startswith(f"topic crm: {told}") or told in str(error.value)
