"""Writes the table of docs/types.md."""

from __future__ import annotations

from tests.types import PAGE, page

if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
