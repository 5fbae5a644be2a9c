"""Starting from ETL_PRMREC: for jobs whose Singer state does not survive, as on a fresh CI runner.

The table is written by the target. This only reads it: the whole state where the table has the
column SINGER_STATE, else the time up to which everything was complete.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tap_oracle_txlog.errors import ConfigurationError, SourceUnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A column without fractions of a second has lost them; the rows of that second come again.
LOST_FRACTION = timedelta(seconds=1)
CONNECT_SECONDS = 10


def previous_state(
    config: Mapping[str, Any], *, stream: str, replication_key: str
) -> dict[str, Any] | None:
    """The state that the ledger has of ``program_name``; None when it has none.

    Raises:
        ConfigurationError: It is not said where the ledger is, or its state cannot be read.
        SourceUnreachableError: The ledger's database does not answer.
    """
    engine = sa.create_engine(_url(config), connect_args=_timeout(config))
    try:
        with engine.connect() as connection:
            row = _row(connection, config["ledger_table"], config["program_name"])
    except sa.exc.SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or type(error).__name__
        reason = f"cannot read {config['ledger_table']} for state_from_ledger: {cause}"
        raise SourceUnreachableError(reason, "Check mariadb_host or ledger_url") from error
    finally:
        engine.dispose()
    if row is None:
        return None
    if text := row.get("SINGER_STATE"):
        return _state(text)
    return _from_time(row["LAST_SUCCESSFUL_TIME"], stream, replication_key)


def _row(connection: sa.Connection, table: str, program: str) -> dict[str, Any] | None:
    if not sa.inspect(connection).has_table(table):
        return None  # the target will create it
    found = sa.Table(table, sa.MetaData(), autoload_with=connection)
    names = [name for name in ("LAST_SUCCESSFUL_TIME", "SINGER_STATE") if name in found.c]
    query = sa.select(*(found.c[name] for name in names)).where(found.c["PROGRAM_NAME"] == program)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else dict(row)


def _state(text: str) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads(text)
    except ValueError as error:
        reason = "SINGER_STATE in the ledger is no JSON"
        raise ConfigurationError(reason, "Give a state, or set start_date") from error
    return state


def _from_time(
    complete: datetime | None, stream: str, replication_key: str
) -> dict[str, Any] | None:
    if complete is None:
        return None
    bookmark = {
        "replication_key": replication_key,
        "replication_key_value": (complete - LOST_FRACTION).isoformat(),
    }
    return {"bookmarks": {stream: bookmark}}


def _url(config: Mapping[str, Any]) -> sa.URL | str:
    if config.get("ledger_url"):
        return str(config["ledger_url"])
    if not config.get("mariadb_host"):
        reason = "state_from_ledger is set, but neither mariadb_host nor ledger_url"
        raise ConfigurationError(reason, "Set one of them")
    password = config.get("mariadb_password")
    if file := config.get("mariadb_password_file"):
        try:
            password = Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            reason = f"cannot read mariadb_password_file: {error.strerror}"
            raise ConfigurationError(reason, "Check its path and rights") from error
    return sa.URL.create(
        "mysql+pymysql",
        username=config.get("mariadb_user"),
        password=password,
        host=config["mariadb_host"],
        port=config["mariadb_port"],
        database=config.get("mariadb_database"),
    )


def _timeout(config: Mapping[str, Any]) -> dict[str, Any]:
    return {} if config.get("ledger_url") else {"connect_timeout": CONNECT_SECONDS}
