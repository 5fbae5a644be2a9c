"""What stands on the pages works: each command is typed as it is written there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.pages import Command, Terminal, commands, unseen
from tools.oracle_stand_in.events import numbered
from tools.servers.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.support.mariadb import MariaDbDatabase
    from tools.oracle_stand_in.server import StandIn
    from tools.servers.nats import NatsServer

pytestmark = pytest.mark.timeout(1800)
ROOT = Path(__file__).parents[2]
CLONE = "git clone <this repository>"
PLUGINS = ("extractors/tap-oracle-txlog", "loaders/target-nats-jetstream")


def clone(folder: Path) -> None:
    """The repository as git gives it, in which all is installed already.

    Everything in it is old, so that make has nothing to do; and Meltano finds each plugin where it
    would install it, with the mark of what it would install.
    """
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
            os.utime(folder / name, (0, 0))
    for environment in (".venv", ".venv-meltano"):
        (folder / environment).symlink_to(ROOT / environment)
    for plugin in PLUGINS:
        home = folder / ".meltano" / plugin / "venv"
        home.mkdir(parents=True)
        (home / "bin").symlink_to(Path(sys.executable).parent)
        arguments = " ".join(sorted(("-c", "requirements.lock", "-e", f"./{Path(plugin).name}")))
        mark = hashlib.sha256(arguments.encode()).hexdigest()
        (home / ".meltano_plugin_fingerprint").write_text(mark)


def terminal(home: Path) -> Terminal:
    """As on a fresh machine: no settings, and nothing on the PATH but the system's programs."""
    env = {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
    return Terminal(home, env)


def replaced(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def follow(
    shell: Terminal, page: Iterable[Command], values: Mapping[str, str] | None = None
) -> list[str]:
    """Type the commands, with the values of this machine; what each of them shows."""
    return [type_in(shell, command, values or {}) for command in page]


def type_in(shell: Terminal, command: Command, values: Mapping[str, str]) -> str:
    typed = replaced(command.typed, values)
    if typed.startswith(CLONE):
        return ""  # done already
    code, output = shell.run(typed)
    assert code == 0, f"$ {typed}\n{output[-6000:]}"
    expected = [replaced(line, values) for line in command.seen]
    assert unseen(expected, output) == [], f"$ {typed}\n{output[-6000:]}"
    return output


def test_the_quick_start_leads_to_the_first_messages_and_operators_go_on(
    tmp_path: Path, oracle: StandIn
) -> None:
    oracle.database.tables["SPC.TXLOG_EVENTS"].generate(20, numbered)
    clone(tmp_path / "txlog")
    values = {
        "localhost:4222": f"localhost:{(port := free_port())}",
        "nats-server -js": f"nats-server -p {port} -js",
        "SPC_READ": oracle.user,
        "your-password": oracle.password,
        "dbhost:1521/ORCLPDB1": oracle.dsn,
    }
    *page, stop = page_commands("quick-start.md")
    with terminal(tmp_path) as shell:
        shown = follow(shell, page, values)
        assert "read=20 published=20" in shown[-1]
        follow(shell, page_commands("troubleshooting.md"))
        follow(shell, page_commands("maintenance.md", "## Every day"))
        shown = follow(shell, page_commands("backfill.md", "## Run it"))
        assert "read=20 published=0 duplicates=20" in shown[-1]
        slices = {"end_date": "2026-02-01", "start_date": "2026-01-01", **oracle.login}
        (tmp_path / "txlog" / "tap.json").write_text(json.dumps(slices))
        follow(shell, page_commands("backfill.md", "## Several jobs at once"))
        plan = json.loads((tmp_path / "txlog" / "plan.json").read_text())
        assert len(plan["slices"]) == 4
        follow(shell, page_commands("replay.md", "## Run it"))
        follow(shell, [stop])


def page_commands(name: str, section: str = "") -> list[Command]:
    return commands((ROOT / "docs" / name).read_text(), section=section)


def test_the_readme_leads_to_ones_own_servers(
    tmp_path: Path, oracle: StandIn, nats_server: NatsServer, mariadb: MariaDbDatabase
) -> None:
    oracle.database.tables["SPC.TXLOG_EVENTS"].generate(20, numbered)
    clone(tmp_path)
    page = commands((ROOT / "README.md").read_text(), section="## Use it with your own servers")
    with terminal(tmp_path) as shell:
        for command in page:
            if command.typed.startswith("tap-oracle-txlog --config tap.json |"):
                settings_of_the_pipe(tmp_path, oracle, nats_server)
            output = type_in(shell, command, {})
            if command.typed.startswith("cp .env.example .env "):
                fill_in(tmp_path / ".env", oracle, nats_server, mariadb)
            elif command.typed == "export MELTANO_ENVIRONMENT=prod":
                other_servers(nats_server, mariadb)
            elif "--print-ddl" in command.typed:
                administer(output, nats_server, mariadb)
            elif command.typed.startswith("meltano run"):
                assert "read=20 published=20" in output
    assert len(nats_server.read_stream("TXLOG_STREAM")) == 20
    assert len(nats_server.read_stream("PIPE")) == 20


def test_a_source_is_compared_with_the_stream_and_what_is_missing_is_sent(
    tmp_path: Path, oracle: StandIn, nats_server: NatsServer
) -> None:
    oracle.database.tables["SPC.TXLOG_EVENTS"].generate(60, numbered)
    settings_of_the_pipe(tmp_path, oracle, nats_server)
    (compare,) = page_commands("verify.md", "## Compare")
    (digests,) = page_commands("verify.md", "## Compare digests first")
    (repair,) = page_commands("verify.md", "## Repair")
    run = compare.typed.replace("--verify", ">> states")
    with terminal(tmp_path) as shell:
        shell.run(f'export PATH="{Path(sys.executable).parent}:$PATH"')
        assert shell.run(run)[0] == 0
        assert type_in(shell, Command(compare.typed), {}).count("60 messages: equal") == 1
        assert "60 rows, 60 messages: equal" in type_in(shell, Command(digests.typed), {})
        for sequence in (3, 4, 50):
            nats_server.api("STREAM.MSG.DELETE.PIPE", {"seq": sequence})
        code, output = shell.run(compare.typed)
        assert "3 rows not in the stream" in output
        assert code == 5
        code, output = shell.run(digests.typed)
        assert "60 rows, 57 messages: 1 bucket differs" in output
        assert code == 5
        nats_server.restart()  # it forgets the ids of messages that are gone
        output = type_in(shell, Command(repair.typed, repair.seen[1:2]), {})
        assert "60 rows, 57 messages: equal after the repair" in output
        assert type_in(shell, Command(compare.typed), {}).count("60 messages: equal") == 1


def fill_in(file: Path, oracle: StandIn, nats_server: NatsServer, mariadb: MariaDbDatabase) -> None:
    """As a user does in an editor: the names stay, the values are one's own."""
    own = {
        "ORACLE_USER": oracle.user,
        "ORACLE_PASSWORD": oracle.password,
        "ORACLE_DSN": oracle.dsn,
        "NATS_SERVERS": nats_server.url,
        **{name.upper(): str(value) for name, value in mariadb.settings.items()},
    }
    lines = file.read_text().splitlines()
    names = [line.partition("=")[0] for line in lines]
    assert own.keys() <= {*names}
    filled = [
        f"{name}={own[name]}" if name in own else line
        for name, line in zip(names, lines, strict=True)
    ]
    file.write_text("\n".join(filled))


def other_servers(nats_server: NatsServer, mariadb: MariaDbDatabase) -> None:
    """Servers on which nothing has been made yet."""
    assert nats_server.api("STREAM.DELETE.TXLOG_STREAM")["success"]
    mariadb.execute("DROP TABLE ETL_PRMREC")


def administer(printed: str, nats_server: NatsServer, mariadb: MariaDbDatabase) -> None:
    """As administrators do: the statement to MariaDB, the stream by ``nats stream add``."""
    statement = re.search(r"^CREATE TABLE .*?;$", printed, re.DOTALL | re.MULTILINE)
    stream = re.search(r"<<'END'\n(.*?)\nEND\nnats stream add TXLOG_STREAM ", printed, re.DOTALL)
    assert statement is not None
    assert stream is not None
    mariadb.execute(statement[0])
    assert "error" not in nats_server.api("STREAM.CREATE.TXLOG_STREAM", json.loads(stream[1]))


def settings_of_the_pipe(folder: Path, oracle: StandIn, nats_server: NatsServer) -> None:
    target = {"servers": nats_server.url, "stream": "PIPE", "create_stream": "if_missing"}
    target |= {"subject": "pipe", "ledger_url": "sqlite:///pipe.db"}
    (folder / "tap.json").write_text(json.dumps(oracle.login))
    (folder / "target.json").write_text(json.dumps(target))
