"""``--plan-slices`` on Oracle: samples of skewed tables, partitions, and how often it asks."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from tap_oracle_txlog.oracle.shares import bound_of
from tests.support.plans import edges, planned
from tools.oracle_stand_in.events import event

if TYPE_CHECKING:
    from tests.integration.conftest import RunTap
    from tools.oracle_stand_in.database import Row, Table
    from tools.oracle_stand_in.server import StandIn

ROWS = 700_000  # more than 300,000 for each of two slices: a part of the blocks will do


def skewed(row: int) -> Row:
    """Most rows are of the last days of the month."""
    day, second = divmod(int(2_500_000 * (row / ROWS) ** 0.15), 86_400)
    clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    return event(row, f"2026-01-{day + 1:02}T{clock}.000000000")


@pytest.fixture
def table(oracle: StandIn) -> Table:
    return oracle.database.tables["SPC.TXLOG_EVENTS"]


def counts(plan: dict[str, Any]) -> list[int]:
    """The rows of each slice."""
    places = [
        bisect_left(range(ROWS), edge, key=lambda row: skewed(row)[4]) for edge in edges(plan)
    ]
    return [last - first for first, last in pairwise(places)]


@pytest.mark.parametrize(("count", "known"), [(2, ROWS), (7, ROWS), (2, None)])
def test_slices_by_rows_are_right_to_a_tenth_on_a_skewed_table(
    oracle: StandIn, table: Table, run_tap: RunTap, count: int, known: int | None
) -> None:
    table.generate(ROWS, skewed)
    table.counted = known
    plan = planned(run_tap("--plan-slices", str(count)))
    found = counts(plan)
    assert (len(found), sum(found)) == (count, ROWS)
    assert max(abs(rows * count / ROWS - 1) for rows in found) <= 0.1
    assert plan["table"] == "SPC.TXLOG_EVENTS"
    (asked,) = oracle.executed("shares")
    assert ("SAMPLE BLOCK" in asked.sql.upper()) == (known is not None and count == 2)


def test_a_span_that_is_a_small_part_of_the_table_gets_a_sample_of_its_own(
    oracle: StandIn, table: Table, run_tap: RunTap
) -> None:
    table.generate(ROWS, skewed)
    table.counted = 100 * ROWS  # the others are older
    found = counts(planned(run_tap("--plan-slices", "3")))
    assert max(abs(rows * 3 / ROWS - 1) for rows in found) <= 0.1
    assert len(oracle.executed("shares")) == 2


def test_a_thousand_slices_cost_few_round_trips(
    oracle: StandIn, table: Table, run_tap: RunTap
) -> None:
    table.generate(50_000, lambda row: event(row, skewed(row * (ROWS // 50_000))[4]))
    assert len(planned(run_tap("--plan-slices", "1000"))["slices"]) == 1000
    assert oracle.round_trips().total() < 20


def test_an_open_transaction_keeps_the_plan_from_ending_behind_it(
    oracle: StandIn, table: Table, run_tap: RunTap
) -> None:
    table.generate(1_000, skewed)
    oracle.database.clock = lambda: "2026-02-01T12:00:00.000000000"
    oracle.database.begin(started="2026-02-01T09:00:00", user="BATCH")
    plan = planned(run_tap("--plan-slices", "4", "--by", "time"))
    assert plan["tail_start_date"] == "2026-02-01T08:54:58.000000000"
    refused = run_tap("--plan-slices", "4", config={"end_date": "2026-02-01T11:00"})
    assert refused.code == 2
    assert "is beyond the watermark 2026-02-01T08:54:58" in refused.stderr
    assert "BATCH" in refused.stderr


DAYS = [f"2026-01-{day:02}T00:00:00.000000000" for day in range(1, 32)]


def test_partitions_are_cut_where_they_end(table: Table, run_tap: RunTap) -> None:
    table.generate(ROWS, skewed)
    table.partitioned_by = "EVENT_TIMESTAMP"
    ends = [bisect_left(range(ROWS), day, key=lambda row: skewed(row)[4]) for day in DAYS]
    table.partitions = [
        (f"TIMESTAMP' {day[:10]} 00:00:00'", last - first)
        for day, (first, last) in zip(DAYS, pairwise([0, *ends]), strict=True)
    ]
    table.partitions.append(("MAXVALUE", ROWS - ends[-1]))
    plan = planned(run_tap("--plan-slices", "4", "--by", "partitions"))
    assert set(edges(plan)[1:-1]) <= set(DAYS)
    assert len(plan["slices"]) == 4
    assert sum(counts(plan)) == ROWS
    largest = max(rows or 0 for _, rows in table.partitions)
    assert max(counts(plan)) <= ROWS / 4 + largest


def test_a_table_that_is_not_partitioned_by_the_key_is_refused(
    table: Table, run_tap: RunTap
) -> None:
    table.generate(10, skewed)
    table.partitioned_by, table.partitions = "CREATED_AT", [("MAXVALUE", 10)]
    run = run_tap("--plan-slices", "4", "--by", "partitions")
    assert (run.code, run.stdout) == (2, b"")
    assert "SPC.TXLOG_EVENTS is not partitioned by ranges of EVENT_TIMESTAMP" in run.stderr


@pytest.mark.parametrize(
    ("text", "zone", "bound"),
    [
        ("TIMESTAMP' 2026-01-01 00:00:00'", None, "2026-01-01T00:00:00.000000000"),
        ("TIMESTAMP' 2026-01-01 06:30:00.125'", None, "2026-01-01T06:30:00.125000000"),
        ("TIMESTAMP' 2026-07-01 00:00:00.000000000+00:00'", None, "2026-07-01T00:00:00.000000000"),
        ("TIMESTAMP' 2026-07-01 00:00:00 +02:00'", None, "2026-06-30T22:00:00.000000000"),
        (
            "TO_DATE(' 2026-01-01 00:00:00', 'SYYYY-MM-DD HH24:MI:SS', 'NLS_CALENDAR=GREGORIAN')",
            ZoneInfo("Europe/Vienna"),
            "2026-01-01T00:00:00.000000000",
        ),
        ("MAXVALUE", None, None),
    ],
)
def test_a_bound_is_read_as_oracle_writes_it(
    text: str, zone: ZoneInfo | None, bound: str | None
) -> None:
    assert bound_of(text, zone) == bound
