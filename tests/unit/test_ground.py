from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.containers import APP_IMAGE, KAFKA_IMAGE, REGISTRY_IMAGE

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
CI = (ROOT / ".ci/run").read_text()
REQUIREMENTS = sorted(path.name for path in (ROOT / "requirements").glob("*.txt"))


def _pins(name: str) -> dict[str, str]:
    """The pinned version by name of package."""
    text = (ROOT / "requirements" / name).read_text()
    return {
        canonicalize_name(found[1]): found[2]
        for found in re.finditer(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)", text, re.MULTILINE)
    }


@pytest.fixture
def project() -> Any:
    """The project file."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_there_are_pins_for_running_building_and_developing() -> None:
    """Each of the three has a file of its own."""
    assert REQUIREMENTS == ["build.txt", "dev.txt", "run.txt"]


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_requirements_name_no_address(name: str) -> None:
    """Where packages come from is for the machine to say: a mirror, a proxy, the public index."""
    text = (ROOT / "requirements" / name).read_text()
    assert not re.search(r"://|^\s*-(-index-url|-extra-index-url|-find-links|i|f)\b| @ ", text, re.MULTILINE)


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_every_pin_has_hashes(name: str) -> None:
    """A package that changed after it was pinned is refused."""
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    naked = [
        line
        for line, below in zip(lines, [*lines[1:], ""], strict=True)
        if re.match(r"\w", line) and not (line.endswith("\\") and below.startswith("    --hash=sha256:"))
    ]
    assert naked == []


def test_all_that_the_project_needs_is_pinned_within_its_bounds(project: Any) -> None:
    """The image gets every dependency of the project file, in a version that the project file allows."""
    pins = _pins("run.txt")
    needed = [Requirement(line) for line in project["project"]["dependencies"]]
    assert [
        str(need) for need in needed if not need.specifier.contains(pins.get(canonicalize_name(need.name), "0"))
    ] == []


@pytest.mark.parametrize("name", ["run.txt", "build.txt"])
def test_what_is_tested_is_what_ships(name: str) -> None:
    """The versions that developers and CI use are those of the image."""
    assert _pins(name).items() <= _pins("dev.txt").items()


@pytest.mark.parametrize(
    "unknown",
    [
        pytest.param(r"^# *syntax *=", id="a line that pulls a newer frontend"),
        pytest.param(r"^RUN .*--(mount|network)", id="mounts and networks of RUN"),
        pytest.param(r"^(COPY|ADD) .*--(link|parents|exclude|checksum|chmod)", id="new flags of COPY and ADD"),
        pytest.param(r"--start-interval", id="a start interval of the health check"),
        pytest.param(r"^\w+ .*<<", id="heredocs"),
        pytest.param(r"^COPY --from=(?!build )", id="copying from an image of a registry"),
    ],
)
def test_the_dockerfile_uses_nothing_that_only_some_builders_know(unknown: str) -> None:
    """The classic builder and every BuildKit make the same image."""
    assert not re.search(unknown, DOCKERFILE, re.MULTILINE | re.IGNORECASE)


@pytest.mark.parametrize("instruction", ["ENTRYPOINT", "CMD"])
def test_the_service_gets_the_signals_itself(instruction: str) -> None:
    """In exec form there is no shell between Docker and the connector to swallow SIGTERM."""
    lines = re.findall(rf"^ *{instruction} +(.*)", DOCKERFILE, re.MULTILINE)
    assert lines
    assert all(line.startswith("[") for line in lines)


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    """Kubernetes can tell only from a number that the user is not root."""
    assert re.findall(r"^USER +(.*)", DOCKERFILE, re.MULTILINE) == ["65532:65532"]


def test_the_image_is_labelled_with_the_version_of_the_project(project: Any) -> None:
    """`docker inspect` tells which release it is."""
    assert re.findall(r"^ARG VERSION=(.*)", DOCKERFILE, re.MULTILINE) == [project["project"]["version"]]


def test_ci_fetches_the_images_that_the_tests_and_the_dockerfile_use() -> None:
    """No image is first missed in the middle of a run."""
    (python,) = re.findall(r"^ARG PYTHON=(.*)", DOCKERFILE, re.MULTILINE)
    (images,) = re.findall(r"^images=\((.*)\)", CI, re.MULTILINE)
    assert images.split() == [KAFKA_IMAGE, REGISTRY_IMAGE, f"python:{python}"]


def test_ci_builds_the_image_that_the_tests_look_at() -> None:
    """The image tests see is the one just built."""
    assert re.findall(r"^tag=(.*)", CI, re.MULTILINE) == [APP_IMAGE]


def test_ci_can_be_started() -> None:
    """It is executable and bash can parse it."""
    assert os.access(ROOT / ".ci/run", os.X_OK)
    subprocess.run(["bash", "-n", ROOT / ".ci/run"], check=True)


def test_ci_names_no_host() -> None:
    """Which registries are reached is the machine's affair."""
    assert not re.search(r"https?://|\w\.(io|com|org|net)\b", CI)


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "deploy/README.md"])
def test_the_pages_name_only_files_that_exist(page: str) -> None:
    """A reader who follows a path arrives."""
    path = ROOT / page
    named = re.findall(r"`((?:\.?[\w-]+/)*[\w.-]*[\w-](?:/|\.(?:md|py|toml|yaml)))`", path.read_text())
    assert named
    # Rooms are named without the package, as everybody calls them; deploy/README.md also names its neighbours.
    roots = [ROOT, ROOT / "connector", path.parent]
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []


SKIPS = """
import pytest

@pytest.mark.skip(reason="by mark")
def test_skipped_by_mark(): ...

def test_skipped_inside():
    pytest.skip("inside")

@pytest.fixture
def absent():
    pytest.skip("by fixture")

def test_skipped_by_fixture(absent): ...

@pytest.mark.xfail(reason="on purpose", strict=True)
def test_that_fails_as_expected():
    assert False

def test_that_passes(): ...
"""


OURS = {"TESTS_REQUIRE_ALL", "PYTEST_ADDOPTS"}  # of the run that this one is a part of


def _pytest(folder: Path, text: str, **environment: str) -> str:
    """The last line of a pytest run of this one file, under our conftest."""
    (folder / "test_it.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.conftest", str(folder)]
    inherited = {name: value for name, value in os.environ.items() if name not in OURS}
    run = subprocess.run(
        command, cwd=ROOT, env=inherited | environment, capture_output=True, text=True, timeout=60, check=False
    )
    return re.sub(r" in [\d.]+s.*", "", run.stdout.splitlines()[-1])


def test_a_skip_is_a_skip_on_a_developers_machine(tmp_path: Path) -> None:
    """Without Docker the other tests still pass."""
    assert _pytest(tmp_path, SKIPS) == "1 passed, 3 skipped, 1 xfailed"


def test_a_skip_is_a_failure_where_all_is_required(tmp_path: Path) -> None:
    """In CI nothing skips unseen; a test that fails as expected has run, and passes."""
    assert _pytest(tmp_path, SKIPS, TESTS_REQUIRE_ALL="1") == "1 failed, 1 passed, 1 xfailed, 2 errors"


def test_a_module_that_skips_itself_is_a_failure_where_all_is_required(tmp_path: Path) -> None:
    """Nor does a whole file."""
    text = "import pytest\npytest.importorskip('no_such_module')\n"
    assert _pytest(tmp_path, text, TESTS_REQUIRE_ALL="1") == "1 error"


def test_the_command_sets_the_allocator_before_polars_is_loaded() -> None:
    """What `__main__` sets comes in time: importing it loads no Polars, and the user's own options stay."""
    script = (
        "import sys, os; import connector.__main__ as begin; assert 'polars' not in sys.modules;"
        "sys.argv = ['target-connector', '--version']\n"
        "try: begin.main()\n"
        "except SystemExit: pass\n"
        "assert 'polars' in sys.modules; print(os.environ['_RJEM_MALLOC_CONF'])"
    )
    for given, expected in (
        ({}, "dirty_decay_ms:500,muzzy_decay_ms:0"),
        ({"_RJEM_MALLOC_CONF": "narenas:1"}, "narenas:1"),
    ):
        environment = {name: value for name, value in os.environ.items() if name != "_RJEM_MALLOC_CONF"} | given
        run = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert run.returncode == 0, run.stderr
        assert run.stdout.splitlines()[-1].endswith(expected)  # Polars puts its own options before


@pytest.mark.skipif(sys.platform != "linux", reason="the C library is another")
def test_the_command_lets_large_blocks_go_back_to_the_system() -> None:
    """A body that is freed does not make the next ones lie on the C library's heap, which does not shrink."""
    script = (
        "import re, sys; import connector.__main__ as begin\n"
        "begin.give_back()\n"
        "bytes(20_000_000)\n"
        "held = bytes(20_000_000)\n"
        "maps = open('/proc/self/maps').read()\n"
        r"first, last = re.search(r'^(\w+)-(\w+).*\[heap\]', maps, re.MULTILINE).groups()" + "\n"
        "print(int(last, 16) - int(first, 16))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    run = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 15_000_000
