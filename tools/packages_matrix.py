"""``make packages-matrix``: both packages installed by pip, pipx and uv, on every Python there is.

Each way is tried from a copy of the package's folder, and from git
(``git+file://…#subdirectory=…``, which has what is committed). Then both commands describe
themselves, and the pair moves a table of SQLite into a real nats-server. It takes several minutes.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from tools.packages import PACKAGES, ROOT, about, copy, run
from tools.servers.nats import NatsServer

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
UV = ROOT / ".venv/bin/uv"
PIPX = ROOT / ".venv-packages/bin/pipx"
ROWS = 100


def find(version: str) -> Path | None:
    """The interpreter of that version on this machine, if there is one."""
    command = (UV, "python", "find", "--no-project", "--no-python-downloads", version)
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def by_pip(python: Path, what: str, home: Path) -> Path:
    run(python, "-m", "venv", home)
    run(home / "bin/pip", "install", "--quiet", "--disable-pip-version-check", what)
    return home / "bin"


def by_pipx(python: Path, what: str, home: Path) -> Path:
    places = {"PIPX_HOME": str(home), "PIPX_BIN_DIR": f"{home}/bin", "PIPX_MAN_DIR": f"{home}/man"}
    run(PIPX, "install", "--python", python, what, more=places)
    return home / "bin"


def by_uv(python: Path, what: str, home: Path) -> Path:
    places = {"UV_TOOL_DIR": f"{home}/tools", "UV_TOOL_BIN_DIR": f"{home}/bin"}
    run(UV, "tool", "install", "--quiet", "--python", python, what, more=places)
    return home / "bin"


WAYS = {"pip": by_pip, "pipx": by_pipx, "uv tool": by_uv}


def sources(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Where each package is installed from."""
    yield "folder", {package: str(copy(package, folder)) for package in PACKAGES}
    repository = f"git+file://{ROOT}"
    yield "git", {package: f"{repository}#subdirectory={package}" for package in PACKAGES}


def moved(bins: dict[str, Path], server: NatsServer, folder: Path) -> int:
    """How many messages the installed pair makes of a table."""
    with closing(sqlite3.connect(folder / "events.db")) as database, database:
        database.execute("CREATE TABLE EVENTS (ID INTEGER PRIMARY KEY, AT TIMESTAMP)")
        rows = ((number, f"2026-01-01 00:00:{number % 60:02}.000000") for number in range(ROWS))
        database.executemany("INSERT INTO EVENTS VALUES (?, ?)", rows)
    source = {"sqlalchemy_url": f"sqlite:///{folder}/events.db", "table": "EVENTS"}
    source |= {"replication_key": "AT", "id_column": "ID"}
    stream = folder.name.upper().replace("-", "_")
    sink = {"servers": server.url, "stream": stream, "subject": stream.lower()}
    sink |= {"create_stream": "if_missing"}
    for name, config in (("tap", source), ("target", sink)):
        (folder / f"{name}.json").write_text(json.dumps(config))
    tap, target = (bins[package] for package in PACKAGES)
    pipe = f"set -o pipefail; {tap} --config tap.json | {target} --config target.json > states"
    run("bash", "-c", pipe, folder=folder)
    return server.messages(stream)


def tried(python: Path, way: str, what: dict[str, str], server: NatsServer, folder: Path) -> str:
    """What came of one way: both commands, and the number of messages."""
    folder.mkdir()
    bins = {name: WAYS[way](python, url, folder / name) / name for name, url in what.items()}
    said = ", ".join(about(command, folder) for command in bins.values())
    messages = moved(bins, server, folder)
    assert messages == ROWS, f"{messages} messages of {ROWS} rows"
    return f"{said}, {messages} messages"


def main() -> int:
    missing = [version for version in PYTHONS if find(version) is None]
    with tempfile.TemporaryDirectory() as name, NatsServer(Path(name) / "nats") as server:
        for source, what in sources(Path(name)):
            for version, way in itertools.product(PYTHONS, WAYS):
                if python := find(version):
                    folder = Path(name) / f"{source}-{way.split()[0]}-{version.replace('.', '-')}"
                    outcome = tried(python, way, what, server, folder)
                    print(f"Python {version}, {way}, from the {source}: {outcome}", flush=True)
    for version in missing:
        print(f"Python {version}: not on this machine")
    return 0


if __name__ == "__main__":
    sys.exit(main())
