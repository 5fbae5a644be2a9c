"""What the errors of a database mean to the operator; the only place that knows their numbers."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from target_nats_jetstream.errors import (
    AccessDeniedError,
    ConfigurationError,
    TargetError,
    UnreachableError,
)
from target_nats_jetstream.ledger.mariadb import VERIFY

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError


class RowInUseError(TargetError):
    """Another run of the same pipeline is at work; exit code 1."""


class ErrorKind(NamedTuple):
    """The error that the operator sees, and what can be done about it."""

    error: type[TargetError]
    remedy: str


_AWAY: Final = ErrorKind(UnreachableError, "Start the server, or check its host, port and disk")
_LOGIN: Final = ErrorKind(
    AccessDeniedError,
    "Check `mariadb_user` and `mariadb_password`; not tried again, so that the account is not "
    "locked",
)
_HOST: Final = ErrorKind(AccessDeniedError, "Allow the user to come from this host")
_RIGHT: Final = ErrorKind(
    AccessDeniedError,
    "Grant the user SELECT, INSERT and UPDATE on the table, and CREATE if it has to be created",
)
_TLS: Final = ErrorKind(
    ConfigurationError, "Check the mariadb_ssl settings and the server's certificate"
)
_WITHHELD: Final = ErrorKind(ConfigurationError, VERIFY)
_METHOD: Final = ErrorKind(
    ConfigurationError,
    "Let the user log in with mysql_native_password, ed25519 or caching_sha2_password",
)
_NOT_MARIADB: Final = ErrorKind(
    ConfigurationError, "Check `mariadb_host` and `mariadb_port`: is it the MariaDB server?"
)
_NOT_TAKEN: Final = ErrorKind(
    ConfigurationError, "Check `mariadb_host`, or `ledger_url` and its options"
)
_SETUP: Final = ErrorKind(
    ConfigurationError,
    "Check `mariadb_database` and `ledger_table`, or let `ledger_create_table` create the table",
)
_SHAPE: Final = ErrorKind(
    ConfigurationError, "Give that column a default value: the target fills only those it knows"
)
_FILE: Final = ErrorKind(ConfigurationError, "Check the path in `ledger_url` and its rights")
_OTHER: Final = ErrorKind(TargetError, "Check the table and the server's log")

#: Error numbers of MySQL and MariaDB, and the classes of SQLite's error names.
ERRORS: Final[dict[int | str, ErrorKind]] = {
    1040: _AWAY,  # too many connections
    1044: _RIGHT,  # no right on the database
    1045: _LOGIN,  # wrong user or password
    1046: _SETUP,  # no database selected
    1049: _SETUP,  # unknown database
    1053: _AWAY,  # shutdown in progress
    1129: _HOST,  # blocked because of many connection errors
    1130: _HOST,  # not allowed to connect from this host
    1142: _RIGHT,  # no right on the table
    1143: _RIGHT,  # no right on a column
    1146: _SETUP,  # no such table
    1203: _AWAY,  # too many connections of this user
    1205: _AWAY,  # somebody holds a lock on the row
    1213: _AWAY,  # deadlock
    1290: _AWAY,  # read-only, as a server is that has just become a replica
    1317: _AWAY,  # query interrupted
    1698: _LOGIN,  # the user logs in by another method than a password
    1364: _SHAPE,  # a column without a default that the target does not fill
    1836: _AWAY,  # read-only mode
    1927: _AWAY,  # connection was killed
    2002: _AWAY,  # cannot connect
    2003: _AWAY,  # cannot connect
    2006: _AWAY,  # connection is gone
    2013: _AWAY,  # connection lost during a query
    2026: _TLS,  # the server offers no TLS
    2027: _NOT_MARIADB,  # an answer that makes no sense
    2034: _NOT_TAKEN,  # a host or an option that nobody can use
    2059: _METHOD,  # an authentication method that the driver does not have
    2061: _WITHHELD,  # an authentication method that would give the password away
    4031: _AWAY,  # disconnected because of inactivity
    "SQLITE_BUSY": _AWAY,
    "SQLITE_CANTOPEN": _FILE,
    "SQLITE_FULL": _AWAY,
    "SQLITE_IOERR": _AWAY,
    "SQLITE_LOCKED": _AWAY,
    "SQLITE_NOTADB": _FILE,
    "SQLITE_READONLY": _FILE,
}


def kind_of(error: DBAPIError) -> tuple[ErrorKind, str]:
    """What a driver's error means, and its own words without the SQL and the values."""
    origin: Any = error.orig
    refused = getattr(origin, "original_exception", None)
    if isinstance(refused, ssl.SSLCertVerificationError):
        return _TLS, f"the server's certificate is not accepted: {refused.verify_message}"
    if name := getattr(origin, "sqlite_errorname", None):
        return ERRORS.get("_".join(name.split("_")[:2]), _OTHER), str(origin)
    code, text = origin.args[0], origin.args[-1]
    if not isinstance(code, int):
        return _NOT_MARIADB, str(text)
    return ERRORS.get(code, _AWAY if error.connection_invalidated else _OTHER), f"{text} ({code})"
