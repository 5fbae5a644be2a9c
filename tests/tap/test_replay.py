"""A replay sends the rows of its filter, keeps a bookmark of its own, and stands for one selection;
the tail's bookmark stays what it is.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.settings import AllSettings
from tests.support.events import Event, EventTable, stamp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tap.command import Tap

LEDGER = """CREATE TABLE ETL_PRMREC
    (PROGRAM_NAME VARCHAR(100), LAST_SUCCESSFUL_TIME DATETIME, SINGER_STATE TEXT)"""
CASE: dict[str, Any] = {"replay": "R1", "filter": {"CASE_ID": ["C3"]}}
IDS = [3, 10, 17]  # of CASE among twenty rows


@pytest.fixture
def twenty(table: EventTable) -> EventTable:
    table.add(*(Event(number, stamp(number)) for number in range(20)))
    return table


def replays(state: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = state["bookmarks"]["TXLOG_EVENTS"]["partitions"]
    return found


@pytest.mark.usefixtures("twenty")
def test_a_replay_sends_the_rows_of_its_filter_and_once(tap: Tap) -> None:
    run = tap.run(**CASE, page_size=1)
    assert (run.code, run.ids) == (0, IDS)
    assert [one["context"]["replay"] for one in replays(run.states[-1])] == ["R1"]
    assert tap.run_from(run.states[-1], **CASE).ids == []


@pytest.mark.usefixtures("twenty")
def test_from_each_state_on_a_replay_goes_on_behind_it(tap: Tap) -> None:
    run = tap.run(**CASE, page_size=1)
    sent = 0
    for message in run.messages:
        sent += message["type"] == "RECORD"
        if message["type"] == "STATE":
            assert tap.run_from(message["value"], **CASE).ids == IDS[sent:]


@pytest.mark.usefixtures("twenty")
def test_the_first_message_already_tells_that_a_replay_is_read(tap: Tap) -> None:
    for zone in ({}, {"source_timezone": "Europe/Vienna", "end_date": "2026-01-02"}):
        first, *_ = tap.run(**CASE, **zone).messages
        (place,) = replays(first["value"])
        assert (first["type"], place["context"]["replay"], place["reading"]) == (
            "STATE",
            "R1",
            True,
        )
        assert "reading" not in first["value"]["bookmarks"]["TXLOG_EVENTS"]


@pytest.mark.usefixtures("twenty")
def test_the_state_of_the_tail_passes_through_as_it_is(tap: Tap) -> None:
    before = tap.run(max_records_per_run=5).states[-1]
    after = tap.run_from(before, **CASE).states[-1]
    assert after["bookmarks"]["TXLOG_EVENTS"].pop("partitions")
    assert after == before
    assert tap.run_from(after).ids == list(range(5, 20))


@pytest.mark.usefixtures("twenty")
def test_start_and_end_bound_a_replay_as_well(tap: Tap) -> None:
    span = {"start_date": stamp(4), "end_date": stamp(17)}
    assert tap.run(**CASE, **span).ids == [10]
    assert tap.run(replay="R1", **span).ids == list(range(4, 17))


def test_an_end_that_is_ahead_of_the_watermark_is_said_as_of_a_backfill(
    tap: Tap, twenty: EventTable
) -> None:
    now = datetime.now(UTC)
    twenty.add(Event(24, now.strftime("%Y-%m-%d %H:%M:%S.%f")))
    span = {"end_date": (now + timedelta(hours=1)).isoformat()}
    run = tap.run(**CASE, **span)
    assert (run.code, run.ids) == (6, [*IDS, 24])


ANOTHER = {
    "another value": {"filter": {"CASE_ID": ["C4"]}},
    "more values": {"filter": {"CASE_ID": ["C3", "C4"]}},
    "another column": {"filter": {"EVENT_TYPE": ["C3"]}},
    "none": {"filter": None},
    "a start": {"start_date": "2026-01-01"},
    "an end": {"end_date": "2026-01-01"},
}


@pytest.mark.usefixtures("twenty")
@pytest.mark.parametrize("changes", ANOTHER.values(), ids=ANOTHER)
def test_a_name_stands_for_one_selection(tap: Tap, changes: dict[str, Any]) -> None:
    state = tap.run(**CASE, max_records_per_run=1).states[-1]
    run = tap.run_from(state, **CASE | changes)
    assert (run.code, run.messages) == (2, [])
    assert "the replay R1 was begun with another `filter`" in run.stderr
    assert "choose another name" in run.stderr
    assert tap.run_from(state, **CASE | changes | {"replay": "R2"}).code == 0


@pytest.mark.usefixtures("twenty")
def test_the_same_selection_may_be_written_otherwise(tap: Tap) -> None:
    state = tap.run(**CASE, start_date="2026-01-01", max_records_per_run=1).states[-1]
    run = tap.run_from(
        state, replay="R1", filter='{"CASE_ID": "C3"}', start_date="2026-01-01T00:00Z"
    )
    assert (run.code, run.ids) == (0, IDS[1:])


@pytest.mark.usefixtures("twenty")
def test_no_value_of_the_filter_is_in_state_or_log(tap: Tap) -> None:
    run = tap.run(replay="R1", filter={"CASE_ID": ["C3"], "EVENT_DATA": ["a-secret"]})
    assert run.code == 0
    assert "a-secret" not in run.stdout.decode() + run.stderr
    bad = tap.run(replay="R1", filter={"ID": ["a-secret"]})
    assert (bad.code, bad.messages) == (2, [])
    assert "a-secret" not in bad.stderr


@pytest.mark.usefixtures("twenty")
def test_whether_an_index_serves_is_said_once(tap: Tap, table: EventTable) -> None:
    (warning,) = tap.run(**CASE).logged("WARNING")
    assert "no index begins with CASE_ID" in warning
    table.execute("CREATE INDEX IX_CASES ON TXLOG_EVENTS (CASE_ID, EVENT_TIMESTAMP, ID)")
    run = tap.run(**CASE)
    assert run.logged("WARNING") == []
    assert sum("the index IX_CASES finds" in line for line in run.logged("INFO")) == 1
    assert not any("index" in line for line in tap.run().logged("INFO"))


@pytest.mark.usefixtures("twenty")
def test_the_filter_of_a_table_among_several_is_its_own(tap: Tap, table: EventTable) -> None:
    table.execute(table.create.replace("TXLOG_EVENTS", "OTHER"))
    table.execute("INSERT INTO OTHER SELECT * FROM TXLOG_EVENTS")
    tables = [{"table": "TXLOG_EVENTS", "filter": {"ID": 1}}, "OTHER"]
    run = tap.run(table=None, tables=tables, replay="R1", filter={"ID": [2, 3]})
    assert (run.code, sorted(run.ids)) == (0, [1, 2, 3])


@pytest.mark.usefixtures("twenty")
def test_of_several_replays_only_the_one_that_is_read_counts(tap: Tap) -> None:
    first = tap.run(**CASE).states[-1]
    assert "retired" not in first
    second = tap.run_from(first, **CASE | {"replay": "R2"}).states[-1]
    assert [one["context"]["replay"] for one in second["retired"]] == ["R1"]
    assert "retired" not in tap.run_from(second).states[-1]


# --- the ledger


@pytest.mark.usefixtures("twenty")
def test_a_replay_starts_from_its_own_row_of_the_ledger(tap: Tap, tmp_path: Path) -> None:
    own = tap.run(**CASE, max_records_per_run=1).states[-1]
    tail = tap.run(max_records_per_run=5).states[-1]
    stale = {"bookmarks": {"TXLOG_EVENTS": {**tail["bookmarks"]["TXLOG_EVENTS"], "reach": 1}}}
    stale["bookmarks"]["TXLOG_EVENTS"]["partitions"] = replays(own)
    ledger = EventTable(tmp_path / "ledger.db", LEDGER)
    rows = [("P", stamp(5), json.dumps(tail)), ("P#replay-R1", stamp(1), json.dumps(stale))]
    ledger.execute_with("INSERT INTO ETL_PRMREC VALUES (?, ?, ?)", *rows)
    settings = {"state_from_ledger": True, "ledger_url": ledger.url, "program_name": "P"}
    asking = replace(tap, config={**tap.config, **settings})
    assert asking.run(**CASE).ids == IDS[1:]
    assert asking.run(**CASE | {"replay": "R2"}).ids == IDS
    beside = asking.run_from(tail, **CASE)
    assert beside.ids == IDS[1:]
    assert beside.states[-1]["bookmarks"]["TXLOG_EVENTS"].pop("partitions")
    assert beside.states[-1] == tail  # nothing older than what was given has come into it
    further = tap.run_from(own, **CASE, max_records_per_run=1).states[-1]
    assert asking.run_from(further, **CASE).ids == IDS[2:]  # what is given wins
    other = tap.run_from(tail, **CASE | {"replay": "R2"}).states[-1]
    both = asking.run_from(other, **CASE)
    assert both.ids == IDS[1:]
    assert [one["context"]["replay"] for one in replays(both.states[-1])] == ["R2", "R1"]
    assert asking.run().ids == list(range(5, 20))
    assert asking.run(**CASE | {"filter": {"CASE_ID": "C4"}}).code == 2


# --- settings


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"filter": {"A": [1]}}, "`filter` is set without `replay`. Set `replay` to a name"),
        ({"filter": {"A": [1]}, "replay": ""}, "`filter` is set without `replay`"),
        ({"replay": "R1", "filter": {}}, "`filter` names no column"),
        ({"replay": "R1", "filter": "CASE_ID=C1"}, "`filter` is not a JSON object"),
        ({"replay": "R1", "filter": "[" * 9000}, "`filter` is not a JSON object"),
        ({"replay": "R1", "start_date": "-10m"}, "is relative, beside `replay`"),
        (
            {"replay": "R1", "end_date": "2026-01-02", "slice_interval": "1h"},
            "`slice_interval` is set beside `replay`",
        ),
        *(
            ({"replay": name}, "is not the name of a replay")
            for name in ("a.b", "a b", "*", ">", "ü", "a:b", "x" * 65, "a\n")
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    config: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        AllSettings.from_config(config)
    assert words in str(caught.value)
    assert caught.value.exit_code == 2
    assert caught.value.setting in config


def test_a_replay_is_not_compared_with_the_stream(tap: Tap) -> None:
    run = tap.run("--digest", "1h", **CASE)
    assert (run.code, run.stdout) == (2, b"")
    assert "a replay cannot be compared" in run.stderr


def test_without_a_server_the_mistakes_in_a_filter_are_listed(tap: Tap) -> None:
    run = tap.run("--check-config", filter={"CASE_ID": ["C3"]})
    assert run.code == 2
    assert b"`filter` is set without `replay`" in run.stdout
    assert tap.run("--check-config", **CASE).code == 0
