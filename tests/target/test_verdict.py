"""What a status says of rows, streams and servers, whatever they are."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_nats_jetstream.errors import (
    AccessDeniedError,
    ConfigurationError,
    TargetError,
    UnreachableError,
)
from target_nats_jetstream.ledger.row import LedgerRow, Standing, by_pipeline
from target_nats_jetstream.publisher.inspection import StreamState
from target_nats_jetstream.status.verdict import Status, result_of
from target_nats_jetstream.status.views import as_json, as_plugin_line, as_text
from target_nats_jetstream.status.words import counted, format_length
from tests.target.ledger.places import at

if TYPE_CHECKING:
    from collections.abc import Sequence

STREAM = StreamState("S", True, 1204, at("2026-01-02T03:04:05"), 0)
NOW = datetime(2026, 1, 2, 4, tzinfo=UTC)
AWAY = UnreachableError("cannot reach it", "Start it")
REFUSED = AccessDeniedError("login refused", "Check it")
WRONG = ConfigurationError("wrong setting", "Correct it")


def row(name: str, status: str = "RUNNING", **columns: object) -> LedgerRow:
    known = {"LAST_RUN_TIME": at("2026-01-02T03:04:05"), "RECORDS_PROCESSED": 10}
    known |= {"PROGRAM_NAME": name, "STATUS": status}
    known |= {"ERROR_MESSAGE": "the error of the run before"}
    return LedgerRow.from_columns(known | columns)


def status_of(
    rows: Sequence[LedgerRow] | TargetError, stream: StreamState | TargetError = STREAM
) -> Status:
    """Of pipelines that are not at work."""
    if isinstance(rows, TargetError):
        return Status(rows, "S", stream, 0, NOW)
    standings = [Standing(part, is_running=False) for part in by_pipeline(rows).values()]
    return Status(standings, "S", stream, 0, NOW)


def test_the_rows_of_a_dead_run_are_dead_and_are_one_problem() -> None:
    rows = [
        row("P"),
        row("P:A"),
        row("P:B", "SUCCESS"),
        row("P:C", LAST_RUN_TIME=at("2026-01-01")),
    ]
    dead = Standing(rows, is_running=False)

    assert [result_of(one, dead) for one in rows] == ["DEAD", "DEAD", "SUCCESS", "RUNNING"]
    assert len(status_of(rows).problems) == 1
    running = [Standing(rows, is_running=True)]
    assert replace(status_of(rows), ledger=running).problems == []


def test_each_dead_run_is_a_problem_of_its_own() -> None:
    rows = [row("A"), row("A:X"), row("B"), row("C", "SUCCESS")]
    told = [problem.text for problem in status_of(rows).problems]

    assert [text.split(" that ")[0] for text in told] == ["the run of A", "the run of B"]
    assert "(2 DEAD, 1 SUCCESS)" in as_text(status_of(rows))


def test_a_run_that_failed_is_one_problem_however_many_streams_it_has() -> None:
    before = row("P:Y", "FAILED", LAST_RUN_TIME=at("2026-01-01"), ERROR_MESSAGE="long ago")
    told = status_of([row("P", "FAILED"), row("P:X", "FAILED"), before]).problems

    assert [problem.text for problem in told] == [
        "the last run of P failed: the error of the run before",
        "the last run of P:Y failed: long ago",
    ]


def test_a_stream_that_is_not_read_any_more_is_no_lack_of_progress() -> None:
    gone = row("P:OLD", "SUCCESS", UPDATED_AT=at("2025-01-01"))
    rows = [row("P", "SUCCESS", UPDATED_AT=at("2026-01-02T03:59:00")), gone]
    assert replace(status_of(rows), max_age=timedelta(hours=1)).problems == []

    rows[0] = row("P", "SUCCESS", UPDATED_AT=at("2025-01-01"))
    (problem,) = replace(status_of(rows), max_age=timedelta(hours=1)).problems
    assert problem.text.startswith("P has made no progress since 2025-01-01")


def test_the_slowest_pipeline_is_the_one_that_is_complete_up_to_the_earliest_time() -> None:
    rows = [row(n, "SUCCESS", LAST_SUCCESSFUL_TIME=at(f"2026-01-0{n}")) for n in "21"]
    found = status_of(rows).sum
    assert found is not None
    assert (found.slowest.program_name, found.rows) == ("1", 20)

    unknown = status_of([*rows, row("3", "INITIALIZED")])
    assert "slowest 3, complete up to -, lag -" in as_text(unknown)
    assert json.loads(as_json(unknown))["sum"]["lag_seconds"] is None
    assert status_of(rows[:1]).sum is None


@given(st.lists(st.sampled_from(["A", "B", "A:X", "A:X:Y", "B:X", "C:X"]), unique=True))
def test_a_row_is_of_the_pipeline_whose_name_it_begins_with(names: list[str]) -> None:
    found = by_pipeline([row(name) for name in names])

    assert sorted(one.program_name for rows in found.values() for one in rows) == sorted(names)
    for pipeline, rows in found.items():
        assert rows[0].program_name == pipeline
        assert all(one.program_name.startswith(f"{pipeline}:") for one in rows[1:])
        assert not any(other != pipeline and pipeline.startswith(f"{other}:") for other in names)


OK = [row("P", "SUCCESS")]


@pytest.mark.parametrize(
    ("rows", "more", "code", "plugin"),
    [
        (OK, {}, 0, 0),
        ([row("P", "FAILED")], {}, 1, 2),
        ([], {}, 1, 1),
        (OK, {"stream": replace(STREAM, exists=False)}, 1, 2),
        (OK, {"stream": replace(STREAM, dead_letters=2)}, 0, 1),
        (OK, {"letters_in_file": 1}, 0, 1),
        (OK, {"stream": AWAY}, 1, 2),
        (OK, {"stream": REFUSED}, 1, 3),
        (OK, {"stream": WRONG}, 2, 3),
        (OK, {"letters_in_file": WRONG}, 2, 3),
        (AWAY, {}, 1, 2),
        (REFUSED, {}, 1, 3),
        (WRONG, {}, 2, 3),
        (AWAY, {"stream": AWAY}, 4, 2),
        (AWAY, {"stream": REFUSED}, 3, 2),
        (REFUSED, {"stream": REFUSED}, 3, 3),
        (WRONG, {"stream": AWAY}, 2, 2),
    ],
)
def test_exit_codes(
    rows: list[LedgerRow] | TargetError, more: dict[str, Any], code: int, plugin: int
) -> None:
    status = replace(status_of(rows), **more)
    assert status.exit_code == code
    assert as_plugin_line(status)[1] == plugin
    assert json.loads(as_json(status))["ok"] == (code == 0)


#: As the Monitoring Plugins' guidelines have it: 'label'=value[unit];[warn];[crit];[min];[max]
MEASURE = re.compile(r"[a-z_]+=-?[0-9.]+(s|c)?(;[0-9]*){0,4}")


@given(
    st.one_of(
        st.just(AWAY), st.lists(st.builds(row, st.text(), st.sampled_from(["FAILED", "SUCCESS"])))
    ),
    st.sampled_from([STREAM, AWAY, REFUSED, replace(STREAM, dead_letters=3)]),
    st.sampled_from([None, timedelta(hours=1)]),
    st.text(),
)
def test_a_plugin_line_can_be_parsed_whatever_is_in_it(
    rows: list[LedgerRow] | TargetError,
    stream: StreamState | TargetError,
    max_age: timedelta | None,
    error: str,
) -> None:
    if not isinstance(rows, TargetError):
        rows = [replace(one, error_message=error) for one in rows]
    line, code = as_plugin_line(replace(status_of(rows, stream), max_age=max_age))
    state, _, rest = line.partition(" - ")
    text, bar, measures = rest.rpartition(" | ")

    assert ["OK", "WARNING", "CRITICAL", "UNKNOWN"][code] == state
    assert line.isprintable()
    assert (bool(text), bar) == (True, " | ")
    assert "|" not in text
    assert all(MEASURE.fullmatch(measure) for measure in measures.split(" ")), measures


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 messages"), (1, "1 message"), (2, "2 messages"), (1204, "1,204 messages")],
)
def test_counts_are_written_as_people_write_them(number: int, text: str) -> None:
    assert counted(number, "message") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (172_800, "2 d")],
)
def test_lengths_of_time_are_written_as_people_write_them(seconds: int, text: str) -> None:
    assert format_length(timedelta(seconds=seconds)) == text


def slice_row(number: int, status: str = "SUCCESS", **columns: object) -> LedgerRow:
    """One of 400; each began an hour after the one before, and took two."""
    began = at("2026-01-01") + timedelta(hours=number)
    known: dict[str, object] = {"LAST_RUN_TIME": began, "UPDATED_AT": began + timedelta(hours=2)}
    known |= {"RECORDS_PROCESSED": 25_000_000, "SINGER_STATE": '{"bookmarks":{},"slices":400}'}
    return row(f"M#{number:04d}", status, **{**known, **columns})


def test_slices_of_a_backfill_are_one_line() -> None:
    done, others = map(slice_row, range(112)), (slice_row(n, "RUNNING") for n in (112, 113))
    status = status_of([*done, *others])
    line = "slices 112/400 · rows 2.8e9 · slowest #0112 · left 12 d"
    assert line in as_text(status).splitlines()
    assert "M#0111" not in as_text(status)  # nothing is to come there
    assert as_text(status).count("M#0112") == 2  # in the table, and it was killed
    found = json.loads(as_json(status))["slices"]
    assert (found["done"], found["total"], found["slowest"]) == (112, 400, "0112")
    assert found["records_processed"] == 114 * 25_000_000


def test_where_all_slices_are_complete_nothing_is_left() -> None:
    status = replace(status_of([slice_row(n, SINGER_STATE=None) for n in range(3)]), max_age=NEVER)
    assert "slices 3/3 · rows 7.5e7 · slowest - · left 0 s" in as_text(status)
    assert (status.problems, status.exit_code) == ([], 0)
    line, code = as_plugin_line(status)
    assert code == 0
    assert line.startswith("OK - slices 3/3")


NEVER = timedelta(seconds=1)


def test_a_slice_that_is_not_complete_may_be_too_old() -> None:
    status = replace(status_of([slice_row(0), slice_row(1, "FAILED")]), max_age=NEVER)
    told = [problem.text for problem in status.problems]
    assert len(told) == 2
    assert all("M#0001" in text for text in told)
    assert "slices 1/400 · rows 5.0e7 · slowest #0001 · left 50 d" in as_text(status)


def test_before_the_first_slice_is_complete_nobody_knows_how_long_the_rest_takes() -> None:
    status = status_of([slice_row(7, "RUNNING", RECORDS_PROCESSED=1_234)])
    assert "slices 0/400 · rows 1,234 · slowest #0007 · left -" in as_text(status)


def test_slices_beside_other_pipelines_are_added_up_as_any() -> None:
    status = status_of([slice_row(0), row("M", "SUCCESS")])
    assert "2 pipelines (2 SUCCESS)" in as_text(status)
    assert json.loads(as_json(status))["slices"] is None
