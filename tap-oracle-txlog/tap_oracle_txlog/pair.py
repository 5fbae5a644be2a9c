"""Two commands as a pipe, the way ``set -o pipefail`` has it, with one exit code that tells why."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType, TracebackType


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
        signals = (signal.SIGINT, signal.SIGTERM)
        self._before = {signum: signal.signal(signum, self._stop) for signum in signals}
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

    def run(self, tap: Sequence[str], target: Sequence[str], *, state: bytes) -> int:
        """Run both to their end.

        The exit code is that of the one that failed first, 128 + signal after a signal: the other
        one fails because of it. STATE that the target prints is dropped, the ledger has it.

        Args:
            tap: Its command.
            target: Its command.
            state: What the tap gets as ``--state``; it is in no file.
        """
        reading, writing = os.pipe()
        os.write(writing, state)  # far less than a pipe holds
        os.close(writing)
        tap_process = self._start([*tap, "--state", f"/dev/fd/{reading}"], pass_fds=(reading,))
        os.close(reading)
        self._start(target, stdin=tap_process)
        return self._first_failure()

    def _start(
        self,
        command: Sequence[str],
        stdin: subprocess.Popen[bytes] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        started = subprocess.Popen(  # noqa: S603 - our own commands
            command,
            stdin=subprocess.DEVNULL if stdin is None else stdin.stdout,
            stdout=subprocess.PIPE if stdin is None else subprocess.DEVNULL,
            env=self._env,
            pass_fds=pass_fds,
        )
        if stdin is not None and stdin.stdout is not None:
            stdin.stdout.close()  # else the tap would not hear that the target has ended
        self._running.append(started)
        if self._stopped:
            self._pass_on()
        return started

    def _first_failure(self) -> int:
        """Wait for both, in the order in which they end."""
        codes: list[int] = []
        while self._running:
            pid, status = os.wait()
            (ended,) = (process for process in self._running if process.pid == pid)
            self._running.remove(ended)
            ended.returncode = code = os.waitstatus_to_exitcode(status)
            codes.append(code if code >= 0 else 128 - code)
        return next(filter(None, codes), 0)

    def _stop(self, _signum: int, _frame: FrameType | None) -> None:
        self._stopped = True
        self._pass_on()

    def _pass_on(self) -> None:
        for process in self._running:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
