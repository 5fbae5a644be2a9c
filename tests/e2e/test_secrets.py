"""The recipes of docs/secrets.md that need no cloud, typed as they stand there."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.pages import Terminal, commands
from tools.servers.nats import NatsServer

if TYPE_CHECKING:
    from tests.support.mariadb import MariaDbDatabase
    from tools.oracle_stand_in.server import StandIn

pytestmark = pytest.mark.timeout(1800)
PAGE = (Path(__file__).parents[2] / "docs/secrets.md").read_text()
TOKEN = "a-token-in-a-file"


def terminal(home: Path, *places: Path | str) -> Terminal:
    path = ":".join(map(str, (*places, Path(sys.executable).parent, "/usr/bin", "/bin")))
    return Terminal(home, {"HOME": str(home), "LANG": "C.UTF-8", "PATH": path})


def test_every_password_may_come_from_a_file(
    tmp_path: Path, oracle: StandIn, mariadb: MariaDbDatabase
) -> None:
    ledger = dict(mariadb.settings)
    passwords = {
        "your-password": oracle.password,
        "your-token": TOKEN,
        "your-other-password": str(ledger.pop("mariadb_password")),
    }
    source = {"dsn": oracle.dsn, "user": oracle.user, "state_from_ledger": True}
    (tmp_path / "tap.json").write_text(json.dumps(source | ledger))
    with (
        NatsServer(
            tmp_path / "nats",
            config=f"authorization {{ token: {TOKEN} }}",
            connect={"token": TOKEN},
        ) as server,
        terminal(tmp_path) as shell,
    ):
        target = {"servers": server.url, "create_stream": "if_missing"}
        (tmp_path / "target.json").write_text(json.dumps(target | ledger))
        for command in commands(PAGE, section="## Files"):
            typed = command.typed
            for placeholder, password in passwords.items():
                typed = typed.replace(f" {placeholder} ", f" {password} ")
            code, shown = shell.run(typed)
            assert code == 0, f"$ {typed}\n{shown[-6000:]}"
            if "--doctor" in typed:
                assert "0 failed" in shown
                assert not any(password in shown for password in passwords.values())


AWS = """#!/bin/sh
printf '%s\\t%s\\n' /txlog/prod/ORACLE_USER spc_read /txlog/prod/ORACLE_PASSWORD "$SECRET"
"""


def test_parameters_of_ssm_become_variables_whatever_is_in_them(tmp_path: Path) -> None:
    """The command of AWS is a stand-in that prints what the real one prints."""
    (tmp_path / "aws").write_text(AWS)
    (tmp_path / "aws").chmod(0o700)
    (tmp_path / "secret").write_text(secret := "p a$HOME'\"=\\x#*é")
    block = re.search(r"```bash\n(while .*?)meltano run", PAGE, re.DOTALL)
    assert block is not None
    with terminal(tmp_path, tmp_path) as shell:
        shell.run("export SECRET=$(cat secret)")
        shell.run(block[1])
        code, shown = shell.run('printf "<%s>" "$ORACLE_USER" "$ORACLE_PASSWORD"')
    assert (code, shown.strip()) == (0, f"<spc_read><{secret}>")
