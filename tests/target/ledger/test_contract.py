"""What every ledger promises, wherever it is kept."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from target_nats_jetstream.errors import ConfigurationError, TargetError
from target_nats_jetstream.ledger.ledger import Ledger
from target_nats_jetstream.ledger.row import LedgerProgress, LedgerRow, StreamProgress
from target_nats_jetstream.ledger.settings import LedgerSettings
from tests.target.ledger.places import V7_TABLE, at, progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.target.ledger.places import Place

    OpenLedger = Callable[..., Ledger]


def two_streams(a: StreamProgress, b: StreamProgress) -> LedgerProgress:
    return LedgerProgress({"A": a, "B": b}, None)


def only_row(ledger: Ledger) -> LedgerRow:
    (row,) = ledger.standings()[0].rows
    return row


def test_a_pipeline_that_never_ran_has_no_row_and_no_state(
    place: Place, open_ledger: OpenLedger
) -> None:
    ledger = open_ledger(place)

    assert ledger.standings()[0].rows == []
    assert ledger.begin() is None


def test_a_run_that_has_begun_is_running(place: Place, open_ledger: OpenLedger) -> None:
    ledger = open_ledger(place, program_name="P")
    ledger.begin()

    row = only_row(ledger)
    assert (row.program_name, row.status, row.records_processed) == ("P", "RUNNING", 0)
    assert row.last_run_time is not None
    assert row.last_successful_time is None


def test_a_checkpoint_moves_time_count_and_state_together(
    place: Place, open_ledger: OpenLedger
) -> None:
    ledger = open_ledger(place)
    ledger.begin()
    ledger.checkpoint(progress(3, "2026-01-02T03:04:05.678901", {"a": 1}))
    ledger.checkpoint(progress(7, "2026-01-02T03:04:06.000001", {"a": 2}))

    row = only_row(ledger)
    assert row.last_successful_time == at("2026-01-02T03:04:06.000001")
    assert row.records_processed == 7
    assert row.singer_state == '{"a":2}'


def test_what_was_recorded_is_in_the_database_and_not_in_the_ledger_only(
    place: Place, open_ledger: OpenLedger
) -> None:
    ledger = open_ledger(place, program_name="P")
    ledger.begin()
    ledger.checkpoint(progress(3))

    found = place.execute("SELECT STATUS, RECORDS_PROCESSED FROM ETL_PRMREC WHERE PROGRAM_NAME='P'")
    assert found == [("RUNNING", 3)]


def test_a_new_run_goes_on_counting_where_the_last_one_stopped(
    place: Place, open_ledger: OpenLedger
) -> None:
    for records in (3, 4):
        ledger = open_ledger(place)
        ledger.begin()
        ledger.checkpoint(progress(records))
        ledger.succeed()
        ledger.close()

    row = only_row(ledger)
    assert (row.records_processed, row.status) == (7, "SUCCESS")


def test_a_checkpoint_told_twice_counts_once_and_one_not_told_is_made_up_for(
    place: Place, open_ledger: OpenLedger
) -> None:
    ledger = open_ledger(place)
    ledger.begin()
    ledger.checkpoint(progress(10))
    ledger.checkpoint(progress(10))
    ledger.checkpoint(progress(35))  # the one with 20 was never told

    assert only_row(ledger).records_processed == 35


def test_a_failure_keeps_the_progress_and_tells_its_cause_in_one_line(
    place: Place, open_ledger: OpenLedger
) -> None:
    ledger = open_ledger(place)
    ledger.begin()
    ledger.checkpoint(progress(3, "2026-01-02"))
    ledger.fail("cannot reach NATS:\n  refused")

    row = only_row(ledger)
    assert (row.status, row.error_message) == ("FAILED", "cannot reach NATS: refused")
    assert (row.records_processed, row.last_successful_time) == (3, at("2026-01-02"))


def test_a_success_clears_the_error_of_an_earlier_run(
    place: Place, open_ledger: OpenLedger
) -> None:
    first = open_ledger(place)
    first.begin()
    first.fail("no")
    first.close()
    second = open_ledger(place)
    previous = second.begin()
    second.succeed()

    assert previous is not None
    assert previous.error_message == "no"
    assert only_row(second).error_message is None


def test_a_killed_run_is_recognised_by_the_next_one(
    place: Place, open_ledger: OpenLedger, caplog: pytest.LogCaptureFixture
) -> None:
    killed = open_ledger(place, program_name="P")
    killed.begin()
    killed.checkpoint(progress(3, "2026-01-02T03:04:05"))
    killed.close()
    previous = open_ledger(place, program_name="P").begin()

    assert previous is not None
    assert previous.status == "RUNNING"
    (line,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert line.startswith("the last run of P, started at ")
    assert line.endswith(
        "did not finish; its recorded progress is kept: 3 records, complete up to"
        " 2026-01-02 03:04:05"
    )


@pytest.mark.parametrize("status", ["SUCCESS", "FAILED", "INITIALIZED"])
def test_a_run_that_ended_is_not_taken_for_a_killed_one(
    place: Place, open_ledger: OpenLedger, caplog: pytest.LogCaptureFixture, status: str
) -> None:
    first = open_ledger(place)
    first.begin()
    first.close()
    place.execute(f"UPDATE ETL_PRMREC SET STATUS = '{status}'")
    open_ledger(place).begin()

    assert [r for r in caplog.records if r.levelno == logging.WARNING] == []


def test_the_row_of_several_streams_is_the_slowest_time_and_the_sum(
    place: Place, open_ledger: OpenLedger
) -> None:
    ledger = open_ledger(place, program_name="P")
    ledger.begin()
    ledger.checkpoint(
        two_streams(StreamProgress("2026-01-03", 5), StreamProgress("2026-01-02T00:00:01", 7))
    )

    rows = {
        row.program_name: (row.last_successful_time, row.records_processed)
        for row in ledger.standings()[0].rows
    }
    assert rows == {
        "P": (at("2026-01-02T00:00:01"), 12),
        "P:A": (at("2026-01-03"), 5),
        "P:B": (at("2026-01-02T00:00:01"), 7),
    }


def test_rows_of_streams_end_as_the_run_ends(place: Place, open_ledger: OpenLedger) -> None:
    ledger = open_ledger(place)
    ledger.begin()
    ledger.checkpoint(two_streams(StreamProgress(None, 5), StreamProgress(None, 7)))
    assert {row.status for row in ledger.standings()[0].rows} == {"RUNNING"}
    ledger.fail("no")

    assert [(row.status, row.error_message) for row in ledger.standings()[0].rows] == [
        ("FAILED", "no")
    ] * 3


def test_rows_of_streams_go_on_when_only_one_stream_is_left(
    place: Place, open_ledger: OpenLedger
) -> None:
    for streams in ({"B": 7, "A": 5}, {"A": 1}, {"A": 1, "B": 1}):
        ledger = open_ledger(place, program_name="P")
        ledger.begin()
        parts = {name: StreamProgress(None, records) for name, records in streams.items()}
        ledger.checkpoint(LedgerProgress(parts, None))
        ledger.succeed()
        ledger.close()

    counts = {row.program_name: row.records_processed for row in ledger.standings()[0].rows}
    assert counts == {"P": 15, "P:A": 7, "P:B": 8}


def test_a_stream_without_a_time_leaves_the_time_alone(
    place: Place, open_ledger: OpenLedger
) -> None:
    ledger = open_ledger(place)
    ledger.begin()
    ledger.checkpoint(progress(1, "2026-01-02"))
    ledger.checkpoint(progress(2))
    ledger.checkpoint(progress(3, "20260103"))  # the number of a row, not a day

    assert only_row(ledger).last_successful_time == at("2026-01-02")


def test_other_pipelines_are_not_seen_and_not_touched(
    place: Place, open_ledger: OpenLedger
) -> None:
    other = open_ledger(place, program_name="PX1")
    other.begin()
    other.checkpoint(two_streams(StreamProgress(None, 1), StreamProgress(None, 1)))
    before = other.standings()[0].rows
    ledger = open_ledger(place, program_name="P_1")  # in LIKE, _ stands for any character
    ledger.begin()
    ledger.checkpoint(progress(5))
    ledger.succeed()

    assert [row.program_name for row in ledger.standings()[0].rows] == ["P_1"]
    assert other.standings()[0].rows == before


def test_a_run_that_is_alive_shows_it_by_a_time_that_moves(place: Place) -> None:
    times = iter(f"2026-01-02T03:04:{second:02}+02:00" for second in range(60))
    ledger = Ledger(LedgerSettings.from_config(place.settings), clock=lambda: at(next(times)))
    ledger.begin()
    begun = only_row(ledger)
    ledger.checkpoint(progress(1))
    moved = only_row(ledger)
    ledger.close()

    assert begun.last_run_time == moved.last_run_time == at("2026-01-02T01:04:00")
    assert begun.updated_at is not None
    assert moved.updated_at is not None
    assert at("2026-01-02T01:04:00") < begun.updated_at < moved.updated_at


def test_a_run_whose_row_was_taken_over_stops_and_changes_nothing(
    place: Place, open_ledger: OpenLedger
) -> None:
    ledger = open_ledger(place)
    ledger.begin()
    ledger.checkpoint(progress(1))
    place.execute("UPDATE ETL_PRMREC SET LAST_RUN_TIME = '2030-01-01 00:00:00.000000'")
    with pytest.raises(TargetError, match="another run has taken over or removed the row"):
        ledger.checkpoint(progress(5))
    ledger.fail("stopped")

    assert place.execute("SELECT RECORDS_PROCESSED, STATUS FROM ETL_PRMREC") == [(1, "RUNNING")]


def test_a_run_whose_row_was_removed_stops(place: Place, open_ledger: OpenLedger) -> None:
    ledger = open_ledger(place)
    ledger.begin()
    place.execute("DELETE FROM ETL_PRMREC")

    with pytest.raises(TargetError, match="taken over or removed the row M_INTIMECASEAGENT"):
        ledger.succeed()


def test_a_run_that_never_took_its_row_does_not_call_it_failed(
    place: Place, open_ledger: OpenLedger
) -> None:
    first = open_ledger(place)
    first.begin()
    first.succeed()
    open_ledger(place).fail("could not begin")

    assert only_row(first).status == "SUCCESS"


def test_the_state_of_the_last_run_is_there_for_a_job_that_has_none(
    place: Place, open_ledger: OpenLedger
) -> None:
    state = {"bookmarks": {"TXLOG_EVENTS": {"replication_key_value": "ü"}}}
    ledger = open_ledger(place)
    ledger.begin()
    ledger.checkpoint(progress(1, "2026-01-02", state))
    ledger.close()

    assert json.loads(only_row(open_ledger(place)).singer_state or "") == state


def test_a_missing_table_is_not_created_against_the_will_of_its_owner(
    place: Place, open_ledger: OpenLedger
) -> None:
    ledger = open_ledger(place, ledger_create_table=False)

    with pytest.raises(
        ConfigurationError, match=r"ETL_PRMREC at .* does not exist .*ledger_create_table"
    ):
        ledger.begin()
    assert ledger.standings()[0].rows == []


def test_a_table_is_used_with_the_columns_that_it_has(
    place: Place, open_ledger: OpenLedger
) -> None:
    place.execute("CREATE TABLE OWN (program_name VARCHAR(50), status VARCHAR(20), note INT)")
    ledger = open_ledger(place, ledger_table="OWN", program_name="P")
    ledger.begin()
    ledger.checkpoint(progress(1, "2026-01-02"))
    ledger.succeed()

    assert place.execute("SELECT * FROM OWN") == [("P", "SUCCESS", None)]


def test_a_table_without_names_is_refused(place: Place, open_ledger: OpenLedger) -> None:
    place.execute("CREATE TABLE ETL_PRMREC (ID INT)")

    with pytest.raises(ConfigurationError, match="no column PROGRAM_NAME"):
        open_ledger(place).begin()


def test_a_closed_ledger_may_be_closed_again(place: Place, open_ledger: OpenLedger) -> None:
    ledger = open_ledger(place)
    ledger.begin()
    ledger.close()
    ledger.close()


class TestV7Table:
    """The eight columns of V7, with the row that a V7 run has left."""

    @pytest.fixture(autouse=True)
    def v7_row(self, place: Place) -> None:
        row = "('P', '2026-01-02 03:04:05', '2026-01-02 03:04:06', 'SUCCESS', 1000, NULL)"
        columns = "PROGRAM_NAME, LAST_SUCCESSFUL_TIME, LAST_RUN_TIME, STATUS, RECORDS_PROCESSED"
        place.execute(V7_TABLE, f"INSERT INTO ETL_PRMREC ({columns}, ERROR_MESSAGE) VALUES {row}")

    def test_a_new_job_is_told_the_time_of_the_last_v7_run(
        self, place: Place, open_ledger: OpenLedger
    ) -> None:
        ledger = open_ledger(place, program_name="P")

        assert only_row(ledger).last_successful_time == at("2026-01-02T03:04:05")

    def test_its_row_is_taken_over_and_counted_on(
        self, place: Place, open_ledger: OpenLedger
    ) -> None:
        ledger = open_ledger(place, program_name="P")
        previous = ledger.begin()
        ledger.checkpoint(progress(234, "2026-01-02T03:04:04.999999999"))
        ledger.succeed()

        assert previous is not None
        assert previous.records_processed == 1000
        row = only_row(ledger)
        assert (row.status, row.records_processed) == ("SUCCESS", 1234)
        assert str(row.last_successful_time).startswith("2026-01-02 03:04:04")

    def test_beginning_alone_does_not_move_its_time(
        self, place: Place, open_ledger: OpenLedger
    ) -> None:
        open_ledger(place, program_name="P").begin()

        found = place.execute("SELECT LAST_SUCCESSFUL_TIME, RECORDS_PROCESSED FROM ETL_PRMREC")
        assert [(str(time), count) for time, count in found] == [("2026-01-02 03:04:05", 1000)]

    def test_the_table_is_not_altered(self, place: Place, open_ledger: OpenLedger) -> None:
        describe = (
            "SHOW CREATE TABLE ETL_PRMREC"
            if "mariadb_host" in place.settings
            else "SELECT sql FROM sqlite_master"
        )
        before = place.execute(describe)
        ledger = open_ledger(place, program_name="P")
        ledger.begin()
        ledger.checkpoint(two_streams(StreamProgress(None, 1), StreamProgress(None, 1)))
        ledger.succeed()

        assert place.execute(describe) == before
