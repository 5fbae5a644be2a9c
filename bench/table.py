"""The table that every contender reads: TXLOG_EVENTS in SQLite, its rows in the order of time.

Ids and times ascend together, so that a cursor on either column reads the same order; of every
hundred rows three share a timestamp. A row is about 300 bytes of JSON, and the same for every run.
"""

from __future__ import annotations

import sqlite3
from array import array
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from demo.events import TYPES, create_table

if TYPE_CHECKING:
    from pathlib import Path

NAME = "TXLOG_EVENTS"
#: Long ago, so that no row is young enough to count as one that others may still be late for.
BEGIN = datetime(2026, 1, 1)  # noqa: DTZ001 - as a column without a zone holds it
STEP = timedelta(milliseconds=5)
NOTES = ("paid in full", "façade repair", "待處理 ✓", "said 'yes'")
INSERT = f"INSERT INTO {NAME} VALUES (?, ?, ?, ?, ?, ?)"
SCATTER = 0x9E3779B97F4A7C15F39CC0605CEDC8341082276BF3A27251

Row = tuple[int, str, str, str, str, str]


def row(id_: int, at: datetime | None = None) -> Row:
    """The row with that id; ``at`` is its time where that is not a matter of the id."""
    first_of_tie = id_ - id_ % 100 if id_ % 100 < 3 else id_
    stamp = (at or BEGIN + STEP * first_of_tie).isoformat(" ", "microseconds")
    amount, note = id_ * 7919 % 10**7 / 100, NOTES[id_ % len(NOTES)]
    reference = f"{id_ * SCATTER % 2**160:040x}"
    data = f'{{"amount": {amount}, "note": "{note}", "reference": "{reference}"}}'
    return id_, f"C{id_ % 90_000:06}", TYPES[id_ % len(TYPES)], data, stamp, stamp


def fill(path: Path, count: int) -> None:
    """Make the table in a new file and put ``count`` rows into it."""
    create_table(path).dispose()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(INSERT, map(row, range(1, count + 1)))


def ids_in_order(path: Path) -> array[int]:
    """The ids in the order that the stream has to have."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(f"SELECT ID FROM {NAME} ORDER BY EVENT_TIMESTAMP, ID")
        return array("q", (id_ for (id_,) in rows))
