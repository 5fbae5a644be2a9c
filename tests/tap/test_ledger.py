"""``state_from_ledger``: the ledger stands in for a state that is not given, and one that is given
wins, with a warning where the ledger knows that more is done.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.events import Event, EventTable, stamp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tap.command import Tap

OWN = """CREATE TABLE ETL_PRMREC
    (PROGRAM_NAME VARCHAR(100), LAST_SUCCESSFUL_TIME DATETIME, SINGER_STATE TEXT)"""
V7 = "CREATE TABLE ETL_PRMREC (PROGRAM_NAME VARCHAR(100), LAST_SUCCESSFUL_TIME DATETIME)"


@pytest.fixture
def states(tap: Tap, table: EventTable) -> list[dict[str, Any]]:
    """The states after each of the twelve rows in the table, which are a second apart."""
    table.add(*(Event(number, stamp(number)) for number in range(12)))
    return tap.run(page_size=1).states[1:13]


def with_ledger(tap: Tap, folder: Path, create: str, *row: object) -> Tap:
    """The tap with a ledger that holds this row of its pipeline."""
    ledger = EventTable(folder / "ledger.db", create)
    marks = ", ".join("?" * len(row))
    ledger.execute_with(f"INSERT INTO ETL_PRMREC VALUES ('PIPELINE', {marks})", row)
    settings = {"state_from_ledger": True, "ledger_url": ledger.url, "program_name": "PIPELINE"}
    return replace(tap, config={**tap.config, **settings})


@pytest.fixture
def ahead(tap: Tap, tmp_path: Path, states: list[dict[str, Any]]) -> Tap:
    """The tap with a ledger that is complete up to row 8."""
    return with_ledger(tap, tmp_path, OWN, stamp(8), json.dumps(states[8]))


def test_a_given_state_behind_the_ledger_wins_and_one_warning_tells_what_comes_again(
    ahead: Tap, states: list[dict[str, Any]]
) -> None:
    run = ahead.run_from(states[4])
    assert run.ids == [5, 6, 7, 8, 9, 10, 11]
    (warning,) = run.logged("WARNING")
    assert "the given state is complete up to 2026-01-01T00:00:04.000000000" in warning
    assert "the ledger up to 2026-01-01T00:00:08.000000000" in warning
    assert "Remove the state to start from the ledger" in warning


@pytest.mark.parametrize("row", [8, 10], ids=["as far as", "further than"])
def test_a_given_state_as_far_as_the_ledger_or_further_is_no_reason_to_warn(
    ahead: Tap, states: list[dict[str, Any]], row: int
) -> None:
    run = ahead.run_from(states[row])
    assert run.ids == list(range(row + 1, 12))
    assert run.logged("WARNING") == []


@pytest.mark.parametrize(
    ("written", "warnings"),
    [
        ("2026-01-01T09:00:05+09:00", 1),
        ("2026-01-01T09:00:08+09:00", 0),
        ("2026-01-01T00:00:08", 0),
    ],
)
def test_what_is_behind_is_told_from_the_time_not_from_how_it_is_written(
    ahead: Tap, written: str, warnings: int
) -> None:
    mark = {"replication_key": "EVENT_TIMESTAMP", "replication_key_value": written}
    run = ahead.run_from({"bookmarks": {"TXLOG_EVENTS": mark}})
    assert run.code == 0
    assert len(run.logged("WARNING")) == warnings


def test_without_a_state_it_goes_on_where_the_ledger_is(ahead: Tap) -> None:
    run = ahead.run()
    assert run.ids == [9, 10, 11]
    (line,) = (line for line in run.logged("INFO") if "starting from the ledger" in line)
    assert "complete up to 2026-01-01T00:00:08.000000000" in line
    assert run.logged("WARNING") == []


def test_without_state_from_ledger_the_ledger_is_not_asked(
    ahead: Tap, states: list[dict[str, Any]]
) -> None:
    run = ahead.run_from(states[4], state_from_ledger=False)
    assert (run.ids, run.logged("WARNING")) == ([5, 6, 7, 8, 9, 10, 11], [])


def test_a_state_behind_the_time_in_v7s_table_is_told_as_well(
    tap: Tap, tmp_path: Path, states: list[dict[str, Any]]
) -> None:
    """The second before it is sent again in any case: the column has no fractions."""
    v7 = with_ledger(tap, tmp_path, V7, stamp(8))
    run = v7.run_from(states[4])
    assert run.ids == [5, 6, 7, 8, 9, 10, 11]
    (warning,) = run.logged("WARNING")
    assert "04.000000000, the ledger up to 2026-01-01T00:00:07: rows between" in warning
    assert v7.run_from(states[8]).logged("WARNING") == []
    assert v7.run().ids == [7, 8, 9, 10, 11]


def test_another_pipelines_row_is_none(ahead: Tap, states: list[dict[str, Any]]) -> None:
    assert ahead.run(program_name="OTHER").ids == list(range(12))
    run = ahead.run_from(states[4], program_name="OTHER")
    assert (run.ids, run.logged("WARNING")) == ([5, 6, 7, 8, 9, 10, 11], [])
