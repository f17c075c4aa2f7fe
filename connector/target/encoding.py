"""Percent-encoding: the text of a cell in the form in which nothing can end the cell, its row or the form parameter.

RFC 3986's unreserved characters stay; all else becomes `%XX` of its UTF-8, the space `%20`: a `+` is a space only to a
form decoder, and Target may or may not be one. Promises what `urllib.parse.quote(text, safe="")` gives, in columns,
with no Python between the cells. The C extension does it in one pass with the joining of cells; where it is not
installed Polars does, in half as many rows a second, and with characters beyond ASCII in a fourth to a thirtieth of
them. The window calls it.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import polars as pl
import polars.selectors as cs

from connector.arrow import ArrowArray
from connector.records import ID, LINE

try:
    from connector.target import _encoding
except ImportError:  # installed without a compiler
    _encoding = None  # type: ignore[assignment]

_ASCII: Final = {char: quote(char, safe="") for char in map(chr, range(128)) if quote(char, safe="") != char}
_NEEDS: Final = r"[^A-Za-z0-9\-_.~]"
_MANY: Final = 20_000  # twice what a column of Chinese, Japanese and Korean names holds; about 10 MB
# To get ready for a pass takes half a microsecond per character and column; Python takes one for each value.
_VALUES_PER_CODE: Final = 2


INSTALLED: Final = _encoding is not None


class Encoder:
    """Encodes; without the extension it remembers which columns needed it and which characters beyond ASCII it met.

    A column that needed nothing so far is only looked at: that takes less than to replace nothing in it, and copies
    nothing. One that did is not looked at first.

    To look for them takes two to three times as long as to replace them. So those that are known are replaced, and
    only if something beyond ASCII is left is it looked for. A pass over a cell of six Chinese characters takes 180 ns
    with 10 known characters, 230 ns with 1,000 and 300 ns with 6,000; looking for them takes another 340 ns.
    """

    def __init__(self, *, extension: bool = True) -> None:
        """Know ASCII only; `extension` is whether it may be used."""
        self._in_c = extension and INSTALLED
        # Neither is changed in place, so that any number of threads may encode.
        self._codes = _ASCII
        self._needy: frozenset[str] = frozenset()

    def lines(self, cells: pl.DataFrame) -> pl.Series:
        """Percent-encode the cells of each row, and join them by commas.

        Args:
            cells: String columns, at least one; null is an empty cell.

        Returns:
            LINE of each row, which keeps nothing of `cells` in memory.
        """
        if self._in_c:
            return pl.Series(ArrowArray(*_encoding.encode(cells.__arrow_c_stream__()))).alias(LINE)
        texts = pl.all().fill_null("")
        # One column alone would not be copied.
        joined = pl.concat_str(texts, separator=",") if cells.width > 1 else pl.concat_str(texts, pl.lit(""))
        return self.encode(cells).select(joined.alias(LINE)).to_series()

    def encode(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Percent-encode (UTF-8) the text of ID, if it is there, and of every attribute.

        Args:
            rows: any columns; String columns other than bookkeeping (`#…`) and ID itself are encoded.

        Returns:
            The same columns; null stays null, and two different texts stay different.
        """
        codes = self._codes
        texts = rows.select(cs.by_name(ID, require_all=False), cs.string() - cs.starts_with("#"))
        if texts.height * _VALUES_PER_CODE < len(codes):
            return rows.with_columns(_one_by_one(texts))
        texts = texts.select(self._needing(texts))
        if not texts.width:
            return rows
        texts = _replaced(texts, codes)
        if strange := _beyond_ascii(texts):
            fresh = {char: quote(char) for char in strange}
            texts = _replaced(texts, fresh)  # what is encoded already is ASCII, so nothing is replaced twice
            self._codes = (codes if len(codes) < _MANY else _ASCII) | fresh
        return rows.with_columns(texts)

    def _needing(self, texts: pl.DataFrame) -> list[str]:
        """Names the columns that hold something to encode, or did before."""
        new = [name for name in texts.columns if name not in self._needy]
        found = texts.select(pl.col(new).str.join("").str.contains(_NEEDS))  # half the time of one text after another
        self._needy |= {column.name for column in found if column.item()}
        return [name for name in texts.columns if name in self._needy]


def written(lines: pl.DataFrame) -> bytes:
    """Give the rows of a body by the extension: String columns joined by commas, null being empty, a LF before each."""
    return _encoding.body(lines.__arrow_c_stream__())


def _replaced(texts: pl.DataFrame, codes: dict[str, str]) -> pl.DataFrame:
    """One pass over each column, columns in parallel: no pattern is part of another, and `%` itself is one."""
    return texts.select(pl.all().str.replace_many(list(codes), list(codes.values())))


def _one_by_one(texts: pl.DataFrame) -> pl.DataFrame:
    """The same for a frame that is so small that getting ready for a pass takes longer."""
    return texts.select(
        pl.Series(column.name, [text and quote(text, safe="") for text in column], pl.String) for column in texts
    )


def _beyond_ascii(texts: pl.DataFrame) -> set[str]:
    """Each character beyond ASCII, once."""
    flags = texts.select((pl.all().str.len_bytes() != pl.all().str.len_chars()).any()).row(0)
    runs = (
        texts[name].str.extract_all(r"[^\x00-\x7f]+").list.explode().drop_nulls().unique()
        for name, flag in zip(texts.columns, flags, strict=True)
        if flag
    )
    return {char for some in runs for run in some for char in run}
