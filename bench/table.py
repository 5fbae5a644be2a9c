"""The table that every contender reads: TXLOG_EVENTS in SQLite, its rows in the order of time.

Ids and times ascend together, so that a cursor on either column reads the same order; of every
hundred rows three share a timestamp. A row is about 300 bytes of JSON, and the same for every run.
"""

from __future__ import annotations

import random
import sqlite3
from array import array
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from demo.events import TYPES, create_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "TXLOG_EVENTS"
#: Long ago, so that no row is young enough to count as one that others may still be late for.
BEGIN = datetime(2026, 1, 1)  # noqa: DTZ001 - as a column without a zone holds it
STEP = timedelta(milliseconds=5)
NOTES = ("paid in full", "façade repair", "待處理 ✓", 'said "yes"\n')

Row = tuple[int, str, str, str, str, str]


def make_rows(count: int, *, first: int = 1) -> Iterator[Row]:
    choose = random.Random(first)
    for id_ in range(first, first + count):
        tied = id_ - id_ % 100 if id_ % 100 < 3 else id_
        at = (BEGIN + STEP * tied).isoformat(" ", "microseconds")
        yield id_, f"C{id_ % 90_000:06}", TYPES[id_ % len(TYPES)], payload(choose), at, at


def payload(choose: random.Random) -> str:
    note = NOTES[choose.randrange(len(NOTES))].replace('"', "'").replace("\n", " ")
    amount, reference = choose.randrange(10**7) / 100, f"{choose.getrandbits(160):040x}"
    return f'{{"amount": {amount}, "note": "{note}", "reference": "{reference}"}}'


def fill(path: Path, count: int) -> None:
    """Make the table in a new file and put ``count`` rows into it."""
    create_table(path).dispose()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(f"INSERT INTO {NAME} VALUES (?, ?, ?, ?, ?, ?)", make_rows(count))


def ids_in_order(path: Path) -> array[int]:
    """The ids in the order that the stream has to have."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(f"SELECT ID FROM {NAME} ORDER BY EVENT_TIMESTAMP, ID")
        return array("q", (id_ for (id_,) in rows))
