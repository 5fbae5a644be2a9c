"""``make test``: sees to it that the real servers are there, then runs pytest.

A current nats-server comes with the development environment. MariaDB is a package of the system:
where it is missing and can be installed, it is. Debian's nats-server, an old one, and its promtool
are unpacked into folders of their own and never installed. What cannot be had is named, and left
out. Nobody gets a browser installed: where there is none, the site of the docs is not looked at.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[1]
#: Packages, and the programs that the tests need of them.
INSTALLED = {"mariadb-server": ("mariadbd", "mariadb-install-db")}
PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
#: nats-server 2.9.10 in Debian 12; ``test_old_servers`` uses it.
DEBIAN_NATS = ROOT / ".venv-nats-debian/usr/sbin/nats-server"
#: Checks the rules and expressions in ``deploy``.
DEBIAN_PROMTOOL = ROOT / ".venv-prometheus-debian/usr/bin/promtool"
UNPACKED = {"nats-server": DEBIAN_NATS, "prometheus": DEBIAN_PROMTOOL}


def has(programs: Iterable[str]) -> bool:
    return all(shutil.which(name, path=PLACES) for name in programs)


def install(package: str) -> None:
    """Install a package without letting it start a service of its own."""
    print(f"installing {package} (apt)", flush=True)
    if apt("update", "-qq"):
        apt("install", "-y", "-qq", "--no-install-recommends", package)


def unpack(name: str, binary: Path) -> None:
    """Download a package, with a new list of packages where the old one does not do."""
    print(f"unpacking Debian's {name} (apt)", flush=True)
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".venv-") as folder:
        download = ("download", "-qq", name)
        if apt(*download, folder=folder, quiet=True) or (
            os.geteuid() == 0 and apt("update", "-qq") and apt(*download, folder=folder)
        ):
            (package,) = Path(folder).glob(f"{name}_*.deb")
            unpacked = Path(folder) / "unpacked"
            subprocess.run(["dpkg", "-x", str(package), str(unpacked)], check=True)
            unpacked.rename(binary.parents[2])


def apt(*arguments: str, folder: str | None = None, quiet: bool = False) -> bool:
    """Whether apt-get did what it was asked to."""
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    command = ["apt-get", *arguments]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode and not quiet:
        print(done.stdout[-2000:] + done.stderr[-2000:])
    return not done.returncode


def missing() -> list[str]:
    """What is not there after all, and what that leaves out."""
    lines = []
    has_apt = bool(shutil.which("apt-get"))
    for package, programs in INSTALLED.items():
        if not has(programs) and has_apt and os.geteuid() == 0:
            install(package)
        if not has(programs):
            lines.append(f"{package} is missing: on Debian, apt-get install {package}")
    for name, binary in UNPACKED.items():
        if not binary.exists() and has_apt:
            unpack(name, binary)
        if not binary.exists():
            lines.append(f"Debian's {binary.name} is missing: apt-get download {name}")
    return lines


def main() -> NoReturn:
    """Run the tests in this very process, so that whoever ends it ends them."""
    if lines := missing():
        print(*lines, sep="\n", flush=True)
        if os.environ.get("CI"):
            sys.exit("with CI set nothing may be left out")
        print("the tests that need it are left out", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "4", "--dist", "worksteal"]
    if "ORACLE_TEST_DSN" not in os.environ:
        command += ["-m", "not oracle"]  # what needs a real Oracle runs where there is one
    command += sys.argv[1:]
    os.chdir(ROOT)
    os.execv(command[0], command)  # noqa: S606 - there is no need of a shell


if __name__ == "__main__":
    main()
