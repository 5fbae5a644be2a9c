"""The whole tap on Oracle: names, messages and states, through the real driver."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from tap_oracle_txlog.source import TXLOG_COLUMNS
from tools.oracle_stand_in import faults
from tools.oracle_stand_in.database import Table
from tools.oracle_stand_in.events import event, numbered

if TYPE_CHECKING:
    from tests.integration.conftest import RunTap
    from tools.oracle_stand_in.server import StandIn

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


NO_CONNECTION = {"dsn": None}


def test_the_default_table_is_discovered_without_a_connection(
    oracle: StandIn, run_tap: RunTap
) -> None:
    done = run_tap("--discover", config=NO_CONNECTION | {"table": "spc.txlog_events"})
    (stream,) = json.loads(done.stdout)["streams"]
    assert stream["tap_stream_id"] == "TXLOG_EVENTS"
    assert list(stream["schema"]["properties"]) == [column.name for column in TXLOG_COLUMNS]
    assert oracle.calls == []
    other = run_tap("--discover", config=NO_CONNECTION | {"table": "APP.LOG"})
    assert (other.code, other.stdout) == (2, b"")
    assert "`dsn` is not set" in other.stderr


# --- the table as it is --------------------------------------------------------------------------

GUID = bytes.fromhex("00FFAB12" * 4)
DOCUMENT = '{"amount": 1.10}'
AS_THEY_ARE: dict[str, tuple[list[str], tuple[Any, ...], dict[str, Any]]] = {
    "a number of a case": (["CASE_ID NUMBER(12)"], (7,), {"CASE_ID": 7}),
    "JSON": (["EVENT_DATA JSON"], (DOCUMENT,), {"EVENT_DATA": {"amount": 1.1}}),
    "JSON in a BLOB": (
        ["EVENT_DATA BLOB CHECK (EVENT_DATA IS JSON)"],
        (DOCUMENT.encode(),),
        {"EVENT_DATA": DOCUMENT},
    ),
    "JSON in a BLOB as the database has it": (
        ["EVENT_DATA BLOB CHECK (EVENT_DATA IS JSON FORMAT OSON)"],
        (DOCUMENT.encode(),),
        {"EVENT_DATA": DOCUMENT},
    ),
    "BLOB": (["EVENT_DATA BLOB"], (b"\0",), {"EVENT_DATA": "AA=="}),
    "XMLTYPE": (["EVENT_DATA XMLTYPE"], ("<a/>",), {"EVENT_DATA": "<a/>"}),
    "VARCHAR2": (["EVENT_DATA VARCHAR2(4000)"], ("x",), {"EVENT_DATA": "x"}),
    "no other column": ([], (), {}),
    "more columns": (
        ["USER_ID NUMBER(9)", "IP RAW(4)"],
        (1, b"\x7f\0\0\1"),
        {"USER_ID": 1, "IP": "7F000001"},
    ),
}


@pytest.mark.parametrize(("more", "values", "record"), AS_THEY_ARE.values(), ids=AS_THEY_ARE)
@pytest.mark.parametrize(
    ("id_type", "id_", "shown"),
    [
        ("NUMBER(19)", 1, 1),
        ("VARCHAR2(36)", "a-1", "a-1"),
        ("RAW(16)", GUID, GUID.hex().upper()),
    ],
)
def test_the_default_table_is_read_as_it_is(
    oracle: StandIn,
    run_tap: RunTap,
    more: list[str],
    values: tuple[Any, ...],
    record: dict[str, Any],
    id_type: str,
    id_: object,
    shown: object,
) -> None:
    columns = [f"ID {id_type} NOT NULL", "EVENT_TIMESTAMP TIMESTAMP(6)", *more]
    oracle.database.create(Table("SPC.TXLOG_EVENTS", columns)).insert((id_, NOON, *values))
    first = run_tap()
    assert (first.code, first.stderr.count("| WARN")) == (0, 0)
    (sent,) = first.of("RECORD")
    assert sent["record"] == {"ID": shown, "EVENT_TIMESTAMP": f"{NOON}.000000+00:00"} | record
    (schema,) = first.of("SCHEMA")
    assert list(schema["schema"]["properties"]) == list(sent["record"])
    jsonschema.validate(sent["record"], schema["schema"])
    second = run_tap(state=first.state)
    assert (second.code, second.of("RECORD")) == (0, [])


def test_of_a_column_that_nothing_can_read_the_remedy_is_a_view(
    oracle: StandIn, run_tap: RunTap
) -> None:
    columns = ["ID NUMBER NOT NULL", "EVENT_TIMESTAMP DATE", "EVENT_DATA LONG"]
    oracle.database.create(Table("SPC.TXLOG_EVENTS", columns)).insert((1, NOON, None))
    done = run_tap()
    assert (done.code, done.ids) == (0, [1])
    assert "column EVENT_DATA of SPC.TXLOG_EVENTS is skipped: type LONG" in done.stderr
    assert "set `table` to a view" in done.stderr


@pytest.mark.parametrize(
    ("synonyms", "table"),
    [
        ({"SPC.TXLOG_EVENTS": "APP.LOG"}, "SPC.TXLOG_EVENTS"),
        ({"SPC.TXLOG_EVENTS": "SPC.OLD", "SPC.OLD": "APP.LOG"}, "SPC.TXLOG_EVENTS"),
        ({"PUBLIC.TXLOG_EVENTS": "APP.LOG"}, "TXLOG_EVENTS"),
        ({"TAP.TXLOG_EVENTS": "APP.LOG", "PUBLIC.TXLOG_EVENTS": "APP.NO"}, "TXLOG_EVENTS"),
    ],
    ids=["private", "of a synonym", "public", "private before public"],
)
def test_a_synonym_is_followed_and_said(
    oracle: StandIn, run_tap: RunTap, synonyms: dict[str, str], table: str
) -> None:
    del oracle.database.tables["SPC.TXLOG_EVENTS"]
    columns = ["ID NUMBER NOT NULL", "EVENT_TIMESTAMP DATE"]
    oracle.database.create(Table("APP.LOG", columns)).insert((1, NOON))
    oracle.database.synonyms |= synonyms
    done = run_tap(config={"table": table})
    assert (done.code, done.ids) == (0, [1])
    assert f"{table} is a synonym: reading APP.LOG" in done.stderr
    assert done.state["bookmarks"]["TXLOG_EVENTS"]["table"] == table


def test_a_synonym_that_leads_nowhere_we_can_read_is_told(oracle: StandIn, run_tap: RunTap) -> None:
    del oracle.database.tables["SPC.TXLOG_EVENTS"]
    oracle.database.synonyms["SPC.TXLOG_EVENTS"] = "APP.LOG@OTHER"
    done = run_tap()
    assert done.code == 2
    assert "is a synonym for LOG over the database link OTHER" in done.stderr
    oracle.database.synonyms["SPC.TXLOG_EVENTS"] = "APP.LOG"
    done = run_tap()
    assert done.code == 3
    assert "GRANT SELECT ON APP.LOG TO TAP" in done.stderr
    oracle.database.synonyms["APP.LOG"] = "APP.LOG"
    assert run_tap().code == 3


def test_discovery_and_load_share_one_connection(oracle: StandIn, run_tap: RunTap) -> None:
    assert run_tap().code == 0
    assert len(oracle.logons) == 1
    assert oracle.round_trips()["logoff"] == 1


def test_a_run_that_finds_nothing_asks_little(oracle: StandIn, run_tap: RunTap) -> None:
    oracle.database.tables["SPC.TXLOG_EVENTS"].insert(event(1, NOON))
    first = run_tap()
    oracle.calls.clear()
    assert run_tap(state=first.state).ids == []
    kinds = [call.statement or call.name for call in oracle.calls if call.name == "execute"]
    assert kinds == ["session", "introduction", "open transactions", "page", "null key count"]
    assert oracle.round_trips().total() <= 8, "beside logging on"


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

NO_WAIT = {"backoff": [0.01]}
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


@pytest.mark.parametrize("code", [8103, 1410, 12850, 4068, 2391])
def test_what_is_no_matter_of_size_is_a_new_query_of_the_same_size(
    oracle: StandIn, run_tap: RunTap, code: int
) -> None:
    """A partition that is dropped each night would bring the page down to one row."""
    oracle.database.tables["SPC.TXLOG_EVENTS"].generate(100, numbered)
    oracle.faults.set("execute", faults.error(code), statement="page", times=2)
    done = run_tap(config=NO_WAIT | {"page_size": 40})
    assert (done.code, done.ids) == (0, list(range(100)))
    assert all(call.sql.endswith("rownum <= 41") for call in oracle.executed("page"))


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
    other = {"backoff": "0.01,0.02"}
    assert run_tap(config=other | {"max_retries": 2}).code == 0
    oracle.faults.set("connect", refusal)
    failed = run_tap("--discover", config=other | {"max_retries": 0})
    assert (failed.code, failed.stdout) == (4, b"")
    (line,) = failed.stderr.splitlines()
    assert "has no room for another session (ORA-12516). Raise PROCESSES" in line
