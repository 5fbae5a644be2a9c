"""A filter on Oracle: conditions of each type of column, through the real driver."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.rules.id_ranges import Run
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import BEGINNING, END
from tools.oracle_stand_in.database import Table
from tools.oracle_stand_in.events import event

if TYPE_CHECKING:
    from tests.integration.conftest import Open, RunTap
    from tools.oracle_stand_in.server import StandIn

NOON = "2026-01-02T12:00:00"
HALF = Decimal("0.5")
ALL = Position.before(BEGINNING)


@pytest.fixture
def events(oracle: StandIn) -> Table:
    table = oracle.database.tables["SPC.TXLOG_EVENTS"]
    table.insert(*(event(number, f"2026-01-02T12:0{number // 60}:00") for number in range(300)))
    return table


@pytest.mark.usefixtures("events")
def test_a_case_is_replayed_page_by_page(run_tap: RunTap) -> None:
    config = {"replay": "R1", "filter": {"case_id": "C37"}, "page_size": 1}
    first = run_tap(config=config)
    assert (first.code, first.ids) == (0, [37, 137, 237])
    assert "no index begins with CASE_ID" in first.stderr
    assert run_tap(config=config | {"filter": {"CASE_ID": ["C37"]}}, state=first.state).ids == []


@pytest.mark.usefixtures("events")
def test_the_filter_holds_for_late_rows_as_well(open_source: Open) -> None:
    source = open_source(filter={"CASE_ID": ["C1", "C2"]}, replay="R1")
    page = source.page(ALL, 100, until=END)
    ids = [row.record()["ID"] for row in page.rows]
    assert sorted(map(int, map(str, ids))) == [1, 2, 101, 102, 201, 202]
    assert source.keys(ALL, 100) == page.positions
    late = source.page(ALL, 100, until=END, known=[Run(1, 101), Run(201, 205)])
    assert [row.record()["ID"] for row in late.rows] == [102]
    assert source.rows_at(page.positions).rows[0].record() == page.rows[0].record()


def test_rows_without_a_replication_key_are_filtered_too(
    oracle: StandIn, open_source: Open
) -> None:
    oracle.database.tables["SPC.TXLOG_EVENTS"].insert(event(1, None), event(2, None))
    source = open_source(filter={"CASE_ID": "C2"}, replay="R1")
    assert source.null_keys(10) == 1
    assert [row.record()["ID"] for row in source.null_key_page(None, 10).rows] == [2]


TYPES: dict[str, tuple[str, list[object], list[object], list[int]]] = {
    "text": ("VARCHAR2(10)", ["a", "b", "a ", None], ["a"], [0]),
    "an empty text": ("VARCHAR2(10)", ["a", "", None], [""], [1, 2]),
    "blanks": ("CHAR(10)", ["a", "b"], ["a"], [0]),
    "whole numbers": ("NUMBER(19)", [1, 2, None], ["1", 3], [0]),
    "numbers": ("NUMBER(10,2)", [1, HALF, -HALF, None], [0.5, "-0.50"], [1, 2]),
    "NULL": ("NUMBER", [1, None, 2], [None, 2], [1, 2]),
    "bytes": ("RAW(4)", [b"\x0a\x1b", b"\x0a"], ["0a1b"], [0]),
    "days": ("DATE", [NOON, "2026-01-02T12:00:01"], [f"{NOON}+00:00"], [0]),
    "times": ("TIMESTAMP(6)", [f"{NOON}.000001", NOON], [f"{NOON}.000001"], [0]),
    "zoned times": (
        "TIMESTAMP(6) WITH TIME ZONE",
        [f"{NOON}+00:00", "2026-01-02T13:00:00+01:00", f"{NOON}+01:00"],
        [f"{NOON}Z"],
        [0, 1],
    ),
}


@pytest.mark.parametrize(("kind", "stored", "given", "wanted"), TYPES.values(), ids=TYPES)
def test_a_value_is_compared_as_its_column_has_it(
    oracle: StandIn,
    open_source: Open,
    kind: str,
    stored: list[object],
    given: list[object],
    wanted: list[int],
) -> None:
    columns = ["ID NUMBER(19) NOT NULL", "EVENT_TIMESTAMP TIMESTAMP(6)", f"X {kind}"]
    table = oracle.database.create(Table("SPC.TXLOG_EVENTS", columns))
    table.insert(*((number, NOON, value) for number, value in enumerate(stored)))
    page = open_source(filter={"X": given}, replay="R1").page(ALL, 100)
    assert [row.record()["ID"] for row in page.rows] == wanted


@pytest.mark.usefixtures("events")
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"NOPE": [1]}, "has no column NOPE (`filter`). It has CASE_ID"),
        ({"case": [1]}, "has no column CASE (`filter`). Did you mean CASE_ID?"),
        ({'1=1 OR "ID"': [1]}, "which is not an Oracle name"),
        ({'"ID" = 1 OR "ID"': [1]}, "which is not an Oracle name"),
        ({"ID; DROP TABLE X": [1]}, "which is not an Oracle name"),
        ({"EVENT_DATA": ["x"]}, "names the column EVENT_DATA, which is CLOB"),
        ({"ID": ["1 OR 1=1"]}, "value for ID (NUMBER(19,0)) that is not a number"),
        ({"CASE_ID": [37]}, "(VARCHAR2(64)) that is not a text"),
    ],
)
def test_what_is_no_column_or_no_value_of_it_is_refused_before_any_row_is_read(
    oracle: StandIn, open_source: Open, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _ = open_source(filter=given, replay="R1").table
    assert words in str(caught.value)
    assert not oracle.unmatched


@pytest.mark.usefixtures("events")
def test_a_hostile_value_is_a_value(open_source: Open) -> None:
    hostile = ["' OR '1'='1", "'; DROP TABLE SPC.TXLOG_EVENTS --", ":f0_0", '"', "C1) OR (1=1"]
    assert open_source(filter={"CASE_ID": hostile}, replay="R1").page(ALL, 100).rows == []


INDEXES: list[tuple[dict[str, tuple[str, ...]], str]] = [
    ({"IX_CASES": ("CASE_ID", "EVENT_TIMESTAMP")}, "ok"),
    ({"IX_CASES": ("EVENT_TIMESTAMP", "CASE_ID")}, "warning"),
    ({"IX_UNUSABLE": ("CASE_ID",)}, "warning"),
    ({"IX_INVISIBLE": ("CASE_ID",)}, "warning"),
    ({}, "warning"),
]


@pytest.mark.parametrize(("indexes", "status"), INDEXES)
def test_the_doctor_and_a_run_tell_whether_an_index_serves(
    oracle: StandIn, run_tap: RunTap, indexes: dict[str, tuple[str, ...]], status: str
) -> None:
    oracle.database.tables["SPC.TXLOG_EVENTS"].indexes.update(indexes)
    config = {"replay": "R1", "filter": {"CASE_ID": ["C1"]}}
    report, run = run_tap("--doctor", config=config).stdout.decode(), run_tap(config=config)
    if status == "ok":
        assert "filter        the index IX_CASES finds rows by" in report
        assert "the index IX_CASES finds rows by CASE_ID" in run.stderr
    else:
        assert 'CREATE INDEX "SPC"."IX_TXLOG_EVENTS_CASE_ID" ON "SPC"."TXLOG_EVENTS"' in report
        assert "no index begins with CASE_ID" in run.stderr
    assert "filter " not in run_tap("--doctor").stdout.decode()
