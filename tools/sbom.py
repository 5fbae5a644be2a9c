"""``make sbom``: a CycloneDX bill of materials for each package, ``dist/PACKAGE.cdx.json``.

Each package's dependencies, as the lock file pins them and without those of development, are
installed into a fresh environment, which cyclonedx-py then describes with licences and graph.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("tap-oracle-txlog", "target-nats-jetstream")
UV = ".venv/bin/uv"
CYCLONEDX = ".venv-audit/bin/cyclonedx-py"


def run(*command: str | Path) -> None:
    subprocess.run(command, cwd=ROOT, check=True)


def write(package: str, folder: Path) -> Path:
    """Write the bill of one package, and return its file."""
    project, lock, env = ROOT / package / "pyproject.toml", folder / "lock", folder / "env"
    pins = ["--generate-hashes", "--no-header", "--no-annotate"]
    pins += ["--constraint", "requirements.lock"]
    run(UV, "pip", "compile", "--quiet", *pins, project, "-o", lock)
    run(UV, "venv", "--quiet", env)
    run(UV, "pip", "install", "--quiet", "--python", env, "--require-hashes", "-r", lock)
    bill = ROOT / "dist" / f"{package}.cdx.json"
    bill.parent.mkdir(exist_ok=True)
    run(CYCLONEDX, "environment", "--pyproject", project, "--output-reproducible", "-o", bill, env)
    return bill


def main() -> int:
    for package in PACKAGES:
        with tempfile.TemporaryDirectory() as folder:
            print(write(package, Path(folder)).relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
