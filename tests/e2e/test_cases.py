"""Cases beside their events, through the pipe, by a pair that is killed again and again."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from demo.events import add_events, create_table, rows_in_order
from tests.support.pair import Pair

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mariadb import MariaDbDatabase
    from tools.servers.nats import NatsServer

STREAM = "TXLOG_STREAM"
ROWS, KILLS = 1_500, 10
FORGETS_AT_ONCE = 100_000_000  # nanoseconds: nats-server allows no shorter duplicate window
ASSEMBLED = {
    "assemble_by": "CASE_ID",
    "assemble_end": ["PAYMENT_POSTED"],
    "assemble_quiet": "60s",
    "page_size": 100,
}


def expected(rows: list[dict[str, Any]]) -> Counter[tuple[str, int, str]]:
    """Case, count and last event of each revision, where every second without an event ends it."""
    of_case = defaultdict(list)
    for row in rows:
        of_case[row["CASE_ID"]].append(row)
    return Counter(
        (case, count, event["EVENT_TIMESTAMP"])
        for case, events in of_case.items()
        for count, (event, following) in enumerate(zip(events, [*events[1:], None], strict=True), 1)
        if event["EVENT_TYPE"] == "PAYMENT_POSTED"
        or following is None
        or _seconds(following) - _seconds(event) > 60
    )


def _seconds(row: dict[str, Any]) -> float:
    return datetime.fromisoformat(row["EVENT_TIMESTAMP"]).timestamp()


@pytest.mark.timeout(900)
def test_ten_kills_lose_and_repeat_no_case_and_leave_the_events_alone(
    tmp_path: Path, nats_server: NatsServer, mariadb: MariaDbDatabase
) -> None:
    engine = create_table(tmp_path / "events.db")
    add_events(engine, first_id=1, count=ROWS)
    with engine.begin() as connection:  # all are old enough to be complete
        connection.exec_driver_sql("CREATE INDEX IX_CASES ON TXLOG_EVENTS (CASE_ID)")
        connection.exec_driver_sql(
            "UPDATE TXLOG_EVENTS SET EVENT_TIMESTAMP ="
            " strftime('%Y-%m-%d %H:%M:%f', EVENT_TIMESTAMP, '-1 day') || '000'"
        )
    rows = rows_in_order(engine)
    engine.dispose()
    nats_server.add_stream(STREAM, ["txlog.>"], duplicate_window=FORGETS_AT_ONCE)
    tap = {"sqlalchemy_url": f"sqlite:///{tmp_path}/events.db", "table": "TXLOG_EVENTS"}
    target = {"servers": nats_server.url, "subject": "txlog.{stream}", **mariadb.settings}
    pair = Pair(tmp_path, tap | ASSEMBLED, target | {"publish_mode": "sync"})
    chance, wanted = random.Random(11), expected(rows)
    for left in range(KILLS, 0, -1):
        stored = nats_server.messages(STREAM)
        goal = stored + chance.randint(0, (ROWS + wanted.total() - stored) // (left + 2))
        running = pair.start()
        running.wait_for(partial(_has_stored, nats_server, goal), f"{goal} messages")
        running.kill()
    pair.run()

    messages = nats_server.read_stream(STREAM)
    by_subject = defaultdict(list)
    for one in messages:
        by_subject[one.subject].append(json.loads(one.data))
    assert [row["ID"] for row in by_subject["txlog.TXLOG_EVENTS"]] == [row["ID"] for row in rows]
    cases = by_subject["txlog.TXLOG_CASES"]
    assert Counter((one["CASE_ID"], one["count"], one["last"]) for one in cases) == wanted
    events = {row["ID"]: row for row in rows}
    for one in cases:
        assert [events[event["ID"]] for event in one["events"]] == one["events"]
    revisions = defaultdict(list)
    for one in cases:
        revisions[one["CASE_ID"]].append(one["revision"])
    assert all(found == list(range(1, len(found) + 1)) for found in revisions.values())

    state = json.loads(pair.states[-1])["bookmarks"]
    plain = Pair(tmp_path / "plain", tap, target | {"program_name": "PLAIN"})
    plain.home.mkdir()
    plain.run()
    assert nats_server.messages(STREAM) == len(messages)  # the very same events
    alone = json.loads(plain.states[-1])["bookmarks"]["TXLOG_EVENTS"]
    assert state["TXLOG_EVENTS"]["position"] == alone["position"]
    times = dict(mariadb.execute("SELECT PROGRAM_NAME, LAST_SUCCESSFUL_TIME FROM ETL_PRMREC"))
    assert times["M_INTIMECASEAGENT"] == times["M_INTIMECASEAGENT:TXLOG_EVENTS"] is not None
    assert times["M_INTIMECASEAGENT:TXLOG_CASES"] is None
    pair.run()
    assert nats_server.messages(STREAM) == len(messages)


def _has_stored(server: NatsServer, count: int) -> bool:
    return server.messages(STREAM) >= count


def test_maps_apply_to_cases_and_may_leave_the_events_out(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    engine = create_table(tmp_path / "events.db")
    add_events(engine, first_id=1, count=50)
    engine.dispose()
    nats_server.add_stream(STREAM, ["txlog.>"])
    tap = {
        "sqlalchemy_url": f"sqlite:///{tmp_path}/events.db",
        "table": "TXLOG_EVENTS",
        "assemble_by": "CASE_ID",
        "assemble_quiet": "1s",
        "lookback_seconds": 0,
        "stream_maps": {"TXLOG_EVENTS": "__NULL__", "TXLOG_CASES": {"size": "count"}},
    }
    pair = Pair(tmp_path, tap, {"servers": nats_server.url, "subject": "txlog.{stream}"})
    pair.run()
    messages = nats_server.read_stream(STREAM)
    assert {one.subject for one in messages} == {"txlog.TXLOG_CASES"}
    assert {json.loads(one.data)["size"] for one in messages}


def test_a_case_that_is_too_large_for_a_message_is_a_dead_letter_and_the_others_go_on(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    engine = create_table(tmp_path / "events.db")
    add_events(engine, first_id=1, count=100)
    with engine.begin() as connection:
        sql = "UPDATE TXLOG_EVENTS SET CASE_ID = 'B', EVENT_DATA = '{}' WHERE ID > 20"
        connection.exec_driver_sql(sql)
        large = "UPDATE TXLOG_EVENTS SET CASE_ID = 'A', EVENT_DATA = ? WHERE ID <= 20"
        connection.exec_driver_sql(large, ("x" * 100_000,))
        at = "UPDATE TXLOG_EVENTS SET EVENT_TIMESTAMP = '2026-01-02 12:00:00.000000'"
        connection.exec_driver_sql(at)
    engine.dispose()
    nats_server.add_stream(STREAM, ["txlog.>"])
    letters = tmp_path / "letters.jsonl"  # what is too large for NATS is too large for its stream
    tap = {
        "sqlalchemy_url": f"sqlite:///{tmp_path}/events.db",
        "table": "TXLOG_EVENTS",
        "assemble_by": "CASE_ID",
        "assemble_quiet": "1s",
        "lookback_seconds": 0,
    }
    target = {"servers": nats_server.url, "subject": "txlog.{stream}"}
    Pair(
        tmp_path, tap, target | {"on_error": "dead_letter", "dead_letter_file": str(letters)}
    ).run()
    by_subject = defaultdict(list)
    for one in nats_server.read_stream(STREAM):
        by_subject[one.subject].append(json.loads(one.data))
    assert len(by_subject["txlog.TXLOG_EVENTS"]) == 100
    assert {one["CASE_ID"] for one in by_subject["txlog.TXLOG_CASES"]} == {"B"}
    (letter,) = letters.read_text(encoding="utf-8").splitlines()
    assert "TXLOG_CASES" in letter
