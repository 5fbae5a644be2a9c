"""What an administrator has to run where the target may not create its tables itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.schema import CreateTable

from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.ledger.database import ledger_url
from target_nats_jetstream.ledger.mariadb import grant
from target_nats_jetstream.ledger.tables import history_table, ledger_table

if TYPE_CHECKING:
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
    is_file = settings.enabled and ledger_url(settings).get_backend_name() == "sqlite"
    dialect = sqlite.dialect() if is_file else mysql.dialect()
    return [_statement(table, dialect) for table in _tables(settings)]


def _tables(settings: LedgerSettings) -> list[sa.Table]:
    """The ledger's own first."""
    history = [history_table(settings.table)] if settings.run_history else []
    return [ledger_table(settings.table), *history]


def _statement(table: sa.Table, dialect: sa.Dialect) -> str:
    statement = CreateTable(table).compile(dialect=dialect)
    lines = (line.rstrip() for line in str(statement).strip().splitlines())
    text = "\n".join(lines).replace("\t", "  ")
    return text.replace("\n)", "\n) ").rstrip() + ";"  # SQLite's has nothing behind the bracket
