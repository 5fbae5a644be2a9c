#!/usr/bin/env python3
"""The pair as one process, for containers, services and schedulers: ``txlog-pipe``.

It runs what a shell would run, with the settings of the environment::

    tap-oracle-txlog --config=ENV | target-nats-jetstream --config=ENV > /dev/null

The states are not kept: the tap starts from the ledger (``state_from_ledger``).

A shell has two answers to how a pipe has ended, and neither will do. Whatever keeps the tap from
its first row makes the target say that its input is empty (5): even with ``pipefail``, a database
that cannot be reached (4) would count as wrong data, and not be tried again. So the exit code is
that of the first to fail, and 0 if neither did; 128 + N for a signal N.

SIGTERM and SIGINT go to both, and the end waits for both: the target passes on what is
acknowledged. A tap whose target has ended is asked to end as well.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

BIN = Path(__file__).resolve().parent
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


def main() -> int:
    """Run the pair to its end.

    Returns:
        The exit code of the first to fail.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # they wait until they are asked for
    read_end, write_end = os.pipe()
    tap = start("tap-oracle-txlog", stdout=write_end)
    target = start("target-nats-jetstream", stdin=read_end, stdout=subprocess.DEVNULL)
    # Either end of the pipe stays open here until its process is known to have ended. So neither
    # can fail by the end of the other one before it is clear which of them came first.
    held = {tap: write_end, target: read_end}
    failures: list[int] = []
    while held:
        if (number := signal.sigwait(SIGNALS)) != signal.SIGCHLD:
            for process in held:
                process.send_signal(number)
        for process in [one for one in held if one.poll() is not None]:
            os.close(held.pop(process))
            failures += [exit_code(process.returncode)] if process.returncode else []
        if [*held] == [tap]:
            tap.terminate()  # it may be waiting for new rows
    return next(iter(failures), 0)


def start(name: str, *, stdout: int, stdin: int | None = None) -> subprocess.Popen[bytes]:
    """Start a command that lies beside this one; it gets signals from here only."""
    return subprocess.Popen(
        [BIN / name, "--config=ENV"],
        stdin=stdin,
        stdout=stdout,
        process_group=0,
        preexec_fn=receive_signals,  # noqa: PLW1509 - there are no threads
    )


def receive_signals() -> None:
    """Undo in a new process what is blocked in this one."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def exit_code(returncode: int) -> int:
    """As a shell has it: 128 + N after a signal N."""
    return returncode if returncode > 0 else 128 - returncode


if __name__ == "__main__":
    sys.exit(main())
