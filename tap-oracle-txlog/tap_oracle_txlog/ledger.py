"""Starting from ETL_PRMREC: for jobs whose Singer state does not survive, as on a fresh CI runner.

The table is written by the target. This only reads it: the whole state where the table has the
column SINGER_STATE and a bookmark of the stream in it, else the time up to which all was complete.
"""

from __future__ import annotations

import json
import logging
import ssl
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import sqlalchemy as sa

from tap_oracle_txlog import mariadb
from tap_oracle_txlog.errors import (
    AccessDeniedError,
    ConfigurationError,
    DataError,
    SourceUnreachableError,
    TapError,
)
from tap_oracle_txlog.rules.parts import check_form, has_time
from tap_oracle_txlog.rules.timestamps import minus, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_oracle_txlog.ledger_settings import LedgerSettings

logger = logging.getLogger(__name__)
T = TypeVar("T")

#: A column without fractions of a second has lost them; the rows of that second come again.
LOST_FRACTION: Final = 1
ANSWER_SECONDS: Final = 10

_NOT_MARIADB: Final = (
    ConfigurationError,
    "Check mariadb_host and mariadb_port, or ledger_url: is it the MariaDB server?",
)
_METHOD: Final = (
    ConfigurationError,
    "Let the user log in with mysql_native_password, ed25519 or caching_sha2_password",
)
#: What the error numbers of MariaDB and the error names of SQLite mean: all others say that the
#: server is away.
_ERROR_TABLE: Final[dict[object, tuple[type[TapError], str]]] = {
    **dict.fromkeys(
        (1045, 1698), (AccessDeniedError, "Check mariadb_user and mariadb_password, or ledger_url")
    ),
    **dict.fromkeys((1129, 1130), (AccessDeniedError, "Allow the user to come from this host")),
    **dict.fromkeys((1044, 1142, 1143), (AccessDeniedError, "Grant the user SELECT on the table")),
    **dict.fromkeys((1046, 1049), (ConfigurationError, "Check mariadb_database or ledger_url")),
    2026: (ConfigurationError, "Check the mariadb_ssl settings and the server's certificate"),
    mariadb.NOT_UNDERSTOOD: _NOT_MARIADB,
    mariadb.NOT_TAKEN: (ConfigurationError, "Check mariadb_host, or ledger_url and its options"),
    mariadb.CANNOT_LOAD: _METHOD,
    mariadb.WITHHELD: (ConfigurationError, mariadb.VERIFY),
    **dict.fromkeys(
        ("SQLITE_CANTOPEN", "SQLITE_NOTADB"), (ConfigurationError, "Check the path in ledger_url")
    ),
}
_AWAY: Final = (SourceUnreachableError, "Check mariadb_host or ledger_url, and the server")


FIX_ROW: Final = "Correct it, give a state, or set start_date"


class Kept(NamedTuple):
    """The state that a run starts from, and where in the ledger it was found; None where it was
    not.
    """

    state: dict[str, Any] | None
    origin: str


def previous_state(
    settings: LedgerSettings, *, stream: str, replication_key: str, is_backfill: bool = False
) -> Kept:
    """The state that the ledger has of ``program_name``.

    A backfill takes SINGER_STATE alone: up to when the tail is complete says nothing of slices.

    Raises:
        ConfigurationError: It is not said where the ledger is, or its state cannot be read.
        AccessDeniedError: The ledger's database refuses the login, or the right to read.
        SourceUnreachableError: It does not answer.
    """
    program = settings.program_name
    rows = _rows(settings, (program, f"{program}:{stream}"))
    state = _state(rows.get(program, {}).get("SINGER_STATE"))
    if is_backfill or has_time(state, stream):
        return Kept(state or None, f"SINGER_STATE of {program}")
    name, complete = _complete(rows, state, program, stream)
    if complete is None:
        return Kept(None, f"the row {program}")
    try:
        start = minus(parse(str(complete)), LOST_FRACTION)
    except ValueError as error:
        reason = f"LAST_SUCCESSFUL_TIME of {name} in the ledger is not a time"
        raise ConfigurationError(reason, FIX_ROW) from error
    bookmark = {"replication_key": replication_key, "replication_key_value": start}
    kept = {**state, "bookmarks": {**state.get("bookmarks", {}), stream: bookmark}}
    return Kept(kept, f"LAST_SUCCESSFUL_TIME of {name}, minus one second")


def _complete(
    rows: Mapping[str, Mapping[str, Any]], state: Mapping[str, Any], program: str, stream: str
) -> tuple[str, object]:
    """Up to when ``stream`` is complete, where SINGER_STATE does not say it, and whose row says so.

    A time that may be that of a slice or of another stream is none: rows would be passed over.
    """
    own, of_pipeline = f"{program}:{stream}", rows.get(program, {}).get("LAST_SUCCESSFUL_TIME")
    bookmarks = state.get("bookmarks", {})
    others = [other for other in bookmarks if has_time(state, other, in_slices=True)]
    if has_time(state, stream, in_slices=True):
        why = f"only slices of {stream}"
    elif complete := rows.get(own, {}).get("LAST_SUCCESSFUL_TIME"):
        return own, complete
    elif not others:
        return program, of_pipeline
    else:
        why = f"no bookmark of {stream}, but one of {', '.join(others)}"
    if of_pipeline:
        logger.warning(
            "SINGER_STATE of %s has %s: LAST_SUCCESSFUL_TIME may belong to these and is not used. "
            "To start there anyway, set start_date",
            program,
            why,
        )
    return program, None


def _rows(settings: LedgerSettings, names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """The rows of these names, as far as there are any."""
    return asked(settings, lambda connection: _select(connection, settings.ledger_table, names))


def asked(settings: LedgerSettings, question: Callable[[sa.Connection], T]) -> T:
    """The answer of the ledger's database to a question, on a connection of its own.

    Raises:
        TapError: The database cannot be asked, as ``previous_state``.
    """
    table = settings.ledger_table
    engine = _engine(settings.with_password())
    try:
        with engine.connect() as connection:
            return question(connection)
    except sa.exc.SQLAlchemyError as error:
        kind, remedy, cause = _explained(error)
        reason = f"cannot read {table} for state_from_ledger: {cause}"
        raise kind(reason, remedy) from error
    except (ValueError, TypeError) as error:
        reason = f"{table} has a value that is not of its column's type"
        raise ConfigurationError(reason, FIX_ROW) from error
    finally:
        engine.dispose()


def columns_of(settings: LedgerSettings) -> set[str] | None:
    """The columns of the table, which may be read; None where there is no table. Raises as
    ``asked``.
    """
    return asked(settings, partial(_columns, settings.ledger_table))


def _columns(name: str, connection: sa.Connection) -> set[str] | None:
    inspector = sa.inspect(connection)
    if not inspector.has_table(name):
        return None
    columns = {str(column["name"]).upper() for column in inspector.get_columns(name)}
    nothing = sa.select(sa.literal(1)).select_from(sa.table(name)).where(sa.false())
    connection.execute(nothing)
    return columns


def add_state_column(settings: LedgerSettings) -> str:
    """How to add the column that holds the state to a table of V7."""
    kind = "TEXT" if ledger_url(settings).get_backend_name() == "sqlite" else "LONGTEXT"
    return f"ALTER TABLE {settings.ledger_table} ADD COLUMN SINGER_STATE {kind};"


def _select(
    connection: sa.Connection, table: str, names: tuple[str, ...]
) -> dict[str, dict[str, Any]]:
    if not sa.inspect(connection).has_table(table):
        return {}  # the target will create it
    found = sa.Table(table, sa.MetaData(), autoload_with=connection)
    wanted = ("PROGRAM_NAME", "LAST_SUCCESSFUL_TIME", "SINGER_STATE")
    query = sa.select(*(found.c[name] for name in wanted if name in found.c))
    rows = connection.execute(query.where(found.c["PROGRAM_NAME"].in_(names))).mappings()
    return {row["PROGRAM_NAME"]: dict(row) for row in rows}


def _explained(error: sa.exc.SQLAlchemyError) -> tuple[type[TapError], str, str]:
    """Kind, remedy, and the driver's own words."""
    origin = getattr(error, "orig", None)
    refused = getattr(origin, "original_exception", None)
    if isinstance(refused, ssl.SSLCertVerificationError):
        cause = f"the server's certificate is not accepted: {refused.verify_message}"
        return *_ERROR_TABLE[2026], cause
    code: object = getattr(origin, "sqlite_errorname", None)
    cause = str(origin or type(error).__name__)
    if code is None and origin is not None and len(origin.args) > 1:
        code, cause = origin.args[0], f"{origin.args[-1]} ({origin.args[0]})"
    return *_ERROR_TABLE.get(code, _AWAY), cause


def _state(text: str | None) -> dict[str, Any]:
    if not text:
        return {}
    try:
        state: dict[str, Any] = json.loads(text)
        check_form(state)
    except (TypeError, ValueError, RecursionError, DataError) as error:
        reason = "SINGER_STATE in the ledger is not a valid state"
        raise ConfigurationError(reason, "Give a state, or set start_date") from error
    return state


def grant_for_ledger(settings: LedgerSettings) -> str:
    """The least right of the ledger's user.

    Raises:
        ConfigurationError: The ledger has no users, or it is not said where it is.
    """
    url = ledger_url(settings)
    if url.get_backend_name() == "sqlite":
        reason = "the ledger is an SQLite file, which has no users"
        raise ConfigurationError(reason, "Let the user of the tap read the file")
    return mariadb.grant("SELECT", url, settings.ledger_table)


def _engine(settings: LedgerSettings) -> sa.Engine:
    url, tls = ledger_url(settings), settings.tls
    if url.get_backend_name() == "sqlite":
        return sa.create_engine(url, hide_parameters=True)
    arguments = {
        **mariadb.login(url.password, verified=tls is not None and tls.verify),
        "connect_timeout": ANSWER_SECONDS,
        "read_timeout": ANSWER_SECONDS,
        "write_timeout": ANSWER_SECONDS,
        **({"ssl": mariadb.tls_context(tls)} if tls else {}),
    }
    engine = sa.create_engine(url, connect_args=arguments, hide_parameters=True)
    sa.event.listen(engine, "do_connect", mariadb.connect)
    return engine


def ledger_url(settings: LedgerSettings) -> sa.URL:
    """Where the ledger is.

    Raises:
        ConfigurationError: It is not said, or not as a URL that can be used.
    """
    if settings.ledger_url:
        return mariadb.parsed(settings.ledger_url)
    if not settings.mariadb_host:
        reason = "state_from_ledger is set, but neither mariadb_host nor ledger_url"
        raise ConfigurationError(reason, "Set one of them", setting="mariadb_host")
    return sa.URL.create(
        "mysql+pymysql",
        username=settings.mariadb_user,
        password=settings.mariadb_password,
        host=settings.mariadb_host,
        port=settings.mariadb_port,
        database=settings.mariadb_database,
    )
