"""``--plan-slices`` on a SQLite table: what a plan says, and when there is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.events import Event, EventTable, stamp
from tests.support.plans import edges, planned

if TYPE_CHECKING:
    from tests.tap.command import Tap

ROWS = 4_000


def skewed(row: int) -> str:
    """Few rows in the morning, most of them in the last hours."""
    second = int(80_000 * (row / ROWS) ** 0.2)
    return stamp(second, row % 1_000_000)


def counts(table: EventTable, plan: dict[str, Any]) -> list[int]:
    """The rows of each slice, counted by the table itself."""
    bounds = [edge.replace("T", " ")[:26] for edge in edges(plan)]
    where = "EVENT_TIMESTAMP >= '{}' AND EVENT_TIMESTAMP < '{}'"
    return [len(table.records(where.format(*pair))) for pair in pairwise(bounds)]


def test_slices_by_rows_have_the_same_number_of_rows_however_these_lie(
    tap: Tap, table: EventTable
) -> None:
    table.add(*(Event(row, skewed(row)) for row in range(ROWS)))
    plan = planned(tap.run("--plan-slices", "8"))
    found = counts(table, plan)
    assert sum(found) == ROWS
    assert len(found) == 8
    assert max(abs(count * 8 / ROWS - 1) for count in found) <= 0.1
    assert plan["table"] == "TXLOG_EVENTS"
    assert plan["replication_key"] == "EVENT_TIMESTAMP"
    assert (plan["version"], plan["by"]) == (1, "rows")
    assert edges(plan)[0] == "0001-01-01T00:00:00.000000000"  # nothing is older


def test_slices_by_time_are_of_equal_length_from_the_first_row_on(
    tap: Tap, table: EventTable
) -> None:
    table.add(*(Event(row, skewed(row)) for row in range(ROWS)))
    plan = planned(tap.run("--plan-slices", "4", "--by", "time", end_date="2026-01-01T20:00"))
    assert [edge[11:16] for edge in edges(plan)[1:]] == ["05:00", "10:00", "15:00", "20:00"]
    assert sum(counts(table, plan)) < ROWS  # the others are the tail's
    assert plan["tail_start_date"] == "2026-01-01T20:00:00.000000000"


def test_a_thousand_slices_are_planned_and_read_what_one_run_reads(
    tap: Tap, table: EventTable
) -> None:
    table.add(*(Event(row, skewed(row)) for row in range(ROWS)))
    plan = planned(tap.run("--plan-slices", "1000"))
    assert len(plan["slices"]) == 1000
    assert counts(table, plan) == [4] * 1000


def test_the_plan_ends_before_what_is_not_complete(tap: Tap, table: EventTable) -> None:
    now = datetime.now(UTC)
    recent = [now - timedelta(seconds=seconds) for seconds in (3_600, 1_800, 30, 1)]
    table.add(*(Event(row, f"{at:%Y-%m-%d %H:%M:%S.%f}") for row, at in enumerate(recent)))
    run = tap.run("--plan-slices", "2")
    end = datetime.fromisoformat(planned(run)["tail_start_date"][:26]).replace(tzinfo=UTC)
    assert timedelta(seconds=302) <= datetime.now(UTC) - end
    assert end > recent[1]
    assert f"the tail begins at {planned(run)['tail_start_date']}" in run.stderr

    beyond = tap.run("--plan-slices", "2", end_date=f"{now:%Y-%m-%dT%H:%M:%S}")
    assert beyond.code == 2
    assert "is beyond the watermark" in beyond.stderr
    assert beyond.stdout == b""


def test_rows_of_one_instant_are_not_cut_in_two(tap: Tap, table: EventTable) -> None:
    table.add(*(Event(row, stamp(row // 500)) for row in range(1_000)))
    run = tap.run("--plan-slices", "10")
    assert counts(table, planned(run)) == [500, 500]
    assert "2 slices instead of 10" in run.stderr


@pytest.mark.parametrize(
    ("options", "config", "reason"),
    [
        (["--by", "partitions"], {}, "that is for Oracle only. Plan --by rows or --by time"),
        ([], {"start_date": "2030-01-01"}, "has no rows from 2030"),
        ([], {"start_date": "2026-01-02"}, "has no rows from 2026-01-02"),
        ([], {"tables": ["TXLOG_EVENTS", "OTHERS"], "table": None}, "is for one table"),
        (["--by", "size"], {}, "is not one of 'rows', 'time', 'partitions'"),
    ],
)
def test_what_cannot_be_planned_is_one_line(
    tap: Tap, table: EventTable, options: list[str], config: dict[str, Any], reason: str
) -> None:
    table.add(Event(1, stamp(1)), Event(2, stamp(2)))
    run = tap.run("--plan-slices", "2", *options, **config)
    assert (run.code, run.stdout) == (2, b"")
    assert reason in run.stderr
    assert "Traceback" not in run.stderr


def test_more_slices_than_a_span_has_seconds_are_cut_finer(tap: Tap, table: EventTable) -> None:
    table.add(*(Event(row, stamp(0, row)) for row in range(100)))
    plan = planned(
        tap.run("--plan-slices", "10", "--by", "time", end_date="2026-01-01T00:00:00.0001")
    )
    assert counts(table, plan) == [10] * 10
