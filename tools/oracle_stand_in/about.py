"""What the stand-in says of itself: clock, transactions, dictionary, plans.

Times of V$ views are those on the wall of the database's host, as in Oracle.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Final

from tools.oracle_stand_in.answers import Answer, answer
from tools.oracle_stand_in.conditions import VARCHAR2
from tools.oracle_stand_in.faults import OracleError

if TYPE_CHECKING:
    from tools.oracle_stand_in.answers import Query
    from tools.oracle_stand_in.database import Row, Table

NOW: Final = ", ".join(f"C{place} VARCHAR2(128)" for place in range(4))
COLUMN: Final = (
    "NAME VARCHAR2(128), TYPE VARCHAR2(128), PRECISION NUMBER, SCALE NUMBER, LENGTH NUMBER,"
    " NULLABLE VARCHAR2(1)"
)
TRANSACTION: Final = (
    "STARTED VARCHAR2(19), SID NUMBER, USERNAME VARCHAR2(128), XID VARCHAR2(22),"
    " LOGON VARCHAR2(19), ANSWERING NUMBER, NODES NUMBER"
)

# --- the session ----------------------------------------------------------------------------------


def begins(query: Query) -> None:
    """The settings of a session come right behind its logon."""
    query.instance.logged_on = query.database.clock()


def now(query: Query) -> Answer:
    return answer(NOW, _now(query))


def introduction(query: Query) -> Answer:
    rows: list[Row] = [(None,) * 6]
    rows = _columns(query) or rows
    return answer(f"{NOW}, {COLUMN}", *(_now(query) + row for row in rows))


def _now(query: Query) -> Row:
    database = query.database
    offset = database.system_offset()
    sign, minutes = ("-" if offset < 0 else "+"), abs(offset)
    zone = f"{sign}{minutes // 60:02}:{minutes % 60:02}"
    return (database.clock(), zone, database.role, query.instance.user)


# --- open transactions ----------------------------------------------------------------------------


def transactions_of_all(query: Query) -> Answer:
    """The oldest open transaction, in-doubt ones included, and how many nodes there are."""
    query.granted("GV$TRANSACTION", "GV$SESSION", "GV$INSTANCE", "V$ACTIVE_INSTANCES")
    query.granted("DBA_2PC_PENDING")
    database = query.database
    in_doubt = [(at, None, f"in doubt: {name}", name) for name, at in database.in_doubt.items()]
    return _transactions(query, in_doubt, nodes=(database.answering, database.nodes))


def transactions_with_holder(query: Query) -> Answer:
    query.granted("GV$TRANSACTION", "GV$SESSION")
    return _transactions(query, [], nodes=(None, None))


def oldest_start(query: Query, view: str = "GV$TRANSACTION") -> Answer:
    query.granted(view)
    opened = query.database.transactions
    started = min((wall(query, each.started) for each in opened), default=None)
    return answer(TRANSACTION, (started, None, None, None, None, None, None))


def oldest_local_start(query: Query) -> Answer:
    return oldest_start(query, "V$TRANSACTION")


def _transactions(
    query: Query, more: list[tuple[str, None, str, str]], nodes: tuple[int | None, int | None]
) -> Answer:
    opened = [(each.started, each.sid, each.user, each.xid) for each in query.database.transactions]
    found = sorted(chain(opened, more), key=lambda each: each[0])
    oldest: Row = (wall(query, found[0][0]), *found[0][1:]) if found else (None,) * 4
    logon = wall(query, query.instance.logged_on) if query.instance.logged_on else None
    return answer(TRANSACTION, (*oldest, logon, *nodes))


def wall(query: Query, utc: str) -> str:
    """What the clock of the host showed at that time."""
    moment = datetime.fromisoformat(utc[:19] + "+00:00")
    return f"{moment.astimezone(query.database.host_zone):%Y-%m-%dT%H:%M:%S}"


# --- a standby ------------------------------------------------------------------------------------


def apply_lag(query: Query) -> Answer:
    query.granted("V$DATAGUARD_STATS")
    lag = timedelta(seconds=query.database.apply_lag)
    text = f"+{lag.days:02} {datetime.fromtimestamp(lag.seconds, UTC):%H:%M:%S}"
    return answer("AGE NUMBER, VALUE VARCHAR2(64)", (0, text))


def applied(query: Query) -> Answer:
    query.granted("V$DATABASE")
    return answer("AGE NUMBER", (query.database.apply_lag,))


# --- the dictionary -------------------------------------------------------------------------------


def columns(query: Query) -> Answer:
    return answer(COLUMN, *_columns(query))


def _columns(query: Query) -> list[Row]:
    return [
        (of.name, of.data_type, of.precision, of.scale, of.char_length, "Y" if of.nullable else "N")
        for table in _described(query)
        for of in table.columns
    ]


def json_columns(query: Query) -> Answer:
    rows = [(of.name, of.json) for table in _described(query) for of in table.columns if of.json]
    return answer("NAME VARCHAR2(128), FORMAT VARCHAR2(9)", *rows)


def synonym(query: Query) -> Answer:
    owner, name = query.bind("owner", VARCHAR2), query.bind("table_name", VARCHAR2)
    of = [f"{owner or query.instance.user}.{name}", *([] if owner else [f"PUBLIC.{name}"])]
    known = query.database.synonyms
    rows = [
        (*known[each].partition("@")[0].split("."), known[each].partition("@")[2] or None)
        for each in of
        if each in known
    ]
    return answer("OWNER VARCHAR2(128), NAME VARCHAR2(128), DB_LINK VARCHAR2(128)", *rows)


def keys(query: Query) -> Answer:
    named = [
        ("P" if name.startswith("PK") else "U", name, columns)
        for table in _described(query)
        for name, columns in table.keys.items()
    ]
    rows = [(name, kind, column) for kind, name, columns in sorted(named) for column in columns]
    return answer("NAME VARCHAR2(128), TYPE VARCHAR2(1), COLUMN_NAME VARCHAR2(128)", *rows)


def indexes(query: Query) -> Answer:
    """Names that tell are taken at their word: ``IX_UNUSABLE`` is."""
    rows = [
        (
            name,
            column.partition(" ")[0],
            None,
            column.partition(" ")[2] or "ASC",
            "UNUSABLE" if "UNUSABLE" in name else "VALID",
            "INVISIBLE" if "INVISIBLE" in name else "VISIBLE",
            None,
            None,
            0,
        )
        for table in _described(query)
        for name, columns in sorted(table.indexes.items())
        for column in columns
    ]
    return answer(
        "NAME VARCHAR2(128), COLUMN_NAME VARCHAR2(128), EXPRESSION VARCHAR2(200), D VARCHAR2(4),"
        " STATUS VARCHAR2(8), V VARCHAR2(9), P VARCHAR2(9), A VARCHAR2(12), UNUSABLE NUMBER",
        *rows,
    )


def row_count(query: Query) -> Answer:
    return answer("NUM_ROWS NUMBER", *((table.counted,) for table in _described(query)))


def partitions(query: Query) -> Answer:
    """None unless it is the one column by whose ranges the table is partitioned."""
    key = query.bind("key_column", VARCHAR2)
    tables = [table for table in _described(query) if table.partitioned_by == key]
    rows = (row for table in tables for row in table.partitions)
    return answer("HIGH_VALUE LONG, NUM_ROWS NUMBER", *rows)


def product(query: Query) -> Answer:
    return answer("PRODUCT VARCHAR2(128)", (query.database.product,))


def tables(query: Query) -> Answer:
    owner = query.bind("owner", VARCHAR2) or query.instance.user
    names = sorted(set(query.database.tables) - query.database.hidden)
    rows = [(owner, name, "TABLE", None) for o, name in (n.split(".") for n in names) if o == owner]
    declared = "OWNER VARCHAR2(128), NAME VARCHAR2(128), KIND VARCHAR2(5), NUM_ROWS NUMBER"
    return answer(declared, *rows[: int(query.part("limit"))])


def _described(query: Query) -> list[Table]:
    """The one table asked for, unless the user may not see it."""
    owner = query.bind("owner", VARCHAR2) or query.instance.user
    name = f"{owner}.{query.bind('table_name', VARCHAR2)}"
    shown = name in set(query.database.tables) - query.database.hidden
    return [query.database.tables[name]] if shown else []


# --- the plan -------------------------------------------------------------------------------------


def explain(query: Query) -> None:
    if "PLAN_TABLE" in query.database.hidden:
        raise OracleError(2402, "PLAN_TABLE not found")


def plan(query: Query) -> Answer:
    """An index where the table has one on the key, a full scan where not."""
    declared = "O VARCHAR2(30), P VARCHAR2(30), NAME VARCHAR2(128), CARDINALITY NUMBER"
    return answer(declared, *query.database.plan)
