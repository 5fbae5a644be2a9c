"""Two commands as a pipe, the way ``set -o pipefail`` has it, with one exit code that tells why."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from tap_oracle_txlog.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType, TracebackType

BROKEN_PIPE: Final = frozenset((1, 128 + signal.SIGPIPE))
"""How a tap ends whose target is gone."""
UNFINISHED: Final = DataError.exit_code
"""How a target ends whose tap has not come to its end."""


def exit_code(tap: int, target: int, *, tap_was_first: bool) -> int:
    """That of the one that failed first, as the other one fails because of it; 0 where none did.

    Both may have ended before anybody looks. Then the codes tell: a tap fails in that one way when
    its target is gone, and a target in that other way when its tap is.
    """
    if not (tap and target):
        return tap or target
    if tap_was_first and not (tap in BROKEN_PIPE and target != UNFINISHED):
        return tap
    return target


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

        The exit code is that of ``exit_code``, with 128 + signal for a signal. STATE that the
        target prints is dropped, the ledger has it.

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
        return self._wait()

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

    def _wait(self) -> int:
        """Wait for both; their exit code."""
        tap, target = self._running
        order: list[int] = []
        while self._running:
            pid, status = os.wait()
            (ended,) = (process for process in self._running if process.pid == pid)
            self._running.remove(ended)
            ended.returncode = os.waitstatus_to_exitcode(status)
            order.append(pid)
        codes = (code if code >= 0 else 128 - code for code in (tap.returncode, target.returncode))
        return exit_code(*codes, tap_was_first=order[0] == tap.pid)

    def _stop(self, _signum: int, _frame: FrameType | None) -> None:
        self._stopped = True
        self._pass_on()

    def _pass_on(self) -> None:
        for process in self._running:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
