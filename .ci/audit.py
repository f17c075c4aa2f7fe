"""Holds the pinned packages against the known vulnerabilities, where their list can be had.

pip-audit asks PyPI, then OSV. An index that is only a mirror knows no vulnerabilities, and pip-audit calls that a
success, so what matters is how many packages were really looked at. Exit code 1 on a finding; 0 with one line where
nobody could be asked. `make audit` calls it; the arguments are a requirements file and a short one, which is asked
about first, to find out in seconds whether anybody answers.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SERVICES = ("pypi", "osv")
TIMEOUT_S = 300


def asked(service: str, requirements: str) -> list[dict[str, Any]] | None:
    """Returns pip-audit's packages, or None where the service cannot be asked."""
    command = [str(Path(sys.executable).with_name("pip-audit")), "--format", "json", "--progress-spinner", "off"]
    command += ["--disable-pip", "--require-hashes", "--timeout", "15", "--vulnerability-service", service]
    command += ["--requirement", requirements]
    try:
        run = subprocess.run(  # noqa: S603 (our own arguments)
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        packages: list[dict[str, Any]] = json.loads(run.stdout)["dependencies"]
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError):
        return None
    return packages


def judged(packages: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """Returns how many packages were looked at, and a line for each vulnerability."""
    looked_at = [one for one in packages if "skip_reason" not in one]
    findings = [
        f"{one['name']} {one['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'none yet'}"
        for one in looked_at
        for found in one["vulns"]
    ]
    return len(looked_at), findings


def main(requirements: str, short: str) -> int:
    """Returns the exit code."""
    for service in SERVICES:
        if not judged(asked(service, short) or [])[0]:
            continue
        packages = asked(service, requirements)
        count, findings = judged(packages or [])
        if count:
            left = len(packages or []) - count
            sys.stdout.write("".join(f"{line}\n" for line in findings))
            sys.stdout.write(
                f"audit: {count} packages looked up at {service}, {left} unknown there, {len(findings)} findings\n"
            )
            return 1 if findings else 0
    sys.stdout.write(f"audit: SKIPPED, the list of vulnerabilities cannot be had here (asked: {', '.join(SERVICES)})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
