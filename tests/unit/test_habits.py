"""Habits of this code base that no linter holds."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
MODULES = sorted((ROOT / "connector").rglob("*.py"))


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_every_test_states_its_claim(path: Path) -> None:
    """A test without a docstring does not say what it promises."""
    mute = [test.name for test in functions(path) if test.name.startswith("test_") and not ast.get_docstring(test)]
    assert mute == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_grows_too_long(path: Path) -> None:
    """A module over 300 lines or a function over 40 wants another cut."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
    long = [f.name for f in functions(path) if (f.end_lineno or 0) - f.body[0].lineno >= 40]
    assert long == []


def test_every_module_of_kafka_is_kept_from_the_embedded_broker() -> None:
    """A new one is not forgotten in the contract that only the service may use it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    named = next(one["source_modules"] for one in contracts if "embedded" in one["name"])
    modules = {f"connector.kafka.{path.stem}" for path in (ROOT / "connector" / "kafka").glob("*.py")}
    assert modules - {"connector.kafka.__init__", "connector.kafka.embedded"} <= set(named)
