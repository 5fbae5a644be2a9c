"""Prometheus' own tool, which checks rules and plays them; as ``make test`` prepares it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.run import DEBIAN_PROMTOOL, ROOT

PAGE = ROOT / "docs/metrics.md"
RULES = ROOT / "deploy/prometheus/txlog.rules.yml"


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    binary = shutil.which("promtool") or str(DEBIAN_PROMTOOL)
    if not Path(binary).exists():
        assert not os.environ.get("CI"), f"{binary} is missing"
        pytest.skip(f"{binary} is missing: `make test` fetches it")
    command = [binary, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def rules() -> list[dict[str, Any]]:
    """The alerts of the rules file."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def first_column(start: str) -> list[str]:
    """What the tables of the page name in their first column, of what begins so."""
    lines = PAGE.read_text().splitlines()
    return [line.split("`")[1] for line in lines if line.startswith(f"| {start}")]
