"""The whole tap on Oracle: names, messages and states, through the real driver."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.oracle_stand_in import faults
from tests.oracle_stand_in.database import Table
from tests.oracle_stand_in.events import event, numbered

if TYPE_CHECKING:
    from tests.integration.conftest import RunTap
    from tests.oracle_stand_in.server import StandIn

NOON = "2026-01-02T12:00:00"


@pytest.mark.parametrize(
    "names",
    [
        {},
        {"table": "spc.txlog_events", "replication_key": "event_timestamp", "id_column": "id"},
        {"columns": ["id", "case_id", "event_timestamp"]},
    ],
    ids=["default", "lower case", "some columns"],
)
def test_the_names_of_the_stream_are_those_of_the_records_however_they_are_typed(
    oracle: StandIn, run_tap: RunTap, names: dict[str, Any]
) -> None:
    oracle.database.tables["SPC.TXLOG_EVENTS"].insert(event(1, NOON))
    first = run_tap(config=names)
    (schema,), (record,) = first.of("SCHEMA"), first.of("RECORD")
    assert schema["stream"] == "TXLOG_EVENTS"
    assert schema["key_properties"] == ["ID"]
    assert schema["bookmark_properties"] == ["EVENT_TIMESTAMP"]
    assert list(record["record"]) == list(schema["schema"]["properties"])
    bookmark = first.state["bookmarks"]["TXLOG_EVENTS"]
    assert bookmark["table"] == "SPC.TXLOG_EVENTS"
    assert bookmark["replication_key"] == "EVENT_TIMESTAMP"
    assert run_tap(state=first.state).ids == []  # the same table, typed otherwise


def test_quoted_names_keep_their_case(oracle: StandIn, run_tap: RunTap) -> None:
    table = Table("SPC.Log", ["Id NUMBER(19) NOT NULL", "At TIMESTAMP(6)"])
    oracle.database.create(table).insert((1, NOON))
    done = run_tap(config={"table": 'spc."Log"', "replication_key": '"At"', "id_column": '"Id"'})
    (schema,), (record,) = done.of("SCHEMA"), done.of("RECORD")
    assert (schema["stream"], schema["key_properties"]) == ("Log", ["Id"])
    assert record["record"] == {"Id": 1, "At": f"{NOON}.000000+00:00"}


def test_the_default_table_is_discovered_without_a_database(
    oracle: StandIn, run_tap: RunTap
) -> None:
    done = run_tap("--discover", config={"table": "spc.txlog_events"})
    assert json.loads(done.stdout)["streams"][0]["tap_stream_id"] == "TXLOG_EVENTS"
    assert oracle.calls == []


# --- loads ---------------------------------------------------------------------------------------

LAST = "2026-01-02T23:00:00"
KEYS = {
    "TIMESTAMP(6)": [f"{NOON}.{id_ // 5:06}" for id_ in range(10)],
    "TIMESTAMP(9)": [f"{NOON}.{id_ // 5:09}" for id_ in range(10)],
    "DATE": [f"2026-01-02T12:00:{id_ // 5:02}" for id_ in range(10)],
    "TIMESTAMP(6) WITH TIME ZONE": [
        f"2026-01-02T{12 - id_ % 3}:00:00.{id_ // 5:06}-0{id_ % 3}:00" for id_ in range(10)
    ],
    "TIMESTAMP(6) WITH LOCAL TIME ZONE": [f"{NOON}.{id_ // 5:06}" for id_ in range(10)],
}


@pytest.mark.parametrize("key_type", KEYS)
def test_runs_that_end_in_the_middle_of_an_instant_add_up_to_the_table(
    oracle: StandIn, run_tap: RunTap, key_type: str
) -> None:
    """Five rows share an instant; each run goes on from the STATE of the one before."""
    oracle.database.clock = lambda: f"{LAST}.000000000"
    table = Table("APP.LOG", ["ID NUMBER(19) NOT NULL", f"AT {key_type}", "NOTE CLOB"])
    rows = [(id_, at, f"{id_} " * 9_000) for id_, at in enumerate(KEYS[key_type])]
    oracle.database.create(table).insert(*reversed(rows))
    config = {"table": "app.log", "replication_key": "at", "max_records_per_run": 3}
    done = run_tap(config=config)
    found = done.of("RECORD")
    while (done := run_tap(state=done.state, config=config)).ids:
        found += done.of("RECORD")
    assert [(each["record"]["ID"], each["record"]["NOTE"]) for each in found] == [
        (id_, note) for id_, _, note in rows
    ]
    table.insert((99, f"{LAST}+00:00" if key_type.endswith("WITH TIME ZONE") else LAST, None))
    assert run_tap(state=done.state, config=config).ids == [99]


def test_a_hundred_thousand_rows_take_at_most_150_round_trips(
    oracle: StandIn, run_tap: RunTap
) -> None:
    oracle.database.tables["SPC.TXLOG_EVENTS"].generate(100_000, numbered)
    done = run_tap(config={"array_size": 1_000})
    assert done.stdout.count(b'"type":"RECORD"') == 100_000
    assert (oracle.round_trips().total() <= 150, len(oracle.logons)) == (True, 1)


# --- what goes wrong -----------------------------------------------------------------------------

NO_WAIT = {"initial_backoff": 0.01, "max_backoff": 0.01}
SURVIVED: dict[str, tuple[str, faults.Effect, dict[str, Any]]] = {
    "refused once": ("connect", faults.refuse(12516), {}),
    "silent listener": ("connect", faults.silence(), {"connect_timeout": 0.2}),
    "silent at logon": ("logon", faults.silence(), {"connect_timeout": 0.2}),
    "silent at session set-up": ("execute", faults.silence(), {"connect_timeout": 0.2}),
    "dropped at execute": ("execute", faults.drop(), {"statement": "page"}),
    "dropped at fetch": ("fetch", faults.drop(), {"statement": "page"}),
    "dropped within a row set": ("fetch", faults.cut(3), {"statement": "page"}),
    "killed": ("fetch", faults.error(28, "your session has been killed"), {"statement": "page"}),
    "end of file": ("fetch", faults.error(3113, "end-of-file"), {"statement": "page"}),
    "snapshot too old": ("fetch", faults.error(1555, "too old"), {"statement": "page"}),
    "silent page": ("fetch", faults.silence(), {"statement": "page", "call_timeout": 0.2}),
    "slow page": ("fetch", faults.slow(0.2), {"statement": "page"}),
}


@pytest.mark.parametrize(("at", "effect", "more"), SURVIVED.values(), ids=SURVIVED)
def test_a_fault_that_passes_costs_no_row_and_repeats_none(
    oracle: StandIn, run_tap: RunTap, at: str, effect: faults.Effect, more: dict[str, Any]
) -> None:
    statement = more.get("statement", "")
    config = {name: value for name, value in more.items() if name != "statement"}
    oracle.database.tables["SPC.TXLOG_EVENTS"].generate(100, numbered)
    oracle.faults.set(at, effect, statement=statement, nth=2 if at == "fetch" else 1)
    done = run_tap(config=NO_WAIT | config | {"array_size": 10, "page_size": 40})
    assert done.code == 0
    assert done.ids == list(range(100))
    assert oracle.faults.struck(at) == 1
    assert oracle.password not in done.stdout.decode() + done.stderr


def test_killing_all_sessions_between_pages_is_survived(oracle: StandIn, run_tap: RunTap) -> None:
    oracle.database.tables["SPC.TXLOG_EVENTS"].generate(100, numbered)
    oracle.faults.set("execute", faults.run(oracle.kill_sessions), nth=2, statement="page")
    done = run_tap(config=NO_WAIT | {"page_size": 40})
    assert (done.code, done.ids) == (0, list(range(100)))
    assert "was killed (ORA-00028). Ask the DBA why; trying again in" in done.stderr


FATAL: dict[str, tuple[str, faults.Effect, int, str, int]] = {
    "locked": ("logon", faults.error(28000, "locked"), 3, "is locked (ORA-28000)", 1),
    "no table": ("execute", faults.error(942, "no table"), 3, "GRANT SELECT ON SPC.TXLOG_EV", 1),
    "no right": ("execute", faults.error(1031, "no right"), 3, "may not see it (ORA-01031)", 1),
    "no column": ("execute", faults.error(904, "no column"), 2, "Check `columns`", 1),
    "refused": ("connect", faults.refuse(12514), 4, "does not know the service", 3),
    "undo too short": ("fetch", faults.error(1555, "too old"), 4, "raise UNDO_RETENTION", 6),
    "gone in mid-run": ("fetch", faults.drop(), 4, "lost the connection to Oracle at", 3),
    "unknown": ("execute", faults.error(6502, "numeric or value error"), 1, "ORA-06502", 1),
}


@pytest.mark.parametrize(("at", "effect", "code", "words", "tries"), FATAL.values(), ids=FATAL)
def test_a_fault_that_stays_is_one_line_and_is_tried_only_where_that_helps(
    oracle: StandIn,
    run_tap: RunTap,
    at: str,
    effect: faults.Effect,
    code: int,
    words: str,
    tries: int,
) -> None:
    oracle.database.tables["SPC.TXLOG_EVENTS"].generate(100, numbered)
    statement = "page" if at in {"execute", "fetch"} else ""
    oracle.faults.set(at, effect, times=100, statement=statement)
    done = run_tap(config=NO_WAIT | {"max_retries": 2, "array_size": 10, "page_size": 32})
    (line,) = (line for line in done.stderr.splitlines() if "| ERROR" in line)
    assert words in line
    assert (done.code, done.ids) == (code, [])
    assert oracle.faults.struck(at) == tries
    assert "Traceback" not in done.stderr
    assert oracle.password not in done.stdout.decode() + done.stderr


def test_a_wrong_password_is_tried_once_and_shown_nowhere(oracle: StandIn, run_tap: RunTap) -> None:
    done = run_tap(config=NO_WAIT | {"password": "wr0ng-pass", "log_level": "DEBUG"})
    assert (done.code, len(oracle.logons)) == (3, 1)
    assert "Check `user` and `password`; not tried again" in done.stderr
    assert "wr0ng-pass" not in done.stdout.decode() + done.stderr


def test_a_database_that_is_away_at_discovery_is_tried_again_and_then_told_in_one_line(
    oracle: StandIn, run_tap: RunTap
) -> None:
    refusal = faults.refuse(12516)
    oracle.faults.set("connect", refusal, times=2)
    other = {"columns": ["CASE_ID"], "initial_backoff": 0.01}
    assert run_tap(config=other | {"max_retries": 2}).code == 0
    oracle.faults.set("connect", refusal)
    failed = run_tap("--discover", config=other | {"max_retries": 0})
    assert (failed.code, failed.stdout) == (4, b"")
    (line,) = failed.stderr.splitlines()
    assert "has no room for another session (ORA-12516). Raise PROCESSES" in line
