"""The two kinds of database that a ledger can be in, and what the tests tell it."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from target_nats_jetstream.completed import complete_times
from target_nats_jetstream.ledger.row import LedgerProgress, StreamProgress

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: Times in the ledger have no zone; ``at("2026-01-02T03:04:05")`` is one of them.
at = datetime.fromisoformat

#: As V7's README has it.
V7_TABLE = """
CREATE TABLE ETL_PRMREC (
    PROGRAM_NAME VARCHAR(100) PRIMARY KEY,
    LAST_SUCCESSFUL_TIME DATETIME,
    LAST_RUN_TIME DATETIME,
    STATUS VARCHAR(50),
    RECORDS_PROCESSED INT DEFAULT 0,
    ERROR_MESSAGE TEXT,
    CREATED_AT DATETIME DEFAULT CURRENT_TIMESTAMP,
    UPDATED_AT DATETIME DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP
)"""


class Place(Protocol):
    """A database: the settings that lead to it, and a way to look at it past the ledger."""

    @property
    def settings(self) -> Mapping[str, Any]: ...

    def execute(self, *statements: str) -> list[tuple[Any, ...]]: ...


@dataclass(frozen=True)
class SqliteFile:
    path: Path

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"ledger_url": f"sqlite:///{self.path}"}

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.path)) as connection, connection:
            for statement in statements:
                cursor = connection.execute(statement.replace(" ON UPDATE CURRENT_TIMESTAMP", ""))
            return cursor.fetchall()


def progress(
    records: int, up_to: str | None = None, state: Mapping[str, object] | None = None
) -> LedgerProgress:
    """A checkpoint of a pipeline with one stream."""
    return LedgerProgress({"TXLOG_EVENTS": StreamProgress(up_to, records)}, state)


def bookmarks(**up_to: object) -> dict[str, object]:
    """A STATE in which each stream is complete up to a time."""
    return {"bookmarks": {name: {"replication_key_value": time} for name, time in up_to.items()}}


def checkpoint(
    state: Mapping[str, object] | None, sequence: int = 0, stream: str = "S made 1"
) -> LedgerProgress:
    """A checkpoint as a tap's STATE makes it, behind a message of the stream."""
    streams = complete_times(state or {})
    parts = {name: StreamProgress(time, 1) for name, time in streams.items()}
    return LedgerProgress(parts, state, sequence, sequence, stream)
