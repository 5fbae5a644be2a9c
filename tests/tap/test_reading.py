"""The first STATE says where a run begins, and each one says whether there is more to read."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.rules.parts import clear_marks, not_complete
from tap_oracle_txlog.rules.watermark import NoneOpen, Oldest, choose_watermark
from tests.support.events import Event, EventTable, stamp
from tests.tap.listed import at

if TYPE_CHECKING:
    from tests.tap.command import Run, Tap

STREAM = "TXLOG_EVENTS"
SLICES = {"start_date": "2026-01-01", "end_date": "2026-01-01T00:00:06Z", "slice_interval": "2s"}


def fill(table: EventTable, count: int) -> None:
    """Three rows a second."""
    table.add(*(Event(number, stamp(number // 3, number)) for number in range(count)))


def marks(state: dict[str, Any]) -> list[bool | str]:
    """Where a state says that there is more to read: True is the stream's own bookmark, a slice is
    named by its first second.
    """
    bookmark = state["bookmarks"].get(STREAM, {})
    slices = (one for one in bookmark.get("partitions", ()) if "reading" in one)
    return ["reading" in bookmark] * ("reading" in bookmark) + [
        one["context"]["start"][17:19] for one in slices
    ]


def without_marks(state: dict[str, Any]) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(state))
    clear_marks(copy)
    return copy


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


# The first STATE


def test_without_a_state_the_first_message_says_that_this_tap_reads_and_nothing_else(
    tap: Tap, table: EventTable
) -> None:
    fill(table, 5)
    run = tap.run()
    assert run.messages[0] == {
        "type": "STATE",
        "value": {"bookmarks": {STREAM: {"reading": True}}},
    }
    again = tap.run_from(run.states[0], start_date="2026-01-01T00:00:01Z")
    assert again.ids == [3, 4]  # it says nothing of the start: that is the setting's to say


def test_a_given_state_comes_first_as_a_whole_and_as_it_was_but_for_the_mark(
    tap: Tap, table: EventTable
) -> None:
    fill(table, 5)
    first = tap.run(max_records_per_run=3)
    given: dict[str, Any] = {
        "bookmarks": {"OTHER": {"lsn": [1, {"x": None}]}, STREAM: first.bookmark | {"v": 1}},
        "currently_syncing": "OTHER",
    }
    run = tap.run_from(given)
    assert run.types[:2] == ["STATE", "SCHEMA"]
    retired = {"retired": [{"stream": "OTHER"}]}
    assert without_marks(run.states[0]) == given | retired
    assert [marks(state) for state in run.states] == [[True], []]
    assert run.states[-1]["bookmarks"]["OTHER"] == given["bookmarks"]["OTHER"]
    assert run.states[-1]["currently_syncing"] == "OTHER"
    assert tap.run_from(run.states[0]).ids == run.ids == [3, 4]


@pytest.mark.parametrize("given", [None, {"bookmarks": {"OTHER": {"x": 1}}}], ids=["none", "one"])
def test_a_database_that_cannot_be_reached_leaves_no_message_which_a_target_takes_for_no_run(
    tap: Tap, table: EventTable, given: dict[str, Any] | None
) -> None:
    fill(table, 5)
    away = {"sqlalchemy_url": "mysql+pymysql://etl@127.0.0.1:1/db", "max_retries": 0}
    run = tap.run(**away) if given is None else tap.run_from(given, **away)
    assert (run.code, run.messages) == (4, [])


def test_what_an_earlier_run_left_unread_is_marked_only_if_this_one_reads_it(
    tap: Tap, table: EventTable
) -> None:
    fill(table, 20)
    killed = tap.run_from({"bookmarks": {STREAM: {"reading": True}}}, **SLICES).states[0]
    assert marks(killed) == ["00"]
    tail = tap.run_from(killed)
    assert [marks(state) for state in tail.states] == [[True], []]
    assert tail.ids == list(range(20))


def test_slices_that_are_cut_otherwise_are_retired_and_the_tail_retires_none(
    tap: Tap, table: EventTable
) -> None:
    fill(table, 20)
    first = tap.run(**SLICES, max_records_per_run=1).states[-1]
    contexts = [one["context"] for one in first["bookmarks"][STREAM]["partitions"]]
    again = tap.run_from(first, **SLICES | {"slice_interval": "3s"})
    expected = [{"stream": STREAM, "context": one} for one in contexts]
    assert [state["retired"] for state in again.states] == [expected] * len(again.states)
    assert "retired" not in tap.run_from(again.states[-1]).states[-1]


# Each STATE


@pytest.mark.parametrize("null_key", ["warn", "emit"])
@pytest.mark.parametrize("rows_without_key", [0, 3])
@pytest.mark.parametrize("page_size", [3, 4, 100])
def test_only_the_state_that_ends_the_pass_has_no_mark(
    tap: Tap, table: EventTable, null_key: str, rows_without_key: int, page_size: int
) -> None:
    fill(table, 8)
    table.add(*(Event(100 + number, None) for number in range(rows_without_key)))
    run = tap.run(page_size=page_size, null_key=null_key)
    assert run.code == 0
    assert len(run.ids) == 8 + rows_without_key * (null_key == "emit")
    assert [marks(state) for state in run.states] == [[True]] * (len(run.states) - 1) + [[]]
    assert run.types[-1] == "STATE"


def test_a_run_that_fails_over_rows_without_a_key_did_not_come_to_its_end(
    tap: Tap, table: EventTable
) -> None:
    table.add(Event(1, stamp(1)), Event(2, None))
    run = tap.run(null_key="fail")
    assert (run.code, run.ids, marks(run.states[-1])) == (5, [1], [True])


@pytest.mark.parametrize("config", [{}, SLICES], ids=["tail", "slices"])
def test_a_capped_run_came_to_its_end(tap: Tap, table: EventTable, config: dict[str, Any]) -> None:
    fill(table, 20)
    run = tap.run(max_records_per_run=8, page_size=3, **config)
    assert (run.code, len(run.ids)) == (0, 8)
    assert all(marks(state) for state in run.states[:-1])
    assert marks(run.states[-1]) == []


def test_of_slices_the_one_that_is_read_next_has_the_mark(tap: Tap, table: EventTable) -> None:
    fill(table, 20)
    run = tap.run(page_size=4, **SLICES)
    seen = [marks(state) for state in run.states]
    assert seen == [["00"]] * 2 + [["02"]] * 2 + [["04"]] * 2 + [[]]
    for state, left in zip(run.states, seen, strict=True):
        again = tap.run_from(state, **SLICES)
        assert marks(again.states[0]) == left
        assert again.ids == run.ids[len(run.ids) - len(again.ids) :]
    assert again.types == ["STATE", "SCHEMA"]  # all of it was read before


def test_slices_are_marked_by_the_clock_of_the_column_where_times_have_a_zone(
    tap: Tap, table: EventTable
) -> None:
    fill(table, 20)
    zoned = SLICES | {"source_timezone": "Europe/Vienna", "start_date": "2025-12-31T23:00:00Z"}
    zoned["end_date"] = "2026-01-01T00:00:06"
    run = tap.run(**zoned)
    assert run.types[:4] == ["STATE", "SCHEMA", "STATE", "RECORD"]
    assert [marks(state) for state in run.states[:2]] == [[True], ["00"]]
    assert marks(run.states[-1]) == []
    assert len(run.ids) == 18


def test_a_service_that_is_stopped_between_two_passes_has_no_mark(
    tap: Tap, table: EventTable
) -> None:
    fill(table, 8)
    with tap.start(poll_interval_seconds=3_600, page_size=3) as running:
        running.read_until(b'"STATE"', 4)
        running.process.send_signal(signal.SIGTERM)
        run = running.rest()
    assert run.code == 143
    assert [marks(state) for state in run.states] == [[True]] * 3 + [[]]


@given(st.recursive(st.none() | st.booleans() | st.text(), st.lists))
def test_a_member_of_that_name_that_is_another_thing_is_left_alone(value: object) -> None:
    state = {"bookmarks": {"OTHER": {"reading": value, "x": 1}}}
    clear_marks(state)
    left = {"x": 1} if value is True else {"reading": value, "x": 1}
    assert state == {"bookmarks": {"OTHER": left}}


# A backfill that is not complete


def unfinished(run: Run) -> str:
    assert run.code == 6
    (line,) = run.logged("ERROR")
    return line


def test_a_backfill_whose_end_is_not_complete_yet_is_no_success_and_says_when(
    tap: Tap, table: EventTable
) -> None:
    fill(table, 20)
    recent = Event(100, in_seconds(-5).replace("T", " ")[:26])
    table.add(recent)
    span = {"start_date": "2026-01-01", "end_date": "2126-01-01"}
    run = tap.run(**span)
    assert run.ids == [*range(20), 100]
    assert marks(run.states[-1]) == ["00"]
    said = unfinished(run)
    assert "not up to its end 2126-01-01T00:00:00.000000000" in said
    assert "Run it again after 2126-01-01T00:05:02.000000000" in said
    assert "poll_interval_seconds" in said
    again = tap.run_from(run.states[-1], **span)
    assert (again.code, again.ids) == (6, [])


def test_complete_slices_stay_complete_beside_one_that_is_not(tap: Tap, table: EventTable) -> None:
    fill(table, 20)
    now = datetime.now(UTC)
    span = {
        "start_date": (now - timedelta(seconds=1_000)).isoformat(),
        "end_date": (now + timedelta(seconds=1_000)).isoformat(),
        "slice_interval": "500s",
    }
    run = tap.run(**span)
    said = unfinished(run)
    slices = run.bookmark["partitions"]
    assert [("reading" in one) for one in slices] == [False, True, True, True]
    assert slices[0]["position"] == {"at": slices[0]["context"]["end"], "id": None}
    assert f"complete up to {slices[1]['complete_before']}, but not" in said
    assert len(tap.run_from(run.states[-1], **span).logged("INFO")) > 0


def test_with_polling_a_backfill_waits_until_it_is_complete(tap: Tap, table: EventTable) -> None:
    fill(table, 20)
    span = {"start_date": "2026-01-01", "end_date": in_seconds(1)}
    run = tap.run(**span, poll_interval_seconds=0.05, lookback_seconds=0, clock_skew_seconds=0)
    assert (run.code, run.ids) == (0, list(range(20)))
    assert run.logged("ERROR") == []
    assert all(marks(state) for state in run.states[:-1])
    assert marks(run.states[-1]) == []
    (waited,) = run.bookmark["partitions"]
    assert waited["position"] == {"at": waited["context"]["end"], "id": None}


@pytest.mark.parametrize(
    ("clock", "oldest", "when"),
    [
        (70, None, f"after {at(75)} by the clock of the replication key,"),
        (70, 60, f"after {at(75)} by the clock of the replication key and when sid 9, open since "),
        (90, 60, f"Run it again when sid 9, open since {at(60)}, has ended, or"),
        (90, 80, "Run it again now, or"),
        (90, None, "Run it again now, or"),
    ],
)
def test_what_a_backfill_waits_for_is_its_end_and_the_open_transaction(
    clock: int, oldest: int | None, when: str
) -> None:
    """Its end is second 60; the window is 15 s."""
    transactions = NoneOpen() if oldest is None else Oldest(at(oldest), "sid 9")
    watermark = choose_watermark(at(clock), transactions, strategy="auto", lookback=10, skew=5)
    error = not_complete(at(44), at(60), watermark, 15)
    assert when in str(error)
    assert f"complete up to {at(44)}, but not up to its end {at(60)}" in error.reason
    assert error.exit_code == 6


# What the last line and the SCHEMA say


def test_the_last_line_says_how_many_rows_came_late_and_the_state_counts_them(
    tap: Tap, table: EventTable
) -> None:
    def ago(seconds: float) -> str:
        return in_seconds(-seconds).replace("T", " ")[:26]

    table.add(Event(1, ago(60)), Event(2, ago(1)))
    first = tap.run()
    table.add(Event(3, ago(120)), Event(4, ago(100)))
    second = tap.run_from(first.states[-1])
    assert "done: read=2 late=0" in first.logged("INFO")[-1]
    assert "done: read=2 late=2" in second.logged("INFO")[-1]
    table.add(Event(5, ago(110)), Event(6, ago(0)))
    third = tap.run_from(second.states[-1])
    counts = [run.bookmark.get("came_late", {}).get("rows") for run in (first, second, third)]
    assert counts == [None, 2, 3]


def test_the_schema_names_the_table_whatever_the_catalog_says(tap: Tap, table: EventTable) -> None:
    fill(table, 1)
    discovered = json.loads(tap.run("--discover").stdout)
    stored = {None: discovered, "SPC.ELSE": json.loads(json.dumps(discovered))}
    stored["SPC.ELSE"]["streams"][0]["schema"]["title"] = "SPC.ELSE"
    for catalog in stored.values():
        run = tap.run("--catalog", tap.file("catalog.json", catalog))
        assert run.schema["schema"]["title"] == STREAM
    assert tap.run().schema["schema"]["title"] == STREAM
    renamed = tap.run(stream_maps={STREAM: {"__alias__": "renamed", "NEW": "ID"}})
    assert (renamed.schema["stream"], renamed.schema["schema"]["title"]) == ("renamed", STREAM)
    assert renamed.schema["schema"]["properties"]["NEW"]


def test_the_schema_names_a_table_that_is_looked_up_with_its_owner(
    tap: Tap, table: EventTable
) -> None:
    table.execute("CREATE TABLE OTHER (ID INTEGER, AT TIMESTAMP)")
    run = tap.run(table="main.OTHER", replication_key="AT")
    assert (run.schema["stream"], run.schema["schema"]["title"]) == ("OTHER", "main.OTHER")
