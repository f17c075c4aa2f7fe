"""What the fast engine reads for a type whose datum is one value, and how that becomes the column `scalars` promises.

The counterpart of `scalars`, which does the same value by value; a property test holds the two together. Called by
`layouts`. No I/O.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import polars as pl

from connector.avro import semantics
from connector.avro.scalars import MAX_DECIMAL_DIGITS, NANO_TIMES, SCALES, DatumError, Limits, scalar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Meaning = Callable[[pl.Series], pl.Series]


class Unfit(Exception):  # noqa: N818 - it is no error: the reference path reads such a schema
    """The fast engine cannot read such a type; the text names it."""


def meaning(avro: Mapping[str, Any], name: str) -> tuple[Any, Meaning]:
    """Look up a primitive, fixed or enum type.

    Args:
        avro: the schema as an object, as `connector.avro.scalars.scalar` takes it, or an enum.
        name: what the engine's schema may call it; no other type in that schema is called so.

    Returns:
        The schema for the engine, and from the series that comes (without nulls) to the column; that raises DatumError
        where a value is out of range.

    Raises:
        Unfit: the engine cannot read it.
    """
    base = avro["type"]
    if base == "enum":
        return "long", _symbols(avro["symbols"])
    avro = semantics.resolved(avro)
    held = scalar(avro)
    plain: Any = {"type": "fixed", "name": name, "size": avro["size"]} if base == "fixed" else base
    if base in {"bytes", "fixed"} and avro.get("logicalType") == "decimal" and avro.get("precision"):
        return _decimal(plain, avro["precision"], avro.get("scale") or 0)
    if base == "fixed" and held.dtype == pl.String:
        return plain, _uuid
    if base == "long" and held.dtype == pl.String:
        return "long", _nano_time
    if base in {"int", "long"}:
        return "long", _whole(held.dtype, held.limits)
    return plain, lambda series: series


def _whole(dtype: pl.DataType, limits: Limits | None) -> Meaning:
    if limits is None:
        return lambda series: series.cast(dtype)

    def means(series: pl.Series) -> pl.Series:
        _hold(series, limits.low, limits.end, limits.fault)
        return (series * limits.times if limits.times > 1 else series).cast(dtype)

    return means


def _symbols(symbols: Sequence[str]) -> Meaning:
    listed = pl.Series(symbols, dtype=pl.String)

    def means(series: pl.Series) -> pl.Series:
        _hold(series, 0, len(symbols), "an enum index out of range")
        return listed.gather(series) if len(series) else pl.Series(dtype=pl.String)

    return means


def _decimal(plain: Any, precision: int, scale: int) -> tuple[Any, Meaning]:
    """Let the engine read 128 bits; it refuses more of them, and does not look at the digits."""
    if scale > MAX_DECIMAL_DIGITS:
        raise Unfit("a decimal of more than 38 digits after the point")
    digits = min(precision, MAX_DECIMAL_DIGITS)
    dtype = pl.Decimal(precision, scale) if precision <= MAX_DECIMAL_DIGITS else pl.String()
    base = plain if isinstance(plain, dict) else {"type": plain}
    avro = {**base, "logicalType": "decimal", "precision": digits, "scale": scale}

    def means(series: pl.Series) -> pl.Series:
        end = 10**digits
        _hold(series.to_physical(), 1 - end, end, "a decimal of more digits than its precision")
        return series.cast(dtype)

    return avro, means


def variable_scale(series: pl.Series) -> pl.Series:
    """Write out decimals that carry their own scale, as `connector.avro.scalars.variable_scale_text` does one.

    Args:
        series: Struct of `scale` (Int32) and `value` (Decimal of scale 0), without nulls.
    """
    scales, values = series.struct.field("scale"), series.struct.field("value")
    _hold(scales, SCALES.low, SCALES.end, SCALES.fault)
    # As text from the start: moved by its scale, a number would not fit 128 bits.
    scale, number = pl.col("scale"), pl.col("value").cast(pl.String)
    digits = number.str.strip_prefix("-")
    sign = pl.when(number.str.starts_with("-")).then(pl.lit("-")).otherwise(pl.lit(""))
    length = digits.str.len_chars().cast(pl.Int64)
    padded = digits.str.zfill(pl.max_horizontal(scale + 1, length))
    pointed = pl.concat_str(padded.str.head(-scale), pl.lit("."), padded.str.tail(scale))
    longer = digits.str.pad_end(length - scale, "0")
    text = pl.when(scale > 0).then(pointed).when((scale < 0) & (digits != "0")).then(longer).otherwise(digits)
    return pl.DataFrame([scales, values]).select(pl.concat_str(sign, text)).to_series()


def _nano_time(series: pl.Series) -> pl.Series:
    _hold(series, NANO_TIMES.low, NANO_TIMES.end, NANO_TIMES.fault)
    return series.cast(pl.Time).dt.strftime("%H:%M:%S%.9f")


def _uuid(series: pl.Series) -> pl.Series:
    digits = pl.col("").bin.encode("hex")
    parts = [digits.str.slice(start, length) for start, length in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))]
    return series.alias("").to_frame().select(pl.concat_str(parts, separator="-")).to_series()


def _hold(series: pl.Series, low: int, end: int, fault: str) -> None:
    least, most = series.min(), series.max()
    if least is not None and not (low <= least and most < end):  # type: ignore[operator]
        raise DatumError(fault)
