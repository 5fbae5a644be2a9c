"""The SQLAlchemy source: every row of a table behind a URL, in order and exactly."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import tempfile
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tap_oracle_txlog.errors import ConfigurationError, DataError, SourceUnreachableError, TapError
from tap_oracle_txlog.row import encode
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import BEGINNING, Instant, instant
from tap_oracle_txlog.rules.watermark import NotReadable
from tap_oracle_txlog.source import Page, SourceLostError
from tap_oracle_txlog.sqlalchemy.source import SqlAlchemySource
from tests.support.events import Event, EventTable, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

START = Position.before(BEGINNING)
VIENNA = ZoneInfo("Europe/Vienna")
SECRET = "s3cr3t-Pa55"


class Open(Protocol):
    def __call__(self, events: EventTable, **changes: object) -> SqlAlchemySource: ...


@pytest.fixture
def open_source() -> Iterator[Open]:
    with ExitStack() as stack:

        def opened(events: EventTable, **changes: object) -> SqlAlchemySource:
            source = source_of(events, **changes)
            stack.callback(source.close)
            return source

        yield opened


def source_of(events: EventTable, **changes: object) -> SqlAlchemySource:
    names: dict[str, Any] = {
        "table": "TXLOG_EVENTS",
        "replication_key": "EVENT_TIMESTAMP",
        "id_column": "ID",
    }
    return SqlAlchemySource(events.url, **(names | changes))


def table_of(tmp_path: Path, columns: str, *rows: tuple[object, ...]) -> EventTable:
    """A table with ID, EVENT_TIMESTAMP and ``columns``; ``rows`` hold the values of the latter."""
    create = f"CREATE TABLE TXLOG_EVENTS (ID INTEGER, EVENT_TIMESTAMP DATETIME, {columns})"
    made = EventTable(tmp_path / "typed.db", create)
    for number, row in enumerate(rows):
        values = (number, stamp(number), *row)
        marks = ", ".join("?" * len(values))
        made.execute_with(f"INSERT INTO TXLOG_EVENTS VALUES ({marks})", values)
    return made


def read_all(
    source: SqlAlchemySource, size: int, *, after: Position = START, until: Instant | None = None
) -> list[dict[str, Any]]:
    """All rows behind ``after``, page by page."""
    rows: list[dict[str, Any]] = []
    while True:
        page = source.page(after, size, until=until)
        rows += records(page)
        if len(page.rows) < size:
            return rows
        after = page.positions[-1]


def records(page: Page) -> list[dict[str, Any]]:
    return [row.record() for row in page.rows]


def ids(rows: list[dict[str, Any]]) -> list[Any]:
    return [row["ID"] for row in rows]


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from((0, 1, 999_999))), max_size=25),
    st.integers(1, 8),
)
def test_pages_hold_every_row_once_and_in_order_however_many_share_a_time(
    times: list[tuple[int, int]], size: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        table = EventTable(Path(folder) / "events.db")
        table.add(*(Event(number, stamp(*time)) for number, time in enumerate(times)))
        with closing(source_of(table)) as source:
            assert read_all(source, size) == table.records()


def test_a_position_is_the_stored_time_to_the_microsecond(
    table: EventTable, open_source: Open
) -> None:
    table.add(Event(7, stamp(1, 1)), Event(8, stamp(1, 999_999)))
    assert open_source(table).page(START, 9).positions == [
        Position(instant("2026-01-01T00:00:01.000001000"), 7),
        Position(instant("2026-01-01T00:00:01.999999000"), 8),
    ]


def test_a_page_ends_before_until(table: EventTable, open_source: Open) -> None:
    table.add(*(Event(number, stamp(0, number)) for number in range(5)))
    until = instant("2026-01-01T00:00:00.000003000")
    assert ids(read_all(open_source(table), 2, until=until)) == [0, 1, 2]


def test_bounds_finer_than_a_microsecond_lose_and_repeat_nothing(
    table: EventTable, open_source: Open
) -> None:
    table.add(*(Event(number, stamp(0, number)) for number in range(5)))
    source = open_source(table)
    between = instant("2026-01-01T00:00:00.000002500")
    before = read_all(source, 2, until=between)
    behind = read_all(source, 2, after=Position.before(between))
    behind_a_row = read_all(source, 2, after=Position(between, 99))
    assert (ids(before), ids(behind), ids(behind_a_row)) == ([0, 1, 2], [3, 4], [3, 4])


def test_the_first_year_of_the_calendar_can_be_read(table: EventTable, open_source: Open) -> None:
    table.add(Event(1, "0001-01-01 00:00:00.000000"), Event(2, "0987-06-05 04:03:02.000001"))
    assert ids(read_all(open_source(table), 9)) == [1, 2]


def test_a_zone_is_in_the_text_of_times_and_not_in_their_order(
    table: EventTable, open_source: Open
) -> None:
    table.add(Event(1, "2026-10-25 02:30:00.000000"), Event(2, "2026-12-01 00:00:00.000001"))
    source = open_source(table, zone=VIENNA)
    page = source.page(START, 9)
    assert [row["EVENT_TIMESTAMP"] for row in records(page)] == [
        "2026-10-25T02:30:00.000000+02:00",
        "2026-12-01T00:00:00.000001+01:00",
    ]
    assert page.positions[1].at == "2026-12-01T00:00:00.000001000"
    assert (source.key_zone, open_source(table).key_zone) == (VIENNA, None)


def test_rows_without_a_key_are_in_no_page_but_their_own(
    table: EventTable, open_source: Open
) -> None:
    table.add(Event(1, stamp(1)), *(Event(number, None) for number in (9, 5, 7)))
    source = open_source(table)
    assert ids(read_all(source, 10)) == [1]
    first = source.null_key_page(None, 2)
    second = source.null_key_page(first.positions[-1].id, 2)
    assert [ids(records(page)) for page in (first, second)] == [[5, 7], [9]]
    assert records(first)[0]["EVENT_TIMESTAMP"] is None


def test_what_is_committed_between_two_pages_is_in_the_second(
    table: EventTable, open_source: Open
) -> None:
    table.add(*(Event(number, stamp(number)) for number in (1, 2, 4)))
    source = open_source(table)
    page = source.page(START, 2)
    table.add(Event(3, stamp(3)))
    assert ids(records(source.page(page.positions[-1], 9))) == [3, 4]


def test_ids_may_be_text(tmp_path: Path) -> None:
    create = "CREATE TABLE TXLOG_EVENTS (ID VARCHAR(9), EVENT_TIMESTAMP DATETIME)"
    table = EventTable(tmp_path / "text.db", create)
    rows = [(name, stamp(1)) for name in ("b", "a", "Z", "c")]
    table.execute_with("INSERT INTO TXLOG_EVENTS VALUES (?, ?)", *rows)
    with closing(source_of(table)) as source:
        assert ids(read_all(source, 2)) == ["Z", "a", "b", "c"]


def test_ids_of_a_decimal_column_are_integers_with_all_their_digits(tmp_path: Path) -> None:
    create = "CREATE TABLE TXLOG_EVENTS (ID NUMERIC(19, 0), EVENT_TIMESTAMP DATETIME)"
    table = EventTable(tmp_path / "wide.db", create)
    wide = [9_007_199_254_740_992 + number for number in range(6)]  # floats step by two up there
    table.execute_with("INSERT INTO TXLOG_EVENTS VALUES (?, ?)", *((one, stamp(1)) for one in wide))
    with closing(source_of(table)) as source:
        assert ids(read_all(source, 2)) == wide
        assert [position.id for position in source.page(START, 9).positions] == wide


@pytest.mark.parametrize(
    ("declared", "stored", "written"),
    [
        ("DECIMAL(20, 2)", 12.5, "12.5"),
        ("DECIMAL(20, 2)", 0.1, "0.1"),
        ("NUMERIC(18, 0)", 900_719_925_474_099_301, "900719925474099301"),
        ("NUMERIC(30, 15)", 0.123456789012345, "0.123456789012345"),
        ("BIGINT", 2**63 - 1, "9223372036854775807"),
        ("FLOAT", 0.1, "0.1"),
        ("BOOLEAN", 1, "true"),
        ("BOOLEAN", 0, "false"),
        ("DATE", "2024-02-29", '"2024-02-29"'),
        ("DATETIME", "2024-02-29 23:59:59.000001", '"2024-02-29T23:59:59.000001+00:00"'),
        ("BLOB", b"\x00\xff", '"AP8="'),
        ("JSON", '{"a": [1, null]}', '{"a":[1,null]}'),
        ("JSON", r'{"\ud800": [0.10]}', r'{"\ud800":[0.10]}'),
        ("TEXT", 'é"\n結', '"é\\"\\n結"'),
        ("TEXT", "", '""'),
        ("DECIMAL(20, 2)", None, "null"),
        ("BLOB", None, "null"),
        ("DATE", None, "null"),
    ],
)
def test_a_value_comes_out_exactly_and_as_its_schema_says(
    tmp_path: Path, open_source: Open, declared: str, stored: object, written: str
) -> None:
    source = open_source(table_of(tmp_path, f"VALUE {declared}", (stored,)))
    (row,) = records(source.page(START, 9))
    assert encode(row["VALUE"]).decode() == written
    (schema,) = (column.json_schema for column in source.columns() if column.name == "VALUE")
    Draft202012Validator(schema).validate(json.loads(written))


def test_a_column_that_has_no_json_form_is_left_out_with_a_warning(
    tmp_path: Path, open_source: Open, caplog: pytest.LogCaptureFixture
) -> None:
    source = open_source(table_of(tmp_path, "ODD TIME, GOOD TEXT", ("12:00:00", "x")))
    assert [column.name for column in source.columns()] == ["ID", "EVENT_TIMESTAMP", "GOOD"]
    assert "ODD" not in records(source.page(START, 9))[0]
    assert [(entry.levelname, "ODD" in entry.message) for entry in caplog.records] == [
        ("WARNING", True)
    ]


def test_selected_columns_come_in_table_order_and_always_with_id_and_key(
    table: EventTable, open_source: Open
) -> None:
    table.add(Event(1, stamp(1), "x"))
    source = open_source(table, columns=["EVENT_DATA", "CASE_ID"])
    names = ["ID", "CASE_ID", "EVENT_DATA", "EVENT_TIMESTAMP"]
    assert [column.name for column in source.columns()] == names
    assert list(records(source.page(START, 9))[0]) == names


@pytest.mark.parametrize(
    "odd",
    [
        "2026-01-01T00:00:02",
        "2026-13-01 00:00:02.000000",
        "2026-01-01 00:00:02",
        "2026-01-01 00:00:02.5",
        "2026-01-01",
        "soon",
    ],
)
def test_a_time_stored_in_a_form_that_does_not_sort_is_refused_with_the_remedy(
    table: EventTable, open_source: Open, odd: str
) -> None:
    table.add(Event(1, stamp(1)), Event(2, odd), Event(3, stamp(3)))
    pattern = r"EVENT_TIMESTAMP of the row with ID 2 .*YYYY-MM-DD HH:MM:SS\.ffffff"
    with pytest.raises(DataError, match=pattern) as refused:
        open_source(table).page(START, 9)
    assert odd not in str(refused.value)


@pytest.mark.parametrize("odd", [1_767_225_602, 1_767_225_602.5])
def test_a_time_stored_as_a_number_is_refused_as_no_page_would_show_it(
    table: EventTable, odd: float
) -> None:
    table.add(Event(1, stamp(1)))
    table.execute_with("UPDATE TXLOG_EVENTS SET EVENT_TIMESTAMP = ?", (odd,))
    with pytest.raises(DataError, match="EVENT_TIMESTAMP of the row with ID 1 holds") as refused:
        source_of(table)
    assert str(odd) not in str(refused.value)


def test_text_that_is_not_utf8_is_an_error_that_does_not_show_it(
    table: EventTable, open_source: Open
) -> None:
    table.add(Event(1, stamp(1)))
    table.execute_with(
        "UPDATE TXLOG_EVENTS SET EVENT_DATA = CAST(? AS TEXT)", (SECRET.encode() + b"\xff",)
    )
    with pytest.raises(DataError, match="EVENT_DATA") as refused:
        open_source(table).page(START, 9)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"table": "NOPE"}, ("table NOPE", "Set table")),
        ({"table": "SPC.TXLOG_EVENTS"}, ("table SPC.TXLOG_EVENTS", "Set table")),
        ({"replication_key": "NOPE"}, ("no column NOPE", "It has ID, CASE_ID, EVENT_TYPE")),
        ({"id_column": "NOPE"}, ("no column NOPE", "EVENT_TIMESTAMP")),
        ({"columns": ["CASE_ID", "NOPE"]}, ("no column NOPE", "CREATED_AT")),
        ({"replication_key": "ID"}, ("ID", "replication_key", "DATETIME or TIMESTAMP")),
        ({"replication_key": "CASE_ID"}, ("CASE_ID", "VARCHAR", "DATETIME or TIMESTAMP")),
    ],
)
def test_a_table_or_column_that_cannot_serve_is_named_with_those_that_can(
    table: EventTable, changes: dict[str, Any], words: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        source_of(table, **changes)
    assert all(word in str(refused.value) for word in words), str(refused.value)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        (f"nonsense {SECRET}", ConfigurationError),
        (f"nosuch://user:{SECRET}@host/db", ConfigurationError),
        (f"mysql+pymysql://user:x@host:{SECRET}/db", ConfigurationError),
        (f"mysql+nosuch://user:{SECRET}@host/db", ConfigurationError),
        (f"mysql+pymysql://user:{SECRET}@127.0.0.1:1/db", SourceUnreachableError),
        (f"sqlite:////nowhere/{SECRET}/events.db", SourceUnreachableError),
    ],
)
def test_a_url_that_does_not_work_is_never_shown(url: str, error: type[TapError]) -> None:
    with pytest.raises(error, match="`sqlalchemy_url`") as refused:
        SqlAlchemySource(url, table="T", replication_key="K", id_column="I")
    shown = "".join(map(str, causes(refused.value)))
    assert SECRET not in shown


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that a traceback would show with it."""
    yield error
    behind = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if behind is not None:
        yield from causes(behind)


def test_a_locked_file_is_a_lost_source_and_not_an_error_of_the_data(table: EventTable) -> None:
    table.add(Event(1, stamp(1)))
    with (
        closing(SqlAlchemySource(
            f"{table.url}?timeout=0",
            table="TXLOG_EVENTS",
            replication_key="EVENT_TIMESTAMP",
            id_column="ID",
        )) as source,
        closing(sqlite3.connect(table.path)) as writer,
    ):  # fmt: skip
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SourceLostError, match="locked") as lost:
            source.page(START, 9)
        assert isinstance(lost.value.error, SourceUnreachableError)
        writer.rollback()
        assert ids(read_all(source, 9)) == [1]


def test_the_clock_is_utc_and_moves_on(table: EventTable, open_source: Open) -> None:
    source = open_source(table)
    before = dt.datetime.now(dt.UTC)
    clocks = [source.clock() for _ in range(3)]
    after = dt.datetime.now(dt.UTC)
    seconds = [dt.datetime.fromisoformat(f"{clock[:26]}+00:00") for clock in clocks]
    millisecond = dt.timedelta(milliseconds=1)  # SQLite cuts below it
    assert before - millisecond <= seconds[0] <= after
    assert all(earlier <= later for earlier, later in pairwise(clocks))


def test_open_transactions_cannot_be_seen_and_no_grant_would_help(
    table: EventTable, open_source: Open
) -> None:
    answer = open_source(table).open_transactions()
    assert isinstance(answer, NotReadable)
    assert not answer.right_missing
    assert "sqlite" in answer.why


def test_closing_twice_is_once(table: EventTable) -> None:
    source = source_of(table)
    source.close()
    source.close()


@pytest.mark.parametrize("stored", ["2026-02-30 00:00:00.000000", "2026-01-01 24:00:01.000000"])
@pytest.mark.parametrize("column", ["EVENT_TIMESTAMP", "CREATED_AT"])
def test_a_time_that_the_calendar_does_not_have_is_refused_in_any_column(
    table: EventTable, open_source: Open, column: str, stored: str
) -> None:
    table.add(Event(1, stamp(1)), Event(2, stamp(2)))
    table.execute_with(f"UPDATE TXLOG_EVENTS SET {column} = ? WHERE ID = 2", (stored,))
    with pytest.raises(DataError, match=rf"{column} of the row with ID 2 .*(type|Store times as)"):
        open_source(table).page(START, 9)


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        ("DATE", "soon"),
        ("DATETIME", "soon"),
        ("DECIMAL(9, 2)", "much"),
        ("JSON", "{"),
        ("BLOB", "text"),
    ],
)
def test_a_value_that_is_none_of_its_type_is_told_by_column_and_id(
    tmp_path: Path, kind: str, stored: str
) -> None:
    path = tmp_path / "odd.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE ODD (T DATETIME, ID INTEGER, GOOD TEXT, BAD {kind})")
        for number, value in ((1, None), (2, stored)):
            row = ("2026-01-01 00:00:00.000000", number, stored, value)
            connection.execute("INSERT INTO ODD VALUES (?, ?, ?, ?)", row)
    source = SqlAlchemySource(f"sqlite:///{path}", table="ODD", replication_key="T", id_column="ID")
    with closing(source), pytest.raises(DataError) as caught:
        source.page(START, 9)
    assert caught.value.reason.startswith("cannot read ODD: column BAD of the row with ID 2 (")
    assert stored not in caught.value.reason


@pytest.mark.parametrize(
    ("stored", "written"),
    [
        ("2026-01-01", "2026-01-01T00:00:00.000000"),
        ("2026-01-01T01:02:03", "2026-01-01T01:02:03.000000"),
        ("2026-01-01 01:02:03.5", "2026-01-01T01:02:03.500000"),
        (None, None),
    ],
)
@pytest.mark.parametrize("zone", [None, VIENNA])
def test_times_beside_the_key_may_be_in_any_iso_form_and_come_out_in_one(
    table: EventTable,
    open_source: Open,
    stored: str | None,
    written: str | None,
    zone: ZoneInfo | None,
) -> None:
    table.add(Event(1, stamp(1)), Event(2, stamp(2)))
    table.execute_with("UPDATE TXLOG_EVENTS SET CREATED_AT = ? WHERE ID = 2", (stored,))
    rows = records(open_source(table, zone=zone).page(START, 9))
    offset = "+00:00" if zone is None else "+01:00"
    expected = written and f"{written}{offset}"
    assert [row["CREATED_AT"] for row in rows] == [f"2026-01-01T00:00:00.000000{offset}", expected]


def test_what_is_not_selected_is_in_no_row_but_id_and_key_always_are(
    table: EventTable, open_source: Open
) -> None:
    table.add(Event(1, stamp(1), "x"))
    source = open_source(table, selected={"EVENT_TYPE", "NOT_THERE"})
    assert list(records(source.page(START, 9))[0]) == ["ID", "EVENT_TYPE", "EVENT_TIMESTAMP"]


def test_a_column_whose_name_no_record_can_have_is_an_error_with_the_remedy(
    tmp_path: Path,
) -> None:
    table = table_of(tmp_path, '"A\\B" TEXT, C TEXT', ("x", "y"))
    with pytest.raises(ConfigurationError, match=r"backslash.*`columns`"):
        source_of(table)
    with closing(source_of(table, columns=["C"])) as source:
        assert records(source.page(START, 9))[0]["C"] == "y"
