"""``make audit``: look all pinned dependencies up in the advisories of PyPI, by pip-audit.

pip-audit ends well also where it has learned nothing, because the service could not be reached or
knows nothing of a package. Here that is said, and is no success. Exit codes: 0 nothing known
against any of them, 1 something is, 4 not all of them could be looked up.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
LOCKS = (
    "requirements.lock",
    "requirements-meltano.lock",
    "requirements-docs.lock",
    "bench/requirements.lock",
    "deploy/orchestrators/dagster.lock",
    "deploy/pair/build.lock",
    "deploy/pair/plugins.lock",
    "tests/e2e/dask.lock",
    "tests/e2e/target-jsonl.lock",
    "tests/target/nats-2.11.lock",
    "tools/audit.lock",
    "tools/lint.lock",
    "tools/packages.lock",
    "examples/results-back/requirements.lock",
)
PIP_AUDIT = ROOT / ".venv-audit/bin/pip-audit"
OPTIONS = ("--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json")


class Verdict(NamedTuple):
    """What is to be said of one lock file, and the exit code that it asks for."""

    code: int
    lines: list[str]


def verdict(lock: str, report: dict[str, Any]) -> Verdict:
    """What a report of pip-audit (its JSON) says about a lock file."""
    packages = report["dependencies"]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    lines = [
        f"{package['name']} {package['version']}: {found['id']}, "
        f"fixed in {', '.join(found['fix_versions']) or 'no version yet'}"
        for package in packages
        for found in package.get("vulns", ())
    ]
    if lines:
        return Verdict(1, lines)
    if skipped:
        text = f"{len(skipped)} of {len(packages)} packages could not be looked up"
        return Verdict(4, [f"{lock}: {text}. Check that PyPI can be reached"])
    return Verdict(0, [f"{lock}: nothing is known against any of {len(packages)} packages"])


def audit(lock: str) -> Verdict:
    """Run pip-audit on a lock file; it installs nothing."""
    command = [str(PIP_AUDIT), "--requirement", lock, *OPTIONS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        return verdict(lock, json.loads(done.stdout))
    except ValueError:
        cause = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return Verdict(4, [f"{lock}: pip-audit could not look anything up: {cause}"])


def main() -> int:
    verdicts = [audit(lock) for lock in LOCKS]
    for one in verdicts:
        print(*(f"audit: {line}" for line in one.lines), sep="\n")
    codes = {one.code for one in verdicts}
    return 1 if 1 in codes else max(codes)


if __name__ == "__main__":
    sys.exit(main())
