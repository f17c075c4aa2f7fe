"""The limit of a profile: rows that Target would not keep whole are set apart before they are sent."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.records import ID, Rows
from connector.target.profile_size import MAX_PROFILE_BYTES, may_be_over, split
from tests.lines import lined


def rows(*profiles: dict[str, Any]) -> Rows:
    """One row per profile, its id being its number; values are encoded as the window does it."""
    names = dict.fromkeys(name for profile in profiles for name in profile)
    columns = {name: [quote(profile.get(name, ""), safe="") or None for profile in profiles] for name in names}
    schema = dict.fromkeys([ID, *names], pl.String)
    return lined(pl.DataFrame({ID: map(str, range(len(profiles))), **columns}, schema=schema))


def sides(given_rows: Rows) -> tuple[list[str], list[str]]:
    """The ids of the rows that are within the limit, and of those over it."""
    within, over = split(given_rows)
    assert within.names == over.names == given_rows.names
    assert may_be_over(given_rows) or not over.height
    return within.lines[ID].to_list(), over.lines[ID].to_list()


def test_the_limit_is_64_kb_of_names_and_values() -> None:
    """To the byte: a row of the limit is sent, one byte more is not, be it in a name or in a value."""
    at_most = "x" * (MAX_PROFILE_BYTES - len("ab"))
    assert MAX_PROFILE_BYTES == 65_536
    assert sides(rows({"ab": at_most}, {"ab": at_most + "x"}, {"ab": "x"})) == (["0", "2"], ["1"])
    assert sides(rows({"abc": at_most})) == ([], ["0"])


def test_an_empty_cell_has_no_name_either() -> None:
    """Names of attributes that a row says nothing of are not sent for it as far as Target is concerned."""
    value = "x" * (MAX_PROFILE_BYTES - 1)
    assert sides(rows({"a": value}, {"a": value, "b": "y"})) == (["0"], ["1"])


@pytest.mark.parametrize(("char", "size_bytes"), [(" ", 1), ("é", 2), ("東", 3), ("😀", 4), ("%", 1), (",", 1)])
def test_values_are_weighed_as_they_are_and_not_as_they_are_encoded(char: str, size_bytes: int) -> None:
    """Percent-encoding makes a text up to three times as long, which the limit does not know."""
    fits = char * ((MAX_PROFILE_BYTES - 1) // size_bytes)
    assert sides(rows({"a": fits}, {"a": fits + "xxxx"})) == (["0"], ["1"])


def test_names_are_weighed_in_utf_8() -> None:
    """A name beyond ASCII has more bytes than characters."""
    assert sides(rows({"é": "x" * (MAX_PROFILE_BYTES - 2)}, {"é": "x" * (MAX_PROFILE_BYTES - 1)})) == (["0"], ["1"])


def test_rows_that_are_surely_small_are_not_weighed() -> None:
    """A look at the lengths of the lines is enough."""
    assert not may_be_over(rows({"a": "x" * 60_000, "b": "y"}))
    assert not may_be_over(rows())
    assert sides(Rows((), rows({}).lines)) == (["0"], [])


@settings(max_examples=40)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["a", "bé", "c"]), st.tuples(st.sampled_from("x é,東"), st.integers(0, 40_000))
        ),
        max_size=4,
    )
)
def test_rows_stay_whole_and_in_their_order(profiles: list[dict[str, tuple[str, int]]]) -> None:
    """Each row is on one side, as its own bytes say, whatever its neighbours are."""
    texts = [{name: char * count for name, (char, count) in profile.items()} for profile in profiles]
    sizes = [sum(len((name + text).encode()) for name, text in profile.items() if text) for profile in texts]
    within = [str(number) for number, size in enumerate(sizes) if size <= MAX_PROFILE_BYTES]
    over = [str(number) for number, size in enumerate(sizes) if size > MAX_PROFILE_BYTES]
    assert sides(rows(*texts)) == (within, over)
