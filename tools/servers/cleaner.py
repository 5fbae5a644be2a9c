"""Ends the servers of a test process that did not live to end them itself.

pytest-timeout ends a process without any teardown, and so does a kill. Servers that a test may
kill and pause are in sessions of their own, and would outlive it.
"""

from __future__ import annotations

import atexit
import subprocess
from functools import cache

#: Reads ``+<process id>`` and ``-<process id>``; in the end it kills those that are left.
_CLEAN_UP = """
left=" "
while read -r line; do
    number=${line#[+-]}
    case $line in
    +*) left="$left$number " ;;
    *) case $left in *" $number "*) left="${left%% $number *} ${left#* $number }" ;; esac ;;
    esac
done
for number in $left; do kill -9 "$number"; done
"""


class Cleaner:
    """Told of each server that starts and ends."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _CLEAN_UP], stdin=subprocess.PIPE, start_new_session=True
        )

    def started(self, pid: int) -> None:
        self._tell(f"+{pid}")

    def ended(self, pid: int) -> None:
        self._tell(f"-{pid}")

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def close(self) -> None:
        """Kill what is left."""
        self._process.communicate(timeout=150)


@cache
def cleaner() -> Cleaner:
    """That of this process, which lives a moment longer."""
    one = Cleaner()
    atexit.register(one.close)
    return one
