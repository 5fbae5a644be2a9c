"""An event table in a SQLite file, filled and read back without the code under test."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

CREATE = """
CREATE TABLE TXLOG_EVENTS (
    ID INTEGER PRIMARY KEY,
    CASE_ID VARCHAR(64),
    EVENT_TYPE VARCHAR(64),
    EVENT_DATA TEXT,
    EVENT_TIMESTAMP DATETIME,
    CREATED_AT DATETIME
)"""


def stamp(second: int, microsecond: int = 0) -> str:
    """A time of New Year 2026, as SQLAlchemy stores it in SQLite; ``second`` is below 86,400."""
    minutes, seconds = divmod(second, 60)
    hours, minutes = divmod(minutes, 60)
    return f"2026-01-01 {hours:02}:{minutes:02}:{seconds:02}.{microsecond:06}"


class Event(NamedTuple):
    id: int
    at: str | None
    data: str | None = None


@dataclass
class EventTable:
    path: Path
    create: str = CREATE
    url: str = field(init=False)

    def __post_init__(self) -> None:
        self.url = f"sqlite:///{self.path}"
        self.execute(self.create)

    def execute(self, sql: str) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(sql)

    def execute_with(self, sql: str, *rows: tuple[object, ...]) -> None:
        """Once for each of ``rows``, all of them in one transaction."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.executemany(sql, rows)

    def add(self, *events: Event) -> None:
        rows = (
            (event.id, f"C{event.id % 7}", "PAID", event.data, event.at, stamp(0))
            for event in events
        )
        self.execute_with("INSERT INTO TXLOG_EVENTS VALUES (?, ?, ?, ?, ?, ?)", *rows)

    def records(self, where: str = "EVENT_TIMESTAMP IS NOT NULL") -> list[dict[str, object]]:
        """The rows as their messages have to be, in the order of (EVENT_TIMESTAMP, ID)."""
        sql = f"SELECT * FROM TXLOG_EVENTS WHERE {where} ORDER BY EVENT_TIMESTAMP, ID"
        with closing(sqlite3.connect(self.path)) as connection:
            connection.row_factory = sqlite3.Row
            rows = [dict(row) for row in connection.execute(sql)]
        for row in rows:
            for name in ("EVENT_TIMESTAMP", "CREATED_AT"):
                row[name] = row[name] and f"{row[name].replace(' ', 'T')}+00:00"
        return rows
