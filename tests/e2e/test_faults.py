"""Whatever is killed or goes away: the next run completes the stream, none missing and none twice.

Each fault strikes while rows are on the way, on a real nats-server and a real MariaDB, and
afterwards ETL_PRMREC says what can be counted in the stream.
"""

from __future__ import annotations

import json
import os
import signal
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from demo.events import add_events, create_table, rows_in_order
from tests.support.pair import Pair, RunningPair
from tests.support.verified import assert_verified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import sqlalchemy as sa

    from tests.support.mariadb import MariaDbDatabase
    from tools.servers.nats import NatsServer

STREAM = "TXLOG_STREAM"
ROWS = 20_000


@pytest.fixture
def events(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = create_table(tmp_path / "events.db")
    add_events(engine, first_id=1, count=ROWS)
    yield engine
    engine.dispose()


@pytest.fixture
def pair(tmp_path: Path, nats_server: NatsServer, mariadb: MariaDbDatabase) -> Pair:
    return Pair(
        tmp_path,
        {
            "sqlalchemy_url": f"sqlite:///{tmp_path}/events.db",
            "table": "TXLOG_EVENTS",
            "page_size": 500,
        },
        {
            "servers": nats_server.url,
            "create_stream": "if_missing",
            "batch_size": 100,
            "checkpoint_records": 1_000,
            "shutdown_timeout": 3,
            **mariadb.settings,
        },
    )


@contextmanager
def following(pair: Pair) -> Iterator[RunningPair]:
    """A run that follows the table, so that it cannot end before it is struck."""
    once = pair.tap
    pair.tap = {**once, "poll_interval_seconds": 0.2}
    running = pair.start()
    pair.tap = once
    try:
        yield running
    finally:
        running.kill()


def strike_in_the_middle(
    pair: Pair, server: NatsServer, strike: Callable[[RunningPair], None]
) -> tuple[int, int]:
    """Run the pair, strike when some thousand messages are stored, and wait for the end."""
    with following(pair) as running:
        running.wait_for(lambda: server.messages(STREAM) > 1_000, "1,000 messages")
        assert running.target.poll() is None, pair.log[-3000:]
        strike(running)
        return running.end()


def outlive(
    pair: Pair,
    events: sa.Engine,
    server: NatsServer,
    mariadb: MariaDbDatabase,
    strike: Callable[[], None],
) -> None:
    """A strike in the middle of a run; what comes in behind it goes through the same run."""
    with following(pair) as running:
        running.wait_for(lambda: server.messages(STREAM) > 1_000, "1,000 messages")
        strike()
        add_events(events, first_id=ROWS + 1, count=100, late=10)
        running.wait_for(lambda: server.messages(STREAM) == ROWS + 100, "all messages")
        running.wait_for(lambda: ledger(mariadb)[1] == ROWS + 100, "they are in the ledger")
        assert running.target.poll() is None, pair.log[-3000:]
        signal_both(running, signal.SIGTERM)
        assert running.end() in both_ended(143)


def signal_both(running: RunningPair, number: signal.Signals) -> None:
    for process in (running.tap, running.target):
        process.send_signal(number)


def both_ended(code: int) -> set[tuple[int, int]]:
    return {(code, code), (1, code)}  # the tap may find the pipe closed first


def assert_complete(
    pair: Pair,
    events: sa.Engine,
    server: NatsServer,
    mariadb: MariaDbDatabase,
    rows: int = ROWS,
) -> None:
    pair.run()
    records = [json.loads(message.data) for message in server.read_stream(STREAM)]
    sent = [{k: v for k, v in r.items() if k not in {"trace_id", "data_type"}} for r in records]
    expected = rows_in_order(events)
    assert sorted(sent, key=in_order) == expected
    assert the_first(sent) == the_first(expected)
    assert ledger(mariadb) == ("SUCCESS", rows, None)
    assert_verified(pair.home, pair.tap, pair.target, rows=rows)


def the_first(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was there from the beginning, in the order of ``rows``."""
    return [row for row in rows if row["ID"] <= ROWS]


def in_order(row: dict[str, Any]) -> tuple[str, int]:
    return row["EVENT_TIMESTAMP"], row["ID"]


def ledger(mariadb: MariaDbDatabase) -> tuple[Any, ...]:
    (row,) = mariadb.execute("SELECT STATUS, RECORDS_PROCESSED, ERROR_MESSAGE FROM ETL_PRMREC")
    return row


def has_more_than(server: NatsServer, count: int) -> bool:
    return server.messages(STREAM) > count


def kill_target(running: RunningPair) -> None:
    running.target.kill()


def kill_tap(running: RunningPair) -> None:
    running.tap.kill()


@pytest.mark.parametrize("strike", [kill_target, kill_tap])
def test_a_killed_process_costs_nothing(
    strike: Callable[[RunningPair], None],
    pair: Pair,
    events: sa.Engine,
    nats_server: NatsServer,
    mariadb: MariaDbDatabase,
) -> None:
    strike_in_the_middle(pair, nats_server, strike)
    assert_complete(pair, events, nats_server, mariadb)


def test_many_kills_in_a_row_cost_nothing(
    pair: Pair, events: sa.Engine, nats_server: NatsServer, mariadb: MariaDbDatabase
) -> None:
    for stored in (1_500, 3_000, 4_500, 6_000, 7_500):
        with following(pair) as running:
            running.wait_for(partial(has_more_than, nats_server, stored), "more messages")
    assert_complete(pair, events, nats_server, mariadb)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_to_both_ends_them_in_order(
    number: signal.Signals,
    code: int,
    pair: Pair,
    events: sa.Engine,
    nats_server: NatsServer,
    mariadb: MariaDbDatabase,
) -> None:
    def strike(running: RunningPair) -> None:
        signal_both(running, number)

    assert strike_in_the_middle(pair, nats_server, strike) in both_ended(code)
    assert ledger(mariadb)[0] == "FAILED"
    assert f"signal {int(number)}" in ledger(mariadb)[2]
    assert_complete(pair, events, nats_server, mariadb)


def test_a_restarted_nats_server_costs_nothing(
    pair: Pair, events: sa.Engine, nats_server: NatsServer, mariadb: MariaDbDatabase
) -> None:
    outlive(pair, events, nats_server, mariadb, nats_server.restart)
    assert_complete(pair, events, nats_server, mariadb, ROWS + 100)


def test_a_restarted_mariadb_costs_nothing(
    pair: Pair, events: sa.Engine, nats_server: NatsServer, mariadb: MariaDbDatabase
) -> None:
    def strike() -> None:
        mariadb.server.kill()
        mariadb.server.start()

    outlive(pair, events, nats_server, mariadb, strike)
    assert_complete(pair, events, nats_server, mariadb, ROWS + 100)


def test_a_lost_mariadb_ends_the_run_before_a_state_leaves(
    pair: Pair, events: sa.Engine, nats_server: NatsServer, mariadb: MariaDbDatabase
) -> None:
    def strike(running: RunningPair) -> None:
        running.wait_for(lambda: bool(pair.states), "a STATE")
        mariadb.server.kill()

    pair.target = {**pair.target, "max_retries": 1, "ledger_timeout": 1}
    codes = strike_in_the_middle(pair, nats_server, strike)
    before = pair.states
    mariadb.server.start()
    assert codes[1] == 4
    assert "ETL_PRMREC" in pair.log
    assert "Traceback" not in pair.log
    (row,) = mariadb.execute("SELECT SINGER_STATE FROM ETL_PRMREC")
    assert json.loads(row[0]) == json.loads(before[-1])
    assert_complete(pair, events, nats_server, mariadb)


def test_closed_stdout_ends_the_run_with_one_line(
    pair: Pair, events: sa.Engine, nats_server: NatsServer, mariadb: MariaDbDatabase
) -> None:
    running = pair.start()
    running.kill()
    read_end, write_end = os.pipe()
    os.close(read_end)
    import subprocess  # noqa: PLC0415 - only this test makes a pipe by hand

    with (pair.home / "log").open("ab") as log:
        tap = subprocess.Popen(running.tap.args, stdout=subprocess.PIPE, stderr=log)
        target = subprocess.Popen(
            running.target.args, stdin=tap.stdout, stdout=write_end, stderr=log
        )
    os.close(write_end)
    assert tap.stdout is not None
    tap.stdout.close()
    assert target.wait(60) == 1
    tap.wait(60)
    assert "stdout is closed" in pair.log
    assert "Exception ignored" not in pair.log
    assert_complete(pair, events, nats_server, mariadb)


def test_a_second_run_at_the_same_time_is_refused(
    pair: Pair, events: sa.Engine, nats_server: NatsServer, mariadb: MariaDbDatabase, tmp_path: Path
) -> None:
    other = Pair(tmp_path / "other", pair.tap, pair.target)
    other.home.mkdir()
    with following(pair) as first:
        first.wait_for(lambda: nats_server.messages(STREAM) > 500, "500 messages")
        assert other.start().end()[1] != 0
        assert "another run of M_INTIMECASEAGENT" in other.log
        signal_both(first, signal.SIGTERM)
        assert first.end() in both_ended(143)
    assert_complete(pair, events, nats_server, mariadb)


def test_states_appear_during_the_run(
    pair: Pair, events: sa.Engine, nats_server: NatsServer, mariadb: MariaDbDatabase
) -> None:
    assert_complete(pair, events, nats_server, mariadb)
    assert len(pair.states) >= ROWS // 1_000


V7_TABLE = """CREATE TABLE ETL_PRMREC (
    PROGRAM_NAME VARCHAR(100) PRIMARY KEY,
    LAST_SUCCESSFUL_TIME DATETIME,
    LAST_RUN_TIME DATETIME,
    STATUS VARCHAR(50),
    RECORDS_PROCESSED INT DEFAULT 0,
    ERROR_MESSAGE TEXT,
    CREATED_AT DATETIME DEFAULT CURRENT_TIMESTAMP,
    UPDATED_AT DATETIME DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)"""


def test_v7s_row_is_taken_over_without_a_lost_row(
    pair: Pair, events: sa.Engine, nats_server: NatsServer, mariadb: MariaDbDatabase
) -> None:
    rows = rows_in_order(events)
    middle = rows[ROWS // 2]["EVENT_TIMESTAMP"][:19].replace("T", " ")
    mariadb.execute(
        V7_TABLE,
        "INSERT INTO ETL_PRMREC (PROGRAM_NAME, LAST_SUCCESSFUL_TIME, STATUS, RECORDS_PROCESSED) "
        f"VALUES ('M_INTIMECASEAGENT', '{middle}', 'SUCCESS', 6000)",
    )
    pair.tap = {**pair.tap, "state_from_ledger": True, **mariadb.settings}
    pair.run()
    sent = [json.loads(message.data)["ID"] for message in nats_server.read_stream(STREAM)]
    due = [r["ID"] for r in rows if r["EVENT_TIMESTAMP"][:19].replace("T", " ") >= middle]
    assert sent[-len(due) :] == due
    assert len(sent) - len(due) <= 10  # the second before: V7's column has no fractions
    columns = mariadb.execute("SHOW COLUMNS FROM ETL_PRMREC")
    assert len(columns) == 8


def test_a_runner_that_starts_empty_goes_on_from_the_ledger(
    pair: Pair, events: sa.Engine, nats_server: NatsServer, mariadb: MariaDbDatabase
) -> None:
    pair.tap = {**pair.tap, "state_from_ledger": True, **mariadb.settings}
    pair.run()
    (pair.home / "states").unlink()
    add_events(events, first_id=ROWS + 1, count=300, late=50)
    pair.run()
    assert "starting from the ledger" in pair.log
    assert "read=300 published=300 duplicates=0" in pair.log
    records = [json.loads(message.data)["ID"] for message in nats_server.read_stream(STREAM)]
    assert sorted(records) == list(range(1, ROWS + 301))
    assert ledger(mariadb) == ("SUCCESS", ROWS + 300, None)
