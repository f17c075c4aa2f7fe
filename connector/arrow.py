"""What the C extension hands over, as Polars takes it. Knows nothing of the others; `_arrow.h` is its other side."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ArrowArray:
    """The two capsules of Arrow's C data interface; `pl.Series` takes them over without a copy."""

    schema: object
    array: object

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        return self.schema, self.array
