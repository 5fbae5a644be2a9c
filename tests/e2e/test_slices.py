"""``txlog-slice``: slices by themselves, killed in every way, run again, and run twice at once."""

from __future__ import annotations

import json
import os
import random
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.slices import PROGRAM, Backfill, check_exact
from tests.support.verified import assert_verified
from tools.oracle_stand_in.events import numbered
from tools.servers.stopping import until_stopped
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.mariadb import MariaDbDatabase
    from tools.oracle_stand_in.server import StandIn
    from tools.servers.nats import NatsServer

ROWS, SLICES, KILLS = 6_000, 4, 4
VICTIMS = ("unit", "tap", "target", "machine")


@pytest.fixture
def backfill(tmp_path: Path, nats_server: NatsServer, mariadb: MariaDbDatabase) -> Backfill:
    slowly = {"publish_mode": "sync"}  # no slice is over before it can be killed
    return Backfill(tmp_path, nats_server, mariadb.settings, target=slowly)


def work(backfill: Backfill, index: int) -> int:
    """Run a slice again and again, kill it, and let it come to its end; how often it was killed."""
    chance, kills = random.Random(index), 0
    for number in range(KILLS):
        stored = backfill.messages(index)
        goal = stored + chance.randint(0, (ROWS // SLICES - stored) // (KILLS - number + 1))
        with backfill.start(index) as unit:
            wait_until(
                lambda: backfill.messages(index) >= goal or unit.process.poll() is not None,  # noqa: B023
                what=f"{goal} messages",
            )
            victim = VICTIMS[(index + number) % len(VICTIMS)]
            kills += unit.process.poll() is None
            if victim == "machine":
                unit.kill_all()
            else:
                unit.kill(victim)
            unit.end()
            if victim == "unit":  # the orphans work on, and the next unit is there already
                with backfill.start(index) as other:
                    other.end()
    with backfill.start(index) as unit:
        assert unit.end() == 0, unit.log[-4000:]
    return kills


@pytest.mark.timeout(1800)
def test_slices_that_are_killed_at_any_moment_lose_and_repeat_nothing(
    backfill: Backfill, mariadb: MariaDbDatabase
) -> None:
    backfill.fill(ROWS)
    slices = backfill.plan(SLICES)
    with ThreadPoolExecutor(2) as pool:
        kills = list(pool.map(lambda index: work(backfill, index), range(SLICES)))
    assert sum(kills) >= SLICES * KILLS // 2
    expected = backfill.expected(slices)
    assert sum(map(len, expected)) == ROWS
    assert max(abs(len(ids) * SLICES / ROWS - 1) for ids in expected) <= 0.1
    check_exact(backfill.stored(), expected)
    assert_verified(backfill.home, *backfill.configs, rows=ROWS)
    rows = mariadb.execute(
        "SELECT PROGRAM_NAME, STATUS, RECORDS_PROCESSED FROM ETL_PRMREC ORDER BY PROGRAM_NAME"
    )
    assert rows == [
        (f"{PROGRAM}#{index:04d}", "SUCCESS", len(ids)) for index, ids in enumerate(expected)
    ]


def test_a_slice_that_is_complete_may_be_run_again(backfill: Backfill) -> None:
    backfill.fill(300)
    expected = backfill.expected(backfill.plan(2))
    for _ in range(2):
        with backfill.start(None, env={"JOB_COMPLETION_INDEX": "1"}) as unit:
            assert unit.end() == 0, unit.log
        assert backfill.stored() == {"txlog.events.0001": expected[1]}
    with backfill.start(0) as unit:
        assert unit.end() == 0, unit.log
    check_exact(backfill.stored(), expected)


def test_of_two_that_run_the_same_slice_one_is_refused(
    tmp_path: Path, nats_server: NatsServer, mariadb: MariaDbDatabase
) -> None:
    slow = {"max_retries": 0, "publish_mode": "sync"}  # so that it is at work when it is stopped
    backfill = Backfill(tmp_path, nats_server, mariadb.settings, target=slow)
    backfill.fill(8_000)
    expected = backfill.expected(backfill.plan(2))
    with backfill.start(1) as first:
        wait_until(lambda: backfill.messages() > 0, what="the first one is at work")
        target = first.plugins()["target"]
        os.kill(target, signal.SIGSTOP)
        until_stopped(target)
        assert backfill.messages() < len(expected[1])
        with backfill.start(1) as second:
            code = second.end()
        os.kill(target, signal.SIGCONT)
        assert first.end() == 0, first.log
    assert code == 1
    assert f"another run of {PROGRAM}#0001 is active" in second.log
    assert backfill.stored() == {"txlog.events.0001": expected[1]}


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "stdin"])
def test_a_signal_reaches_both_and_the_exit_code_is_theirs(backfill: Backfill, how: str) -> None:
    backfill.fill(3_000, 2_000)  # more than fits into a pipe: the tap is at work as long
    expected = backfill.expected(backfill.plan(1))
    options = ("--stop-with-stdin",) if how == "stdin" else ()
    with backfill.start(0, *options) as unit:
        wait_until(lambda: backfill.messages() > 100, what="the slice is at work")
        plugins = unit.plugins()
        assert set(plugins) == {"tap", "target"}
        if how == "stdin":
            assert unit.process.stdin is not None
            unit.process.stdin.close()
        else:
            unit.process.send_signal(signal.Signals[how])
        assert unit.end() == 143, unit.log
        assert not any(Path(f"/proc/{pid}").exists() for pid in plugins.values())
        assert "stopped by signal" in unit.log or "ended early" in unit.log
    with backfill.start(0) as unit:
        assert unit.end() == 0, unit.log
    check_exact(backfill.stored(), expected)


def test_slices_of_an_oracle_table_are_all_of_it(
    tmp_path: Path, nats_server: NatsServer, mariadb: MariaDbDatabase, oracle: StandIn
) -> None:
    oracle.database.tables["SPC.TXLOG_EVENTS"].generate(2_000, numbered)
    source = {"sqlalchemy_url": None, "table": None, **oracle.login}
    backfill = Backfill(tmp_path, nats_server, mariadb.settings, tap=source)
    slices = backfill.plan(3)
    assert len(slices) == 3
    for index in range(3):
        with backfill.start(index) as unit:
            assert unit.end() == 0, unit.log
    stored = backfill.stored()
    assert [id_ for subject in sorted(stored) for id_ in stored[subject]] == list(range(2_000))
    assert max(abs(len(ids) * 3 / 2_000 - 1) for ids in stored.values()) <= 0.1


def test_slices_may_share_a_subject(
    tmp_path: Path, nats_server: NatsServer, mariadb: MariaDbDatabase
) -> None:
    shared = {"subject": "txlog.events"}
    backfill = Backfill(tmp_path, nats_server, mariadb.settings, target=shared)
    backfill.fill(400)
    expected = backfill.expected(backfill.plan(2))
    for index in (1, 0, 1):
        with backfill.start(index) as unit:
            assert unit.end() == 0, unit.log
    assert backfill.stored() == {"txlog.events": [*expected[1], *expected[0]]}


def test_a_table_of_v7_is_refused_with_what_to_do(
    backfill: Backfill, mariadb: MariaDbDatabase
) -> None:
    backfill.fill(100)
    backfill.plan(2)
    mariadb.execute(
        "CREATE TABLE ETL_PRMREC (ID INT AUTO_INCREMENT PRIMARY KEY, PROGRAM_NAME VARCHAR(100),"
        " LAST_RUN_TIME DATETIME, LAST_SUCCESSFUL_TIME DATETIME, RECORDS_PROCESSED INT,"
        " STATUS VARCHAR(20), ERROR_MESSAGE TEXT, UPDATED_AT DATETIME)"
    )
    with backfill.start(0) as unit:
        assert unit.end() == 2
        (remedy,) = [line for line in unit.log.splitlines() if "ERROR" in line]
    statement = remedy.partition("Execute ")[2]
    assert statement.startswith("ALTER TABLE ETL_PRMREC ADD COLUMN SINGER_STATE LONGTEXT")
    assert backfill.messages() == 0
    mariadb.execute(statement)
    with backfill.start(0) as unit:
        assert unit.end() == 0, unit.log


def changed(**values: object) -> Callable[[Backfill], None]:
    """Write the plan with other values."""

    def change(backfill: Backfill) -> None:
        path = backfill.home / "plan.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


def reconfigured(name: str, **values: object) -> Callable[[Backfill], None]:
    """Write the settings of a plugin with other values, None for none."""

    def change(backfill: Backfill) -> None:
        path = backfill.home / f"{name}.json"
        kept: dict[str, Any] = json.loads(path.read_text()) | values
        path.write_text(json.dumps({key: kept[key] for key in kept if kept[key] is not None}))

    return change


NO_LEDGER = {"mariadb_host": None}
AWAY = "nats://127.0.0.1:1"


@pytest.mark.parametrize(
    ("change", "options", "code", "reason"),
    [
        (changed(table="OTHERS"), (), 2, "the plan is of OTHERS by EVENT_TIMESTAMP, but"),
        (reconfigured("tap", **NO_LEDGER), (), 2, "neither mariadb_host nor ledger_url"),
        (
            reconfigured("target", **NO_LEDGER),
            (),
            2,
            "has kept no state of M_INTIMECASEAGENT#0000",
        ),
        (reconfigured("tap", tables=["A", "B"], table=None), (), 2, "a slice is of one table"),
        (lambda _: None, ("--target", "no-such-target"), 2, "there is no command no-such-target"),
        (
            lambda _: None,
            ("--tap-config", "nothing.json"),
            2,
            "cannot read --tap-config tap.json, n",
        ),
        (reconfigured("tap", sqlalchemy_url="sqlite:////no/such/file"), (), 4, "cannot open the"),
        (reconfigured("target", servers=AWAY, connect_timeout=1), (), 4, "cannot reach NATS"),
    ],
)
def test_what_cannot_be_run_is_told_in_one_line_with_its_exit_code(
    backfill: Backfill,
    change: Callable[[Backfill], None],
    options: tuple[str, ...],
    code: int,
    reason: str,
) -> None:
    backfill.fill(50)
    backfill.plan(2)
    change(backfill)
    with backfill.start(0, *options) as unit:
        assert unit.end() == code, unit.log
    assert reason in unit.log
    assert "Traceback" not in unit.log
