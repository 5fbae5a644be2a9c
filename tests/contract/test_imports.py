"""The modules of a package import each other in one direction, and its rules nothing but rules."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
TAP = ROOT / "tap-oracle-txlog" / "tap_oracle_txlog"
RULES = TAP / "rules"
TARGET = ROOT / "target-nats-jetstream" / "target_nats_jetstream"
PACKAGES = [TAP, TARGET]


def modules(package: Path) -> dict[str, Path]:
    """The file of each module, by its full name."""
    found = {}
    for file in package.rglob("*.py"):
        parts = file.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = file
    return found


def imported(file: Path) -> Iterator[str]:
    """The full names that a file imports, anywhere in it, for types as well."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports(package: Path) -> dict[str, set[str]]:
    """The modules of the package that each of them imports."""
    known = modules(package)
    graph = {}
    for name, file in known.items():
        targets = {at if at in known else at.rpartition(".")[0] for at in imported(file)}
        graph[name] = targets & known.keys() - {name}
    return graph


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_no_modules_import_each_other_in_a_circle(package: Path) -> None:
    try:
        TopologicalSorter(imports(package)).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_the_lint_rule_of_the_rules_names_every_other_module() -> None:
    config = tomllib.loads((RULES / "ruff.toml").read_text())
    banned = set(config["lint"]["flake8-tidy-imports"]["banned-api"])
    others = {name.split(".")[1] for name in modules(TAP) if "." in name} - {"rules", "errors"}
    assert {f"{TAP.name}.{name}" for name in others} <= banned


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "from time import monotonic",
        "import singer_sdk",
        "import oracledb",
        "import sqlalchemy as sa",
        "from tap_oracle_txlog.source import Page",
        "from tap_oracle_txlog import settings",
        "from tap_oracle_txlog.oracle.table import Table",
        "from datetime import datetime; datetime.now()",
        "import datetime as dt; dt.datetime.now(dt.UTC)",
        "from pathlib import Path",
    ],
)
def test_rules_with_io_do_not_pass_the_lint(line: str) -> None:
    ruff = shutil.which("ruff", path=Path(sys.executable).parent)
    assert ruff
    checked = subprocess.run(
        [ruff, "check", "--select=TID251", "--stdin-filename", RULES / "new.py", "-"],
        input=line,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert "TID251" in checked.stdout
