"""The statements for one table: pages, positions, counts. Nothing here executes them.

Values are compared as the database holds them. SQLite keeps times and decimals as text, so there
the columns are read as they are stored, where SQLAlchemy would round a decimal and make an object
of each time.
"""

from __future__ import annotations

import datetime as dt
import decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import BEGINNING, END, Instant, to_datetime
from tap_oracle_txlog.sqlalchemy.types import python_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_oracle_txlog.rules.id_ranges import Run

_CLOCKS = {
    "sqlite": "SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "mariadb": "SELECT UTC_TIMESTAMP(6)",
}


def clock(dialect: str) -> sa.TextClause:
    """The database's time in UTC; of SQLite, which has no clock, the host's."""
    return sa.text(_CLOCKS.get(dialect, "SELECT CURRENT_TIMESTAMP"))


class Statements:
    """All statements for one table.

    Args:
        table: The table.
        key: Its replication key.
        id_: The column that orders rows of one time.
        by_storage: Whether columns are read as they are stored, as in SQLite.
        where: What rows have to fulfil; None for all rows.
    """

    def __init__(
        self,
        table: sa.Table,
        key: sa.Column[Any],
        id_: sa.Column[Any],
        *,
        by_storage: bool,
        where: sa.ColumnElement[bool] | None = None,
    ) -> None:
        self._table = table
        self._key = key
        self._id = id_
        self._by_storage = by_storage
        self._where = sa.true() if where is None else where
        self.key_is_aware = bool(getattr(key.type, "timezone", False))

    def page(
        self,
        columns: Sequence[sa.Column[Any]],
        after: Position,
        limit: int,
        until: Instant | None,
        known: Sequence[Run],
    ) -> sa.Select[Any]:
        """Rows behind ``after`` and before ``until`` whose id is in none of ``known``."""
        behind = self._behind(after, until)
        for run in known:
            behind &= self._is_not_in(run)
        return self._select(columns, behind, limit)

    def keys(self, after: Position, limit: int, until: Instant | None) -> sa.Select[Any]:
        """Key and id of the rows behind ``after`` and before ``until``."""
        return self._select([self._key, self._id], self._behind(after, until), limit)

    def rows_at(
        self, columns: Sequence[sa.Column[Any]], positions: Sequence[Position]
    ) -> sa.Select[Any]:
        """The rows at these positions, and one more than there should be."""
        id_ = self._as_stored(self._id)
        each = [(self._key == self._key_value(at)) & (id_ == one) for at, one in positions]
        return self._select(columns, sa.or_(*each), len(positions) + 1)

    def null_key_page(
        self, columns: Sequence[sa.Column[Any]], after_id: int | str | None, limit: int
    ) -> sa.Select[Any]:
        """Rows without a replication key."""
        behind = self._where & self._key.is_(None)
        if after_id is not None:
            behind &= self._as_stored(self._id) > after_id
        return self._select(columns, behind, limit)

    def null_key_count(self, limit: int) -> sa.Select[Any]:
        """How many rows that are wanted have no replication key, up to ``limit``."""
        return self._count(self._where & self._key.is_(None), limit)

    def early_key_count(self, limit: int) -> sa.Select[Any]:
        """How many rows are before the first position, up to ``limit``."""
        return self._count(self._key < self._key_value(BEGINNING), limit)

    def shares(self, start: Instant, end: Instant, count: int) -> sa.Select[Any]:
        """The least key of each of ``count`` equal shares of the rows in the span."""
        number = sa.func.ntile(count).over(order_by=self._key).label("number")
        key = self._as_stored(self._key).label("key")
        where = self._behind(Position.before(start), end)
        shared = sa.select(key, number).where(where).subquery()
        return (
            sa.select(sa.func.min(shared.c.key)).group_by(shared.c.number).order_by(shared.c.number)
        )

    def smallest_keys(self, limit: int) -> sa.Select[Any]:
        """The smallest replication keys, with the ids of their rows."""
        return self._select([self._key, self._id], self._key.is_not(None), limit)

    def largest_keys(self, limit: int) -> sa.Select[Any]:
        """The largest replication keys, with the ids of their rows."""
        found = sa.select(*map(self._as_stored, (self._key, self._id)))
        return found.order_by(self._key.desc(), self._id.desc()).limit(limit)

    def newest_key(self) -> sa.Select[Any]:
        """The largest replication key as it is stored."""
        return sa.select(sa.func.max(sa.type_coerce(self._key, sa.types.NullType())))

    def _select(
        self, columns: Sequence[sa.Column[Any]], where: sa.ColumnElement[bool], limit: int
    ) -> sa.Select[Any]:
        selected = sa.select(*map(self._as_stored, columns))
        return selected.where(where).order_by(self._key, self._id).limit(limit)

    def _count(self, where: sa.ColumnElement[bool], limit: int) -> sa.Select[Any]:
        found = sa.select(sa.literal(1)).select_from(self._table).where(where).limit(limit)
        return sa.select(sa.func.count()).select_from(found.subquery())

    def _behind(self, after: Position, until: Instant | None) -> sa.ColumnElement[bool]:
        at = self._key_value(after.at)
        behind = self._where & (self._key >= at)
        if after.id is not None and _is_whole(after.at):
            behind &= (self._key > at) | (self._as_stored(self._id) > after.id)
        if until is not None:
            behind &= self._key < self._key_value(until)
        return behind

    def _is_not_in(self, run: Run) -> sa.ColumnElement[bool]:
        id_ = self._as_stored(self._id)
        outside = ~id_.between(run.low, run.high)
        return outside if run.step == 1 else outside | ((id_ - run.low) % run.step != 0)

    def _key_value(self, at: Instant) -> dt.datetime:
        """The first microsecond that is not before ``at``: the column holds nothing in between."""
        cut = to_datetime(at).replace(tzinfo=dt.UTC if self.key_is_aware else None)
        return cut if _is_whole(at) else cut + dt.timedelta(microseconds=1)

    def _as_stored(self, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
        kind = python_type(column.type)
        if self._by_storage and kind in {decimal.Decimal, dt.datetime}:
            return sa.type_coerce(column, sa.types.NullType())
        return column


def _is_whole(at: Instant) -> bool:
    """Whether it is a whole microsecond, as all times are that the database can hold."""
    return at.endswith("000") or at == END
