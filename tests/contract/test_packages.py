"""What each package's wheel holds, built from its folder alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("package", ["tap-oracle-txlog", "target-nats-jetstream"])
def test_a_wheel_has_licence_readme_and_types(package: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT / package, check=True, capture_output=True)
    (wheel,) = tmp_path.iterdir()
    module = package.replace("-", "_")
    about = f"{module}-0.1.0.dist-info"
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
        licence = archive.read(f"{about}/licenses/LICENSE")
        metadata = archive.read(f"{about}/METADATA").decode()
    assert licence == (ROOT / "LICENSE").read_bytes()
    assert "License-Expression: Apache-2.0" in metadata
    assert (ROOT / package / "README.md").read_text().splitlines()[0] in metadata
    assert f"{module}/py.typed" in names
    assert {name.partition("/")[0] for name in names} == {module, about}
