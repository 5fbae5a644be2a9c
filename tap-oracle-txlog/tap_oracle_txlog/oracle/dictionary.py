"""The SQL that is asked of the dictionary, and about a table as a whole, not for its rows.

Bounded by one table or one schema, as the dictionary of a large database is slow to read.
"""
# ruff: noqa: S608 -- names are validated and quoted, values are bound: what S608 asks for is done here

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tap_oracle_txlog.oracle.statements import KEY_FORMS, Statement, column

if TYPE_CHECKING:
    from tap_oracle_txlog.oracle.identifiers import TableName
    from tap_oracle_txlog.oracle.statements import Binds, Selection

_OWNER = "NVL(:owner, SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA'))"


def of_table(table: TableName) -> Binds:
    """The binds of a question about one table."""
    return {"owner": table.owner, "table_name": table.name}


COLUMN_FACTS = (
    "c.COLUMN_NAME, c.DATA_TYPE, c.DATA_PRECISION, c.DATA_SCALE, c.DATA_LENGTH, c.NULLABLE"
)
COLUMNS_OF_TABLE = (
    f"FROM ALL_TAB_COLUMNS c\nWHERE c.OWNER = {_OWNER} AND c.TABLE_NAME = :table_name"
)


def table_columns(table: TableName) -> Statement:
    """Name, type, precision, scale, length and nullability of each column, in table order."""
    text = f"SELECT {COLUMN_FACTS}\n{COLUMNS_OF_TABLE}\nORDER BY c.COLUMN_ID"
    return Statement(text, of_table(table))


def json_columns(table: TableName) -> Statement:
    """Name and form (TEXT or OSON) of each column that IS JSON; the view came with 12.1.0.2."""
    text = (
        "SELECT j.COLUMN_NAME, j.FORMAT\n"
        "FROM ALL_JSON_COLUMNS j\n"
        f"WHERE j.OWNER = {_OWNER} AND j.TABLE_NAME = :table_name"
    )
    return Statement(text, of_table(table))


def synonym(table: TableName) -> Statement:
    """What a name that is no table stands for: owner, name, database link.

    A private synonym hides a public one, which a name without an owner can also mean.
    """
    text = (
        "SELECT s.TABLE_OWNER, s.TABLE_NAME, s.DB_LINK\n"
        "FROM ALL_SYNONYMS s\n"
        f"WHERE s.SYNONYM_NAME = :table_name AND (s.OWNER = {_OWNER}"
        " OR :owner IS NULL AND s.OWNER = 'PUBLIC')\n"
        "ORDER BY DECODE(s.OWNER, 'PUBLIC', 2, 1)"
    )
    return Statement(text, of_table(table))


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
    return Statement(text, of_table(table))


def table_indexes(table: TableName) -> Statement:
    """The columns of each index in their order, with what can keep a page from using it.

    Answers name, column, expression (in place of the column, where it is one), ASC or DESC, status,
    visibility, kind of partitioning (NULL without), alignment, and how many parts are unusable.
    """
    text = (
        "SELECT i.INDEX_NAME, c.COLUMN_NAME, e.COLUMN_EXPRESSION, c.DESCEND, i.STATUS,"
        " i.VISIBILITY,\n"
        "       p.PARTITIONING_TYPE, p.ALIGNMENT,\n"
        "       (SELECT COUNT(*) FROM ALL_IND_PARTITIONS q WHERE q.INDEX_OWNER = i.OWNER\n"
        "          AND q.INDEX_NAME = i.INDEX_NAME AND q.STATUS = 'UNUSABLE')\n"
        "FROM ALL_INDEXES i\n"
        "JOIN ALL_IND_COLUMNS c ON c.INDEX_OWNER = i.OWNER AND c.INDEX_NAME = i.INDEX_NAME\n"
        "LEFT JOIN ALL_IND_EXPRESSIONS e ON e.INDEX_OWNER = i.OWNER"
        " AND e.INDEX_NAME = i.INDEX_NAME\n"
        "  AND e.COLUMN_POSITION = c.COLUMN_POSITION\n"
        "LEFT JOIN ALL_PART_INDEXES p ON p.OWNER = i.OWNER AND p.INDEX_NAME = i.INDEX_NAME\n"
        f"WHERE i.TABLE_OWNER = {_OWNER} AND i.TABLE_NAME = :table_name\n"
        "ORDER BY i.OWNER, i.INDEX_NAME, c.COLUMN_POSITION"
    )
    return Statement(text, of_table(table))


def row_count(table: TableName) -> Statement:
    """How many rows a table had when its statistics were gathered; none of a view."""
    text = (
        "SELECT a.NUM_ROWS FROM ALL_TABLES a\n"
        f"WHERE a.OWNER = {_OWNER} AND a.TABLE_NAME = :table_name"
    )
    return Statement(text, of_table(table))


def partitions(table: TableName, key: str) -> Statement:
    """Upper bound, as SQL writes it, and rows by statistics of each partition, in their order; none
    unless the table is partitioned by ranges of ``key`` alone.

    The bound is a LONG, of which nothing can be made in SQL.
    """
    text = (
        "SELECT p.HIGH_VALUE, p.NUM_ROWS\n"
        "FROM ALL_TAB_PARTITIONS p\n"
        "JOIN ALL_PART_TABLES r ON r.OWNER = p.TABLE_OWNER AND r.TABLE_NAME = p.TABLE_NAME\n"
        "JOIN ALL_PART_KEY_COLUMNS k ON k.OWNER = p.TABLE_OWNER AND k.NAME = p.TABLE_NAME\n"
        f"WHERE p.TABLE_OWNER = {_OWNER} AND p.TABLE_NAME = :table_name\n"
        "  AND r.PARTITIONING_TYPE = 'RANGE' AND r.PARTITIONING_KEY_COUNT = 1\n"
        "  AND k.OBJECT_TYPE = 'TABLE' AND k.COLUMN_NAME = :key_column\n"
        "ORDER BY p.PARTITION_POSITION"
    )
    return Statement(text, {**of_table(table), "key_column": key})


def readable_tables(owner: str | None) -> Statement:
    """Tables and views of a schema that the session may read: owner, name, kind, estimated rows."""
    text = (
        "SELECT x.OWNER, x.NAME, x.KIND, x.NUM_ROWS FROM (\n"
        "  SELECT OWNER, TABLE_NAME NAME, 'TABLE' KIND, NUM_ROWS FROM ALL_TABLES\n"
        "  UNION ALL SELECT OWNER, VIEW_NAME, 'VIEW', NULL FROM ALL_VIEWS) x\n"
        f"WHERE x.OWNER = {_OWNER}\n"
        "ORDER BY x.NAME\n"
        "FETCH FIRST 1000 ROWS ONLY"
    )
    return Statement(text, {"owner": owner})


PRODUCT = Statement(
    "SELECT MAX(p.PRODUCT) FROM PRODUCT_COMPONENT_VERSION p WHERE p.PRODUCT LIKE 'Oracle%'"
)
"""The name of the product, which ends in that of its edition."""


# --- about the rows of a table as a whole --------------------------------------------------------


def text_literal(text: str) -> str:
    """The text as it stands in SQL."""
    return "'{}'".format(text.replace("'", "''"))


def null_key_count(selection: Selection, limit: int) -> Statement:
    """How many rows that are wanted have no replication key; counting stops at ``limit``."""
    where = selection.where
    condition = " AND ".join((f"{column(selection.key)} IS NULL", *where.conditions))
    return _count(selection, condition, limit, where.binds)


def early_key_count(selection: Selection, limit: int) -> Statement:
    """How many rows have a replication key before year 1; counting stops at ``limit``."""
    form = selection.key_form
    first = "0001-01-01T00:00:00" + ("" if form.whole_seconds else ".000000000")
    bound = form.into.format(text_literal(first))
    return _count(selection, f"{column(selection.key)} < {bound}", limit)


def _count(
    selection: Selection, condition: str, limit: int, binds: Binds | None = None
) -> Statement:
    table = selection.table.quoted
    text = f"SELECT COUNT(*) FROM {table} t WHERE {condition} AND ROWNUM <= {limit:d}"
    return Statement(text, binds or {})


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
        f"  ORDER BY {key} DESC) x\n"
        f"WHERE ROWNUM <= {limit:d}"
    )


# --- the plan of a page --------------------------------------------------------------------------

PLAN_ID = "tap-oracle-txlog"


def explain(statement: Statement) -> str:
    """Have the plan of ``statement`` written into the session's own PLAN_TABLE, to be rolled back.

    The values stand in the text: an execution that looks at its binds gets the same plan.
    """

    def literal(match: re.Match[str]) -> str:
        value = statement.binds[match[1]]
        return str(value) if isinstance(value, int) else text_literal(str(value))

    pieces = re.split(r"""('[^']*'|"[^"]*")""", statement.text)
    pieces[::2] = [re.sub(r":(\w+)", literal, piece) for piece in pieces[::2]]
    return f"EXPLAIN PLAN SET STATEMENT_ID = '{PLAN_ID}' FOR\n{''.join(pieces)}"


PLAN = Statement(
    "SELECT p.OPERATION, p.OPTIONS, p.OBJECT_NAME, p.CARDINALITY\n"
    "FROM PLAN_TABLE p\n"
    f"WHERE p.STATEMENT_ID = '{PLAN_ID}'\n"
    "ORDER BY p.ID"
)
"""The steps of a plan that was explained: operation, options, object, estimated rows."""
