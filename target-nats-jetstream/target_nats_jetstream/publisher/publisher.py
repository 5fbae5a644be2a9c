"""The synchronous face: a caller's thread hands batches over, a thread of its own delivers them.

The caller's thread and the publisher's share nothing but a queue, a few numbers and one condition.
The connection, and everything about it, belongs to the publisher's thread alone.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import threading
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING

from target_nats_jetstream.errors import TargetError, call_stack, place_of
from target_nats_jetstream.identity import pipeline_text
from target_nats_jetstream.message import payload_bytes
from target_nats_jetstream.publisher.intake import Intake
from target_nats_jetstream.publisher.jetstream.connect import ConnectionLoop
from target_nats_jetstream.publisher.limits import Violation
from target_nats_jetstream.publisher.outstanding import Acknowledged
from target_nats_jetstream.publisher.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_nats_jetstream.message import Message
    from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo
    from target_nats_jetstream.publisher.known import Past
    from target_nats_jetstream.publisher.limits import Reason
    from target_nats_jetstream.publisher.outstanding import PublishCounts
    from target_nats_jetstream.publisher.settings import NatsSettings

MAX_OPEN_BATCHES = 256
MAX_OPEN_MESSAGES = 16_000
MAX_OPEN_BYTES = 16 * 1024 * 1024

logger = logging.getLogger(__name__)


class Publisher:
    """Publishes batches of messages: each once, in the order in which they were submitted.

    Owned by one caller's thread.

    Args:
        settings: Where to, and how.
        subjects_sample: Subjects that the messages will have; they are checked at the start.
        pipeline: The name that the messages carry: whose they are.
        on_progress: Called from the publisher's thread when it has started, and whenever
            ``acked_through`` moves, room appears or ``failure`` is set. It must not block.
    """

    def __init__(
        self,
        settings: NatsSettings,
        subjects_sample: Sequence[str],
        *,
        pipeline: str = "",
        on_progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_progress = on_progress
        self._changed = threading.Condition()
        allowed = settings.on_error == "dead_letter"
        self._intake = Intake(
            pipeline_text(pipeline), allow_dead_letters=allowed, on_change=self._notify
        )
        self._wake = asyncio.Event()
        self._started: Future[StreamInfo] = Future()
        self._sender = Sender(
            settings, self._intake, tuple(subjects_sample), self._wake, self._on_start
        )
        self._loop = ConnectionLoop()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._over = False
        self._open: deque[tuple[int, int, int]] = deque()
        self._open_messages = self._open_bytes = 0
        self._acknowledged = Acknowledged()
        self.submitted = 0
        """Number of the last batch."""

    def start(
        self, *, wait: Callable[[Callable[[], bool]], object] = lambda _started: None
    ) -> StreamInfo:
        """Connect, find or create the stream, and check that the sample subjects reach it.

        Args:
            wait: How the caller waits until a condition holds, where a plain wait would keep it
                from something else, such as a signal; what it raises ends the start.

        Raises:
            UnreachableError: No server could be reached within ``connect_timeout``.
            AccessDeniedError: The login or a right is missing; it is not tried again.
            ConfigurationError: The stream or a setting does not fit.
        """
        self._thread.start()
        wait(self._started.done)
        return self._started.result()

    def resume(self, past: Past) -> None:
        """Note what the runs before have left, before the first batch; without it nothing of theirs
        counts as uncounted, and what is sent again is looked for among the newest messages.
        """
        self._intake.past = past

    def submit(self, messages: Sequence[Message]) -> int:
        """Hand over a batch and return its number: 1, 2, 3 and so on.

        Never blocks; ask ``has_room`` first.

        Raises:
            TargetError: What ended the publisher.
        """
        return self._submit(messages, None)

    def submit_dead_letters(self, messages: Sequence[Message], reason: Reason, detail: str) -> int:
        """Hand over messages that cannot be published, to be treated as ``on_error`` says.

        Args:
            messages: What cannot be published, as it would have been.
            reason: As that of a ``Violation``: ``invalid``.
            detail: For people; without content of the row.

        Raises:
            TargetError: What ended the publisher.
        """
        return self._submit(messages, Violation(reason, detail))

    def _submit(self, messages: Sequence[Message], violation: Violation | None) -> int:
        if self.failure is not None:
            raise self.failure
        self.submitted += 1
        size = payload_bytes(messages)
        self._open.append((self.submitted, len(messages), size))
        self._open_messages += len(messages)
        self._open_bytes += size
        self._intake.queue.append((messages, violation))
        self._call(self._wake.set)
        return self.submitted

    @property
    def has_room(self) -> bool:
        """Whether another batch may be handed over: batches, messages and bytes are bounded."""
        acked = self.acked_through
        while self._open and self._open[0][0] <= acked:
            _, messages, size = self._open.popleft()
            self._open_messages -= messages
            self._open_bytes -= size
        return (
            len(self._open) < MAX_OPEN_BATCHES
            and self._open_messages < MAX_OPEN_MESSAGES
            and self._open_bytes < MAX_OPEN_BYTES
        )

    @property
    def acked_through(self) -> int:
        """Number of the last batch of the unbroken prefix that is wholly acknowledged."""
        return self._intake.outstanding.acked_through

    def acknowledged(self, through: int) -> Acknowledged:
        """What is certain of the batches up to number ``through``, which are all acknowledged; for
        numbers that never get smaller.
        """
        done = self._intake.outstanding.done
        while done and done[0].number <= through:
            self._acknowledged = self._acknowledged.and_then(done.popleft())
        return self._acknowledged

    @property
    def failure(self) -> TargetError | None:
        """What ended the publisher; batches before it may still be acknowledged."""
        return self._intake.failure

    @property
    def counts(self) -> PublishCounts:
        """What became of the messages so far."""
        counts = self._intake.counts
        return dataclasses.replace(counts, letters=counts.letters.copy())

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection to NATS, and the stream was found."""
        return self._sender.is_connected

    @property
    def mode(self) -> str:
        """The mode in use: fast, atomic, window or sync."""
        return self._sender.mode

    def wait(self, number: int, timeout: float) -> bool:
        """Wait until batch ``number`` and all before it are acknowledged; whether they are."""
        with self._changed:
            self._changed.wait_for(lambda: self.acked_through >= number or self._over, timeout)
        return self.acked_through >= number

    def close(self, timeout: float) -> None:
        """End the thread, whatever is in flight; idempotent, ``timeout`` seconds at most."""
        if self._thread.is_alive():
            self._call(self._sender.stop)
            self._thread.join(timeout)
        elif not self._over:
            self._loop.close()  # never started

    # The publisher's thread

    def _on_start(self, info: StreamInfo) -> None:
        self._started.set_result(info)
        self._notify()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._sender.run())
        except TargetError as error:
            self._end(error)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - reported below
            logger.debug("the publisher failed: %s", call_stack(error))
            reason = f"the publisher failed: {place_of(error)}"
            self._end(TargetError(reason, "Run again; nothing unacknowledged is marked as done"))
        finally:
            self._loop.run_until_complete(self._loop.cut())
            self._loop.close()
            self._over = True
            self._notify()

    def _end(self, error: TargetError) -> None:
        if not self._started.done():
            self._started.set_exception(error)
        self._intake.fail(error)

    def _call(self, function: Callable[[], None]) -> None:
        """Run ``function`` in the publisher's thread, if it still runs."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()
        self._on_progress()
