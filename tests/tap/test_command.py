"""The command line: what a load writes, how it goes on from a state, and what it says of errors."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.events import Event, EventTable, stamp
from tests.tap.command import Run, Tap, environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.forking import ForkServer

SECRET = "s3cr3t-Pa55"
ORACLE = {
    "sqlalchemy_url": None,
    "dsn": "127.0.0.1:1/ORCL",
    "user": "etl",
    "password": SECRET,
    "max_retries": 0,
}


def fill(table: EventTable, count: int, **more: Any) -> None:  # noqa: ANN401  # fields of an event
    table.add(*(Event(number, stamp(number // 3, number), **more) for number in range(count)))


def ago(seconds: float) -> str:
    """A recent time as the table stores it."""
    at = datetime.now(UTC) - timedelta(seconds=seconds)
    return f"{at:%Y-%m-%d %H:%M:%S.%f}"


# Loads


def test_a_full_load_writes_a_state_the_schema_every_row_in_order_and_a_state_behind_each_page(
    tap: Tap, table: EventTable
) -> None:
    fill(table, 25, data='é"\n結\t\x7f')
    run = tap.run(page_size=10)
    assert run.code == 0
    assert run.records == table.records()
    page = ["RECORD"] * 10 + ["STATE"]
    assert run.types == ["STATE", "SCHEMA", *page, *page, *["RECORD"] * 5, "STATE"]
    assert run.schema["key_properties"] == ["ID"]
    assert run.schema["bookmark_properties"] == ["EVENT_TIMESTAMP"]
    assert run.logged("ERROR") == run.logged("WARNING") == []


def test_a_run_with_nothing_new_writes_no_record_and_one_with_new_and_late_rows_just_these(
    tap: Tap, table: EventTable
) -> None:
    table.add(*(Event(number, ago(120 - number)) for number in range(20)))
    first = tap.run(page_size=6)
    second = tap.run_from(first.states[-1])
    assert (first.code, second.code, second.records) == (0, 0, [])
    table.add(Event(31, ago(0)), Event(30, ago(200)), Event(32, ago(110.5)))
    third = tap.run_from(second.states[-1])
    assert third.ids == [30, 32, 31]
    assert any("delivered 2 late-committed rows" in line for line in third.logged("INFO"))


def test_a_bookmark_in_the_middle_of_a_microsecond_loses_and_repeats_nothing(
    tap: Tap, table: EventTable
) -> None:
    table.add(*(Event(number, stamp(5, 123_456 + number // 4)) for number in range(8)))
    first = tap.run(max_records_per_run=2)
    assert first.ids == [0, 1]
    assert first.bookmark["replication_key_value"] == "2026-01-01T00:00:05.123455999"
    rest = tap.run_from(first.states[-1])
    assert rest.states[0]["bookmarks"]["TXLOG_EVENTS"] == first.bookmark | {"reading": True}
    assert rest.ids == [2, 3, 4, 5, 6, 7]


def test_the_cap_ends_the_run_at_its_number_with_a_bookmark_that_goes_on(
    tap: Tap, table: EventTable
) -> None:
    fill(table, 12)
    first = tap.run(page_size=4, max_records_per_run=7)
    second = tap.run_from(first.states[-1], page_size=4)
    assert (first.ids, second.ids) == (list(range(7)), list(range(7, 12)))


def test_the_plain_bookmark_of_the_sdk_is_a_start(tap: Tap, table: EventTable) -> None:
    fill(table, 12)
    plain = {
        "replication_key": "EVENT_TIMESTAMP",
        "replication_key_value": "2026-01-01T00:00:02.000007+00:00",
        "starting_replication_value": "2025-01-01T00:00:00",
    }
    assert tap.run_from({"bookmarks": {"TXLOG_EVENTS": plain}}).ids == [7, 8, 9, 10, 11]


def test_metric_lines_come_where_they_are_asked_for(tap: Tap, table: EventTable) -> None:
    fill(table, 3)
    assert "METRIC" not in tap.run().stderr
    assert "METRIC" in tap.run(log_level="DEBUG").stderr


def test_a_start_may_be_an_age(tap: Tap, table: EventTable) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    at = [now - timedelta(minutes=30), now - timedelta(minutes=2)]
    table.add(*(Event(number, time.isoformat(" ")) for number, time in enumerate(at)))
    assert [row["ID"] for row in tap.run(start_date="-10m").records] == [1]
    assert [row["ID"] for row in tap.run(start_date="-1h").records] == [0, 1]


def test_start_date_is_included_and_of_no_effect_once_there_is_a_state(
    tap: Tap, table: EventTable
) -> None:
    fill(table, 12)
    start = "2026-01-01T01:00:02.000006+01:00"
    first = tap.run(start_date=start, max_records_per_run=2)
    second = tap.run_from(first.states[-1], start_date=start)
    assert (first.ids, second.ids) == ([6, 7], [8, 9, 10, 11])


def test_a_backfill_ends_before_end_date_resumes_and_leaves_the_bookmark_of_the_tail_alone(
    tap: Tap, table: EventTable
) -> None:
    fill(table, 12)
    tail = tap.run(max_records_per_run=9)
    span = {"start_date": "2026-01-01", "end_date": "2026-01-01T00:00:02.000007Z"}
    part = tap.run_from(tail.states[-1], **span, max_records_per_run=4)
    whole = tap.run_from(part.states[-1], **span)
    assert (part.ids, whole.ids) == ([0, 1, 2, 3], [4, 5, 6])
    after = tap.run_from(whole.states[-1])
    assert after.ids == [9, 10, 11]


def test_slices_are_done_one_after_the_other_and_resumed_where_the_cap_ended_a_run(
    tap: Tap, table: EventTable
) -> None:
    fill(table, 20)
    config = {
        "start_date": "2026-01-01",
        "end_date": "2026-01-01T00:00:06Z",
        "slice_interval": "2s",
    }
    first = tap.run(**config, max_records_per_run=8, page_size=3)
    begun = [line for line in first.logged("INFO") if "rows were already emitted" in line]
    assert len(begun) == 2, "the third is not begun"
    second = tap.run_from(first.states[-1], **config)
    third = tap.run_from(second.states[-1], **config)
    assert (first.ids, second.ids, third.ids) == (list(range(8)), list(range(8, 18)), [])
    slices = [one["context"] for one in second.bookmark["partitions"]]
    assert [one["start"][17:19] for one in slices] == ["00", "02", "04"]


def test_settings_come_from_the_environment_too_and_blank_ones_are_not_set(
    tap: Tap, table: EventTable
) -> None:
    fill(table, 3)
    env = {
        "TAP_ORACLE_TXLOG_SQLALCHEMY_URL": table.url,
        "TAP_ORACLE_TXLOG_PAGE_SIZE": "2",
        "TAP_ORACLE_TXLOG_POLL_INTERVAL_SECONDS": "0",
        "TAP_ORACLE_TXLOG_START_DATE": "",
        "TAP_ORACLE_TXLOG_HOST": "",
    }
    run = tap.run("--config", "ENV", env=env, sqlalchemy_url="")
    assert run.types == ["STATE", "SCHEMA", "RECORD", "RECORD", "STATE", "RECORD", "STATE"]


# Catalog, stream maps, dry run


def select_all_but(tap: Tap, table: EventTable, *breadcrumbs: list[str]) -> str:
    """The name of a catalog that leaves these out."""
    assert table.path.exists()
    catalog = json.loads(tap.run("--discover").stdout)
    for entry in catalog["streams"][0]["metadata"]:
        entry["metadata"]["selected"] = entry["breadcrumb"] not in breadcrumbs
    return tap.file("catalog.json", catalog)


def test_columns_that_the_catalog_leaves_out_are_not_sent_but_key_and_time_always_are(
    tap: Tap, table: EventTable
) -> None:
    fill(table, 4)
    names = ("EVENT_DATA", "CREATED_AT", "ID", "EVENT_TIMESTAMP")
    catalog = select_all_but(tap, table, *(["properties", name] for name in names))
    run = tap.run("--catalog", catalog)
    left = {"ID", "CASE_ID", "EVENT_TYPE", "EVENT_TIMESTAMP"}
    assert set(run.schema["schema"]["properties"]) == left
    kept = [{name: row[name] for name in row if name in left} for row in table.records()]
    assert run.records == kept
    assert tap.run_from(run.states[-1]).ids == []


def test_what_the_catalog_leaves_out_is_not_even_fetched(tap: Tap, table: EventTable) -> None:
    fill(table, 4)
    table.execute("UPDATE TXLOG_EVENTS SET EVENT_DATA = CAST(x'ff' AS TEXT)")  # fails when fetched
    catalog = select_all_but(tap, table, ["properties", "EVENT_DATA"])
    run = tap.run("--catalog", catalog)
    assert (run.code, run.ids) == (0, [0, 1, 2, 3])


def test_the_columns_are_those_that_the_table_has(tap: Tap, table: EventTable) -> None:
    table.execute("ALTER TABLE TXLOG_EVENTS ADD COLUMN EXTRA TEXT DEFAULT 'x'")
    fill_extra = "INSERT INTO TXLOG_EVENTS (ID, EVENT_TIMESTAMP) VALUES (?, ?)"
    table.execute_with(fill_extra, (1, stamp(1)))
    run = tap.run()
    (record,) = run.records
    assert list(record) == list(run.schema["schema"]["properties"])
    assert record["EXTRA"] == "x"


def stored_catalog(tap: Tap, change: Callable[[dict[str, Any]], object]) -> str:
    """The name of a catalog in which the properties are others."""
    catalog = json.loads(tap.run("--discover").stdout)
    change(catalog["streams"][0]["schema"]["properties"])
    return tap.file("catalog.json", catalog)


def test_where_a_stored_catalog_and_the_table_differ_the_table_is_right_and_one_line_says_so(
    tap: Tap, table: EventTable
) -> None:
    fill(table, 4)

    def change(properties: dict[str, Any]) -> None:
        properties["CASE_ID"] = {"type": ["integer", "null"]}
        properties["GONE"] = {"type": "string"}
        del properties["EVENT_TYPE"]

    run = tap.run("--catalog", stored_catalog(tap, change))
    (line,) = run.logged("WARNING")
    assert "EVENT_TYPE is new, GONE is gone" in line.replace("CASE_ID is string, not integer, ", "")
    assert "CASE_ID is string, not integer" in line
    assert run.schema["schema"]["properties"]["CASE_ID"]["type"] == ["string", "null"]
    assert len(run.records) == 4
    assert set(run.records[0]) == set(run.schema["schema"]["properties"])


def test_what_a_stored_catalog_adds_stays_as_long_as_it_is_no_contradiction(
    tap: Tap, table: EventTable
) -> None:
    fill(table, 4)
    wider = {"type": ["string", "integer", "null"], "description": "of the case"}
    catalog = stored_catalog(tap, lambda properties: properties.update(CASE_ID=wider))
    run = tap.run("--catalog", catalog)
    assert run.logged("WARNING") == []
    assert run.schema["schema"]["properties"]["CASE_ID"] == wider


@pytest.mark.parametrize("asked", ["FULL_TABLE", "LOG_BASED"])
@pytest.mark.parametrize("place", ["entry", "metadata"])
def test_a_way_of_replication_that_there_is_not_is_refused(
    tap: Tap, table: EventTable, asked: str, place: str
) -> None:
    fill(table, 4)
    catalog = json.loads(tap.run("--discover").stdout)
    (entry,) = catalog["streams"]
    if place == "entry":
        entry["replication_method"] = asked
    else:
        entry.pop("replication_method", None)
        (root,) = [each for each in entry["metadata"] if not each["breadcrumb"]]
        root["metadata"]["forced-replication-method"] = asked
    run = tap.run("--catalog", tap.file("catalog.json", catalog))
    (said,) = run.logged("ERROR")
    assert re.search(rf"catalog asks for {asked}.*TXLOG_EVENTS.*INCREMENTAL", said), said
    assert (run.code, run.messages) == (2, [])


def test_a_stream_that_the_catalog_leaves_out_is_not_read(tap: Tap, table: EventTable) -> None:
    fill(table, 4)
    run = tap.run("--catalog", select_all_but(tap, table, []))
    assert (run.code, run.messages) == (0, [])
    (line,) = run.logged("WARNING")
    assert line.startswith("the catalog selects no columns of TXLOG_EVENTS, so no rows are read")


def record_lines(run: Run) -> list[bytes]:
    """The RECORD lines to the byte, but for the time at which they were read."""
    lines = (line for line in run.stdout.splitlines() if b'"RECORD"' in line)
    return [re.sub(rb'"time_extracted":"[^"]*"', b"", line) for line in lines]


@pytest.mark.parametrize(
    "way",
    [
        {"stream_maps": {"TYPED": {"CASE_ID": "CASE_ID"}}},
        {"flattening_enabled": True, "flattening_max_depth": 2},
    ],
    ids=["stream map", "flattening"],
)
def test_a_map_that_changes_nothing_gives_the_bytes_of_the_short_way(
    tmp_path: Path, taps: ForkServer, way: dict[str, Any]
) -> None:
    create = """
    CREATE TABLE TYPED (ID INTEGER, AT DATETIME, CASE_ID TEXT, AMOUNT DECIMAL(20, 2), RAW BLOB,
                        DONE BOOLEAN, DAY DATE, RATIO FLOAT, ABSENT TEXT)"""
    table = EventTable(tmp_path / "typed.db", create)
    values = ("結 é\u2028\\", 90071992547409.25, b"\x00\xff", 1, "2026-02-28", 0.1, None)
    rows = ((number, stamp(number, 1), *values) for number in range(5))
    table.execute_with("INSERT INTO TYPED VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", *rows)
    config = {"sqlalchemy_url": table.url, "table": "TYPED", "replication_key": "AT"}
    tap = Tap(tmp_path, taps, config)
    plain, mapped = tap.run(), tap.run(**way)
    assert len(record_lines(plain)) == 5
    assert b'"AMOUNT":90071992547409.25,"RAW":"AP8="' in plain.stdout
    assert record_lines(mapped) == record_lines(plain)


def test_flattening_gives_nested_values_in_the_form_that_its_schema_says(
    tap: Tap, table: EventTable
) -> None:
    table.execute("CREATE TABLE NESTED (ID INTEGER, AT DATETIME, DOC JSON)")
    table.execute_with("INSERT INTO NESTED VALUES (?, ?, ?)", (1, stamp(1), '{"a":{"b":[1]}}'))
    config = {"table": "NESTED", "replication_key": "AT"}
    run = tap.run(**config, flattening_enabled=True, flattening_max_depth=3)
    assert run.schema["schema"]["properties"]["DOC"] == {"type": ["string", "null"]}
    assert [record["DOC"] for record in run.records] == ['{"a":{"b":[1]}}']


def test_a_stream_map_filters_and_renames_and_the_state_covers_what_it_left_out(
    tap: Tap, table: EventTable
) -> None:
    fill(table, 9)
    rules = {"EVENT_DATA": None, "__filter__": "ID > 5", "__alias__": "renamed", "NEW": "ID * 2"}
    run = tap.run(stream_maps={"TXLOG_EVENTS": rules}, page_size=4)
    assert (run.code, run.ids) == (0, [6, 7, 8])
    assert [record["NEW"] for record in run.records] == [12, 14, 16]
    assert not any("EVENT_DATA" in record for record in run.records)
    streams = {message["stream"] for message in run.messages if message["type"] != "STATE"}
    assert streams == {"renamed"}
    assert tap.run_from(run.states[-1]).ids == []


@pytest.mark.parametrize("option", ["--test", "--test=schema"])
def test_a_dry_run_reads_a_row_at_most_and_fails_in_no_line(
    tap: Tap, table: EventTable, option: str
) -> None:
    fill(table, 9)
    run = tap.run(option, page_size=4)
    assert run.code == 0
    assert len(run.records) == (option == "--test")
    assert run.types[0] == "SCHEMA"
    assert run.logged("ERROR") == []


# Answers that need no server


@pytest.mark.parametrize(
    "options", [["--about"], ["--about", "--format=json"], ["--help"], ["--discover"]]
)
def test_questions_about_the_tap_load_neither_driver_nor_sqlalchemy(
    tap: Tap, options: list[str]
) -> None:
    config = tap.file("config.json", {} if "--discover" in options else ORACLE)
    command = [sys.executable, "-X", "importtime", "-m", "tap_oracle_txlog", "--config", config]
    done = subprocess.run(
        [*command, *options], cwd=tap.folder, env=environment(), capture_output=True, check=False
    )
    loaded = {line.rpartition(b"|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 0
    assert done.stdout
    assert b"singer_sdk" in loaded
    assert not loaded & {b"oracledb", b"sqlalchemy", b"tap_oracle_txlog.oracle.source"}


def test_about_names_every_setting_with_a_title_and_a_description(tap: Tap) -> None:
    about = json.loads(tap.run("--about", "--format=json").stdout)
    settings = about["settings"]["properties"]
    assert {"sqlalchemy_url", "dsn", "page_size", "stream_maps", "batch_config"} <= set(settings)
    assert all(one.get("title") and one.get("description") for one in settings.values())
    assert {"state", "catalog", "discover", "structured-logging"} <= set(about["capabilities"])


def test_another_table_is_discovered_with_its_own_columns(tap: Tap, table: EventTable) -> None:
    table.execute("CREATE TABLE OTHER (ID INTEGER, AT TIMESTAMP, NOTE TEXT)")
    found = json.loads(tap.run("--discover", table="OTHER", replication_key="AT").stdout)
    (stream,) = found["streams"]
    assert stream["tap_stream_id"] == "OTHER"
    assert list(stream["schema"]["properties"]) == ["ID", "AT", "NOTE"]
    assert (stream["key_properties"], stream["replication_key"]) == (["ID"], "AT")


# Errors: one line, the cause and the remedy, an exit code, no secret


def bookmark(**members: object) -> dict[str, Any]:
    plain = {
        "replication_key": "EVENT_TIMESTAMP",
        "replication_key_value": "2026-01-01T00:00:00.000000000",
    }
    return {"bookmarks": {"TXLOG_EVENTS": plain | members}}


@pytest.mark.parametrize(
    ("config", "state", "code", "line"),
    [
        ({"max_record_per_run": 5}, None, 2, "`max_record_per_run`.*`max_records_per_run`"),
        ({"pasword": SECRET}, None, 2, "`pasword`.*`password`"),
        ({"page_size": SECRET}, None, 2, "`page_size`.*whole number"),
        ({"page_size": 0}, None, 2, "`page_size`.*at least 1"),
        ({"null_key": SECRET}, None, 2, r"`null_key`.*warn \| fail \| emit"),
        ({"start_date": "-soon"}, None, 2, "`start_date` is neither a time nor an age"),
        ({"start_date": "-9999w", "end_date": "2126-01-01"}, None, 2, "`start_date` is relative"),
        ({"start_date": "-999999999w"}, None, 2, "`start_date` is neither a time nor an age"),
        ({"start_date": "soon"}, None, 2, "`start_date`.*soon.*2026-01-31T12:00:00Z"),
        ({"start_date": "2026-02-30"}, None, 2, "`start_date`.*2026-02-30"),
        ({"end_date": "2026-01-01", "start_date": "2026-01-02"}, None, 2, "end_date"),
        ({"poll_interval_seconds": "often"}, None, 2, "`poll_interval_seconds`.*at least 0"),
        ({"source_timezone": "Mars/Base"}, None, 2, "`source_timezone`.*Mars/Base"),
        ({"replication_key": "WHEN"}, None, 2, "no column WHEN.*It has ID, CASE_ID"),
        ({"table": "NOPE"}, None, 2, "table NOPE"),
        ({"late_commit_strategy": "watermark"}, None, 2, "late_commit_strategy=watermark"),
        (ORACLE | {"lib_dir": "/x"}, None, 2, "`lib_dir` is set without `thick_mode`"),
        ({"sqlalchemy_url": None}, None, 2, "`dsn` is not set"),
        (ORACLE, None, 4, r"cannot reach Oracle at 127\.0\.0\.1:1/ORCL.*`dsn`"),
        (
            {"sqlalchemy_url": f"mysql+pymysql://etl:{SECRET}@127.0.0.1:1/db"},
            None,
            4,
            "`sqlalchemy_url`.*Check the URL",
        ),
        (
            {"sqlalchemy_url": "oracle+oracledb://etl:x@nohost.invalid/d"},
            None,
            4,
            "cannot open the database of `sqlalchemy_url`.*Check the URL and the server",
        ),
        (
            {"sqlalchemy_url": "mysql+pymysql://etl@127.0.0.1:1/d?nope=1"},
            None,
            2,
            "`sqlalchemy_url`: the URL has an option that the driver does not take.*options",
        ),
        (
            {"sqlalchemy_url": "mysql+pymysql://etl@a..b:1/d"},
            None,
            2,
            "`sqlalchemy_url`: the host has no valid name",
        ),
        (
            {"state_from_ledger": True, "ledger_url": "mysql://etl@127.0.0.1:1/d?nope=1"},
            None,
            2,
            "the URL has an option that the driver does not take.*ledger_url",
        ),
        ({}, bookmark(table="SPC.OTHER"), 5, "table is SPC.OTHER, not TXLOG_EVENTS"),
        ({}, bookmark(replication_key="X"), 5, "replication_key is X, not EVENT_TIMESTAMP"),
        (
            {},
            bookmark(replication_key_value="soon"),
            5,
            "bookmark of TXLOG_EVENTS.*soon.*start_date",
        ),
        ({}, bookmark(v=99), 5, "version 99.*Update"),
        ({}, {"bookmarks": 7}, 5, "the given state is not valid.*last run"),
        ({}, {"type": "STATE", "value": bookmark()}, 5, "the given state is not valid"),
        ({}, {"completed": {"singer_state": bookmark()}}, 5, "the given state is not valid"),
        ({}, {"bookmarks": {"TXLOG_EVENTS": None}}, 5, "the given state is not valid"),
        ({}, bookmark(partitions={}), 5, "the given state is not valid"),
        ({}, bookmark(partitions=[{"v": 1}]), 5, "the given state is not valid"),
    ],
)
def test_an_error_is_one_line_with_cause_and_remedy_and_its_exit_code(
    tap: Tap,
    table: EventTable,
    config: dict[str, Any],
    state: dict[str, Any] | None,
    code: int,
    line: str,
) -> None:
    fill(table, 3)
    run = tap.run(**config) if state is None else tap.run_from(state, **config)
    (said,) = run.logged("ERROR")
    assert re.search(line, said), said
    assert run.code == code
    assert run.records == []
    assert "Traceback" not in run.stderr
    assert SECRET not in run.stderr + run.stdout.decode()


@pytest.mark.parametrize("url", ["mysql+pymysql://u:{}@127.0.0.1:1/db", "mysql+pymysql://u@h:{}/d"])
def test_at_debug_the_way_to_the_error_is_there_and_still_no_secret(tap: Tap, url: str) -> None:
    config = {
        "sqlalchemy_url": url.format(SECRET),
        "password": SECRET,
        "wallet_password": SECRET,
        "mariadb_password": SECRET,
    }
    run = tap.run(env={"TAP_ORACLE_TXLOG_LOGLEVEL": "DEBUG"}, **config)
    assert "where it happened: " in run.stderr
    assert SECRET not in run.stderr + run.stdout.decode()


def test_a_wrong_option_is_a_line_that_points_to_the_help(tap: Tap) -> None:
    run = tap.run("--confg", "x")
    (said,) = run.logged("ERROR")
    assert re.search(r"--confg.*--config.*--help", said)
    assert run.code == 2


@pytest.mark.parametrize("content", ["[1]", "", "{oops"])
@pytest.mark.parametrize(("option", "code"), [("--config", 2), ("--state", 5), ("--catalog", 5)])
def test_a_file_that_holds_no_json_object_is_refused_by_name(
    option: str, code: int, content: str, tmp_path: Path
) -> None:
    (tmp_path / "given.json").write_text(content)
    (tmp_path / "config.json").write_text("{}")
    arguments = [] if option == "--config" else ["--config", "config.json"]
    done = subprocess.run(
        [str(Path(sys.executable).parent / "tap-oracle-txlog"), *arguments, option, "given.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code
    assert "given.json" in done.stderr
    assert "Traceback" not in done.stderr
