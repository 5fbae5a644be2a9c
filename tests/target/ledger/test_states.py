"""The STATE in the ledger, and where in the stream the last ones stood."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from target_nats_jetstream.ledger.ledger import Ledger
from target_nats_jetstream.ledger.sequences import StateSequences
from target_nats_jetstream.ledger.settings import LedgerSettings
from tests.target.ledger.places import V7_TABLE, at, bookmarks, checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_nats_jetstream.ledger.row import LedgerRow
    from tests.support.mariadb import MariaDbDatabase
    from tests.target.ledger.places import Place

    OpenLedger = Callable[..., Ledger]

SLICES = {"partitions": [{"context": {"start": "2024"}, "replication_key_value": "2024-06-01"}]}
BACKFILL = {"bookmarks": {"T": SLICES}}
TEST = {"bookmarks": {"meltano_test_stream": {"last_record": 1}}}


def run(ledger: Ledger, *states: Mapping[str, object], first: int = 10) -> LedgerRow:
    """Record a checkpoint for each STATE, ten messages apart; tells what the row says then."""
    ledger.begin()
    for number, state in enumerate(states):
        ledger.checkpoint(checkpoint(state, first + 10 * number))
    ledger.succeed()
    ledger.close()
    return ledger.standings()[0].rows[0]


def test_a_state_that_names_one_stream_leaves_the_others_as_they_were(
    place: Place, open_ledger: OpenLedger
) -> None:
    run(open_ledger(place), bookmarks(A="2026-01-01"), bookmarks(B="2026-01-02"))
    row = run(open_ledger(place), bookmarks(B="2026-01-03"))

    assert row.state == bookmarks(A="2026-01-01", B="2026-01-03")


def test_a_table_that_is_not_read_any_more_is_kept_and_not_waited_for(
    place: Place, open_ledger: OpenLedger
) -> None:
    both = bookmarks(A="2026-01-01", B="2026-02-01")
    assert run(open_ledger(place), both).last_successful_time == at("2026-01-01")
    retired = {"retired": [{"stream": "A"}]}
    row = run(open_ledger(place), bookmarks(A="2026-01-01", B="2026-02-02") | retired)

    assert row.last_successful_time == at("2026-02-02")
    assert row.state == bookmarks(A="2026-01-01", B="2026-02-02") | retired
    read_again = run(open_ledger(place), bookmarks(A="2026-02-02", B="2026-02-03"))
    assert read_again.last_successful_time == at("2026-02-02")
    assert "retired" not in read_again.state


def test_a_stream_that_everything_waits_for_is_named_at_the_end_of_the_run(
    place: Place, open_ledger: OpenLedger, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    run(open_ledger(place), bookmarks(A="2026-01-01", B="2026-02-01"))
    assert not [line for line in caplog.messages if "waits for" in line]
    run(open_ledger(place), bookmarks(A="2026-01-01", B="2026-02-02"))

    (line,) = [line for line in caplog.messages if "waits for" in line]
    assert "stream A, which is complete up to 2026-01-01" in line


def test_the_statements_of_the_docs_remove_a_bookmark_and_its_row(
    place: Place, open_ledger: OpenLedger
) -> None:
    states = [bookmarks(ORDERS="2026-01-01", B="2026-02-01")]
    run(open_ledger(place, program_name="M_INTIMECASEAGENT"), *states)
    page = Path(__file__).parents[3] / "docs" / "maintenance.md"
    (text,) = re.findall(r"```sql\n(UPDATE.*?)```", page.read_text(), re.DOTALL)
    place.execute(*filter(str.strip, text.split(";")))

    rows = open_ledger(place, program_name="M_INTIMECASEAGENT").standings()[0].rows
    assert [row.program_name for row in rows] == ["M_INTIMECASEAGENT", "M_INTIMECASEAGENT:B"]
    assert rows[0].state == bookmarks(B="2026-02-01")


def test_a_backfill_leaves_state_and_time_of_the_tail_alone(
    place: Place, open_ledger: OpenLedger
) -> None:
    run(open_ledger(place), bookmarks(T="2026-01-01"))
    row = run(open_ledger(place), BACKFILL)

    assert row.state == {"bookmarks": {"T": {"replication_key_value": "2026-01-01", **SLICES}}}
    assert row.last_successful_time == at("2026-01-01")


def test_a_backfill_alone_is_complete_up_to_its_slowest_slice(
    place: Place, open_ledger: OpenLedger
) -> None:
    assert run(open_ledger(place), BACKFILL).last_successful_time == at("2024-06-01")


def test_a_run_that_has_come_nowhere_yet_moves_no_time(
    place: Place, open_ledger: OpenLedger
) -> None:
    ledger = open_ledger(place)
    ledger.begin()
    ledger.checkpoint(checkpoint(bookmarks(T="0001-01-01T00:00:00.000000000")))
    (row,) = ledger.standings()[0].rows

    assert row.last_successful_time is None
    assert row.state == bookmarks(T="0001-01-01T00:00:00.000000000")


def test_meltano_config_test_leaves_no_trace_in_the_row(
    place: Place, open_ledger: OpenLedger
) -> None:
    before = run(open_ledger(place), bookmarks(A="2026-01-01"))
    after = run(open_ledger(place), TEST)
    told = (after.state, after.sequences, after.records_processed, after.last_successful_time)

    assert told == (
        bookmarks(A="2026-01-01"), before.sequences, 1, before.last_successful_time,
    )  # fmt: skip
    assert len(open_ledger(place).standings()[0].rows) == 1


def test_what_comes_beside_meltanos_test_counts(place: Place, open_ledger: OpenLedger) -> None:
    row = run(open_ledger(place), {"bookmarks": {**TEST["bookmarks"], "A": {}}})

    assert (row.state, row.records_processed) == ({"bookmarks": {"A": {}}}, 1)


def test_one_that_is_in_the_row_already_leaves_it(place: Place, open_ledger: OpenLedger) -> None:
    run(open_ledger(place), bookmarks(A="2026-01-01"))
    place.execute(f"UPDATE ETL_PRMREC SET SINGER_STATE = '{json.dumps(TEST)}'")

    assert run(open_ledger(place), bookmarks(B="2026-01-01")).state == bookmarks(B="2026-01-01")


def test_the_digits_of_a_state_outlive_any_number_of_runs(
    place: Place, open_ledger: OpenLedger
) -> None:
    state = '{"bookmarks":{"A":{"offset":0.10000000000000000000000001}}}'
    run(open_ledger(place), bookmarks(B="2026-01-01"))
    place.execute(f"UPDATE ETL_PRMREC SET SINGER_STATE = '{state}'")
    row = run(open_ledger(place), bookmarks(B="2026-01-02"))

    assert "0.10000000000000000000000001" in str(row.singer_state)


def test_each_of_the_last_states_is_found_by_the_run_that_starts_from_it(
    place: Place, open_ledger: OpenLedger
) -> None:
    run(open_ledger(place), *(bookmarks(A=f"2026-01-0{day}") for day in (1, 2, 3)))
    run(open_ledger(place), bookmarks(A="2026-01-04"), first=40)
    previous = open_ledger(place).begin()

    assert previous is not None
    found = previous.sequences
    assert [found.find(bookmarks(A=f"2026-01-0{day}")) for day in range(1, 6)] == [
        10, 20, 30, 40, None,
    ]  # fmt: skip
    assert (found.stream, found.newest, found.oldest) == ("S made 1", 40, 10)


def test_a_merged_state_is_found_where_its_least_part_stood(
    place: Place, open_ledger: OpenLedger
) -> None:
    run(open_ledger(place), bookmarks(T="2026-01-01"))
    row = run(open_ledger(place), BACKFILL, first=900)

    assert row.sequences.find(row.state) == 10


def test_a_checkpoint_told_twice_is_remembered_once(place: Place, open_ledger: OpenLedger) -> None:
    once, twice = open_ledger(place, program_name="P"), open_ledger(place, program_name="Q")
    states = [bookmarks(A="2026-01-01"), bookmarks(A="2026-01-02")]

    assert run(once, *states).sequences == StateSequences.from_json(
        run(twice, states[0], states[1]).state_sequences
    )


def test_the_sequences_of_a_stream_that_was_made_anew_are_dropped(
    place: Place, open_ledger: OpenLedger
) -> None:
    run(open_ledger(place), bookmarks(A="2026-01-01"))
    ledger = open_ledger(place)
    ledger.begin()
    ledger.checkpoint(checkpoint(bookmarks(A="2026-01-02"), 1, stream="S made 2"))
    (row,) = ledger.standings()[0].rows

    assert row.sequences.stream == "S made 2"
    assert row.sequences.find(bookmarks(A="2026-01-01")) is None


def test_where_the_stream_is_not_known_nothing_is_forgotten_nor_added(
    place: Place, open_ledger: OpenLedger
) -> None:
    before = run(open_ledger(place), bookmarks(A="2026-01-01")).sequences
    ledger = open_ledger(place)
    ledger.begin()
    ledger.checkpoint(checkpoint(bookmarks(A="2026-01-02"), 20, stream=""))

    assert ledger.standings()[0].rows[0].sequences == before


@pytest.mark.parametrize("text", ["{", "[]", '{"stream": 1}'])
@pytest.mark.parametrize("column", ["SINGER_STATE", "STATE_SEQUENCES"])
def test_a_damaged_column_is_told_and_begun_anew(
    place: Place,
    open_ledger: OpenLedger,
    caplog: pytest.LogCaptureFixture,
    column: str,
    text: str,
) -> None:
    run(open_ledger(place), bookmarks(A="2026-01-01"))
    text = "{" if column == "SINGER_STATE" else text
    place.execute(f"UPDATE ETL_PRMREC SET {column} = '{text}'")
    row = run(open_ledger(place), bookmarks(A="2026-01-02"), first=90)

    (line,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert line.endswith(f"{column} cannot be parsed and is started afresh")
    assert row.sequences.find(row.state) == 90


def test_a_table_without_the_columns_has_neither_state_nor_sequences(
    place: Place, open_ledger: OpenLedger
) -> None:
    place.execute(V7_TABLE)
    row = run(open_ledger(place), bookmarks(A="2026-01-01"))

    assert (row.singer_state, row.state, row.sequences) == (None, {}, StateSequences())
    assert row.last_successful_time == at("2026-01-01")


def test_what_was_said_while_the_ledger_was_away_is_made_up_for(mariadb: MariaDbDatabase) -> None:
    settings = {**mariadb.settings, "ledger_on_error": "warn", "max_retries": 0}
    ledger = Ledger(LedgerSettings.from_config(settings))
    mariadb.server.kill()
    try:
        assert ledger.begin() is None
        ledger.checkpoint(checkpoint(bookmarks(A="2026-01-01"), 10))
    finally:
        mariadb.server.start()
    ledger.checkpoint(checkpoint(bookmarks(B="2026-01-02"), 20))
    (row, *_) = ledger.standings()[0].rows
    ledger.close()

    assert row.state == bookmarks(A="2026-01-01", B="2026-01-02")
    assert row.sequences.find(row.state) == 10
    assert row.sequences.find(bookmarks(B="2026-01-02")) == 20
