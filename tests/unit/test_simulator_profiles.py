"""What a batch does to the stored profiles of the simulated Target."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.simulator.profiles import ProfileStore, Reading

READINGS: tuple[Reading, ...] = get_args(Reading)


@pytest.mark.parametrize(
    ("reading", "attributes"),
    [
        pytest.param("replace", {"b": "2", "c": "2"}, id="replace loses what only the earlier row named"),
        pytest.param("merge", {"a": "1", "b": "2", "c": "2"}, id="merge keeps it"),
    ],
)
def test_consecutive_rows_without_a_visit(reading: Reading, attributes: dict[str, str]) -> None:
    """A later row overrides the whole pending set, or only its own attributes, as the reading says."""
    store = ProfileStore(reading)
    store.apply({"x": {"a": "1", "b": "1"}}, 1.0)
    store.apply({"x": {"b": "2", "c": "2"}}, 2.0)
    assert store["x"] == attributes


@pytest.mark.parametrize("reading", READINGS)
def test_a_visit_makes_pending_attributes_part_of_the_profile(reading: Reading) -> None:
    """What was pending at an mbox call survives a later row that does not name it."""
    store = ProfileStore(reading)
    store.apply({"x": {"a": "1", "b": "1"}}, 1.0)
    store.visit("x", 2.0)
    store.apply({"x": {"b": "2"}}, 3.0)
    assert store["x"] == {"a": "1", "b": "2"}


@pytest.mark.parametrize("reading", READINGS)
def test_a_row_that_says_nothing_does_nothing(reading: Reading) -> None:
    """A row of only empty cells neither creates a profile nor touches one."""
    store = ProfileStore(reading)
    store.apply({"x": {"a": "1"}}, 1.0)
    store.apply({"x": {}, "y": {}}, 2.0)
    assert dict(store) == {"x": {"a": "1"}}
    assert store.modified("x") == 1.0


def test_v1_leaves_unknown_profiles_out() -> None:
    """Without `create` only known profiles are written, and the others are counted."""
    store = ProfileStore()
    store.visit("known", 1.0)
    assert store.apply({"known": {"a": "1"}, "new": {"a": "1"}, "empty": {}}, 2.0, create=False) == 2
    assert dict(store) == {"known": {"a": "1"}}


@pytest.mark.parametrize("visited", [False, True], ids=["pending", "committed"])
def test_rows_that_change_nothing_are_counted(visited: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """The same row again is a duplicate; one that changes a value is none."""
    store = ProfileStore()
    store.apply({"x": {"a": "1"}}, 1.0)
    if visited:
        store.visit("x", 2.0)
    store.apply({"x": {"a": "1"}}, 3.0)
    assert (store.duplicate_rows, store.modified("x")) == (1, 1.0)
    store.apply({"x": {"a": "2"}}, 4.0)
    assert (store.duplicate_rows, store.modified("x")) == (1, 4.0)


@pytest.mark.parametrize(
    ("versions", "times"),
    [
        pytest.param(["1", "2", "10"], 0, id="rising as numbers, not as texts"),
        pytest.param(["2", "2"], 0, id="the same again"),
        pytest.param(["2", "1", "2"], 1, id="back and forth again"),
        pytest.param(["3", "2", "1"], 2, id="back twice"),
        pytest.param(["2", "none", "1"], 0, id="what is no number compares with nothing"),
    ],
)
def test_an_older_version_over_a_newer_is_counted(versions: list[str], times: int) -> None:
    """Stale rows show even if a newer one follows later."""
    store = ProfileStore(version_attribute="v")
    for now, version in enumerate(versions):
        store.apply({"x": {"v": version}}, now)
    assert store.reversals.total() == times


def test_a_reversal_is_told_with_the_times_of_both_rows() -> None:
    """When the newer one last came, though it changed nothing then, when the older one did, and in which batch."""
    store = ProfileStore(version_attribute="v")
    for now, version in enumerate(["1", "3", "3", "2", "2"]):
        store.apply({"x": {"v": version}, "y": {"v": version}}, now, batch=f"batch {now}")
    assert store.reversals == {(2, 3, "batch 3"): 2}


def test_a_look_up_gives_a_copy() -> None:
    """Whoever changes what was looked up does not change the profile."""
    store = ProfileStore()
    store.apply({"x": {"a": "1"}}, 1.0)
    store["x"]["a"] = "2"
    assert store["x"] == {"a": "1"}
    assert (list(store), len(store), "x" in store, store.get("y")) == (["x"], 1, True, None)


ROWS = st.dictionaries(
    st.sampled_from("xyz"), st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"), min_size=1)
)


@given(st.lists(ROWS, max_size=8))
@settings(max_examples=60)
def test_merge_is_a_dictionary_update(batches: list[dict[str, dict[str, str]]]) -> None:
    """Under `merge` a profile holds the newest value of each attribute ever sent."""
    store, model = ProfileStore("merge"), dict[str, dict[str, str]]()
    for now, rows in enumerate(batches):
        store.apply(rows, now)
        for profile_id, attributes in rows.items():
            model.setdefault(profile_id, {}).update(attributes)
    assert dict(store) == model


@given(st.lists(ROWS, max_size=8))
@settings(max_examples=60)
def test_replace_holds_the_newest_row(batches: list[dict[str, dict[str, str]]]) -> None:
    """Under `replace` and without visits a profile is its newest row."""
    store, model = ProfileStore("replace"), dict[str, dict[str, str]]()
    for now, rows in enumerate(batches):
        store.apply(rows, now)
        model |= rows
    assert dict(store) == model


KB = 1024


@pytest.mark.parametrize("reading", READINGS)
def test_the_oldest_attributes_of_a_profile_over_64_kb_go(reading: Reading) -> None:
    """To the byte, names included, the longest unchanged first; what is committed counts too."""
    store = ProfileStore(reading)
    store.apply({"x": {"a": "1" * 32 * KB, "b": "2" * 16 * KB}}, 1.0)
    store.visit("x", 2.0)
    store.apply({"x": {"c": "3" * (16 * KB - len("abc"))}}, 3.0)
    assert (list(store["x"]), store.evicted) == (["a", "b", "c"], 0)
    store.visit("x", 4.0)
    store.apply({"x": {"a": "4" * 32 * KB}}, 5.0)
    store.visit("x", 6.0)
    store.apply({"x": {"d": "5"}}, 7.0)
    assert (sorted(store["x"]), store.evicted) == (["a", "c", "d"], 1)


def test_the_limit_is_of_bytes_and_of_what_is_there_at_once() -> None:
    """A character beyond ASCII has several; a row alone over the limit loses its first attributes."""
    store = ProfileStore("merge")
    store.apply({"x": {"a": "é" * 32 * KB}, "y": {"a": "e" * 32 * KB, "b": "f" * 31 * KB}}, 1.0)
    assert (store["x"], len(store["y"]), store.evicted) == ({}, 2, 1)
    store.apply({"y": {"a": "e" * 16 * KB}, "z": {"a": "1", "b": "2" * 40 * KB, "c": "3" * 40 * KB, "d": "4"}}, 2.0)
    assert (len(store["y"]), sorted(store["z"]), store.evicted) == (2, ["c", "d"], 3)
