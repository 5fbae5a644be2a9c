"""The ledger's database: its tables, one connection, retries and the lock.

Knows nothing of runs. MariaDB and MySQL go through PyMySQL, SQLite through Python's own driver.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateTable

from target_nats_jetstream.errors import ConfigurationError, UnreachableError
from target_nats_jetstream.ledger import mariadb
from target_nats_jetstream.ledger.errors import RowInUseError, kind_of
from target_nats_jetstream.ledger.lock import FileLock, ServerLock
from target_nats_jetstream.ledger.shape import ColumnShape, TableShape
from target_nats_jetstream.ledger.tables import history_table, ledger_table
from target_nats_jetstream.private_files import create_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from target_nats_jetstream.errors import TargetError
    from target_nats_jetstream.ledger.lock import Lock
    from target_nats_jetstream.ledger.settings import LedgerSettings

logger = logging.getLogger(__name__)


class Attempt:
    """One attempt: what the database refuses within it is kept for ``Database.attempts``."""

    def __init__(self, what: str, tries: int) -> None:
        self._what = what
        self._tries = tries
        self.failure: TargetError | None = None

    def __enter__(self) -> None:
        """Begin; to connect is a part of the attempt."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        """Keep what the database refuses; any other error passes."""
        if isinstance(error, RowInUseError):
            self.failure = error
        elif isinstance(error, DBAPIError):
            kind, cause = kind_of(error)
            count = f" ({self._tries} tries)" if self._tries > 1 else ""
            self.failure = kind.error(f"{self._what}: {cause}{count}", kind.remedy)
            self.failure.__cause__ = error
        return self.failure is not None


class Database:
    """One connection, opened when it is needed and again when it was lost.

    Nothing is written without the lock that keeps a second run of the pipeline out.
    """

    def __init__(self, settings: LedgerSettings, *, sleep: Callable[[float], None]) -> None:
        url = ledger_url(settings)
        self._is_server = url.get_backend_name() == "mysql"
        server = f"{url.host}:{url.port or 3306}/{url.database}"
        #: The table and its place, for people; without any secret.
        self.where: Final = f"{settings.table} at {server if self._is_server else url.database}"
        self.table: Final = ledger_table(settings.table)
        self.history_table: Final = history_table(settings.table)
        self._settings = settings
        self._sleep = sleep
        self._database = url.database
        self.is_reached = False
        """Whether it has answered the last time that it was asked."""
        self._lock = self._lock_of(settings.program_name)
        arguments = (
            _server_arguments(settings, url.password)
            if self._is_server
            else {"timeout": settings.timeout}
        )
        self._engine = sa.create_engine(
            url, pool_pre_ping=True, hide_parameters=True, connect_args=arguments
        )
        sa.event.listen(
            self._engine, "do_connect", mariadb.connect if self._is_server else _create_file
        )

    def attempts(self, verb: str = "write", *, patiently: bool = True) -> Iterator[Attempt]:
        """Attempts at one transaction, until the first that does not fail.

        One that failed may have been committed all the same, when only the answer was lost: what is
        done in it has to be harmless when it is done twice.

        Args:
            verb: What it is for, for people.
            patiently: Whether to try again while the database is away or another run holds the
                lock.

        Raises:
            UnreachableError: The database was away in all attempts.
            RowInUseError: Another run held the lock in all attempts.
            AccessDeniedError: The login or a right is refused; not tried again.
            ConfigurationError: The database or the table is not there; not tried again.
            TargetError: Any other refusal; not tried again.
        """
        waits = self._settings.waits if patiently else ()
        for tries, wait in enumerate((*waits, None), 1):
            attempt = Attempt(f"cannot {verb} {self.where}", tries)
            yield attempt
            self.is_reached = not isinstance(attempt.failure, UnreachableError)
            if attempt.failure is None:
                return
            if wait is None or not isinstance(attempt.failure, UnreachableError | RowInUseError):
                raise attempt.failure
            logger.info("%s; next try in %.1f s", attempt.failure.reason, wait)
            self._sleep(wait)

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """A transaction under the lock, within an attempt; committed at its end."""
        with self.connection() as connection:
            if owner := self._lock.take(connection):
                program = self._settings.program_name
                reason = f"another run of {program} is active on {self.where} ({owner})"
                remedy = "Wait for it to end, or give this pipeline a `program_name` of its own"
                raise RowInUseError(reason, remedy)
            yield connection
            connection.commit()

    def connection(self) -> sa.Connection:
        """A connection without the lock, to read; within an attempt."""
        return self._engine.connect()

    def is_locked(self, connection: sa.Connection, program: str) -> bool:
        """Whether a run of that pipeline is at work, be it this one."""
        return self._lock_of(program).owner(connection) is not None

    def lock_owner(self, connection: sa.Connection) -> str | None:
        """Who is at work on the pipeline of the settings, be it this run; None for nobody."""
        return self._lock.owner(connection)

    def _lock_of(self, program: str) -> Lock:
        row = f"{self.table.name}.{program}"
        return ServerLock(f"{self._database}.{row}") if self._is_server else FileLock(row)

    def create(self, connection: sa.Connection, table: sa.Table) -> None:
        """Create a table, unless another run has done so just now."""
        connection.execute(CreateTable(table, if_not_exists=True))

    def shape(self, connection: sa.Connection, table: sa.Table) -> TableShape:
        """The columns of a table; none when the table does not exist."""
        if self._is_server:
            query = (
                "SELECT UPPER(COLUMN_NAME), COLUMN_TYPE, CHARACTER_MAXIMUM_LENGTH, "
                "CHARACTER_OCTET_LENGTH, CHARACTER_SET_NAME, DATETIME_PRECISION "
                "FROM information_schema.COLUMNS "
                "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = :name"
            )
        else:
            query = "SELECT UPPER(name) FROM pragma_table_info(:name)"
        columns = connection.execute(sa.text(query), {"name": table.name})
        return TableShape(
            {
                name: ColumnShape.of_catalog(*facts) if facts else ColumnShape()
                for name, *facts in columns
            }
        )

    def close(self) -> None:
        """Release the connection and the lock; idempotent."""
        self._engine.dispose()
        self._lock.release()


def _create_file(_: object, __: object, arguments: Sequence[Any], named: Mapping[str, Any]) -> None:
    """Have the file of an SQLite database before SQLite makes it, for everybody to read."""
    path, _, parameters = arguments[0].partition("?")
    if ":memory:" not in path and "mode=" not in parameters:
        create_private(unquote(path.removeprefix("file:")) if named.get("uri") else path)


def ledger_url(settings: LedgerSettings) -> sa.URL:
    """Where the ledger is.

    Raises:
        ConfigurationError: It is not said, or not as a URL that can be used.
    """
    if settings.url is not None:
        return mariadb.parsed(settings.url)
    if settings.host is None:
        reason, remedy = "no ledger is configured", "Set `mariadb_host` or `ledger_url`"
        raise ConfigurationError(reason, remedy)
    return sa.URL.create(
        "mysql+pymysql",
        settings.user,
        settings.password,
        settings.host,
        settings.port,
        settings.database,
    )


def _server_arguments(settings: LedgerSettings, password: str | None) -> dict[str, Any]:
    tls = settings.tls
    return {
        **mariadb.login(password, verified=tls is not None and tls.verify),
        "connect_timeout": settings.timeout,
        "read_timeout": settings.timeout,
        "write_timeout": settings.timeout,
        # UTC, so that a TIMESTAMP column keeps what is written; a row that a person has locked is
        # reported as such before the read times out.
        "init_command": "SET time_zone = '+00:00', "
        f"innodb_lock_wait_timeout = {max(1, int(settings.timeout / 2))}",
        **({"ssl": mariadb.tls_context(tls)} if tls else {}),
    }
