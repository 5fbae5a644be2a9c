"""The ledger's table: rows are read and written as far as it has columns and room for them.

Knows nothing of runs; a connection comes with each call.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from target_nats_jetstream.errors import ConfigurationError, TargetError
from target_nats_jetstream.ledger.row import LedgerRow
from target_nats_jetstream.ledger.shape import TableShape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from target_nats_jetstream.ledger.database import Database
    from target_nats_jetstream.ledger.shape import Value

logger = logging.getLogger(__name__)


class LedgerTable:
    """The rows of one pipeline.

    Args:
        now: The time in UTC, without a zone.
    """

    def __init__(self, database: Database, program: str, now: Callable[[], datetime]) -> None:
        self._database = database
        self._program = program
        self._now = now
        self._table: Final = database.table
        self._name: Final = self._table.c["PROGRAM_NAME"]
        self._warned: set[str] = set()
        self.shape = TableShape({})
        """What the table has; nothing before ``look``."""

    def look(self, connection: sa.Connection, *, create: bool) -> None:
        """Learn what the table is; with ``create`` make it where it is missing.

        Raises:
            ConfigurationError: It is missing, or the pipeline's name does not fit into it.
        """
        self.shape = self._database.shape(connection, self._table)
        if not self.shape.columns and create:
            self._database.create(connection, self._table)
            self.shape = self._database.shape(connection, self._table)
        name, where = self.shape.columns.get("PROGRAM_NAME"), self._database.where
        if name is None:
            reason = f"{where} does not exist or has no column PROGRAM_NAME"
            raise ConfigurationError(
                reason, "Create it (--print-ddl shows how), or set `ledger_create_table: true`"
            )
        if name.fit(self._program) != self._program:
            reason = f"`program_name` does not fit into the column PROGRAM_NAME of {where}"
            raise ConfigurationError(reason, "Choose a shorter name of plain characters")

    def prove(self, connection: sa.Connection) -> None:
        """Do what a run does to no row at all: the database asks for the rights all the same."""
        prove(connection, self._table, self.shape)

    def rows(self, connection: sa.Connection) -> list[LedgerRow]:
        """The pipeline's row and those of its streams, also before ``look``."""
        of_streams = self._name.startswith(f"{self._program}:", autoescape=True)
        return self._select(connection, sa.or_(self._name == self._program, of_streams))

    def rows_like(self, connection: sa.Connection, pattern: str) -> list[LedgerRow]:
        """The rows of all pipelines whose name fits an SQL LIKE pattern (escaped by a backslash),
        and of their streams; also before ``look``.
        """
        fits = (self._name.like(one, escape="\\") for one in (pattern, f"{pattern}:%"))
        return self._select(connection, sa.or_(*fits))

    def find(self, connection: sa.Connection, name: str) -> LedgerRow | None:
        """The row of that name."""
        rows = self._select(connection, self._name == name)
        return rows[0] if rows else None

    def insert(self, connection: sa.Connection, name: str) -> None:
        """Make a row of which nothing is known yet."""
        first: dict[str, Value] = {"PROGRAM_NAME": name, "STATUS": "INITIALIZED"}
        first |= {"RECORDS_PROCESSED": 0, "STREAM_SEQUENCE": 0, "CREATED_AT": self._now()}
        connection.execute(sa.insert(self._table).values(self._fit(first)))

    def update(
        self,
        connection: sa.Connection,
        name: str,
        values: Mapping[str, Value],
        *,
        began_at: datetime | None = None,
    ) -> None:
        """Write to a row; with ``began_at`` only where it is still that of the run begun then.

        Raises:
            TargetError: There is no such row.
        """
        condition = self.shape.fit({"LAST_RUN_TIME": began_at}) if began_at else {}
        row = sa.update(self._table).where(
            self._name == name,
            *(self._table.c[column] == value for column, value in condition.items()),
        )
        fitted = self._fit(values)
        if fitted and connection.execute(row.values(fitted)).rowcount == 0:
            raise self.taken_over(name)

    def taken_over(self, name: str) -> TargetError:
        """The error of a run that finds its row changed."""
        reason = f"another run has taken over or removed the row {name} of {self._database.where}"
        remedy = "Let a run end before the next begins, or give each its own `program_name`"
        return TargetError(reason, remedy)

    def warn_once(self, text: str) -> None:
        """Log a warning about the table, unless it was logged before."""
        if text not in self._warned:
            logger.warning("%s: %s", self._database.where, text)
        self._warned.add(text)

    def _fit(self, values: Mapping[str, Value]) -> dict[str, Value]:
        fitted = self.shape.fit({**values, "UPDATED_AT": self._now()})
        changed = {name for name in fitted.keys() & values.keys() if fitted[name] != values[name]}
        if "RECORDS_PROCESSED" in changed:
            self.warn_once("RECORDS_PROCESSED has reached its largest value and no longer counts")
        for name in changed & {"SINGER_STATE", "STATE_SEQUENCES"}:
            fitted[name] = None  # half a state is none
            self.warn_once(f"{name} is too small for the state, which is left out")
        return fitted

    def _select(
        self, connection: sa.Connection, condition: sa.ColumnElement[bool]
    ) -> list[LedgerRow]:
        if not self.shape.columns:  # without a run there may be no table
            self.shape = self._database.shape(connection, self._table)
        columns = [column for column in self._table.c if self._has(column)]
        if not columns:
            return []
        query = sa.select(*columns).where(condition).order_by(self._name)
        try:
            found = connection.execute(query).mappings()
            return [LedgerRow.from_columns(dict(row)) for row in found]
        except (ValueError, TypeError) as error:
            reason = f"{self._database.where} has a value that is not a time or not a number"
            remedy = "Correct RECORDS_PROCESSED and the columns with times, or remove the row"
            raise ConfigurationError(reason, remedy) from error

    def _has(self, column: sa.Column[Any]) -> bool:
        return column.name in self.shape.columns


def prove(connection: sa.Connection, table: sa.Table, shape: TableShape) -> None:
    """Read, insert and update no row at all: the database asks for the rights all the same."""
    columns = {column.name: column for column in table.c if column.name in shape.columns}
    nothing = sa.select(*columns.values()).where(sa.false())
    connection.execute(sa.insert(table).from_select([*columns], nothing))
    connection.execute(sa.update(table).where(sa.false()).values(columns))
