"""``make test``: sees to it that the real servers are there, then runs pytest.

nats-server comes with the development environment. MariaDB is a package of the system: where it is
missing and can be installed, it is; elsewhere this says what to install and what is left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NEEDED = ("mariadbd", "mariadb-install-db")
PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))


def has_mariadb() -> bool:
    return all(shutil.which(name, path=PLACES) for name in NEEDED)


def install_mariadb() -> None:
    """Install the server package without letting it start a service of its own."""
    print("installing mariadb-server (apt)", flush=True)
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install = ("install", "-y", "-qq", "--no-install-recommends", "mariadb-server")
    for arguments in (("update", "-qq"), install):
        command = ["apt-get", *arguments]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stdout[-2000:] + done.stderr[-2000:])
            return


def main() -> int:
    if not has_mariadb() and shutil.which("apt-get") and os.geteuid() == 0:
        install_mariadb()
    if not has_mariadb():
        print("mariadbd is missing: apt-get install mariadb-server, or brew install mariadb")
        if os.environ.get("CI"):
            print("with CI set nothing may be left out")
            return 1
        print("the tests of the ledger on MariaDB are left out")
    root = Path(__file__).parents[1]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "4", "--dist", "worksteal"]
    if "ORACLE_TEST_DSN" not in os.environ:
        command += ["-m", "not oracle"]  # what needs a real Oracle runs where there is one
    command += sys.argv[1:]
    return subprocess.run(command, cwd=root, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
