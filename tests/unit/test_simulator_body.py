"""The simulated Target reads exactly what cannot be misread, and refuses the rest."""

from __future__ import annotations

from typing import get_args
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.simulator.body import MAX_LINES, Batch, Decode, Refusal, RefusedError, parse

READINGS: tuple[Decode, ...] = get_args(Decode)


def refusal(body: bytes, decode: Decode = "strict") -> RefusedError:
    """The refusal of a body that must be refused."""
    with pytest.raises(RefusedError) as refused:
        parse(body, decode)
    return refused.value


@pytest.mark.parametrize("decode", READINGS)
def test_rows_are_read_under_their_names(decode: Decode) -> None:
    """Each cell lands under the name of its column, percent-decoded once."""
    batch = parse(b"batch=thirdPartyId,city,tier\nid-1,M%C3%BCnchen,a%26b%3D%2B%2525\nid-2,Rom,gold\n", decode)
    assert batch == Batch(
        "thirdPartyId",
        {"id-1": {"city": "München", "tier": "a&b=+%25"}, "id-2": {"city": "Rom", "tier": "gold"}},
    )


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        pytest.param(b"batch=pcId,a,b\n1,x\n", {"1": {"a": "x"}}, id="a short row leaves the rest as it is"),
        pytest.param(b"batch=pcId,a,b\n1,,y\n", {"1": {"b": "y"}}, id="an empty cell leaves the value as it is"),
        pytest.param(b"batch=pcId,a,b\n1\n", {"1": {}}, id="a row of only an id says nothing"),
        pytest.param(b"batch=pcId,a,b\n1,x,y", {"1": {"a": "x", "b": "y"}}, id="the last line feed may be missing"),
        pytest.param(b"batch=pcId,a\n1,%20x%20", {"1": {"a": " x "}}, id="an encoded space is part of the value"),
        pytest.param(
            b"batch=pcId,a.b\n1,-._~!$'()*:@?", {"1": {"a.b": "-._~!$'()*:@?"}}, id="harmless signs may be bare"
        ),
        pytest.param(
            b"batch=pcId,a\n" + b"x" * 128 + b",1", {"x" * 128: {"a": "1"}}, id="an id may have 128 characters"
        ),
    ],
)
def test_what_the_documentation_allows_is_taken(body: bytes, rows: dict[str, dict[str, str]]) -> None:
    """Short rows, empty cells and both endings of the last row are read alike under every reading."""
    assert [parse(body, decode).rows for decode in READINGS] == [rows] * 3


@pytest.mark.parametrize(
    ("body", "reason", "line"),
    [
        pytest.param(b"", Refusal.NO_BATCH, None, id="an empty body"),
        pytest.param(b"thirdPartyId,a\n1,x", Refusal.NO_BATCH, None, id="no batch="),
        pytest.param(b"Batch=thirdPartyId,a\n1,x", Refusal.NO_BATCH, None, id="another case of batch="),
        pytest.param(b" batch=thirdPartyId,a\n1,x", Refusal.NO_BATCH, None, id="a space before batch="),
        pytest.param(b"batch=", Refusal.NO_BATCH, None, id="nothing after batch="),
        pytest.param(b"batch=\n", Refusal.FIRST_HEADER, 1, id="only a line feed after batch="),
        pytest.param(b"\xef\xbb\xbfbatch=pcId,a\n1,x", Refusal.BOM, None, id="a byte order mark in front"),
        pytest.param(b"batch=\xef\xbb\xbfpcId,a\n1,x", Refusal.BOM, None, id="a byte order mark after batch="),
        pytest.param(b"batch=%EF%BB%BFpcId,a\n1,x", Refusal.FIRST_HEADER, 1, id="an encoded byte order mark"),
        pytest.param(b"batch=pcId,a\r\n1,x\r\n", Refusal.CARRIAGE_RETURN, 1, id="lines that end with CR LF"),
        pytest.param(b"batch=pcId,a\n1,x\ry", Refusal.CARRIAGE_RETURN, 2, id="a CR in a cell"),
        pytest.param(b"batch=pcId, a\n1,x", Refusal.SPACE, 1, id="a space after a comma in the header"),
        pytest.param(b"batch=pcId,a\n1, x", Refusal.SPACE, 2, id="a space after a comma in a row"),
        pytest.param(b"batch=pcId,a\n1,x y", Refusal.SPACE, 2, id="a bare space in a cell"),
        pytest.param(b"batch=pcId,a\n1,x&y", Refusal.UNENCODED, 2, id="a bare & in a cell"),
        pytest.param(b"batch=pcId,a\n1,x&b=2", Refusal.UNENCODED, 2, id="a second parameter"),
        pytest.param(b"batch=pcId,a\n1,x\n2,x+y", Refusal.UNENCODED, 3, id="a bare + in a cell"),
        pytest.param(b"batch=pcId,a\n1,x=y", Refusal.UNENCODED, 2, id="a bare = in a cell"),
        pytest.param(b"batch=pcId,a\n1,x#y", Refusal.UNENCODED, 2, id="a bare # in a cell"),
        pytest.param(b"batch=pcId,a\n1,x;y", Refusal.UNENCODED, 2, id="a bare ; in a cell"),
        pytest.param(b'batch=pcId,a\n1,"x"', Refusal.UNENCODED, 2, id="CSV quotes"),
        pytest.param(b"batch=pcId,a\n1,x\ty", Refusal.UNENCODED, 2, id="a bare tab"),
        pytest.param(b"batch=pcId,a\n1,x\x00", Refusal.UNENCODED, 2, id="a bare NUL"),
        pytest.param("batch=pcId,a\n1,ü".encode(), Refusal.UNENCODED, 2, id="bare UTF-8"),
        pytest.param(b"batch=pcId,a\n1,\xfc", Refusal.UNENCODED, 2, id="bare Latin-1"),
        pytest.param(b"batch=pcId,a\n1,100%", Refusal.BROKEN_ESCAPE, 2, id="a bare percent sign at the end"),
        pytest.param(b"batch=pcId,a\n1,%4", Refusal.BROKEN_ESCAPE, 2, id="half an escape"),
        pytest.param(b"batch=pcId,a\n1,%4\n2,x", Refusal.BROKEN_ESCAPE, 2, id="half an escape before a line feed"),
        pytest.param(b"batch=pcId,a\n1,%G1", Refusal.BROKEN_ESCAPE, 2, id="an escape that is not hexadecimal"),
        pytest.param(b"batch=pcId,a\n1,%u00FC", Refusal.BROKEN_ESCAPE, 2, id="an escape of JavaScript's"),
        pytest.param(b"batch=pcId,a\n1,%FC", Refusal.NOT_UTF8, 2, id="encoded Latin-1"),
        pytest.param(b"batch=pcId,a\n1,x\n2,%C3", Refusal.NOT_UTF8, 3, id="half an encoded character"),
        pytest.param(b"batch=pcId,a,b\n1,%C3,%BC", Refusal.NOT_UTF8, 2, id="an encoded character over two cells"),
        pytest.param(b"batch=pcId,a\n1,%ED%A0%80", Refusal.NOT_UTF8, 2, id="an encoded surrogate"),
        pytest.param(b"batch=pcId,a\n1,%C0%80", Refusal.NOT_UTF8, 2, id="an overlong form"),
        pytest.param(b"batch=mbox3rdPartyId,a\n1,x", Refusal.FIRST_HEADER, 1, id="mbox3rdPartyId as first header"),
        pytest.param(b"batch=thirdpartyid,a\n1,x", Refusal.FIRST_HEADER, 1, id="a first header in lower case"),
        pytest.param(b"batch=a,thirdPartyId\nx,1", Refusal.FIRST_HEADER, 1, id="the id not in the first column"),
        pytest.param(b"batch=thirdPartyId\n1", Refusal.NO_ATTRIBUTES, 1, id="a header of only the id"),
        pytest.param(b"batch=pcId,a,\n1,x", Refusal.EMPTY_NAME, 1, id="an empty name"),
        pytest.param(b"batch=pcId,profile.a\n1,x", Refusal.PREFIXED_NAME, 1, id="a name with the prefix profile."),
        pytest.param(b"batch=pcId,profile%2Ea\n1,x", Refusal.PREFIXED_NAME, 1, id="an encoded prefix profile."),
        pytest.param(b"batch=pcId,a,b,a\n1,x", Refusal.DUPLICATE_NAME, 1, id="a name twice"),
        pytest.param(b"batch=pcId,a,%61\n1,x", Refusal.DUPLICATE_NAME, 1, id="a name twice, once encoded"),
        pytest.param(b"batch=pcId,a,pcId\n1,x", Refusal.DUPLICATE_NAME, 1, id="the id's name twice"),
        pytest.param(b"batch=pcId,a\n", Refusal.NO_ROWS, None, id="a header without rows"),
        pytest.param(b"batch=pcId,a\n1,x,y", Refusal.TOO_MANY_CELLS, 2, id="a row longer than the header"),
        pytest.param(b"batch=pcId,a\n1,x,", Refusal.TOO_MANY_CELLS, 2, id="a comma after the last cell"),
        pytest.param(b"batch=pcId,a\n1,x\n,y", Refusal.EMPTY_ID, 3, id="an empty id"),
        pytest.param(b"batch=pcId,a\n1,x\n\n2,y", Refusal.EMPTY_ID, 3, id="an empty line between rows"),
        pytest.param(b"batch=pcId,a\n1,x\n\n", Refusal.EMPTY_ID, 3, id="an empty line after the rows"),
        pytest.param(b"batch=pcId,a\n" + b"x" * 129 + b",1", Refusal.LONG_ID, 2, id="an id of 129 characters"),
        pytest.param(b"batch=pcId,a\n%2B49,x", Refusal.FORBIDDEN_ID, 2, id="an id with an encoded +"),
        pytest.param(b"batch=pcId,a\na/b,x", Refusal.FORBIDDEN_ID, 2, id="an id with a /"),
        pytest.param(b"batch=pcId,a\na%2Fb,x", Refusal.FORBIDDEN_ID, 2, id="an id with an encoded /"),
        pytest.param(b"batch=pcId,a\n1,x\n2,x\n1,y", Refusal.DUPLICATE_ID, 4, id="an id twice"),
        pytest.param(b"batch=pcId,a\n1,x\n%31,y", Refusal.DUPLICATE_ID, 3, id="an id twice, once encoded"),
    ],
)
def test_what_can_be_misread_is_refused(body: bytes, reason: Refusal, line: int | None) -> None:
    """Every ambiguity has its reason and, where there is one, the number of its line; under every reading."""
    refusals = [refusal(body, decode) for decode in READINGS]
    assert [(refused.reason, refused.line) for refused in refusals] == [(reason, line)] * 3


@pytest.mark.parametrize("escape", [b"%2C", b"%2c", b"%0A", b"%0a", b"%0D", b"%0d"])
def test_a_hidden_separator_is_refused_unless_a_reading_is_chosen(escape: bytes) -> None:
    """An encoded comma or line break means different things under the two readings, so strict takes neither."""
    refused = refusal(b"batch=pcId,a,b\n1,x\n2,y" + escape + b"z")
    assert (refused.reason, refused.line) == (Refusal.HIDDEN_SEPARATOR, 3)


def test_an_encoded_percent_sign_hides_no_separator() -> None:
    """`%252C` is the text `%2C` under both readings, so it is taken."""
    assert parse(b"batch=pcId,a\n1,%252C%250A").rows == {"1": {"a": "%2C%0A"}}


def test_after_split_keeps_an_encoded_separator_in_its_cell() -> None:
    """When cells are decoded after the split, a comma or line break is text."""
    rows = parse(b"batch=pcId,a,b\n1,x%2Cy%0D%0Az,w", "after-split").rows
    assert rows == {"1": {"a": "x,y\r\nz", "b": "w"}}


def test_before_split_shifts_a_row_at_an_encoded_separator() -> None:
    """When the body is decoded before the split, an encoded comma or line feed splits like a bare one."""
    rows = parse(b"batch=pcId,a,b\n1,x%2Cy\n2,x%0A3,y", "before-split").rows
    assert rows == {"1": {"a": "x", "b": "y"}, "2": {"a": "x"}, "3": {"a": "y"}}
    assert refusal(b"batch=pcId,a,b\n1,x%2Cy,z", "before-split").reason is Refusal.TOO_MANY_CELLS
    assert refusal(b"batch=pcId,a,b\n1,x%0Dy", "before-split").reason is Refusal.CARRIAGE_RETURN


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_500_000_lines_with_the_header_are_the_most(end: bytes) -> None:
    """The header counts, a last line feed does not."""
    rows = b"\n".join(b"%d,x" % number for number in range(MAX_LINES - 1))
    assert len(parse(b"batch=pcId,a\n" + rows + end).rows) == 499_999
    assert refusal(b"batch=pcId,a\n" + rows + b"\nmore,x" + end).reason is Refusal.TOO_MANY_ROWS


def test_lines_that_appear_by_decoding_count_as_well() -> None:
    """Decoded before the split, encoded line feeds make rows that count against the limit."""
    body = b"batch=pcId,a\n" + b"1%0A" * MAX_LINES + b"2"
    assert refusal(body, "before-split").reason is Refusal.TOO_MANY_ROWS


def test_a_refusal_tells_the_line_and_never_the_text() -> None:
    """The message holds neither an id nor a value."""
    assert str(refusal(b"batch=pcId,a\nsecret-id,secret,value")) == "A row with more cells than the header (line 2)"


def test_every_reason_has_a_text() -> None:
    """No refusal is without words."""
    assert all(reason.text for reason in Refusal)


# What can be a value under both readings: any text without the separators; an empty one says "leave unchanged".
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=",\r\n"), max_size=20)
IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=",\r\n+/"), min_size=1, max_size=20)


@given(rows=st.dictionaries(IDS, st.tuples(VALUES, VALUES), min_size=1, max_size=5))
@settings(max_examples=60)
def test_both_readings_agree_on_whatever_strict_takes(rows: dict[str, tuple[str, str]]) -> None:
    """Text that is encoded once and holds no separator is read back the same under every reading."""
    lines = [",".join(quote(cell, safe="") for cell in (profile_id, *cells)) for profile_id, cells in rows.items()]
    body = "\n".join(["batch=thirdPartyId,a,b", *lines]).encode()
    said = {i: {n: v for n, v in zip("ab", cells, strict=True) if v} for i, cells in rows.items()}
    assert [parse(body, decode).rows for decode in READINGS] == [said] * 3


@given(tail=st.binary(max_size=60) | st.text("pcId,ab\n%2C0Dé&+ ", max_size=60).map(str.encode))
@settings(max_examples=150)
def test_any_bytes_are_read_or_refused(tail: bytes) -> None:
    """No body makes the parser fail otherwise, and strict takes only what both readings read alike."""
    for body in (tail, b"batch=pcId,a,b\n1,x\n2," + tail):
        try:
            strict = parse(body)
        except RefusedError:
            continue
        assert strict == parse(body, "after-split") == parse(body, "before-split")
