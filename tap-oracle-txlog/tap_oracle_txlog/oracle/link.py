"""A connection on which statements of ours are executed; what the driver raises leaves as meant.

Nothing is tried twice, and what the rows are is not known here.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import oracledb

from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.oracle import dictionary
from tap_oracle_txlog.oracle.connection import close, connect
from tap_oracle_txlog.oracle.errors import classify
from tap_oracle_txlog.source import PageTooLargeError, SourceLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_oracle_txlog.oracle.identifiers import TableName
    from tap_oracle_txlog.oracle.settings import OracleSettings
    from tap_oracle_txlog.oracle.statements import Statement
    from tap_oracle_txlog.rules.page_size import PageSize

Rows: TypeAlias = "list[tuple[Any, ...]]"

FEW: Final = 500
"""Rows in one round trip of a question that answers with few."""


class Link:
    """One connection; it is made at once.

    Raises (all methods, and making it): as `Source` says.
    """

    def __init__(self, settings: OracleSettings) -> None:
        self._seconds = settings.call_timeout
        self.names = {
            "where": settings.where,
            "user": settings.user_label,
            "table": settings.table_name.label,
        }
        try:
            with self._explained(quotes_dsn=True):
                self._connection = connect(settings)
        except UnicodeError:  # of Python's codec for the names of hosts
            reason = "setting `dsn` has a host with no valid name"
            raise ConfigurationError(reason, "Between its dots are 1 to 63 characters") from None

    @property
    def version(self) -> str:
        """That of the database."""
        return self._connection.version

    @property
    def driver(self) -> str:
        """Which half of the driver it is."""
        return "thin" if self._connection.thin else "thick"

    @property
    def is_healthy(self) -> bool:
        """Whether it can still be used, as far as this side knows."""
        return self._connection.is_healthy()

    def is_of(self, table: TableName) -> None:
        """Say in errors that this is the table."""
        self.names["table"] = table.label

    def ask(self, statement: Statement, *, within: float | None = None) -> Rows:
        """All rows of a statement that answers with few.

        Args:
            statement: What to ask.
            within: Seconds that it may take, where those of the settings are too many. Only then an
                answer that does not come in time is a `PageTooLargeError`.
        """
        if within is not None:
            with self._in_time(within):
                return self.fetch(statement, FEW)
        try:
            return self.fetch(statement, FEW)
        except PageTooLargeError as late:  # there is no page that could be made smaller
            raise SourceLostError(late.error) from late

    def fetch(
        self,
        statement: Statement,
        array_size: int,
        output_type: Callable[..., Any] | None = None,
    ) -> Rows:
        """All rows of a statement, so many in each round trip."""
        with self._explained(), self._connection.cursor() as cursor:
            cursor.arraysize = cursor.prefetchrows = array_size
            cursor.outputtypehandler = output_type
            cursor.execute(statement.text, dict(statement.binds))
            rows: Rows = cursor.fetchall()
            return rows

    def fetch_bounded(
        self,
        statement: Statement,
        page_size: PageSize,
        limit: int,
        output_type: Callable[..., Any],
    ) -> tuple[Rows, bool]:
        """Up to ``limit`` rows, and whether they are fewer because they are large."""
        with self._explained(), self._connection.cursor() as cursor:

            def fetch(count: int) -> Rows:
                cursor.arraysize = count  # else the driver asks for more than is wanted
                rows: Rows = cursor.fetchmany(count)
                return rows

            cursor.arraysize = cursor.prefetchrows = min(page_size.portion, limit)
            cursor.outputtypehandler = output_type
            cursor.execute(statement.text, dict(statement.binds))
            return page_size.bounded(fetch, limit)

    def plan(self, statement: Statement) -> Rows:
        """The steps of the plan that a statement would be executed by; nothing is left behind."""
        with self._explained(), self._connection.cursor() as cursor:
            try:
                cursor.execute(dictionary.explain(statement))
                return self.ask(dictionary.PLAN)
            finally:
                if self.is_healthy:
                    self._connection.rollback()

    def end_transaction(self) -> None:
        """End what a query over a database link has begun: it would be the oldest one for ever."""
        with self._explained():
            if self._connection.transaction_in_progress:
                self._connection.rollback()

    def close(self) -> None:
        """Log off; never raises."""
        close(self._connection)

    @contextmanager
    def _in_time(self, seconds: float) -> Iterator[None]:
        self._connection.call_timeout = round(min(seconds, self._seconds) * 1000)
        try:
            yield
        finally:
            if self.is_healthy:  # on a lost one, setting a timeout crashes the driver (26.1)
                self._connection.call_timeout = round(self._seconds * 1000)

    @contextmanager
    def _explained(self, *, quotes_dsn: bool = False) -> Iterator[None]:
        """Errors of the driver leave as what they mean.

        Args:
            quotes_dsn: Whether the driver's own words may have the `dsn` in them, with all that was
                put into it by mistake: they are not even for a log at DEBUG then.
        """
        try:
            yield
        except (oracledb.Error, OSError, UnicodeDecodeError) as error:
            raise classify(error, self.names) from (None if quotes_dsn else error)
