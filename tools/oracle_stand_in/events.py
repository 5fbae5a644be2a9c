"""The table that the tap reads by default, and rows for it."""

from __future__ import annotations

from tools.oracle_stand_in.database import Row, Table


def txlog_events() -> Table:
    """SPC.TXLOG_EVENTS as its owner created it, empty."""
    return Table(
        "SPC.TXLOG_EVENTS",
        [
            "ID NUMBER(19) NOT NULL",
            "CASE_ID VARCHAR2(64)",
            "EVENT_TYPE VARCHAR2(64)",
            "EVENT_DATA CLOB",
            "EVENT_TIMESTAMP TIMESTAMP(6)",
            "CREATED_AT TIMESTAMP(6)",
        ],
        keys={"PK_TXLOG_EVENTS": ("ID",)},
        indexes={
            "PK_TXLOG_EVENTS": ("ID",),
            "IX_TXLOG_EVENTS_TS": ("EVENT_TIMESTAMP", "ID"),
        },
    )


def event(id_: int, at: str | None, data: str | None = '{"amount": 1}') -> Row:
    """A row of that table; ``at`` is both its timestamps."""
    return (id_, f"C{id_ % 100}", "PAYMENT", data, at, at)


def numbered(id_: int) -> Row:
    """Row ``id_`` of as many as one likes: ids and times ascend, four rows to an instant."""
    seconds, milliseconds = divmod(id_ // 4, 1000)
    time = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{milliseconds:03}000000"
    return event(id_, f"2026-01-01T{time}")
