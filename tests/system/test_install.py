"""The package as pip builds it: with a C compiler and without one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
READER = """
from connector.avro import native
from connector.kafka import drain
from connector.target import encoding
from connector.telemetry import Silent
given = {"bootstrap.servers": "127.0.0.1:1", "group.id": "g", "log_level": 0}
consumer, reader = drain.client(given, Silent(), extension=True)
print(drain.__file__, reader.name, native.INSTALLED, encoding.INSTALLED)
reader.close()
consumer.close()
"""

pytestmark = pytest.mark.system


@pytest.mark.parametrize(
    ("compiler", "parts"),
    [({}, ["extension", "True", "True"]), ({"CC": "/bin/false"}, ["client", "False", "False"])],
    ids=["with a compiler", "without one"],
)
def test_it_installs(tmp_path: Path, compiler: dict[str, str], parts: list[str]) -> None:
    """Without a compiler it installs as well, and does by libraries what the extension does."""
    source, wheels, installed = tmp_path / "source", tmp_path / "wheels", tmp_path / "installed"
    shutil.copytree(ROOT / "connector", source / "connector", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, f"--wheel-dir={wheels}", str(source)], env=os.environ | compiler, check=True)
    (wheel,) = wheels.glob("*.whl")
    with ZipFile(wheel) as files:
        files.extractall(installed)
    path = f"{installed}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    run = [sys.executable, "-c", READER]
    printed = subprocess.run(
        run, env=os.environ | {"PYTHONPATH": path}, cwd=tmp_path, check=True, capture_output=True, text=True
    )
    where, *found = printed.stdout.split()
    assert (Path(where).is_relative_to(installed), found) == (True, parts)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
@pytest.mark.parametrize("module", ["avro/_datums", "kafka/_drain", "target/_encoding"])
def test_the_extension_is_built_for_no_machine_that_it_would_be_wrong_on(module: str) -> None:
    """Where the highest byte comes first it does not compile, and so is not there: it copies numbers as they are."""
    order = ["-U__BYTE_ORDER__", "-D__BYTE_ORDER__=__ORDER_BIG_ENDIAN__"]
    checked = ["gcc", "-fsyntax-only", f"-I{sysconfig.get_path('include')}", f"connector/{module}.c"]
    here, there = (
        subprocess.run([*checked, *more], cwd=ROOT, capture_output=True, text=True, check=False) for more in ([], order)
    )
    assert here.returncode == 0, here.stderr
    assert "the lowest byte first" in there.stderr
