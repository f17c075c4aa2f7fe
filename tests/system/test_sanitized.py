"""The C extension under the sanitizers of memory and of undefined behaviour: what its tests do, it does cleanly."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = ("avro/_datums", "kafka/_drain", "target/_encoding")
FLAGS = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer")
# What works on bytes from outside, and on what librdkafka hands over.
TESTS = (
    "tests/unit/test_avro_columns.py",
    "tests/unit/test_encoding.py",
    "tests/unit/test_batchfile.py",
    "tests/embedded/test_readers.py",
)
# One of them measures memory, and one looks for the leak of a queue by starting a process of its own.
CHOSEN = "(Native or extension or plan or lines or pieces) and not memory"

pytestmark = pytest.mark.system


def _library(name: str) -> str | None:
    """Where the compiler has a sanitizer's library; None where it has none."""
    compiler = shutil.which("gcc")
    if compiler is None:
        return None
    path = subprocess.run([compiler, f"-print-file-name={name}"], check=True, capture_output=True, text=True).stdout
    return path.strip() if Path(path.strip()).is_absolute() else None


@pytest.mark.skipif(None in {_library("libasan.so"), _library("libubsan.so")}, reason="needs gcc and its libasan")
def test_the_extension_is_clean_under_the_sanitizers(tmp_path: Path) -> None:
    """Generated, damaged and hostile input: no byte is read or written beyond its place, and nothing is undefined."""
    for name in ("connector", "tests", "schemas"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    headers = f"-I{sysconfig.get_path('include')}"
    for module in MODULES:
        built = [f"connector/{module}.c", "-o", f"connector/{module}.abi3.so"]
        subprocess.run(
            ["gcc", *FLAGS, "-shared", "-fPIC", "-fvisibility=hidden", headers, *built], cwd=tmp_path, check=True
        )
    # Python itself leaks on purpose, so leaks are not looked for.
    preloaded = f"{_library('libasan.so')} {_library('libubsan.so')}"
    sanitized = {"LD_PRELOAD": preloaded, "ASAN_OPTIONS": "detect_leaks=0", "AVRO_CASES": "60000"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "PYTEST_"))}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", CHOSEN, *TESTS],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(tmp_path)} | sanitized,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-4_000:] + run.stderr[-4_000:]
    assert " passed" in run.stdout
