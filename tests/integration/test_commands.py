"""``--doctor``, ``--list-tables`` and ``--sample`` as people and scripts see them."""

from __future__ import annotations

import csv
import json
import os
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.modes import mode_of
from tools.oracle_stand_in import faults
from tools.oracle_stand_in.database import Table
from tools.oracle_stand_in.events import event, numbered

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import RunTap
    from tests.support.forking import ForkServer
    from tools.oracle_stand_in.server import StandIn

NOON = "2026-01-02T12:00:00"
CHECKS = [
    ("Connection", "login"),
    ("Privileges", "transactions"),
    ("Privileges", "table"),
    ("Table", "columns"),
    ("Table", "id"),
    ("Table", "index"),
    ("Table", "plan"),
    ("Table", "NULL keys"),
    ("Time", "zone"),
    ("Time", "clock"),
    ("Time", "lateness"),
]


def findings(answer: bytes) -> dict[str, str]:
    """The status of each check in a JSON answer."""
    return {check["check"]: check["status"] for check in json.loads(answer)["result"]["checks"]}


def test_where_all_is_well_every_check_is_passed_and_the_exit_code_is_0(
    oracle: StandIn, run_tap: RunTap
) -> None:
    oracle.database.tables["SPC.TXLOG_EVENTS"].generate(100, numbered)
    oracle.database.clock = lambda: "2026-01-01T00:00:01.000000000"
    done = run_tap("--doctor", "--strict", "--json")
    answer = json.loads(done.stdout)
    assert (done.code, done.stderr) == (0, "")
    assert list(answer) == ["command", "ok", "summary", "result", "error"]
    assert (answer["command"], answer["ok"], answer["error"]) == ("doctor", True, None)
    checks = answer["result"]["checks"]
    assert [(check["group"], check["check"]) for check in checks] == CHECKS
    assert {check["status"] for check in checks} == {"ok"}
    shown = run_tap("--doctor")
    assert (shown.code, shown.stderr) == (0, "")
    lines = shown.stdout.decode().splitlines()
    assert lines[0].split()[:3] == ["Connection", "[OK]", "login"]
    assert lines[-1] == "11 passed, 0 warnings, 0 failed"


def test_a_warning_names_the_grant_or_the_index_and_counts_only_when_strict(
    oracle: StandIn, run_tap: RunTap
) -> None:
    oracle.database.hidden |= {"GV$TRANSACTION", "V$TRANSACTION"}
    table = oracle.database.tables["SPC.TXLOG_EVENTS"]
    table.indexes.pop("IX_TXLOG_EVENTS_TS")
    table.insert(event(1, NOON), event(2, None))
    oracle.database.clock = lambda: f"{NOON}.900000000"
    done = run_tap("--doctor")
    assert done.code == 0
    text = done.stdout.decode()
    for line in (
        "-> GRANT SELECT ON SYS.GV_$TRANSACTION TO TAP\n",
        '-> CREATE INDEX "SPC"."IX_TXLOG_EVENTS_TAIL" ON "SPC"."TXLOG_EVENTS" ("EVENT_TIMESTAMP"',
        "[WARN]  NULL keys     1 rows have no EVENT_TIMESTAMP and are not read\n",
        "8 passed, 3 warnings, 0 failed\n",
    ):
        assert line in text
    assert run_tap("--doctor", "--strict").code == 1


@pytest.mark.parametrize(
    ("arrange", "config", "code", "failing"),
    [
        (lambda _: None, {"password": "wr0ng-pass"}, 3, {"login"}),
        (lambda o: o.faults.set("connect", faults.refuse(12514)), {}, 4, {"login"}),
        (
            lambda o: o.faults.set("connect", faults.silence()),
            {"connect_timeout": 0.2},
            4,
            {"login"},
        ),
        (lambda o: o.database.hidden.add("SPC.TXLOG_EVENTS"), {}, 3, {"table"}),
        (lambda _: None, {"table": "SPC.TXLOG_EVENT"}, 3, {"table"}),
        (lambda _: None, {"replication_key": "EVENT_TYPE"}, 2, {"table"}),
        (
            lambda o: o.database.hidden.update({"GV$TRANSACTION", "V$TRANSACTION"}),
            {"late_commit_strategy": "watermark"},
            3,
            {"transactions"},
        ),
        (
            lambda o: o.database.tables["SPC.TXLOG_EVENTS"].insert(event(1, None)),
            {"null_key": "fail"},
            5,
            {"NULL keys"},
        ),
        (
            lambda o: o.faults.set("execute", faults.error(600, "internal"), statement="lateness"),
            {},
            4,
            {"lateness"},
        ),
        (
            lambda o: o.faults.set("execute", faults.silence(), statement="newest key"),
            {"call_timeout": 0.3},
            4,
            {"clock"},
        ),
    ],
    ids=[
        "password",
        "refused",
        "silent",
        "no right",
        "no table",
        "no time",
        "no watermark",
        "NULL keys",
        "check fails",
        "check is silent",
    ],
)
def test_a_failure_is_a_finding_with_its_exit_code_and_hides_only_what_depends_on_it(
    oracle: StandIn,
    run_tap: RunTap,
    arrange: Callable[[StandIn], None],
    config: dict[str, Any],
    code: int,
    failing: set[str],
) -> None:
    arrange(oracle)
    done = run_tap("--doctor", "--json", config=config)
    found = findings(done.stdout)
    assert done.code == code
    assert {check for check, status in found.items() if status == "failed"} == failing
    assert list(found)[-1] == (*failing & {"login", "table"}, "lateness")[0]
    for secret in (oracle.password, "wr0ng-pass"):
        assert secret not in done.stdout.decode() + done.stderr


def test_what_keeps_the_doctor_from_asking_at_all_is_in_the_object_too(run_tap: RunTap) -> None:
    for config in ({"dsn": ""}, {"service_nam": "X"}, {"table": "A.B.C"}):
        done = run_tap("--doctor", "--json", config=config)
        answer = json.loads(done.stdout)
        assert (done.code, answer["ok"], answer["result"]) == (2, False, None)
        assert answer["error"] in done.stderr
    assert "setting `table` holds 'A.B.C'" in answer["error"]


def test_only_a_table_of_oracle_can_be_sampled(run_tap: RunTap) -> None:
    done = run_tap("--sample", "1", config={"sqlalchemy_url": "sqlite://", "table": "T"})
    assert (done.code, done.stdout) == (2, b"")
    assert "--sample works with Oracle only, but `sqlalchemy_url` is set" in done.stderr


def test_a_table_without_created_at_is_not_judged_by_it(oracle: StandIn, run_tap: RunTap) -> None:
    columns = ["ID VARCHAR2(36) NOT NULL", "AT TIMESTAMP(6) WITH TIME ZONE", "SHAPE SDO_GEOMETRY"]
    oracle.database.create(Table("APP.LOG", columns))
    done = run_tap("--doctor", "--json", config={"table": "app.log", "replication_key": "at"})
    found = findings(done.stdout)
    assert (done.code, found["lateness"], found["columns"]) == (0, "ok", "warning")
    assert [found["id"], found["index"]] == ["warning", "warning"]


def test_on_a_terminal_the_marks_are_drawn(
    oracle: StandIn, taps: ForkServer, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(oracle.login))
    ours, theirs = os.openpty()
    arguments = ["--config", "config.json", "--doctor"]
    process = taps.start(arguments, tmp_path, {"PATH": "", "LANG": "C.UTF-8"}, *[theirs] * 3)
    os.close(theirs)
    assert process.wait(30) == 0
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert shown.startswith("Connection  ✓       login         TAP at 127.0.0.1")


def test_the_tables_of_a_schema_are_listed_without_the_one_that_is_set(
    oracle: StandIn, run_tap: RunTap
) -> None:
    oracle.database.create(Table("APP.ONE", ["ID NUMBER"]))
    oracle.database.create(Table("APP.TWO", ["ID NUMBER"]))
    done = run_tap("--list-tables", config={"table": "APP.NOT_THERE"})
    assert (done.code, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.decode().splitlines()] == [
        "APP.ONE",
        "APP.TWO",
        "2",
    ]
    answer = json.loads(run_tap("--list-tables", "--json", config={"table": "APP.X"}).stdout)
    assert [table["name"] for table in answer["result"]["tables"]] == ["ONE", "TWO"]


def test_a_sample_is_four_files_of_exact_rows(
    oracle: StandIn, run_tap: RunTap, tmp_path: Path
) -> None:
    columns = ["ID NUMBER(19) NOT NULL", "AT DATE", "PRICE NUMBER", "DOC JSON", "NOTE CLOB"]
    table = oracle.database.create(Table("APP.LOG", columns))
    table.insert(*((n, NOON, Decimal("0.1"), '{"a": [1]}', 'say "é"\n') for n in range(5)))
    table.insert((9, NOON, None, None, None))
    out = tmp_path / "new" / "folder"
    options = ("--sample", "6", "--out", str(out), "--json")
    done = run_tap(*options, config={"table": "APP.LOG", "replication_key": "AT"})
    assert (done.code, done.stderr) == (0, "")
    assert {mode_of(file) for file in out.iterdir()} == {0o600}
    assert mode_of(out) == mode_of(out.parent) == 0o700
    files = [str(file) for file in sorted(out.iterdir())]
    assert sorted(json.loads(done.stdout)["result"]["files"]) == files
    rows = json.loads((out / "LOG_sample.json").read_text(encoding="utf-8"), parse_float=Decimal)
    at = f"{NOON}+00:00"
    first = {"ID": 0, "AT": at, "PRICE": Decimal("0.1"), "DOC": {"a": [1]}, "NOTE": 'say "é"\n'}
    assert (len(rows), rows[0]) == (6, first)
    with (out / "LOG_sample.csv").open(encoding="utf-8", newline="") as lines:
        cells = list(csv.reader(lines))
    assert cells[0] == ["ID", "AT", "PRICE", "DOC", "NOTE"]
    assert cells[1] == ["0", at, "0.1", '{"a":[1]}', 'say "é"\n']
    assert cells[6] == ["9", at, "", "", ""]
    schema = json.loads((out / "LOG_schema.json").read_text(encoding="utf-8"))
    assert schema["properties"]["PRICE"] == {"type": ["number", "null"]}
    database = json.loads((out / "database_info.json").read_text(encoding="utf-8"))
    assert (database["table"], database["version"]) == ("APP.LOG", "19.3.0.0.0")


def test_a_sample_that_cannot_be_written_or_read_is_one_line(
    oracle: StandIn, run_tap: RunTap, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file")
    done = run_tap("--sample", "1", "--out", str(tmp_path / "taken"))
    assert done.code == 2
    assert "Set --out to a folder" in done.stderr
    oracle.faults.set("execute", faults.drop(), statement="page")
    done = run_tap("--sample", "1", "--out", str(tmp_path / "out"))
    assert (done.code, len(done.stderr.splitlines())) == (4, 1)
    assert "lost the connection to Oracle" in done.stderr
