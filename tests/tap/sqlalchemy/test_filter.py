"""A filter in SQL gives the rows that the same filter gives in Python, and nothing else happens."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.rules.filter import Filter
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import BEGINNING, END
from tap_oracle_txlog.sqlalchemy.source import SqlAlchemySource
from tests.support.events import EventTable, stamp

if TYPE_CHECKING:
    from pathlib import Path

CREATE = """
CREATE TABLE T (
    ID INTEGER PRIMARY KEY, AT DATETIME, "Case Id" VARCHAR(64), N INTEGER, D NUMERIC(10, 2),
    WHEN_ DATETIME, DAY DATE, B BLOB, F BOOLEAN
)"""
COLUMNS = ("Case Id", "N", "D", "WHEN_", "DAY")
HOSTILE = [
    "'; DROP TABLE T; --",
    '"',
    "' OR '1'='1",
    "%",
    "_",
    ":f0_0",
    "\\",
    "",
    " C1",
    "C1 ",
    "c1",
]
TEXTS = st.sampled_from([*HOSTILE, "C1", "C2", "Ünï"])
INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 2)
DECIMALS = st.sampled_from(["0", "1", "1.5", "-2.25", "1000000"])
TIMES = st.builds(stamp, st.integers(0, 3), st.sampled_from([0, 1, 999_999]))
DAYS = st.sampled_from(["2026-01-31", "2026-02-01", "1999-12-31"])
OF_COLUMN: dict[str, st.SearchStrategy[Any]] = {
    "Case Id": TEXTS,
    "N": INTEGERS,
    "D": DECIMALS,
    "WHEN_": TIMES,
    "DAY": DAYS,
}
ROWS = st.lists(st.tuples(*(st.none() | OF_COLUMN[name] for name in COLUMNS)), max_size=12)
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        name: st.lists(st.none() | values, min_size=1, max_size=4)
        for name, values in OF_COLUMN.items()
    },
).filter(bool)


@pytest.fixture
def table(tmp_path: Path) -> EventTable:
    return EventTable(tmp_path / "t.db", CREATE)


def fill(table: EventTable, rows: list[tuple[Any, ...]]) -> None:
    table.execute("DELETE FROM T")
    insert = "INSERT INTO T VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)"
    table.execute_with(insert, *((n, stamp(n), *row) for n, row in enumerate(rows)))


def source(table: EventTable, given: dict[str, Any] | None) -> SqlAlchemySource:
    rows = Filter.of(given)
    return SqlAlchemySource(table.url, table="T", replication_key="AT", id_column="ID", rows=rows)


def read(table: EventTable, given: dict[str, Any] | None) -> list[object]:
    """The ids by every question for rows that there is."""
    start = Position.before(BEGINNING)
    with closing(source(table, given)) as opened:
        page = opened.page(start, 100, until=END)
        positions = opened.keys(start, 100)
        found = [row.record()["ID"] for row in page.rows]
        assert [position.id for position in positions] == found
    return found


def plain(column: str, value: object) -> object:
    return Decimal(str(value)) if column in {"D", "N"} and value is not None else value


def is_wanted(row: dict[str, object], given: dict[str, Any]) -> bool:
    """The definition: in each column, one of the values."""
    return all(
        plain(name, row[name]) in [plain(name, value) for value in values]
        for name, values in given.items()
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(ROWS, FILTERS)
@example([(text, 1, "1", None, None) for text in HOSTILE], {"Case Id": HOSTILE})
@example([("C1", None, None, None, None)], {"Case Id": ["C1"], "N": [None]})
def test_a_filter_in_sql_gives_what_it_gives_in_python(
    table: EventTable, rows: list[tuple[Any, ...]], given: dict[str, Any]
) -> None:
    fill(table, rows)
    wanted = [
        number
        for number, row in enumerate(rows)
        if is_wanted(dict(zip(COLUMNS, row, strict=True)), given)
    ]
    assert read(table, given) == wanted
    assert read(table, None) == list(range(len(rows)))  # nothing else has happened


def test_numbers_of_more_than_64_bits_are_asked_for_and_not_found(table: EventTable) -> None:
    fill(table, [("C1", 1, "1", None, None)])
    for column in ("N", "D"):
        assert read(table, {column: [10**20, -(2**63) - 1, 10**37]}) == []
        assert read(table, {column: [10**20, 1]}) == [0]


@pytest.mark.parametrize(
    "name", ["NOPE", 'ID" = "ID" OR 1=1 --', "ID; DROP TABLE T", "1=1 OR N", "n\0", ""]
)
def test_a_name_that_is_no_column_is_refused_and_does_nothing(table: EventTable, name: str) -> None:
    fill(table, [("C1", 1, "1", None, None)])
    with pytest.raises(ConfigurationError) as caught:
        source(table, {name: ["C1"]})
    assert "has no column" in str(caught.value)
    assert read(table, None) == [0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"B": ["00"]}, "names the column B, which is BLOB"),
        ({"F": [1]}, "names the column F, which is BOOLEAN"),
        ({"N": ["C0137"]}, "value for N (INTEGER) that is not a number"),
        ({"Case Id": [137]}, "(VARCHAR(64)) that is not a text"),
        ({"WHEN_": ["2026-01-01T00:00:00.123456789"]}, "not a whole microsecond"),
    ],
)
def test_a_column_or_value_that_cannot_be_compared_is_refused(
    table: EventTable, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        source(table, given)
    assert words in str(caught.value)
    assert "C0137" not in str(caught.value)


def test_rows_without_a_replication_key_are_filtered_too(table: EventTable) -> None:
    fill(table, [("C1", 1, "1", None, None), ("C2", 1, "1", None, None)])
    table.execute("UPDATE T SET AT = NULL")
    with closing(source(table, {"Case Id": ["C2"]})) as opened:
        assert opened.null_keys(10) == 1
        assert [row.record()["ID"] for row in opened.null_key_page(None, 10).rows] == [1]


def steps(table: EventTable, given: dict[str, Any]) -> str:
    """How SQLite says that it finds a page."""
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, text: str, values: Any, *___: object) -> None:  # noqa: ANN401 - as SQLAlchemy calls it
        asked.append((text, values))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    read(table, given)
    sa.event.remove(sa.Engine, "before_cursor_execute", note)
    (text, values) = next(each for each in asked if "LIMIT" in each[0] and '"Case Id"' in each[0])
    with closing(sqlite3.connect(table.path)) as connection:
        found = connection.execute(f"EXPLAIN QUERY PLAN {text}", values)
        return " ".join(str(row[3]) for row in found)


def test_the_index_that_is_named_is_the_one_that_finds_the_rows(table: EventTable) -> None:
    given = {"Case Id": ["C1"]}
    with closing(source(table, given)) as opened:
        finding = opened.access()
    assert finding is not None
    assert (finding.status, "all rows of the time range" in finding.text) == ("warning", True)
    table.execute(finding.fix)
    with closing(source(table, given)) as opened:
        finding = opened.access()
    assert finding is not None
    assert finding.status == "ok"
    assert "IX_T_Case Id" in finding.text
    assert "USING INDEX IX_T_Case Id" in steps(table, given)


def test_the_primary_key_serves_as_well_and_without_a_filter_nothing_is_said(
    table: EventTable,
) -> None:
    with closing(source(table, {"ID": [1]})) as opened:
        finding = opened.access()
    assert finding is not None
    assert finding.status == "ok"
    with closing(source(table, None)) as opened:
        assert opened.access() is None


def test_a_name_in_the_wrong_case_is_told_with_the_right_one(table: EventTable) -> None:
    with pytest.raises(ConfigurationError, match=r"`filter`") as caught:
        source(table, {"when_": ["C1"]})
    assert "Did you mean WHEN_? It has" in str(caught.value)
