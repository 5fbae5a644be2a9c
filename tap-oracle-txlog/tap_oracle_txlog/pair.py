"""A tap and its target as one process, for containers, services and schedulers: ``txlog-pipe``.

It runs what a shell would run, with the settings of the environment::

    tap-oracle-txlog --config=ENV | target-nats-jetstream --config=ENV > /dev/null

The states are not kept: the tap starts from the ledger (``state_from_ledger``).

A shell has two answers to how a pipe has ended, and neither will do. Whatever keeps the tap from
its first row makes the target say that its input is empty (5): even with ``pipefail``, a database
that cannot be reached (4) would count as wrong data, and not be tried again. So the exit code is
that of the first to fail.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType, TracebackType

TAP: Final = (sys.executable, "-P", "-m", "tap_oracle_txlog")
TARGET: Final = "target-nats-jetstream"
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Pair:
    """A tap and its target. Within the block, SIGTERM and SIGINT are passed on to both, as SIGTERM:
    a terminal has sent them its SIGINT already, and a second one would stop the target at once.

    Args:
        env: The environment of both.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = dict(env)
        self._running: list[subprocess.Popen[bytes]] = []
        self._stopped = False

    def __enter__(self) -> Self:
        """Take over the signals."""
        self._before = {signum: signal.signal(signum, self._stop) for signum in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the signals back."""
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def run(self, tap: Sequence[str], target: Sequence[str], *, state: bytes | None = None) -> int:
        """Run both to their end, and wait for both. What the target prints is dropped.

        Either end of the pipe between them stays open here until its process is known to have
        ended. So neither can fail by the end of the other one before it is clear which was first.

        Args:
            tap: Its command.
            target: Its command.
            state: What the tap gets as ``--state``; it is in no file.

        Returns:
            The exit code of the first to fail, 128 + N after a signal N; 0 where none failed.
        """
        out, into = os.pipe()
        if state is None:
            started = self._start(tap, stdin=subprocess.DEVNULL, stdout=into)
        else:
            reading, writing = os.pipe()
            os.write(writing, state)  # far less than a pipe holds
            os.close(writing)
            tap = [*tap, "--state", f"/dev/fd/{reading}"]
            started = self._start(tap, stdin=subprocess.DEVNULL, stdout=into, pass_fds=(reading,))
            os.close(reading)
        held = {started: into, self._start(target, stdin=out, stdout=subprocess.DEVNULL): out}
        codes: list[int] = []
        while held:
            ended = self._next_to_end()
            os.close(held.pop(ended))
            codes.append(ended.returncode if ended.returncode >= 0 else 128 - ended.returncode)
            if [*held] == [started] and not self._stopped:
                self._pass_on()  # the tap may be waiting for new rows
        return next(filter(None, codes), 0)

    def _start(self, command: Sequence[str], **pipes: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401 - those of Popen
        started = subprocess.Popen(command, env=self._env, **pipes)  # noqa: S603 - our own commands
        self._running.append(started)
        if self._stopped:
            self._pass_on()
        return started

    def _next_to_end(self) -> subprocess.Popen[bytes]:
        """Wait for the next of them; there are no other children."""
        pid, status = os.wait()
        (ended,) = (process for process in self._running if process.pid == pid)
        self._running.remove(ended)
        ended.returncode = os.waitstatus_to_exitcode(status)
        return ended

    def _stop(self, _signum: int, _frame: FrameType | None) -> None:
        self._stopped = True
        self._pass_on()

    def _pass_on(self) -> None:
        for process in self._running:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)


def found(target: str = TARGET) -> str | None:
    """The target's command: beside this Python, where one environment has both, or on the PATH."""
    beside = str(Path(sys.executable).parent)
    return shutil.which(target, path=os.pathsep.join((beside, os.environ.get("PATH", ""))))


def main() -> int:
    """Run the command line ``txlog-pipe``; the exit code is that of ``Pair.run``."""
    about = "Run tap-oracle-txlog | target-nats-jetstream, with the settings of the environment."
    parser = argparse.ArgumentParser(prog="txlog-pipe", description=about)
    parser.parse_args()
    if (target := found()) is None:
        parser.error(f"there is no command {TARGET}. Install it beside tap-oracle-txlog")
    with Pair(os.environ) as pair:
        return pair.run([*TAP, "--config=ENV"], [target, "--config=ENV"])


if __name__ == "__main__":
    sys.exit(main())
