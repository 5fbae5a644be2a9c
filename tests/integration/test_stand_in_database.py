"""The stand-in's tables: order, visibility, and the tap's own statements on them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import oracledb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.oracle import dictionary, session, statements
from tap_oracle_txlog.oracle.identifiers import TableName
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import Instant
from tools.oracle_stand_in import faults
from tools.oracle_stand_in.database import Table
from tools.oracle_stand_in.events import event, numbered, txlog_events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_oracle_txlog.oracle.statements import Statement
    from tools.oracle_stand_in.server import StandIn

EVENTS = statements.Selection(
    TableName("SPC", "TXLOG_EVENTS"),
    ('t."ID"', 't."EVENT_DATA"'),
    key="EVENT_TIMESTAMP",
    key_type="TIMESTAMP",
    id="ID",
)
NOON = "2026-01-01T12:00:00.000000000"
START = Position(Instant("2026-01-01T00:00:00.000000000"), None)


class Client:
    """The driver as the tap uses it: LOBs inline, many rows to a fetch."""

    def __init__(self, connection: oracledb.Connection) -> None:
        self._connection = connection

    def ask(self, statement: Statement, array: int = 1000) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.arraysize = array
            return cursor.execute(statement.text, dict(statement.binds)).fetchall()  # type: ignore[no-any-return]

    def ids(
        self, after: Position = START, limit: int = 1000, until: Instant | None = None
    ) -> list[int]:
        return [row[0] for row in self.ask(statements.page(EVENTS, after, limit, until))]


@pytest.fixture
def client(oracle: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setattr(oracledb.defaults, "fetch_lobs", False)
    with oracledb.connect(user=oracle.user, password=oracle.password, dsn=oracle.dsn) as connection:
        yield Client(connection)


@pytest.fixture
def events(oracle: StandIn) -> Table:
    return oracle.database.tables["SPC.TXLOG_EVENTS"]


TIMES = [f"2026-01-01T00:00:0{second}.000000000" for second in range(5)]


@given(
    st.dictionaries(st.integers(0, 30), st.sampled_from([*TIMES, None])),
    st.integers(0, 12),
    st.tuples(st.sampled_from(TIMES), st.integers(-1, 130)),
)
def test_a_scan_is_what_filtering_and_sorting_all_rows_would_give(
    inserted: dict[int, str | None], generated: int, after: tuple[str, int]
) -> None:
    table = txlog_events()
    table.insert(*(event(100 + id_, at) for id_, at in inserted.items()))
    table.generate(generated, lambda id_: event(id_, TIMES[id_ // 4]))
    places = [(at, 100 + id_) for id_, at in inserted.items() if at is not None]
    places += [(TIMES[id_ // 4], id_) for id_ in range(generated)]
    found = table.scan("EVENT_TIMESTAMP", "ID", lambda position: position > after)
    assert [(row[4], row[0]) for row in found] == sorted(x for x in places if x > after)


def test_pages_follow_each_other_through_ties_and_fractions(events: Table, client: Client) -> None:
    events.generate(1000, numbered)
    events.insert(event(5000, "2026-01-01T00:00:00.000001"), event(-7, "2026-01-01T00:00:00"))
    read, after = [], START
    while rows := client.ask(statements.page(EVENTS, after, 3)):
        read += [row[0] for row in rows]
        after = Position(rows[-1][-1], rows[-1][0])
    assert read == [-7, 0, 1, 2, 3, 5000, *range(4, 1000)]


def test_a_page_ends_before_its_limit_in_time(events: Table, client: Client) -> None:
    events.generate(100, numbered)
    until = Instant("2026-01-01T00:00:00.002000000")
    assert client.ids(until=until) == list(range(8))
    assert client.ids(Position(until, 9), until=until) == []


def test_the_bookmark_is_bound_as_text_with_nine_digits(oracle: StandIn, client: Client) -> None:
    client.ids(Position(Instant(NOON), 17))
    (call,) = oracle.executed("page")
    assert [tuple(bind) for bind in call.binds] == [
        ("after_key", 1, NOON),
        ("after_key", 1, NOON),
        ("after_id", 2, 17),
    ]


@pytest.mark.parametrize(
    ("declared", "stored", "key"),
    [
        ("DATE", NOON[:19], NOON),
        ("TIMESTAMP(0)", NOON[:19], NOON),
        ("TIMESTAMP(9)", "2026-01-01T12:00:00.123456789", "2026-01-01T12:00:00.123456789"),
        ("TIMESTAMP(6) WITH TIME ZONE", "2026-01-01T20:00:00.5+08:00", NOON[:20] + "500000000"),
        ("TIMESTAMP(6) WITH LOCAL TIME ZONE", NOON[:19], NOON),
    ],
)
def test_every_key_type_is_read_and_continued_in_utc(
    oracle: StandIn, client: Client, declared: str, stored: str, key: str
) -> None:
    table = oracle.database.create(Table("SPC.T", ["ID NUMBER(9)", f"AT {declared}"]))
    table.insert((2, stored), (1, stored), (3, None))
    kind = table.columns[1].type
    read = statements.Selection(TableName("SPC", "T"), ('t."ID"',), "AT", kind, "ID")
    assert client.ask(statements.page(read, START, 9)) == [(1, key), (2, key)]
    assert client.ask(statements.page(read, Position(Instant(key), 1), 9)) == [(2, key)]
    assert client.ask(dictionary.newest_key(read)) == [(key,)]
    assert client.ask(statements.null_key_page(read, None, 9)) == [(3, None)]
    assert client.ask(statements.null_key_page(read, 3, 9)) == []
    assert client.ask(dictionary.null_key_count(read, 9)) == [(1,)]


def test_a_bind_that_would_convert_the_key_column_is_an_error(
    oracle: StandIn, client: Client
) -> None:
    oracle.database.create(Table("SPC.T", ["ID NUMBER(9)", "AT DATE"]))
    read = statements.Selection(TableName("SPC", "T"), ('t."ID"',), "AT", "TIMESTAMP", "ID")
    with pytest.raises(oracledb.DatabaseError, match="converts the DATE column"):
        client.ask(statements.page(read, START, 9))


def test_a_bind_of_another_type_than_the_column_s_is_an_error(client: Client) -> None:
    with pytest.raises(oracledb.DatabaseError, match="after_id has no one value of type code 2"):
        client.ids(Position(Instant(NOON), "17"))


def test_a_page_that_orders_by_another_column_than_it_compares_is_an_error(
    oracle: StandIn, client: Client
) -> None:
    page = statements.page(EVENTS, Position(Instant(NOON), 17), 9)
    for right, wrong, code in (
        ('BY t."EVENT_TIMESTAMP", t."ID"', 'BY t."CREATED_AT", t."ID"', "ORA-00900"),
        ('BY t."EVENT_TIMESTAMP", t."ID"', 'BY t."EVENT_TIMESTAMP", t."CASE_ID"', "ORA-01722"),
    ):
        with pytest.raises(oracledb.DatabaseError, match=code):
            client.ask(replace(page, text=page.text.replace(right, wrong)))
    assert len(oracle.unmatched) == 1
    oracle.unmatched.clear()


def test_a_column_that_is_not_there_is_ora_00904(client: Client) -> None:
    for changes in ({"expressions": ('t."NO"',)}, {"key": "NO"}, {"id": "NO"}):
        with pytest.raises(oracledb.DatabaseError, match=r'ORA-00904.*"NO"'):
            client.ask(statements.page(replace(EVENTS, **changes), START, 9))


def test_a_row_is_seen_once_its_transaction_has_committed_and_not_before(
    oracle: StandIn, events: Table, client: Client
) -> None:
    oracle.database.clock = lambda: NOON
    late = oracle.database.begin(started="2026-01-01T11:59:58.7", user="BATCH")
    late.insert(events, event(1, NOON[:19]))
    events.insert(event(2, NOON[:19]))
    assert client.ids() == [2]
    _, whole = session.OPEN_TRANSACTIONS[0]
    assert client.ask(whole) == [("2026-01-01T11:59:58", late.sid, "BATCH", late.xid, None, 1, 1)]
    late.commit()
    assert client.ids() == [1, 2]
    assert client.ask(whole) == [(None, None, None, None, None, 1, 1)]


def test_a_rolled_back_transaction_leaves_nothing(
    oracle: StandIn, events: Table, client: Client
) -> None:
    transaction = oracle.database.begin()
    transaction.insert(events, event(1, NOON[:19]))
    transaction.rollback()
    assert client.ids() == []
    assert client.ask(session.OPEN_TRANSACTIONS[2][1]) == [(None,) * 7]


def test_a_commit_can_be_timed_between_two_pages(
    oracle: StandIn, events: Table, client: Client
) -> None:
    events.generate(8, numbered)
    late = oracle.database.begin()
    late.insert(events, event(99, "2026-01-01T00:00:00"))
    oracle.faults.set("execute", faults.run(late.commit), nth=2, statement="page")
    assert client.ids(limit=4) == [0, 1, 2, 3]
    assert client.ids(limit=4) == [0, 1, 2, 3]
    assert client.ids(limit=5) == [0, 1, 2, 3, 99]


def test_a_query_does_not_see_what_commits_while_it_is_fetched(
    oracle: StandIn, events: Table, client: Client
) -> None:
    events.insert(*(event(id_, NOON[:19]) for id_ in range(10)))
    late = oracle.database.begin()
    late.insert(events, event(99, NOON[:19]))
    oracle.faults.set("fetch", faults.run(late.commit), nth=2)
    read = client.ask(statements.page(EVENTS, START, 99), array=3)
    assert [row[0] for row in read] == list(range(10))
    assert client.ids()[-1] == 99


@pytest.mark.parametrize(
    ("hidden", "refused"),
    [
        ({"DBA_2PC_PENDING"}, [True, False, False, False]),
        ({"GV$SESSION"}, [True, True, False, False]),
        ({"GV$TRANSACTION"}, [True, True, True, False]),
        ({"GV$TRANSACTION", "V$TRANSACTION"}, [True, True, True, True]),
    ],
)
def test_a_view_without_a_grant_is_ora_00942(
    oracle: StandIn, client: Client, hidden: set[str], refused: list[bool]
) -> None:
    oracle.database.hidden |= hidden
    for (_, statement), is_refused in zip(session.OPEN_TRANSACTIONS, refused, strict=True):
        if is_refused:
            with pytest.raises(oracledb.DatabaseError, match="ORA-00942"):
                client.ask(statement)
        else:
            assert client.ask(statement)[0][:3] == (None, None, None)


def test_a_table_without_a_grant_is_neither_read_nor_described(
    oracle: StandIn, client: Client
) -> None:
    assert client.ask(dictionary.readable_tables("SPC")) == [("SPC", "TXLOG_EVENTS", "TABLE", None)]
    oracle.database.hidden.add("SPC.TXLOG_EVENTS")
    with pytest.raises(oracledb.DatabaseError, match="ORA-00942"):
        client.ids()
    assert client.ask(dictionary.table_columns(EVENTS.table)) == []
    assert client.ask(dictionary.readable_tables("SPC")) == []


def test_the_dictionary_describes_the_table(client: Client) -> None:
    assert client.ask(dictionary.table_columns(EVENTS.table)) == [
        ("ID", "NUMBER", 19, 0, 0, "N"),
        ("CASE_ID", "VARCHAR2", None, None, 64, "Y"),
        ("EVENT_TYPE", "VARCHAR2", None, None, 64, "Y"),
        ("EVENT_DATA", "CLOB", None, None, 0, "Y"),
        ("EVENT_TIMESTAMP", "TIMESTAMP(6)", None, 6, 0, "Y"),
        ("CREATED_AT", "TIMESTAMP(6)", None, 6, 0, "Y"),
    ]
    assert client.ask(dictionary.table_keys(EVENTS.table)) == [("PK_TXLOG_EVENTS", "P", "ID")]
    assert client.ask(dictionary.table_indexes(EVENTS.table)) == [
        (index, column, None, "ASC", "VALID", "VISIBLE", None, None, 0)
        for index, column in (
            ("IX_TXLOG_EVENTS_TS", "EVENT_TIMESTAMP"),
            ("IX_TXLOG_EVENTS_TS", "ID"),
            ("PK_TXLOG_EVENTS", "ID"),
        )
    ]


def test_the_database_has_its_own_clock_and_role(oracle: StandIn, client: Client) -> None:
    oracle.database.clock = lambda: NOON
    oracle.database.role = "PHYSICAL STANDBY"
    oracle.database.host_zone = ZoneInfo("America/New_York")
    assert client.ask(session.NOW)[0][:3] == (NOON, "-05:00", "PHYSICAL STANDBY")


def test_lateness_is_the_distance_of_two_columns(events: Table, client: Client) -> None:
    events.insert((1, "C", "T", None, NOON[:19], "2026-01-01T12:00:01.9"))
    events.insert((2, "C", "T", None, "2026-01-01T12:00:05", NOON[:19]), event(3, None))
    lateness = dictionary.lateness(EVENTS, "CREATED_AT", "TIMESTAMP", 100)
    assert client.ask(lateness) == [(2, -5, 1)]


def test_100_000_rows_take_few_round_trips_and_seconds(
    oracle: StandIn, events: Table, client: Client
) -> None:
    events.generate(1_000_000, numbered)
    started, after, count = time.monotonic(), Position(START.at, None), 0
    for _ in range(5):
        rows = client.ask(statements.page(EVENTS, after, 20_000))
        count, after = count + len(rows), Position(rows[-1][-1], rows[-1][0])
    assert (count, after.id) == (100_000, 99_999)
    assert sum(oracle.round_trips().values()) <= 150
    assert time.monotonic() - started < 20


def test_a_value_that_the_column_could_not_hold_is_refused_at_insert(events: Table) -> None:
    with pytest.raises(ValueError, match="6 digits"):
        events.insert(event(1, "2026-01-01T12:00:00.1234567"))
    with pytest.raises(ValueError, match="not a time"):
        events.insert(event(1, "yesterday"))


def test_the_stand_in_runs_as_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracledb.defaults, "fetch_lobs", False)
    command = [sys.executable, "-m", "tools.oracle_stand_in", "--rows", "10"]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        with oracledb.connect(**facts) as connection:
            assert Client(connection).ids() == list(range(10))
        output, _ = process.communicate(timeout=20)
    report = json.loads(output)
    assert report["problems"] == []
    assert report["round_trips"]["execute"] == 1
