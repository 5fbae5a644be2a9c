"""All SQL that is sent to Oracle, as pure functions; golden files beside the tests pin each text.

Values are always bound, names are always quoted (`identifiers.py`). Times travel as text with nine
digits of the second in both directions: a bound ``datetime`` would lose its fraction
(python-oracledb issue #563), a fetched one its nanoseconds. Conversions stand on the bind, never on
the column, so that an index on (replication key, id) stays usable. Nothing here knows a connection.
"""
# ruff: noqa: S608 -- names are validated and quoted, values are bound: what S608 asks for is done here

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from tap_oracle_txlog.oracle.identifiers import quoted
from tap_oracle_txlog.timestamps import plus, render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_oracle_txlog.keyset import Position
    from tap_oracle_txlog.oracle.identifiers import TableName
    from tap_oracle_txlog.timestamps import Instant

Binds: TypeAlias = "Mapping[str, str | int | None]"

SECONDS = 'YYYY-MM-DD"T"HH24:MI:SS'
NANOSECONDS = SECONDS + ".FF9"
WHOLE_SECONDS = SECONDS + '".000000000"'

KEY_COLUMN = "$KEY"
"""Alias of the last column of a page: the replication key as 29 characters."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text with its binds: only text, integers and NULL, so that the driver guesses no type."""

    text: str
    binds: Binds = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyForm:
    """How a replication key of one Oracle type goes out as text and how text is compared with it.

    ``into`` keeps the type of the column: a comparison of DATE with TIMESTAMP, or of either with
    TIMESTAMP WITH TIME ZONE, would convert the column and lose the index.
    """

    out: str
    into: str
    as_date: str
    whole_seconds: bool = False

    def holds(self, at: Instant) -> bool:
        """Whether a column of this type can hold that very instant."""
        return not self.whole_seconds or at.endswith(".000000000")

    def text(self, at: Instant) -> str:
        """``at`` as the column can hold it, rounded up: ``>=`` and ``<`` keep their meaning."""
        if not self.whole_seconds:
            return at
        return render(at if self.holds(at) else plus(at, 1), digits=0)


KEY_FORMS: Mapping[str, KeyForm] = {
    "DATE": KeyForm(
        out=f"TO_CHAR({{}}, '{WHOLE_SECONDS}')",
        into=f"TO_DATE({{}}, '{SECONDS}')",
        as_date="{}",
        whole_seconds=True,
    ),
    "TIMESTAMP": KeyForm(
        out=f"TO_CHAR({{}}, '{NANOSECONDS}')",
        into=f"TO_TIMESTAMP({{}}, '{NANOSECONDS}')",
        as_date="CAST({} AS DATE)",
    ),
    "TIMESTAMP WITH TIME ZONE": KeyForm(
        out=f"TO_CHAR(SYS_EXTRACT_UTC({{}}), '{NANOSECONDS}')",
        into=f"FROM_TZ(TO_TIMESTAMP({{}}, '{NANOSECONDS}'), '+00:00')",
        as_date="CAST(SYS_EXTRACT_UTC({}) AS DATE)",
    ),
    # The session runs at +00:00, so a local time zone is UTC both ways.
    "TIMESTAMP WITH LOCAL TIME ZONE": KeyForm(
        out=f"TO_CHAR({{}}, '{NANOSECONDS}')",
        into=(
            f"CAST(FROM_TZ(TO_TIMESTAMP({{}}, '{NANOSECONDS}'), '+00:00')"
            " AS TIMESTAMP(9) WITH LOCAL TIME ZONE)"
        ),
        as_date="CAST({} AS DATE)",
    ),
}
"""By type name without precision: the types that can be a replication key."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is read: ``expressions`` are ready SQL over the alias ``t`` (`types.py`)."""

    table: TableName
    expressions: tuple[str, ...]
    key: str
    key_type: str
    id: str

    @property
    def key_form(self) -> KeyForm:
        """How the replication key travels."""
        return KEY_FORMS[self.key_type]


def column(name: str) -> str:
    """A column of the table that is read.

    The alias is needed: an unqualified name in ORDER BY would mean the text in the select list.
    """
    return f"t.{quoted(name)}"


# --- the session ---------------------------------------------------------------------------------

SESSION = Statement(
    "ALTER SESSION SET TIME_ZONE = '+00:00' NLS_CALENDAR = 'GREGORIAN'"
    " NLS_NUMERIC_CHARACTERS = '.,' NLS_SORT = 'BINARY' NLS_COMP = 'BINARY'"
)
"""No result may depend on the settings of the host or of the server. BINARY, so that the order of
text ids is the order in which they are compared."""

CLOCK = Statement(f"SELECT TO_CHAR(SYS_EXTRACT_UTC(SYSTIMESTAMP), '{NANOSECONDS}') FROM DUAL")

DATABASE = Statement(
    "SELECT SYS_CONTEXT('USERENV', 'DATABASE_ROLE'), SYS_CONTEXT('USERENV', 'DB_NAME'),\n"
    "       SYS_CONTEXT('USERENV', 'INSTANCE_NAME'), SYS_CONTEXT('USERENV', 'SERVICE_NAME'),\n"
    "       SYS_CONTEXT('USERENV', 'SESSION_USER'), SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')\n"
    "FROM DUAL"
)

# START_DATE is in the zone of the database host, which nobody tells us. Its distance from SYSDATE,
# which is in the same zone, needs no zone. All three are cut to whole seconds: never too late.
_STARTED = (
    "TO_CHAR(SYS_EXTRACT_UTC(SYSTIMESTAMP)"
    " - NUMTODSINTERVAL(ROUND((SYSDATE - {}) * 86400), 'SECOND'),"
    f" '{WHOLE_SECONDS}')"
)

OPEN_TRANSACTIONS: tuple[Statement, ...] = (
    Statement(
        f"SELECT {_STARTED.format('x.START_DATE')}, s.SID, s.USERNAME\n"
        "FROM GV$TRANSACTION x\n"
        "LEFT JOIN GV$SESSION s ON s.INST_ID = x.INST_ID AND s.SADDR = x.SES_ADDR\n"
        "ORDER BY x.START_DATE\n"
        "FETCH FIRST 1 ROWS ONLY"
    ),
    *(
        Statement(f"SELECT {_STARTED.format('MIN(x.START_DATE)')}, NULL, NULL\nFROM {view} x")
        for view in ("GV$TRANSACTION", "V$TRANSACTION")
    ),
)
"""Start of the oldest open transaction, session and user. From most to least telling, by the rights
needed. No row, or a start of NULL, means that none is open."""


# --- the page ------------------------------------------------------------------------------------


def page(
    selection: Selection, after: Position, limit: int, until: Instant | None = None
) -> Statement:
    """Up to ``limit`` rows behind ``after`` and before ``until``, in the order of (key, id).

    The first condition is a plain range, the access path of the index; the second one only cuts off
    the rows of the first instant that were read before. OFFSET or ROWNUM would miss rows.
    """
    form = selection.key_form
    key, id_ = column(selection.key), column(selection.id)
    binds: dict[str, str | int | None] = {"after_key": form.text(after.at)}
    conditions = [f"{key} >= {form.into.format(':after_key')}"]
    if after.id is not None and form.holds(after.at):
        conditions.append(f"({key} > {form.into.format(':after_key')} OR {id_} > :after_id)")
        binds["after_id"] = after.id
    if until is not None:
        conditions.append(f"{key} < {form.into.format(':until_key')}")
        binds["until_key"] = form.text(until)
    return Statement(_select(selection, conditions, f"{key}, {id_}", limit), binds)


def null_key_page(selection: Selection, after_id: int | str | None, limit: int) -> Statement:
    """Up to ``limit`` rows whose replication key is NULL, in the order of their id."""
    conditions = [f"{column(selection.key)} IS NULL"]
    binds: dict[str, str | int | None] = {}
    if after_id is not None:
        conditions.append(f"{column(selection.id)} > :after_id")
        binds["after_id"] = after_id
    return Statement(_select(selection, conditions, column(selection.id), limit), binds)


def _select(selection: Selection, conditions: list[str], order: str, limit: int) -> str:
    key_text = f"{selection.key_form.out.format(column(selection.key))} {quoted(KEY_COLUMN)}"
    return "\n".join(
        (
            f"SELECT {', '.join((*selection.expressions, key_text))}",
            f"FROM {selection.table.quoted} t",
            f"WHERE {' AND '.join(conditions)}",
            f"ORDER BY {order}",
            f"FETCH FIRST {limit:d} ROWS ONLY",
        )
    )


# --- the dictionary: bounded by one table or one schema ------------------------------------------

_OWNER = "NVL(:owner, SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA'))"


def _of(table: TableName) -> Binds:
    return {"owner": table.owner, "table_name": table.name}


def table_columns(table: TableName) -> Statement:
    """Name, type, precision, scale, length and nullability of each column, in table order."""
    text = (
        "SELECT c.COLUMN_NAME, c.DATA_TYPE, c.DATA_PRECISION, c.DATA_SCALE, c.DATA_LENGTH,"
        " c.NULLABLE\n"
        "FROM ALL_TAB_COLUMNS c\n"
        f"WHERE c.OWNER = {_OWNER} AND c.TABLE_NAME = :table_name\n"
        "ORDER BY c.COLUMN_ID"
    )
    return Statement(text, _of(table))


def table_keys(table: TableName) -> Statement:
    """The columns of each enabled primary and unique key: name, type (P or U), column."""
    text = (
        "SELECT c.CONSTRAINT_NAME, c.CONSTRAINT_TYPE, k.COLUMN_NAME\n"
        "FROM ALL_CONSTRAINTS c\n"
        "JOIN ALL_CONS_COLUMNS k ON k.OWNER = c.OWNER AND k.CONSTRAINT_NAME = c.CONSTRAINT_NAME\n"
        f"WHERE c.OWNER = {_OWNER} AND c.TABLE_NAME = :table_name\n"
        "  AND c.CONSTRAINT_TYPE IN ('P', 'U') AND c.STATUS = 'ENABLED'\n"
        "ORDER BY c.CONSTRAINT_TYPE, c.CONSTRAINT_NAME, k.POSITION"
    )
    return Statement(text, _of(table))


def table_indexes(table: TableName) -> Statement:
    """The columns of each index, in order: index, column."""
    text = (
        "SELECT i.INDEX_NAME, i.COLUMN_NAME\n"
        "FROM ALL_IND_COLUMNS i\n"
        f"WHERE i.TABLE_OWNER = {_OWNER} AND i.TABLE_NAME = :table_name\n"
        "ORDER BY i.INDEX_OWNER, i.INDEX_NAME, i.COLUMN_POSITION"
    )
    return Statement(text, _of(table))


def readable_tables(owner: str | None, limit: int = 1000) -> Statement:
    """Tables and views of a schema that the session may read: owner, name, kind, estimated rows."""
    text = (
        "SELECT x.OWNER, x.NAME, x.KIND, x.NUM_ROWS FROM (\n"
        "  SELECT OWNER, TABLE_NAME NAME, 'TABLE' KIND, NUM_ROWS FROM ALL_TABLES\n"
        "  UNION ALL SELECT OWNER, VIEW_NAME, 'VIEW', NULL FROM ALL_VIEWS) x\n"
        f"WHERE x.OWNER = {_OWNER}\n"
        "ORDER BY x.NAME\n"
        f"FETCH FIRST {limit:d} ROWS ONLY"
    )
    return Statement(text, {"owner": owner})


# --- the doctor's questions ----------------------------------------------------------------------


def null_key_count(selection: Selection, limit: int) -> Statement:
    """How many rows have no replication key; counting stops at ``limit``."""
    return Statement(
        f"SELECT COUNT(*) FROM (SELECT 1 FROM {selection.table.quoted} t"
        f" WHERE {column(selection.key)} IS NULL FETCH FIRST {limit:d} ROWS ONLY)"
    )


def newest_key(selection: Selection) -> Statement:
    """The greatest replication key, as 29 characters."""
    newest = selection.key_form.out.format(f"MAX({column(selection.key)})")
    return Statement(f"SELECT {newest} FROM {selection.table.quoted} t")


def lateness(selection: Selection, inserted: str, inserted_type: str, limit: int) -> Statement:
    """How far ``inserted`` (CREATED_AT) lies behind the key in the newest ``limit`` rows.

    Answers the number of rows, the smallest and the greatest distance in whole seconds.
    """
    key = column(selection.key)
    begin = selection.key_form.as_date.format(key)
    end = KEY_FORMS[inserted_type].as_date.format(column(inserted))
    return Statement(
        "SELECT COUNT(*), ROUND(MIN(x.DAYS) * 86400), ROUND(MAX(x.DAYS) * 86400) FROM (\n"
        f"  SELECT {end} - {begin} DAYS\n"
        f"  FROM {selection.table.quoted} t\n"
        f"  WHERE {key} IS NOT NULL\n"
        f"  ORDER BY {key} DESC\n"
        f"  FETCH FIRST {limit:d} ROWS ONLY) x"
    )
