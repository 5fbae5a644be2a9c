"""What only a server can do to a ledger: go away, refuse, lock, and hold less than it is told."""

from __future__ import annotations

import itertools
import logging
import time
from typing import TYPE_CHECKING

import pytest

from target_nats_jetstream.errors import AccessDeniedError, ConfigurationError, UnreachableError
from target_nats_jetstream.ledger.errors import RowInUseError
from target_nats_jetstream.ledger.ledger import Ledger
from target_nats_jetstream.ledger.row import LedgerProgress, StreamProgress
from target_nats_jetstream.ledger.settings import LedgerSettings
from tests.target.ledger.commit_thief import CommitThief
from tests.target.ledger.places import V7_TABLE, at, progress
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.mariadb import MariaDb, MariaDbDatabase

    OpenLedger = Callable[..., Ledger]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def cell(mariadb: MariaDbDatabase, column: str) -> object:
    ((value,),) = mariadb.execute(f"SELECT {column} FROM ETL_PRMREC")
    return value


@pytest.fixture
def sql_mode(mariadb_server: MariaDb) -> Iterator[Callable[[str], object]]:
    """Sets the sql_mode of the connections to come."""
    ((before,),) = mariadb_server.execute("SELECT @@GLOBAL.sql_mode")
    yield lambda mode: mariadb_server.execute(f"SET GLOBAL sql_mode = '{before},{mode}'")
    mariadb_server.execute(f"SET GLOBAL sql_mode = '{before}'")


class TestWhatAColumnHolds:
    def test_a_server_that_rounds_times_up_does_not_get_the_chance(
        self,
        mariadb: MariaDbDatabase,
        open_ledger: OpenLedger,
        sql_mode: Callable[[str], object],
    ) -> None:
        sql_mode("TIME_ROUND_FRACTIONAL")
        mariadb.execute(V7_TABLE)
        ledger = open_ledger(mariadb)
        ledger.begin()
        ledger.checkpoint(progress(1, "2026-12-31T23:59:59.999999"))
        ledger.succeed()

        assert cell(mariadb, "LAST_SUCCESSFUL_TIME") == at("2026-12-31T23:59:59")

    def test_a_count_beyond_int_stops_at_the_largest_with_one_warning(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger, caplog: pytest.LogCaptureFixture
    ) -> None:
        mariadb.execute(
            V7_TABLE,
            "INSERT INTO ETL_PRMREC (PROGRAM_NAME, RECORDS_PROCESSED) VALUES ('P', 2147483640)",
        )
        ledger = open_ledger(mariadb, program_name="P")
        ledger.begin()
        for records in (7, 8, 9):
            ledger.checkpoint(progress(records))

        assert cell(mariadb, "RECORDS_PROCESSED") == 2147483647
        (line,) = warnings(caplog)
        assert line.endswith("RECORDS_PROCESSED has reached its largest value and no longer counts")

    def test_a_count_beyond_int_goes_on_in_a_table_of_our_own(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger
    ) -> None:
        ledger = open_ledger(mariadb)
        ledger.begin()
        ledger.checkpoint(progress(2147483650))

        assert cell(mariadb, "RECORDS_PROCESSED") == 2147483650

    @pytest.mark.parametrize("charset", ["utf8mb4", "latin1"])
    def test_an_error_text_is_cut_to_what_the_column_takes(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger, charset: str
    ) -> None:
        mariadb.execute(f"{V7_TABLE} CHARACTER SET {charset}")
        ledger = open_ledger(mariadb)
        ledger.begin()
        ledger.fail("verbindung verweigert \N{COLLISION SYMBOL} \N{EURO SIGN} " * 5000)

        text = str(cell(mariadb, "ERROR_MESSAGE"))
        assert text.startswith("verbindung verweigert")
        assert text.endswith("...")
        assert 65530 < len(text.encode()) <= 65535
        assert cell(mariadb, "STATUS") == "FAILED"

    def test_a_state_that_does_not_fit_is_left_out_and_not_cut(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger, caplog: pytest.LogCaptureFixture
    ) -> None:
        mariadb.execute(
            V7_TABLE, "ALTER TABLE ETL_PRMREC ADD COLUMN SINGER_STATE VARCHAR(20) DEFAULT 'old'"
        )
        ledger = open_ledger(mariadb)
        ledger.begin()
        for records in (1, 2):
            ledger.checkpoint(progress(records, state={"bookmarks": "longer than 20"}))

        assert cell(mariadb, "SINGER_STATE") is None
        (line,) = warnings(caplog)
        assert line.endswith("SINGER_STATE is too small for the state, which is left out")

    def test_long_stream_names_that_differ_at_the_end_have_rows_of_their_own(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger
    ) -> None:
        mariadb.execute(V7_TABLE)
        ledger = open_ledger(mariadb, program_name="P")
        ledger.begin()
        streams = {f"{'s' * 120}{n}": StreamProgress(None, n) for n in (1, 2)}
        ledger.checkpoint(LedgerProgress(streams, None))

        assert [
            row.records_processed for row in ledger.standings()[0].rows if ":" in row.program_name
        ] in (
            [1, 2],
            [2, 1],
        )

    def test_a_timestamp_column_has_utc_whatever_zone_the_server_is_in(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger
    ) -> None:
        mariadb.execute(V7_TABLE.replace("DATETIME", "TIMESTAMP NULL"))
        mariadb.server.execute("SET GLOBAL time_zone = '+05:00'")
        try:
            open_ledger(mariadb).begin()
        finally:
            mariadb.server.execute("SET GLOBAL time_zone = DEFAULT")

        ((age,),) = mariadb.execute(
            "SELECT UNIX_TIMESTAMP() - UNIX_TIMESTAMP(LAST_RUN_TIME) FROM ETL_PRMREC"
        )
        assert 0 <= age < 60

    def test_a_program_name_that_does_not_fit_is_refused(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger
    ) -> None:
        mariadb.execute(V7_TABLE)

        with pytest.raises(ConfigurationError, match="`program_name` does not fit"):
            open_ledger(mariadb, program_name="P" * 101).begin()


class TestServerAway:
    def test_a_server_killed_between_two_checkpoints_loses_nothing(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger
    ) -> None:
        ledger = open_ledger(mariadb)
        ledger.begin()
        ledger.checkpoint(progress(10, "2026-01-02", {"n": 10}))
        mariadb.server.kill()
        mariadb.server.start()

        assert cell(mariadb, "RECORDS_PROCESSED") == 10
        ledger.checkpoint(progress(25, "2026-01-03", {"n": 25}))
        ledger.succeed()
        assert cell(mariadb, "CONCAT(RECORDS_PROCESSED, STATUS, SINGER_STATE)") == (
            '25SUCCESS{"n":25}'
        )

    def test_a_server_that_comes_back_while_it_is_tried_again_costs_the_wait_only(
        self, mariadb: MariaDbDatabase
    ) -> None:
        waits: list[float] = []

        def wait(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 2:
                mariadb.server.start()

        ledger = Ledger(LedgerSettings.from_config(mariadb.settings), sleep=wait)
        ledger.begin()
        mariadb.server.kill()
        ledger.checkpoint(progress(10))
        ledger.close()

        assert waits == [0.1, 0.2]
        assert cell(mariadb, "RECORDS_PROCESSED") == 10

    def test_a_server_that_stays_away_stops_the_run_and_says_what_follows(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger, waits: list[float]
    ) -> None:
        ledger = open_ledger(mariadb, max_retries=3, backoff=[1, 2, 3])
        ledger.begin()
        mariadb.server.kill()
        try:
            with pytest.raises(UnreachableError) as caught:
                ledger.checkpoint(progress(10))
        finally:
            mariadb.server.start()

        where = f"ETL_PRMREC at 127.0.0.1:{mariadb.port}/{mariadb.database}"
        assert str(caught.value).startswith(f"cannot write {where}: ")
        assert (
            "(4 tries). Because of `ledger_on_error: fail`, no further STATE is passed on."
            in str(caught.value)
        )
        assert caught.value.exit_code == 4
        assert waits == [1, 2, 3]
        assert cell(mariadb, "RECORDS_PROCESSED") == 0

    def test_failing_while_the_server_is_away_neither_waits_nor_raises(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger, waits: list[float]
    ) -> None:
        ledger = open_ledger(mariadb)
        ledger.begin()
        mariadb.server.kill()
        try:
            ledger.fail("NATS is away")
        finally:
            mariadb.server.start()

        assert waits == []
        assert cell(mariadb, "STATUS") == "RUNNING"

    def test_under_warn_the_run_goes_on_and_the_ledger_catches_up(
        self,
        mariadb: MariaDbDatabase,
        open_ledger: OpenLedger,
        waits: list[float],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        ledger = open_ledger(mariadb, ledger_on_error="warn", max_retries=2)
        ledger.begin()
        mariadb.server.kill()
        ledger.checkpoint(progress(10))
        assert waits == [0.1, 0.2]
        ledger.checkpoint(progress(20))
        mariadb.server.start()
        ledger.checkpoint(progress(30))

        assert waits == [0.1, 0.2], "a ledger known to be away is tried once, without waiting"
        assert cell(mariadb, "RECORDS_PROCESSED") == 30
        (line,) = warnings(caplog)
        assert line.endswith("Continuing without the ledger (`ledger_on_error: warn`)")

    def test_under_warn_a_run_that_began_without_its_server_has_a_row_at_the_end(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger
    ) -> None:
        ledger = open_ledger(mariadb, ledger_on_error="warn", max_retries=0)
        mariadb.server.kill()
        assert ledger.begin() is None
        mariadb.server.start()
        ledger.checkpoint(progress(10))
        assert cell(mariadb, "STATUS") == "RUNNING"
        ledger.succeed()

        assert cell(mariadb, "CONCAT(RECORDS_PROCESSED, STATUS)") == "10SUCCESS"

    def test_a_connection_that_idled_too_long_is_no_error(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger, waits: list[float]
    ) -> None:
        mariadb.server.execute("SET GLOBAL wait_timeout = 1")
        try:
            ledger = open_ledger(mariadb)
            ledger.begin()
            wait_until(lambda: connections(mariadb) == [], what="the server hangs up")
            ledger.checkpoint(progress(10))
        finally:
            mariadb.server.execute("SET GLOBAL wait_timeout = DEFAULT")

        assert cell(mariadb, "RECORDS_PROCESSED") == 10
        assert waits == []

    def test_a_server_that_hangs_is_given_up_after_the_timeout(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger
    ) -> None:
        ledger = open_ledger(mariadb, ledger_timeout=1.5, max_retries=0)
        ledger.begin()
        mariadb.server.pause()
        began = time.monotonic()
        try:
            with pytest.raises(UnreachableError):
                ledger.checkpoint(progress(10))
        finally:
            mariadb.server.resume()

        assert time.monotonic() - began < 15

    def test_a_row_that_somebody_has_locked_is_waited_for_and_then_reported(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger
    ) -> None:
        ledger = open_ledger(mariadb, ledger_timeout=3, max_retries=0)
        ledger.begin()
        with mariadb.server.root() as person, person.cursor() as cursor:
            person.begin()
            cursor.execute(f"SELECT * FROM {mariadb.database}.ETL_PRMREC FOR UPDATE")
            with pytest.raises(UnreachableError, match="Lock wait timeout"):
                ledger.checkpoint(progress(10))

        ledger.checkpoint(progress(10))
        assert cell(mariadb, "RECORDS_PROCESSED") == 10

    @pytest.mark.parametrize("done", [True, False], ids=["answer", "question"])
    def test_whichever_commit_is_lost_each_record_counts_once(
        self, mariadb: MariaDbDatabase, done: bool
    ) -> None:
        parts = {"A": StreamProgress(None, 15), "B": StreamProgress(None, 1)}
        for lost in itertools.count(1):
            with CommitThief(mariadb.port, lost, done=done) as thief:
                config = {
                    **mariadb.settings,
                    "mariadb_port": thief.port,
                    "program_name": f"P{lost}",
                }
                ledger = Ledger(LedgerSettings.from_config(config), sleep=lambda _: None)
                ledger.begin()
                ledger.checkpoint(progress(10))
                ledger.checkpoint(progress(15))
                ledger.checkpoint(LedgerProgress(parts, None))
                ledger.succeed()
                rows = [(row.records_processed, row.status) for row in ledger.standings()[0].rows]
                ledger.close()

            assert rows == [(16, "SUCCESS"), (15, "SUCCESS"), (1, "SUCCESS")], lost
            if thief.commits < lost:
                break
        assert lost > 8, "INSERT and UPDATE of three rows, three checkpoints, the end"


class TestRefusals:
    def test_a_wrong_password_is_tried_once(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger, waits: list[float]
    ) -> None:
        def denied() -> int:
            status = "SHOW GLOBAL STATUS LIKE 'Access_denied_errors'"
            return int(mariadb.server.execute(status)[0][1])

        before = denied()
        with pytest.raises(AccessDeniedError, match="mariadb_password") as caught:
            open_ledger(mariadb, mariadb_password="not-the-one").begin()

        assert (denied() - before, waits, caught.value.exit_code) == (1, [], 3)

    def test_a_wrong_password_stops_the_run_under_warn_as_well(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger
    ) -> None:
        with pytest.raises(AccessDeniedError):
            open_ledger(mariadb, mariadb_password="x", ledger_on_error="warn").begin()

    def test_an_unknown_database_is_a_setting_to_correct(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger
    ) -> None:
        mariadb.execute(f"GRANT ALL ON nowhere.* TO '{mariadb.user}'@'%'")

        with pytest.raises(
            ConfigurationError, match=r"Unknown database 'nowhere'.*mariadb_database"
        ):
            open_ledger(mariadb, mariadb_database="nowhere").begin()

    def test_select_insert_and_update_are_right_enough(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger
    ) -> None:
        mariadb.execute(V7_TABLE)
        restrict(mariadb, "SELECT, INSERT, UPDATE ON ETL_PRMREC")
        ledger = open_ledger(mariadb)
        ledger.begin()
        ledger.checkpoint(progress(1))
        ledger.succeed()

        assert len(ledger.standings()[0].rows) == 1

    @pytest.mark.parametrize("right", ["SELECT ON ETL_PRMREC", "SELECT, INSERT ON ETL_PRMREC"])
    def test_a_missing_right_is_named(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger, right: str
    ) -> None:
        mariadb.execute(V7_TABLE)
        restrict(mariadb, right)

        with pytest.raises(
            AccessDeniedError, match=r"command denied .*Grant the user SELECT, INSERT"
        ):
            open_ledger(mariadb).begin()

    def test_a_table_that_may_not_be_created_is_a_missing_right(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger
    ) -> None:
        restrict(mariadb, f"SELECT ON {mariadb.database}.*")

        with pytest.raises(AccessDeniedError, match="CREATE command denied"):
            open_ledger(mariadb).begin()


class TestLock:
    def test_a_run_that_lost_its_lock_to_another_one_stops(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger
    ) -> None:
        first = open_ledger(mariadb, max_retries=0)
        first.begin()
        (connection,) = connections(mariadb)
        mariadb.server.execute(f"KILL {connection}")
        wait_until(lambda: connections(mariadb) == [], what="the connection is gone")
        second = open_ledger(mariadb, max_retries=0)
        second.begin()
        second.checkpoint(progress(7))

        with pytest.raises(RowInUseError):
            first.checkpoint(progress(5))
        assert cell(mariadb, "RECORDS_PROCESSED") == 7

    def test_a_run_takes_its_lock_again_with_a_new_connection(
        self, mariadb: MariaDbDatabase, open_ledger: OpenLedger
    ) -> None:
        first = open_ledger(mariadb)
        first.begin()
        (connection,) = connections(mariadb)
        mariadb.server.execute(f"KILL {connection}")
        first.checkpoint(progress(5))

        with pytest.raises(RowInUseError):
            open_ledger(mariadb, max_retries=0).begin()


def connections(mariadb: MariaDbDatabase) -> list[int]:
    """The ids of the connections that the ledger's user has."""
    query = f"SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '{mariadb.user}'"
    return [row[0] for row in mariadb.server.execute(query)]


def restrict(mariadb: MariaDbDatabase, rights: str) -> None:
    user = f"'{mariadb.user}'@'%'"
    mariadb.execute(f"REVOKE ALL, GRANT OPTION FROM {user}", f"GRANT {rights} TO {user}")
