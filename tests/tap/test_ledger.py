"""``state_from_ledger``: the ledger stands in for a state that is not given, and one that is given
wins, with a warning where the ledger knows that more is done.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.events import Event, EventTable, stamp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mariadb import MariaDbDatabase
    from tests.tap.command import Run, Tap

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
    assert "the given state is complete up to 2026-01-01T00:00:03.999999999" in warning
    assert "the ledger up to 2026-01-01T00:00:07.999999999" in warning
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
    assert "complete up to 2026-01-01T00:00:07.999999999" in line
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
    assert "03.999999999, the ledger up to 2026-01-01T00:00:07.000000000: rows between" in warning
    assert v7.run_from(states[8]).logged("WARNING") == []
    assert v7.run().ids == [7, 8, 9, 10, 11]


def test_another_pipelines_row_is_none(ahead: Tap, states: list[dict[str, Any]]) -> None:
    assert ahead.run(program_name="OTHER").ids == list(range(12))
    run = ahead.run_from(states[4], program_name="OTHER")
    assert (run.ids, run.logged("WARNING")) == ([5, 6, 7, 8, 9, 10, 11], [])


# Where SINGER_STATE does not speak of the stream


TEST_STATE = {"bookmarks": {"meltano_test_stream": {"last_record": 1}}}
EMPTY = {"bookmarks": {"TXLOG_EVENTS": {"reading": True}}}


def with_rows(ahead: Tap, *rows: tuple[str, str | None, object]) -> Tap:
    """The tap with a ledger that holds these rows and no others."""
    ledger = EventTable(ahead.folder / "ledger.db", "SELECT 'it is there'")
    ledger.execute("DELETE FROM ETL_PRMREC")
    texts = (
        (name, time, json.dumps(state) if state is not None else None) for name, time, state in rows
    )
    ledger.execute_with("INSERT INTO ETL_PRMREC VALUES (?, ?, ?)", *texts)
    return ahead


def started(run: Run) -> str:
    (line,) = (line for line in run.logged("INFO") if line.startswith("no state given"))
    return line


@pytest.mark.parametrize("state", [TEST_STATE, EMPTY, {}, None])
def test_without_a_bookmark_of_the_stream_it_starts_from_the_time_that_is_complete(
    ahead: Tap, state: object
) -> None:
    """So `meltano config test`, whose STATE replaced the pipeline's, cost no second load."""
    run = with_rows(ahead, ("PIPELINE", stamp(8), state)).run()
    assert run.ids == [7, 8, 9, 10, 11]
    assert "00:00:07.000000000 (LAST_SUCCESSFUL_TIME of PIPELINE, minus one second)" in started(run)
    others = (state or {}).get("bookmarks", {}) if isinstance(state, dict) else {}
    assert set(run.states[0]["bookmarks"]) == {*others, "TXLOG_EVENTS"}
    assert run.logged("WARNING") == []


def test_the_row_of_the_stream_goes_before_that_of_the_pipeline(
    ahead: Tap, states: list[dict[str, Any]]
) -> None:
    other = {"bookmarks": {"OTHER": states[4]["bookmarks"]["TXLOG_EVENTS"]}}
    rows = ("PIPELINE", stamp(4), other), ("PIPELINE:TXLOG_EVENTS", stamp(9), None)
    run = with_rows(ahead, *rows).run()
    assert run.ids == [8, 9, 10, 11]
    assert "(LAST_SUCCESSFUL_TIME of PIPELINE:TXLOG_EVENTS, minus one second)" in started(run)


@pytest.mark.parametrize("in_slices", [False, True])
@pytest.mark.parametrize("stream", ["OTHER", "TXLOG_EVENTS"])
def test_a_time_that_may_be_of_another_stream_or_of_a_slice_passes_over_no_row(
    ahead: Tap, states: list[dict[str, Any]], stream: str, in_slices: bool
) -> None:
    bookmark = states[8]["bookmarks"]["TXLOG_EVENTS"]
    if in_slices:
        bookmark = {"partitions": [bookmark | {"context": {"start": "a", "end": "b"}}]}
    elif stream == "TXLOG_EVENTS":
        return
    state = {"bookmarks": {stream: bookmark}}
    run = with_rows(ahead, ("PIPELINE", stamp(8), state)).run()
    assert run.ids == list(range(12))
    (warning,) = run.logged("WARNING")
    assert "LAST_SUCCESSFUL_TIME may belong to these and is not used" in warning
    assert stream in warning
    assert "none in the ledger" in started(run)


def test_a_backfill_takes_its_slices_from_the_ledger_and_a_start_from_nowhere(
    ahead: Tap, states: list[dict[str, Any]]
) -> None:
    span = {"start_date": "2026-01-01", "end_date": stamp(6), "slice_interval": "3s"}
    fresh = ahead.run(**span)
    assert fresh.ids == list(range(6))
    tail = states[8]["bookmarks"]["TXLOG_EVENTS"]
    assert fresh.bookmark["position"] == tail["position"]
    run = with_rows(ahead, ("PIPELINE", stamp(5), fresh.states[1])).run(**span)
    assert run.ids == [3, 4, 5]
    given = ahead.run_from(fresh.states[-1], **span)
    assert given.ids == []  # a given state with slices is one, though no time of the tail is in it
    time_alone = with_rows(ahead, ("PIPELINE", stamp(5), None)).run(**span)
    assert time_alone.ids == list(range(6))


@pytest.mark.parametrize("value", ["true", "1", "YES"])
def test_a_full_refresh_does_not_ask_the_ledger(ahead: Tap, value: str) -> None:
    run = ahead.run(env={"MELTANO_RUN_FULL_REFRESH": value}, ledger_url="sqlite:///none/x.db")
    assert run.ids == list(range(12))
    assert any("MELTANO_RUN_FULL_REFRESH is set" in line for line in run.logged("INFO"))
    assert ahead.run(env={"MELTANO_RUN_FULL_REFRESH": "false"}).ids == [9, 10, 11]
    assert "set state_from_ledger: false, or MELTANO_RUN_FULL_REFRESH" in started(ahead.run())
    assert ahead.run(state_from_ledger=False).ids == list(range(12))


# A ledger that cannot be read


@pytest.mark.parametrize("text", ["{oops", "[1]", '{"bookmarks": 7}'])
def test_a_state_that_is_none_is_an_error_and_no_start(ahead: Tap, text: str) -> None:
    ledger = EventTable(ahead.folder / "ledger.db", "SELECT 'it is there'")
    ledger.execute_with("UPDATE ETL_PRMREC SET SINGER_STATE = ?", (text,))
    run = ahead.run()
    assert (run.code, run.messages) == (2, [])
    assert run.logged("ERROR") == [
        "SINGER_STATE in the ledger is not a valid state. Give a state, or set start_date"
    ]


@pytest.mark.parametrize(
    ("config", "code", "line"),
    [
        ({"ledger_url": "no url"}, 2, "`ledger_url` is not a URL of MariaDB"),
        ({"ledger_url": "postgresql://u:s3cr3t@h/d"}, 2, "`ledger_url` is not a URL of MariaDB"),
        ({"ledger_url": "mysql://u:p@s3cr3t@127.0.0.1/d"}, 2, "an @ or . in it.*@ as %40"),
        ({"ledger_url": "sqlite:///none/x.db"}, 2, "unable to open.*path in ledger_url"),
        ({"ledger_url": "mysql://u:s3cr3t@127.0.0.1:1/d"}, 4, "refused.*mariadb_host"),
        ({"mariadb_port": 70_000}, 2, "`mariadb_port`.*at most 65535"),
        ({"ledger_url": ""}, 2, "neither mariadb_host nor ledger_url"),
    ],
)
def test_a_ledger_that_cannot_be_read_is_one_line_and_its_exit_code(
    ahead: Tap, config: dict[str, Any], code: int, line: str
) -> None:
    run = ahead.run(**config)
    (said,) = run.logged("ERROR")
    assert re.search(line, said), said
    assert (run.code, run.messages) == (code, [])
    assert "s3cr3t" not in run.stderr
    assert not re.search(r"\(\d+, ['\"]", said)


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mysql+pymysql"])
def test_a_ledger_in_mariadb_is_read_by_any_url_that_the_target_takes(
    tap: Tap, mariadb: MariaDbDatabase, states: list[dict[str, Any]], scheme: str
) -> None:
    mariadb.execute(OWN, f"INSERT INTO ETL_PRMREC VALUES ('PIPELINE', '{stamp(8)}', NULL)")
    url = mariadb.url.replace("mysql+pymysql", scheme)
    run = tap.run(state_from_ledger=True, program_name="PIPELINE", ledger_url=url)
    assert (run.code, run.ids) == (0, list(range(7, len(states))))


@pytest.mark.parametrize(
    ("change", "code", "line"),
    [
        ({"mariadb_password": "wrong"}, 3, r"Access denied.*\(1045\)\. Check .*mariadb_password"),
        ({"mariadb_database": "mysql"}, 3, r"Access denied.*\(1044\)\. Grant"),
        (
            {"mariadb_user": "root", "mariadb_password": "", "mariadb_database": "nowhere"},
            2,
            r"Unknown database 'nowhere' \(1049\)\. Check mariadb_database",
        ),
    ],
)
def test_what_mariadb_refuses_is_told_with_the_setting_that_is_wrong(
    tap: Tap, mariadb: MariaDbDatabase, change: dict[str, Any], code: int, line: str
) -> None:
    run = tap.run(state_from_ledger=True, **(mariadb.settings | change))
    (said,) = run.logged("ERROR")
    assert re.search(line, said), said
    assert (run.code, run.messages) == (code, [])


def test_what_a_given_state_says_beside_bookmarks_is_passed_on(ahead: Tap) -> None:
    run = ahead.run_from({"bookmarks": {}, "slices": 400})
    assert run.ids == [9, 10, 11]
    assert [state["slices"] for state in run.states] == [400] * len(run.states)
