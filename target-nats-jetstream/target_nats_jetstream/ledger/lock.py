"""The lock that a run of a pipeline holds, so that a second one is refused and a dead one is seen.

Both kinds end with the process that holds them, however it ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path
from typing import Final, Protocol

import sqlalchemy as sa
from typing_extensions import override

from target_nats_jetstream.errors import ConfigurationError


class Lock(Protocol):
    """The lock of one pipeline in one table."""

    def take(self, connection: sa.Connection) -> str | None:
        """Take the lock, or keep it; tells who holds it instead."""

    def owner(self, connection: sa.Connection) -> str | None:
        """Who holds it; None for nobody."""

    def release(self) -> None:
        """Give it back, where that does not come with the end of the connection."""


class ServerLock(Lock):
    """A named lock of MariaDB or MySQL; it belongs to the connection, and is taken again by a new
    one. It is valid on one server, not in a cluster.
    """

    def __init__(self, scope: str) -> None:
        # A checksum, because MySQL allows 64 characters.
        self._name: Final = {
            "lock": f"etl_prmrec:{hashlib.sha256(scope.encode()).hexdigest()[:40]}"
        }

    @override
    def take(self, connection: sa.Connection) -> str | None:
        if connection.info.get("holds_lock"):
            return None
        if connection.scalar(sa.text("SELECT GET_LOCK(:lock, 0)"), self._name) != 1:
            return self.owner(connection) or "it has just ended"
        connection.info["holds_lock"] = True
        return None

    @override
    def owner(self, connection: sa.Connection) -> str | None:
        number = connection.scalar(sa.text("SELECT IS_USED_LOCK(:lock)"), self._name)
        if number is None:
            return None
        query = sa.text("SELECT HOST FROM information_schema.PROCESSLIST WHERE ID = :number")
        host = connection.scalar(query, {"number": number})  # of another user it may be hidden
        return f"connection {number} from {host}" if host else f"connection {number}"

    @override
    def release(self) -> None:
        """Nothing to do: the server gives it back with the connection."""


class FileLock(Lock):
    """A lock of the operating system on a file beside an SQLite database.

    The file stays: without it, two runs could each have one of the same name. A database in memory
    has none, and needs none.
    """

    def __init__(self, scope: str) -> None:
        self._suffix: Final = f"-{hashlib.sha256(scope.encode()).hexdigest()[:12]}.lock"
        self._held: int | None = None

    @override
    def take(self, connection: sa.Connection) -> str | None:
        if self._held is not None or (path := _beside(connection, self._suffix)) is None:
            return None
        file = _open(path, os.O_RDWR | os.O_CREAT)
        if not _locked(file, fcntl.LOCK_EX):
            owner = _owner(file)
            os.close(file)
            return owner
        os.truncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
        self._held = file
        return None

    @override
    def owner(self, connection: sa.Connection) -> str | None:
        path = _beside(connection, self._suffix)
        if path is None or not path.exists():
            return None
        file = _open(path, os.O_RDONLY)
        try:
            return None if _locked(file, fcntl.LOCK_SH) else _owner(file)
        finally:
            os.close(file)

    @override
    def release(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None


def _beside(connection: sa.Connection, suffix: str) -> Path | None:
    """The file of that suffix beside the database; None for one in memory."""
    query = "SELECT file FROM pragma_database_list WHERE name = 'main'"
    database = connection.scalar(sa.text(query))
    return Path(f"{database}{suffix}") if database else None


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags, 0o666)
    except OSError as error:
        reason = f"cannot lock {path}: {error.strerror}"
        raise ConfigurationError(reason, "Allow writing next to the database file") from error


def _owner(file: int) -> str:
    return f"process {os.pread(file, 20, 0).decode(errors='replace')}"


def _locked(file: int, kind: int) -> bool:
    """Lock the file at once; tells whether it could be."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
