"""The units: systemd finds nothing wrong with them, and they keep the service apart."""

from __future__ import annotations

import ctypes.util
import os
import re
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.deploy.environments import DEPLOY, UNITS, of_unit, unit
from tests.run import ROOT
from tests.support.pair import BIN
from tools.oracle_stand_in.events import numbered

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mariadb import MariaDbDatabase
    from tools.oracle_stand_in.server import StandIn
    from tools.servers.nats import NatsServer

COMMAND = "/opt/txlog/bin/txlog-pipe"
#: systemd-analyze calls an exposure up to here OK, and a higher one MEDIUM, EXPOSED or UNSAFE.
EXPOSURE = 3.0


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing: it comes with systemd")
    command = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    """It complains of an unknown one on stderr, and exits with 0 all the same."""
    units = [*UNITS, "txlog-run.timer"]
    for name in units:
        text = (DEPLOY / "systemd" / name).read_text()
        (tmp_path / name).write_text(text.replace(COMMAND, sys.executable))
    checked = analyze("verify", "--man=no", *(tmp_path / name for name in units))
    assert (checked.stderr, checked.stdout, checked.returncode) == ("", "", 0)


@pytest.mark.parametrize("name", UNITS)
def test_a_service_is_exposed_to_little(name: str) -> None:
    told = analyze("security", "--offline=true", "--no-pager", DEPLOY / "systemd" / name).stdout
    level = re.search(rf"Overall exposure level for {re.escape(name)}: ([\d.]+)", told)
    assert level is not None, told
    assert float(level[1]) <= EXPOSURE


def test_both_services_are_the_same_but_for_what_makes_them_two() -> None:
    follow, run = ({*unit(name)} for name in UNITS)
    own = {"Description", "Type", "Environment", "WantedBy", "TimeoutStartSec"}
    own |= {key for key, _ in follow if key.startswith("Restart") and "Restrict" not in key}
    assert {key for key, _ in follow ^ run} <= own
    assert ("ExecStart", COMMAND) in follow & run


@pytest.mark.parametrize("name", UNITS)
def test_it_is_not_killed_while_the_target_saves_its_progress(name: str) -> None:
    settings = dict(unit(name))
    longest = float(of_unit(name)["TARGET_NATS_JETSTREAM_SHUTDOWN_TIMEOUT"])
    assert float(settings["TimeoutStopSec"]) >= longest + 10
    assert settings["KillMode"] == "mixed"


@pytest.mark.parametrize("name", UNITS)
def test_each_secret_is_a_credential_that_a_setting_names(name: str) -> None:
    loaded = {value.partition(":")[0] for key, value in unit(name) if key == "LoadCredential"}
    used = {value.removeprefix("%d/") for value in of_unit(name).values() if "%d/" in value}
    assert loaded == used


def hardened(*command: str | Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command with the memory and the system calls that the unit leaves it."""
    kernel = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))
    tools = ctypes.util.find_library("seccomp"), shutil.which("systemd-analyze")
    if None in tools or kernel < (6, 3):
        pytest.skip("needs systemd-analyze, libseccomp and Linux 6.3")
    words = [sys.executable, "-m", "tests.deploy.hardened", "txlog.service", *map(str, command)]
    return subprocess.run(
        words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False
    )


def test_the_restrictions_of_the_test_are_in_force() -> None:
    """Memory to write and execute is refused, and a call of another group ends the process."""
    env = dict(os.environ)
    memory = hardened(sys.executable, "-c", "import mmap; mmap.mmap(-1, 4096, prot=7)", env=env)
    assert "PermissionError" in memory.stderr
    call = hardened(sys.executable, "-c", "import os; os.sched_setaffinity(0, {0})", env=env)
    assert call.returncode == -signal.SIGSYS


@pytest.mark.timeout(1800)
def test_the_pair_needs_no_more_than_the_unit_leaves_it(
    tmp_path: Path, oracle: StandIn, mariadb: MariaDbDatabase, nats_server: NatsServer
) -> None:
    """Drivers of Oracle and MariaDB, threads and native code included."""
    oracle.database.tables["SPC.TXLOG_EVENTS"].generate(20, numbered)
    nats_server.add_stream("TXLOG_STREAM", ["txlog.>"])
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    env |= {f"TAP_ORACLE_TXLOG_{name.upper()}": text for name, text in oracle.login.items()}
    env["TARGET_NATS_JETSTREAM_SERVERS"] = nats_server.url
    env["TARGET_NATS_JETSTREAM_LEDGER_CREATE_TABLE"] = "true"
    for prefix in ("TAP_ORACLE_TXLOG", "TARGET_NATS_JETSTREAM"):
        env |= {f"{prefix}_{name.upper()}": str(v) for name, v in mariadb.settings.items()}
    done = hardened(BIN / "txlog-pipe", env=env)
    assert done.returncode == 0, done.stderr[-4000:]
    assert nats_server.messages("TXLOG_STREAM") == 20
