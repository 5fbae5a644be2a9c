"""The way of records and STATEs through publisher and ledger, without any Singer in it.

The order of a checkpoint is stated once, in ``_release``: acknowledged by JetStream, then written
to ETL_PRMREC, then STATE on stdout. A full batch, a due time, the end of input, a signal and a
failure are callers of the same few steps; none of them drains inside another.

There is one buffer for the whole input, so that messages are stored in its order, across streams.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from target_nats_jetstream import bookmarks
from target_nats_jetstream.errors import DataError, TargetError, call_stack
from target_nats_jetstream.message import payload_bytes
from target_nats_jetstream.progress import Progress
from target_nats_jetstream.stop import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_nats_jetstream.checkpoint import Checkpoints
    from target_nats_jetstream.ledger.ledger import Ledger
    from target_nats_jetstream.message import Message
    from target_nats_jetstream.metrics.monitor import Monitor
    from target_nats_jetstream.publisher.limits import Reason
    from target_nats_jetstream.publisher.publisher import Publisher
    from target_nats_jetstream.report import Report
    from target_nats_jetstream.stop import Stop

logger = logging.getLogger(__name__)

#: A batch is closed at this size in bytes even when it holds few messages.
MAX_BATCH_BYTES = 4 * 1024 * 1024
#: How long messages that fill no batch wait for more input before they are sent (seconds).
LINGER_SECONDS = 0.01
#: What a failing run leaves to the messages in flight, so that STATE is as new as it can be
#: (seconds).
SETTLE_SECONDS = 10.0
#: After ``shutdown_timeout`` and this, a process that still hangs in a client library is ended
#: (seconds).
HARD_STOP_SECONDS = 2.0


class Delivery:
    """One run: from ``start`` to exactly one of ``finish``, ``stop_by_signal`` and ``fail``; then
    ``close``.

    Args:
        monitor: Follows the run for metrics and health checks, and never affects it.
        batch_size: Messages in a batch, at most.
        write_state: Passes a STATE on to stdout.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - everything it puts together is given to it
        self,
        publisher: Publisher,
        ledger: Ledger | None,
        checkpoints: Checkpoints,
        stop: Stop,
        report: Report,
        monitor: Monitor,
        *,
        batch_size: int,
        write_state: Callable[[Mapping[str, object]], None],
    ) -> None:
        self._publisher = publisher
        self._progress = Progress(ledger)
        self._checkpoints = checkpoints
        self._stop = stop
        self._report = report
        self._monitor = monitor
        self._batch_size = batch_size
        self._write_state = write_state
        self._buffer: list[Message] = []
        self._buffered_bytes = 0
        self._taken = 0
        self._after_ack: deque[tuple[int, Callable[[], None]]] = deque()
        self._newest_state: Mapping[str, object] | None = None
        self._idle_since: float | None = None

    def start(self) -> None:
        """Connect to both servers, the ledger first: it has to tell when the other is away."""
        self._monitor.start()
        self._progress.check()
        info = self._publisher.start(wait=self._stop.wait_until)
        self._progress.publishes_to(info)
        self._report.started(self._progress.where)

    def take(self, messages: Sequence[Message]) -> None:
        """Take messages that are to be published, in the order of the input.

        Raises:
            TargetError: The publisher failed.
            Stopped: A signal came while waiting for room. What was taken is kept, and handed over
                at the end of the run.
        """
        self._buffer += messages
        self._buffered_bytes += payload_bytes(messages)
        self._taken += len(messages)
        self._monitor.heard()
        while len(self._buffer) >= self._batch_size or self._buffered_bytes >= MAX_BATCH_BYTES:
            self._hand_over()
            self.poll()

    def dead_letter(self, message: Message, reason: Reason, detail: str) -> None:
        """Make a dead letter of a record that cannot be published; raises as ``take``."""
        self._flush()
        self._wait(lambda: self._publisher.has_room)
        if not self._publisher.submitted:
            self._resume({message.stream})
        self._publisher.submit_dead_letters([message], reason, detail)
        self._taken += 1

    def _flush(self) -> None:
        while self._buffer:
            self._hand_over()

    def _hand_over(self) -> None:
        """Give a batch to the publisher, when it has room for it."""
        self._wait(lambda: self._publisher.has_room)
        batch = self._buffer[: self._batch_size]
        if not self._publisher.submitted:
            self._resume({message.stream for message in batch})
        self._publisher.submit(batch)
        del self._buffer[: len(batch)]
        self._buffered_bytes -= payload_bytes(batch)

    def _resume(self, streams: set[str]) -> None:
        """Tell the publisher, before its first batch, where the tap has started again."""
        past = self._progress.resume(streams, self._newest_state)
        self._report.checkpoint(self._progress.complete_up_to)
        self._publisher.resume(past)

    def after_ack(self, act: Callable[[], None]) -> None:
        """Call ``act`` once all that was taken before is acknowledged; raises as ``take``."""
        self._flush()
        self._after_ack.append((self._publisher.submitted, act))
        self.poll()

    def note(self, state: Mapping[str, object]) -> None:
        """Take a STATE from the input. It ends a batch: so its place in the stream is known."""
        self._flush()
        self._newest_state = state
        self._monitor.noted(state)
        self._checkpoints.note(state, self._taken, barrier=self._publisher.submitted)
        now = time.monotonic()
        if self._checkpoints.due(now):
            self._checkpoints.hold(now)
        self.poll()

    def idle(self) -> float:
        """Do what is due while there is no input; tells when (time.monotonic) to be called
        again.
        """
        now = time.monotonic()
        if not self._buffer:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        elif now >= self._idle_since + LINGER_SECONDS:
            self._idle_since = None
            self._flush()
        if self._checkpoints.due(now):
            self._checkpoints.hold(now)
        self.poll()
        linger = math.inf if self._idle_since is None else self._idle_since + LINGER_SECONDS
        return min(linger, self._checkpoints.deadline(), self._report.next_at)

    def poll(self) -> None:
        """Release what is acknowledged, and log how far the run is when it is time to.

        Raises:
            TargetError: The publisher or the ledger failed.
        """
        self._release()
        self._monitor.looked()
        self._report.progress(self._taken, self._publisher.counts)
        if self._publisher.failure is not None:
            raise self._publisher.failure

    def _release(self) -> None:
        while self._after_ack and self._after_ack[0][0] <= self._publisher.acked_through:
            self._after_ack.popleft()[1]()
        released = self._checkpoints.release(self._publisher.acked_through)
        for state, barrier in released:
            self._progress.checkpoint(state, self._publisher.acknowledged(barrier))
            self._report.checkpoint(self._progress.complete_up_to)
            self._write_state(state)
            self._report.passed_on(self._taken, self._publisher.counts)
        if released:
            self._monitor.checkpoint(released[-1].state)

    def _settle(self, deadline: float = math.inf) -> None:
        """Hold the newest STATE and wait until everything is acknowledged."""
        self._flush()
        self._checkpoints.hold(time.monotonic())
        self._wait(lambda: self._publisher.acked_through >= self._publisher.submitted, deadline)
        self._release()

    def _wait(self, condition: Callable[[], bool], deadline: float = math.inf) -> None:
        publisher = self._publisher
        self._stop.wait_until(lambda: condition() or publisher.failure is not None, deadline)
        if publisher.failure is not None:
            raise publisher.failure

    def finish(self, messages: int) -> None:
        """The input has ended: everything is acknowledged and told when this returns.

        Args:
            messages: How many Singer messages there were.

        Raises:
            DataError: The tap did not come to its end; what it sent is safe.
            TargetError: The publisher or the ledger failed.
        """
        self._settle()
        if why := unfinished(messages, self._newest_state):
            raise DataError(why, "See the tap's error and run it again; earlier records are safe")
        counts = self._publisher.counts
        self._progress.succeed(
            self._publisher.acknowledged(self._publisher.submitted), counts.dead_letters
        )
        self._report.checkpoint(self._progress.complete_up_to)
        self._report.done(self._taken, counts)
        self._monitor.ended(success=True)

    def stop_by_signal(self, signum: int, seconds: float) -> None:
        """Save what can be saved within ``seconds``; never raises, and never takes much longer."""
        self._stop.grant(seconds)
        hard_stop = threading.Timer(seconds + HARD_STOP_SECONDS, os._exit, (128 + signum,))
        hard_stop.daemon = True
        hard_stop.start()
        self._save(f"stopped by signal {signum}", math.inf)
        hard_stop.cancel()

    def fail(self, error: TargetError) -> None:
        """Save what was acknowledged, and tell the ledger why the run failed; never raises."""
        self._save(str(error), time.monotonic() + SETTLE_SECONDS)

    def _save(self, reason: str, deadline: float) -> None:
        steps = [lambda: self._settle(deadline), self._release, self._checkpoint_rest]
        for step in () if self._progress.has_failed else steps:
            try:
                step()
            except (TargetError, OSError, Stopped) as error:
                logger.debug("while ending: %s", call_stack(error))
        self._progress.fail(reason, self._publisher.counts.dead_letters)
        self._report.ended(self._taken, self._publisher.counts)
        self._monitor.ended(success=False)

    def _checkpoint_rest(self) -> None:
        self._progress.checkpoint_rest(self._publisher.acknowledged(self._publisher.acked_through))

    def close(self) -> None:
        """Release both connections; idempotent."""
        self._publisher.close(timeout=1.0)
        self._progress.close()
        self._monitor.close()


def unfinished(messages: int, state: Mapping[str, object] | None) -> str | None:
    """Why an input did not come to its end, as far as it tells; None where it did."""
    if not messages:
        return "the input is empty: the tap ended before its first message"
    if state is not None and (streams := bookmarks.unfinished(state)):
        return f"the tap ended before it finished reading {', '.join(streams)}"
    return None
