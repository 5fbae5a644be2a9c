"""The doctor of the ledger: one thing is broken, and nothing else is named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tap_oracle_txlog.diagnosis import Report
from tap_oracle_txlog.ledger_doctor import examine_ledger
from tap_oracle_txlog.settings import AllSettings
from tests.support.events import EventTable
from tests.tap.doctor.test_sqlalchemy import only, wrong
from tools.servers.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mariadb import MariaDbDatabase

CREATE = """CREATE TABLE ETL_PRMREC
    (PROGRAM_NAME VARCHAR(100), LAST_SUCCESSFUL_TIME DATETIME, SINGER_STATE TEXT)"""
STATE = {"bookmarks": {"TXLOG_EVENTS": {"replication_key_value": "2026-01-02T03:04:05"}}}
ROW = f"INSERT INTO ETL_PRMREC VALUES ('P', '2026-01-02 03:04:05', '{json.dumps(STATE)}')"


def report(**config: object) -> Report:
    whole = {"state_from_ledger": True, "program_name": "P", **config}
    settings = AllSettings.from_config(whole)
    return Report(list(examine_ledger(settings, settings.source.names)))


@pytest.fixture
def file(tmp_path: Path) -> EventTable:
    found = EventTable(tmp_path / "ledger.db", CREATE)
    found.execute(ROW)
    return found


@pytest.fixture
def server(mariadb: MariaDbDatabase) -> MariaDbDatabase:
    mariadb.execute(CREATE, ROW)
    return mariadb


def test_where_all_is_well_nothing_is_named(file: EventTable, server: MariaDbDatabase) -> None:
    for found in (report(ledger_url=file.url), report(**server.settings)):
        assert wrong(found) == {}
        text = "\n".join(found.text)
        assert "starts from SINGER_STATE of P, complete up to 2026-01-02T03:04:05" in text


def test_without_a_ledger_it_is_said_what_to_set() -> None:
    only(report(), "Ledger", "login", "failed", "neither mariadb_host nor ledger_url")


def test_a_file_that_is_missing_is_named_and_is_not_created(tmp_path: Path) -> None:
    found = report(ledger_url=f"sqlite:///{tmp_path}/none.db")
    only(found, "Ledger", "login", "failed", "none.db does not exist")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_away_is_named(server: MariaDbDatabase) -> None:
    found = report(**{**server.settings, "mariadb_port": free_port()})
    only(found, "Ledger", "login", "failed", "Connection refused")
    assert found.exit_code(strict=False) == 4


@pytest.mark.parametrize(
    ("config", "code"), [({"mariadb_password": "wr0ng"}, 3), ({"mariadb_ssl": True}, 2)]
)
def test_a_login_that_is_refused_is_named(
    server: MariaDbDatabase, config: dict[str, object], code: int
) -> None:
    found = report(**{**server.settings, **config})
    only(found, "Ledger", "login", "failed", "cannot read ETL_PRMREC for state_from_ledger")
    assert found.exit_code(strict=False) == code
    assert "wr0ng" not in json.dumps(found.result)


def test_a_missing_right_is_named_and_the_fix_grants_it(server: MariaDbDatabase) -> None:
    user = f"'{server.user}'@'%'"
    server.execute(
        f"REVOKE ALL ON {server.database}.* FROM {user}",
        "CREATE TABLE other (a INT)",
        f"GRANT SELECT ON {server.database}.other TO {user}",
    )
    found = report(**server.settings)
    server.execute(only(found, "Ledger", "table", "failed", "command denied").fix)
    assert wrong(report(**server.settings)) == {}


def test_a_table_that_the_target_creates_is_no_fault(tmp_path: Path) -> None:
    file = EventTable(tmp_path / "ledger.db", "CREATE TABLE other (a)")
    assert wrong(report(ledger_url=file.url)) == {}


def test_another_table_is_named(tmp_path: Path) -> None:
    file = EventTable(tmp_path / "ledger.db", "CREATE TABLE ETL_PRMREC (A INT)")
    only(report(ledger_url=file.url), "Ledger", "table", "failed", "no column PROGRAM_NAME")


def test_a_table_without_a_state_is_named_and_the_fix_adds_it(file: EventTable) -> None:
    file.execute("ALTER TABLE ETL_PRMREC DROP COLUMN SINGER_STATE")
    found = report(ledger_url=file.url)
    file.execute(only(found, "Ledger", "table", "warning", "no column SINGER_STATE").fix)
    assert wrong(report(ledger_url=file.url)) == {}


def test_a_state_that_is_none_is_named(file: EventTable) -> None:
    file.execute("UPDATE ETL_PRMREC SET SINGER_STATE = '{\"bookm'")
    only(report(ledger_url=file.url), "Ledger", "row", "failed", "is not a valid state")


def test_a_pipeline_that_never_ran_is_no_fault(file: EventTable) -> None:
    file.execute("DELETE FROM ETL_PRMREC")
    assert wrong(report(ledger_url=file.url)) == {}
