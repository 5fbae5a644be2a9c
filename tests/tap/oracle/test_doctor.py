"""What the doctor makes of each fact; pure, no database."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tap_oracle_txlog import checks
from tap_oracle_txlog.diagnosis import Finding
from tap_oracle_txlog.oracle import findings
from tap_oracle_txlog.oracle.identifiers import TableName
from tap_oracle_txlog.oracle.introduction import Database
from tap_oracle_txlog.oracle.statements import Selection
from tap_oracle_txlog.oracle.types import OracleColumn
from tap_oracle_txlog.reading import ExtractionSettings
from tap_oracle_txlog.rules.timestamps import instant
from tap_oracle_txlog.rules.watermark import NoneOpen, NotReadable, Oldest

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
    database = Database("19.22.0.0.0", "thin", "PRIMARY", "SPC_READ")
    told = findings.login(database, "db:1521/ORCL").text
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
    finding = findings.transactions(found, how(strategy=strategy), one_node=False, grant=GRANT)
    assert outcome(finding) == expected
    assert words in finding.text


def test_the_transactions_of_one_node_are_not_enough() -> None:
    finding = findings.transactions(NoneOpen(), HOW, one_node=True, grant=GRANT)
    assert outcome(finding) == ("warning", 0)
    assert finding.remedy == finding.fix == GRANT


def test_columns_are_told_with_their_types_and_so_are_those_that_are_left_out() -> None:
    read = [OracleColumn("ID", "NUMBER", 19, 0), OracleColumn("AT", "TIMESTAMP(6)", scale=6)]
    assert findings.columns(read, []) == Finding("ok", "ID NUMBER(19,0), AT TIMESTAMP(6)")
    finding = findings.columns(read, [OracleColumn("SHAPE", "SDO_GEOMETRY")])
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
    finding = findings.unique_id(EVENTS, keys)
    assert outcome(finding) == (status, 0)
    if status == "warning":
        assert finding.remedy == finding.fix == 'ALTER TABLE "SPC"."TXLOG_EVENTS" ADD UNIQUE ("ID")'


EE = "Oracle Database 19c Enterprise Edition"
IX = ("IX", "AT"), ("IX", "ID")


def indexed(*pairs: tuple[str, str], **changes: object) -> list[tuple[str | int | None, ...]]:
    """Rows of the dictionary for columns of indexes."""
    facts: dict[str, Any] = {
        "expression": None,
        "descend": "ASC",
        "status": "VALID",
        "visibility": "VISIBLE",
    }
    facts |= {"partitioned": None, "alignment": None, "unusable": 0}
    facts |= changes
    return [(*pair, *facts.values()) for pair in pairs]


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
        (EVENTS, [], "warning"),
    ],
)
def test_only_an_index_that_begins_with_key_and_id_gives_a_page(
    selection: Selection, indexes: list[tuple[str, str]], status: str
) -> None:
    finding = findings.index(selection, indexed(*indexes), EE)
    assert outcome(finding) == (status, 0)
    if status == "warning":
        assert finding.remedy == (
            'CREATE INDEX "SPC"."IX_TXLOG_EVENTS_TAIL" ON "SPC"."TXLOG_EVENTS" ("AT", "ID") ONLINE'
        )


@pytest.mark.parametrize(
    ("selection", "rows"),
    [
        (ZONED, [('SYS_EXTRACT_UTC("AT")', "ASC"), (None, "ASC")]),
        (EVENTS, [('"AT"', "DESC"), ('"ID"', "DESC")]),
    ],
    ids=["with time zone", "descending in both"],
)
def test_an_expression_that_is_the_column_is_as_good(
    selection: Selection, rows: list[tuple[str | None, str]]
) -> None:
    found = [
        indexed(("IX", name), expression=expression, descend=descend)[0]
        for name, (expression, descend) in zip(("SYS_NC00007$", "ID"), rows, strict=True)
    ]
    assert outcome(findings.index(selection, found, EE)) == ("ok", 0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "UNUSABLE"}, "UNUSABLE"),
        ({"status": "N/A", "partitioned": "RANGE", "alignment": "PREFIXED", "unusable": 2}, "UNUS"),
        ({"visibility": "INVISIBLE"}, "INVISIBLE"),
        (
            {"partitioned": "RANGE", "alignment": "NON_PREFIXED"},
            "partitioned other than by ranges of AT",
        ),
        (
            {"partitioned": "HASH", "alignment": "PREFIXED"},
            "partitioned other than by ranges of AT",
        ),
    ],
)
def test_an_index_that_gives_no_order_is_named_with_its_flaw(
    changes: dict[str, object], words: str
) -> None:
    finding = findings.index(EVENTS, indexed(*IX, **changes), EE)
    assert outcome(finding) == ("warning", 0)
    assert finding.text.startswith("IX on (AT, ID) is ")
    assert words in finding.text


def test_an_index_that_descends_in_one_column_gives_no_order() -> None:
    mixed = [*indexed(("IX", "AT"), expression='"AT"', descend="DESC"), *indexed(("IX", "ID"))]
    assert "descending in only one" in findings.index(EVENTS, mixed, EE).text


def test_a_range_of_partitions_by_the_key_is_in_order() -> None:
    rows = indexed(*IX, status="N/A", partitioned="RANGE", alignment="PREFIXED")
    assert outcome(findings.index(EVENTS, rows, EE)) == ("ok", 0)


@pytest.mark.parametrize("product", ["Oracle Database 19c Standard Edition 2", None])
def test_online_is_proposed_only_where_the_edition_has_it(product: str | None) -> None:
    assert findings.index(EVENTS, [], product).remedy.endswith('("AT", "ID")')


@pytest.mark.parametrize(
    ("steps", "status", "words"),
    [
        ([("COUNT", "STOPKEY", None, None), ("INDEX", "RANGE SCAN", "IX", 100)], "ok", "from IX"),
        ([("TABLE ACCESS", "FULL", "TXLOG_EVENTS", 5_000)], "ok", "which is small"),
        ([("TABLE ACCESS", "FULL", "TXLOG_EVENTS", None)], "ok", "which is small"),
        ([("TABLE ACCESS", "FULL", "TXLOG_EVENTS", 10**7)], "warning", "reads all of TXLOG_EVENTS"),
        ([("TABLE ACCESS", "STORAGE FULL", "X", 10**7)], "warning", "about 10,000,000 rows"),
        ([("TABLE ACCESS", "BY INDEX ROWID", "X", 10**7)], "ok", "a page is read"),
    ],
)
def test_a_page_that_reads_the_whole_of_a_large_table_is_a_warning(
    steps: list[tuple[Any, ...]], status: str, words: str
) -> None:
    finding = findings.plan(EVENTS, steps, 10_000)
    assert outcome(finding) == (status, 0)
    assert words in finding.text


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
    finding = checks.null_keys(EVENTS.key, count, how(null_key=null_key))
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
        ("2026-01-01T06:59:58.000000000", "warning", "is 5:00:02 behind the clock"),
        ("2026-01-01T06:31:00.000000000", "ok", "5:29:00 ahead of the newest AT"),
        ("2024-02-04T12:00:00.000000000", "warning", "697 days, 0:00:00 ahead of the newest AT"),
    ],
)
def test_rows_that_are_not_beside_the_clock_are_a_wrong_clock_or_zone(
    newest: str | None, status: str, words: str
) -> None:
    finding = checks.clock(EVENTS.key, NOON, newest, HOW.skew)
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
    between = (None if longest is None else min(longest, 0), longest)
    finding = findings.lateness(EVENTS, 100, between, HOW.lookback + HOW.skew)
    assert outcome(finding) == expected
    if longest == 303:
        assert finding.remedy.startswith("Set lookback_seconds to 455")


@pytest.mark.parametrize(
    ("between", "words"), [((3600, 3601), "ahead"), ((-7200, -7199), "behind")]
)
def test_an_insertion_that_is_always_whole_hours_away_is_another_zone(
    between: tuple[int, int], words: str
) -> None:
    finding = findings.lateness(EVENTS, 100, between, 302)
    assert outcome(finding) == ("warning", 0)
    assert words in finding.text
    assert "source_timezone" in finding.remedy


@pytest.mark.parametrize(
    ("offset", "zone", "key_type", "status"),
    [
        (0, None, "TIMESTAMP", "ok"),
        (7200, None, "TIMESTAMP", "warning"),
        (-18000, None, "DATE", "warning"),
        (7200, "Europe/Vienna", "TIMESTAMP", "ok"),
        (7200, None, "TIMESTAMP WITH TIME ZONE", "ok"),
    ],
)
def test_a_host_that_is_not_in_utc_may_stamp_rows_that_are_not(
    offset: int, zone: str | None, key_type: str, status: str
) -> None:
    finding = findings.host(offset, zone, key_type)
    assert outcome(finding) == (status, 0)
    assert f"{'-' if offset < 0 else '+'}{abs(offset) // 3600:02}:00" in finding.text


def test_keys_before_year_1_are_not_read() -> None:
    finding = checks.null_keys(EVENTS.key, 0, HOW, early=3)
    assert outcome(finding) == ("warning", 0)
    assert finding.text == "3 rows have a AT before year 1 and are not read"


def test_a_check_that_crashes_is_a_failed_check() -> None:
    def crash() -> Finding:
        raise ZeroDivisionError

    found = checks.made(crash)
    assert outcome(found) == ("failed", 1)
    assert "ZeroDivisionError" in found.text
