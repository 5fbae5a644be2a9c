"""A private MariaDB server for the tests: own data directory, own port, gone when they end."""

from __future__ import annotations

import contextlib
import getpass
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql
import pytest

from tools.servers.ports import free_port
from tools.servers.stopping import until_stopped
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"
#: What keeps a server small and quick to start; a kill of the process loses nothing all the same.
_SMALL = (
    "--innodb-buffer-pool-size=8M",
    "--innodb-log-file-size=4M",
    "--innodb-doublewrite=0",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-use-native-aio=0",
    "--key-buffer-size=64K",
    "--aria-pagecache-buffer-size=128K",
    "--performance-schema=OFF",
    "--skip-log-bin",
    "--skip-name-resolve",
)
#: Reads the number of the running server, or an empty line. When the tests are gone, however it was
#: (pytest-timeout ends them without any teardown), so are that server and its folder ``$1``.
_CLEAN_UP = """
while read -r number; do server=$number; done
[ -z "$server" ] || { kill -9 "$server"; sleep 1; }
rm -rf "$1"
"""


class MariaDb:
    """One server process; ``start`` after ``kill`` or ``stop`` uses the same port and data."""

    def __init__(self, mariadbd: str, install_db: str) -> None:
        self.host = HOST
        self.port = free_port()
        #: Where the server may read and write; nobody else's files are in reach of its user.
        self.folder = Path(tempfile.mkdtemp(prefix="mariadb-"))
        #: More options of the server, from its next start on.
        self.options = ["--ssl=0"]
        self._mariadbd = mariadbd
        self._user = _unprivileged_user()
        shutil.chown(self.folder, self._user)
        self._process: subprocess.Popen[bytes] | None = None
        self._cleaner = subprocess.Popen(
            ["/bin/sh", "-c", _CLEAN_UP, "sh", str(self.folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self._install(install_db)

    def _install(self, install_db: str) -> None:
        no_password = "--auth-root-authentication-method=normal"
        command = [install_db, *self._common(), no_password, "--skip-test-db"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr + done.stdout

    def _common(self) -> list[str]:
        # Temporary tables in /tmp are named by process: two servers that start at once collide.
        places = (f"--datadir={self.folder}", f"--tmpdir={self.folder}")
        return ["--no-defaults", f"--user={self._user}", *places, *_SMALL]

    def start(self) -> None:
        """Start the server and return when it answers."""
        place = [f"--port={self.port}", f"--bind-address={HOST}", f"--socket={self.folder}/sock"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._mariadbd, *self._common(), *place, *self.options],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._tell_cleaner(str(self._process.pid))
        wait_until(self._answers, what=f"MariaDB answers on port {self.port}")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()
        try:
            self.root().close()
        except pymysql.err.OperationalError:
            return False
        return True

    def root(self) -> pymysql.connections.Connection[Any]:
        """A connection with all rights; the caller closes it."""
        return pymysql.connect(host=HOST, port=self.port, user="root", autocommit=True)

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as root; returns the rows of the last one."""
        with contextlib.closing(self.root()) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers, from the moment this returns."""
        assert self._process is not None
        self._signal(signal.SIGSTOP)
        until_stopped(self._process.pid)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """As an operator would: SIGTERM; does nothing when the server is not running."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As a crash would: SIGKILL; does nothing when the server is not running."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._signal(number)
            self._process.wait(timeout=150)
            self._process = None
            self._tell_cleaner("")

    def _tell_cleaner(self, number: str) -> None:
        assert self._cleaner.stdin is not None
        self._cleaner.stdin.write(f"{number}\n".encode())
        self._cleaner.stdin.flush()

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def restart(self) -> None:
        self.stop()
        self.start()

    def remove(self) -> None:
        """Kill the server and delete its data."""
        self.kill()
        self._cleaner.communicate(timeout=150)


@dataclass(frozen=True)
class MariaDbDatabase:
    """An empty database with a user of its own who may do anything in it, and nothing elsewhere."""

    server: MariaDb
    database: str
    user: str
    password: str = field(repr=False)

    @property
    def host(self) -> str:
        return self.server.host

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def url(self) -> str:
        """The SQLAlchemy URL, with the password."""
        place = f"{self.host}:{self.port}/{self.database}"
        return f"mysql+pymysql://{self.user}:{self.password}@{place}"

    @property
    def settings(self) -> dict[str, Any]:
        """The target's settings for this database."""
        return {
            "mariadb_host": self.host,
            "mariadb_port": self.port,
            "mariadb_database": self.database,
            "mariadb_user": self.user,
            "mariadb_password": self.password,
        }

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as root in this database; returns the rows of the last one."""
        return self.server.execute(f"USE {self.database}", *statements)


def new_mariadb() -> MariaDb:
    """A server that is not started yet; skips, or fails in CI, where MariaDB is not installed."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    mariadbd, install_db = (shutil.which(n, path=path) for n in ("mariadbd", "mariadb-install-db"))
    if mariadbd is None or install_db is None:
        reason = (
            "mariadbd is not installed: apt-get install mariadb-server (or brew install mariadb)"
        )
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return MariaDb(mariadbd, install_db)


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDb]:
    """The server of this test process; a test that stops it has to start it again."""
    server = new_mariadb()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@contextlib.contextmanager
def new_database(server: MariaDb, requirement: str = "") -> Iterator[MariaDbDatabase]:
    """A fresh database; ``requirement`` is what its user needs to log in: ``REQUIRE SSL``."""
    name = f"t_{secrets.token_hex(6)}"
    database = MariaDbDatabase(server, name, f"u_{name[2:]}", secrets.token_urlsafe(12))
    user = f"'{database.user}'@'%'"
    server.execute(
        f"CREATE DATABASE {name} CHARACTER SET utf8mb4",
        f"CREATE USER {user} IDENTIFIED BY '{database.password}' {requirement}",
        f"GRANT ALL ON {name}.* TO {user}",
    )
    yield database
    server.execute(f"DROP DATABASE {name}", f"DROP USER {user}")


@pytest.fixture
def mariadb(mariadb_server: MariaDb) -> Iterator[MariaDbDatabase]:
    """A fresh database with its own user."""
    with new_database(mariadb_server) as database:
        yield database


def _unprivileged_user() -> str:
    """Who runs the server: MariaDB refuses root, and its package has made a user."""
    if os.geteuid() != 0:
        return getpass.getuser()
    users = {entry.pw_name for entry in pwd.getpwall()}
    return "mysql" if "mysql" in users else "nobody"
