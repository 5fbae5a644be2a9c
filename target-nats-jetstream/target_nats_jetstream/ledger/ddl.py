"""What an administrator has to run where the target may not create its table itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.schema import CreateTable

from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.ledger.database import ledger_table, ledger_url
from target_nats_jetstream.ledger.mariadb import grant

if TYPE_CHECKING:
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
    return grant(f"SELECT, INSERT, UPDATE{create}", url, settings.table)


def create_table(settings: LedgerSettings) -> str:
    """The statement that creates the table, for MariaDB and MySQL unless the ledger is another."""
    is_file = settings.enabled and ledger_url(settings).get_backend_name() == "sqlite"
    dialect = sqlite.dialect() if is_file else mysql.dialect()
    statement = CreateTable(ledger_table(settings.table)).compile(dialect=dialect)
    lines = (line.rstrip() for line in str(statement).strip().splitlines())
    text = "\n".join(lines).replace("\t", "  ")
    return text.replace("\n)", "\n) ").rstrip() + ";"  # SQLite's has nothing behind the bracket
