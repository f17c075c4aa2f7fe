"""Percent-encoding in columns is that of the standard library, however many rows there are and whatever came before."""

from __future__ import annotations

from urllib.parse import quote

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.records import ASSIGNMENT, ID, LINE, OFFSET
from connector.target import encoding
from connector.target.encoding import Encoder
from tests.readers import needs_extension

EXTENSION = [False, pytest.param(True, marks=needs_extension)]
MANY = 100  # rows of a frame that is not encoded value by value


def table(texts: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame({ID: ["id"] * len(texts), "a": texts}, schema={ID: pl.String, "a": pl.String})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("AZaz09-_.~", "AZaz09-_.~", id="unreserved characters stay"),
        pytest.param("a b", "a%20b", id="a space is %20, never a plus"),
        pytest.param("a+b", "a%2Bb", id="a plus"),
        pytest.param("a&b=c", "a%26b%3Dc", id="what ends a form parameter"),
        pytest.param("100%", "100%25", id="a percent sign"),
        pytest.param("%2C", "%252C", id="text that looks encoded"),
        pytest.param("a,b", "a%2Cb", id="a comma"),
        pytest.param("a\r\nb", "a%0D%0Ab", id="a line end"),
        pytest.param('"a"', "%22a%22", id="quotes"),
        pytest.param("#/?|", "%23%2F%3F%7C", id="reserved characters"),
        pytest.param("\x00\x7f", "%00%7F", id="control characters"),
        pytest.param("é", "%C3%A9", id="two bytes of UTF-8"),
        pytest.param("한", "%ED%95%9C", id="three bytes"),
        pytest.param("👩‍🚀", "%F0%9F%91%A9%E2%80%8D%F0%9F%9A%80", id="an emoji of three characters"),
        pytest.param("\u2028", "%E2%80%A8", id="a line separator of Unicode"),
    ],
)
def test_encoding(text: str, expected: str) -> None:
    """Every character but the unreserved ones is percent-encoded UTF-8, in ids as in attributes; one row or many."""
    for height in (1, MANY):
        rows = pl.DataFrame({ID: [text] * height, "a": [text] * height})
        assert Encoder().encode(rows).unique().rows() == [(expected, expected)]


def test_encoding_leaves_bookkeeping_and_null_alone() -> None:
    """Positions, columns that are not text, and null pass unchanged."""
    rows = pl.DataFrame({ID: ["a b"], "x": [None], ASSIGNMENT: [1], OFFSET: [2]}, schema_overrides={"x": pl.String})
    assert Encoder().encode(rows).to_dicts() == [{ID: "a%20b", "x": None, ASSIGNMENT: 1, OFFSET: 2}]


TEXTS = st.lists(st.none() | st.text() | st.text(st.sampled_from("%2C, é한👩0a"), max_size=8), min_size=1)


@settings(max_examples=150)
@given(st.lists(TEXTS, min_size=1, max_size=3), st.sampled_from([1, MANY]))
def test_encoding_is_that_of_the_standard_library(frames: list[list[str | None]], times: int) -> None:
    """In columns or one by one, with a memory or without, the result is the same: two texts never become one."""
    encoder = Encoder()
    for texts in frames:
        found = encoder.encode(table(texts * times))["a"].to_list()
        assert found == [text and quote(text, safe="") for text in texts] * times


CELLS = st.none() | st.text(max_size=30) | st.text(st.sampled_from("%2C, é한👩0a"), max_size=16)


@pytest.mark.parametrize("extension", EXTENSION)
@settings(max_examples=150)
@given(st.lists(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=4), min_size=1, max_size=3), st.integers(0, 3))
def test_lines_are_encoded_cells_with_commas(
    extension: bool,  # noqa: FBT001 (hypothesis finds no others)
    frames: list[list[tuple[str | None, ...]]],
    first: int,
) -> None:
    """With the extension and without: of frames in pieces, from any row on, with any text and without one."""
    pieces = [pl.DataFrame(rows, schema=dict.fromkeys("abc", pl.String), orient="row") for rows in frames]
    cells = pl.concat(pieces, rechunk=False).slice(first)
    rows = [row for frame in frames for row in frame][first:]
    expected = [",".join(quote(cell or "", safe="") for cell in row) for row in rows]
    encoder = Encoder(extension=extension)
    assert encoder.lines(cells).to_list() == expected
    assert encoder.lines(cells.select("b")).to_list() == [quote(row[1] or "", safe="") for row in rows]


@pytest.mark.parametrize("extension", EXTENSION)
def test_lines_are_named_and_of_text(*, extension: bool) -> None:
    """Without a row too."""
    made = Encoder(extension=extension).lines(pl.DataFrame(schema={"a": pl.String, "b": pl.String}))
    assert (made.name, str(made.dtype), len(made)) == (LINE, "String", 0)


@needs_extension
def test_the_extension_shows_nothing_of_what_became_null() -> None:
    """Polars leaves a value where it was when it becomes null: neither a line nor a body holds it."""
    held = pl.DataFrame({"a": ["b", "of more than twelve bytes", "c"], "d": ["e", "f", "g"]})
    cells = held.with_columns(pl.when(pl.col("d") != "f").then(pl.col("a")).alias("a"))
    assert Encoder().lines(cells).to_list() == ["b,e", ",f", "c,g"]
    assert encoding.written(cells) == b"\nb,e\n,f\nc,g"


@needs_extension
@pytest.mark.parametrize("frame", [pl.DataFrame({"a": [1]}), pl.DataFrame({"a": ["x"], "b": [b"y"]}), pl.Series(["x"])])
def test_the_extension_takes_text_only(frame: pl.DataFrame) -> None:
    """What is no frame of text is refused, and not read as if it were."""
    from connector.target import _encoding  # noqa: PLC0415 (not there without a compiler)

    for take in (_encoding.encode, _encoding.body):
        with pytest.raises(TypeError):
            take(frame.__arrow_c_stream__())


def test_beginning_anew_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered is bounded: it begins anew with the characters of the frame at hand, and stays right."""
    monkeypatch.setattr(encoding, "_MANY", 150)
    encoder = Encoder()
    for first in range(0x4E00, 0x4E00 + 3_000, 100):
        texts: list[str | None] = [chr(first + n % 100) for n in range(300)]
        assert encoder.encode(table(texts))["a"].to_list() == [text and quote(text) for text in texts]
