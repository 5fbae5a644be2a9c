"""What the sweep finds in one process holds for the installed commands: a few inputs there."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.target import PASSWORD, environment
from tests.sweep.outcome import PLACE
from tools.servers.ports import free_port

if TYPE_CHECKING:
    from tools.servers.nats import NatsServer

BIN = Path(sys.executable).parent
TARGET, TAP = BIN / "target-nats-jetstream", BIN / "tap-oracle-txlog"


def ended(
    folder: Path,
    command: Path,
    *arguments: str,
    text: bytes = b"",
    env: dict[str, str] | None = None,
) -> str:
    """The one ERROR line of a command that has to end with a code that means something."""
    done = subprocess.run(
        [command, *arguments],
        input=text,
        cwd=folder,
        env=environment() | (env or {}),
        capture_output=True,
        timeout=100,
        check=False,
    )
    log = done.stderr.decode()
    (line,) = (line for line in log.splitlines() if "| ERROR " in line)
    assert done.returncode in {2, 3, 4, 5}, log
    assert "Traceback" not in log
    assert PASSWORD not in log
    assert "unexpected " not in line
    assert PLACE.search(line)
    return line.split("|", 3)[3].strip()


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return name


@pytest.mark.parametrize("command", [TARGET, TAP])
def test_a_config_that_cannot_be_read(tmp_path: Path, command: Path) -> None:
    said = ended(tmp_path, command, "--config", "nofile.json")
    assert said.startswith("cannot read --config nofile.json: it does not exist. ")
    deep = written(tmp_path, "deep.json", "[" * 9000)
    said = ended(tmp_path, command, "--config", deep)
    assert said.startswith("cannot read --config deep.json: it does not contain a JSON object. ")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (TARGET, "batch_size"),
        (TARGET, "validate_records"),
        (TARGET, "stream_maps"),
        (TARGET, "flattening_max_depth"),
        (TARGET, "log_level"),
        (TAP, "page_size"),
        (TAP, "state_from_ledger"),
        (TAP, "batch_config"),
    ],
)
def test_the_environment_is_read_as_a_file_is(tmp_path: Path, command: Path, name: str) -> None:
    prefix = command.name.upper().replace("-", "_")
    from_env = ended(tmp_path, command, "--config=ENV", env={f"{prefix}_{name.upper()}": PASSWORD})
    file = written(tmp_path, "config.json", json.dumps({name: PASSWORD}))
    assert from_env == ended(tmp_path, command, "--config", file)
    assert f"`{name}`" in from_env


@pytest.mark.parametrize("depth", [{}, {"flattening_max_depth": -1}], ids=["none", "endless"])
@pytest.mark.parametrize("command", [TARGET, TAP])
def test_flattening_that_lacks_its_depth(
    tmp_path: Path, command: Path, depth: dict[str, int]
) -> None:
    config = {"flattening_enabled": True, **depth}
    said = ended(tmp_path, command, "--config", written(tmp_path, "c.json", json.dumps(config)))
    assert said.startswith("setting `flattening_enabled` cannot be used: flattening_max_depth is")


def test_a_level_may_be_written_as_other_programs_write_it(tmp_path: Path) -> None:
    env = {"LOG_LEVEL": "info", "SERVERS": "x:1", "CONNECT_TIMEOUT": "1"}
    env = {f"TARGET_NATS_JETSTREAM_{name}": value for name, value in env.items()}
    said = ended(tmp_path, TARGET, "--config=ENV", env=env)
    assert said.startswith("cannot reach NATS")


@pytest.mark.parametrize("command", [TARGET, TAP])
@pytest.mark.parametrize("own", [True, False])
def test_a_level_that_is_none(tmp_path: Path, command: Path, *, own: bool) -> None:
    name = f"{command.name.upper().replace('-', '_')}_LOGLEVEL" if own else "LOGLEVEL"
    said = explained(tmp_path, command, {name: "loud"})
    assert said == f"`{name}` is not the name of a level. Set DEBUG, INFO, WARNING or ERROR"


@pytest.mark.parametrize("command", [TARGET, TAP])
@pytest.mark.parametrize("text", ["[1]", "handlers: 5", "{", "version: 1\nroot: {level: loud}"])
def test_a_configuration_of_the_log_that_is_none(tmp_path: Path, command: Path, text: str) -> None:
    name = written(tmp_path, "log.yml", text)
    said = explained(tmp_path, command, {"SINGER_SDK_LOG_CONFIG": name})
    assert said.startswith("cannot use the file in SINGER_SDK_LOG_CONFIG: ")


def explained(folder: Path, command: Path, env: dict[str, str]) -> str:
    """The line of a command that ends before it has a log."""
    done = subprocess.run(
        [command, "--about"],
        cwd=folder,
        env=environment() | env,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    return line.split("|", 3)[-1].strip()  # the log may have its form already


def test_odd_files_of_the_tap(tmp_path: Path) -> None:
    for option in ("--state", "--catalog"):
        name = written(tmp_path, "odd.json", "[" * 9000)
        said = ended(tmp_path, TAP, option, name)
        assert said.startswith(f"{option} odd.json does not contain a JSON object")


def test_odd_lines_of_the_target(tmp_path: Path, shared_nats: NatsServer) -> None:
    config = {
        "servers": shared_nats.url,
        "stream": f"S_{free_port()}",
        "create_stream": "if_missing",
    }
    config |= {"subject": f"sweep.{config['stream']}"}
    file = written(tmp_path, "config.json", json.dumps(config))
    for text in (b"\xff\n", b'{"type":"STATE","value":NaN}\n', b"[" * 9000):
        assert "line 1 of the input" in ended(tmp_path, TARGET, "--config", file, text=text)


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        ("<&-", "the input is empty"),
        (">&-", "cannot write STATE: stdout is closed"),
        (">/dev/full", "cannot write STATE: No space left on device"),
    ],
)
def test_standard_streams_that_cannot_be_used_by_the_target(
    tmp_path: Path, shared_nats: NatsServer, stream: str, said: str
) -> None:
    config = {"servers": shared_nats.url, "stream": "STREAMS", "subject": "streams"}
    written(tmp_path, "config.json", json.dumps({**config, "create_stream": "if_missing"}))
    line = redirected(tmp_path, TARGET, stream, text=b'{"type": "STATE", "value": {}}\n')
    assert line.startswith(said)


@pytest.mark.parametrize(("stream", "why"), [(">&-", "is closed"), (">/dev/full", "No space left")])
def test_standard_streams_that_cannot_be_used_by_the_tap(
    tmp_path: Path, stream: str, why: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "rows.db")) as rows:
        rows.execute("CREATE TABLE E (ID INTEGER PRIMARY KEY, AT TIMESTAMP)")
    config = {"sqlalchemy_url": "sqlite:///rows.db", "table": "E", "replication_key": "AT"}
    written(tmp_path, "config.json", json.dumps(config))
    line = redirected(tmp_path, TAP, stream)
    assert line.startswith("cannot write to stdout: ")
    assert why in line


@pytest.mark.parametrize("command", [TARGET, TAP])
def test_an_answer_that_cannot_be_written(tmp_path: Path, command: Path) -> None:
    written(tmp_path, "config.json", "{}")
    line = redirected(tmp_path, command, "--check-config >/dev/full")
    assert line.startswith("cannot write to stdout: No space left on device")


def redirected(folder: Path, command: Path, stream: str, *, text: bytes = b"") -> str:
    """The ERROR line of a command that a shell has started with a stream of its own."""
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" --config config.json {stream}', command],
        input=text,
        cwd=folder,
        env=environment(),
        capture_output=True,
        timeout=100,
        check=False,
    )
    log = done.stderr.decode()
    assert "Traceback" not in log
    (line,) = (line for line in log.splitlines() if "| ERROR " in line)
    assert done.returncode in {1, 5}
    return line.split("|", 3)[3].strip()
