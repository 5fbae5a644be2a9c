"""The pair under a real ``meltano run``: what is promised holds there, too, and people see it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from demo.events import add_events, create_table, rows_in_order
from tools.meltano_run import PAIR, RUN, MeltanoProject
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa

    from tools.servers.nats import NatsServer

pytestmark = pytest.mark.timeout(1800)
STREAM = "TXLOG_STREAM"
#: A tap that follows the table: the run cannot end by itself before it is struck.
FOLLOWING = {"TAP_ORACLE_TXLOG_POLL_INTERVAL_SECONDS": "0.2"}


@pytest.fixture
def events(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = create_table(tmp_path / "events.db")
    yield engine
    engine.dispose()


@pytest.fixture
def project(tmp_path: Path, nats_server: NatsServer) -> MeltanoProject:
    home = tmp_path / "project"
    home.mkdir()
    return MeltanoProject(
        home,
        {
            "tap-oracle-txlog": {
                "sqlalchemy_url": f"sqlite:///{tmp_path}/events.db",
                "table": "TXLOG_EVENTS",
                "page_size": 500,
                "batch_min_rows": 500,  # full pages go through files, the last one does not
            },
            "target-nats-jetstream": {
                "servers": nats_server.url,
                "create_stream": "if_missing",
                "ledger_url": f"sqlite:///{tmp_path}/ledger.db",
                "checkpoint_records": 1_000,
            },
        },
    )


def payloads(server: NatsServer) -> list[dict[str, Any]]:
    """The records in the stream, in its order, without what the target adds."""
    records = [json.loads(message.data) for message in server.read_stream(STREAM)]
    return [{k: v for k, v in r.items() if k not in {"trace_id", "data_type"}} for r in records]


def ledger_row(tmp_path: Path) -> dict[str, Any]:
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.row_factory = sqlite3.Row
        row = connection.execute("SELECT * FROM ETL_PRMREC").fetchone()
    connection.close()
    return dict(row)


def test_each_run_sends_what_is_new_and_nothing_twice(
    events: sa.Engine, project: MeltanoProject, nats_server: NatsServer, tmp_path: Path
) -> None:
    add_events(events, first_id=1, count=3_000)
    first = rows_in_order(events)
    log = project.run()
    assert payloads(nats_server) == first
    assert "read=3000 published=3000 duplicates=0" in log

    assert "done: nothing new since" in project.run()
    assert payloads(nats_server) == first

    add_events(events, first_id=3_001, count=100, late=20)
    told = re.search(r"done: read=\d+ late=(\d+)", project.run())
    assert told is not None
    assert int(told[1]) >= 20  # the others may just precede the end of the run before
    known = {row["ID"] for row in first}
    assert payloads(nats_server) == first + [
        row for row in rows_in_order(events) if row["ID"] not in known
    ]
    row = ledger_row(tmp_path)
    assert (row["STATUS"], row["RECORDS_PROCESSED"]) == ("SUCCESS", 3_100)


def test_a_quiet_run_is_a_few_lines_and_no_row_is_logged(
    events: sa.Engine, project: MeltanoProject
) -> None:
    add_events(events, first_id=1, count=10)
    log = project.run() + project.run()
    assert "façade" not in log
    assert "reference" not in log
    ours = [line for line in project.run().splitlines() if "tap-oracle-txlog" in line]
    assert len([line for line in ours if "METRIC" not in line]) <= 12, ours


@pytest.mark.parametrize("victim", ["target-nats-jetstream", "meltano"])
def test_nothing_is_lost_or_doubled_when_a_process_is_killed(
    victim: str, events: sa.Engine, project: MeltanoProject, nats_server: NatsServer, tmp_path: Path
) -> None:
    add_events(events, first_id=1, count=30_000)
    running = project.start(**FOLLOWING)
    try:
        pid = running.process.pid if victim == "meltano" else running.child(victim)
        wait_until(lambda: nats_server.messages(STREAM) > 5_000, what="5,000 messages")
        os.kill(pid, signal.SIGKILL)
        assert running.end() != 0
    finally:
        running.kill()
    project.run("--force")
    assert payloads(nats_server) == rows_in_order(events)
    row = ledger_row(tmp_path)
    assert (row["STATUS"], row["RECORDS_PROCESSED"]) == ("SUCCESS", 30_000)
    assert list((project.home / ".meltano/run/batches").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_done_before_a_signal_is_not_done_again(
    number: signal.Signals, events: sa.Engine, project: MeltanoProject, nats_server: NatsServer
) -> None:
    add_events(events, first_id=1, count=30_000)
    running = project.start(**FOLLOWING)
    try:
        saved = "Incremental state has been updated"
        wait_until(lambda: running.output.count(saved) > 2, what="Meltano saves states")
        if number == signal.SIGINT:  # a terminal sends it to the whole group
            os.killpg(running.process.pid, number)
        else:
            running.process.send_signal(number)
        assert running.end() != 0
    finally:
        running.kill()
    before = project.state()["singer_state"]["bookmarks"]["TXLOG_EVENTS"]["position"]["id"]
    assert before is None or before >= 1_000
    log = project.run("--force")
    assert payloads(nats_server) == rows_in_order(events)
    assert "duplicates=0" not in log or "read=30000" not in log


def test_a_level_may_be_in_lower_case_and_a_wrong_value_is_told_by_the_plugin(
    events: sa.Engine, project: MeltanoProject, nats_server: NatsServer
) -> None:
    add_events(events, first_id=1, count=3)
    project.env["LOG_LEVEL"] = "info"
    project.run()
    assert nats_server.messages(STREAM) == 3
    project.env["MAX_RECORDS_PER_RUN"] = "ten"
    done = project.command(*RUN, *PAIR)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "setting `max_records_per_run` is not a number that fits" in done.stderr
    del project.env["MAX_RECORDS_PER_RUN"]
    project.env["TARGET_NATS_JETSTREAM_MARIADB_SSL"] = "required"
    done = project.command(*RUN, *PAIR)
    assert done.returncode == 1
    assert "setting `mariadb_ssl` is neither true nor false" in done.stderr


def test_a_failure_is_one_line_without_traceback(
    events: sa.Engine, project: MeltanoProject, nats_server: NatsServer
) -> None:
    add_events(events, first_id=1, count=20_000)
    nats_server.kill()
    project.env["TARGET_NATS_JETSTREAM_CONNECT_TIMEOUT"] = "1"
    done = project.command(*RUN, *PAIR)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "cannot reach NATS" in done.stderr
    assert len([line for line in done.stderr.splitlines() if "cannot reach NATS" in line]) <= 3


def test_the_job_and_the_schedule_of_meltano_yml_run(
    events: sa.Engine, project: MeltanoProject, nats_server: NatsServer
) -> None:
    add_events(events, first_id=1, count=50)
    done = project.command("--environment=demo", "schedule", "run", "txlog-hourly")
    assert done.returncode == 0, done.stderr[-3000:]
    assert payloads(nats_server) == rows_in_order(events)


def test_v7_environment_names_reach_the_settings(project: MeltanoProject) -> None:
    project.env |= {
        "ORACLE_USER": "spc_read",
        "ORACLE_PASSWORD": "never-shown",
        "ORACLE_DSN": "db:1521/ORCL",
        "MAX_RECORDS_PER_RUN": "77",
        "POLL_INTERVAL": "60",
        "NATS_SERVERS": "nats://a:4222,nats://b:4222",
        "BATCH_SIZE": "55",
        "MARIADB_HOST": "maria",
        "MARIADB_PORT": "3307",
        "MARIADB_DATABASE": "etl",
        "MARIADB_USER": "etl",
        "MARIADB_PASSWORD": "never-shown",
        "PROGRAM_NAME": "P7",
        "LOG_LEVEL": "DEBUG",
    }
    tap = project.command("--environment=demo", "config", "print", "tap-oracle-txlog")
    target = project.command("--environment=demo", "config", "print", "target-nats-jetstream")
    assert "never-shown" not in tap.stdout + tap.stderr + target.stdout + target.stderr
    found = json.loads(tap.stdout)
    assert (found["user"], found["dsn"]) == ("spc_read", "db:1521/ORCL")
    assert (found["max_records_per_run"], found["log_level"]) == ("77", "DEBUG")
    assert found["poll_interval_seconds"] == "60"
    found = json.loads(target.stdout)
    assert (found["batch_size"], found["mariadb_port"]) == ("55", "3307")
    assert (found["mariadb_host"], found["program_name"]) == ("maria", "P7")


def test_a_runner_that_loses_its_disk_goes_on_from_the_ledger(
    events: sa.Engine, project: MeltanoProject, nats_server: NatsServer, tmp_path: Path
) -> None:
    project.env |= {
        "TAP_ORACLE_TXLOG_STATE_FROM_LEDGER": "true",
        "TAP_ORACLE_TXLOG_LEDGER_URL": f"sqlite:///{tmp_path}/ledger.db",
    }
    add_events(events, first_id=1, count=500)
    project.run()
    shutil.rmtree(project.home / ".meltano")
    add_events(events, first_id=501, count=50, late=10)
    assert "read=50 published=50 duplicates=0" in project.run()
    assert sorted(row["ID"] for row in payloads(nats_server)) == list(range(1, 551))


def test_a_full_refresh_reads_from_the_beginning_also_with_the_state_of_the_ledger(
    events: sa.Engine, project: MeltanoProject, tmp_path: Path
) -> None:
    project.env |= {
        "TAP_ORACLE_TXLOG_STATE_FROM_LEDGER": "true",
        "TAP_ORACLE_TXLOG_LEDGER_URL": f"sqlite:///{tmp_path}/ledger.db",
    }
    add_events(events, first_id=1, count=50)
    project.run()
    told = project.run("--full-refresh")  # of which Meltano tells no plugin
    assert "starting from the ledger" in told
    assert "or MELTANO_RUN_FULL_REFRESH" in told
    project.env["MELTANO_RUN_FULL_REFRESH"] = "true"
    assert "done: read=50 late=0" in project.run()


@pytest.mark.parametrize("suffix", [(), ("--state-id-suffix", "backfill")], ids=["same", "own"])
def test_a_backfill_with_the_program_name_of_the_tail_leaves_the_tail_where_it_was(
    suffix: tuple[str, ...],
    events: sa.Engine,
    project: MeltanoProject,
    tmp_path: Path,
) -> None:
    add_events(events, first_id=1, count=50)
    project.run()
    span = {
        "TAP_ORACLE_TXLOG_START_DATE": "2020-01-01",
        "TAP_ORACLE_TXLOG_END_DATE": "2020-01-03",
    }
    project.env |= span
    assert "done: read=0 late=0" in project.run(*suffix)
    for name in span:
        del project.env[name]
    add_events(events, first_id=51, count=5, late=1)
    shutil.rmtree(project.home / ".meltano")
    project.env |= {
        "TAP_ORACLE_TXLOG_STATE_FROM_LEDGER": "true",
        "TAP_ORACLE_TXLOG_LEDGER_URL": f"sqlite:///{tmp_path}/ledger.db",
    }
    told = project.run()
    assert "(SINGER_STATE of M_INTIMECASEAGENT)" in told
    assert "done: read=5 late=" in told


def test_names_of_the_last_release_in_the_environment_reach_the_plugins(
    events: sa.Engine, project: MeltanoProject
) -> None:
    """Meltano does not know them, and puts them into no config."""
    add_events(events, first_id=1, count=5)
    project.env |= {
        "TAP_ORACLE_TXLOG_MAX_BACKOFF": "4",
        "TARGET_NATS_JETSTREAM_MAX_BACKOFF": "1",
    }
    told = project.run()
    assert told.count("setting `max_backoff` is deprecated") == 2
    assert "done: read=5 late=0" in told


def has_come_to(row_id: int, state: dict[str, Any]) -> bool:
    """Whether the pass that has sent this row as its last one is over."""
    bookmarks = state.get("singer_state", {}).get("bookmarks", {})
    bookmark = bookmarks.get("TXLOG_EVENTS", {"reading": True})
    last = bookmark.get("frontier", bookmark.get("position"))
    return "reading" not in bookmark and last["id"] == row_id


def test_a_run_that_meltano_ends_by_its_timeout_keeps_its_progress(
    events: sa.Engine, project: MeltanoProject, nats_server: NatsServer
) -> None:
    project.env["TAP_ORACLE_TXLOG_POLL_INTERVAL_SECONDS"] = "0.2"
    add_events(events, first_id=1, count=500)
    for seconds in (12, 40, 120):  # Meltano's own start counts: a busy machine needs longer
        done = project.command(*RUN, "--force", "--timeout", str(seconds), *PAIR)
        assert done.returncode != 0
        if has_come_to(500, project.state()):
            break
    assert payloads(nats_server) == rows_in_order(events)
    del project.env["TAP_ORACLE_TXLOG_POLL_INTERVAL_SECONDS"]
    assert "done: nothing new since" in project.run("--force")
