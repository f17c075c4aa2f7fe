"""Where the command begins: settles what must be settled before Polars is loaded, then hands over to `service.cli`.

Memory that is freed goes back to the system soon, but not at once. Polars' allocator (jemalloc) reads its options
once, when it is loaded. By default it keeps what was freed for ten seconds, and with a window merged every few seconds
that while never ends; half a second is enough for the next chunk to find it, and at 0 the kernel's work was a fifth of
all CPU. The C library's (glibc), from which Python and librdkafka have theirs, maps large blocks on their own only
until the first body is freed; from then on they lie on its heap, which does not shrink while anything lies above them,
and each thread may have a heap. So blocks from 16 MB on are always mapped on their own; at 1 MB those of each chunk
would be, which cost 8 % of all CPU (`python -m benchmarks.road`; memory: `benchmarks.outage`).
"""

from __future__ import annotations

import ctypes
import os

FREED_SOON = {"_RJEM_MALLOC_CONF": "dirty_decay_ms:500,muzzy_decay_ms:0"}

# By the variables that glibc would read at its own start: the number of mallopt's parameter (malloc.h), and its value.
GLIBC = {"MALLOC_MMAP_THRESHOLD_": (-3, 1 << 24), "MALLOC_TRIM_THRESHOLD_": (-1, 1 << 24), "MALLOC_ARENA_MAX": (-8, 2)}


def main() -> None:
    """Run the command line."""
    give_back()
    from connector.service import cli  # noqa: PLC0415  loads Polars

    cli.main()


def give_back() -> None:
    """Let both allocators give back what is freed; what the user has set stays. Another C library is left alone."""
    for name, value in FREED_SOON.items():
        os.environ.setdefault(name, value)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    for name, (parameter, number) in GLIBC.items():
        if mallopt is not None and name not in os.environ:
            mallopt(parameter, number)


if __name__ == "__main__":
    main()
