"""The doctor behind a SQLAlchemy URL: one thing is broken, and nothing else is named."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tap_oracle_txlog.diagnosis import Finding, Report
from tap_oracle_txlog.doctor import examine
from tap_oracle_txlog.settings import AllSettings
from tests.support.events import CREATE, Event, EventTable
from tests.tap.command import COMMAND

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mariadb import MariaDbDatabase

INDEX = "CREATE INDEX IX ON TXLOG_EVENTS (EVENT_TIMESTAMP, ID)"


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


@pytest.fixture
def table(tmp_path: Path) -> EventTable:
    """A table that leaves nothing to be wished for."""
    found = EventTable(tmp_path / "events.db")
    found.execute(INDEX)
    found.add(Event(1, now()))
    return found


def report(url: str, **config: object) -> Report:
    whole = {"sqlalchemy_url": url, "table": "TXLOG_EVENTS", **config}
    return Report(list(examine(whole, AllSettings.from_config(whole))))


def wrong(found: Report) -> dict[tuple[str, str], Finding]:
    lines = [line for line in found.lines if line.finding.status != "ok"]
    assert all(line.finding.remedy for line in lines)
    return {(line.group, line.check): line.finding for line in lines}


def only(found: Report, group: str, check: str, status: str, text: str) -> Finding:
    named = wrong(found)
    assert list(named) == [(group, check)], named
    finding = named[group, check]
    assert finding.status == status
    assert text in finding.text
    return finding


def test_where_all_is_well_nothing_is_named(table: EventTable) -> None:
    found = report(table.url)
    assert wrong(found) == {}
    assert len(found.lines) == 9
    assert wrong(report(table.url, columns="ID,CASE_ID")) == {}


def test_the_filter_of_a_replay_needs_an_index_of_its_own(table: EventTable) -> None:
    replay = {"replay": "R1", "filter": {"CASE_ID": ["C1"]}}
    found = report(table.url, **replay)
    finding = only(found, "Table", "filter", "warning", "no index begins with CASE_ID")
    table.execute(finding.fix)
    found = report(table.url, **replay)
    assert wrong(found) == {}
    (line,) = (line for line in found.lines if line.check == "filter")
    assert "the index IX_TXLOG_EVENTS_CASE_ID finds rows by" in line.finding.text


def test_a_file_that_is_missing_is_named_and_is_not_created(tmp_path: Path) -> None:
    found = report(f"sqlite:///{tmp_path}/none.db")
    only(found, "Connection", "login", "failed", "none.db does not exist")
    assert found.exit_code(strict=False) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_url_that_is_none_is_named() -> None:
    only(report("what is that"), "Connection", "login", "failed", "`sqlalchemy_url` is not usable")


def test_a_server_that_refuses_is_named_without_the_password(mariadb: MariaDbDatabase) -> None:
    place = f"{mariadb.host}:{mariadb.port}/{mariadb.database}"
    found = report(f"mysql+pymysql://{mariadb.user}:wr0ng@{place}")
    only(found, "Connection", "login", "failed", "Access denied")
    assert found.exit_code(strict=False) == 3
    assert "wr0ng" not in json.dumps(found.result)


def test_a_table_that_is_missing_is_named(table: EventTable) -> None:
    found = report(table.url, table="NOSUCH")
    only(found, "Privileges", "table", "failed", "cannot find the table NOSUCH")


def test_a_column_that_is_missing_is_named(table: EventTable) -> None:
    found = report(table.url, replication_key="NOSUCH")
    only(found, "Privileges", "table", "failed", "has no column NOSUCH (`replication_key`)")


def test_a_strategy_that_the_source_does_not_have_is_named(table: EventTable) -> None:
    found = report(table.url, late_commit_strategy="watermark")
    only(found, "Privileges", "transactions", "failed", "open transactions are not visible here")


def test_a_missing_index_is_named_and_the_fix_creates_it(tmp_path: Path) -> None:
    table = EventTable(tmp_path / "events.db")
    table.add(Event(1, now()))
    finding = only(report(table.url), "Table", "index", "warning", "no index on (EVENT_TIMESTAMP")
    table.execute(finding.fix)
    assert wrong(report(table.url)) == {}


def test_an_index_on_the_key_alone_ends_with_the_id_in_sqlite(tmp_path: Path) -> None:
    table = EventTable(tmp_path / "events.db")
    table.execute("CREATE INDEX IX ON TXLOG_EVENTS (EVENT_TIMESTAMP)")
    assert wrong(report(table.url)) == {}


def test_an_id_that_is_no_key_is_named_and_the_fix_makes_it_one(tmp_path: Path) -> None:
    create = "CREATE TABLE TXLOG_EVENTS (ID INTEGER, EVENT_TIMESTAMP DATETIME, X INT)"
    table = EventTable(tmp_path / "events.db", create)
    table.execute(INDEX)
    finding = only(report(table.url), "Table", "id", "warning", "no key says that ID is unique")
    table.execute(finding.fix)
    assert wrong(report(table.url)) == {}


def test_rows_without_a_time_are_named(table: EventTable) -> None:
    table.add(Event(2, None))
    text = "1 rows have no EVENT_TIMESTAMP and are not read"
    only(report(table.url), "Table", "NULL keys", "warning", text)
    assert wrong(report(table.url, null_key="emit")) == {}
    assert report(table.url, null_key="fail").exit_code(strict=False) == 5


@pytest.mark.parametrize(
    "odd", ["2026-01-01T00:00:02", "2026-01-01 00:00:02", "2026-13-01 00:00:02.000000", "soon"]
)
@pytest.mark.parametrize("at", ["2020-01-01 00:00:00.000000", "2026-01-02 00:00:00.000000"])
def test_a_time_that_does_not_sort_is_named_with_its_row(
    table: EventTable, odd: str, at: str
) -> None:
    table.add(Event(2, at), Event(7, odd))
    text = "EVENT_TIMESTAMP of the row with ID 7 holds a value of type text that does not sort"
    finding = only(report(table.url), "Time", "form", "failed", text)
    assert odd not in finding.text
    assert "YYYY-MM-DD HH:MM:SS.ffffff" in finding.remedy


def test_a_time_that_is_a_number_is_named_with_its_row(table: EventTable) -> None:
    table.execute("UPDATE TXLOG_EVENTS SET EVENT_TIMESTAMP = 1767225602")
    text = "EVENT_TIMESTAMP of the row with ID 1 holds a value of type int"
    only(report(table.url), "Privileges", "table", "failed", text)


def test_a_clock_in_another_zone_is_named(tmp_path: Path) -> None:
    table = EventTable(tmp_path / "events.db")
    table.execute(INDEX)
    table.add(Event(1, "2099-01-01 00:00:00.000000"))
    found = report(table.url)
    only(found, "Time", "clock", "warning", "the newest EVENT_TIMESTAMP is ")


def test_mariadb_is_asked_too(mariadb: MariaDbDatabase) -> None:
    mariadb.execute(
        "CREATE TABLE TXLOG_EVENTS (ID BIGINT PRIMARY KEY, EVENT_TIMESTAMP DATETIME(6))",
        INDEX,
        "INSERT INTO TXLOG_EVENTS VALUES (1, UTC_TIMESTAMP(6))",
    )
    assert wrong(report(mariadb.url)) == {}


def test_several_tables_have_one_report_that_names_them(table: EventTable) -> None:
    table.execute(CREATE.replace("TXLOG_EVENTS", "OTHER_EVENTS"))
    config = table.path.with_name("config.json")
    tables = ["TXLOG_EVENTS", "OTHER_EVENTS"]
    config.write_text(json.dumps({"sqlalchemy_url": table.url, "tables": tables}))
    done = subprocess.run(
        [COMMAND, "--config", str(config), "--doctor", "--json"],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    checks = json.loads(done.stdout)["result"]["checks"]
    (named,) = [one for one in checks if one["status"] != "ok"]
    assert named["text"].startswith("OTHER_EVENTS: no index on (EVENT_TIMESTAMP, ID)")


def test_the_command_prints_the_same_object_as_for_oracle(table: EventTable) -> None:
    config = table.path.with_name("config.json")
    config.write_text(json.dumps({"sqlalchemy_url": table.url, "table": "TXLOG_EVENTS"}))
    done = subprocess.run(
        [COMMAND, "--config", str(config), "--doctor", "--json", "--strict"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["command"], answer["ok"]) == (0, "doctor", True)
    assert {*answer["result"]["checks"][0]} == {
        *("group", "check", "status", "text", "remedy", "fix", "exit_code")
    }
