"""``make packages``: build both packages, check what they say of themselves, and install each.

Each is built from a copy of its folder, so without any other file of the repository: the sdist, and
from it the wheel, into ``dist/``. twine checks both. The wheel is installed into an empty
environment, with its dependencies as they are pinned, and there the command describes itself.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[1]
PACKAGES = ("tap-oracle-txlog", "target-nats-jetstream")
DIST = ROOT / "dist"
PINNED = re.compile(r"^(\S+==[^\\\n]+)", re.MULTILINE)
PYTHON = ROOT / ".venv-packages/bin/python"


def run(*command: str | Path, folder: Path = ROOT, more: Mapping[str, str] | None = None) -> str:
    """What a command prints; nothing of this environment, or of its settings, reaches it.

    Raises:
        SystemExit: It fails; with what it said.
    """
    env = {name: value for name, value in os.environ.items() if not _is_ours(name)}
    env |= more or {}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        line = " ".join(map(str, command))
        sys.exit(f"packages: `{line}` failed\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def _is_ours(variable: str) -> bool:
    return variable.startswith(("PYTHON", "VIRTUAL_ENV", "TAP_", "TARGET_"))


def copy(package: str, folder: Path) -> Path:
    """A copy of the package's folder, and of nothing else."""
    left_out = shutil.ignore_patterns("__pycache__", "*.egg-info", "dist")
    return shutil.copytree(ROOT / package, folder / package, ignore=left_out)


def build(package: str, folder: Path) -> tuple[Path, Path]:
    """The sdist, and the wheel that is made of it."""
    base = f"{package.replace('-', '_')}-"
    for old in DIST.glob(f"{base}*"):
        old.unlink()
    copied = copy(package, folder)
    run(PYTHON, "-m", "build", "--no-isolation", "--outdir", DIST, copied)
    (sdist,), (wheel,) = (sorted(DIST.glob(f"{base}*{end}")) for end in (".tar.gz", ".whl"))
    return sdist, wheel


def about(command: Path, folder: Path) -> str:
    """Name and version, as an installed command says them where nothing else is."""
    found = json.loads(run(command, "--about", "--format=json", folder=folder))
    assert found["settings"]["properties"]
    return f"{found['name']} {found['version']}"


def installed(wheel: Path, package: str, folder: Path) -> str:
    """What the command says of itself in an environment that has the wheel and what it needs."""
    environment, pins = folder / f"env-{package}", folder / "pins.txt"
    # With their hashes pip would want one of the wheel as well, which has just been built.
    pinned = PINNED.findall((ROOT / "requirements.lock").read_text())
    pins.write_text("".join(f"{pin}\n" for pin in pinned))
    run(PYTHON, "-m", "venv", environment)
    pip = (environment / "bin/pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "install", "--constraint", pins, wheel)
    return about(environment / "bin" / package, folder)


def main() -> int:
    for package in PACKAGES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            sdist, wheel = build(package, folder)
            run(PYTHON, "-m", "twine", "check", "--strict", sdist, wheel)
            said = installed(wheel, package, folder)
        print(f"packages: {sdist.name} and {wheel.name} are in dist/; installed: {said}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
