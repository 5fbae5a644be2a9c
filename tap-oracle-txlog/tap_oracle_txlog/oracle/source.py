"""Oracle as a `Source`: one connection, one thread, rows ready for JSON.

The statements are made elsewhere, and so is the decision what to do about an error; here they are
put together. Nothing is tried twice: after a `SourceLostError`, make a new source.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from tap_oracle_txlog.errors import TapError
from tap_oracle_txlog.oracle import (
    dictionary,
    findings,
    late_statements,
    session,
    shares,
    statements,
)
from tap_oracle_txlog.oracle.errors import RightMissingError
from tap_oracle_txlog.oracle.filter import where
from tap_oracle_txlog.oracle.introduction import Introduction, Moment, introduce, visible
from tap_oracle_txlog.oracle.link import Link
from tap_oracle_txlog.oracle.standby import applied
from tap_oracle_txlog.oracle.table import Table
from tap_oracle_txlog.oracle.transactions import TransactionViews, oldest
from tap_oracle_txlog.rules.digests import Digest
from tap_oracle_txlog.rules.page_size import PageSize
from tap_oracle_txlog.rules.timestamps import BEGINNING
from tap_oracle_txlog.rules.watermark import NotReadable, OpenTransactions
from tap_oracle_txlog.source import PageTooLargeError, SourceLostError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from zoneinfo import ZoneInfo

    from tap_oracle_txlog.diagnosis import Finding
    from tap_oracle_txlog.oracle.introduction import Database
    from tap_oracle_txlog.oracle.settings import OracleSettings
    from tap_oracle_txlog.oracle.statements import Statement, Where
    from tap_oracle_txlog.oracle.types import OracleColumn
    from tap_oracle_txlog.rules.filter import Filter
    from tap_oracle_txlog.rules.id_ranges import Run
    from tap_oracle_txlog.rules.position import Position
    from tap_oracle_txlog.rules.shares import Partition
    from tap_oracle_txlog.rules.timestamps import Instant
    from tap_oracle_txlog.source import Column, Page

logger = logging.getLogger(__name__)

VIEWS_SECONDS: Final = 20.0
"""Views of a cluster wait for all its nodes: not for longer than this."""
EARLY_KEYS: Final = 1_000
"""Rows with a time before year 1 are counted up to here."""


class OracleSource:
    """A table or view of an Oracle database; connects when it is made.

    Args:
        settings: Where it is, and what is read.
        selected: Columns that may be in rows beside key and id; None for all.
        views: What earlier connections of this process have found out.

    Raises (all methods, and making it): as `Source` says.
    """

    def __init__(
        self,
        settings: OracleSettings,
        selected: Collection[str] | None = None,
        views: TransactionViews | None = None,
    ) -> None:
        self._settings = settings
        self._selected = selected
        self._views = views or TransactionViews()
        self._introduced_now: Moment | None = None
        self.link = Link(settings)
        self._page_size = PageSize(settings.array_size)

    def select(self, selected: Collection[str] | None) -> None:
        """Read these columns from now on."""
        self._selected = selected
        self.__dict__.pop("table", None)

    def columns(self) -> Sequence[Column]:
        """The selected columns in table order; says which cannot be read."""
        for column in self.table.unsupported:
            logger.warning(
                "column %s of %s is skipped: type %s is not supported. To read it, set `table` to "
                "a view that converts it",
                column.name,
                self.table.selection.table.label,
                column.declared,
            )
        return self.table.columns

    # --- time ------------------------------------------------------------------------------------

    def clock(self) -> Instant:
        """The database's time in UTC; of a standby, that of the redo that is applied."""
        self.link.end_transaction()
        self._now = self._introduced_now or self.moment()
        self._introduced_now = None  # what came with the introduction serves once
        if self._now.role == "PRIMARY":
            return self._now.clock
        return applied(self.link, self._now, self.table.selection, self.key_zone)

    def moment(self) -> Moment:
        """Look at the clock."""
        return Moment.of(self.link.ask(session.NOW)[0])

    def open_transactions(self) -> OpenTransactions:
        """Start and holder of the oldest open transaction, as far as rights and role allow."""
        now = self._now
        if now.role != "PRIMARY":
            return NotReadable(
                f"Oracle at {self._settings.where} is a {now.role.lower()}, which does not show the"
                " transactions of its primary",
                "Read from the primary, or keep lookback_seconds above its longest transaction",
                right_missing=False,
            )
        grant = self.database.grant
        for number, question in self._views.questions():
            if (row := self._row_of_views(number, question)) is None:
                continue
            found = oldest(row, now, self._introduction.moment.clock)
            self._views.warn_of_limits(found, grant)
            return found
        return NotReadable(f"{self.database.user} may not read V$TRANSACTION", grant)

    # --- rows ------------------------------------------------------------------------------------

    def page(
        self,
        after: Position,
        limit: int,
        *,
        until: Instant | None = None,
        known: Sequence[Run] = (),
    ) -> Page:
        """Up to ``limit`` rows behind ``after`` whose key is before ``until``."""
        selection = self.table.selection
        if known:
            late = late_statements.late_page(selection, after, limit, until, known)
            return self._page(late, limit)
        if after == (BEGINNING, None) and until is None:
            self._warn_of_early_keys()
        return self._page(statements.page(selection, after, limit, until), limit)

    def keys(
        self, after: Position, limit: int, *, until: Instant | None = None
    ) -> Sequence[Position]:
        """As ``page``, but the positions alone."""
        statement = late_statements.keys(self.table.selection, after, limit, until)
        size = min(self._settings.array_size, limit)
        return self.table.positions(self.link.fetch(statement, size, self.table.output_type))

    def rows_at(self, positions: Sequence[Position]) -> Page:
        """The rows that stand at these positions."""
        statement = late_statements.rows_at(self.table.selection, positions)
        return self._page(statement, len(positions) + 1)

    def digest(self, since: Instant, before: Instant) -> Digest:
        """The digest of the rows from ``since`` on and before ``before``, summed in place."""
        ((rows, total),) = self.link.ask(statements.digest(self.table.selection, since, before))
        return Digest(int(rows), int(total or 0))

    def null_key_page(self, after_id: int | str | None, limit: int) -> Page:
        """Up to ``limit`` rows whose replication key is NULL, in the order of their id."""
        return self._page(statements.null_key_page(self.table.selection, after_id, limit), limit)

    def null_keys(self, limit: int) -> int:
        """How many rows have no replication key; counting stops at ``limit``."""
        return int(self.link.ask(dictionary.null_key_count(self.table.selection, limit))[0][0])

    def page_of(
        self, rows: Filter, after: Position, limit: int, *, until: Instant | None = None
    ) -> Page:
        """As ``page``, of those rows alone that another filter leaves."""
        selection = replace(self.table.selection, where=self._where(rows))
        return self._page(statements.page(selection, after, limit, until), limit)

    def access(self, rows: Filter | None = None) -> Finding | None:
        """Whether an index finds the rows of another filter, or of its own; None where all rows
        are wanted.
        """
        selection = self.table.selection
        if not (by := (self._where(rows) if rows else selection.where).columns):
            return None
        ((product,),) = self.link.ask(dictionary.PRODUCT)
        found = self.link.ask(dictionary.table_indexes(selection.table))
        return findings.access(selection, by, found, product)

    def shares(self, start: Instant, end: Instant, count: int) -> Sequence[Instant]:
        """The keys at which equal shares of the rows begin."""
        return shares.shares(self.link, self.table.selection, start, end, count)

    def partitions(self) -> Sequence[Partition]:
        """The partitions of a table that is partitioned by the replication key."""
        return shares.partitions(self.link, self.table.selection, self.key_zone)

    def close(self) -> None:
        """Log off; never raises."""
        self.link.close()

    # --- what the database says of itself --------------------------------------------------------

    @property
    def is_remote(self) -> bool:
        """See ``source.Source``."""
        return True

    @property
    def key_zone(self) -> ZoneInfo | None:
        """The zone of the replication key's clock; None when that is UTC."""
        has_zone = "TIME ZONE" in self.table.selection.key_type
        return None if has_zone else self._settings.zone

    @property
    def sees_one_node(self) -> bool:
        """Whether `open_transactions` could tell only of those of one node of a cluster."""
        return self._views.sees_one_node

    @property
    def described(self) -> Sequence[OracleColumn]:
        """All columns of the table, as the dictionary has them."""
        return self._introduction.columns

    @property
    def synonym(self) -> str:
        """The name in the settings, where it stands for another one."""
        named = self._settings.table_name
        return "" if self._introduction.table == named else named.label

    @property
    def database(self) -> Database:
        """Version, role and names."""
        return self._introduction.database

    @cached_property
    def table(self) -> Table:
        """What is read of the table, and how."""
        found = visible(self._introduction, self.link)
        return Table.of(self._settings, found.table, found.columns, self._selected)

    @cached_property
    def _introduction(self) -> Introduction:
        found = introduce(self.link, self._settings.table_name)
        self._introduced_now = found.moment
        return found

    @cached_property
    def _now(self) -> Moment:
        """When the clock was looked at last."""
        return self._introduction.moment

    # --- parts -----------------------------------------------------------------------------------

    def _where(self, rows: Filter) -> Where:
        there = {column.name: column for column in self.described}
        return where(rows, there, self._settings.zone)

    def _page(self, statement: Statement, limit: int) -> Page:
        table = self.table
        fetched = self.link.fetch_bounded(statement, self._page_size, limit, table.output_type)
        return table.page(*fetched)

    def _row_of_views(self, number: int, question: Statement) -> tuple[Any, ...] | None:
        """The answer, or None where another question is to be asked.

        Raises:
            SourceLostError: The connection is gone.
        """
        try:
            (row,) = self.link.ask(question, within=VIEWS_SECONDS)
        except RightMissingError:
            self._views.refused(number)
            return None
        except (TapError, SourceLostError, PageTooLargeError) as error:
            if self.link.is_healthy:
                self._views.failed(number, error)
                return None
            self._views.lost(number, error)
            raise
        self._views.answered(number)
        return row

    def _warn_of_early_keys(self) -> None:
        selection = self.table.selection
        question = dictionary.early_key_count(selection, EARLY_KEYS)
        if count := self.link.ask(question)[0][0]:
            self._views.warn_once(
                f"{count}{' or more' if count == EARLY_KEYS else ''} rows of"
                f" {selection.table.label} have a {selection.key} before year 1 and are not read."
                " Correct them, or set `table` to a view that gives them another time"
            )
