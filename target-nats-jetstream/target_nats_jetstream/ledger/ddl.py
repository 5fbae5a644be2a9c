"""What an administrator has to run where the target may not create its tables itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.schema import CreateColumn, CreateTable

from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.ledger.database import ledger_url
from target_nats_jetstream.ledger.mariadb import grant
from target_nats_jetstream.ledger.tables import history_table, ledger_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    import sqlalchemy as sa

    from target_nats_jetstream.ledger.settings import LedgerSettings


def grants(settings: LedgerSettings) -> str:
    """The least rights of the user.

    Raises:
        ConfigurationError: There is no ledger, or none that has users.
    """
    url = ledger_url(settings)
    if url.get_backend_name() == "sqlite":
        reason = "the ledger is an SQLite file, which has no users"
        raise ConfigurationError(reason, "Give the target's user the right to write its folder")
    create = ", CREATE" if settings.create_table else ""
    rights = f"SELECT, INSERT, UPDATE{create}"
    return "\n".join(grant(rights, url, table.name) for table in _tables(settings))


def create_tables(settings: LedgerSettings) -> list[str]:
    """The statements that create the tables, for MariaDB and MySQL unless the ledger is another."""
    return [_statement(table, _dialect(settings)) for table in _tables(settings)]


def _tables(settings: LedgerSettings) -> list[sa.Table]:
    """The ledger's own first."""
    history = [history_table(settings.table)] if settings.run_history else []
    return [ledger_table(settings.table), *history]


def _statement(table: sa.Table, dialect: sa.Dialect) -> str:
    statement = CreateTable(table).compile(dialect=dialect)
    lines = (line.rstrip() for line in str(statement).strip().splitlines())
    text = "\n".join(lines).replace("\t", "  ")
    return text.replace("\n)", "\n) ").rstrip() + ";"  # SQLite's has nothing behind the bracket


def alter(settings: LedgerSettings, change: str) -> str:
    """The statement that changes the table."""
    table = _dialect(settings).identifier_preparer.quote_identifier(settings.table)
    return f"ALTER TABLE {table} {change};"


def add_columns(settings: LedgerSettings, names: Iterable[str]) -> str:
    """The statement that adds columns, or those: SQLite adds one at a time."""
    changes = [f"ADD COLUMN {_column(settings, name)}" for name in names]
    if _is_file(settings):
        return " ".join(alter(settings, change) for change in changes)
    return alter(settings, ", ".join(changes))


def widen(settings: LedgerSettings, name: str) -> str:
    """The statement that gives a column the type that it has in a new table."""
    return alter(settings, f"MODIFY {_column(settings, name)}")


def _column(settings: LedgerSettings, name: str) -> str:
    column = ledger_table(settings.table).c[name]
    return str(CreateColumn(column).compile(dialect=_dialect(settings)))


def _dialect(settings: LedgerSettings) -> sa.Dialect:
    return sqlite.dialect() if _is_file(settings) else mysql.dialect()


def _is_file(settings: LedgerSettings) -> bool:
    return settings.enabled and ledger_url(settings).get_backend_name() == "sqlite"
