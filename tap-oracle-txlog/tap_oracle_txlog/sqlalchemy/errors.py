"""What an error of SQLAlchemy means: whether a new connection may succeed, and what to say."""

from __future__ import annotations

import sqlalchemy as sa

from tap_oracle_txlog.errors import (
    AccessDeniedError,
    ConfigurationError,
    SourceUnreachableError,
    TapError,
)
from tap_oracle_txlog.mariadb import NOT_TAKEN, WITHHELD
from tap_oracle_txlog.source import SourceLostError

_LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED")
"""SQLite's names for a file that somebody else is writing to."""

_REFUSED = (1044, 1045, 1698)
"""MariaDB's numbers for a login that it refuses."""


def error_text(error: Exception) -> str:
    """The database's own words, without the statement and its values; none about values."""
    if isinstance(error, sa.exc.DataError):
        return type(error.orig).__name__
    if isinstance(error, OSError):  # a driver's own look-up of the host
        return error.strerror or type(error).__name__
    origin = getattr(error, "orig", None)
    if origin is not None and len(origin.args) > 1 and isinstance(origin.args[0], int):
        return f"{origin.args[-1]} ({origin.args[0]})"  # as PyMySQL has it
    text = str(origin or type(error).__name__)
    return text.partition(" with text ")[0]  # where sqlite3 quotes what is not UTF-8


def cannot_open(error: Exception) -> TapError:
    """What a failure to connect means."""
    reason = f"cannot open the database of `sqlalchemy_url`: {error_text(error)}"
    number = next(iter(getattr(getattr(error, "orig", None), "args", ())), None)
    if number in _REFUSED:
        return AccessDeniedError(reason, "Check user and password")
    if number == WITHHELD:
        remedy = (
            "Add ?ssl_ca=/path/ca.pem to the URL: the password is sent only to a verified server"
        )
        return ConfigurationError(reason, remedy)
    if number == NOT_TAKEN:
        return ConfigurationError(reason, "Check the host and the options of the URL")
    return SourceUnreachableError(reason, "Check the URL and the server")


def raise_if_lost(error: Exception, reason: str) -> None:
    """Raise ``SourceLostError`` where a new connection may succeed."""
    cause = getattr(error, "orig", None)
    is_locked = getattr(cause, "sqlite_errorname", None) in _LOCKED
    if is_locked or getattr(error, "connection_invalidated", False):
        unreachable = SourceUnreachableError(reason, "Check the server, and who holds its locks")
        raise SourceLostError(unreachable) from error


def no_partitions(table: sa.Table) -> ConfigurationError:
    """Partitions can be asked of Oracle only."""
    reason = f"the partitions of {table.fullname} are not known: that is for Oracle only"
    return ConfigurationError(reason, "Plan --by rows or --by time")
