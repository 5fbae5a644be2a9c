"""Oracle as a `Source`: one connection, one thread, rows ready for JSON.

The statements are made elsewhere, and so is the decision what to do about an error; here they are
put together with a cursor of the driver. Nothing is tried twice: after a `SourceLostError`, make a
new source.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import oracledb

from tap_oracle_txlog.oracle import late_statements, statements
from tap_oracle_txlog.oracle.connection import close, connect
from tap_oracle_txlog.oracle.errors import RightMissingError, classify, not_visible
from tap_oracle_txlog.oracle.settings import OracleSettings
from tap_oracle_txlog.oracle.table import Table
from tap_oracle_txlog.oracle.types import OracleColumn
from tap_oracle_txlog.page_size import bounded
from tap_oracle_txlog.source import PageTooLargeError, SourceLostError
from tap_oracle_txlog.timestamps import Instant, instant, seconds_between
from tap_oracle_txlog.watermark import NoneOpen, NotReadable, Oldest, OpenTransactions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from tap_oracle_txlog.id_ranges import Run
    from tap_oracle_txlog.keyset import Position
    from tap_oracle_txlog.oracle.statements import Statement
    from tap_oracle_txlog.source import Column, Page

logger = logging.getLogger(__name__)

Rows: TypeAlias = "list[tuple[Any, ...]]"

CLOCKS_APART_SECONDS = 5
"""A transaction that starts further in the future than this was not timed by the same clock."""


@cache
def tell_one_node(grant: str) -> None:
    """Say it once in a process, however often it connects."""
    logger.warning(
        "late commits: only the transactions of one node can be read; on a cluster, those of other"
        " nodes are not seen. %s",
        grant,
    )


@dataclass(frozen=True, slots=True)
class Database:
    """What the database says of itself and of this session."""

    version: str
    driver: str
    role: str
    name: str
    instance: str
    service: str
    user: str
    schema: str

    def grant(self, name: str) -> str:
        """What a DBA has to execute so that the user may read ``name``."""
        return f"GRANT SELECT ON {name} TO {self.user}"


class OracleSource:
    """A table or view of an Oracle database; connects when it is made.

    Raises (all methods, and making it): as `Source` says.
    """

    def __init__(self, settings: OracleSettings, selected: Collection[str] | None = None) -> None:
        self._settings = settings
        self._selected = selected
        self._names = {
            "where": settings.where,
            "user": settings.user,
            "table": settings.table.label,
        }
        self._open_transactions = list(statements.OPEN_TRANSACTIONS)
        with self._explained():
            self._connection = connect(settings)

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], selected: Collection[str] | None = None
    ) -> OracleSource:
        """Connect as the configuration says."""
        return cls(OracleSettings.from_config(config), selected)

    def columns(self) -> Sequence[Column]:
        """The selected columns in table order; says which cannot be read."""
        for column in self.table.unsupported:
            logger.warning(
                "column %s of %s is skipped: its type %s is not supported",
                column.name,
                self._settings.table.label,
                column.declared,
            )
        return self.table.columns

    def clock(self) -> Instant:
        """The database's time in UTC."""
        return instant(self.ask(statements.CLOCK)[0][0])

    def open_transactions(self) -> OpenTransactions:
        """Start and holder of the oldest open transaction, as far as rights and role allow."""
        if self.database.role != "PRIMARY":
            return NotReadable(
                f"Oracle at {self._settings.where} is a {self.database.role.lower()}, which does"
                " not show the transactions of its primary",
                "Read from the primary, or keep lookback_seconds above the apply lag",
                right_missing=False,
            )
        grant = self.database.grant("SYS.GV_$TRANSACTION")
        while self._open_transactions:
            try:
                rows = self.ask(self._open_transactions[0])
            except RightMissingError:
                del self._open_transactions[0]
                continue
            if self.sees_one_node:
                tell_one_node(grant)
            return self._oldest(rows)
        return NotReadable(f"{self.database.user} may not read V$TRANSACTION", grant)

    def page(
        self,
        after: Position,
        limit: int,
        *,
        until: Instant | None = None,
        known: Sequence[Run] = (),
    ) -> Page:
        """Up to ``limit`` rows behind ``after`` whose key is before ``until``."""
        if known:
            statement = late_statements.late_page(self.table.selection, after, limit, until, known)
        else:
            statement = statements.page(self.table.selection, after, limit, until)
        return self.table.page(*self._fetch(statement, limit))

    def keys(
        self, after: Position, limit: int, *, until: Instant | None = None
    ) -> Sequence[Position]:
        """As ``page``, but the positions alone."""
        statement = late_statements.keys(self.table.selection, after, limit, until)
        return self.table.positions(self._fetch(statement, limit)[0])

    def rows_at(self, positions: Sequence[Position]) -> Page:
        """The rows that stand at these positions."""
        statement = late_statements.rows_at(self.table.selection, positions)
        return self.table.page(*self._fetch(statement, len(positions) + 1))

    def null_keys(self, limit: int) -> int:
        """How many rows have no replication key; counting stops at ``limit``."""
        return int(self.ask(statements.null_key_count(self.table.selection, limit))[0][0])

    def null_key_page(self, after_id: int | str | None, limit: int) -> Page:
        """Up to ``limit`` rows whose replication key is NULL, in the order of their id."""
        statement = statements.null_key_page(self.table.selection, after_id, limit)
        return self.table.page(*self._fetch(statement, limit))

    def close(self) -> None:
        """Log off; never raises."""
        close(self._connection)

    @property
    def key_zone(self) -> ZoneInfo | None:
        """The zone of the replication key's clock; None when that is UTC."""
        has_zone = "TIME ZONE" in self.table.selection.key_type
        return None if has_zone else self._settings.source_timezone

    @property
    def sees_one_node(self) -> bool:
        """Whether `open_transactions` could tell only of those of one node of a cluster."""
        return len(self._open_transactions) == 1

    @cached_property
    def database(self) -> Database:
        """Version, role and names."""
        (row,) = self.ask(statements.DATABASE)
        driver = "thin" if self._connection.thin else "thick"
        return Database(self._connection.version, driver, *row)

    @cached_property
    def described(self) -> Sequence[OracleColumn]:
        """All columns of the table, as the dictionary has them."""
        rows = self.ask(statements.table_columns(self._settings.table))
        return [
            OracleColumn(name, kind, precision, scale, length, nullable=nullable == "Y")
            for name, kind, precision, scale, length, nullable in rows
        ]

    def ask(self, statement: Statement) -> Rows:
        """All rows of a statement that answers with few."""
        try:
            with self._explained(), self._connection.cursor() as cursor:
                cursor.execute(statement.text, dict(statement.binds))
                rows: Rows = cursor.fetchall()
                return rows
        except PageTooLargeError as late:  # there is no page that could be made smaller
            raise SourceLostError(late.error) from late

    def _fetch(self, statement: Statement, limit: int) -> tuple[Rows, bool]:
        """Rows, and whether they are fewer than there are because they are large."""
        with self._explained(), self._connection.cursor() as cursor:
            cursor.arraysize = cursor.prefetchrows = min(self._settings.array_size, limit)
            cursor.outputtypehandler = self.table.output_type
            cursor.execute(statement.text, dict(statement.binds))
            return bounded(cursor.fetchmany, limit)

    @cached_property
    def table(self) -> Table:
        """What is read of the table, and how."""
        if not self.described:
            raise not_visible(self._names)
        return Table.of(self._settings, self.described, self._selected)

    def _oldest(self, rows: Rows) -> OpenTransactions:
        started, sid, user = rows[0] if rows else (None, None, None)
        if started is None:
            return NoneOpen()
        at = instant(started)
        ahead = seconds_between(at, self.clock())
        if ahead > CLOCKS_APART_SECONDS:
            return NotReadable(
                f"a transaction of V$TRANSACTION starts {ahead:.0f} s in the future",
                "Wait until the clocks of the database hosts agree (an hour after they went back)",
                right_missing=False,
            )
        return Oldest(at, "" if sid is None else f"sid {sid}, user {user}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Errors of the driver leave as what they mean."""
        try:
            yield
        except (oracledb.Error, OSError, UnicodeDecodeError) as error:
            raise classify(error, self._names) from error
