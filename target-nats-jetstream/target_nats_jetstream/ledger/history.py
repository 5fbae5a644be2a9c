"""The history of runs: a row for each, written when it begins and when it ends.

It is for people and reports, and no run depends on it: what cannot be written is a warning. A row
that says RUNNING after its run was killed is marked DEAD by the next run of the pipeline.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from target_nats_jetstream.errors import ConfigurationError, TargetError
from target_nats_jetstream.ledger.row import DEAD, KILLED, RUNNING, RunRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from target_nats_jetstream.ledger.database import Database
    from target_nats_jetstream.ledger.shape import TableShape, Value

logger = logging.getLogger(__name__)


class RunHistory:
    """The rows of one pipeline's runs, one of which is this one.

    Args:
        create: Whether to make the table where it is missing.
        began_at: When this run began, in UTC without a zone.
    """

    def __init__(
        self, database: Database, program: str, began_at: datetime, *, create: bool
    ) -> None:
        self._database = database
        self._table: Final = database.history_table
        self._key: Final = {
            "PROGRAM_NAME": program,
            "RUN_ID": f"{began_at:%Y%m%dT%H%M%S.%f}Z-{secrets.token_hex(2)}",
        }
        self._began_at = began_at
        self._create = create
        self._warned = False

    def begin(self) -> None:
        """Write that the run has begun; never raises."""
        self._try(lambda connection: self._put(connection, {"STATUS": RUNNING}))

    def end(self, values: Mapping[str, Value]) -> None:
        """Write how the run has ended, also where its beginning could not be written; never raises.

        Args:
            values: By column.
        """
        self._try(lambda connection: self._put(connection, values))

    def _try(self, write: Callable[[sa.Connection], None]) -> None:
        try:
            for attempt in self._database.attempts(patiently=False):
                with attempt, self._database.transaction() as connection:
                    write(connection)
        except TargetError as error:
            if not self._warned:
                logger.warning("the history of runs is not complete: %s", error)
            self._warned = True

    def _put(self, connection: sa.Connection, values: Mapping[str, Value]) -> None:
        """Write the row of this run, and mark those of killed ones; done twice, it is the same."""
        shape = self._look(connection)
        columns = self._table.c
        of_program = columns["PROGRAM_NAME"] == self._key["PROGRAM_NAME"]
        own = sa.and_(of_program, columns["RUN_ID"] == self._key["RUN_ID"])
        found = shape.fit({**self._key, "BEGAN_AT": self._began_at, **values})
        if connection.execute(sa.update(self._table).where(own).values(found)).rowcount == 0:
            connection.execute(sa.insert(self._table).values(found))
        killed = sa.and_(of_program, sa.not_(own), columns["STATUS"] == RUNNING)
        dead = shape.fit({"STATUS": DEAD, "ERROR_MESSAGE": KILLED})
        connection.execute(sa.update(self._table).where(killed).values(dead))

    def _look(self, connection: sa.Connection) -> TableShape:
        shape = self._database.shape(connection, self._table)
        if not shape.columns and self._create:
            self._database.create(connection, self._table)
            shape = self._database.shape(connection, self._table)
        if missing := {*self._key, "STATUS"} - shape.columns.keys():
            reason = f"{self._table.name} does not exist or has no column {min(missing)}"
            raise ConfigurationError(reason, "Create it (--print-ddl shows how)")
        return shape


def newest_runs(
    database: Database, connection: sa.Connection, programs: Iterable[str], limit: int
) -> list[RunRow]:
    """The newest runs of some pipelines, the newest first; none where there is no table."""
    table = database.history_table
    shape = database.shape(connection, table)
    columns: list[sa.Column[Any]] = [one for one in table.c if one.name in shape.columns]
    if not columns:
        return []
    query = (
        sa.select(*columns)
        .where(table.c["PROGRAM_NAME"].in_(programs))
        .order_by(table.c["RUN_ID"].desc())
        .limit(limit)
    )
    try:
        return [RunRow.from_columns(dict(row)) for row in connection.execute(query).mappings()]
    except (ValueError, TypeError) as error:
        reason = f"{table.name} has a value that is not a time"
        raise ConfigurationError(
            reason, "Correct BEGAN_AT and ENDED_AT, or remove the row"
        ) from error
