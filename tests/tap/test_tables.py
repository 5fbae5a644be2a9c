"""Several tables in one run: each a stream of its own, none at the cost of another."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.events import Event, stamp
from tests.tap.test_ledger import OWN, with_ledger

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.events import EventTable
    from tests.tap.command import Run, Tap

ORDERS = {"table": "ORDERS", "replication_key": "AT", "id_column": "NUMBER"}
TABLES: list[Any] = ["TXLOG_EVENTS", ORDERS]


@pytest.fixture
def pair(tap: Tap, table: EventTable) -> Tap:
    """A tap of two tables, which have columns of other names."""
    table.execute("CREATE TABLE ORDERS (AT DATETIME, NUMBER INTEGER PRIMARY KEY, WHAT TEXT)")
    return replace(tap, config={"sqlalchemy_url": table.url, "tables": TABLES})


def add(table: EventTable, first: int, count: int) -> None:
    for number in range(first, first + count):
        table.add(Event(number, stamp(number)))
        row = (stamp(number), 100 + number, "é")
        table.execute_with("INSERT INTO ORDERS VALUES (?, ?, ?)", row)


def ids(run: Run) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {"TXLOG_EVENTS": [], "ORDERS": []}
    for message in run.messages:
        if message["type"] == "RECORD":
            record = message["record"]
            found[message["stream"]].append(record.get("ID", record.get("NUMBER")))
    return found


def unread(state: dict[str, Any]) -> set[str]:
    return {name for name, bookmark in state["bookmarks"].items() if bookmark.get("reading")}


def test_each_table_is_a_stream_with_a_bookmark_of_its_own(pair: Tap, table: EventTable) -> None:
    add(table, 0, 7)
    first = pair.run(page_size=3)
    assert first.code == 0, first.stderr
    assert ids(first) == {"TXLOG_EVENTS": [*range(7)], "ORDERS": [*range(100, 107)]}
    schemas = {m["stream"]: m for m in first.messages if m["type"] == "SCHEMA"}
    assert schemas["TXLOG_EVENTS"]["key_properties"] == ["ID"]
    assert schemas["ORDERS"]["key_properties"] == ["NUMBER"]
    assert set(schemas["ORDERS"]["schema"]["properties"]) == {"AT", "NUMBER", "WHAT"}

    add(table, 7, 2)
    second = pair.run_from(first.states[-1])
    assert ids(second) == {"TXLOG_EVENTS": [7, 8], "ORDERS": [107, 108]}
    assert ids(pair.run_from(second.states[-1])) == {"TXLOG_EVENTS": [], "ORDERS": []}


def test_the_settings_of_a_table_may_be_text_as_in_the_environment(
    pair: Tap, table: EventTable
) -> None:
    add(table, 0, 2)
    expected = {"TXLOG_EVENTS": [0, 1], "ORDERS": [100, 101]}
    assert ids(pair.run(tables=json.dumps(TABLES))) == expected
    only = pair.run(tables="TXLOG_EVENTS")
    assert ids(only) == {"TXLOG_EVENTS": [0, 1], "ORDERS": []}


def test_a_run_from_any_state_sends_what_the_run_before_had_not(
    pair: Tap, table: EventTable
) -> None:
    add(table, 0, 5)
    whole = pair.run(page_size=2)
    expected = ids(whole)
    before: dict[str, list[int]] = {"TXLOG_EVENTS": [], "ORDERS": []}
    for message in whole.messages:
        if message["type"] == "RECORD":
            record = message["record"]
            before[message["stream"]].append(record.get("ID", record.get("NUMBER")))
        elif message["type"] == "STATE":
            after = ids(pair.run_from(message["value"]))
            assert {name: before[name] + after[name] for name in before} == expected


def test_a_table_is_marked_as_unread_until_its_pass_has_ended(pair: Tap, table: EventTable) -> None:
    add(table, 0, 2)
    run = pair.run()
    marks = [unread(state) for state in run.states]
    assert marks[0] == {"TXLOG_EVENTS", "ORDERS"}
    assert marks[-1] == set()
    assert {"TXLOG_EVENTS"} in marks, "the SDK reads streams in the order of their names"
    assert all(later <= earlier for earlier, later in itertools.pairwise(marks))
    assert unread(pair.run_from(run.states[1]).states[0]) == {"TXLOG_EVENTS", "ORDERS"}


def test_tables_that_are_followed_take_turns(pair: Tap, table: EventTable) -> None:
    add(table, 0, 3)
    with pair.start(poll_interval_seconds=0.05, lookback_seconds=0) as running:
        running.read_until(b'"RECORD"', 6)
        for number in range(3, 8):
            add(table, number, 1)
            running.read_until(b'"RECORD"', 2 * (number + 1))
        running.process.terminate()
        run = running.rest()
    assert run.code == 143
    assert ids(run) == {"TXLOG_EVENTS": [*range(8)], "ORDERS": [*range(100, 108)]}


def test_tables_that_no_given_state_names_start_from_the_ledger(
    pair: Tap, table: EventTable, tmp_path: Path
) -> None:
    add(table, 0, 4)
    state = pair.run().states[-1]
    add(table, 4, 2)
    row = (stamp(3), json.dumps(state))
    informed = with_ledger(pair, tmp_path, OWN, *row)
    assert ids(informed.run()) == {"TXLOG_EVENTS": [4, 5], "ORDERS": [104, 105]}
    given = {"bookmarks": {"ORDERS": pair.run_from(state).states[-1]["bookmarks"]["ORDERS"]}}
    assert ids(informed.run_from(given)) == {"TXLOG_EVENTS": [4, 5], "ORDERS": []}


def test_a_backfill_reads_its_span_of_every_table(pair: Tap, table: EventTable) -> None:
    add(table, 0, 9)
    run = pair.run(start_date=stamp(2), end_date=stamp(5))
    assert ids(run) == {"TXLOG_EVENTS": [2, 3, 4], "ORDERS": [102, 103, 104]}


def test_a_table_that_the_catalog_leaves_out_is_not_read(pair: Tap, table: EventTable) -> None:
    add(table, 0, 2)
    catalog = json.loads(pair.run("--discover").stdout)
    for stream in catalog["streams"]:
        if stream["stream"] == "TXLOG_EVENTS":
            stream["metadata"] = [{"breadcrumb": [], "metadata": {"selected": False}}]
    run = pair.run("--catalog", pair.file("catalog.json", catalog))
    assert ids(run) == {"TXLOG_EVENTS": [], "ORDERS": [100, 101]}
    assert unread(run.states[-1]) == set()


def test_a_table_that_the_settings_name_no_more_is_retired_and_one_left_out_is_not(
    pair: Tap, table: EventTable
) -> None:
    add(table, 0, 2)
    both = pair.run().states[-1]
    assert "retired" not in both
    one = pair.run_from(both, tables=["TXLOG_EVENTS"])
    assert all(state["retired"] == [{"stream": "ORDERS"}] for state in one.states)
    assert one.states[-1]["bookmarks"]["ORDERS"] == both["bookmarks"]["ORDERS"]
    assert "the state has bookmarks of ORDERS, which this tap is not set to read" in one.stderr

    assert not any("retired" in state for state in pair.run_from(one.states[-1]).states)
    catalog = json.loads(pair.run("--discover").stdout)
    for stream in catalog["streams"]:
        if stream["stream"] == "ORDERS":
            stream["metadata"] = [{"breadcrumb": [], "metadata": {"selected": False}}]
    files = {"--state": both, "--catalog": catalog}
    given = [(option, pair.file(f"{option}.json", one)) for option, one in files.items()]
    partial = pair.run(*itertools.chain(*given))
    assert not any("retired" in state for state in partial.states)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"tables": []}, "`tables` names no table"),
        ({"tables": "TXLOG_EVENTS", "table": "ORDERS"}, "`tables` and `table` are both set"),
        ({"tables": ["A.EVENTS", "B.EVENTS"]}, "`tables` has 2 tables named EVENTS"),
        ({"tables": [{"tabel": "ORDERS"}]}, 'unknown setting "tabel". Did you mean `table`?'),
        ({"tables": [{"replication_key": "AT"}]}, "`tables` has an entry without `table`"),
        ({"tables": [7]}, "`tables` has a value of the wrong kind"),
        ({"tables": [{"table": 7}]}, "`table`"),
        ({"tables": [{"table": "NOPE"}]}, "table NOPE"),
    ],
)
def test_a_mistake_is_named(pair: Tap, config: dict[str, Any], said: str) -> None:
    run = pair.run(**config)
    (line,) = run.logged("ERROR")
    assert run.code == 2
    assert said in line
