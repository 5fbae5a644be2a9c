"""The stream of cases, as the command writes it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.events import Event, EventTable, stamp

if TYPE_CHECKING:
    from tests.tap.command import Run, Tap

ASSEMBLED = {"assemble_by": "CASE_ID"}
OF_THE_EVENTS = {"ID", "CASE_ID", "EVENT_TYPE", "EVENT_DATA", "EVENT_TIMESTAMP", "CREATED_AT"}


@pytest.fixture
def catalog(tap: Tap, table: EventTable) -> dict[str, Any]:
    """Of a table with one event."""
    table.add(Event(1, stamp(0), "secret"))
    found: dict[str, Any] = json.loads(tap.run("--discover", **ASSEMBLED).stdout)
    return found


def without(catalog: dict[str, Any], stream: str, *breadcrumb: str) -> dict[str, Any]:
    """The catalog when a user has taken the choice of a stream, or of one of its columns, out."""
    (of_stream,) = (one for one in catalog["streams"] if one["tap_stream_id"] == stream)
    (entry,) = (one for one in of_stream["metadata"] if one["breadcrumb"] == list(breadcrumb))
    entry["metadata"]["selected"] = False
    return catalog


def of(run: Run, stream: str, kind: str = "RECORD") -> list[dict[str, Any]]:
    assert run.code == 0, run.stderr
    return [one for one in run.messages if one["type"] == kind and one["stream"] == stream]


def read(tap: Tap, catalog: dict[str, Any]) -> Run:
    return tap.run("--catalog", tap.file("catalog.json", catalog), **ASSEMBLED)


def test_a_member_that_the_catalog_leaves_out_is_in_no_record(
    tap: Tap, catalog: dict[str, Any]
) -> None:
    run = read(tap, without(catalog, "TXLOG_CASES", "properties", "count"))
    (schema,), (case,) = of(run, "TXLOG_CASES", "SCHEMA"), of(run, "TXLOG_CASES")
    assert set(case["record"]) == set(schema["schema"]["properties"])
    assert "count" not in case["record"]
    assert set(case["record"]["events"][0]) == OF_THE_EVENTS


def test_a_column_that_the_catalog_leaves_out_of_events_is_in_no_case(
    tap: Tap, catalog: dict[str, Any]
) -> None:
    run = read(tap, without(catalog, "TXLOG_EVENTS", "properties", "EVENT_DATA"))
    (event,), (case,) = of(run, "TXLOG_EVENTS"), of(run, "TXLOG_CASES")
    assert case["record"]["events"] == [event["record"]]
    assert b"secret" not in run.stdout


@pytest.mark.parametrize("left_out", ["TXLOG_EVENTS", "TXLOG_CASES"])
def test_either_of_the_two_streams_can_be_left_out(
    tap: Tap, catalog: dict[str, Any], left_out: str
) -> None:
    run = read(tap, without(catalog, left_out))
    assert {one["stream"] for one in run.messages if one["type"] == "RECORD"} == {
        "TXLOG_EVENTS",
        "TXLOG_CASES",
    } - {left_out}
    if left_out == "TXLOG_EVENTS":
        (case,) = of(run, "TXLOG_CASES")
        assert set(case["record"]["events"][0]) == OF_THE_EVENTS


def test_a_backfill_of_a_recent_span_says_how_far_its_cases_are_complete(
    tap: Tap, table: EventTable
) -> None:
    table.add(Event(1, stamp(0)))
    end = datetime.now(UTC) - timedelta(minutes=10)  # some cases may still get an event
    run = tap.run(start_date="2026-01-01", end_date=end.isoformat(), **ASSEMBLED)
    assert run.code == 6
    told = re.search(r"complete up to (\S+), but not up to its end ([^\s:]+:\d+:\S+):", run.stderr)
    assert told is not None, run.stderr
    assert told[1] < told[2]


def test_cases_are_told_apart_by_case_whatever_the_collation(tap: Tap, table: EventTable) -> None:
    table.execute("DROP TABLE TXLOG_EVENTS")
    table.execute(
        "CREATE TABLE TXLOG_EVENTS (ID VARCHAR(9) PRIMARY KEY COLLATE NOCASE,"
        " CASE_ID VARCHAR(9) COLLATE NOCASE, EVENT_TYPE VARCHAR(9), EVENT_TIMESTAMP DATETIME)"
    )
    rows = [("b", "x"), ("A", "X"), ("c", ""), ("d", "x"), ("E", "X")]
    insert = "INSERT INTO TXLOG_EVENTS VALUES (?, ?, 'PAID', ?)"
    table.execute_with(insert, *((id_, case, stamp(0)) for id_, case in rows))
    run = tap.run(page_size=1, assemble_end=["PAID"], **ASSEMBLED)
    made = [one["record"] for one in of(run, "TXLOG_CASES")]
    assert [(one["CASE_ID"], [event["ID"] for event in one["events"]]) for one in made] == [
        ("X", ["A"]),
        ("x", ["b"]),
        ("", ["c"]),
        ("x", ["b", "d"]),
        ("X", ["A", "E"]),
    ]
