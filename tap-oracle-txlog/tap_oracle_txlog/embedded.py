"""A source for any database that SQLAlchemy reaches: for demos, tests, and tables beside Oracle.

Times are read as the column's own type and carried with nine digits like Oracle's; what the
database cannot hold is zero. Open transactions are not visible here, so late commits are covered by
look-back.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import decimal
import logging
from functools import partial
from itertools import starmap
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tap_oracle_txlog.errors import ConfigurationError, DataError, SourceUnreachableError
from tap_oracle_txlog.keyset import Position
from tap_oracle_txlog.settings import source_zone
from tap_oracle_txlog.source import Column, Page, SourceLostError
from tap_oracle_txlog.timestamps import END, Instant, from_datetime, parse, to_datetime
from tap_oracle_txlog.watermark import NotReadable, OpenTransactions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from zoneinfo import ZoneInfo

logger = logging.getLogger(__name__)

#: How SQLAlchemy stores a DATETIME in SQLite: text of fixed width, so that text order is time
#: order.
SQLITE_FORM = "YYYY-MM-DD HH:MM:SS.ffffff"

#: SQLite's words for a file that somebody else is writing to.
_LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED")

_CLOCKS = {
    "sqlite": "SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "mariadb": "SELECT UTC_TIMESTAMP(6)",
}


class EmbeddedSource:
    """A table behind a SQLAlchemy URL; see ``source.Source``.

    Args:
        url: The database; never shown, it may carry a password.
        table: Name of the table, with its schema where it has one.
        columns: Names to read, None for all.
        zone: Zone of times that are stored without one, None for UTC.

    Raises:
        SourceUnreachableError: The database cannot be opened.
        ConfigurationError: Table or columns are not there.
    """

    def __init__(  # noqa: PLR0913 - each is one setting, by keyword
        self,
        url: str,
        *,
        table: str,
        replication_key: str,
        id_column: str,
        columns: Sequence[str] | None = None,
        zone: ZoneInfo | None = None,
    ) -> None:
        try:
            self._engine = sa.create_engine(url)
            self._connection = self._engine.connect()
        except (sa.exc.ArgumentError, ImportError, TypeError, ValueError) as error:
            reason = f"setting `sqlalchemy_url` is not usable: {type(error).__name__}"
            remedy = "Use dialect+driver://… with its driver"
            raise ConfigurationError(reason, remedy) from None  # the cause may hold the password
        except sa.exc.SQLAlchemyError as error:
            reason = f"cannot open the database of `sqlalchemy_url`: {_cause(error)}"
            raise SourceUnreachableError(reason, "Check the URL and the server") from error
        self._by_storage = self._engine.dialect.name == "sqlite"
        try:
            self._look_at(table, replication_key, id_column, columns, zone)
        except BaseException:
            self.close()
            raise
        self.key_zone = None if self._key_is_aware else zone

    def _look_at(
        self,
        table: str,
        replication_key: str,
        id_column: str,
        columns: Sequence[str] | None,
        zone: ZoneInfo | None,
    ) -> None:
        self._table = self._reflect(table)
        self._key = self._column(replication_key)
        if _python_type(self._key.type) is not dt.datetime:
            reason = f"column {self._key} cannot be the `replication_key`: it is {self._key.type}"
            raise ConfigurationError(reason, "Choose a column of type DATETIME or TIMESTAMP")
        self._id = self._as_stored(self._column(id_column))
        names = columns or self._table.columns.keys()
        wanted = {self._column(name).name for name in (replication_key, id_column, *names)}
        self._columns, self._forms = _readable(
            [column for column in self._table.columns if column.name in wanted], zone
        )
        self._key_is_aware = bool(getattr(self._key.type, "timezone", False))
        if self._by_storage:
            self._refuse_numbers()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> EmbeddedSource:
        """Open the source that a checked config describes."""
        return cls(
            config["sqlalchemy_url"],
            table=config["table"],
            replication_key=config["replication_key"],
            id_column=config["id_column"],
            columns=config.get("columns"),
            zone=source_zone(config),
        )

    def columns(self) -> Sequence[Column]:
        """See ``source.Source``."""
        schemas = (_json_schema(column.type) for column in self._columns)
        names = (column.name for column in self._columns)
        return list(starmap(Column, zip(names, schemas, strict=True)))

    def clock(self) -> Instant:
        """See ``source.Source``; an SQLite file has no clock but the host's."""
        sql = _CLOCKS.get(self._engine.dialect.name, "SELECT CURRENT_TIMESTAMP")
        value = self._connection.execute(sa.text(sql)).scalar_one()
        return from_datetime(value) if isinstance(value, dt.datetime) else parse(str(value))

    def open_transactions(self) -> OpenTransactions:
        """See ``source.Source``."""
        why = f"{self._engine.dialect.name} shows no open transactions to this tap"
        return NotReadable(
            why, "Keep transactions shorter than lookback_seconds", right_missing=False
        )

    def page(self, after: Position, limit: int, *, until: Instant | None = None) -> Page:
        """See ``source.Source``."""
        at = self._key_value(after.at)
        behind: sa.ColumnElement[bool] = self._key >= at
        if after.id is not None and _is_whole(after.at):
            behind &= (self._key > at) | (self._id > after.id)
        if until is not None:
            behind &= self._key < self._key_value(until)
        return self._read(behind, limit)

    def null_key_page(self, after_id: int | str | None, limit: int) -> Page:
        """See ``source.Source``."""
        behind: sa.ColumnElement[bool] = self._key.is_(None)
        if after_id is not None:
            behind &= self._id > after_id
        return self._read(behind, limit)

    def close(self) -> None:
        """See ``source.Source``."""
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            self._connection.close()
        self._engine.dispose()

    def _key_value(self, at: Instant) -> dt.datetime:
        """The first microsecond that is not before ``at``: the column holds nothing in between."""
        cut = to_datetime(at).replace(tzinfo=dt.UTC if self._key_is_aware else None)
        return cut if _is_whole(at) else cut + dt.timedelta(microseconds=1)

    def _read(self, where: sa.ColumnElement[bool], limit: int) -> Page:
        stored = sa.type_coerce(self._key, sa.String if self._by_storage else self._key.type)
        columns = map(self._as_stored, self._columns)
        statement = (
            sa.select(self._id, self._key, stored, *columns)
            .where(where)
            .order_by(self._key, self._id)
            .limit(limit)
        )
        try:
            fetched = self._connection.execute(statement).fetchall()
            self._connection.rollback()  # the next page is to see what was committed meanwhile
        except (sa.exc.SQLAlchemyError, ValueError) as error:
            reason = f"cannot read {self._table.fullname} by {self._key.name}: {_cause(error)}"
            _raise_if_lost(error, reason)
            raise DataError(reason, "Check that its values are of their column's type") from error
        names = [column.name for column in self._columns]
        positions = [self._position(*row[:3]) for row in fetched]
        rows = [dict(zip(names, row[3:], strict=True)) for row in fetched]
        for name, form in self._forms.items():
            for row in rows:
                if row[name] is not None:
                    row[name] = form(row[name])
        return Page(positions, rows)

    def _position(self, row_id: Any, key: dt.datetime | None, stored: object) -> Position:  # noqa: ANN401
        if isinstance(row_id, decimal.Decimal) and row_id == row_id.to_integral_value():
            row_id = int(row_id)
        if key is None:
            return Position(NO_KEY, row_id)
        if self._by_storage and stored != key.isoformat(sep=" ", timespec="microseconds"):
            raise self._does_not_sort(stored)
        return Position(from_datetime(key), row_id)

    def _as_stored(self, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
        """The column; of a decimal in SQLite the number itself, which SQLAlchemy would round."""
        if self._by_storage and _python_type(column.type) is decimal.Decimal:
            return sa.type_coerce(column, sa.types.NullType())
        return column

    def _refuse_numbers(self) -> None:
        """SQLite sorts numbers before all text: as times they would be behind no position."""
        smallest = sa.select(sa.func.min(sa.type_coerce(self._key, sa.types.NullType())))
        value = self._connection.execute(smallest).scalar_one()
        if not isinstance(value, str | None):
            raise self._does_not_sort(value)

    def _does_not_sort(self, stored: object) -> DataError:
        reason = f"{self._key} holds times in a form that does not sort: {stored!r}"
        return DataError(reason, f"Store them as {SQLITE_FORM}")

    def _reflect(self, name: str) -> sa.Table:
        schema, _, table = name.rpartition(".")
        try:
            return sa.Table(table, sa.MetaData(), schema=schema or None, autoload_with=self._engine)
        except sa.exc.SQLAlchemyError as error:
            reason = f"cannot find the table {name} in the database of `sqlalchemy_url`"
            _raise_if_lost(error, f"{reason}: {_cause(error)}")
            raise ConfigurationError(
                reason, "Set table (with its schema, if it has one)"
            ) from error

    def _column(self, name: str) -> sa.Column[Any]:
        try:
            return self._table.columns[name]
        except KeyError as error:
            reason = f"table {self._table.fullname} has no column {name}"
            known = ", ".join(self._table.columns.keys())
            raise ConfigurationError(reason, f"It has {known}") from error


NO_KEY = Instant("")


def _is_whole(at: Instant) -> bool:
    """Whether it is a whole microsecond, as all times are that the database can hold."""
    return at.endswith("000") or at == END


def _cause(error: Exception) -> str:
    """The database's own words, without the statement and its values."""
    words = str(getattr(error, "orig", None) or type(error).__name__)
    return words.partition(" with text ")[0]  # where sqlite3 quotes what is not UTF-8


def _raise_if_lost(error: Exception, reason: str) -> None:
    """Tell apart what a new connection may mend."""
    cause = getattr(error, "orig", None)
    is_locked = getattr(cause, "sqlite_errorname", None) in _LOCKED
    if is_locked or getattr(error, "connection_invalidated", False):
        unreachable = SourceUnreachableError(reason, "Check the server, and who holds its locks")
        raise SourceLostError(unreachable) from error


def _readable(
    columns: Sequence[sa.Column[Any]], zone: ZoneInfo | None
) -> tuple[list[sa.Column[Any]], dict[str, Callable[[Any], object]]]:
    """The columns that have a JSON form, and the conversions that some of them need."""
    kept: list[sa.Column[Any]] = []
    forms: dict[str, Callable[[Any], object]] = {}
    for column in columns:
        if not _json_schema(column.type):
            logger.warning("column %s of type %s is left out", column, column.type)
            continue
        kept.append(column)
        if (kind := _python_type(column.type)) is dt.datetime:
            forms[column.name] = partial(_time_text, zone=zone or dt.UTC)
        elif kind in _FORMS:
            forms[column.name] = _FORMS[kind]
    return kept, forms


def _python_type(kind: sa.types.TypeEngine[Any]) -> type:
    if isinstance(kind, sa.JSON):
        return dict  # SQLAlchemy 2.1 does not say so any more
    try:
        return kind.python_type
    except NotImplementedError:
        return object


def _json_schema(kind: sa.types.TypeEngine[Any]) -> dict[str, object]:
    return _SCHEMAS.get(_python_type(kind), {})


def _time_text(value: dt.datetime, zone: dt.tzinfo) -> str:
    """ISO text with an offset: that of ``zone`` for a time that was stored without one."""
    return (value if value.tzinfo else value.replace(tzinfo=zone)).isoformat(
        timespec="microseconds"
    )


_SCHEMAS: dict[type, dict[str, object]] = {
    int: {"type": ["integer", "null"]},
    str: {"type": ["string", "null"]},
    bool: {"type": ["boolean", "null"]},
    float: {"type": ["number", "null"]},
    decimal.Decimal: {"type": ["number", "null"]},
    dt.datetime: {"type": ["string", "null"], "format": "date-time"},
    dt.date: {"type": ["string", "null"], "format": "date"},
    bytes: {"type": ["string", "null"], "contentEncoding": "base64"},
    dict: {"type": ["object", "array", "string", "number", "boolean", "null"]},
}
_FORMS: dict[type, Callable[[Any], object]] = {
    decimal.Decimal: lambda value: (
        decimal.Decimal(repr(value)) if isinstance(value, float) else value
    ),
    dt.date: dt.date.isoformat,
    bytes: lambda value: base64.b64encode(value).decode(),
}
