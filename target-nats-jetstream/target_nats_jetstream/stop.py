"""Signals, and the one place where the main thread waits.

A handler that only sets a flag would not end a blocked read, because Python resumes interrupted
system calls (PEP 475), and a handler that raises could cut a batch or a STATE line in two. So the
handler sets a flag and wakes the main thread through a pipe, and every wait of the main thread (for
input, for room, for acknowledgements, between two tries) is a poll that includes that pipe.

Under ``meltano run`` one Ctrl+C arrives as SIGINT and then as SIGTERM. Therefore SIGTERM only ever
asks, and only a second SIGINT leaves at once.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import threading
import time
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


#: A poll takes no more than 24 days; all who wait here wait in a loop.
LONGEST_POLL_SECONDS = 3600.0


class Stopped(BaseException):
    """A signal asked the process to end: no error; raised between two pieces of work only."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


class Stop:
    """Knows whether a signal came, and waits in a way that a signal ends.

    All times are seconds of ``time.monotonic``. Not for Windows: its pipes cannot be polled.
    """

    def __init__(self) -> None:
        self.requested: int | None = None
        self._interrupted = False
        self._grace_until = -math.inf
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        weakref.finalize(self, _close, self._wake_read, self._wake_write)

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Receive SIGINT and SIGTERM; outside the main thread nothing is installed."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {signum: signal.signal(signum, self._handle) for signum in signals}
        wakeup = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def _handle(self, signum: int, _frame: FrameType | None) -> None:
        if signum == signal.SIGINT:
            if self._interrupted:
                os._exit(128 + signum)
            self._interrupted = True
        if self.requested is None:
            self.requested = signum

    def wake(self) -> None:
        """End the current wait, so that its condition is looked at again; for any thread."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"\0")

    def grant(self, seconds: float) -> None:
        """Let waits go on for ``seconds`` although a signal came: the time of an orderly
        shutdown.
        """
        self._grace_until = time.monotonic() + seconds

    def wait_until(self, condition: Callable[[], bool], deadline: float = math.inf) -> bool:
        """Wait until ``condition()`` holds; False when ``deadline`` came first.

        Raises:
            Stopped: A signal came and no grace is left.
        """
        while not condition():
            self.check()
            if time.monotonic() >= deadline:
                return False
            self._poll(None, deadline)
        return True

    def sleep(self, seconds: float) -> None:
        """Wait ``seconds``; raises ``Stopped`` as every wait does."""
        self.wait_until(lambda: False, time.monotonic() + seconds)

    def readable(self, fd: int, deadline: float = math.inf) -> bool:
        """Wait for input on ``fd``; False when ``wake()`` or ``deadline`` came first.

        Raises:
            Stopped: A signal came and no grace is left.
        """
        self.check()
        ready = self._poll(fd, deadline)
        self.check()
        return ready

    def check(self) -> None:
        """Raise where a wait would.

        Raises:
            Stopped: A signal came and no grace is left.
        """
        if self.requested is not None and time.monotonic() >= self._grace_until:
            raise Stopped(self.requested)

    def _poll(self, fd: int | None, deadline: float) -> bool:
        if self.requested is not None:
            deadline = min(deadline, self._grace_until)
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        if fd is not None:
            poll.register(fd, select.POLLIN)
        seconds = min(max(0.0, deadline - time.monotonic()), LONGEST_POLL_SECONDS)
        ready = dict(poll.poll(math.ceil(seconds * 1000)))
        if self._wake_read in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_read, 65536)
        return fd in ready


def _close(*fds: int) -> None:
    for fd in fds:
        os.close(fd)
