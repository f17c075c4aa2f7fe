"""Where the command begins: settles what must be settled before Polars is loaded, then hands over to `service.cli`.

Polars' allocator (jemalloc) reads its options once, when it is loaded. By default it keeps what was freed for a while,
and with a window merged every few seconds that while never ends: the process then held twice the memory that it
needed (`python -m benchmarks.outage`). Options that the user has set stay.
"""

from __future__ import annotations

import os

FREED_AT_ONCE = {"_RJEM_MALLOC_CONF": "dirty_decay_ms:0,muzzy_decay_ms:0"}


def main() -> None:
    """Run the command line."""
    for name, value in FREED_AT_ONCE.items():
        os.environ.setdefault(name, value)
    from connector.service import cli  # noqa: PLC0415  loads Polars

    cli.main()


if __name__ == "__main__":
    main()
