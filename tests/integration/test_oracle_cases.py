"""Cases on Oracle, through the real driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tools.oracle_stand_in.database import Table
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


@pytest.mark.parametrize(
    ("declared", "cases"),
    [
        ("VARCHAR2(4000)", ["x" * 4_000, "a", "A", "a ", "nul\0"]),
        ("CHAR(8)", ["C1      ", "c1      "]),
        ("RAW(16)", ["00FF", "AB" * 16]),
        ("NUMBER", [10**37, -(2**64), 0]),
    ],
)
def test_a_case_has_whatever_value_its_column_can_have(
    oracle: StandIn, run_tap: RunTap, declared: str, cases: list[str | int]
) -> None:
    stored = [bytes.fromhex(str(one)) for one in cases] if "RAW" in declared else cases
    oracle.database.tables["SPC.TXLOG_EVENTS"] = with_cases(declared, *stored)
    ended = run_tap(config=ASSEMBLED | {"assemble_end": ["PAID"]})
    assert ended.code == 0, ended.stderr
    assert [(one["CASE_ID"], one["count"]) for one in cases_of(ended)] == [
        (case, 1) for case in cases
    ]


def with_cases(declared: str, *cases: object) -> Table:
    """The table with a column of another type; each of the cases has one event, which ends it."""
    columns = ["ID NUMBER", f"CASE_ID {declared}", "EVENT_TYPE CHAR(9)", "EVENT_TIMESTAMP DATE"]
    table = Table("SPC.TXLOG_EVENTS", columns)
    for number, case in enumerate(cases):
        table.insert((number, case, "PAID", f"2026-01-02T12:00:0{number}"))
    return table


@pytest.mark.parametrize("option", [["--doctor"], []])
def test_a_column_that_no_value_can_be_asked_of_is_refused_at_once(
    oracle: StandIn, run_tap: RunTap, option: list[str]
) -> None:
    oracle.database.tables["SPC.TXLOG_EVENTS"] = with_cases("CLOB")
    ended = run_tap(*option, config=ASSEMBLED)
    told = "setting `assemble_by` names the column CASE_ID, which is CLOB"
    assert ended.code == 2
    assert told in ended.stderr + ended.stdout.decode()
