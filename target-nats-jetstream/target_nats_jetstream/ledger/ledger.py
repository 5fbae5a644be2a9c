"""The ledger of a run: what the pipeline has done, where people and V7-era tools read it.

Truth beats completeness: nothing is written that was not acknowledged, and each call can be
repeated without changing what the table says. That is why the count is written as a sum (what the
row said when the run began, plus the records of the run), in the transaction that writes the state:
neither a retry nor a lost answer to COMMIT counts a record twice. A run knows its row by
LAST_RUN_TIME, which it sets when it begins: once that has changed, another run has taken the row
over, and this one stops.

Times are UTC, without a zone; LAST_SUCCESSFUL_TIME alone is in the clock of the replication key.
UPDATED_AT moves with each checkpoint.

SINGER_STATE is what the row had, with what this run has said put onto it: a STATE that names some
streams only says nothing of the others.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from target_nats_jetstream.errors import TargetError, UnreachableError
from target_nats_jetstream.ledger.history import RunHistory
from target_nats_jetstream.ledger.row import KILLED, RUNNING
from target_nats_jetstream.ledger.states import States
from target_nats_jetstream.ledger.view import LedgerView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import sqlalchemy as sa

    from target_nats_jetstream.ledger.database import Attempt
    from target_nats_jetstream.ledger.row import LedgerProgress, LedgerRow, StreamProgress
    from target_nats_jetstream.ledger.settings import LedgerSettings
    from target_nats_jetstream.ledger.shape import Value

logger = logging.getLogger(__name__)


class Ledger(LedgerView):
    """One run: ``begin``, ``checkpoint`` for each STATE, ``succeed`` or ``fail``, ``close``.

    When the database stays away through all retries, ``ledger_on_error`` decides: ``fail`` raises
    before a STATE could leave; ``warn`` says so once and goes on, and each later call tries once
    more. Nothing is lost by that: progress is told as the sum of the run.
    """

    def __init__(
        self,
        settings: LedgerSettings,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(settings, clock=clock, sleep=sleep)
        self._began_at = self._now()
        self._rows_before: list[LedgerRow] | None = None  # None until the table was looked at
        self._states = States()
        self._counts_before: dict[str, int] = {}  # of the rows that this run has taken
        self._away = False
        self._records = 0
        self._history: RunHistory | None = None
        if settings.run_history:
            self._history = RunHistory(
                self._database,
                self._program,
                self._began_at,
                create=settings.create_table,
            )

    @property
    def is_reached(self) -> bool:
        """Whether the database has answered the last time that it was asked."""
        return self._database.is_reached

    def check(self) -> LedgerRow | None:
        """Look at the table before anything is published, without touching the row.

        It is created when it is missing. From now on no other run of the pipeline can begin.

        Returns:
            What the row says; None when there is none, or when the ledger is away and
            ``ledger_on_error`` is ``warn``.

        Raises:
            TargetError: As ``Database.attempts``: a right is missing, for one. Under ``warn`` only
                an UnreachableError is forgiven.
        """
        for attempt in self._attempts():
            with attempt, self._database.transaction() as connection:
                self._look(connection)
                self._table.prove(connection)
        return self._previous

    def begin(self) -> LedgerRow | None:
        """Take the pipeline's row, which is created when it is missing; returns and raises as
        ``check``, which need not have been called.
        """
        for attempt in self._attempts():
            with attempt, self._own_row():
                pass
        if self._history is not None and not self._away:
            self._history.begin()
        return self._previous

    @property
    def _previous(self) -> LedgerRow | None:
        rows = self._rows_before or ()
        return next((row for row in rows if row.program_name == self._program), None)

    def checkpoint(self, progress: LedgerProgress) -> None:
        """Write a checkpoint; when this returns, its STATE may leave.

        What ``meltano config test`` sends is left out.

        Raises:
            TargetError: As ``begin``; or another run has taken the row over.
        """
        progress = progress.without_test_stream()
        if not progress.streams and progress.state is None:
            return
        self._states.note(progress)
        for attempt in self._attempts():
            with attempt, self._own_row() as connection:
                self._write_checkpoint(connection, progress)
        self._records = progress.records

    def succeed(self, dead_letters: int = 0) -> None:
        """End the run well, and clear the error of an earlier one; raises as ``checkpoint``."""
        values: dict[str, Value] = {"STATUS": "SUCCESS", "ERROR_MESSAGE": None}
        for attempt in self._attempts():
            with attempt, self._own_row() as connection:
                self._end(connection, values)
        self._remember(values, dead_letters)
        if held := self._states.held_back():
            logger.info(
                "LAST_SUCCESSFUL_TIME waits for stream %s, which is complete up to %s and has not "
                "moved in this run, while others have. docs/maintenance.md says what to do if "
                "nobody reads it any more",
                *held,
            )

    def fail(self, reason: str, dead_letters: int = 0) -> None:
        """End the run with its one-line cause; tried once, never raises.

        The row is taken for it if need be. It is left alone by a run that never had its lock: it
        may be the row of another run at work.
        """
        if self._rows_before is None:
            return
        values: dict[str, Value] = {"STATUS": "FAILED", "ERROR_MESSAGE": " ".join(reason.split())}
        try:
            for attempt in self._database.attempts(patiently=False):
                with attempt, self._own_row() as connection:
                    self._end(connection, values)
        except TargetError as error:
            logger.warning("%s. The final status could not be written", error.reason)
        else:
            self._remember(values, dead_letters)

    def _remember(self, values: Mapping[str, Value], dead_letters: int) -> None:
        """Write how the run has ended to the history, where there is one."""
        if self._history is not None and not self._away:
            counts = {"RECORDS_PROCESSED": self._records, "DEAD_LETTERS": dead_letters}
            self._history.end({**values, **counts, "ENDED_AT": self._now()})

    def _attempts(self) -> Iterator[Attempt]:
        """Attempts to write; under ``warn`` they may end without one that did not fail."""
        try:
            yield from self._database.attempts(patiently=not self._away)
        except UnreachableError as error:
            if not self._settings.warn_only:
                kept = "Because of `ledger_on_error: fail`, no further STATE is passed on"
                raise UnreachableError(error.reason, f"{kept}. {error.remedy}") from error
            if not self._away:
                logger.warning(
                    "%s. Continuing without the ledger (`ledger_on_error: warn`)", error.reason
                )
            self._away = True
            return
        if self._away:
            logger.info("%s is available again", self.where)
        self._away = False

    @contextmanager
    def _own_row(self) -> Iterator[sa.Connection]:
        """A transaction in which the pipeline's row is this run's."""
        with self._database.transaction() as connection:
            if self._program not in self._counts_before:
                self._look(connection)
                self._open(connection)
            yield connection

    def _look(self, connection: sa.Connection) -> None:
        """Learn once what the table is and says."""
        if self._rows_before is not None:
            return
        self._table.look(connection, create=self._settings.create_table)
        self._rows_before = self._table.rows(connection)
        if (last := self._previous) is not None:
            for name in last.damaged:
                self._table.warn_once(f"{name} cannot be parsed and is started afresh")
            self._states.begin_from(last)

    def _open(self, connection: sa.Connection) -> None:
        """Take the row, which nobody may have written since it was looked at."""
        last, found = self._previous, self._table.find(connection, self._program)
        expected = {
            None,
            self._table.shape.fit({"LAST_RUN_TIME": self._began_at}).get("LAST_RUN_TIME"),
            last.last_run_time if last else None,
        }
        if found is not None and found.last_run_time not in expected:
            raise self._table.taken_over(self._program)
        if last is not None and last.status == RUNNING:
            self._report_killed(connection, last)
        self._take(connection, self._program)

    def _report_killed(self, connection: sa.Connection, last: LedgerRow) -> None:
        """Report that the last run was killed; its other rows must not say that it goes on."""
        logger.warning(
            "the last run of %s, started at %s, did not finish; its recorded progress is kept: %d "
            "records, complete up to %s",
            self._program,
            last.last_run_time,
            last.records_processed,
            last.last_successful_time,
            extra={"rows": last.records_processed},
        )
        killed: dict[str, Value] = {"STATUS": "FAILED", "ERROR_MESSAGE": KILLED}
        for row in self._rows_before or ():
            if row != last and row.runs_with(last):
                self._table.update(connection, row.program_name, killed)

    def _take(self, connection: sa.Connection, name: str) -> None:
        """Make a row this run's own."""
        found = self._table.find(connection, name)
        if found is None:
            self._table.insert(connection, name)
            connection.commit()
        taken: dict[str, Value] = {"STATUS": RUNNING, "LAST_RUN_TIME": self._began_at}
        self._table.update(connection, name, taken)
        connection.commit()
        self._counts_before[name] = found.records_processed if found else 0

    def _write_checkpoint(self, connection: sa.Connection, progress: LedgerProgress) -> None:
        self._warn_of_other_streams()
        progress = self._states.with_times(progress)
        names_before = {row.program_name for row in self._rows_before or ()}
        own_rows: dict[str, StreamProgress] = {}
        for stream, part in progress.streams.items():
            name = self._table.shape.stream_row_name(self._program, stream)
            if len(progress.streams) > 1 or name in names_before:
                own_rows[name] = part
        for name in own_rows.keys() - self._counts_before.keys():
            self._take(connection, name)
        for name, part in own_rows.items():
            self._table.update(connection, name, self._columns(name, part), began_at=self._began_at)
        columns = self._columns(self._program, progress) | self._states.columns()
        columns["STREAM_SEQUENCE"] = progress.sequence
        self._table.update(connection, self._program, columns, began_at=self._began_at)

    def _columns(self, name: str, progress: LedgerProgress | StreamProgress) -> dict[str, Value]:
        columns: dict[str, Value] = {
            "RECORDS_PROCESSED": self._counts_before[name] + progress.records
        }
        if progress.time is not None:
            columns["LAST_SUCCESSFUL_TIME"] = progress.time
        return columns

    def _warn_of_other_streams(self) -> None:
        if (found := self._states.others()) is None:
            return
        before, now = (", ".join(streams) for streams in found)
        self._table.warn_once(
            f"the row {self._program} belongs to {before}, but this run sends {now}. If these are "
            "two pipelines, give each a `program_name` of its own"
        )

    def _end(self, connection: sa.Connection, values: Mapping[str, Value]) -> None:
        for name in self._counts_before:
            self._table.update(connection, name, values, began_at=self._began_at)
