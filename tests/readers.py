"""Which reader the members of a test take records by: the C extension where it is installed, unless a test says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pytest

from connector.avro import native
from connector.kafka.drain import PLUGIN
from connector.target import encoding

MISSING: Final = (
    None
    if PLUGIN and native.INSTALLED and encoding.INSTALLED
    else "the C extension is missing: get a compiler, then make clean install"
)
needs_extension = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


@dataclass
class Choice:
    """The setting `service.extension` of what is started next; `each_reader` in `conftest.py` sets it."""

    extension: bool = True


CHOICE = Choice()
