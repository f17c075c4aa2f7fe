"""Which reader the members of a test take records by: the C extension where it is installed, unless a test says so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Choice:
    """The setting `service.extension` of what is started next; `each_reader` in `conftest.py` sets it."""

    extension: bool = True


CHOICE = Choice()
