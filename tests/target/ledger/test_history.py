"""The history of runs: a row for each, from its beginning to its end, and never in a run's way."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.ledger.ddl import create_tables, grants
from target_nats_jetstream.ledger.settings import LedgerSettings
from tests.target.ledger.places import SqliteFile, progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from target_nats_jetstream.ledger.ledger import Ledger
    from tests.support.mariadb import MariaDbDatabase
    from tests.target.ledger.places import Place

    OpenLedger = Callable[..., Ledger]

COLUMNS = "PROGRAM_NAME, STATUS, RECORDS_PROCESSED, DEAD_LETTERS, ERROR_MESSAGE"


def runs(place: Place) -> list[tuple[Any, ...]]:
    return place.execute(f"SELECT {COLUMNS} FROM ETL_PRMREC_RUNS ORDER BY BEGAN_AT, PROGRAM_NAME")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def kept(place: Place, open_ledger: OpenLedger, **more: object) -> Ledger:
    return open_ledger(place, program_name="P", run_history=True, max_retries=0, **more)


def test_without_the_setting_there_is_no_table(place: Place, open_ledger: OpenLedger) -> None:
    ledger = open_ledger(place)
    ledger.begin()
    ledger.succeed()
    assert ledger.newest_runs(["M_INTIMECASEAGENT"], 5) == []


def test_a_run_has_a_row_from_its_beginning(place: Place, open_ledger: OpenLedger) -> None:
    for error in (None, "line 4 is no Singer message", None):
        ledger = kept(place, open_ledger)
        ledger.check()
        ledger.begin()
        ledger.begin()
        assert runs(place)[-1] == ("P", "RUNNING", None, None, None)
        ledger.checkpoint(progress(5))
        ledger.checkpoint(progress(7))
        if error:
            ledger.fail(f"{error}.\nSee it", 2)
        else:
            ledger.succeed(1)
        ledger.close()
    well = ("P", "SUCCESS", 7, 1, None)

    assert runs(place) == [well, ("P", "FAILED", 7, 2, "line 4 is no Singer message. See it"), well]
    assert place.execute("SELECT RECORDS_PROCESSED FROM ETL_PRMREC") == [(21,)]
    assert place.execute("SELECT COUNT(*) FROM ETL_PRMREC_RUNS WHERE ENDED_AT < BEGAN_AT") == [(0,)]


def test_a_killed_run_is_marked_by_the_next_one(place: Place, open_ledger: OpenLedger) -> None:
    other = open_ledger(place, program_name="P_2", run_history=True)
    other.begin()
    killed = kept(place, open_ledger)
    killed.begin()
    killed.close()
    assert [run.status for run in killed.newest_runs(["P"], 5)] == ["RUNNING"]
    kept(place, open_ledger).begin()

    assert runs(place) == [
        ("P_2", "RUNNING", None, None, None),
        ("P", "DEAD", None, None, "the run was killed"),
        ("P", "RUNNING", None, None, None),
    ]


def test_a_run_that_fails_before_it_begins_is_told(place: Place, open_ledger: OpenLedger) -> None:
    ledger = kept(place, open_ledger)
    ledger.check()
    ledger.fail("cannot reach NATS")

    assert runs(place) == [("P", "FAILED", 0, 0, "cannot reach NATS")]


def test_a_run_that_was_only_checked_leaves_no_row(place: Place, open_ledger: OpenLedger) -> None:
    ledger = kept(place, open_ledger)
    ledger.check()
    ledger.close()

    assert ledger.newest_runs(["P"], 5) == []


def test_the_newest_runs_come_first(place: Place, open_ledger: OpenLedger) -> None:
    for name in "ABCA":
        ledger = open_ledger(place, program_name=name, run_history=True)
        ledger.begin()
        ledger.succeed()
        ledger.close()
    found = ledger.newest_runs(["A", "B"], 2)

    assert [run.program_name for run in found] == ["A", "B"]
    assert all(run.ended_at and run.began_at and run.began_at <= run.ended_at for run in found)


def test_a_table_that_is_missing_is_one_warning(
    place: Place, open_ledger: OpenLedger, caplog: pytest.LogCaptureFixture
) -> None:
    for statement in create_tables(LedgerSettings.from_config(place.settings)):
        place.execute(statement)
    ledger = kept(place, open_ledger, ledger_create_table=False)
    ledger.begin()
    ledger.checkpoint(progress(5))
    ledger.succeed()

    (line,) = warnings(caplog)
    assert "the history of runs is not complete: ETL_PRMREC_RUNS does not exist" in line
    assert place.execute("SELECT STATUS FROM ETL_PRMREC") == [("SUCCESS",)]


def test_a_right_that_is_missing_is_one_warning(
    mariadb: MariaDbDatabase, open_ledger: OpenLedger, caplog: pytest.LogCaptureFixture
) -> None:
    history = LedgerSettings.from_config({**mariadb.settings, "run_history": True})
    user = f"'{mariadb.user}'@'%'"
    for statement in create_tables(history):
        mariadb.execute(statement)
    mariadb.execute(f"REVOKE ALL, GRANT OPTION FROM {user}")
    mariadb.execute(f"GRANT SELECT, INSERT, UPDATE ON ETL_PRMREC TO {user}")
    ledger = kept(mariadb, open_ledger)
    ledger.begin()
    ledger.succeed()
    ledger.close()
    assert len(warnings(caplog)) == 1

    mariadb.execute(f"GRANT SELECT, INSERT, UPDATE ON ETL_PRMREC_RUNS TO {user}")
    ledger = kept(mariadb, open_ledger, ledger_create_table=False)
    ledger.begin()
    ledger.succeed()
    assert [row[1] for row in runs(mariadb)] == ["SUCCESS"]


def test_a_table_that_is_lost_on_the_way_does_not_end_the_run(
    place: Place, open_ledger: OpenLedger, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = kept(place, open_ledger)
    ledger.begin()
    place.execute("DROP TABLE ETL_PRMREC_RUNS")
    place.execute("CREATE TABLE ETL_PRMREC_RUNS (X INT)")
    ledger.checkpoint(progress(5))
    ledger.succeed()

    assert len(warnings(caplog)) == 1
    assert place.execute("SELECT STATUS FROM ETL_PRMREC") == [("SUCCESS",)]


def test_a_table_with_fewer_columns_has_what_fits(place: Place, open_ledger: OpenLedger) -> None:
    place.execute(
        "CREATE TABLE ETL_PRMREC_RUNS (PROGRAM_NAME VARCHAR(99), RUN_ID VARCHAR(36), "
        "STATUS VARCHAR(4))"
    )
    ledger = kept(place, open_ledger)
    ledger.begin()
    ledger.succeed()

    (run,) = ledger.newest_runs(["P"], 5)
    assert (run.began_at, run.records_processed) == (None, None)


def test_a_row_that_cannot_be_read_is_told(tmp_path: Path, open_ledger: OpenLedger) -> None:
    place = SqliteFile(tmp_path / "ledger.db")
    ledger = kept(place, open_ledger)
    ledger.begin()
    place.execute("UPDATE ETL_PRMREC_RUNS SET BEGAN_AT = 'yesterday'")
    with pytest.raises(ConfigurationError, match="ETL_PRMREC_RUNS has a value that is not a time"):
        ledger.newest_runs(["P"], 5)


def test_what_an_administrator_runs(mariadb: MariaDbDatabase) -> None:
    settings = LedgerSettings.from_config({**mariadb.settings, "run_history": True})
    assert "`ETL_PRMREC_RUNS`" in grants(settings).splitlines()[1]
    assert "ETL_PRMREC_RUNS" not in grants(LedgerSettings.from_config(mariadb.settings))


def test_a_name_that_leaves_no_room_is_refused() -> None:
    config = {"ledger_url": "sqlite:///x.db", "ledger_table": "T" * 60}
    LedgerSettings.from_config(config)
    with pytest.raises(ConfigurationError, match="too long for `run_history`"):
        LedgerSettings.from_config({**config, "run_history": True})
