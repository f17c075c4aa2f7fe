"""Starting over: how long it waits, and when the settings file says something else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from connector.errors import SettingError
from connector.service.lives import CALM_S, Storm
from connector.service.settings_watch import SettingsWatch
from tests.system.command import minimal

if TYPE_CHECKING:
    from pathlib import Path


def test_lives_that_give_up_soon_wait_longer_each_time() -> None:
    """One second, doubled each time, a minute at most: Kafka's group is not made to settle again and again."""
    storm = Storm()
    assert [storm.wait_s(1.0) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_long_life_ends_the_storm() -> None:
    """What happens once a day waits a second."""
    storm = Storm()
    assert [storm.wait_s(seconds) for seconds in (1.0, 1.0, CALM_S, 1.0)] == [1, 2, 1, 2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "connector.yaml"
    path.write_text(json.dumps(minimal()))
    return path


def test_a_file_that_stays_is_not_read_again(file: Path) -> None:
    """The same content is no change, though it was written anew."""
    watch = SettingsWatch(file, {})
    watch.load()
    file.write_text(json.dumps(minimal()))
    assert watch.changed() is None


def test_a_link_that_is_turned_is_a_change(file: Path, tmp_path: Path) -> None:
    """Kubernetes changes what is behind the name, and not the file."""
    link, other = tmp_path / "link.yaml", tmp_path / "other.yaml"
    other.write_text(json.dumps(minimal(window__max_age="7s")))
    link.symlink_to(file)
    watch = SettingsWatch(None, {"CONNECTOR_CONFIG": str(link)})
    assert watch.load().window.max_age == 0.3
    (tmp_path / "new").symlink_to(other)
    (tmp_path / "new").rename(link)
    changed = watch.changed()
    assert changed is not None
    assert changed.window.max_age == 7


@pytest.mark.parametrize("content", ["kafka: {", None], ids=["no YAML", "no file"])
def test_a_file_with_problems_is_told_once(file: Path, content: str | None) -> None:
    """Once for each content, however often it is looked at; the good one afterwards is a change again."""
    watch = SettingsWatch(file, {})
    watch.load()
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    with pytest.raises(SettingError):
        watch.changed()
    assert watch.changed() is None
    file.write_text(json.dumps(minimal()))
    assert watch.changed() is not None


def test_without_a_file_nothing_changes() -> None:
    """Settings that all come from the environment cannot change in a process."""
    values = {"CONNECTOR_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1", "CONNECTOR_KAFKA__GROUP_ID": "g"}
    values |= {"CONNECTOR_TARGET__CLIENT": "acme", "CONNECTOR_REGISTRY__URL": "http://127.0.0.1:1"}
    values["CONNECTOR_SOURCES"] = json.dumps(minimal()["sources"])
    watch = SettingsWatch(None, values)
    watch.load()
    assert watch.changed() is None
