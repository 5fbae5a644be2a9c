"""How long an epoch lasts: what ends it, and how it waits for what must not take too long."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from target_nats_jetstream.publisher.failures import Failure, Lost, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

NOT_FOUND, NAME_IN_USE = 404, 10058
IDLE_SECONDS = 60.0


class EpochEnded(Exception):  # noqa: N818 - not an error: what it means is decided elsewhere
    """The epoch ends because of ``failure``, about the positions from ``start`` to ``end``.

    Who asks a question and knows what to do with a refusal may catch it, and the epoch goes on.
    """

    def __init__(self, failure: Failure, start: int = 0, end: int = 0) -> None:
        super().__init__(failure)
        self.failure = failure
        self.start = start
        self.end = end

    @property
    def is_not_found(self) -> bool:
        """Whether the API answered that there is no such stream or message."""
        return isinstance(self.failure, Refused) and self.failure.code == NOT_FOUND

    @property
    def is_name_in_use(self) -> bool:
        """Whether the API answered that there is such a stream, of another configuration."""
        return isinstance(self.failure, Refused) and self.failure.err_code == NAME_IN_USE


class Lifetime:
    """Of an epoch, from its beginning to the first failure.

    Args:
        timeout: Seconds after which a silence, or a socket that takes nothing, is a failure.
        wake: Set whenever something happens: an answer, or the end of the epoch.
    """

    def __init__(self, timeout: float, wake: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        self._timeout = timeout
        self._wake = wake
        self._clock = loop.time
        self._ended: asyncio.Future[EpochEnded] = loop.create_future()
        self._answered_at = 0.0

    # The end of the epoch

    def end(self, failure: Failure, start: int = 0, end: int = 0) -> None:
        """End the epoch; only the first cause counts, the others follow from it."""
        if not self._ended.done():
            self._ended.set_result(EpochEnded(failure, start, end))
            self._wake.set()

    @property
    def is_over(self) -> bool:
        """Whether it can only be closed; for any thread."""
        return self._ended.done()

    @property
    def ended_by(self) -> EpochEnded:
        """What ended the epoch; only where it is over."""
        return self._ended.result()

    def check(self) -> None:
        """Raise what ended the epoch, if it is over."""
        if self._ended.done():
            raise self._ended.result()

    # Waiting

    def asked(self) -> None:
        """From now on an answer is due."""
        self._answered_at = self._clock()

    def answered(self) -> None:
        """Note an answer, and let the next one take its time: deadlines watch progress."""
        self._answered_at = self._clock()
        self._wake.set()

    def told(self) -> None:
        """Look at what came, which is no answer: it does not put the deadline off."""
        self._wake.set()

    async def wait(self, *, unanswered: bool, seconds: float = IDLE_SECONDS) -> None:
        """Wait until there is something to do.

        Args:
            unanswered: Whether an answer is due; then silence for ``ack_timeout`` ends the epoch.
            seconds: How long to wait at most where none is due.

        Raises:
            EpochEnded: The epoch is over.
        """
        self.check()
        timeout = self._timeout
        left = self._answered_at + timeout - self._clock() if unanswered else seconds
        with suppress(TimeoutError):
            async with asyncio.timeout(max(left, 0)):
                await self._wake.wait()
        self._wake.clear()
        if unanswered and self._clock() >= self._answered_at + timeout:
            self.end(Lost(f"no answer for {timeout:g} s"))
        self.check()

    async def until(self, written: Callable[[], bool]) -> None:
        """Wait until what was to be sent is in the socket.

        Raises:
            EpochEnded: The epoch is over, or that has taken longer than ``ack_timeout``.
        """
        deadline = self._clock() + self._timeout
        while not written() and not self._ended.done():
            if self._clock() > deadline:
                self.end(Lost(f"nothing could be sent for {self._timeout:g} s"))
            await asyncio.sleep(0.001)
        self.check()
