"""Slices on an engine: workers and the scheduler are killed, and all slices come to their end.

Dask is in an environment of its own, laid over that of the tests.
"""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.engine import PYTHON, Engine
from tests.support.pages import Terminal, commands
from tests.support.pair import BIN
from tests.support.slices import Backfill, check_exact
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.mariadb import MariaDbDatabase
    from tools.servers.nats import NatsServer

ROWS, SLICES, KILLS = 4_000, 4, 2


@pytest.fixture
def backfill(tmp_path: Path, nats_server: NatsServer, mariadb: MariaDbDatabase) -> Backfill:
    slowly = {"publish_mode": "sync"}  # no slice is over before its worker can be killed
    return Backfill(tmp_path, nats_server, mariadb.settings, target=slowly)


@pytest.mark.timeout(1800)
def test_killed_workers_and_a_killed_scheduler_lose_and_repeat_nothing(backfill: Backfill) -> None:
    backfill.fill(ROWS)
    expected = backfill.expected(backfill.plan(SLICES))
    with Engine(backfill, "--local", "2") as engine:
        wait_until(lambda: backfill.messages() > 0, what="the first slices are at work")
    with Engine(backfill, "--local", "2") as engine:
        for number in range(KILLS):
            goal = backfill.messages() + number * 300
            wait_until(
                lambda: (
                    engine.process.poll() is not None
                    or (bool(engine.units()) and backfill.messages() >= goal)  # noqa: B023
                ),
                what="a slice is at work",
            )
            for worker in list(engine.units().values())[:1]:
                os.kill(worker, signal.SIGKILL)
        assert engine.end() == 0, engine.log[-4000:]
    check_exact(backfill.stored(), expected)
    assert f"slices {SLICES}/{SLICES}" in engine.log


def test_what_no_retry_would_change_is_told_at_once(backfill: Backfill) -> None:
    backfill.fill(100)
    backfill.plan(2)
    path = backfill.home / "plan.json"
    path.write_text(path.read_text().replace('"TXLOG_EVENTS"', '"OTHERS"'))
    with Engine(backfill, "--local", "1") as engine:
        assert engine.end() == 2
    assert "slices 0/2 · failed #0000 (exit code 2), #0001 (exit code 2)" in engine.log
    assert engine.log.count("the plan is of OTHERS") == 2


def test_the_page_leads_to_all_rows_in_order(backfill: Backfill) -> None:
    """Each command is typed as it stands there, on workers of this machine."""
    backfill.fill(400)
    page = (Path(__file__).parents[2] / "docs" / "scale.md").read_text()
    path = os.pathsep.join((str(BIN), os.environ["PATH"]))
    with Terminal(backfill.home, {"PATH": path, "LANG": "C.UTF-8"}) as shell:
        for command in commands(page):
            typed = command.typed.replace("--scheduler tcp://host:8786", "--local 1")
            code, output = shell.run(re.sub(r"^python\b", str(PYTHON), typed))
            assert code == 0, f"$ {typed}\n{output[-4000:]}"
    assert "slices 4/4 · rows 400 · slowest - · left 0 s" in output
    plan = json.loads((backfill.home / "plan.json").read_text())
    check_exact(backfill.stored(), backfill.expected(plan["slices"]))


@pytest.mark.parametrize(
    ("options", "code", "reason"),
    [
        ([], 2, "Name a --scheduler, or the number of --local workers"),
        (["--local", "1", "--scheduler", "tcp://127.0.0.1:1"], 2, "Name a --scheduler"),
        (["--scheduler", "tcp://127.0.0.1:1"], 4, "cannot reach the scheduler tcp://127.0.0.1:1"),
    ],
)
def test_without_a_cluster_it_is_one_line(
    backfill: Backfill, options: list[str], code: int, reason: str
) -> None:
    backfill.fill(10)
    backfill.plan(2)
    with Engine(backfill, *options) as engine:
        assert engine.end() == code, engine.log
    assert reason in engine.log
    assert "Traceback" not in engine.log
