"""One thing is broken in the ledger's database: the doctor names it, and nothing else."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from target_nats_jetstream.diagnosis import Report
from target_nats_jetstream.doctor.ask_ledger import examine_ledger
from target_nats_jetstream.ledger.ledger import Ledger
from target_nats_jetstream.ledger.row import LedgerProgress, StreamProgress
from target_nats_jetstream.ledger.settings import LedgerSettings
from tests.support.rogue_mariadb import ASKS, Rogue
from tests.target.doctor.examined import PROGRAM, only, wrong
from tests.target.ledger.places import V7_TABLE, SqliteFile
from tools.servers.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from target_nats_jetstream.diagnosis import Finding
    from tests.support.mariadb import MariaDbDatabase
    from tests.target.ledger.places import Place


def report(**config: object) -> Report:
    settings = LedgerSettings.from_config({"program_name": PROGRAM, **config})
    return Report(list(examine_ledger(settings)))


def named(place: Place, check: str, status: str, text: str, **config: object) -> Finding:
    """The one thing that is not in order."""
    return only(report(**place.settings, **config), "Ledger", check, status, text)


@pytest.fixture(params=["mariadb", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A ledger that has had a run."""
    found: Place = SqliteFile(tmp_path / "ledger.db")
    if request.param == "mariadb":
        found = request.getfixturevalue("mariadb")
    ran(found)
    return found


def ledger_of(place: Place) -> Ledger:
    return Ledger(LedgerSettings.from_config({"program_name": PROGRAM, **place.settings}))


def ran(place: Place) -> None:
    ledger = ledger_of(place)
    ledger.begin()
    state = {"bookmarks": {"S": {"replication_key_value": "2026-01-02T03:04:05"}}}
    ledger.checkpoint(LedgerProgress({"S": StreamProgress("2026-01-02T03:04:05", 5)}, state))
    ledger.succeed()
    ledger.close()


def test_where_all_is_well_nothing_is_named_and_nothing_is_changed(place: Place) -> None:
    before = place.execute("SELECT * FROM ETL_PRMREC")
    found = report(**place.settings)
    assert wrong(found) == {}
    assert "complete up to 2026-01-02 03:04:05" in "\n".join(found.text)
    assert place.execute("SELECT * FROM ETL_PRMREC") == before


def test_a_table_that_the_first_run_creates_is_no_fault_and_is_not_created(
    mariadb: MariaDbDatabase,
) -> None:
    assert wrong(report(**mariadb.settings)) == {}
    assert mariadb.execute("SHOW TABLES") == []


def test_a_file_that_the_first_run_creates_is_no_fault_and_is_not_created(tmp_path: Path) -> None:
    place = SqliteFile(tmp_path / "ledger.db")
    assert wrong(report(**place.settings)) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    place = SqliteFile(tmp_path / "none" / "ledger.db")
    named(place, "login", "failed", "does not exist and cannot be created")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("not a database, and long enough to be seen as none")
    named(SqliteFile(tmp_path / "ledger.db"), "login", "failed", "file is not a database")


def test_a_server_that_is_away_is_named(mariadb: MariaDbDatabase) -> None:
    found = report(**{**mariadb.settings, "mariadb_port": free_port()})
    only(found, "Ledger", "login", "failed", "Connection refused")
    assert found.exit_code(strict=False) == 4


@pytest.mark.parametrize(
    ("config", "code", "text"),
    [
        ({"mariadb_password": "wr0ng"}, 3, "Access denied"),
        ({"mariadb_database": "nosuch"}, 3, "Access denied"),
        ({"mariadb_ssl": True}, 2, "SSL"),
    ],
)
def test_a_login_that_is_refused_is_named(
    mariadb: MariaDbDatabase, config: dict[str, Any], code: int, text: str
) -> None:
    found = report(**{**mariadb.settings, **config})
    only(found, "Ledger", "login", "failed", text)
    assert found.exit_code(strict=False) == code
    assert "wr0ng" not in json.dumps(found.result)
    assert mariadb.password not in json.dumps(found.result)


def test_a_server_that_asks_for_the_password_itself_is_named() -> None:
    with Rogue(**ASKS["clear"]).listening() as rogue:
        config = {"mariadb_host": "127.0.0.1", "mariadb_port": rogue.port, "mariadb_user": "u"}
        found = report(**config, mariadb_database="d", mariadb_password="TopSecret1")
        finding = only(found, "Ledger", "login", "failed", "asks for the password itself")
    assert "mariadb_ssl: true" in finding.remedy
    assert not rogue.has("TopSecret1")


@pytest.mark.parametrize("lacking", ["SELECT", "INSERT", "UPDATE", "CREATE"])
def test_each_right_that_is_missing_is_named_and_the_fix_grants_it(
    mariadb: MariaDbDatabase, lacking: str
) -> None:
    ran(mariadb)
    others = ", ".join({"SELECT", "INSERT", "UPDATE", "CREATE"} - {lacking})
    user, table = f"'{mariadb.user}'@'%'", f"{mariadb.database}.ETL_PRMREC"
    mariadb.execute(
        f"REVOKE ALL ON {mariadb.database}.* FROM {user}", f"GRANT {others} ON {table} TO {user}"
    )
    if lacking == "CREATE":
        mariadb.execute("DROP TABLE ETL_PRMREC")
    finding = named(mariadb, "rights", "failed", f"{lacking} command denied")
    mariadb.execute(finding.fix)
    assert wrong(report(**mariadb.settings)) == {}


def test_a_table_of_which_nothing_may_be_seen_is_a_missing_right(mariadb: MariaDbDatabase) -> None:
    ran(mariadb)
    user = f"'{mariadb.user}'@'%'"
    mariadb.execute(
        f"REVOKE ALL ON {mariadb.database}.* FROM {user}",
        "CREATE TABLE other (a INT)",
        f"GRANT SELECT ON {mariadb.database}.other TO {user}",
    )
    named(mariadb, "rights", "failed", "SELECT command denied", ledger_create_table=False)


def test_a_table_that_is_missing_is_named_and_the_fix_creates_it(mariadb: MariaDbDatabase) -> None:
    finding = named(mariadb, "table", "failed", "does not exist", ledger_create_table=False)
    mariadb.execute(finding.fix)
    assert wrong(report(**mariadb.settings, ledger_create_table=False)) == {}


def test_a_missing_table_in_a_file_is_named_and_the_fix_creates_it(tmp_path: Path) -> None:
    place = SqliteFile(tmp_path / "ledger.db")
    place.execute("CREATE TABLE other (a)")
    finding = named(place, "table", "failed", "does not exist", ledger_create_table=False)
    place.execute(finding.fix)
    assert wrong(report(**place.settings, ledger_create_table=False)) == {}


def test_the_table_of_v7_is_named_with_what_it_cannot_do_and_the_fix_adds_it(
    mariadb: MariaDbDatabase,
) -> None:
    mariadb.execute(V7_TABLE)
    finding = named(mariadb, "table", "warning", "no SINGER_STATE: runs without a state start from")
    assert "no STATE_SEQUENCES" in finding.text
    mariadb.execute(finding.fix)
    assert wrong(report(**mariadb.settings)) == {}


def test_the_table_of_v7_in_a_file_too(tmp_path: Path) -> None:
    place = SqliteFile(tmp_path / "ledger.db")
    place.execute(V7_TABLE)
    finding = named(place, "table", "warning", "no STREAM_SEQUENCE")
    with closing(sqlite3.connect(place.path)) as connection:
        connection.executescript(finding.fix)
    assert wrong(report(**place.settings)) == {}


def test_another_table_is_named(place: Place) -> None:
    place.execute("CREATE TABLE OTHER (A INT)")
    text = "has no column PROGRAM_NAME: it is another table"
    named(place, "table", "failed", text, ledger_table="OTHER")


def test_a_name_that_does_not_fit_is_named(mariadb: MariaDbDatabase) -> None:
    ran(mariadb)
    mariadb.execute("ALTER TABLE ETL_PRMREC MODIFY PROGRAM_NAME VARCHAR(8)")
    found = report(**{**mariadb.settings, "program_name": "A_LONG_NAME"})
    only(found, "Ledger", "table", "failed", "`program_name` does not fit")


def test_a_column_that_the_target_does_not_fill_is_named(mariadb: MariaDbDatabase) -> None:
    ran(mariadb)
    mariadb.execute("ALTER TABLE ETL_PRMREC ADD COLUMN OWNER VARCHAR(20) NOT NULL")
    finding = named(mariadb, "rights", "failed", "Field 'OWNER' doesn't have a default value")
    assert "Give that column a default value" in finding.remedy


@pytest.mark.parametrize(
    ("change", "check", "text"),
    [
        ("MODIFY SINGER_STATE TEXT", "room", "SINGER_STATE takes 65,535 characters"),
        ("MODIFY STATE_SEQUENCES VARCHAR(2000)", "room", "STATE_SEQUENCES takes 2,000 characters"),
        ("ENGINE=Aria", "table", "has engine Aria: count and state are not written as one"),
    ],
)
def test_each_misfit_of_the_table_is_named_and_the_fix_mends_it(
    mariadb: MariaDbDatabase, change: str, check: str, text: str
) -> None:
    ran(mariadb)
    mariadb.execute(f"ALTER TABLE ETL_PRMREC {change}")
    mariadb.execute(named(mariadb, check, "warning", text).fix)
    assert wrong(report(**mariadb.settings)) == {}


def test_a_count_that_comes_to_its_end_is_named_and_the_fix_mends_it(
    mariadb: MariaDbDatabase,
) -> None:
    ran(mariadb)
    mariadb.execute(
        "ALTER TABLE ETL_PRMREC MODIFY RECORDS_PROCESSED INT",
        "UPDATE ETL_PRMREC SET RECORDS_PROCESSED = 2000000000",
    )
    text = "RECORDS_PROCESSED is 2,000,000,000 and stops at 2,147,483,647"
    mariadb.execute(named(mariadb, "room", "warning", text).fix)
    assert wrong(report(**mariadb.settings)) == {}


def test_a_state_that_cannot_be_parsed_is_named(place: Place) -> None:
    place.execute("UPDATE ETL_PRMREC SET SINGER_STATE = '{\"bookm'")
    named(place, "row", "warning", f"SINGER_STATE of {PROGRAM} cannot be parsed")


def test_a_value_that_is_no_time_is_named(tmp_path: Path) -> None:
    place = SqliteFile(tmp_path / "ledger.db")
    ran(place)
    place.execute("UPDATE ETL_PRMREC SET LAST_RUN_TIME = 'yesterday'")
    named(place, "row", "failed", "has a value that is not a time")


def test_a_history_that_cannot_be_written_is_a_warning_and_the_fix_mends_it(
    mariadb: MariaDbDatabase,
) -> None:
    ran(mariadb)
    user = f"'{mariadb.user}'@'%'"
    mariadb.execute(
        f"REVOKE ALL ON {mariadb.database}.* FROM {user}",
        f"GRANT SELECT, INSERT, UPDATE ON {mariadb.database}.ETL_PRMREC TO {user}",
    )
    finding = named(mariadb, "history", "warning", "CREATE command denied", run_history=True)
    for statement in finding.fix.rstrip(";").split("; "):
        mariadb.execute(statement)
    assert wrong(report(**mariadb.settings, run_history=True)) == {}


def test_a_history_that_is_missing_is_named_and_the_fix_creates_it(place: Place) -> None:
    config = {"run_history": True, "ledger_create_table": False}
    finding = named(place, "history", "warning", "ETL_PRMREC_RUNS does not exist", **config)
    place.execute(finding.fix)
    assert wrong(report(**place.settings, **config)) == {}


def test_a_lock_that_is_held_is_named_with_who_holds_it(place: Place) -> None:
    ledger = ledger_of(place)
    ledger.begin()
    try:
        finding = named(place, "lock", "warning", f"a run of {PROGRAM} is active (")
        owner = "from 127.0.0.1:" if "mariadb_host" in place.settings else "process "
        assert owner in finding.text
    finally:
        ledger.close()
    assert wrong(report(**place.settings)) == {}


def test_no_ledger_is_no_fault() -> None:
    assert wrong(report()) == {}
