"""The image, which several tests run; making it takes half a minute."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from tests.deploy.container import Container, context, needs_root, stages

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """/opt of the image, made once for all processes of the tests."""
    needs_root()
    home = tmp_path_factory.getbasetemp()
    home = (home.parent if "PYTEST_XDIST_WORKER" in os.environ else home) / "image"
    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "done").exists():
            build(home)
            (home / "done").touch()
    return home


def build(home: Path) -> None:
    """Run the lines of both images, but for Meltano's own: its environment is there already."""
    for name in ("src", "txlog", "project"):
        (home / name).mkdir()
    context(home / "src")
    folders = {name: home / name for name in ("src", "txlog", "project")}
    container = Container(folders, writable=("txlog", "project", "tmp"))
    runs = [run for run in stages()["build-meltano"].runs if "/opt/meltano" not in run]
    assert len(runs) == 2
    for run in runs:
        container.build(run, home / "log")
