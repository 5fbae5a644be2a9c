"""The job for Dagster, run by Dagster in an environment of its own: ``make test-dagster``."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from demo.events import add_events, create_table, rows_in_order
from tests.run import ROOT
from tests.support.pair import BIN

if TYPE_CHECKING:
    from pathlib import Path

    from tools.servers.nats import NatsServer

DAGSTER = ROOT / ".venv-dagster/bin/dagster"
JOB = ROOT / "deploy/orchestrators/dagster_txlog.py"
pytestmark = [
    pytest.mark.skipif(not DAGSTER.exists(), reason="only where `make test-dagster` was run"),
    pytest.mark.timeout(1800),
]


def dagster(home: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Dagster on the job, which does not wait before it tries again."""
    file = home / JOB.name
    text = JOB.read_text().replace("/opt/txlog/bin", str(BIN))
    file.write_text(text.replace("delay=60", "delay=0"))
    return subprocess.run(
        [DAGSTER, *arguments, "-f", file],
        cwd=home,
        env=os.environ | {"DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "1"} | env,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def settings(home: Path, server: NatsServer) -> dict[str, str]:
    ledger = f"sqlite:///{home}/ledger.db"
    return {
        "TAP_ORACLE_TXLOG_SQLALCHEMY_URL": f"sqlite:///{home}/events.db",
        "TAP_ORACLE_TXLOG_TABLE": "TXLOG_EVENTS",
        "TAP_ORACLE_TXLOG_LEDGER_URL": ledger,
        "TAP_ORACLE_TXLOG_STATE_FROM_LEDGER": "true",
        "TARGET_NATS_JETSTREAM_LEDGER_URL": ledger,
        "TARGET_NATS_JETSTREAM_SERVERS": server.url,
        "TARGET_NATS_JETSTREAM_CREATE_STREAM": "if_missing",
    }


def test_the_job_moves_the_rows(tmp_path: Path, nats_server: NatsServer) -> None:
    engine = create_table(tmp_path / "events.db")
    add_events(engine, first_id=1, count=100)
    done = dagster(tmp_path, "job", "execute", "-j", "txlog", **settings(tmp_path, nats_server))
    assert done.returncode == 0, done.stderr[-4000:]
    assert nats_server.messages("TXLOG_STREAM") == len(rows_in_order(engine)) == 100
    engine.dispose()


@pytest.mark.parametrize(
    ("settings_of_its_own", "code", "tries"),
    [
        ({"TAP_ORACLE_TXLOG_PAGE_SIZE": "ten"}, 2, 1),
        ({"TAP_ORACLE_TXLOG_SQLALCHEMY_URL": "", "TAP_ORACLE_TXLOG_DSN": "127.0.0.1:1/X"}, 4, 3),
    ],
)
def test_only_what_may_pass_is_tried_again(
    settings_of_its_own: dict[str, str],
    code: int,
    tries: int,
    tmp_path: Path,
    nats_server: NatsServer,
) -> None:
    login = {"TAP_ORACLE_TXLOG_USER": "U", "TAP_ORACLE_TXLOG_PASSWORD": "P"}
    env = settings(tmp_path, nats_server) | login | settings_of_its_own
    env["TAP_ORACLE_TXLOG_MAX_RETRIES"] = "0"
    done = dagster(tmp_path, "job", "execute", "-j", "txlog", **env)
    assert done.returncode != 0
    assert f"the pair ended with {code}" in done.stderr
    assert done.stderr.count("STEP_RESTARTED") == tries - 1


def test_the_schedule_is_there(tmp_path: Path) -> None:
    listed = dagster(tmp_path, "schedule", "list")
    assert "txlog_hourly" in listed.stdout, listed.stderr
