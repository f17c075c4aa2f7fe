"""The fast decoder is held to the reference: over generated schemas and data, whole and damaged.

`AVRO_CASES=10000000` compares ten million datums instead of the 200,000 of every run; `AVRO_SEED` begins elsewhere.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from array import array
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nanoarrow as na
import polars as pl
import pytest

from connector.avro import columns as engine
from connector.avro import proof, rows
from connector.avro.columns import Columns, EngineError
from connector.avro.lowering import parse
from connector.avro.meaning import Unfit
from connector.avro.native import Native
from connector.avro.paths import find, reachable
from connector.avro.reading import Reader, Singly
from connector.avro.scalars import DatumError
from connector.avro.schema import Schema, SchemaError
from tests.readers import needs_extension
from tests.unit.avro_cases import Chance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connector.avro.paths import Column
    from connector.avro.reading import Engine

ROOT = Path(__file__).parents[2]
CASES = int(os.environ.get("AVRO_CASES", "200000"))
SEED = int(os.environ.get("AVRO_SEED", "1"))
ENGINES = [
    Columns,
    pytest.param(
        Native,
        marks=needs_extension,
    ),
]
WORKERS_SHARE = 4  # the cases are cut in so many tests, so that a failure names a narrower place


def _drawn(seed: int, datums: int) -> Iterator[tuple[int, Schema, list[bytes]]]:
    """Schemas that fastavro takes, with datums, without end; the seed of each."""
    while True:
        seed += 1
        try:
            case = Chance(seed).case(datums)
            yield seed, parse(json.dumps(case.schema), "schema 5"), case.datums
        # A name used before its definition, and an array of what takes no bytes: no schemas.
        except (ValueError, SchemaError):
            continue


def _differences(found: Sequence[pl.Series], truth: Sequence[pl.Series]) -> list[str]:
    pairs = zip(found, truth, strict=True)
    return [have.name for have, want in pairs if have.name != want.name or not have.equals(want, check_dtypes=True)]


def _all(schema: Schema) -> list[Column]:
    return [column for column in reachable(schema.root) if column.type.dtype is not None]


def _readable(engine: type[Engine], schema: Schema, wanted: Sequence[Column]) -> list[Column]:
    """The columns that the engine can read: one of them keeps the extension from reading all."""

    def fits(column: Column) -> bool:
        try:
            return schema.layout is not None and engine(schema.layout, [column]) is not None
        except Unfit:
            return False

    return [column for column in wanted if fits(column)]


@pytest.mark.parametrize("quarter", range(WORKERS_SHARE))
@pytest.mark.parametrize("engine", ENGINES)
def test_columns_are_what_the_reference_gives(engine: type[Engine], quarter: int) -> None:
    """Over generated schemas and data every path has the same values and the same type, read fast or singly."""
    compared, cells, fast = 0, 0, 0
    for seed, schema, datums in _drawn(SEED + quarter * 10_000_000, 1_000):
        # A fast read of few values takes other ways than one of many: a part of one, of two, of the rest.
        wanted = _all(schema)[seed % 3 :: 1 + seed % 2]
        cells += len(wanted)
        wanted = _readable(engine, schema, wanted)
        truth = rows.read(schema, wanted, datums).columns
        if schema.layout is not None and wanted:
            reader = engine(schema.layout, wanted)
            cuts = [datums[:1], datums[1:3], datums[3:]]
            parts = [reader.read(pl.Series(part, dtype=pl.Binary)) for part in cuts]
            found = [pl.concat(series) for series in zip(*parts, strict=True)]
            assert not _differences(found, truth), f"seed {seed}"
            fast += len(wanted)
        compared += len(datums)
        if compared >= CASES / WORKERS_SHARE:
            break
    # Some 4 of 100 schemas have a branch without bytes, and of a quarter's 50 it may be several.
    assert fast > cells * (0.8 if engine is Columns else 0.3), (
        "too few of the columns are read fast for the test to say anything"
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("engine", ENGINES)
def test_a_damaged_datum_changes_nothing_that_the_reference_would_not(engine: type[Engine], seed: int) -> None:
    """Damaged datums among good ones: the same rows, values and faults as the reference gives, to the letter."""
    faults, compared = 0, 0
    for number, schema, datums in _drawn(SEED + seed * 1_000_000 + 500_000_000, 100):
        chance = Chance(number)
        several = [chance.damaged(datum) if at % (7 + number % 90) == 0 else datum for at, datum in enumerate(datums)]
        wanted = _all(schema)[number % 2 :]
        wanted = wanted if engine is Columns else _readable(engine, schema, wanted)
        truth = rows.read(schema, wanted, several)
        found = Reader(schema, wanted, (engine,)).read(pl.Series(several, dtype=pl.Binary)).rows
        assert found.faults == truth.faults, f"seed {number}"
        assert not _differences(found.columns, truth.columns), f"seed {number}"
        faults += len(truth.faults)
        compared += len(datums)
        if compared >= 15_000:
            break
    assert faults > compared * 0.01


def _schema(*fields: Any) -> Schema:
    listed = [{"name": f"f{at}", "type": avro} for at, avro in enumerate(fields)]
    return parse(json.dumps({"type": "record", "name": "R", "fields": listed}), "schema 5")


def _columns(schema: Schema, *paths: str) -> list[Column]:
    found = [find(path, schema.root) for path in paths]
    assert None not in found
    return [column for column in found if column is not None]


def _read(engine: type[Engine], schema: Schema, datums: Sequence[bytes], *paths: str) -> list[pl.Series]:
    assert schema.layout is not None
    return engine(schema.layout, _columns(schema, *paths)).read(pl.Series(datums, dtype=pl.Binary))


@pytest.mark.parametrize(
    ("fields", "datum"),
    [
        pytest.param(["long"], b"", id="nothing where a number is"),
        pytest.param(["string"], b"\x02\xff", id="text that is no UTF-8"),
        pytest.param(["long"], b"\x02\x02", id="bytes left over"),
        pytest.param([["null", "string"]], b"\x04\x02a", id="the index after the last branch"),
        pytest.param([["string", "null"]], b"\x04", id="the index after the last, null being last"),
        pytest.param([["null", "string"]], b"\x06\x02a", id="an index far beyond"),
        pytest.param([["null", "string"]], b"\x01\x02a", id="a negative index"),
        pytest.param([{"type": "enum", "name": "E", "symbols": ["A"]}], b"\x02", id="an enum index out of range"),
        pytest.param(["int"], b"\x80\x80\x80\x80\x10", id="an int of 33 bits"),
        pytest.param([{"type": "int", "logicalType": "date"}], b"\xc2\x82\xe6\x02", id="the year 10000"),
        pytest.param([{"type": "array", "items": "long"}], b"\x02", id="an array without its end"),
        pytest.param(["bytes"], b"\xfe\xff\xff\xff\x0f", id="two gigabytes"),
    ],
)
@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_not_readable_is_never_read(engine: type[Engine], fields: list[Any], datum: bytes) -> None:
    """One datum that is not of the schema, first, in the middle or last, and the fast decoder gives nothing."""
    schema = _schema("null", *fields)
    wanted = ["f1"] if _readable(engine, schema, _columns(schema, "f1")) else []
    filler = next(
        good for good in (b"\x00", b"\x00\x00") if not rows.read(schema, _columns(schema, "f1"), [good]).faults
    )
    for at in range(3):
        datums = [filler, filler]
        datums.insert(at, datum)
        with pytest.raises(DatumError):
            _read(engine, schema, datums, *wanted)


@needs_extension
@pytest.mark.parametrize(
    ("avro", "datum"),
    [
        pytest.param("long", b"\xff" * 9 + b"\x02", id="a long of 65 bits"),
        pytest.param("long", b"\x80" * 10 + b"\x00", id="a long of 11 bytes"),
        pytest.param("boolean", b"\x02", id="a boolean that is neither"),
        pytest.param(
            {"type": "fixed", "name": "D", "size": 17, "logicalType": "decimal", "precision": 38, "scale": 0},
            b"\x00" + b"\xff" * 16,
            id="a decimal of 129 bits",
        ),
    ],
)
def test_what_the_extension_is_not_sure_of_it_leaves_to_the_reference(avro: Any, datum: bytes) -> None:
    """Datums that decoders read in several ways."""
    with pytest.raises(DatumError):
        _read(Native, _schema(avro), [datum], "f0")


def test_only_dozens_of_neighbours_of_a_damaged_datum_are_read_singly() -> None:
    """Of 10,000 datums with one damaged among them, the others come out the fast way but for its closest ones."""
    schema = _schema("string", ["null", "long"])
    datums = [b"\x04ab\x02\x08"] * 10_000
    datums[6_543] = b"\x04a"
    reading = Reader(schema, _columns(schema, "f0", "f1")).read(pl.Series(datums, dtype=pl.Binary))
    assert [index for index, _ in reading.rows.faults] == [6_543]
    assert len(reading.rows.columns[0]) == 9_999
    assert reading.singly.keys() == {Singly.DAMAGED}
    assert 0 < reading.singly[Singly.DAMAGED] <= 32


@pytest.mark.parametrize("engine", ENGINES)
def test_a_text_that_nobody_wants_is_not_looked_at(engine: type[Engine]) -> None:
    """Of a field left out the bytes need not be UTF-8, on both ways."""
    schema = _schema("string", "string")
    wanted, datums = _columns(schema, "f1"), [b"\x02\xff\x02a"]
    assert rows.read(schema, wanted, datums).columns[0].to_list() == ["a"]
    assert _read(engine, schema, datums, "f1")[0].to_list() == ["a"]


@pytest.mark.parametrize(
    "avro",
    [
        pytest.param({"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]}, id="recursion"),
        pytest.param(["null", "int", {"type": "fixed", "name": "F", "size": 0}], id="a branch that takes no bytes"),
    ],
)
def test_what_the_engine_cannot_read_is_read_singly(avro: Any) -> None:
    """A schema beyond the engine is read by the reference, and counted."""
    schema = _schema("string", avro)
    reading = Reader(schema, _columns(schema, "f0")).read(pl.Series([b"\x02a\x00"] * 5, dtype=pl.Binary))
    assert reading.rows.columns[0].to_list() == ["a"] * 5
    assert reading.singly == Counter({Singly.SCHEMA: 5})


@pytest.mark.parametrize(
    "avro",
    [
        pytest.param(["null"], id="a union of null only"),
        pytest.param([], id="a union of nothing"),
        pytest.param({"type": "fixed", "name": "F", "size": 2**31}, id="two gigabytes"),
        pytest.param({"type": "fixed", "name": "F", "size": -1}, id="a size below zero"),
        pytest.param({"type": "fixed", "name": "F", "size": "3"}, id="a size that is text"),
        pytest.param(
            {"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null"]}]}, id="inside a record"
        ),
    ],
)
@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_takes_a_schema_or_is_unfit(engine: type[Engine], avro: Any) -> None:
    """Nobody has looked at sizes and at unions without a type before: no other error comes of them."""
    schema = _schema("long", avro)
    for column in reachable(schema.root):
        _readable(engine, schema, [column])
        Reader(schema, [column], (engine,))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_schema_too_deep_for_the_stack_is_unfit(engine: type[Engine]) -> None:
    """What could be parsed where there was room is not taken where there is less of it, and ends nothing."""
    avro: Any = "long"
    for level in range(60):
        avro = {"type": "record", "name": f"R{level}", "fields": [{"name": "x", "type": avro}]}
    schema = _schema("long", avro)
    assert schema.layout is not None

    def deeper(levels: int) -> None:
        if levels:
            deeper(levels - 1)
        else:
            Reader(schema, _columns(schema, "f0"), (engine,))

    room = sys.getrecursionlimit()
    for levels in range(room - 200, room - 100, 20):
        deeper(levels - _depth())


def _depth() -> int:
    frame, depth = sys._getframe(), 0
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    return depth


class PanicException(BaseException):
    """Stands for what Rust raises."""


@pytest.mark.parametrize("error", [PanicException("text of a record"), RuntimeError("text of a record")])
def test_an_engine_that_panics_is_used_no_more(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """A panic or a strange error ends nothing, is not repeated, and nothing of it reaches a text."""
    calls = []

    class Broken:
        def __init__(self, *_: object, **__: object) -> None: ...

        def schema(self) -> None: ...

        def batch_iter(self, *_: object) -> None:
            calls.append(1)
            raise error

    monkeypatch.setattr(engine, "AvroSource", Broken)
    schema = _schema("string")
    wanted, datums = _columns(schema, "f0"), pl.Series([b"\x02a"] * 3, dtype=pl.Binary)
    assert schema.layout is not None
    with pytest.raises(EngineError) as caught:
        Columns(schema.layout, wanted).read(datums)
    assert "text of" not in str(caught.value)
    reader = Reader(schema, wanted, (Columns,))
    for _ in range(2):
        reading = reader.read(datums)
        assert reading.rows.columns[0].to_list() == ["a"] * 3
        assert reading.singly == Counter({Singly.ENGINE: 3})
    assert len(calls) == 2


def test_where_an_engine_fails_the_next_one_reads() -> None:
    """The one that failed is not asked again, and nothing is read singly while there is another."""
    calls = []

    class Failing:
        def __init__(self, *_: object) -> None: ...

        def read(self, datums: pl.Series) -> list[pl.Series]:
            calls.append(len(datums))
            raise EngineError("MemoryError")

    schema = _schema("string")
    reader = Reader(schema, _columns(schema, "f0"), (Failing, Columns))
    for _ in range(2):
        reading = reader.read(pl.Series([b"\x02a"] * 3, dtype=pl.Binary))
        assert reading.rows.columns[0].to_list() == ["a"] * 3
        assert not reading.singly
    assert calls == [3]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_engine_proves_itself(engine: type[Engine]) -> None:
    """With the versions that are installed the self-test passes."""
    assert proof.failure(engine) is None


def test_a_wrong_engine_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that takes every index but 0 for the second branch, or is not there, does not pass."""

    def swapped(self: Columns, datums: pl.Series) -> list[pl.Series]:
        return [series.reverse() for series in whole(self, datums)]

    whole = Columns.read
    monkeypatch.setattr(Columns, "read", swapped)
    assert "wrongly" in (proof.failure(Columns) or "")
    monkeypatch.setattr(engine, "AvroSource", None)
    assert "no type" in (proof.failure(Columns) or "")
    with pytest.raises(Unfit):
        Columns(_schema("int").layout, [])  # type: ignore[arg-type]


class Right(Columns):
    """Stands for the extension, where it is right."""


class Wrong(Columns):
    """Stands for an engine that is wrong."""

    def read(self, datums: pl.Series) -> list[pl.Series]:
        return [series.reverse() for series in super().read(datums)]


@pytest.mark.parametrize(
    ("wanted", "engines", "why_not", "slowly"),
    [
        pytest.param((Right, Columns), (Right, Columns), "", "", id="both"),
        pytest.param((Wrong, Columns), (Columns,), "", "in decoding it reads boolean", id="the second one only"),
        pytest.param((Right, Wrong), (Right,), "", "in decoding arrays, maps", id="the first one only"),
        pytest.param((Wrong, Wrong), (), "it reads boolean", "", id="neither"),
        pytest.param((Wrong,), (), "it reads boolean", "", id="not the only one"),
    ],
)
def test_what_is_not_proven_is_not_used_and_told(
    wanted: tuple[type[Engine], ...], engines: tuple[type[Engine], ...], why_not: str, slowly: str
) -> None:
    """Of two engines any may be wrong: whoever operates learns of it also where the other one does most of the work."""
    proven = proof.prove(wanted)
    assert proven.engines == engines
    for told, expected in ((proven.why_not, why_not), (proven.slowly, slowly)):
        assert expected in (told or "")
        assert bool(told) is bool(expected)


@needs_extension
@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param([], id="nothing"),
        pytest.param([8, 0, -1, 0, 0], id="less than a node"),
        pytest.param([11, 0, -1, 0, 0, 0], id="a type that is none"),
        pytest.param([8, 0, -1, 0, 0, 2, 2, 1, -1, 0, 0, 0], id="a field that is missing"),
        pytest.param([8, 0, -1, 0, 0, 0, 2, 1, -1, 0, 0, 0], id="a node too many"),
        pytest.param([8, 0, -1, 0, 0, 2**30], id="a billion fields"),
        pytest.param([6, 1, -7, 0, 0, 0], id="a size below zero"),
        pytest.param([10, 0, -1, 0, 0, 1, 0, 0, -1, 0, 0, 0], id="an array of nothing"),
        pytest.param([10, 0, -1, 0, 0, 1, 2, 1, -1, 0, 0, 0], id="a column of what an array holds"),
        pytest.param([2, 0, -1, 0, 0, 1, 2, 1, -1, 0, 0, 0], id="a column inside of a number"),
        pytest.param([8, 0, -1, 0, 0, 1] * 100_000 + [8, 0, -1, 0, 0, 0], id="a hundred thousand levels"),
    ],
)
def test_a_plan_that_is_none_is_refused(numbers: list[int]) -> None:
    """The extension trusts no plan."""
    from connector.avro import _datums  # noqa: PLC0415 (not there without a compiler)

    with pytest.raises(ValueError, match="no plan"):
        _datums.plan(array("i", numbers).tobytes())


@needs_extension
def test_the_extension_takes_binary_columns_without_null_only() -> None:
    """What is no column of datums is refused."""
    from connector.avro import _datums  # noqa: PLC0415 (not there without a compiler)

    plan = _datums.plan(array("i", [2, 1, -1, 0, 0, 0]).tobytes())
    with pytest.raises(TypeError):
        _datums.read(plan, pl.Series(["text"]).__arrow_c_stream__())
    assert _datums.read(plan, pl.Series([b"\x02", None]).__arrow_c_stream__()) is None
    # What stands below a null may be anything, as a size below zero.
    views = struct.pack("<i12si12s", 1, b"\x02", -(2**30), b"")
    datums = na.c_array_from_buffers(na.binary_view(), 2, [b"\x01", views, b""], null_count=1)
    assert _datums.read(plan, na.ArrayStream(datums).__arrow_c_stream__()) is None


@needs_extension
def test_the_extension_takes_no_stream_twice() -> None:
    """One that Polars has taken over is refused, and not called."""
    from connector.avro import _datums  # noqa: PLC0415 (not there without a compiler)

    @dataclass
    class Taken:
        stream: object

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return self.stream

    taken = Taken(pl.Series([b"\x02"]).__arrow_c_stream__())
    assert len(pl.Series(taken)) == 1
    with pytest.raises(TypeError):
        _datums.read(_datums.plan(array("i", [2, 1, -1, 0, 0, 0]).tobytes()), taken.stream)


MEASURED = """
import polars as pl, resource, sys
from tests.unit.test_avro_columns import _schema, _columns
from connector.avro.reading import Reader
{made}
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
reading = Reader(schema, wanted).read(datums)
assert [index for index, _ in reading.rows.faults] == faults, reading.rows.faults[:3]
sys.stdout.write(str((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024))
"""
CLAIM = """
schema = _schema({"type": "array", "items": {"type": "array", "items": "long"}}, "string")
# Each claims 2**31 - 1 lists, and finds one in every byte of zero that follows, up to the end of the part.
bad, faults = b"\\xfe\\xff\\xff\\xff\\x0f", [0]
datums = pl.Series([bad, *[b"\\x00" + b"\\xd0\\x0f" + b"\\x00" * 1000] * 80_000], dtype=pl.Binary)
wanted = _columns(schema, "f0")
"""
NULLS = """
fields = [{"name": f"x{at}", "type": "string"} for at in range(1_000)]
schema = _schema(["null", {"type": "record", "name": "Wide", "fields": fields}], "long")
wanted, faults = _columns(schema, "f1", *(f"f0.x{at}" for at in range(1_000))), []
datums = pl.Series([b"\\x00\\x02"] * 30_000, dtype=pl.Binary)
"""


@pytest.mark.parametrize(
    ("made", "most_mb"),
    [
        # 4 MB parts take 51, all at once 875.
        pytest.param(CLAIM, 150, id="a datum that claims everything after it"),
        # Columns of nulls only take 16, those with room for values 470.
        pytest.param(NULLS, 100, id="a byte that says that a thousand fields are null"),
    ],
)
def test_a_byte_takes_no_more_memory_than_its_part(made: str, most_mb: int) -> None:
    """What a few bytes claim is found out within 4 MB of their neighbours, or takes none: bounded memory and time."""
    run = subprocess.run(
        [sys.executable, "-c", MEASURED.replace("{made}", made)],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < most_mb
