"""What each package's wheel holds and says of itself, built from its folder alone."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest
from trove_classifiers import classifiers

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message

ROOT = Path(__file__).parents[2]
PACKAGES = ["tap-oracle-txlog", "target-nats-jetstream"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ZipFile]:
    def built(package: str) -> ZipFile:
        folder = tmp_path_factory.mktemp(package)
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(command, cwd=ROOT / package, check=True, capture_output=True)
        (path,) = folder.iterdir()
        return ZipFile(path)

    return built


def metadata(archive: ZipFile) -> Message:
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(archive.read(name))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_wheel_has_licence_readme_and_types(
    package: str, wheel: Callable[[str], ZipFile]
) -> None:
    module = package.replace("-", "_")
    about = f"{module}-0.1.0.dist-info"
    with wheel(package) as archive:
        names = set(archive.namelist())
        licence = archive.read(f"{about}/licenses/LICENSE")
        said = metadata(archive)
    assert licence == (ROOT / "LICENSE").read_bytes()
    assert said["License-Expression"] == "Apache-2.0"
    assert str(said.get_payload()).startswith(f"# {package}\n")
    assert said["Description-Content-Type"] == "text/markdown"
    assert f"{module}/py.typed" in names
    assert {name.partition("/")[0] for name in names} == {module, about}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_wheel_says_where_it_comes_from_and_where_it_runs(
    package: str, wheel: Callable[[str], ZipFile]
) -> None:
    with wheel(package) as archive:
        said = metadata(archive)
    urls = dict(line.split(", ") for line in said.get_all("Project-URL", []))
    assert urls.keys() == {"Repository", "Documentation", "Changelog", "Issues"}
    assert all(url.startswith(urls["Repository"]) for url in urls.values())
    assert {*said.get_all("Classifier", [])} <= classifiers
    assert "meltano_sdk" in str(said["Keywords"]).split(",")
    assert said["Requires-Python"] == ">=3.11"
    assert said["Summary"].startswith("Singer ")


def test_both_packages_say_the_same_of_the_project() -> None:
    projects = [
        tomllib.loads((ROOT / package / "pyproject.toml").read_text())["project"]
        for package in PACKAGES
    ]
    for name in ("version", "urls", "license", "license-files", "requires-python"):
        assert projects[0][name] == projects[1][name]
    pythons = [[one for one in project["classifiers"] if "Python" in one] for project in projects]
    assert pythons[0] == pythons[1]
