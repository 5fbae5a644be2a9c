"""The demo's table: events as a real source has them, with all that makes polling go wrong."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from pathlib import Path

METADATA = sa.MetaData()
TABLE = sa.Table(
    "TXLOG_EVENTS",
    METADATA,
    sa.Column("ID", sa.Integer, primary_key=True),
    sa.Column("CASE_ID", sa.String(64)),
    sa.Column("EVENT_TYPE", sa.String(64)),
    sa.Column("EVENT_DATA", sa.Text),
    sa.Column("EVENT_TIMESTAMP", sa.DateTime),
    sa.Column("CREATED_AT", sa.DateTime),
    sa.Index("IX_TXLOG_EVENTS_TAIL", "EVENT_TIMESTAMP", "ID"),
)
TYPES = ("CASE_OPENED", "DOCUMENT_ADDED", "PAYMENT_POSTED", "ÜBERPRÜFT", "結案")


def create_table(path: Path) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{path}")
    METADATA.create_all(engine)
    return engine


def add_events(engine: sa.Engine, *, first_id: int, count: int, late: int = 0) -> str:
    """Add ``count`` rows that end now; ``late`` of them carry a time of two minutes ago.

    Every hundredth row begins a group of three with one timestamp, every fiftieth has no payload.
    """
    choose = random.Random(first_id)
    now = datetime.now(UTC).replace(tzinfo=None)
    begin = now - timedelta(seconds=1.5 if late else 3_600)
    step = (now - begin) / count
    rows: list[dict[str, Any]] = []
    for number in range(count):
        at = begin + step * (number - number % 3 if number % 100 < 3 else number)
        if number >= count - late:
            at = now - timedelta(seconds=120 + number % 7, microseconds=number)
        rows.append(
            {
                "ID": first_id + number,
                "CASE_ID": f"C{choose.randrange(900):04}",
                "EVENT_TYPE": choose.choice(TYPES),
                "EVENT_DATA": None if number % 50 == 0 else _payload(choose),
                "EVENT_TIMESTAMP": at,
                "CREATED_AT": now,
            }
        )
    with engine.begin() as connection:
        connection.execute(TABLE.insert(), rows)
    silent = sum(row["EVENT_DATA"] is None for row in rows)
    ties = count - len({row["EVENT_TIMESTAMP"] for row in rows})
    told = f"{count:,} rows, {ties} share a timestamp, {silent} have no payload"
    return f"{told}, {late} came late" if late else told


def _payload(choose: random.Random) -> str:
    amount = choose.randrange(10**7) / 100
    note = choose.choice(("paid in full", "façade repair", "待處理 ✓", 'said "yes"\n'))
    return f'{{"amount": {amount}, "note": "{note}", "reference": "{choose.getrandbits(320):x}"}}'


def rows_in_order(engine: sa.Engine) -> list[dict[str, Any]]:
    """All rows as their messages must be, in the order of (EVENT_TIMESTAMP, ID)."""
    query = sa.select(TABLE).order_by(TABLE.c.EVENT_TIMESTAMP, TABLE.c.ID)
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    for row in rows:
        for name in ("EVENT_TIMESTAMP", "CREATED_AT"):
            row[name] = f"{row[name].isoformat(timespec='microseconds')}+00:00"
    return rows
