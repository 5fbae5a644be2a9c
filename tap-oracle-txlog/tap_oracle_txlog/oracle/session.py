"""The SQL about the session and its database: settings, clock, names, open transactions."""
# ruff: noqa: S608 -- nothing is put into a text that is not written here

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_oracle_txlog.oracle.dictionary import COLUMN_FACTS, COLUMNS_OF_TABLE, of_table
from tap_oracle_txlog.oracle.statements import NANOSECONDS, SECONDS, Statement

if TYPE_CHECKING:
    from tap_oracle_txlog.oracle.identifiers import TableName

SESSION = Statement(
    "ALTER SESSION SET TIME_ZONE = '+00:00' NLS_CALENDAR = 'GREGORIAN'"
    " NLS_NUMERIC_CHARACTERS = '.,' NLS_SORT = 'BINARY' NLS_COMP = 'BINARY'"
)
"""No result may depend on the settings of the host or of the server. BINARY, so that the order of
text ids is the order in which they are compared."""

_NOW = (
    f"SELECT TO_CHAR(SYS_EXTRACT_UTC(SYSTIMESTAMP), '{NANOSECONDS}'),"
    " TO_CHAR(SYSTIMESTAMP, 'TZH:TZM'),\n"
    "       SYS_CONTEXT('USERENV', 'DATABASE_ROLE'), SYS_CONTEXT('USERENV', 'SESSION_USER')"
)

NOW_COLUMNS = 4
NOW = Statement(f"{_NOW}\nFROM DUAL")
"""The clock in UTC, the offset of the host's clock, the role, which may change between two passes,
and the user."""


def introduction(table: TableName) -> Statement:
    """`NOW`, and the columns of a table: all that a new connection asks, in one round trip.

    One row for each column; where there is no such table, one without a column.
    """
    return Statement(
        f"{_NOW},\n"
        f"       {COLUMN_FACTS}\n"
        f"FROM DUAL LEFT JOIN (SELECT {COLUMN_FACTS}, c.COLUMN_ID\n"
        f"{COLUMNS_OF_TABLE}) c ON 1 = 1\n"
        "ORDER BY c.COLUMN_ID",
        of_table(table),
    )


# --- open transactions ---------------------------------------------------------------------------

_STARTED = f"TO_CHAR({{}}, '{SECONDS}')"
_TRANSACTIONS = (
    "    SELECT x.START_DATE, s.SID, s.USERNAME, RAWTOHEX(x.XID) XID\n"
    "    FROM GV$TRANSACTION x\n"
    "    LEFT JOIN GV$SESSION s ON s.INST_ID = x.INST_ID AND s.SADDR = x.SES_ADDR\n"
)
_IN_DOUBT = (
    "    UNION ALL SELECT p.FAIL_TIME, NULL, 'in doubt: ' || p.LOCAL_TRAN_ID, p.LOCAL_TRAN_ID\n"
    "    FROM DBA_2PC_PENDING p WHERE p.STATE = 'prepared'\n"
)
_LOGGED_ON = (
    f"       (SELECT {_STARTED.format('MAX(m.LOGON_TIME)')} FROM GV$SESSION m\n"
    "         WHERE m.SID = SYS_CONTEXT('USERENV', 'SID')"
    " AND m.INST_ID = USERENV('INSTANCE')),\n"
)
_NODES = "       (SELECT COUNT(*) FROM GV$INSTANCE), (SELECT COUNT(*) FROM V$ACTIVE_INSTANCES)\n"


def _with_holder(transactions: str, nodes: str) -> Statement:
    return Statement(
        f"SELECT {_STARTED.format('o.START_DATE')}, o.SID, o.USERNAME, o.XID,\n"
        f"{_LOGGED_ON}{nodes}"
        f"FROM DUAL LEFT JOIN (SELECT * FROM (\n{transactions}"
        "    ORDER BY START_DATE) WHERE ROWNUM <= 1) o ON 1 = 1"
    )


def _start(view: str) -> Statement:
    started = _STARTED.format("MIN(x.START_DATE)")
    return Statement(f"SELECT {started}, NULL, NULL, NULL, NULL, NULL, NULL\nFROM {view} x")


OPEN_TRANSACTIONS: tuple[tuple[str, Statement], ...] = (
    (
        "GV$TRANSACTION, GV$SESSION, GV$INSTANCE, V$ACTIVE_INSTANCES or DBA_2PC_PENDING",
        _with_holder(_TRANSACTIONS + _IN_DOUBT, _NODES),
    ),
    (
        "GV$TRANSACTION or GV$SESSION",
        _with_holder(_TRANSACTIONS, "       NULL, NULL\n"),
    ),
    ("GV$TRANSACTION", _start("GV$TRANSACTION")),
    ("V$TRANSACTION", _start("V$TRANSACTION")),
)
"""The views and the question, from most to least telling, by the rights needed.

Each answers with one row: the start of the oldest open transaction (NULL: none is open), its
session, user and XID, when this session logged on, how many nodes answer, and how many there are.
Times are those of the clock on the wall of the database host (`host_clock.py`). The last one sees
one node alone.
"""


# --- the clock of a standby ----------------------------------------------------------------------

APPLY_LAG = Statement(
    "SELECT ROUND((SYSDATE - TO_DATE(d.DATUM_TIME, 'MM/DD/YYYY HH24:MI:SS')) * 86400), d.VALUE\n"
    "FROM V$DATAGUARD_STATS d WHERE d.NAME = 'apply lag'"
)
"""How long ago the lag was measured, in seconds, and the lag, as +00 00:30:00."""

APPLIED = Statement(
    "SELECT ROUND((SYSDATE - CAST(SCN_TO_TIMESTAMP(d.CURRENT_SCN) AS DATE)) * 86400)\n"
    "FROM V$DATABASE d"
)
"""How many seconds ago the redo was written that was applied last."""
