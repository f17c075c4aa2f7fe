"""Every type by a golden value: its bytes through both decoders to the text that Target gets."""

from __future__ import annotations

import polars as pl
import pytest

from connector.avro import rows
from connector.avro.columns import Columns
from connector.avro.lowering import parse
from connector.avro.paths import find
from connector.avro.reading import Reader
from connector.avro.scalars import _LOGICAL, _PLAIN
from connector.avro.semantics import _LOGICAL as _NAMES
from connector.profiles.text import text, unsupported
from tests.types import PAGE, Golden, golden, page, shown

GOLDEN = [pytest.param(one, id=f"{one.type}: {one.about}") for one in golden()]


@pytest.mark.parametrize("one", GOLDEN)
def test_a_value_of_each_type_has_the_text_of_the_table(one: Golden) -> None:
    """Decoded in columns and by the reference it is the same column, and the same text, or the same refusal."""
    schema = parse(one.record, "schema 5")
    column = find("value", schema.root)
    assert column is not None
    assert schema.layout is not None
    (slow,) = rows.read(schema, [column], [one.datum]).columns
    datums = pl.Series([one.datum], dtype=pl.Binary)
    (fast,) = Columns(schema.layout, [column]).read(datums)
    (fastest,) = Reader(schema, [column]).read(datums).rows.columns
    assert fast.equals(slow, check_dtypes=True)
    assert fastest.equals(slow, check_dtypes=True)
    assert shown(fast.dtype) == one.column
    reason = unsupported(fast.dtype)
    assert (one.remedy or "") in (reason or "")
    assert bool(one.remedy) == bool(reason)
    if reason is None:
        assert fast.to_frame().select(text(pl.col("value"), fast.dtype)).item() == one.text


def test_no_type_is_missing() -> None:
    """Every primitive, logical and semantic type that the decoder knows has a golden value."""
    held = [str(one.schema) for one in golden()]
    known = {*_PLAIN, *(logical for _, logical in _LOGICAL if logical), *(name for _, name in _NAMES)}
    # Avro has no time of nanoseconds: the name is ours, for Debezium's.
    assert [name for name in known - {"time-nanos"} if not any(f"'{name}'" in f"'{one}'" for one in held)] == []


def test_the_page_shows_every_golden_value() -> None:
    """After a change of the golden values: python -m tests.types."""
    assert PAGE.read_text("utf-8") == page()
