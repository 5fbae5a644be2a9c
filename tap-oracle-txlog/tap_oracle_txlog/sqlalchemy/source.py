"""A source for any database that SQLAlchemy reaches: for demos, tests, and tables beside Oracle.

Times are read as the column's own type and carried with nine digits like Oracle's; what the
database cannot hold is zero. Open transactions are not visible here, so late commits are covered by
look-back.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from itertools import starmap
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tap_oracle_txlog.answers import summed
from tap_oracle_txlog.checks import NULL_KEYS
from tap_oracle_txlog.errors import ConfigurationError, DataError
from tap_oracle_txlog.row import row_type
from tap_oracle_txlog.rules.filter import Filter
from tap_oracle_txlog.rules.page_size import PageSize
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import BEGINNING, Instant, from_datetime, parse
from tap_oracle_txlog.rules.watermark import NotReadable, OpenTransactions
from tap_oracle_txlog.source import Column, Page
from tap_oracle_txlog.sqlalchemy.errors import error_text, no_partitions, raise_if_lost
from tap_oracle_txlog.sqlalchemy.filter import access, where
from tap_oracle_txlog.sqlalchemy.reflection import column, connect, readable, reflect
from tap_oracle_txlog.sqlalchemy.statements import Statements, clock
from tap_oracle_txlog.sqlalchemy.types import (
    NO_IDS,
    converter,
    from_stored,
    json_schema,
    python_type,
    whole,
)
from tap_oracle_txlog.sqlalchemy.wrong_value import refuse_unsorted, wrong_value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from zoneinfo import ZoneInfo

    from tap_oracle_txlog.diagnosis import Finding
    from tap_oracle_txlog.rules.digests import Digest
    from tap_oracle_txlog.rules.id_ranges import Run
    from tap_oracle_txlog.rules.shares import Partition
    from tap_oracle_txlog.source_settings import SourceSettings

logger = logging.getLogger(__name__)


class SqlAlchemySource:
    """A table behind a SQLAlchemy URL; see ``source.Source``.

    Args:
        url: The database; never shown, it may carry a password.
        table: Name of the table, with its schema where it has one.
        columns: Names to read, None for all.
        selected: Those of them that are wanted, None for all; the others need not be there.
        zone: Zone of times that are stored without one, None for UTC.
        rows: Which rows are read, None for all.

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
        selected: Collection[str] | None = None,
        zone: ZoneInfo | None = None,
        rows: Filter | None = None,
    ) -> None:
        self._connection = connect(url)
        self._engine = self._connection.engine
        self._page_size = PageSize()
        self._filter = rows or Filter()
        self._zone = zone
        self._by_storage = self._engine.dialect.name == "sqlite"
        try:
            self._look_at(table, replication_key, id_column, zone)
            self._choose(columns, selected, zone)
        except BaseException:
            self.close()
            raise
        self.key_zone = None if self._statements.key_is_aware else zone
        self.is_remote = not self._by_storage  # SQLite reads in this process

    def _look_at(
        self, table: str, replication_key: str, id_column: str, zone: ZoneInfo | None
    ) -> None:
        self._table = reflect(self._engine, table)
        self._key = column(self._table, replication_key, "replication_key")
        if python_type(self._key.type) is not dt.datetime:
            reason = f"column {self._key} cannot be the `replication_key`: it is {self._key.type}"
            raise ConfigurationError(reason, "Choose a column of type DATETIME or TIMESTAMP")
        self._id = column(self._table, id_column, "id_column")
        if python_type(self._id.type) in NO_IDS:
            reason = f"column {self._id} cannot be the `id_column`: it is {self._id.type}"
            raise ConfigurationError(reason, "Choose a column of numbers or text")
        wanted = where(self._filter, self._table, zone, by_storage=self._by_storage)
        of = self._table, self._key, self._id
        self._statements = Statements(*of, by_storage=self._by_storage, where=wanted)
        if self._by_storage:
            self._refuse_numbers()

    def _choose(
        self,
        columns: Sequence[str] | None,
        selected: Collection[str] | None,
        zone: ZoneInfo | None,
    ) -> None:
        """Settle which columns are read, and how; those of the position are always among them."""
        names = {
            column(self._table, name, "columns").name
            for name in columns or self._table.columns.keys()
        }
        if selected is not None:
            names &= set(selected)
        names |= {self._key.name, self._id.name}
        self._columns = readable([one for one in self._table.columns if one.name in names])
        self._converters = [
            converter(one.type, zone or dt.UTC, times_are_text=self._by_storage)
            for one in self._columns
        ]
        read = [str(one.name) for one in self._columns]  # SQLAlchemy has a type of its own
        self._row = row_type(read)
        self._key_place, self._id_place = map(read.index, (self._key.name, self._id.name))

    @classmethod
    def from_settings(
        cls, url: str, settings: SourceSettings, selected: Collection[str] | None = None
    ) -> SqlAlchemySource:
        """Open the source that the settings describe."""
        return cls(
            url,
            table=settings.table,
            replication_key=settings.replication_key,
            id_column=settings.id_column,
            columns=settings.columns,
            selected=selected,
            zone=settings.zone,
            rows=settings.row_filter,
        )

    def columns(self) -> Sequence[Column]:
        """See ``source.Source``."""
        schemas = (json_schema(one.type) for one in self._columns)
        names = (one.name for one in self._columns)
        return list(starmap(Column, zip(names, schemas, strict=True)))

    def clock(self) -> Instant:
        """See ``source.Source``."""
        value = self._connection.execute(clock(self._engine.dialect.name)).scalar_one()
        return from_datetime(value) if isinstance(value, dt.datetime) else parse(str(value))

    def open_transactions(self) -> OpenTransactions:
        """See ``source.Source``."""
        why = f"{self._engine.dialect.name} shows no open transactions to this tap"
        return NotReadable(
            why, "Keep transactions shorter than lookback_seconds", right_missing=False
        )

    def page(
        self,
        after: Position,
        limit: int,
        *,
        until: Instant | None = None,
        known: Sequence[Run] = (),
    ) -> Page:
        """See ``source.Source``."""
        if after.at == BEGINNING:
            self._warn_of_early_keys()
        statement = self._statements.page(self._columns, after, limit, until, known)
        return self._rows(statement, limit)

    def keys(
        self, after: Position, limit: int, *, until: Instant | None = None
    ) -> Sequence[Position]:
        """See ``source.Source``."""
        statement = self._statements.keys(after, limit, until)
        fetched, _ = self._read(statement, limit, is_bounded=False)
        if not fetched:
            return []
        keys, ids = zip(*fetched, strict=True)
        with self._explained():
            return Position.of_rows(self._instants(keys, ids), whole(ids))

    def rows_at(self, positions: Sequence[Position]) -> Page:
        """See ``source.Source``."""
        statement = self._statements.rows_at(self._columns, positions)
        return self._rows(statement, len(positions) + 1)

    def digest(self, since: Instant, before: Instant) -> Digest:
        """See ``source.Source``."""
        return summed(self.keys, since, before)

    def null_key_page(self, after_id: int | str | None, limit: int) -> Page:
        """See ``source.Source``."""
        statement = self._statements.null_key_page(self._columns, after_id, limit)
        return self._rows(statement, limit)

    def null_keys(self, limit: int) -> int:
        """See ``source.Source``."""
        return self._count(self._statements.null_key_count(limit))

    def page_of(
        self, rows: Filter, after: Position, limit: int, *, until: Instant | None = None
    ) -> Page:
        """See ``source.Source``."""
        statement = self._statements.page(self._columns, after, limit, until, ())
        zone, by_storage = self._zone, self._by_storage
        wanted = where(rows, self._table, zone, by_storage=by_storage)
        return self._rows(statement.where(wanted), limit)

    def access(self, rows: Filter | None = None) -> Finding | None:
        """See ``source.Source``."""
        if not (wanted := rows or self._filter):
            return None
        where(wanted, self._table, self._zone, by_storage=self._by_storage)  # may refuse one
        return access(tuple(wanted.wanted), self._key, self._id, self._engine.dialect)

    def shares(self, start: Instant, end: Instant, count: int) -> Sequence[Instant]:
        """See ``source.Divisible``; all rows are looked at."""
        fetched, _ = self._read(self._statements.shares(start, end, count), count, is_bounded=False)
        with self._explained():
            return [from_stored(key) for (key,) in fetched]

    def partitions(self) -> Sequence[Partition]:
        """See ``source.Divisible``."""
        raise no_partitions(self._table)

    def close(self) -> None:
        """See ``source.Source``."""
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            self._connection.close()
        self._engine.dispose()

    def _count(self, statement: sa.Select[Any]) -> int:
        with self._explained():
            count = int(self._connection.execute(statement).scalar_one())
            self._connection.rollback()
            return count

    def _read(
        self, statement: sa.Select[Any], limit: int, *, is_bounded: bool = True
    ) -> tuple[list[Any], bool]:
        """Rows in order, and whether they are fewer than there are because they are large."""
        with self._explained():
            result = self._connection.execute(statement)
            try:
                if is_bounded:
                    found = self._page_size.bounded(result.fetchmany, limit)
                else:
                    found = list(result.fetchall()), False
            finally:
                result.close()
            self._connection.rollback()  # the next page is to see what was committed meanwhile
            return found

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Errors of the database leave as what they mean."""
        try:
            yield
        except (sa.exc.SQLAlchemyError, ValueError, TypeError, ArithmeticError) as error:
            reason = f"cannot read {self._table.fullname} by {self._key.name}: {error_text(error)}"
            raise_if_lost(error, reason)
            raise DataError(reason, "Check that its values are of their column's type") from error

    def _rows(self, statement: sa.Select[Any], limit: int) -> Page:
        try:
            return self._page(*self._read(statement, limit))
        except DataError as error:
            columns = list(zip(self._columns, self._converters, strict=True))
            found = self._by_storage and wrong_value(self._connection, statement, self._id, columns)
            if not found:
                raise
            reason = f"cannot read {self._table.fullname}: {found}"
            raise DataError(reason, error.remedy) from error

    def _page(self, fetched: Sequence[sa.Row[Any]], is_cut: bool) -> Page:
        """Column by column, which costs half of what it would row by row."""
        if not fetched:
            return Page([], [])
        with self._explained():
            return self._converted(fetched, is_cut)

    def _converted(self, fetched: Sequence[sa.Row[Any]], is_cut: bool) -> Page:
        columns = list(zip(*fetched, strict=True))
        ids = whole(columns[self._id_place])
        keys = self._instants(columns[self._key_place], ids)
        values = [
            convert(column) for convert, column in zip(self._converters, columns, strict=True)
        ]
        return Page(Position.of_rows(keys, ids), list(map(self._row, *values)), is_cut)

    def _instants(self, keys: Sequence[Any], ids: Sequence[Any]) -> Sequence[Instant]:
        if keys[0] is None:  # then it is a page of such rows
            return [Instant("")] * len(keys)
        if not self._by_storage:
            return list(map(from_datetime, keys))
        refuse_unsorted(self._key, self._id, keys, ids)
        return [Instant(key.replace(" ", "T") + "000") for key in keys]

    def _refuse_numbers(self) -> None:
        """SQLite sorts numbers before all text: as times they would be behind no position."""
        for key, id_ in self._connection.execute(self._statements.smallest_keys(1)):
            if not isinstance(key, str):
                refuse_unsorted(self._key, self._id, [key], [id_])

    def _warn_of_early_keys(self) -> None:
        """Keys before year 1, and texts that sort before all times, are before the first page."""
        if count := self._count(self._statements.early_key_count(NULL_KEYS)):
            logger.warning(
                "%d%s rows have a %s that is before year 1 or not a time, and are not read. "
                "Correct it",
                count,
                " or more" if count == NULL_KEYS else "",
                self._key,
            )
