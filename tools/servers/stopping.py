"""When a process that was sent SIGSTOP stands still.

``kill`` returns before the process has stopped: its threads run on until each of them comes to the
kernel, on a busy machine for milliseconds. A server still answers in that time.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tools.servers.waiting import wait_until


def until_stopped(pid: int) -> None:
    """Return when no thread of the process runs any more."""
    wait_until(lambda: stands_still(pid), what=f"process {pid} stands still")


def stands_still(pid: int) -> bool:
    threads = Path(f"/proc/{pid}/task")
    if threads.exists():
        return all(_state(thread / "stat") in {"T", "ended"} for thread in threads.iterdir())
    command = ["ps", "-o", "state=", "-p", str(pid)]  # a system without /proc
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    return told.stdout.startswith("T")


def _state(stat: Path) -> str:
    """``pid (name) state ...``, where the name may have blanks and brackets in it."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "ended"
