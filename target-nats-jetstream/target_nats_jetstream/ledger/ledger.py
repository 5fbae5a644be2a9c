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
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa

from target_nats_jetstream import bookmarks
from target_nats_jetstream.errors import ConfigurationError, TargetError, UnreachableError
from target_nats_jetstream.ledger.database import Database
from target_nats_jetstream.ledger.row import LedgerRow
from target_nats_jetstream.ledger.sequences import StateSequences
from target_nats_jetstream.ledger.shape import TableShape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_nats_jetstream.ledger.row import LedgerProgress, StreamProgress
    from target_nats_jetstream.ledger.settings import LedgerSettings
    from target_nats_jetstream.ledger.shape import Value

logger = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Ledger:
    """One run: ``begin``, ``record`` at each checkpoint, ``succeed`` or ``fail``, ``close``.

    When the database stays away through all retries, ``ledger_on_error`` decides: ``fail`` raises
    before a STATE could leave; ``warn`` says so once and goes on, and each later call tries once
    more. Nothing is lost by that: progress is told as the sum of the run.
    """

    def __init__(
        self,
        settings: LedgerSettings,
        *,
        clock: Callable[[], datetime] = _utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._program = settings.program_name
        self._clock = clock
        self._database = Database(settings, sleep=sleep)
        self._table = self._database.table
        self._name = self._table.c["PROGRAM_NAME"]
        self._shape = TableShape({})
        self._began_at = self._now()
        self._previous: LedgerRow | None = None
        self._rows_of_streams: set[str] = set()
        self._state_before: dict[str, object] = {}
        self._said: dict[str, object] | None = None  # what the STATEs of this run say together
        self._stood_before = self._stood = StateSequences()
        self._counts_before: dict[str, int] = {}  # of the rows that this run has taken
        self._away = False
        self._warned: set[str] = set()

    @property
    def where(self) -> str:
        """The table and its place, for people; without any secret."""
        return self._database.where

    def begin(self) -> LedgerRow | None:
        """Take the pipeline's row; it and the table are created when they are missing.

        Returns:
            What the row said before; None when there was none, or when the ledger is away and
            ``ledger_on_error`` is ``warn``.

        Raises:
            TargetError: As ``Database.write``. Under ``warn`` only an UnreachableError is forgiven.
        """
        self._write(lambda _connection: None)
        return self._previous

    def record(self, progress: LedgerProgress) -> None:
        """Write a checkpoint; when this returns, its STATE may leave.

        What ``meltano config test`` sends is left out.

        Raises:
            TargetError: As ``begin``; or another run has taken the row over.
        """
        progress = progress.without_test_stream()
        if not progress.streams and progress.state is None:
            return
        self._note(progress)
        self._write(partial(self._record, progress))

    def _note(self, progress: LedgerProgress) -> None:
        if (state := progress.state) is None:
            return
        self._said = bookmarks.merge(self._said or {}, state)
        if stream := progress.stream:
            self._stood = self._stood.added(stream, state, progress.state_sequence)

    def succeed(self) -> None:
        """End the run well, and clear the error of an earlier one; raises as ``record``."""
        self._write(partial(self._end, {"STATUS": "SUCCESS", "ERROR_MESSAGE": None}))

    def fail(self, reason: str) -> None:
        """End the run with its one-line cause; tried once, never raises.

        A run that never took its row does not touch it: it may be the row of another run at work.
        """
        if self._program not in self._counts_before:
            return
        values: dict[str, Value] = {"STATUS": "FAILED", "ERROR_MESSAGE": " ".join(reason.split())}
        try:
            self._database.write(partial(self._end, values), patiently=False)
        except TargetError as error:
            logger.warning("%s. The row does not tell how the run ended", error.reason)

    def close(self) -> None:
        """Release the connection and with it the lock; idempotent."""
        self._database.close()

    def rows(self) -> list[LedgerRow]:
        """The pipeline's row and those of its streams, also without a run; raises as ``begin``."""
        return self._database.read(self._select_all)

    def _write(self, work: Callable[[sa.Connection], None]) -> None:
        def in_own_row(connection: sa.Connection) -> None:
            if self._program not in self._counts_before:
                self._open(connection)
            work(connection)

        try:
            self._database.write(in_own_row, patiently=not self._away)
        except UnreachableError as error:
            if not self._settings.warn_only:
                kept = "Under `ledger_on_error: fail` the state stays where it is"
                raise UnreachableError(error.reason, f"{kept}. {error.remedy}") from error
            if not self._away:
                logger.warning("%s. Going on without it (`ledger_on_error: warn`)", error.reason)
            self._away = True
            return
        if self._away:
            logger.info("%s is written again", self.where)
        self._away = False

    def _open(self, connection: sa.Connection) -> None:
        self._shape = self._database.shape(connection)
        if not self._shape.columns and self._settings.create_table:
            self._database.create(connection)
            self._shape = self._database.shape(connection)
        self._check_shape()
        self._rows_of_streams = {row.program_name for row in self._select_all(connection)}
        self._previous = last = self._take(connection, self._program)
        if last is not None:
            for name in last.damaged:
                self._warn_once(f"{name} holds what nobody can read, and is begun anew")
            self._state_before = bookmarks.without_test_stream(last.state)
            self._stood_before = last.sequences
        if last is not None and last.status == "RUNNING":
            logger.warning(
                "the last run of %s, begun at %s, was killed; what it had recorded stands: "
                "%d records, complete up to %s",
                self._program,
                last.last_run_time,
                last.records_processed,
                last.last_successful_time,
                extra={"rows": last.records_processed},
            )

    def _check_shape(self) -> None:
        name = self._shape.columns.get("PROGRAM_NAME")
        if name is None:
            reason = f"there is no {self.where}, or it has no column PROGRAM_NAME"
            raise ConfigurationError(reason, "Create it, or set `ledger_create_table: true`")
        if name.fit(self._program) != self._program:
            reason = f"`program_name` does not fit into the column PROGRAM_NAME of {self.where}"
            raise ConfigurationError(reason, "Choose a shorter name of plain characters")

    def _take(self, connection: sa.Connection, name: str) -> LedgerRow | None:
        """Make a row this run's own, and tell what it said before."""
        found = self._find(connection, name)
        if found is None:
            first: dict[str, Value] = {"PROGRAM_NAME": name, "STATUS": "INITIALIZED"}
            first |= {"RECORDS_PROCESSED": 0, "STREAM_SEQUENCE": 0, "CREATED_AT": self._now()}
            connection.execute(sa.insert(self._table).values(self._fit(first)))
            connection.commit()
        self._update(connection, name, {"STATUS": "RUNNING", "LAST_RUN_TIME": self._began_at})
        connection.commit()
        self._counts_before[name] = found.records_processed if found else 0
        return found

    def _record(self, progress: LedgerProgress, connection: sa.Connection) -> None:
        told = self._state_and_sequences()
        progress = self._with_times_of(progress)
        own_rows: dict[str, StreamProgress] = {}
        for stream, part in progress.streams.items():
            name = self._shape.stream_row_name(self._program, stream)
            if len(progress.streams) > 1 or name in self._rows_of_streams:
                own_rows[name] = part
        for name in own_rows.keys() - self._counts_before.keys():
            self._take(connection, name)
        for name, part in own_rows.items():
            self._update(connection, name, self._told(name, part), *self._still_own())
        told |= self._told(self._program, progress)
        told["STREAM_SEQUENCE"] = progress.sequence
        self._update(connection, self._program, told, *self._still_own())

    def _told(self, name: str, progress: LedgerProgress | StreamProgress) -> dict[str, Value]:
        told: dict[str, Value] = {"RECORDS_PROCESSED": self._counts_before[name] + progress.records}
        if progress.time is not None:
            told["LAST_SUCCESSFUL_TIME"] = progress.time
        return told

    def _state_and_sequences(self) -> dict[str, Value]:
        """What this run has said, put onto what the row had when it began."""
        told: dict[str, Value] = {}
        if self._said is not None:
            told["SINGER_STATE"] = bookmarks.encode(self._merged())
        if self._stood.stream:
            told["STATE_SEQUENCES"] = self._stood_before.followed_by(self._stood).to_json()
        return told

    def _merged(self) -> dict[str, object]:
        return bookmarks.merge(self._state_before, self._said or {})

    def _with_times_of(self, progress: LedgerProgress) -> LedgerProgress:
        """A backfill leaves the time alone up to which the tail of its stream is complete."""
        times = bookmarks.complete_times(self._merged())
        streams = {
            name: part._replace(complete_up_to=times.get(name, part.complete_up_to))
            for name, part in progress.streams.items()
        }
        return replace(progress, streams=streams)

    def _end(self, values: Mapping[str, Value], connection: sa.Connection) -> None:
        for name in self._counts_before:
            self._update(connection, name, values, *self._still_own())

    def _still_own(self) -> list[sa.ColumnElement[bool]]:
        fitted = self._shape.fit({"LAST_RUN_TIME": self._began_at})
        return [self._table.c[name] == value for name, value in fitted.items()]

    def _update(
        self,
        connection: sa.Connection,
        name: str,
        values: Mapping[str, Value],
        *conditions: sa.ColumnElement[bool],
    ) -> None:
        fitted = self._fit(values)
        row = sa.update(self._table).where(self._name == name, *conditions)
        if fitted and connection.execute(row.values(fitted)).rowcount == 0:
            reason = f"another run has taken over or removed the row {name} of {self.where}"
            remedy = "Let a run end before the next begins, or give each its own `program_name`"
            raise TargetError(reason, remedy)

    def _fit(self, values: Mapping[str, Value]) -> dict[str, Value]:
        fitted = self._shape.fit({**values, "UPDATED_AT": self._now()})
        changed = {name for name in fitted.keys() & values.keys() if fitted[name] != values[name]}
        if "RECORDS_PROCESSED" in changed:
            self._warn_once("RECORDS_PROCESSED is at its largest value and counts no further")
        if "SINGER_STATE" in changed:
            fitted["SINGER_STATE"] = None  # half a state is none
            self._warn_once("SINGER_STATE is too small for the state, which is left out")
        return fitted

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            logger.warning("%s: %s", self.where, text)
        self._warned.add(text)

    def _select_all(self, connection: sa.Connection) -> list[LedgerRow]:
        of_streams = self._name.startswith(f"{self._program}:", autoescape=True)
        return self._select(connection, sa.or_(self._name == self._program, of_streams))

    def _find(self, connection: sa.Connection, name: str) -> LedgerRow | None:
        rows = self._select(connection, self._name == name)
        return rows[0] if rows else None

    def _select(
        self, connection: sa.Connection, condition: sa.ColumnElement[bool]
    ) -> list[LedgerRow]:
        shape = self._shape if self._shape.columns else self._database.shape(connection)
        columns = [column for column in self._table.c if column.name in shape.columns]
        if not columns:
            return []
        query = sa.select(*columns).where(condition).order_by(self._name)
        return [LedgerRow.from_columns(dict(row)) for row in connection.execute(query).mappings()]

    def _now(self) -> datetime:
        return self._clock().astimezone(UTC).replace(tzinfo=None)
