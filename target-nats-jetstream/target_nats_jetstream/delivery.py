"""The way of records and STATEs through publisher and ledger, without any Singer in it.

The order of a checkpoint is stated once, in ``_release``: acknowledged by JetStream, then written
to ETL_PRMREC, then STATE on stdout. A full batch, a due time, the end of input, a signal and a
failure are callers of the same few steps; none of them drains inside another.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import threading
import time
from collections import Counter, deque
from typing import TYPE_CHECKING

from target_nats_jetstream import bookmarks
from target_nats_jetstream.errors import TargetError
from target_nats_jetstream.ledger.row import LedgerProgress, StreamProgress
from target_nats_jetstream.stop import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_nats_jetstream.checkpoint import Checkpoints
    from target_nats_jetstream.ledger.ledger import Ledger
    from target_nats_jetstream.ledger.row import LedgerRow
    from target_nats_jetstream.message import Message
    from target_nats_jetstream.publisher import Publisher
    from target_nats_jetstream.publisher.outstanding import Settled
    from target_nats_jetstream.report import Report
    from target_nats_jetstream.stop import Stop

logger = logging.getLogger(__name__)

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
        flush: Hands all records that wait in the sinks to ``publish``.
        pending: How many records of each stream wait in the sinks.
        write_state: Passes a STATE on to stdout.
    """

    def __init__(  # noqa: PLR0913 - everything it puts together is given to it
        self,
        publisher: Publisher,
        ledger: Ledger | None,
        checkpoints: Checkpoints,
        stop: Stop,
        report: Report,
        *,
        flush: Callable[[], None],
        pending: Callable[[], Mapping[str, int]],
        write_state: Callable[[Mapping[str, object]], None],
    ) -> None:
        self._publisher = publisher
        self._ledger = ledger
        self._checkpoints = checkpoints
        self._stop = stop
        self._report = report
        self._flush = flush
        self._pending = pending
        self._write_state = write_state
        self._handed_over: Counter[str] = Counter()
        self._after_ack: deque[tuple[int, Callable[[], None]]] = deque()
        self._state: Mapping[str, object] | None = None
        self._counted: Mapping[str, int] = {}
        self._sequence = 0  # up to which the runs before have counted
        self._idle_since: float | None = None
        self._ledger_failed = False

    def start(self) -> None:
        """Connect to both servers, the ledger first: it has to tell when the other is away."""
        before = None if self._ledger is None else self._ledger.begin()
        if before is not None:
            self._report.checkpoint(before.last_successful_time)
            self._sequence = before.stream_sequence or 0
        self._publisher.start(counted_through=counted_through(before), wait=self._stop.wait_until)
        self._report.started(self._ledger.where if self._ledger else None)

    def publish(self, stream: str, messages: Sequence[Message]) -> None:
        """Give a batch to the publisher, when it has room for it.

        Raises:
            TargetError: The publisher failed.
            Stopped: A signal came while waiting for room. The batch was not taken then; the caller
                keeps it, and gives it again at the last ``flush`` of the run.
        """
        self._wait(lambda: self._publisher.has_room)
        self._publisher.submit(messages, stream)
        self._handed_over[stream] += len(messages)

    def bury(self, stream: str, message: Message, detail: str) -> None:
        """Put a message that does not fit its schema aside; raises as ``publish``."""
        self._wait(lambda: self._publisher.has_room)
        self._publisher.submit_dead([message], stream, "invalid", detail)
        self._handed_over[stream] += 1

    def after_ack(self, act: Callable[[], None]) -> None:
        """Call ``act`` once all that was taken before is acknowledged; raises as ``publish``."""
        self._flush()
        self._after_ack.append((self._publisher.submitted, act))
        self.go_on()

    def note(self, state: Mapping[str, object]) -> None:
        """Take a STATE from the input."""
        self._checkpoints.note(state, self._handed_over + Counter(self._pending()))
        if self._checkpoints.due(time.monotonic()):
            self._hold()
        self.go_on()

    def idle(self) -> float:
        """Do what is due while there is no input; tells when (time.monotonic) to be called
        again.
        """
        now = time.monotonic()
        if not any(self._pending().values()):
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        elif now >= self._idle_since + LINGER_SECONDS:
            self._idle_since = None
            self._flush()
        if self._checkpoints.due(now):
            self._hold()
        self.go_on()
        linger = math.inf if self._idle_since is None else self._idle_since + LINGER_SECONDS
        return min(linger, self._checkpoints.deadline(), self._report.next_at)

    def _hold(self) -> None:
        self._flush()
        self._checkpoints.hold(barrier=self._publisher.submitted, now=time.monotonic())

    def go_on(self) -> None:
        """Release what is acknowledged, and tell how far the run is when it is time to.

        Raises:
            TargetError: The publisher or the ledger failed.
        """
        self._release()
        self._report.progress(self._handed_over.total(), self._publisher.counts)
        if self._publisher.failure is not None:
            raise self._publisher.failure

    def _release(self) -> None:
        while self._after_ack and self._after_ack[0][0] <= self._publisher.acked_through:
            self._after_ack.popleft()[1]()
        for checkpoint in self._checkpoints.release(self._publisher.acked_through):
            self._state = checkpoint.state
            self._record()
            self._write_state(checkpoint.state)

    def _record(self) -> None:
        """Tell the ledger the newest released STATE and what is settled, be it more than the
        STATE.
        """
        settled = self._publisher.settled
        self._counted = settled.counts
        sequence = max(self._sequence, settled.sequence)
        progress = progress_of(self._state, settled._replace(sequence=sequence))
        self._report.checkpoint(progress.time)
        self._report.late = late_rows(self._state)
        if self._ledger is None:
            return
        try:
            self._ledger.record(progress)
        except TargetError:
            self._ledger_failed = True  # ending the run must not try it all over again
            raise

    def _record_rest(self) -> None:
        """Tell the ledger of records that no STATE came after."""
        if self._publisher.settled.counts != self._counted:
            self._record()

    def _settle(self, deadline: float = math.inf) -> None:
        """Hold the newest STATE and wait until everything is acknowledged."""
        self._hold()
        self._wait(lambda: self._publisher.acked_through >= self._publisher.submitted, deadline)
        self._release()

    def _wait(self, condition: Callable[[], bool], deadline: float = math.inf) -> None:
        publisher = self._publisher
        self._stop.wait_until(lambda: condition() or publisher.failure is not None, deadline)
        if publisher.failure is not None:
            raise publisher.failure

    def finish(self) -> None:
        """The input has ended: everything is acknowledged and told when this returns."""
        self._settle()
        self._record_rest()
        if self._ledger is not None:
            self._ledger.succeed()
        self._report.done(self._handed_over.total(), self._publisher.counts)

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
        steps = [lambda: self._settle(deadline), self._release, self._record_rest]
        for step in () if self._ledger_failed else steps:
            try:
                step()
            except (TargetError, OSError, Stopped) as error:
                logger.debug("while ending: %s", error, exc_info=True)
        if self._ledger is not None:
            self._ledger.fail(reason)
        self._report.ended(self._handed_over.total(), self._publisher.counts)

    def close(self) -> None:
        """Release both connections; idempotent."""
        self._publisher.close(timeout=1.0)
        if self._ledger is not None:
            self._ledger.close()


def counted_through(before: LedgerRow | None) -> int:
    """The stream sequence up to which earlier runs have counted their messages.

    A table without STREAM_SEQUENCE (V7's) cannot tell. There all that is found again counts as
    counted, so that what a killed run had stored after its last checkpoint is missing in
    RECORDS_PROCESSED.
    """
    if before is None:
        return 0
    return sys.maxsize if before.stream_sequence is None else before.stream_sequence


def progress_of(state: Mapping[str, object] | None, settled: Settled) -> LedgerProgress:
    """What the ledger is told: the counts of this run, and how far the streams of ``state`` are.

    A stream that has a bookmark but sent no record in this run counts with zero, so that the
    pipeline's time is that of its slowest stream.
    """
    times = bookmarks.complete_times(state or {})
    counts = settled.counts
    return LedgerProgress(
        streams={
            name: StreamProgress(times.get(name), counts.get(name, 0))
            for name in {**times, **counts}
        },
        state=state,
        sequence=settled.sequence,
    )


def late_rows(state: Mapping[str, object] | None) -> int:
    """How many rows came late in the run of ``state``, as our tap notes it; 0 for other taps."""
    found = (state or {}).get("bookmarks")
    marks = found.values() if isinstance(found, dict) else ()
    counts = [each.get("late", 0) for each in marks if isinstance(each, dict)]
    return sum(count for count in counts if isinstance(count, int))
