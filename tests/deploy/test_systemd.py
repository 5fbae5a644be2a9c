"""The units: systemd finds nothing wrong with them, and they keep the service apart."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.deploy.environments import DEPLOY, UNITS, of_unit, unit

if TYPE_CHECKING:
    from pathlib import Path

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
