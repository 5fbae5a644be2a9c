"""What the doctor makes of each fact; pure, no database."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tap_oracle_txlog.extraction import ExtractionSettings
from tap_oracle_txlog.oracle import doctor
from tap_oracle_txlog.oracle.doctor import Finding
from tap_oracle_txlog.oracle.identifiers import TableName
from tap_oracle_txlog.oracle.source import Database
from tap_oracle_txlog.oracle.statements import Selection
from tap_oracle_txlog.oracle.types import OracleColumn
from tap_oracle_txlog.timestamps import instant
from tap_oracle_txlog.watermark import NoneOpen, NotReadable, Oldest

HOW = ExtractionSettings(
    page_size=10_000,
    max_records=0,
    strategy="auto",
    lookback=300,
    skew=2,
    null_key="warn",
    poll_interval=0,
)
TABLE = TableName("SPC", "TXLOG_EVENTS")
EVENTS = Selection(TABLE, (), "AT", "TIMESTAMP", "ID")
ZONED = dataclasses.replace(EVENTS, key_type="TIMESTAMP WITH TIME ZONE")
NOON = instant("2026-01-01T12:00:00.000000000")
GRANT = "GRANT SELECT ON SYS.GV_$TRANSACTION TO SPC_READ"
UNREADABLE = NotReadable("SPC_READ may not read V$TRANSACTION", GRANT)
STANDBY = NotReadable("it is a standby", "Read from the primary", right_missing=False)


def how(**changes: Any) -> ExtractionSettings:  # noqa: ANN401 - any setting
    return dataclasses.replace(HOW, **changes)


def outcome(finding: Finding) -> tuple[str, int]:
    assert (finding.remedy == "") == (finding.status == "ok")
    return finding.status, finding.exit_code


def test_the_login_tells_who_where_and_with_which_driver() -> None:
    database = Database("19.22.0.0.0", "thin", "PRIMARY", "ORCL", "orcl", "S", "SPC_READ", "SPC")
    told = doctor.login(database, "db:1521/ORCL").text
    assert told == "SPC_READ at db:1521/ORCL, Oracle 19.22.0.0.0, primary, thin driver"


@pytest.mark.parametrize(
    ("found", "strategy", "expected", "words"),
    [
        (NoneOpen(), "auto", ("ok", 0), "by watermark; no transaction is open"),
        (NoneOpen(), "watermark", ("ok", 0), "by watermark; no transaction is open"),
        (Oldest(NOON, "sid 9, user X"), "auto", ("ok", 0), "since 2026-01-01T12:00:00 UTC (sid 9,"),
        (UNREADABLE, "auto", ("warning", 0), "V$TRANSACTION: late commits by look-back of 300 s"),
        (STANDBY, "auto", ("warning", 0), "it is a standby: late commits by look-back of 300 s"),
        (UNREADABLE, "watermark", ("failed", 3), "late_commit_strategy is watermark"),
        (STANDBY, "watermark", ("failed", 2), "late_commit_strategy is watermark"),
        (UNREADABLE, "lookback", ("ok", 0), "look-back of 300 s, as late_commit_strategy says"),
    ],
)
def test_the_strategy_is_the_one_that_a_run_would_take(
    found: Any,  # noqa: ANN401 - each of three
    strategy: str,
    expected: tuple[str, int],
    words: str,
) -> None:
    finding = doctor.transactions(found, how(strategy=strategy), one_node=False, grant=GRANT)
    assert outcome(finding) == expected
    assert words in finding.text


def test_the_transactions_of_one_node_are_not_enough() -> None:
    finding = doctor.transactions(NoneOpen(), HOW, one_node=True, grant=GRANT)
    assert outcome(finding) == ("warning", 0)
    assert finding.remedy == GRANT


def test_columns_are_told_with_their_types_and_so_are_those_that_are_left_out() -> None:
    read = [OracleColumn("ID", "NUMBER", 19, 0), OracleColumn("AT", "TIMESTAMP(6)", scale=6)]
    assert doctor.columns(read, []) == Finding("ok", "ID NUMBER(19,0), AT TIMESTAMP(6)")
    finding = doctor.columns(read, [OracleColumn("SHAPE", "SDO_GEOMETRY")])
    assert outcome(finding) == ("warning", 0)
    assert finding.text.endswith("; left out: SHAPE SDO_GEOMETRY")


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        ([("PK", "P", "ID")], "ok"),
        ([("PK", "P", "CASE_ID"), ("UK", "U", "ID")], "ok"),
        ([("PK", "P", "ID"), ("PK", "P", "AT")], "warning"),
        ([], "warning"),
    ],
)
def test_only_a_key_of_the_id_alone_makes_it_unique(
    keys: list[tuple[str, str, str]], status: str
) -> None:
    finding = doctor.unique_id(EVENTS, keys)
    assert outcome(finding) == (status, 0)
    if status == "warning":
        assert finding.remedy == 'ALTER TABLE "SPC"."TXLOG_EVENTS" ADD UNIQUE ("ID")'


@pytest.mark.parametrize(
    ("selection", "indexes", "status"),
    [
        (EVENTS, [("IX", "AT"), ("IX", "ID")], "ok"),
        (EVENTS, [("IX", "AT"), ("IX", "ID"), ("IX", "CASE_ID")], "ok"),
        (EVENTS, [("PK", "ID"), ("IX", "AT"), ("IX", "ID")], "ok"),
        (EVENTS, [("IX", "ID"), ("IX", "AT")], "warning"),
        (EVENTS, [("IX", "AT")], "warning"),
        (EVENTS, [("IX", "AT_HOME"), ("IX", "ID")], "warning"),
        (EVENTS, [("IX", "AT"), ("JX", "ID")], "warning"),
        (EVENTS, [("IX", "SYS_NC00007$"), ("IX", "ID")], "warning"),
        (ZONED, [("IX", "SYS_NC00007$"), ("IX", "ID")], "ok"),
        (EVENTS, [], "warning"),
    ],
)
def test_only_an_index_that_begins_with_key_and_id_gives_a_page(
    selection: Selection, indexes: list[tuple[str, str]], status: str
) -> None:
    finding = doctor.index(selection, indexes)
    assert outcome(finding) == (status, 0)
    if status == "warning":
        assert finding.remedy == (
            'CREATE INDEX "SPC"."IX_TXLOG_EVENTS_TAIL" ON "SPC"."TXLOG_EVENTS" ("AT", "ID") ONLINE'
        )


@pytest.mark.parametrize(
    ("count", "null_key", "expected", "words"),
    [
        (0, "fail", ("ok", 0), "every row has its AT"),
        (7, "warn", ("warning", 0), "7 rows have no AT and are not read"),
        (1_000, "warn", ("warning", 0), "1000 or more rows"),
        (7, "emit", ("ok", 0), "read by their id"),
        (7, "fail", ("failed", 5), "null_key is fail"),
    ],
)
def test_rows_without_a_time_are_judged_by_what_becomes_of_them(
    count: int, null_key: str, expected: tuple[str, int], words: str
) -> None:
    finding = doctor.null_keys(EVENTS, count, how(null_key=null_key))
    assert outcome(finding) == expected
    assert words in finding.text


@pytest.mark.parametrize(
    ("newest", "status", "words"),
    [
        (None, "ok", "no row has a time yet"),
        ("2026-01-01T11:59:59.600000000", "ok", "0.4 s ahead of the newest AT"),
        ("2026-01-01T12:00:02.000000000", "ok", "0.0 s ahead"),
        ("2026-01-01T12:00:02.100000000", "warning", "is 2.1 s ahead of the clock of the database"),
        ("2026-01-01T14:00:00.000000000", "warning", "is 2:00:00 ahead of the clock"),
    ],
)
def test_rows_of_the_future_beyond_the_skew_are_a_wrong_clock_or_zone(
    newest: str | None, status: str, words: str
) -> None:
    finding = doctor.clock(EVENTS, NOON, newest, HOW.skew)
    assert outcome(finding) == (status, 0)
    assert words in finding.text


@pytest.mark.parametrize(
    ("longest", "expected"),
    [
        (None, ("ok", 0)),
        (-5, ("ok", 0)),
        (240, ("ok", 0)),
        (250, ("warning", 0)),
        (302, ("warning", 0)),
        (303, ("failed", 5)),
    ],
)
def test_rows_must_not_come_later_than_the_window(
    longest: int | None, expected: tuple[str, int]
) -> None:
    finding = doctor.lateness(EVENTS, 100, longest, HOW.lookback + HOW.skew)
    assert outcome(finding) == expected
    if longest == 303:
        assert finding.remedy.startswith("Set lookback_seconds to 455")


def test_a_check_that_crashes_is_a_failed_check() -> None:
    def crash() -> Finding:
        raise ZeroDivisionError

    found = doctor._made(crash)
    assert outcome(found) == ("failed", 1)
    assert "ZeroDivisionError" in found.text
