"""What the files in ``deploy`` set is what both plugins understand."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.deploy.environments import ALL, DEPLOY, SECRETS
from tests.support.pair import BIN
from tests.target.publisher.credentials import user_nkey
from tools.settings import PLUGINS, properties

if TYPE_CHECKING:
    from pathlib import Path

FILES = [path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".pyc"]
#: What stands in the settings of a project at GitHub.
OF_GITHUB = {"ORACLE_DSN": "db:1521/S", "NATS_SERVERS": "nats://n:4222", "NATS_CREDS": "seed"}


def as_it_is_run(env: dict[str, str], folder: Path) -> dict[str, str]:
    """The settings with secrets that are there."""
    seed = user_nkey().seed

    def given(text: str) -> str:
        if found := re.fullmatch(r"\$\{\{ secrets\.(\w+) \}\}", text):
            value = OF_GITHUB.get(found[1], "value")
            return seed if value == "seed" else value
        for place in SECRETS:
            if text.startswith(place):
                file = folder / text.removeprefix(place)
                file.write_text(seed)
                return str(file)
        return text

    return {name: given(text) for name, text in env.items()}


@pytest.mark.parametrize("plugin", PLUGINS)
@pytest.mark.parametrize("place", ALL)
def test_a_plugin_finds_no_mistake(place: str, plugin: str, tmp_path: Path) -> None:
    env = as_it_is_run(ALL[place], tmp_path)
    done = subprocess.run(
        [BIN / plugin, "--config=ENV", "--check-config"],
        env={"PATH": os.environ["PATH"]} | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("plugin", PLUGINS)
def test_every_variable_leads_to_a_setting(plugin: str) -> None:
    prefix = plugin.upper().replace("-", "_") + "_"
    text = "\n".join(path.read_text() for path in FILES)
    named = {name.lower() for name in re.findall(rf"\b{prefix}([A-Z_]+)", text)}
    assert named
    assert named <= properties(plugin).keys()


@pytest.mark.parametrize("place", ALL)
def test_both_plugins_have_the_same_ledger(place: str) -> None:
    tap, target = ("TAP_ORACLE_TXLOG_", "TARGET_NATS_JETSTREAM_")
    env = ALL[place]
    shared = ("PROGRAM_NAME", *(f"MARIADB_{name}" for name in ("HOST", "DATABASE", "USER")))
    for name in shared:
        assert env.get(f"{tap}{name}") == env.get(f"{target}{name}")
    assert env[f"{tap}MARIADB_HOST"]
