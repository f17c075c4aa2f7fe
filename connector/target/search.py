"""The search for the rows that Target refuses: which rows to send next, after what it said of the last.

Binary splitting for group testing (Hwang 1972, doi:10.1080/01621459.1972.10481257), always from the front. If a set is
refused and its first half accepted, the other half must hold a bad row, so it is never sent whole; once a row is found
to be refused on its own, all that is still untested goes as one again. So of 100,000 rows one bad row costs at most 20
calls and three cost at most 56, where plain halving takes up to 94 (`tests/unit/test_search.py` counts them). Rows are
accepted in their order. Also cuts what is over the size of a body, and narrows that size where Target says 413.
Pure; `delivery` sends what it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from connector.records import Rows
from connector.target import batchfile

if TYPE_CHECKING:
    from connector.target.batchfile import Limits

# A Target that refuses everything (a wrong id type, a wrong attribute name) is told from a bad row at the head of the
# batch by probes: rows from all over the batch, each on its own. All refused: the rows are not to blame.
PROBES: Final = 4


class Search:
    """One batch on its way to being accepted, except for its bad rows.

    Attributes:
        limits: of the next body; its size shrinks after a 413.
        proven: a body of so many bytes passed after a larger one met a 413; None while nothing is known.
        hopeless: Target took neither the first row that it was given alone nor any probe, and accepted nothing.
    """

    def __init__(self, rows: Rows, limits: Limits) -> None:
        """Begin; `rows` as for `batchfile.Body`, of which each fits into a body alone."""
        self.limits = limits
        self.proven: int | None = None
        self.hopeless = False
        self._rows = rows  # neither accepted nor set apart
        self._suspects = 0  # so many of the first of them hold a bad row
        self._at, self._sent = 0, 0  # where in `_rows` the part begins that was given last, and its height
        self._probe: int | None = None  # the number of the probe under way
        self._probed = False
        self._passed = 0  # the largest body accepted, in bytes
        self._given = limits

    def next(self) -> Rows | None:
        """The rows to send; None once each is accepted or set apart."""
        if not self._rows.height:
            return None
        if self._probe is not None:
            self._at = min(self._rows.height - 1, self._rows.height * self._probe // PROBES)
            self._sent = 1
        else:
            wanted = self._rows.part(0, max(1, self._suspects // 2)) if self._suspects else self._rows
            self._at, self._sent = 0, max(1, batchfile.fitting(wanted, self.limits))
        return self._rows.part(self._at, self._sent)

    def accepted(self, size_bytes: int) -> None:
        """Target took the rows given last, in a body of so many bytes."""
        self._passed = max(self._passed, size_bytes)
        if self.limits != self._given and size_bytes > self.limits.max_bytes // 2:
            self.proven = max(size_bytes, self.proven or 0)
        self._take_out()
        self._probe = None

    def refused(self) -> Rows | None:
        """Target refused the rows given last; returns them if that was one row, which is then out of the search."""
        if self._sent == 1:
            return self._set_apart()
        self._suspects = self._sent
        return None

    def too_large(self, size_bytes: int) -> Rows | None:
        """Target answered 413 to a body of so many bytes; returns the row, as above, if it held but one.

        Where a body as large was accepted before, not the size of the body is too much but something in it, and it is
        searched for as a bad row is.
        """
        if self._sent == 1:
            row = self._set_apart()
            self.limits = self._given if self.proven is None else self._given.narrowed(self.proven + 1)
            return row
        if size_bytes <= self._passed:
            self._suspects = self._sent
            self.limits, self.proven = self._given, None
            return None
        header = batchfile.header_bytes(self._rows, self.limits)
        self.limits = self.limits.narrowed(header + (size_bytes - header) // 2 + 1)
        return None

    def _set_apart(self) -> Rows:
        """Take out a row that was not taken alone; the next is a probe if nothing was accepted so far."""
        row = self._take_out()
        self._suspects = 0  # the refusal is explained: of the rest nothing is known
        if self._probe is not None:
            self.hopeless = self._probe == PROBES
            self._probe = self._probe % PROBES + 1
        elif self._passed == 0 and not self._probed and self._rows.height >= PROBES:
            self._probe, self._probed = 1, True
        return row

    def _take_out(self) -> Rows:
        """Remove the rows given last, and what was suspected of them."""
        rest, part = self._rows, self._rows.part(self._at, self._sent)
        after = rest.part(self._at + self._sent)
        if self._at == 0:
            self._rows = after
            self._suspects = max(0, self._suspects - self._sent)
        else:
            self._rows = Rows(rest.names, pl.concat([rest.part(0, self._at).lines, after.lines]))
        return part
