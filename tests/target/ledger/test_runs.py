"""When a run begins and ends: what it proves before, whom it keeps out, and what it leaves."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from target_nats_jetstream.errors import (
    AccessDeniedError,
    ConfigurationError,
    TargetError,
    UnreachableError,
)
from target_nats_jetstream.ledger.errors import RowInUseError
from target_nats_jetstream.ledger.ledger import Ledger
from target_nats_jetstream.ledger.row import LedgerProgress, StreamProgress
from target_nats_jetstream.ledger.settings import LedgerSettings
from tests.target.ledger.places import (
    V7_TABLE,
    SqliteFile,
    bookmarks,
    checkpoint,
    progress,
)
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.mariadb import MariaDbDatabase
    from tests.target.ledger.places import Place

    OpenLedger = Callable[..., Ledger]

#: Begins a run, says so, and stays until it is killed.
BEGIN_AND_STAY = """
import json, sys
from target_nats_jetstream.ledger.ledger import Ledger
from target_nats_jetstream.ledger.settings import LedgerSettings
ledger = Ledger(LedgerSettings.from_config(json.loads(sys.argv[1])))
ledger.begin()
print("begun", flush=True)
sys.stdin.read()
"""


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def told(place: Place) -> list[tuple[object, ...]]:
    query = "SELECT PROGRAM_NAME, STATUS, ERROR_MESSAGE, RECORDS_PROCESSED FROM ETL_PRMREC"
    return place.execute(f"{query} ORDER BY PROGRAM_NAME")


class TestCheck:
    def test_it_makes_the_table_and_no_row(self, place: Place, open_ledger: OpenLedger) -> None:
        assert open_ledger(place).check() is None

        assert told(place) == []

    def test_it_tells_what_the_row_says_and_changes_nothing(
        self, place: Place, open_ledger: OpenLedger
    ) -> None:
        first = open_ledger(place)
        first.begin()
        first.checkpoint(checkpoint(bookmarks(A="2026-01-01"), 7))
        first.succeed()
        first.close()
        before = place.execute("SELECT * FROM ETL_PRMREC")
        row = open_ledger(place).check()

        assert row is not None
        assert (row.state, row.sequences.newest) == (bookmarks(A="2026-01-01"), 7)
        assert place.execute("SELECT * FROM ETL_PRMREC") == before

    def test_a_run_begins_after_it_as_it_does_without(
        self, place: Place, open_ledger: OpenLedger
    ) -> None:
        for count in (1, 2):
            ledger = open_ledger(place, program_name="P")
            checked = ledger.check()
            assert ledger.begin() == checked
            ledger.checkpoint(progress(1))
            ledger.succeed()
            ledger.close()

            assert told(place) == [("P", "SUCCESS", None, count)]

    def test_no_other_run_begins_after_it(self, place: Place, open_ledger: OpenLedger) -> None:
        first = open_ledger(place, max_retries=0)
        first.check()
        with pytest.raises(RowInUseError):
            open_ledger(place, max_retries=0).check()
        first.begin()

    def test_the_killed_run_before_is_told_when_the_row_is_taken(
        self, place: Place, open_ledger: OpenLedger, caplog: pytest.LogCaptureFixture
    ) -> None:
        killed = open_ledger(place)
        killed.begin()
        killed.close()
        ledger = open_ledger(place)
        ledger.check()
        assert warnings(caplog) == []
        ledger.begin()
        ledger.begin()

        assert len(warnings(caplog)) == 1

    def test_a_row_that_another_run_has_written_since_is_not_taken(
        self, place: Place, open_ledger: OpenLedger
    ) -> None:
        ledger = open_ledger(place)
        ledger.check()
        place.execute(
            "INSERT INTO ETL_PRMREC (PROGRAM_NAME, STATUS, LAST_RUN_TIME) "
            "VALUES ('M_INTIMECASEAGENT', 'RUNNING', '2030-01-01 00:00:00.000000')"
        )
        with pytest.raises(TargetError, match="another run has taken over"):
            ledger.begin()

    @pytest.mark.parametrize("right", ["SELECT ON ETL_PRMREC", "SELECT, INSERT ON ETL_PRMREC"])
    def test_a_missing_right_is_found_without_a_row(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger, right: str
    ) -> None:
        mariadb.execute(V7_TABLE)
        user = f"'{mariadb.user}'@'%'"
        mariadb.execute(f"REVOKE ALL, GRANT OPTION FROM {user}", f"GRANT {right} TO {user}")

        with pytest.raises(AccessDeniedError, match="command denied"):
            open_ledger(mariadb).check()

    def test_a_database_that_cannot_be_written_is_found(self, tmp_path: Path) -> None:
        SqliteFile(tmp_path / "ledger.db").execute(V7_TABLE)
        url = f"sqlite:///file:{tmp_path / 'ledger.db'}?mode=ro&uri=true"
        ledger = Ledger(LedgerSettings.from_config({"ledger_url": url}))

        with pytest.raises(ConfigurationError, match="readonly database"):
            ledger.check()
        ledger.close()

    def test_under_warn_a_ledger_that_is_away_is_forgiven(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger
    ) -> None:
        ledger = open_ledger(mariadb, ledger_on_error="warn", max_retries=0)
        mariadb.server.kill()
        assert ledger.check() is None
        mariadb.server.start()
        ledger.begin()
        ledger.succeed()

        assert [row[1] for row in told(mariadb)] == ["SUCCESS"]


class TestTheEnd:
    def test_a_run_that_was_only_checked_can_fail(
        self, place: Place, open_ledger: OpenLedger
    ) -> None:
        ledger = open_ledger(place, program_name="P")
        ledger.check()
        ledger.fail("the input is empty")

        assert told(place) == [("P", "FAILED", "the input is empty", 0)]

    def test_a_run_that_was_only_checked_and_closed_leaves_no_trace(
        self, place: Place, open_ledger: OpenLedger
    ) -> None:
        ledger = open_ledger(place)
        ledger.check()
        ledger.checkpoint(checkpoint({"bookmarks": {"meltano_test_stream": {"last_record": 1}}}, 1))
        ledger.close()

        assert told(place) == []

    def test_a_run_that_could_not_be_checked_leaves_the_row_to_its_owner(
        self, place: Place, open_ledger: OpenLedger
    ) -> None:
        first = open_ledger(place, max_retries=0)
        first.begin()
        second = open_ledger(place, max_retries=0)
        with pytest.raises(RowInUseError):
            second.check()
        second.fail("refused")

        assert [row[1] for row in told(place)] == ["RUNNING"]

    @pytest.mark.parametrize("end", ["succeed", "fail"])
    def test_a_run_that_was_killed_leaves_no_row_running_once_another_has_begun(
        self, place: Place, open_ledger: OpenLedger, end: str
    ) -> None:
        killed = open_ledger(place, program_name="P")
        killed.begin()
        killed.checkpoint(
            LedgerProgress({"A": StreamProgress(None, 1), "B": StreamProgress(None, 1)}, None)
        )
        killed.close()
        place.execute("INSERT INTO ETL_PRMREC (PROGRAM_NAME, STATUS) VALUES ('P:Z', 'RUNNING')")
        ledger = open_ledger(place, program_name="P")
        ledger.begin()
        ledger.checkpoint(LedgerProgress({"A": StreamProgress(None, 1)}, None))
        if end == "succeed":
            ledger.succeed()
        else:
            ledger.fail("no")
        status, error = ("SUCCESS", None) if end == "succeed" else ("FAILED", "no")

        assert told(place) == [
            ("P", status, error, 3),
            ("P:A", status, error, 2),
            ("P:B", "FAILED", "the run was killed", 1),
            ("P:Z", "RUNNING", None, 0),  # a pipeline of its own
        ]


class TestTwoRunsAtOnce:
    def test_the_second_is_refused_while_the_first_is_at_work(
        self,
        place: Place,
        open_ledger: OpenLedger,
        waits: list[float],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        first = open_ledger(place, program_name="P")
        first.begin()
        second = open_ledger(place, program_name="P", max_retries=2, ledger_on_error="warn")
        with pytest.raises(
            RowInUseError, match=r"another run of P is active on ETL_PRMREC .*\(.* \d+( from .*)?\)"
        ):
            second.begin()
        second.fail("refused")
        assert warnings(caplog) == [], "it does not even try to write the row of the first"
        first.checkpoint(progress(5))

        assert waits == [0.1, 0.2]
        assert told(place) == [("P", "RUNNING", None, 5)]
        assert [row.status for row in second.standings()[0].rows] == ["RUNNING"], (
            "asking needs no lock"
        )

    def test_the_second_may_begin_when_the_first_has_ended(
        self, place: Place, open_ledger: OpenLedger
    ) -> None:
        first = open_ledger(place)
        first.begin()
        first.close()

        open_ledger(place, max_retries=0).begin()

    def test_pipelines_with_names_of_their_own_run_side_by_side(
        self, place: Place, open_ledger: OpenLedger
    ) -> None:
        for name in ("P", "Q"):
            open_ledger(place, program_name=name, max_retries=0).begin()

        assert place.execute("SELECT COUNT(*) FROM ETL_PRMREC") == [(2,)]

    def test_tables_of_their_own_have_locks_of_their_own(
        self, place: Place, open_ledger: OpenLedger
    ) -> None:
        for table in ("ONE", "TWO"):
            open_ledger(place, ledger_table=table, max_retries=0).begin()

    def test_two_ways_to_one_sqlite_file_lead_to_one_lock(
        self, tmp_path: Path, open_ledger: OpenLedger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "link.db").symlink_to(tmp_path / "ledger.db")
        open_ledger(SqliteFile(tmp_path / "ledger.db"), max_retries=0).begin()
        for url in ("sqlite:///ledger.db", "sqlite:///link.db"):
            second = Ledger(LedgerSettings.from_config({"ledger_url": url, "max_retries": 0}))
            with pytest.raises(RowInUseError):
                second.begin()
            second.close()

    def test_a_folder_that_takes_no_lock_is_told(
        self, tmp_path: Path, open_ledger: OpenLedger
    ) -> None:
        place = SqliteFile(tmp_path / "ledger.db")
        ledger = open_ledger(place)
        ledger.begin()
        ledger.close()
        (lock,) = tmp_path.glob("ledger.db-*.lock")
        lock.unlink()
        lock.mkdir()

        with pytest.raises(
            ConfigurationError, match=r"cannot lock .*\.lock: .*next to the database"
        ):
            open_ledger(place).begin()


class TestStanding:
    def test_a_pipeline_that_never_ran_has_no_rows_and_no_run(
        self, place: Place, open_ledger: OpenLedger
    ) -> None:
        assert open_ledger(place).standings()[0] == ([], False)

    def test_a_run_at_work_is_seen(self, place: Place, open_ledger: OpenLedger) -> None:
        open_ledger(place).begin()
        standing = open_ledger(place).standings()[0]

        assert standing.is_running
        assert [row.status for row in standing.rows] == ["RUNNING"]

    def test_a_run_that_ended_is_over(self, place: Place, open_ledger: OpenLedger) -> None:
        ledger = open_ledger(place)
        ledger.begin()
        ledger.succeed()
        ledger.close()

        assert not open_ledger(place).standings()[0].is_running

    def test_asking_does_not_keep_a_run_out(self, place: Place, open_ledger: OpenLedger) -> None:
        first = open_ledger(place)
        first.begin()
        first.close()
        asked = open_ledger(place)
        asked.standings()[0]

        open_ledger(place, max_retries=0).begin()
        assert asked.standings()[0].is_running

    def test_a_killed_process_is_seen_at_once(self, place: Place, open_ledger: OpenLedger) -> None:
        command = [sys.executable, "-c", BEGIN_AND_STAY, json.dumps(dict(place.settings))]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
            assert open_ledger(place).standings()[0].is_running
            os.kill(process.pid, signal.SIGKILL)
        dead = open_ledger(place)
        wait_until(lambda: not dead.standings()[0].is_running, what="the lock is free")

        assert [row.status for row in dead.standings()[0].rows] == ["RUNNING"]

    def test_asking_does_not_wait_for_a_database_that_is_away(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger, waits: list[float]
    ) -> None:
        mariadb.server.kill()
        with pytest.raises(UnreachableError):
            open_ledger(mariadb).standings()[0]
        mariadb.server.start()

        assert waits == []


class TestPipelinesByPattern:
    """As SQL has it: ``%`` for any text, ``_`` for one character, both as they are behind a \\."""

    def test_each_has_its_rows_and_its_lock(self, place: Place, open_ledger: OpenLedger) -> None:
        at_work = open_ledger(place, program_name="M_A")
        at_work.begin()
        at_work.checkpoint(
            LedgerProgress({"X": StreamProgress(None, 1), "Y": StreamProgress(None, 1)}, None)
        )
        for name in ("M_B", "N"):
            killed = open_ledger(place, program_name=name)
            killed.begin()
            killed.close()
        found = open_ledger(place).standings("M_%")

        assert [([row.program_name for row in rows], running) for rows, running in found] == [
            (["M_A", "M_A:X", "M_A:Y"], True),
            (["M_B"], False),
        ]

    @pytest.mark.parametrize(
        ("pattern", "names"),
        [
            ("M_A", ["M_A", "M_A:X", "MxA"]),
            ("M\\_%", ["M_A", "M_A2", "M_A:X"]),
            ("%A", ["M_A", "M_A:X", "MxA"]),
            ("100\\%", ["100%"]),
            ("' OR '1'='1", []),
        ],
    )
    def test_patterns(
        self, place: Place, open_ledger: OpenLedger, pattern: str, names: list[str]
    ) -> None:
        place.execute(V7_TABLE)
        for name in ("M_A", "M_A:X", "M_A2", "MxA", "100%", "1000"):
            place.execute(f"INSERT INTO ETL_PRMREC (PROGRAM_NAME) VALUES ('{name}')")
        found = open_ledger(place).standings(pattern)

        assert sorted(row.program_name for one in found for row in one.rows) == names

    def test_without_the_table_there_are_none(self, place: Place, open_ledger: OpenLedger) -> None:
        assert open_ledger(place).standings("%") == []


class TestOtherStreams:
    def test_a_run_of_other_streams_is_told_once(
        self, place: Place, open_ledger: OpenLedger, caplog: pytest.LogCaptureFixture
    ) -> None:
        for name in "AB":
            ledger = open_ledger(place, program_name="P")
            ledger.begin()
            ledger.checkpoint(checkpoint(bookmarks(**{name: "2026-01-01"})))
            ledger.checkpoint(checkpoint(bookmarks(**{name: "2026-01-02", "C": "2026-01-02"})))
            ledger.close()

        (line, killed) = warnings(caplog)[::-1]
        assert "did not finish" in killed
        assert line.endswith(
            "the row P belongs to A, C, but this run sends B. If these are two pipelines, give "
            "each a `program_name` of its own"
        )

    @pytest.mark.parametrize(
        "state",
        [
            bookmarks(A="2026-01-03"),
            bookmarks(A="2026-01-01", B="2026-01-01"),
            {},
            {"bookmarks": {"meltano_test_stream": {}}},
            {"cursor": 7},
        ],
    )
    def test_a_run_that_has_a_stream_of_the_row_is_its_own(
        self,
        place: Place,
        open_ledger: OpenLedger,
        caplog: pytest.LogCaptureFixture,
        state: dict[str, object],
    ) -> None:
        for one in (bookmarks(A="2026-01-01"), state):
            ledger = open_ledger(place)
            ledger.begin()
            ledger.checkpoint(checkpoint(one))
            ledger.succeed()
            ledger.close()

        assert warnings(caplog) == []
