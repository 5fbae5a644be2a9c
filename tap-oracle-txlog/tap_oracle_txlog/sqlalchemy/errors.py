"""What an error of SQLAlchemy means: whether a new connection may succeed, and what to say."""

from __future__ import annotations

from tap_oracle_txlog.errors import SourceUnreachableError
from tap_oracle_txlog.source import SourceLostError

_LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED")
"""SQLite's names for a file that somebody else is writing to."""


def error_text(error: Exception) -> str:
    """The database's own words, without the statement and its values."""
    text = str(getattr(error, "orig", None) or type(error).__name__)
    return text.partition(" with text ")[0]  # where sqlite3 quotes what is not UTF-8


def raise_if_lost(error: Exception, reason: str) -> None:
    """Raise ``SourceLostError`` where a new connection may succeed."""
    cause = getattr(error, "orig", None)
    is_locked = getattr(cause, "sqlite_errorname", None) in _LOCKED
    if is_locked or getattr(error, "connection_invalidated", False):
        unreachable = SourceUnreachableError(reason, "Check the server, and who holds its locks")
        raise SourceLostError(unreachable) from error
