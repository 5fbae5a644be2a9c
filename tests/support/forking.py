"""A command as a process of its own, without the second of imports that each start would cost.

A server imports the command's modules once and forks; from then on nothing is shared: the process
has its own folder, environment, arguments and file descriptors, and dies by its own signals.
"""

from __future__ import annotations

import array
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ORDER_BYTES = 1 << 18


class Forked:
    """One process; what ``subprocess.Popen`` can do with it, this can."""

    def __init__(self, pid: int, reports: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._reports = reports

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._reports], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self.returncode = int(self._reports.recv(32))
            self._reports.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended, and the report is on its way
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """Starts the function ``main`` of ``module`` again and again.

    Args:
        module: Where ``main`` is.
        imports: More modules that the command would import by and by.
    """

    def __init__(self, module: str, *imports: str) -> None:
        self._orders, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno()), module, *imports],
                cwd=Path(__file__).parents[2],
                pass_fds=[theirs.fileno()],
            )

    def start(
        self, arguments: Sequence[str], folder: Path, env: Mapping[str, str], *fds: int
    ) -> Forked:
        """Start the command; ``fds`` become its stdin, stdout and stderr."""
        reports, theirs = socket.socketpair()
        order = {"arguments": list(arguments), "folder": str(folder), "environment": dict(env)}
        with theirs:
            socket.send_fds(self._orders, [json.dumps(order).encode()], [*fds, theirs.fileno()])
            assert select.select([reports], [], [], 60)[0], "the fork server does not answer"
            return Forked(int(reports.recv(32)), reports)

    def close(self) -> None:
        self._orders.close()
        self._process.wait(timeout=20)


def serve(orders: socket.socket, module: str, *imports: str) -> None:
    """Fork for each order, until the other side hangs up."""
    main = importlib.import_module(module).main
    for name in imports:
        importlib.import_module(name)
    while True:
        text, fds, _, _ = socket.recv_fds(orders, ORDER_BYTES, 4)
        if not text:
            return
        if not os.fork():
            orders.close()
            watch(main, json.loads(text), array.array("i", fds))
        for fd in fds:
            os.close(fd)
        bury()


def bury() -> None:
    """Take note of those that have ended: thousands of them would fill the process table."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def watch(main: Callable[[], None], order: Mapping[str, Any], fds: Sequence[int]) -> NoReturn:
    """Start the command, tell its process id and in the end its exit code."""
    *standard, reports = fds
    child = os.fork()
    if not child:
        os.close(reports)
        become(main, **order, fds=standard)
    for fd in standard:
        os.close(fd)
    os.write(reports, b"%d" % child)
    _, status = os.waitpid(child, 0)
    os.write(reports, b"%d" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def become(
    main: Callable[[], None],
    arguments: list[str],
    folder: str,
    environment: dict[str, str],
    fds: Sequence[int],
) -> NoReturn:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = arguments
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    main()
    sys.exit()


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as given:
        serve(given, *sys.argv[2:])
