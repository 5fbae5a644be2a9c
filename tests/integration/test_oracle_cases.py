"""Cases on Oracle, through the real driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tools.oracle_stand_in.events import event

if TYPE_CHECKING:
    from tests.integration.conftest import RunTap
    from tests.integration.tap_process import Ended
    from tools.oracle_stand_in.server import StandIn

ASSEMBLED = {"assemble_by": "case_id", "assemble_quiet": "30m", "page_size": 50}


@pytest.fixture
def events(oracle: StandIn) -> None:
    table = oracle.database.tables["SPC.TXLOG_EVENTS"]
    table.insert(*(event(number, f"2026-01-02T12:0{number // 60}:00") for number in range(300)))


def cases_of(ended: Ended) -> list[dict[str, Any]]:
    return [one["record"] for one in ended.of("RECORD") if one["stream"] == "TXLOG_CASES"]


@pytest.mark.usefixtures("events")
def test_each_case_is_put_together_once(run_tap: RunTap) -> None:
    first = run_tap(config=ASSEMBLED)
    assert first.code == 0
    cases = cases_of(first)
    assert len(cases) == 100
    assert {one["CASE_ID"]: [event["ID"] for event in one["events"]] for one in cases} == {
        f"C{number}": [number, number + 100, number + 200] for number in range(100)
    }
    assert {(one["revision"], one["count"], one["complete"]) for one in cases} == {(1, 3, True)}
    assert "no index begins with CASE_ID" in first.stderr
    again = run_tap(config=ASSEMBLED, state=first.state)
    assert (again.code, again.of("RECORD")) == (0, [])


@pytest.mark.usefixtures("events")
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"assemble_by": "NO_SUCH"}, "setting `assemble_by` names the column NO_SUCH"),
        ({"assemble_by": 'X" FROM DUAL --'}, "which is not an Oracle name"),
        ({"assemble_by": "EVENT_TIMESTAMP"}, "which cannot tell cases apart"),
        (
            {"assemble_by": "CASE_ID", "assemble_end": ["X"], "assemble_type": "KIND"},
            "setting `assemble_type` names the column KIND",
        ),
        ({"assemble_end": ["X"]}, "setting `assemble_end` is set without `assemble_by`"),
        ({"assemble_by": "CASE_ID", "assemble_quiet": "soon"}, "setting `assemble_quiet` is wrong"),
        ({"assemble_by": "CASE_ID", "tables": ["A"]}, "`assemble_by` is set beside `tables`"),
    ],
)
def test_what_makes_no_case_is_refused_in_one_line(
    run_tap: RunTap, settings: dict[str, Any], told: str
) -> None:
    result = run_tap(config=settings)
    assert result.code == 2
    assert told in result.stderr
    assert result.of("RECORD") == []


def test_values_are_bound_whatever_they_hold(oracle: StandIn, run_tap: RunTap) -> None:
    table = oracle.database.tables["SPC.TXLOG_EVENTS"]
    odd = "x' OR '1'='1"
    table.insert((1, odd, *event(1, "2026-01-02T12:00:00")[2:]), event(2, "2026-01-02T12:00:01"))
    cases = cases_of(run_tap(config=ASSEMBLED))
    assert {one["CASE_ID"]: one["count"] for one in cases} == {odd: 1, "C2": 1}
