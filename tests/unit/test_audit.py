"""The audit of the pinned packages: a finding fails, and a list that cannot be had is said."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

_SPEC = importlib.util.spec_from_file_location("audit", Path(__file__).parents[2] / ".ci/audit.py")
assert _SPEC is not None
assert _SPEC.loader is not None
audit = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(audit)

FINE: dict[str, Any] = {"name": "attrs", "version": "25.1", "vulns": []}
BAD: dict[str, Any] = {"name": "old", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
UNKNOWN: dict[str, Any] = {"name": "mirrored", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "count", "findings"),
    [
        pytest.param([FINE, FINE], 2, [], id="all is well"),
        pytest.param([FINE, BAD, UNKNOWN], 2, ["old 1: CVE-1, mended in 2"], id="one finding"),
        pytest.param([UNKNOWN], 0, [], id="a mirror that knows nothing"),
        pytest.param([], 0, [], id="nobody there"),
    ],
)
def test_only_what_was_looked_at_counts(packages: list[dict[str, Any]], count: int, findings: list[str]) -> None:
    """A package that the service does not know is not called safe."""
    assert audit.judged(packages) == (count, findings)


@pytest.mark.parametrize(
    ("answers", "code", "said"),
    [
        pytest.param({"pypi": [FINE]}, 0, "1 packages looked up at pypi, 0 unknown there, 0 findings", id="well"),
        pytest.param({"pypi": [BAD]}, 1, "mended in 2", id="a finding"),
        pytest.param({"pypi": [UNKNOWN], "osv": [BAD]}, 1, "looked up at osv", id="a mirror, and another service"),
        pytest.param({"pypi": [UNKNOWN]}, 0, "SKIPPED", id="nobody to ask"),
    ],
)
def test_a_finding_fails_and_a_missing_list_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answers: Any, code: int, said: str
) -> None:
    """Where the list can be had, a finding is exit code 1; where it cannot, that is one line."""
    monkeypatch.setattr(audit, "asked", lambda service, _requirements: answers.get(service))
    assert audit.main("requirements/dev.txt", "requirements/build.txt") == code
    assert said in capsys.readouterr().out
