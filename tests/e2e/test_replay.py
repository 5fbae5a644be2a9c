"""A replay that is killed again and again: each event once under its name, in order, and of the
tail neither bookmark nor ledger row nor subject has changed.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from demo.events import add_events, create_table, rows_in_order
from tests.support.pair import Pair

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mariadb import MariaDbDatabase
    from tools.servers.nats import NatsServer

STREAM, SUBJECT, NAME = "TXLOG_STREAM", "txlog.events", "incident-42"
TYPES = ["PAYMENT_POSTED", "結案"]
ROWS, KILLS = 12_000, 10
FORGETS_AT_ONCE = 100_000_000  # nanoseconds: nats-server allows no shorter duplicate window


def bookmark(state: str) -> dict[str, Any]:
    """What a STATE says of the tail."""
    found: dict[str, Any] = json.loads(state)["bookmarks"]["TXLOG_EVENTS"]
    found.pop("partitions", None)
    return found


def tail_row(mariadb: MariaDbDatabase) -> tuple[Any, ...]:
    (row,) = mariadb.execute("SELECT * FROM ETL_PRMREC WHERE PROGRAM_NAME = 'M_INTIMECASEAGENT'")
    return row


def has_stored(server: NatsServer, count: int) -> bool:
    return server.messages(STREAM) >= count


@pytest.mark.timeout(900)
def test_ten_kills_lose_and_repeat_no_event_of_a_replay_and_leave_the_tail_alone(
    tmp_path: Path, nats_server: NatsServer, mariadb: MariaDbDatabase
) -> None:
    engine = create_table(tmp_path / "events.db")
    add_events(engine, first_id=1, count=ROWS)
    wanted = [row for row in rows_in_order(engine) if row["EVENT_TYPE"] in TYPES]
    engine.dispose()
    subjects = [SUBJECT, "txlog.replay.>"]
    nats_server.add_stream(STREAM, subjects, duplicate_window=FORGETS_AT_ONCE)
    tap = {"sqlalchemy_url": f"sqlite:///{tmp_path}/events.db", "table": "TXLOG_EVENTS"}
    target = {"servers": nats_server.url, **mariadb.settings}
    for folder in ("tail", "replay"):
        (tmp_path / folder).mkdir()
    tail = Pair(tmp_path / "tail", tap, target)
    tail.run()
    before = tail.states[-1], tail_row(mariadb)

    selection = {"replay": NAME, "filter": {"EVENT_TYPE": TYPES}, "page_size": 50}
    replayed = replace(
        tail,
        home=tmp_path / "replay",
        tap=tap | selection,
        target=target | {"replay": NAME, "publish_mode": "sync"},  # so slow that kills hit it
    )
    (replayed.home / "states").write_text(f"{before[0]}\n")  # as with a state id that is shared
    chance = random.Random(17)
    for left in range(KILLS, 0, -1):
        stored = nats_server.messages(STREAM)
        goal = stored + chance.randint(0, (ROWS + len(wanted) - stored) // (left + 2))
        running = replayed.start()
        running.wait_for(partial(has_stored, nats_server, goal), f"{goal} messages")
        running.kill()
    replayed.run()

    messages = nats_server.read_stream(STREAM)
    again = [one for one in messages if one.subject == f"txlog.replay.{NAME}.{SUBJECT}"]
    assert Counter(one.subject for one in messages)[SUBJECT] == ROWS
    assert len(again) == len(messages) - ROWS
    assert [json.loads(one.data)["ID"] for one in again] == [row["ID"] for row in wanted]
    assert {one.headers["Txlog-Replay"] for one in again} == {NAME}
    first = {one.id: one.data for one in messages if one.subject == SUBJECT}
    assert all(first[one.id.removeprefix(f"replay:{NAME}:")] == one.data for one in again)

    assert bookmark(replayed.states[-1]) == bookmark(before[0])
    assert tail_row(mariadb) == before[1]
    assert mariadb.execute(
        "SELECT STATUS, RECORDS_PROCESSED FROM ETL_PRMREC"
        f" WHERE PROGRAM_NAME = 'M_INTIMECASEAGENT#replay-{NAME}'"
    ) == [("SUCCESS", len(wanted))]
    (tail.home / "states").write_text(f"{replayed.states[-1]}\n")
    tail.run()
    assert nats_server.messages(STREAM) == len(messages)

    replayed.tap = {**replayed.tap, "filter": {"EVENT_TYPE": TYPES[:1]}}
    tap_code, _ = replayed.start().end()
    assert tap_code == 2
    assert f"the replay {NAME} was begun with another `filter`" in replayed.log


def test_a_tap_in_a_replay_and_a_target_without_it_publish_nothing(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    engine = create_table(tmp_path / "events.db")
    add_events(engine, first_id=1, count=10)
    engine.dispose()
    nats_server.add_stream(STREAM, [SUBJECT, "txlog.replay.>"])
    tap = {"sqlalchemy_url": f"sqlite:///{tmp_path}/events.db", "table": "TXLOG_EVENTS"}
    one_sided: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"replay": NAME}, {}),
        ({}, {"replay": NAME}),
        ({"replay": NAME}, {"replay": "another"}),
    ]
    for of_tap, of_target in one_sided:
        pair = Pair(tmp_path, tap | of_tap, {"servers": nats_server.url, **of_target})
        _, code = pair.start().end()
        assert code == 2
    assert nats_server.messages(STREAM) == 0
    assert pair.log.count(f"Set `replay: {NAME}` for both") == 3
