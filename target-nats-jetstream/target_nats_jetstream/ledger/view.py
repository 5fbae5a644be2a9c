"""What the ledger says, without a run."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from target_nats_jetstream.ledger.database import Database
from target_nats_jetstream.ledger.history import newest_runs
from target_nats_jetstream.ledger.row import Standing, by_pipeline
from target_nats_jetstream.ledger.table import LedgerTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import sqlalchemy as sa

    from target_nats_jetstream.ledger.row import LedgerRow, RunRow
    from target_nats_jetstream.ledger.settings import LedgerSettings


class LedgerView:
    """Asks, each time once: whoever asks wants to hear now that the database is away."""

    def __init__(
        self,
        settings: LedgerSettings,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._program = settings.program_name
        self._clock = clock
        self._database = Database(settings, sleep=sleep)
        self._table = LedgerTable(self._database, self._program, self._now)

    @property
    def where(self) -> str:
        """The table and its place, for people; without any secret."""
        return self._database.where

    def standings(self, like: str | None = None) -> list[Standing]:
        """How each pipeline stands whose name fits an SQL LIKE pattern; without one, this pipeline,
        also when it has no row. Asked once, without a run.

        Raises:
            TargetError: As ``Database.attempts``.
        """
        for attempt in self._database.attempts("read", patiently=False):
            with attempt, self._database.connection() as connection:
                before = self._pipelines(connection, like)
                locked = {name for name in before if self._database.is_locked(connection, name)}
                connection.rollback()  # else the same rows are shown once more
                now = self._pipelines(connection, like)
        return [
            Standing(rows, name in locked or rows != before.get(name)) for name, rows in now.items()
        ]

    def newest_runs(self, programs: Iterable[str], limit: int) -> list[RunRow]:
        """The newest runs of some pipelines, the newest first; raises as ``standings``."""
        for attempt in self._database.attempts("read", patiently=False):
            with attempt, self._database.connection() as connection:
                runs = newest_runs(self._database, connection, programs, limit)
        return runs

    def _pipelines(self, connection: sa.Connection, like: str | None) -> dict[str, list[LedgerRow]]:
        if like is None:
            return {self._program: self._table.rows(connection)}
        return by_pipeline(self._table.rows_like(connection, like))

    def close(self) -> None:
        """Release the connection and with it the lock; idempotent."""
        self._database.close()

    def _now(self) -> datetime:
        return self._clock().astimezone(UTC).replace(tzinfo=None)
