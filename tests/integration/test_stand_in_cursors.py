"""Queries, fetches and what goes wrong in them, through the real driver."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import oracledb
import pytest

from tools.oracle_stand_in import faults
from tools.oracle_stand_in.logon import OPEN_CURSORS
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.oracle_stand_in.server import StandIn

LONG_TEXT = "ä" * 40_000


@pytest.fixture
def connection(oracle: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[oracledb.Connection]:
    monkeypatch.setattr(oracledb.defaults, "fetch_lobs", False)
    numbers = [(number,) for number in range(250)]
    oracle.answer("select n from t", ["N NUMBER(5)"], numbers)
    with oracledb.connect(user=oracle.user, password=oracle.password, dsn=oracle.dsn) as connection:
        yield connection


def fetched(connection: oracledb.Connection, sql: str = "select n from t") -> list[int]:
    with connection.cursor() as cursor:
        return [row[0] for row in cursor.execute(sql)]


@pytest.mark.parametrize("prefetch", [0, 2, 1000])
@pytest.mark.parametrize("array", [1, 100, 1000])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 100, 102, 250])
def test_every_row_comes_once_whatever_the_sizes(
    oracle: StandIn, connection: oracledb.Connection, count: int, array: int, prefetch: int
) -> None:
    oracle.answer("select m from t", ["M NUMBER(5)"], [(number,) for number in range(count)])
    cursor = connection.cursor()
    cursor.arraysize, cursor.prefetchrows = array, prefetch
    for _ in range(2):
        assert [row[0] for row in cursor.execute("select m from t")] == list(range(count))


def test_a_repeated_query_needs_one_execution_and_one_fetch_per_array(
    oracle: StandIn, connection: oracledb.Connection
) -> None:
    for _ in range(2):
        fetched(connection)
    sent = [(call.name, call.rows) for call in oracle.calls]
    assert sent == [("execute", 2), ("fetch", 100), ("fetch", 100), ("fetch", 48)] * 2


def test_inline_lobs_cost_one_define_and_no_round_trip_per_value(
    oracle: StandIn, connection: oracledb.Connection
) -> None:
    rows = [(1, LONG_TEXT, b"\xff" * 70_000), (2, None, None), (3, "short", b"\0")] * 50
    oracle.answer("select * from l where :x = 1", ["N NUMBER(5)", "C CLOB", "B BLOB"], rows)
    cursor = connection.cursor()
    for _ in range(2):
        assert cursor.execute("select * from l where :x = 1", x=1).fetchall() == rows
    counted = oracle.round_trips()
    assert (counted["execute"], counted["define"], counted["fetch"]) == (2, 1, 4)
    assert next(call.defines for call in oracle.calls if call.defines) == (2, 8, 24)


def test_cursors_that_the_client_is_done_with_are_closed(
    oracle: StandIn, connection: oracledb.Connection
) -> None:
    for number in range(2 * OPEN_CURSORS):
        oracle.answer(f"select {number} from t", ["N NUMBER(5)"], [(number,)])
        assert fetched(connection, f"select {number} from t") == [number]


def test_cursors_that_stay_open_come_to_an_end(
    oracle: StandIn, connection: oracledb.Connection
) -> None:
    connection.stmtcachesize = 0
    opened = [connection.cursor() for _ in range(OPEN_CURSORS + 1)]
    for cursor in opened[:-1]:
        cursor.execute("select n from t")
    with pytest.raises(oracledb.DatabaseError, match="ORA-01000"):
        opened[-1].execute("select n from t")
    assert len(oracle.calls) == OPEN_CURSORS + 1


def test_lob_locators_are_refused(
    oracle: StandIn, connection: oracledb.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oracledb.defaults, "fetch_lobs", True)
    oracle.answer("select c from l", ["C CLOB"], [("text",)])
    with pytest.raises(oracledb.DatabaseError, match="stand-in: LOB locators"):
        connection.cursor().execute("select c from l")


def test_an_unknown_text_is_an_error_and_is_remembered(
    oracle: StandIn, connection: oracledb.Connection
) -> None:
    with pytest.raises(oracledb.DatabaseError, match="ORA-00900: stand-in: select 2 from dual"):
        fetched(connection, "SELECT 2\nFROM dual;")
    assert oracle.unmatched == ["select 2 from dual"]
    oracle.unmatched.clear()


@pytest.mark.parametrize(("at", "code"), [("execute", 942), ("fetch", 1555), ("ping", 1000)])
def test_an_error_at_any_call_leaves_the_session_usable(
    oracle: StandIn, connection: oracledb.Connection, at: str, code: int
) -> None:
    oracle.faults.set(at, faults.error(code, "as asked for"))
    with pytest.raises(oracledb.DatabaseError, match=f"ORA-{code:05}: as asked for"):
        connection.ping() if at == "ping" else fetched(connection)
    assert fetched(connection) == list(range(250))


def test_an_error_strikes_at_the_nth_call_and_as_often_as_asked(
    oracle: StandIn, connection: oracledb.Connection
) -> None:
    oracle.faults.set("execute", faults.error(1555), nth=2, times=2, statement="canned")
    outcomes = []
    for _ in range(4):
        try:
            outcomes.append(len(fetched(connection)))
        except oracledb.DatabaseError:
            outcomes.append(0)
    assert outcomes == [250, 0, 0, 250]


@pytest.mark.parametrize(
    "effect",
    [faults.drop(), faults.cut(37), faults.cut(0), faults.error(3113), faults.error(28)],
    ids=["drop", "cut after 37 rows", "cut at once", "ORA-03113", "ORA-00028"],
)
def test_a_connection_lost_in_mid_fetch_is_told_as_such(
    oracle: StandIn, connection: oracledb.Connection, effect: faults.Effect
) -> None:
    oracle.faults.set("fetch", effect, nth=2)
    cursor = connection.cursor()
    cursor.execute("select n from t")
    assert len(cursor.fetchmany(102)) == 102
    with pytest.raises(oracledb.Error, match="DPY-4011"):
        cursor.fetchmany(100)
    assert not connection.is_healthy()


@pytest.mark.parametrize("rows", [0, 1, 102, 150, 249])
def test_a_connection_can_be_cut_behind_any_row_of_a_query(
    oracle: StandIn, connection: oracledb.Connection, rows: int
) -> None:
    oracle.faults.set("execute", faults.cut(rows), statement="canned")
    cursor, read = connection.cursor(), list[int]()
    with pytest.raises(oracledb.Error, match="DPY-4011"):
        read.extend(row[0] for row in cursor.execute("select n from t"))
    whole_answers = 0 if rows <= 2 else 2 + (rows - 3) // 100 * 100
    assert read == list(range(whole_answers))


def test_killed_sessions_learn_it_at_their_next_call_and_new_ones_live(
    oracle: StandIn, connection: oracledb.Connection
) -> None:
    connection.ping()
    oracle.kill_sessions()
    with pytest.raises(oracledb.DatabaseError, match="DPY-4011") as failed:
        connection.ping()
    assert failed.value.__cause__ is None or "ORA-00028" in str(failed.value.__cause__)
    with oracledb.connect(user=oracle.user, password=oracle.password, dsn=oracle.dsn) as another:
        another.ping()


def test_dropped_sessions_are_gone_at_once(
    oracle: StandIn, connection: oracledb.Connection
) -> None:
    connection.ping()
    oracle.drop_sessions()
    with pytest.raises(oracledb.Error, match="DPY-4011"):
        connection.ping()


def test_a_slow_answer_is_only_slow(oracle: StandIn, connection: oracledb.Connection) -> None:
    oracle.faults.set("fetch", faults.slow(0.02), times=3)
    assert fetched(connection) == list(range(250))


@pytest.mark.parametrize("at", ["execute", "fetch"])
def test_a_call_that_takes_too_long_is_broken_off_and_the_session_goes_on(
    oracle: StandIn, connection: oracledb.Connection, at: str
) -> None:
    connection.call_timeout = 100
    oracle.faults.set(at, faults.silence())
    with pytest.raises(oracledb.DatabaseError, match="DPY-4024"):
        fetched(connection)
    connection.call_timeout = 0
    assert fetched(connection) == list(range(250))


def test_a_call_cancelled_from_another_thread_ends_with_ora_01013(
    oracle: StandIn, connection: oracledb.Connection
) -> None:
    oracle.faults.set("fetch", faults.silence())
    with ThreadPoolExecutor() as pool:
        running = pool.submit(fetched, connection)
        wait_until(lambda: oracle.faults.struck("fetch") == 1, what="the silence")
        connection.cancel()
        with pytest.raises(oracledb.DatabaseError, match="ORA-01013"):
            running.result(timeout=10)
    assert fetched(connection) == list(range(250))


def test_a_connection_left_open_does_not_hold_up_the_end(oracle: StandIn) -> None:
    left = oracledb.connect(user=oracle.user, password=oracle.password, dsn=oracle.dsn)
    oracle.close()
    with pytest.raises(oracledb.Error, match="DPY-4011"):
        left.ping()
