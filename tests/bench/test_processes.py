"""What a run used is counted by role, and a command that fails is a failed run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bench.processes import Command, RunFailedError, run_pipeline

BUSY = "import time\nwhile time.process_time() < 1: pass\n"
CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}, 'burner'])"


def python(role: str, code: str, **roles: str) -> Command:
    return Command(role, [sys.executable, "-c", code], roles)


def test_the_cpu_of_a_child_counts_once_and_as_the_role_that_it_was_given(tmp_path: Path) -> None:
    command = python("parent", CHILD, burner="child")
    usage = run_pipeline([command], output=tmp_path / "out", log=tmp_path / "log", seconds=60)
    assert usage.by_role["child"].cpu > 0.4
    assert usage.by_role["parent"].cpu + usage.by_role["child"].cpu >= 1
    assert all(use.megabytes > 1 for use in usage.by_role.values())


def test_each_command_reads_what_the_one_before_it_writes(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("row\n")
    copy = "import sys; sys.stdout.write(sys.stdin.read() + 'more\\n')"
    commands = [python("first", copy), python("second", copy)]
    out, log = tmp_path / "out", tmp_path / "log"
    run_pipeline(commands, output=out, log=log, seconds=60, stdin=tmp_path / "in")
    assert out.read_text() == "row\nmore\nmore\n"


def test_a_failed_command_is_told_by_the_first_error_of_the_log(tmp_path: Path) -> None:
    say = "import sys; print('at | ERROR | name | stream is full', file=sys.stderr); sys.exit(1)"
    commands = [python("tap", "print('{}')"), python("target", say)]
    with pytest.raises(RunFailedError, match=r"^stream is full$"):
        run_pipeline(commands, output=tmp_path / "out", log=tmp_path / "log", seconds=60)


def test_a_command_that_does_not_end_in_time_is_killed_with_its_children(
    tmp_path: Path,
) -> None:
    wait = "import threading; print(end='x', flush=True); threading.Event().wait(600)"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {wait!r}])"
    out_of_children, log = os.pipe(), tmp_path / "log"
    output = Path(f"/dev/fd/{out_of_children[1]}")
    with pytest.raises(RunFailedError, match=r"^not done after 3 s"):
        run_pipeline([python("service", child)], output=output, log=log, seconds=3)
    os.close(out_of_children[1])
    with os.fdopen(out_of_children[0], "rb") as written:  # ends when nobody can write any more
        assert written.read() == b"x"
