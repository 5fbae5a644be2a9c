"""``txlog-pipe`` and what it rests on: whose exit code counts, who gets a signal, what the two
commands are given. They are stubs.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.run import ROOT
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: In a process of its own, as the pair waits for any of its children.
RUN = """
import json, os, sys
from tap_oracle_txlog.pair import Pair
tap, target = (["sh", "-c", script, "sh"] for script in json.loads(sys.argv[1]))
state = b'{"bookmarks": {}}' if sys.argv[2:] else None
with Pair(os.environ) as pair:
    sys.exit(pair.run(tap, target, state=state))
"""
MAIN = "import sys; sys.executable = '{}'; from tap_oracle_txlog import pair; pair.main()"
READS_ALL = "cat > read"
FOREVER = "exec sleep 600"
#: As a Python process: its output ends before it does.
LINGERS = "exec >&-; sleep 0.3; exit"

if TYPE_CHECKING:
    Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a pair, each of which is a line of shell; with whatever follows, with a state."""
    started: list[subprocess.Popen[bytes]] = []

    def start(tap: str, target: str, *state: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", RUN, json.dumps([tap, target]), *state]
        started.append(subprocess.Popen(command, cwd=tmp_path))
        return started[-1]

    yield start
    for process in started:
        process.terminate()
        process.wait(60)


@pytest.mark.parametrize(
    ("tap", "target", "code"),
    [
        ("echo row", READS_ALL, 0),
        ("exit 6", READS_ALL, 6),
        ("exit 4", f"{READS_ALL}; exit 5", 4),
        (f"{LINGERS} 3", f"{READS_ALL}; exit 5", 3),
        ("kill -9 $$", f"{READS_ALL}; exit 5", 137),
        ("echo row", f"{READS_ALL}; exit 5", 5),
        (FOREVER, "exit 4", 4),
        ("while echo row; do :; done; exit 1", "exit 4", 4),
        ("trap '' PIPE; while echo row; do :; done 2> told; exit 1", "read line; exit 3", 3),
        (FOREVER, "kill -9 $$", 137),
    ],
)
def test_the_first_to_fail_says_how_the_pair_has_ended(
    tap: str, target: str, code: int, start: Start
) -> None:
    assert start(tap, target).wait(60) == code


def test_what_the_tap_writes_reaches_the_target(start: Start, tmp_path: Path) -> None:
    assert start("seq 100000", READS_ALL).wait(60) == 0
    assert (tmp_path / "read").read_text().split() == [str(n) for n in range(1, 100_001)]


@pytest.mark.parametrize("slower", ["tap", "target"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_both_once_as_sigterm_and_the_end_waits_for_the_later_one(
    number: signal.Signals, slower: str, start: Start, tmp_path: Path
) -> None:
    def stub(who: str) -> str:
        last = "sleep 0.3; touch saved;" if who == slower else ""
        trap = f"trap 'echo {who} >> got; {last} exit 143' TERM"
        return f"{trap}; touch {who}; while :; do sleep 0.05; done"

    pair = start(stub("tap"), stub("target"))
    wait_until(lambda: (tmp_path / "tap").exists() and (tmp_path / "target").exists())
    pair.send_signal(number)
    assert pair.wait(60) == 143
    assert (tmp_path / "saved").exists()
    assert sorted((tmp_path / "got").read_text().split()) == ["tap", "target"]


def test_the_state_is_in_no_file_and_all_that_the_target_prints_is_dropped(
    start: Start, tmp_path: Path
) -> None:
    assert start('cat "$2" > state; echo line', "cat > got; echo STATE", "state").wait(60) == 0
    assert json.loads((tmp_path / "state").read_text()) == {"bookmarks": {}}
    assert (tmp_path / "got").read_text() == "line\n"


def test_txlog_pipe_gives_the_environment_to_both_and_finds_the_target_beside_its_python(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    python, target = folder / "python", folder / "target-nats-jetstream"
    python.write_text('#!/bin/sh\necho "$*" "$SETTING"\n')
    target.write_text('#!/bin/sh\n{ echo "$*" "$SETTING"; cat; } > got\n')
    for stub in (python, target):
        stub.chmod(0o755)
    command = [sys.executable, "-c", MAIN.format(str(python))]
    env = os.environ | {"SETTING": "given"}
    subprocess.run(command, cwd=tmp_path, env=env, timeout=300, check=True)
    assert (tmp_path / "got").read_text().splitlines() == [
        "--config=ENV given",
        "-P -m tap_oracle_txlog --config=ENV given",
    ]


def test_txlog_pipe_says_what_is_missing(tmp_path: Path) -> None:
    env = {"PATH": str(tmp_path), "PYTHONPATH": str(ROOT / "tap-oracle-txlog")}
    command = [sys.executable, "-c", MAIN.format("/none/python")]
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 2
    assert "there is no command target-nats-jetstream. Install it" in done.stderr
