"""Every SQL text that is sent to Oracle, word by word, with the types of its binds.

The files in ``golden/`` are for reading: what a DBA would be shown. After an intended change, write
them anew with ``GOLDEN=write`` and read the difference.
"""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.oracle import dictionary, late_statements, session, shares, statements
from tap_oracle_txlog.oracle.filter import where
from tap_oracle_txlog.oracle.identifiers import TableName
from tap_oracle_txlog.oracle.statements import KEY_FORMS, Selection, Statement
from tap_oracle_txlog.oracle.types import OracleColumn, conversion, select_expression
from tap_oracle_txlog.rules.filter import Filter
from tap_oracle_txlog.rules.id_ranges import Run
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.shares import Sample
from tap_oracle_txlog.rules.timestamps import BEGINNING, END, instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_oracle_txlog.rules.timestamps import Instant

GOLDEN = Path(__file__).parent / "golden"
EVENTS = TableName("SPC", "TXLOG_EVENTS")
AT = instant("2026-01-31T18:30:00.123456789")
UNTIL = instant("2026-02-01T00:00:00.000000000")


def selection(key_type: str = "TIMESTAMP(6)", table: TableName = EVENTS) -> Selection:
    described = [
        OracleColumn("ID", "NUMBER", 19, 0),
        OracleColumn("CASE_ID", "VARCHAR2"),
        OracleColumn("EVENT_DATA", "CLOB"),
        OracleColumn("EVENT_TIMESTAMP", key_type, scale=None if key_type == "DATE" else 6),
    ]
    expressions = tuple(
        select_expression(column, how) for column in described if (how := conversion(column))
    )
    return Selection(table, expressions, "EVENT_TIMESTAMP", described[3].kind, "ID")


CASES = Filter.of({"CASE_ID": ["C0137", "C0138"], "ID": 7})
COLUMNS = {
    "ID": OracleColumn("ID", "NUMBER", 19, 0),
    "CASE_ID": OracleColumn("CASE_ID", "VARCHAR2", length=64),
}


def filtered(rows: Filter = CASES, columns: Mapping[str, OracleColumn] | None = None) -> Selection:
    return dataclasses.replace(selection(), where=where(rows, columns or COLUMNS, None))


def of_type(kind: str, *values: object, **facts: Any) -> Statement:  # noqa: ANN401 - of a column
    """A page of the rows that have these values in a column of a type."""
    rows = Filter.of({"X": list(values)})
    columns = {"X": OracleColumn("X", kind, **facts)}
    return statements.page(filtered(rows, columns), Position.before(AT), 500)


ALL = {
    "session": session.SESSION,
    "now": session.NOW,
    "introduction": session.introduction(EVENTS),
    "open_transactions": session.OPEN_TRANSACTIONS[0][1],
    "open_transactions_with_holder": session.OPEN_TRANSACTIONS[1][1],
    "open_transactions_without_holder": session.OPEN_TRANSACTIONS[2][1],
    "open_transactions_of_one_node": session.OPEN_TRANSACTIONS[3][1],
    "apply_lag": session.APPLY_LAG,
    "applied": session.APPLIED,
    "page_first": statements.page(selection(), Position.before(AT), 20_000),
    "page_next": statements.page(selection(), Position(AT, 1234567890123456789), 20_000),
    "page_until": statements.page(selection(), Position(AT, 7), 500, UNTIL),
    "page_by_text_id": statements.page(selection(), Position(AT, "C-7"), 500),
    "page_by_date": statements.page(selection("DATE"), Position(UNTIL, 7), 500, AT),
    "page_by_zoned_time": statements.page(
        selection("TIMESTAMP(6) WITH TIME ZONE"), Position(AT, 7), 500
    ),
    "page_by_local_time": statements.page(
        selection("TIMESTAMP(6) WITH LOCAL TIME ZONE"), Position(AT, 7), 500
    ),
    "page_of_own_table": statements.page(
        selection(table=TableName(None, "Events")), Position.before(AT), 1
    ),
    "late_page": late_statements.late_page(
        selection(), Position(AT, 7), 10_001, UNTIL, [Run(1, 20), Run(31, 91, 10)]
    ),
    "late_page_by_date": late_statements.late_page(
        selection("DATE"), Position.before(AT), 10_001, UNTIL, [Run(n, n) for n in range(0, 10, 2)]
    ),
    "late_keys": late_statements.keys(selection(), Position(AT, 7), 50_001, UNTIL),
    "rows_at": late_statements.rows_at(selection(), [Position(AT, 7)]),
    "rows_at_of_text_ids": late_statements.rows_at(
        selection(), [Position(AT, "a"), Position(UNTIL, "b")]
    ),
    "digest": statements.digest(selection(), AT, UNTIL),
    "digest_by_date": statements.digest(selection("DATE"), AT, UNTIL),
    "digest_by_zoned_time_and_raw_id": statements.digest(
        dataclasses.replace(selection("TIMESTAMP(6) WITH TIME ZONE"), id_type="RAW"), AT, UNTIL
    ),
    "null_key_page_first": statements.null_key_page(selection(), None, 20_000),
    "null_key_page_next": statements.null_key_page(selection(), 7, 20_000),
    "page_by_raw_id": statements.page(
        dataclasses.replace(selection(), id_type="RAW"), Position(AT, "0A1B"), 500
    ),
    "page_filtered": statements.page(filtered(), Position(AT, 7), 500, UNTIL),
    "page_filtered_by_number": of_type("NUMBER", 1, "2.50", None),
    "page_filtered_by_null": of_type("VARCHAR2", None),
    "page_filtered_by_char": of_type("CHAR", "PAID", "", length=10),
    "page_filtered_by_date": of_type("DATE", "2026-01-31T18:30:00"),
    "page_filtered_by_zoned_time": of_type("TIMESTAMP(6) WITH TIME ZONE", "2026-01-31T18:30+01:00"),
    "page_filtered_by_raw": of_type("RAW", "0a1b"),
    "late_page_filtered": late_statements.late_page(
        filtered(), Position(AT, 7), 10_001, UNTIL, [Run(1, 20)]
    ),
    "late_keys_filtered": late_statements.keys(filtered(), Position(AT, 7), 50_001, UNTIL),
    "null_key_page_filtered": statements.null_key_page(filtered(), 7, 20_000),
    "null_key_count_filtered": dictionary.null_key_count(filtered(), 10_001),
    "table_columns": dictionary.table_columns(EVENTS),
    "json_columns": dictionary.json_columns(EVENTS),
    "synonym": dictionary.synonym(EVENTS),
    "table_keys": dictionary.table_keys(EVENTS),
    "table_indexes": dictionary.table_indexes(TableName(None, "EVENTS")),
    "readable_tables": dictionary.readable_tables("SPC"),
    "product": dictionary.PRODUCT,
    "plan": dictionary.PLAN,
    "null_key_count": dictionary.null_key_count(selection(), 10_001),
    "early_key_count": dictionary.early_key_count(selection(), 1_000),
    "early_key_count_by_date": dictionary.early_key_count(selection("DATE"), 1_000),
    "newest_key": dictionary.newest_key(selection()),
    "row_count": dictionary.row_count(EVENTS),
    "partitions": dictionary.partitions(EVENTS, "EVENT_TIMESTAMP"),
    "shares": shares.shares_statement(selection(), AT, UNTIL, 400, Sample(None, 1)),
    "shares_of_a_sample": shares.shares_statement(selection(), AT, UNTIL, 400, Sample(1.2, 300)),
    "shares_by_zoned_time": shares.shares_statement(
        selection("TIMESTAMP(6) WITH TIME ZONE"), AT, UNTIL, 4, Sample(None, 25)
    ),
    "lateness": dictionary.lateness(selection(), "CREATED_AT", "DATE", 100_000),
}


def as_text(statement: Statement) -> str:
    binds = [
        f"-- :{name} {type(value).__name__} {value!r}" for name, value in statement.binds.items()
    ]
    return "\n".join([statement.text, *binds, ""])


@pytest.mark.parametrize("name", ALL)
def test_the_text_is_the_reviewed_one(name: str) -> None:
    path = GOLDEN / f"{name}.sql"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(as_text(ALL[name]), encoding="utf-8")
    assert as_text(ALL[name]) == path.read_text(encoding="utf-8")


def test_no_reviewed_text_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.sql")} == set(ALL)


@pytest.mark.parametrize("statement", ALL.values(), ids=ALL)
def test_every_placeholder_has_its_bind_and_the_other_way_round(statement: Statement) -> None:
    bare = re.sub(r"""'[^']*'|"[^"]*\"""", "", statement.text)
    assert set(re.findall(r":(\w+)", bare)) == set(statement.binds)


@pytest.mark.parametrize("statement", ALL.values(), ids=ALL)
def test_no_bind_is_a_datetime_or_a_float(statement: Statement) -> None:
    assert {type(value) for value in statement.binds.values()} <= {str, int, type(None)}


@pytest.mark.parametrize("statement", ALL.values(), ids=ALL)
def test_nothing_that_changes_data_or_opens_a_transaction_is_sent(statement: Statement) -> None:
    assert re.match(r"SELECT |ALTER SESSION SET ", statement.text)
    assert not re.search(r"\b(FOR UPDATE|INSERT|UPDATE|DELETE|MERGE)\b", statement.text)


@pytest.mark.parametrize("id_", [7, "it's :after_key"])
def test_a_page_is_explained_with_its_values_in_the_text(id_: int | str) -> None:
    """EXPLAIN PLAN looks at no bind, and what stands in quotes is no bind."""
    page = statements.page(selection(), Position(AT, id_), 5)
    text = dictionary.explain(page)
    assert text.startswith(
        "EXPLAIN PLAN SET STATEMENT_ID = 'tap-oracle-txlog' FOR\nSELECT * FROM ("
    )
    assert text.count(f"TO_TIMESTAMP('{AT}', '{statements.NANOSECONDS}')") == 2
    assert f't."ID" > {id_})' in text or """t."ID" > 'it''s :after_key')""" in text
    bare = re.sub(r"""'(?:[^']|'')*'|"[^"]*\"""", "", text)
    assert ":" not in bare


@pytest.mark.parametrize("key_type", KEY_FORMS)
def test_the_key_column_itself_is_never_converted_in_a_condition(key_type: str) -> None:
    """Otherwise no index on it could be used."""
    text = statements.page(selection(key_type), Position(UNTIL, 7), 5, UNTIL).text
    conditions = text.partition("WHERE ")[2].partition("ROWNUM ")[0]
    assert len(re.findall(r't\."EVENT_TIMESTAMP" (?:>=|>|<) ', conditions)) == 3
    assert not re.search(r'\(t\."EVENT_TIMESTAMP"\s*[,)]', conditions)


@pytest.mark.parametrize("key_type", KEY_FORMS)
def test_the_order_is_that_of_the_columns_not_of_the_selected_text(key_type: str) -> None:
    text = statements.page(selection(key_type), Position.before(UNTIL), 5).text
    assert 'ORDER BY t."EVENT_TIMESTAMP", t."ID")\n' in text
    assert text.count(' "EVENT_TIMESTAMP"') == 1  # the alias in the select list


INSTANTS = st.datetimes().map(lambda at: instant(at.isoformat(timespec="microseconds") + "000"))


@given(key=st.datetimes().map(lambda at: at.isoformat(timespec="seconds")), at=INSTANTS)
def test_a_date_is_compared_with_an_instant_as_if_it_had_its_digits(key: str, at: Instant) -> None:
    """``key >= at`` and ``key < at`` hold for the rounded bind just when they hold for ``at``."""
    bound = KEY_FORMS["DATE"].text(at)
    full = key + ".000000000"
    assert (key >= bound) == (full >= at)
    assert (key < bound) == (full < at)


def test_a_position_between_two_seconds_of_a_date_key_starts_with_the_next_second() -> None:
    statement = statements.page(selection("DATE"), Position(AT, 7), 5)
    assert statement.binds == {"after_key": "2026-01-31T18:30:01"}


@pytest.mark.parametrize("at", [BEGINNING, END])
def test_the_edges_of_the_calendar_can_be_bound(at: Instant) -> None:
    for key_type in KEY_FORMS:
        binds = statements.page(selection(key_type), Position.before(at), 5, at).binds
        assert str(binds["after_key"])[:4] == at[:4]
