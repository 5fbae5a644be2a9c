"""Signals: the tap ends at once, but never in the middle of a line.

Whatever it does, its state is out already: a STATE follows each page. So a signal may interrupt a
query or a wait anywhere; only the writing of a page and its STATE is finished first: half a RECORD
line would be an error to the target. The handler raises, as a flag alone would leave a blocked call
blocked (PEP 475). Under ``meltano run`` one Ctrl+C arrives as SIGINT and SIGTERM: the second signal
changes nothing.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class Stopped(BaseException):
    """A signal asked the process to end, which is no error."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


class Stop:
    """Turns SIGINT and SIGTERM into ``Stopped``, outside of ``held_back``."""

    def __init__(self) -> None:
        self._requested: int | None = None
        self._held_back = False

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Receive the signals; outside the main thread nothing is installed."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {signum: signal.signal(signum, self._handle) for signum in signals}
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    @contextlib.contextmanager
    def held_back(self) -> Iterator[None]:
        """Finish what is inside; a signal that came meanwhile takes effect at its end."""
        self._held_back = True
        try:
            yield
        finally:
            self._held_back = False
        if self._requested is not None:
            raise Stopped(self._requested)

    def _handle(self, signum: int, _frame: FrameType | None) -> None:
        if self._requested is not None:
            return
        self._requested = signum
        if not self._held_back:
            raise Stopped(signum)
