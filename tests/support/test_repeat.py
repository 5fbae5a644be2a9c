"""``make test-repeat`` tells which tests failed, and leaves nothing running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from tests import repeat
from tests.run import ROOT
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

#: Fails every second time, as pytest tells it.
FLAKY = """
import pathlib, sys
seen = pathlib.Path(sys.argv[1])
again = seen.exists()
seen.unlink() if again else seen.touch()
if again:
    print("FAILED tests/a.py::test_one - assert")
    print("FAILED tests/a.py::test_two[a b] - assert")
    print("ERROR tests/b.py::test_three")
print("3 failed" if again else "3 passed")
sys.exit(again)
"""


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_tells_how_many_runs_were_green_and_which_tests_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(repeat, "LOGS", ROOT / ".repeat" / tmp_path.name)
    command = [sys.executable, "-c", FLAKY, str(tmp_path / "seen")]
    assert repeat.repeat(command, 5) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" (")[0] for line in lines[:2]] == ["run 1: 3 passed", "run 2: 3 failed"]
    assert lines[5:] == [
        "test-repeat: 3 of 5 runs are green",
        "  2 x tests/a.py::test_one",
        "  2 x tests/a.py::test_two[a b]",
        "  2 x tests/b.py::test_three",
    ]
    logs = sorted(repeat.LOGS.iterdir())
    assert [log.name for log in logs] == ["run-2.log", "run-4.log"]
    for log in logs:
        log.unlink()
    repeat.LOGS.rmdir()


def test_all_green_is_0() -> None:
    assert repeat.repeat([sys.executable, "-c", "print('ok')"], 2) == 0


def test_the_loops_end_with_it_even_when_it_is_killed() -> None:
    code = (
        "import signal, sys\n"
        "from tests.repeat import busy\n"
        "with busy() as pids:\n"
        "    print(*pids, flush=True)\n"
        "    signal.pause()\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 2
        assert all(map(is_running, pids))
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(map(is_running, pids)), what="the loops have ended")


def test_the_loops_end_with_the_block() -> None:
    with repeat.busy() as pids:
        assert all(map(is_running, pids))
    assert not any(map(is_running, pids))
