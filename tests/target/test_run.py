"""A run: every record once and in order, STATE only when it is true, the ledger says the same."""

from __future__ import annotations

import json
import select
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.support.target import EVENTS, event, pages, record, schema, state
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.mariadb import MariaDbDatabase
    from tests.support.target import Target


def test_every_record_arrives_once_and_in_order_and_state_and_ledger_say_so(target: Target) -> None:
    run = target.run(*pages(1, 2500, 500), checkpoint_records=1000, batch_size=300)
    assert run.code == 0
    assert target.records() == [event(number)["record"] for number in range(1, 2501)]
    assert len({stored.id for stored in target.stored()}) == 2500
    assert run.states == [json.dumps(state(number)["value"]) for number in (500, 1500, 2500)]
    row = target.ledger()["PIPELINE"]
    assert row["STATUS"] == "SUCCESS"
    assert row["RECORDS_PROCESSED"] == 2500
    assert row["ERROR_MESSAGE"] is None
    assert row["LAST_SUCCESSFUL_TIME"] == "2026-01-01 00:00:02.500000"
    assert json.loads(row["SINGER_STATE"]) == state(2500)["value"]
    assert run.logged("INFO")[-1].startswith(
        "done: read=2500 published=2500 duplicates=0 dead_letters=0 in "
    )


def test_metric_lines_come_where_they_are_asked_for(target: Target) -> None:
    assert "METRIC" not in target.run(*pages(1, 3, 3)).log
    assert "METRIC" in target.run(*pages(4, 6, 3), log_level="DEBUG").log


def test_the_same_in_mariadb(target: Target, mariadb: MariaDbDatabase) -> None:
    """In a table of V7, whose times have no fraction: they are floored, never rounded."""
    mariadb.execute(
        "CREATE TABLE ETL_PRMREC (PROGRAM_NAME VARCHAR(100) PRIMARY KEY, STATUS VARCHAR(50), "
        "LAST_SUCCESSFUL_TIME DATETIME, LAST_RUN_TIME DATETIME, RECORDS_PROCESSED INT, "
        "ERROR_MESSAGE TEXT, CREATED_AT DATETIME, UPDATED_AT DATETIME)"
    )
    run = target.run(*pages(1, 2999, 1000), ledger_url=None, **mariadb.settings)
    assert run.code == 0
    assert run.states[-1] == json.dumps(state(2999)["value"])
    assert mariadb.password not in run.log
    rows = mariadb.execute(
        "SELECT STATUS, RECORDS_PROCESSED, CAST(LAST_SUCCESSFUL_TIME AS CHAR) FROM ETL_PRMREC"
    )
    assert rows == [("SUCCESS", 2999, "2026-01-01 00:00:02")]


def test_running_the_same_input_again_stores_nothing_again(target: Target) -> None:
    target.run(*pages(1, 700, 100))
    run = target.run(*pages(1, 700, 100))
    assert run.code == 0
    assert target.ids() == list(range(1, 701))
    assert target.ledger()["PIPELINE"]["RECORDS_PROCESSED"] == 700
    assert "published=0 duplicates=700" in run.logged("INFO")[-1]


def test_a_silent_tap_gets_its_state_back_during_the_run(target: Target) -> None:
    running = target.start(checkpoint_seconds=1)
    running.feed(schema(), event(1), state(1))
    running.until_states(1)
    running.feed(*(event(number) for number in range(2, 8)), state(7), event(8))
    wait_until(lambda: target.ids() == list(range(1, 9)), what="the records are there")
    running.until_states(2)
    row = target.ledger()["PIPELINE"]
    assert row["STATUS"] == "RUNNING"
    assert row["RECORDS_PROCESSED"] == 7  # those before the STATE
    assert row["LAST_SUCCESSFUL_TIME"] == "2026-01-01 00:00:00.007000"
    running.end_input()
    assert running.end().states == [json.dumps(state(number)["value"]) for number in (1, 7)]
    row = target.ledger()["PIPELINE"]
    assert (row["STATUS"], row["RECORDS_PROCESSED"]) == ("SUCCESS", 8)


def test_no_state_leaves_before_its_records_are_acknowledged(lone_target: Target) -> None:
    running = lone_target.start(checkpoint_seconds=1)
    running.feed(schema(), event(1), state(1))
    running.until_states(1)
    lone_target.server.pause()
    running.feed(event(2), state(2))
    select.select([], [], [], 1.5)  # the checkpoint is overdue by now
    assert len(running.states) == 1
    assert lone_target.ledger()["PIPELINE"]["RECORDS_PROCESSED"] == 1
    lone_target.server.resume()
    running.until_states(2)
    running.end_input()
    assert running.end().code == 0
    assert lone_target.ids() == [1, 2]


def test_the_input_may_end_before_its_records_are_acknowledged(lone_target: Target) -> None:
    running = lone_target.start()
    running.until_started()
    lone_target.server.pause()
    running.feed(*pages(1, 50, 10))
    running.end_input()
    select.select([], [], [], 0.5)
    assert running.process.poll() is None
    lone_target.server.resume()
    run = running.end()
    assert run.states[-1] == json.dumps(state(50)["value"])
    assert lone_target.ids() == list(range(1, 51))


def test_a_state_comes_back_as_it_was_given(target: Target) -> None:
    values = [
        {"bookmarks": {}},
        {},
        {"a": [1, [], {}, {"b": None}], "c": True, "d": 'x"\\/\n\t', "e": -1.5},
        {"bookmarks": {"EVENTS": {"replication_key_value": 7}, "other": None, "x": "text"}},
        {"bookmarks": "none", "big": 12345678901234567890123456789, "third": 0.1},
    ]
    messages = [schema()]
    for number, value in enumerate(values):
        messages += [event(number), {"type": "STATE", "value": value}]
    run = target.run(*messages, checkpoint_records=1)
    assert run.states == [json.dumps(value) for value in values]


def test_a_state_in_any_script_comes_back_whatever_the_locale(command: Target) -> None:
    value = {"bookmarks": {"EVENTS": {"名": "ü\u2028𝄞"}}}
    command.env["PYTHONIOENCODING"] = "ascii"
    run = command.run({"type": "STATE", "value": value})
    assert [json.loads(line) for line in run.states] == [value]


def test_numbers_keep_their_digits_on_all_their_ways(target: Target) -> None:
    digits = "0.1000000000000000055511151231257827"
    properties = {"ID": {"type": "integer"}, "N": {"type": "number"}}
    large = "12345678901234567890123456789012345678"
    run = target.run(
        schema(properties=properties, replication_key=None),
        f'{{"type": "RECORD", "stream": "EVENTS", "record": {{"ID": {large}, "N": {digits}}}}}',
        f'{{"type": "STATE", "value": {{"bookmarks": {{"EVENTS": {{"n": {digits}}}}}}}}}',
    )
    assert run.code == 0
    assert f'"ID":{large},"N":{digits}' in target.stored()[0].data.decode()
    assert digits in run.states[0]
    assert digits in target.ledger()["PIPELINE"]["SINGER_STATE"]


def test_timestamps_stay_as_the_tap_wrote_them(target: Target) -> None:
    times = ["2026-01-01T00:00:00.123456789+02:00", "2026-01-01 00:00:00", "no time", None]
    target.run(schema(), *(record(ID=n, AT=at, DATA=None) for n, at in enumerate(times)))
    assert [row["AT"] for row in target.records()] == times


def test_what_another_tap_sends_is_delivered_too(target: Target) -> None:
    """Several streams, interleaved; one without keys; SCHEMA sent again; more than was asked."""
    wider = {**EVENTS, "EXTRA": {"type": "string"}}
    run = target.run(
        schema("orders"),
        schema("visits", keys=(), replication_key=None),
        schema("idle"),
        event(1, "orders"),
        event(1, "visits"),
        state(1, "orders"),
        schema("orders"),  # again
        event(2, "orders"),
        event(1, "visits"),  # an equal row: without a key it is a new event
        schema("orders", properties=wider),  # changed
        record("orders", ID=3, AT=None, DATA="x", EXTRA="e"),
        schema("orders", keys=("ID", "EXTRA"), properties=wider),  # changed
        record("orders", ID=4, AT=None, DATA="x", EXTRA="e"),
        {"type": "ACTIVATE_VERSION", "stream": "orders", "version": 3},
        event(2, "visits"),
        {"type": "STATE", "value": {"bookmarks": {**state(4, "orders")["value"]["bookmarks"]}}},
        event(3, "visits"),
        batch_size=1000,
    )
    assert run.code == 0
    arrived: dict[str, list[int]] = {}
    for stored in target.stored():
        name = stored.subject.removeprefix(f"{target.stream}.")
        arrived.setdefault(name, []).append(json.loads(stored.data)["ID"])
    assert arrived == {"orders": [1, 2, 3, 4], "visits": [1, 1, 2, 3]}
    assert [json.loads(line) for line in run.states] == [
        state(1, "orders")["value"],
        state(4, "orders")["value"],
    ]
    rows = target.ledger()
    assert {name: row["STATUS"] for name, row in rows.items()} == dict.fromkeys(
        ("PIPELINE", "PIPELINE:orders", "PIPELINE:visits"), "SUCCESS"
    )
    assert rows["PIPELINE:orders"]["RECORDS_PROCESSED"] == 4


def test_a_changed_schema_neither_changes_the_order_nor_hides_records_from_state(
    target: Target,
) -> None:
    """The SDK makes a new sink and leaves what the old one holds for the end of the input."""
    wider = {**EVENTS, "EXTRA": {"type": "string"}}
    run = target.run(
        schema(),
        *(event(number) for number in range(1, 6)),
        schema(properties=wider),
        *(event(number) for number in range(6, 30)),
        state(29),
        batch_size=10,
    )
    assert run.code == 0
    assert target.ids() == list(range(1, 30))
    assert target.ledger()["PIPELINE"]["RECORDS_PROCESSED"] == 29


def test_a_state_counts_what_came_before_a_change_of_schema(target: Target) -> None:
    wider = {**EVENTS, "EXTRA": {"type": "string"}}
    run = target.run(schema(), event(1), schema(properties=wider), state(1))
    assert run.states == [json.dumps(state(1)["value"])]
    assert target.ledger()["PIPELINE"]["RECORDS_PROCESSED"] == 1


def test_what_a_record_has_itself_is_not_replaced(target: Target) -> None:
    """Whether its SCHEMA knows the field or not."""
    own = {"data_type": "own", "trace_id": None}
    with_own = {"type": "RECORD", "stream": "EVENTS", "record": {"ID": 1, "AT": None, **own}}
    known = schema(properties={**EVENTS, "trace_id": {"type": ["null", "string"]}})
    target.run(schema(), with_own, known, event(2), {**with_own, "record": {"ID": 3, **own}})
    first, second, third = (json.loads(stored.data) for stored in target.stored())
    for payload in (first, third):
        assert {name: payload[name] for name in own} == own
    assert second["data_type"] == "TXLOG"
    assert uuid.UUID(second["trace_id"]).version == 8


def test_a_record_gets_its_type_and_a_trace_id(target: Target) -> None:
    target.run(schema(), event(1))
    (stored,) = target.stored()
    payload = json.loads(stored.data)
    assert list(payload) == ["ID", "AT", "DATA", "data_type", "trace_id"]
    assert payload["data_type"] == "TXLOG"
    assert uuid.UUID(payload["trace_id"]).version == 8
    assert stored.subject == f"{target.stream}.EVENTS"
    digest = uuid.UUID(payload["trace_id"]).hex
    assert stored.id.startswith(f'EVENTS:[1,"{event(1)["record"]["AT"]}"]:{digest[:12]}')
    assert stored.headers["Singer-Pipeline"] == "PIPELINE"


def test_a_quiet_run_is_a_success_and_says_since_when(target: Target) -> None:
    run = target.run(schema())
    assert run.code == 0
    assert run.states == []
    assert run.logged("INFO")[-1] == "done: nothing new since the beginning"
    assert target.ledger()["PIPELINE"]["STATUS"] == "SUCCESS"
    target.run(*pages(1, 10, 10))
    assert (
        target.run(schema()).logged("INFO")[-1]
        == "done: nothing new since 2026-01-01 00:00:00.010000"
    )
    run = target.run(schema(), state(12))
    assert run.states == [json.dumps(state(12)["value"])]
    assert run.logged("INFO")[-1] == "done: nothing new since 2026-01-01 00:00:00.012000"
    assert target.ledger()["PIPELINE"]["RECORDS_PROCESSED"] == 10


@pytest.mark.parametrize("ending", [{}, {"reading": True}])
def test_an_input_that_did_not_come_to_its_end_is_no_success(
    target: Target, ending: dict[str, object]
) -> None:
    """Without any message, or with the mark of our tap that there was more to read."""
    end = state(3)
    end["value"]["bookmarks"]["EVENTS"].update(ending)
    run = target.run(*([schema(), event(3), end] if ending else []))
    assert run.code == 5
    why = "finished reading EVENTS" if ending else "the input is empty"
    assert why in run.error
    row = target.ledger()["PIPELINE"]
    assert (row["STATUS"], row["ERROR_MESSAGE"]) == ("FAILED", run.error)
    assert row["RECORDS_PROCESSED"] == len(run.states) == len(ending)


def test_without_a_ledger_state_still_leaves(target: Target) -> None:
    run = target.run(*pages(1, 10, 5), ledger_url=None)
    assert run.states == [json.dumps(state(number)["value"]) for number in (5, 10)]
    assert any("no ledger" in line for line in run.logged("INFO"))


def test_large_records_travel_although_no_more_than_a_few_may_be_open_at_once(
    target: Target,
) -> None:
    """20 MB in records of 200 kB."""
    payload = "x" * 200_000
    run = target.run(
        schema(), *(record(ID=n, AT=None, DATA=payload) for n in range(100)), state(100)
    )
    assert run.code == 0
    assert target.ids() == list(range(100))
    assert run.states == [json.dumps(state(100)["value"])]


def test_a_run_tells_what_it_does_in_few_lines(target: Target) -> None:
    run = target.run(*pages(1, 3000, 100), batch_size=50)
    assert len(run.log.splitlines()) <= 12
