"""``txlog-pipe``: whose exit code counts, and who gets a signal. Its two commands are stubs."""

from __future__ import annotations

import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.run import ROOT
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

READS_ALL = "cat > read"
FOREVER = "exec sleep 600"
#: As a Python process: its output ends before it does.
LINGERS = "exec >&-; sleep 0.3; exit"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str, str], subprocess.Popen[bytes]]]:
    """Starts the pair, each of which is a line of shell."""
    started: list[subprocess.Popen[bytes]] = []

    def start(tap: str, target: str) -> subprocess.Popen[bytes]:
        pipe = tmp_path / "txlog-pipe"
        shutil.copy2(ROOT / "deploy/pair/txlog_pipe.py", pipe)
        pipe.chmod(0o755)
        for name, line in (("tap-oracle-txlog", tap), ("target-nats-jetstream", target)):
            (tmp_path / name).write_text(f'#!/bin/sh\n[ "$*" = --config=ENV ] || exit 99\n{line}\n')
            (tmp_path / name).chmod(0o755)
        started.append(subprocess.Popen([pipe], cwd=tmp_path))
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
        (FOREVER, "kill -9 $$", 137),
    ],
)
def test_the_first_to_fail_says_how_the_pair_has_ended(
    tap: str, target: str, code: int, start: Callable[[str, str], subprocess.Popen[bytes]]
) -> None:
    assert start(tap, target).wait(60) == code


def test_what_the_tap_writes_reaches_the_target(
    start: Callable[[str, str], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    assert start("seq 100000", READS_ALL).wait(60) == 0
    assert (tmp_path / "read").read_text().split() == [str(n) for n in range(1, 100_001)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_both_once_and_the_end_waits_for_the_later_one(
    number: signal.Signals,
    start: Callable[[str, str], subprocess.Popen[bytes]],
    tmp_path: Path,
) -> None:
    waits = "while :; do sleep 0.05; done"
    name = number.name.removeprefix("SIG")

    def stub(who: str, last: str) -> str:
        trap = f"trap 'echo {who} >> got; {last} exit {128 + number}' {name}"
        return f"{trap}; touch {who}; {waits}"

    pair = start(stub("tap", ""), stub("target", "sleep 0.3; touch saved;"))
    wait_until(lambda: (tmp_path / "tap").exists() and (tmp_path / "target").exists())
    pair.send_signal(number)
    assert pair.wait(60) == 128 + number
    assert (tmp_path / "saved").exists()
    assert sorted((tmp_path / "got").read_text().split()) == ["tap", "target"]
