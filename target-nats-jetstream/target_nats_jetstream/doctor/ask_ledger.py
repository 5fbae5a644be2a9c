"""What the ledger's database is asked, without the lock of a run. No row is touched."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import sqlalchemy as sa

from target_nats_jetstream import encryption
from target_nats_jetstream.diagnosis import Finding, Line, failed, passed
from target_nats_jetstream.doctor import ledger
from target_nats_jetstream.doctor.made import made
from target_nats_jetstream.errors import ConfigurationError, TargetError
from target_nats_jetstream.ledger.database import Database, ledger_url
from target_nats_jetstream.ledger.ddl import create_tables, grants
from target_nats_jetstream.ledger.table import LedgerTable, prove

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_nats_jetstream.ledger.row import LedgerRow
    from target_nats_jetstream.ledger.settings import LedgerSettings
    from target_nats_jetstream.ledger.shape import TableShape

T = TypeVar("T")
GROUP: Final = "Ledger"


def examine_ledger(settings: LedgerSettings) -> Iterator[Line]:
    """Check the ledger, as far as each check lets the next one be made."""
    if not settings.enabled:
        yield Line(GROUP, "login", ledger.none_kept())
        return
    opened: list[Database] = []

    def opening() -> Finding:
        path = _missing_file(settings)
        if path is not None:
            can_be_made = os.access(path.parent, os.W_OK | os.X_OK)
            return ledger.file_to_come(str(path), can_be_made=can_be_made)
        opened.append(Database(settings, sleep=time.sleep))
        return _Examination(settings, opened[0]).login()

    login = made(opening)
    yield Line(GROUP, "login", login)
    for database in opened:
        try:
            if login.status == "ok":
                yield from _Examination(settings, database).lines()
        except TargetError as error:
            yield Line(GROUP, "table", failed(error.reason, error.remedy, type(error)))
        finally:
            database.close()


def _missing_file(settings: LedgerSettings) -> Path | None:
    """The file of the database, where it is not there: to connect would create it."""
    url = ledger_url(settings)
    path = url.database or ":memory:"
    in_file = url.get_backend_name() == "sqlite" and not path.startswith((":memory:", "file:"))
    return Path(path) if in_file and not Path(path).exists() else None


class _Examination:
    """A database and what it is asked."""

    def __init__(self, settings: LedgerSettings, database: Database) -> None:
        self._settings = settings
        self._url = ledger_url(settings)
        self._is_server = self._url.get_backend_name() == "mysql"
        self._database = database
        self._table = LedgerTable(database, settings.program_name, partial(datetime.now, UTC))

    def lines(self) -> Iterator[Line]:
        """All that follows the login."""
        if self._is_server:
            yield Line(GROUP, "TLS", made(self._encryption))
        shape = self._asked(partial(self._database.shape, table=self._database.table))
        table = made(partial(self._shape, shape))
        if table.status != "failed" or not shape.columns:  # it may only not be seen
            rights = made(partial(self._rights, shape), fix=self._grants)
            yield Line(GROUP, "rights", rights)
            if rights.status == "failed":
                return
        yield Line(GROUP, "table", table)
        if table.status != "failed" and shape.columns:
            yield from self._about_row(shape)
        if self._settings.run_history:
            history = made(self._history, fix=self._grants)
            yield Line(GROUP, "history", ledger.at_most_warning(history))
        yield Line(GROUP, "lock", made(self._lock))

    def _about_row(self, shape: TableShape) -> Iterator[Line]:
        try:
            row = self._asked(self._row)
        except TargetError as error:
            yield Line(GROUP, "row", failed(error.reason, error.remedy, type(error)))
            return
        yield Line(GROUP, "room", ledger.room(self._settings, shape, row))
        yield Line(GROUP, "row", ledger.row(self._settings, row))

    def _asked(self, question: Callable[[sa.Connection], T]) -> T:
        """The answer to a question; it is asked once."""
        found: list[T] = []
        for attempt in self._database.attempts("use", patiently=False):
            with attempt, self._database.connection() as connection:
                found.append(question(connection))
        return found[0]

    def login(self) -> Finding:
        """Who we are, and where."""
        version = "SQLite"
        if self._is_server:
            version = self._asked(lambda one: one.scalar(sa.text("SELECT VERSION()")))
        else:
            self._asked(lambda one: one.scalar(sa.text("SELECT count(*) FROM sqlite_master")))
        server = f"{self._url.username} at {self._url.host}:{self._url.port or 3306}/"
        return passed(f"{server if self._is_server else ''}{self._url.database}, {version}")

    def _encryption(self) -> Finding:
        question = sa.text("SHOW STATUS LIKE 'Ssl_version'")
        found = self._asked(lambda one: one.execute(question).one_or_none())
        version = found[1] if found else ""
        return encryption.of_ledger(self._settings.tls, self._url.host, version)

    def _rights(self, shape: TableShape) -> Finding:
        """Try what a run does, on no row at all; to prepare a statement is not to execute it."""
        self._table.shape = shape
        if shape.columns:
            self._asked(self._table.prove)
            return passed("SELECT, INSERT and UPDATE")
        if not self._is_server:
            return passed("the file can be read")
        try:
            self._asked(self._select)
        except ConfigurationError:
            if not self._settings.create_table:
                return passed("there is no table to try them on")
        self._asked(partial(self._prepare_to_create, create_tables(self._settings)[0]))
        return passed("CREATE")

    def _select(self, connection: sa.Connection) -> None:
        nothing = sa.select(sa.literal(1)).select_from(self._database.table).where(sa.false())
        connection.execute(nothing)

    def _prepare_to_create(self, statement: str, connection: sa.Connection) -> None:
        connection.exec_driver_sql("SET @ddl = %s", (statement.rstrip(";"),))
        connection.exec_driver_sql("PREPARE ddl FROM @ddl")

    def _history(self) -> Finding:
        table = self._database.history_table
        shape = self._asked(partial(self._database.shape, table=table))
        if shape.columns:
            self._asked(partial(prove, table=table, shape=shape))
        elif self._settings.create_table and self._is_server:
            self._asked(partial(self._prepare_to_create, create_tables(self._settings)[1]))
        return ledger.history(self._settings, table.name, shape)

    def _grants(self) -> str:
        return " ".join(grants(self._settings).split("\n")) if self._is_server else ""

    def _shape(self, shape: TableShape) -> Finding:
        where = self._database.where
        if not shape.columns:
            return ledger.missing(self._settings, where)
        engine = self._asked(self._engine) if self._is_server else None
        return ledger.table(self._settings, shape, where, engine or "")

    def _engine(self, connection: sa.Connection) -> str | None:
        query = (
            "SELECT ENGINE FROM information_schema.TABLES "
            "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = :name"
        )
        engine: str | None = connection.scalar(sa.text(query), {"name": self._settings.table})
        return engine

    def _row(self, connection: sa.Connection) -> LedgerRow | None:
        return self._table.find(connection, self._settings.program_name)

    def _lock(self) -> Finding:
        owner = self._asked(self._database.lock_owner)
        return ledger.lock(self._settings.program_name, owner)
