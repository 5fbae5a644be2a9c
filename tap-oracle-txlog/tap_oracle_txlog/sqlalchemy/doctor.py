"""What is in order between the tap and a database behind a SQLAlchemy URL, and what is not.

The same checks as for Oracle, as far as every database can answer them. Nothing is printed here,
and nothing is changed anywhere.
"""

from __future__ import annotations

import datetime as dt
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from tap_oracle_txlog import checks
from tap_oracle_txlog.checks import NULL_KEYS, made
from tap_oracle_txlog.diagnosis import Finding, Line, failed, passed, warning
from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import BEGINNING, earliest_local, from_datetime, parse
from tap_oracle_txlog.sqlalchemy.filter import indexes
from tap_oracle_txlog.sqlalchemy.reflection import column, connect, reflect
from tap_oracle_txlog.sqlalchemy.source import SqlAlchemySource
from tap_oracle_txlog.sqlalchemy.statements import Statements
from tap_oracle_txlog.sqlalchemy.types import json_schema
from tap_oracle_txlog.sqlalchemy.wrong_value import refuse_unsorted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_oracle_txlog.cases import CasesOf
    from tap_oracle_txlog.checks import Check
    from tap_oracle_txlog.reading import ExtractionSettings
    from tap_oracle_txlog.source_settings import SourceSettings

CLUSTERED: Final = ("sqlite", "mysql", "mariadb")
"""Databases in which each index ends with the primary key."""
TIMES: Final = 1_000
"""So many times are looked at, at each end of the table."""
EARLIEST: Final = "0001"
"""The first year of a position."""


def examine(
    url: str, settings: SourceSettings, how: ExtractionSettings, cases: CasesOf | None = None
) -> Iterator[Line]:
    """Check all that can be checked: nothing without a login, no table that cannot be read."""
    login = made(partial(_login, url))
    yield Line("Connection", "login", login)
    if login.status == "failed":
        return
    yield Line("Privileges", "transactions", made(partial(_transactions, how)))
    opened: list[SqlAlchemySource] = []

    def open_table() -> Finding:
        opened.append(SqlAlchemySource.from_settings(url, settings))
        opened[0].page(Position.before(BEGINNING), 1, until=BEGINNING)
        return passed(f"SELECT on {settings.table}")

    table = made(open_table)
    yield Line("Privileges", "table", table)
    for source in opened:
        with closing(source), closing(connect(url)) as connection:
            if table.status == "ok":
                for group, name, check in _Table(connection, settings).checks(source, how, cases):
                    yield Line(group, name, made(check))
            connection.engine.dispose()


def _login(url: str) -> Finding:
    if (path := _missing_file(url)) is not None:
        text = f"{path} does not exist"
        return failed(text, "Check the path in `sqlalchemy_url`", ConfigurationError)
    with closing(connect(url)) as connection:
        engine = connection.engine
        version = ".".join(map(str, engine.dialect.server_version_info or ()))
        place, engine_name = engine.url, engine.dialect.name
        engine.dispose()
    whom = f"{place.username} at " if place.username else ""
    where = f"{place.host}/{place.database}" if place.host else place.database or "memory"
    return passed(f"{whom}{where}, {engine_name} {version}".rstrip())


def _missing_file(text: str) -> Path | None:
    """The file of an SQLite database, where it is not there: to connect would create it."""
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        return None  # `connect` has the words for it
    path = url.database or ":memory:"
    in_file = url.get_backend_name() == "sqlite" and not path.startswith((":memory:", "file:"))
    return Path(path) if in_file and not Path(path).exists() else None


def _transactions(how: ExtractionSettings) -> Finding:
    by_look_back = f"late commits by look-back of {how.lookback:g} s"
    if how.strategy != "watermark":
        return passed(by_look_back)
    text = "open transactions are not visible here, but late_commit_strategy is watermark"
    return failed(text, "Set late_commit_strategy: lookback", ConfigurationError)


class _Table:
    """The table as the database describes it."""

    def __init__(self, connection: sa.Connection, settings: SourceSettings) -> None:
        self._connection = connection
        self._table = reflect(connection.engine, settings.table)
        self._key = column(self._table, settings.replication_key, "replication_key")
        self._id = column(self._table, settings.id_column, "id_column")
        self._wanted = [column(self._table, name, "columns") for name in settings.columns or ()]
        self._is_sqlite = connection.engine.dialect.name == "sqlite"
        self._statements = Statements(self._table, self._key, self._id, by_storage=self._is_sqlite)

    def checks(
        self, source: SqlAlchemySource, how: ExtractionSettings, cases: CasesOf | None
    ) -> Iterator[tuple[str, str, Check]]:
        """The checks, each in its place."""
        yield "Table", "columns", self._columns
        yield "Table", "id", self._unique_id
        yield "Table", "index", self._index
        if (access := source.access()) is not None:
            yield "Table", "filter", lambda: access
        if cases is not None:
            yield "Table", "cases", lambda: checks.cases(source, cases, str(self._key.name))
        yield "Table", "NULL keys", partial(self._null_keys, source, how)
        form = made(self._form)
        if self._is_sqlite:
            yield "Time", "form", lambda: form
        if form.status == "ok":
            yield "Time", "clock", partial(self._clock, source, how)

    def _columns(self) -> Finding:
        """What is read, and what cannot be."""
        wanted = self._wanted or list(self._table.columns)
        read = ", ".join(f"{one.name} {one.type}" for one in wanted if json_schema(one.type))
        unread = (one for one in wanted if not json_schema(one.type))
        left_out = ", ".join(f"{one.name} {one.type}" for one in unread)
        if not left_out:
            return passed(read)
        remedy = "To read it, set `table` to a view that converts it"
        return warning(f"{read}; left out: {left_out}", remedy)

    @property
    def _keys(self) -> Iterator[list[str]]:
        """The columns of each key of the table."""
        yield from (columns for _, columns, is_unique in indexes(self._table) if is_unique)

    def _unique_id(self) -> Finding:
        """Whether a key promises that no two rows have the same id."""
        id_ = self._id.name
        if [id_] in self._keys:
            return passed(f"{id_} is a key")
        why = "a second row with the same time and id stops the run"
        name = self._quoted(f"UX_{self._table.name}_ID")
        fix = f"CREATE UNIQUE INDEX {name} ON {self._place} ({self._quoted(id_)});"
        return warning(f"no key says that {id_} is unique: {why}", "Make it a key", fix)

    def _index(self) -> Finding:
        """Whether a page is a range of an index."""
        key, id_ = self._key.name, self._id.name
        found = [columns for _, columns, _ in indexes(self._table)]
        has_row_id = self._connection.engine.dialect.name in CLUSTERED and [id_] in self._keys
        if any(columns[:2] == [key, id_] or (has_row_id and columns == [key]) for columns in found):
            return passed(f"an index is on ({key}, {id_})")
        name = self._quoted(f"IX_{self._table.name}_TAIL")
        fix = f"CREATE INDEX {name} ON {self._place} ({self._quoted(key)}, {self._quoted(id_)});"
        text = f"no index on ({key}, {id_}): each page reads and sorts the whole table"
        return warning(text, "Create one", fix)

    @property
    def _place(self) -> str:
        return self._connection.engine.dialect.identifier_preparer.format_table(self._table)

    def _quoted(self, name: str) -> str:
        return self._connection.engine.dialect.identifier_preparer.quote(name)

    def _null_keys(self, source: SqlAlchemySource, how: ExtractionSettings) -> Finding:
        early = self._connection.scalar(self._statements.early_key_count(NULL_KEYS))
        return checks.null_keys(self._key.name, source.null_keys(NULL_KEYS), how, early or 0)

    def _form(self) -> Finding:
        """Whether the times sort as text, as SQLite compares them: the oldest and the newest."""
        if self._is_sqlite:
            for statement in (self._statements.smallest_keys, self._statements.largest_keys):
                found = self._connection.execute(statement(TIMES)).all()
                rows = [row for row in found if row[0] is not None and not _is_early(row[0])]
                refuse_unsorted(self._key, self._id, *([row[n] for row in rows] for n in (0, 1)))
        return passed(f"the oldest and the newest {TIMES:,} times sort as text")

    def _clock(self, source: SqlAlchemySource, how: ExtractionSettings) -> Finding:
        newest = self._connection.scalar(self._statements.newest_key())
        if newest is not None:
            newest = from_datetime(newest) if isinstance(newest, dt.datetime) else parse(newest)
        now = earliest_local(source.clock(), source.key_zone)
        return checks.clock(self._key.name, now, newest, how.skew)


def _is_early(key: object) -> bool:
    """Whether it is before every position: then it is counted with the NULL keys."""
    return isinstance(key, str) and key < EARLIEST
