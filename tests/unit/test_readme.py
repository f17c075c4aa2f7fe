"""The README is run: what it shows works as written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from connector.service.cli import app
from connector.service.loading import load

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_its_settings_are_settings(tmp_path: Path) -> None:
    """The file to begin with loads, once its token file is there."""
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "token").write_text("a token")
    path = tmp_path / "connector.yaml"
    path.write_text(block.replace("/run/secrets/target-token", str(tmp_path / "token")))
    settings = load(path, {"CONNECTOR_TARGET__BASE_URL": "http://127.0.0.1:8081"})
    assert settings.sources[0].attributes == {"loyaltyTier": "tier", "city": "address.city"}
    assert settings.target.base_url == "http://127.0.0.1:8081"


@pytest.mark.parametrize("target", sorted(set(re.findall(r"^\$ make (\w+)", README, re.MULTILINE))))
def test_its_make_targets_exist(target: str) -> None:
    """Every `make …` of the README is a target with a description."""
    assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def test_its_commands_exist_with_their_options() -> None:
    """Every `target-connector …` of the README names a command and options that it has."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    shown = re.findall(
        r"^\$ .*target-connector (run|demo|init|check|preview|simulate-target|status|unblock)(.*)$",
        README,
        re.MULTILINE,
    )
    assert {name for name, _ in shown} == {"run", "init", "check", "preview", "simulate-target", "status", "unblock"}
    for name, rest in shown:
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known


def test_its_promises_are_those_of_the_design() -> None:
    """Five promises, numbered, in bold."""
    names = re.findall(r"^\d\. \*\*(.+?)\.\*\*", README, re.MULTILINE)
    assert names == [
        "Nothing is lost", "Newest wins", "A row never shifts", "The account is safe", "It heals itself",
    ]  # fmt: skip
