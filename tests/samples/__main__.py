"""Writes the samples into `schemas/samples/`."""

from __future__ import annotations

from tests.samples.files import FOLDER, contents

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, content in contents().items():
        (FOLDER / name).write_bytes(content)
