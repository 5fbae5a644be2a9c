"""What the ledger is told of a run, and what it tells of the runs before.

A checkpoint has the counts of just what came before its STATE. What a failing run has stored behind
its last STATE is sent again by the next one, which recognises it and counts it then: so nothing is
counted twice and nothing is missing.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from target_nats_jetstream import bookmarks, completed
from target_nats_jetstream.errors import TargetError
from target_nats_jetstream.ledger.row import LedgerProgress, StreamProgress
from target_nats_jetstream.publisher.known import Past
from target_nats_jetstream.publisher.outstanding import Acknowledged
from target_nats_jetstream.replay import check_selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from target_nats_jetstream.ledger.ledger import Ledger
    from target_nats_jetstream.ledger.row import LedgerRow
    from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo

T = TypeVar("T")


class Progress:
    """The ledger's side of one run; without a ledger, nothing is kept.

    The row is taken when there is something to tell of the pipeline, not before: a run that has
    only the stream of ``meltano config test`` leaves no trace.
    """

    def __init__(self, ledger: Ledger | None) -> None:
        self._ledger = ledger
        self._stream = ""
        self._ends_at = 0
        self._before: LedgerRow | None = None
        self._has_begun = False
        self._is_test = False
        self._past = Past()
        self._state: Mapping[str, object] | None = None
        self._acknowledged = Acknowledged()
        self.complete_up_to: datetime | None = None
        """Up to when everything is complete; None while that is not known."""
        self.has_failed = False
        """Whether the ledger failed: ending the run must not try it all over again."""

    @property
    def where(self) -> str | None:
        """The table and its place, for people; None where no ledger is kept."""
        return None if self._ledger is None else self._ledger.where

    def check(self) -> None:
        """See whether the ledger can be used at all.

        Raises:
            TargetError: It cannot.
        """
        if self._ledger is not None:
            self._try(self._ledger.check)

    def publishes_to(self, info: StreamInfo) -> None:
        """Note the stream, and where it ended before this run."""
        self._stream, self._ends_at = info.identity, info.last_seq

    def resume(self, streams: Iterable[str], state: Mapping[str, object] | None) -> Past:
        """What the runs before have left, when the first messages are to be published.

        Args:
            streams: Of the first messages.
            state: The STATE that came before them, if one did: from there the tap has started.

        Raises:
            TargetError: The ledger cannot be used, or its row is another run's.
        """
        if self._ledger is None:
            return Past(why_unknown="no ledger is kept (`mariadb_host` or `ledger_url`)")
        if set(streams) <= {bookmarks.TEST_STREAM}:
            self._is_test = True
            return Past()
        self._begin(state)
        return self._past

    def _begin(self, state: Mapping[str, object] | None) -> None:
        """Take the row, look up where in the stream ``state`` was, and remember where this pipeline
        has begun to use the stream.
        """
        if self._ledger is None or self._has_begun:
            return
        self._has_begun = True
        self._before = before = self._try(self._ledger.begin)
        if before is not None and state is not None:
            check_selection(before.state, state)
        self._past = _past(before, self._stream, state)
        if before is not None:
            self.complete_up_to = before.last_successful_time
        if before is None or before.sequences.of(self._stream).newest is None:
            self._write({}, Acknowledged(), self._ends_at)

    def checkpoint(self, state: Mapping[str, object], acknowledged: Acknowledged) -> None:
        """Write a STATE and what is acknowledged before it to the ledger; then the STATE may leave.

        Raises:
            TargetError: The ledger cannot be used, or its row is another run's.
        """
        kept = bookmarks.without_test_stream(state)
        if kept != state and not kept:
            self._is_test = True
            return
        self._begin(kept)
        self._state, self._acknowledged = kept, acknowledged
        self._write(kept, acknowledged, self._behind(acknowledged.sequence))

    def _behind(self, sequence: int) -> int:
        """Where a STATE stands that has ``sequence`` before it."""
        return sequence or (self._ends_at if self._past.since is None else self._past.since)

    def _write(
        self,
        state: Mapping[str, object] | None,
        acknowledged: Acknowledged,
        state_sequence: int = 0,
    ) -> None:
        """Write counts and a STATE; an empty one where the tap has written none, None to leave what
        is known of STATEs as it is.
        """
        times = completed.complete_times(state or self._state or {})
        counted = (self._before and self._before.stream_sequence) or 0
        progress = LedgerProgress(
            streams={
                name: StreamProgress(times.get(name), acknowledged.counts.get(name, 0))
                for name in {**times, **acknowledged.counts}
            },
            state=state,
            sequence=max(counted, acknowledged.counted_through),
            state_sequence=state_sequence,
            stream=self._stream,
            places=acknowledged.places,
        ).without_test_stream()
        self.complete_up_to = progress.time or self.complete_up_to
        if self._ledger is not None:
            self._try(partial(self._ledger.checkpoint, progress))

    def succeed(self, acknowledged: Acknowledged, dead_letters: int) -> None:
        """Write that the run ended well, and all that is acknowledged; raises as
        ``checkpoint``.
        """
        if self._ledger is None or (self._is_test and not self._has_begun):
            return
        self._begin(None)
        if self._state is None:
            self._write({}, acknowledged, self._behind(acknowledged.newest))
        else:
            # Nothing is going to be repeated that came before the last STATE.
            self._write(self._state, self._acknowledged, self._behind(self._acknowledged.newest))
            self.checkpoint_rest(acknowledged)
        self._try(partial(self._ledger.succeed, dead_letters))

    def checkpoint_rest(self, acknowledged: Acknowledged) -> None:
        """Write records to the ledger that no STATE came after; raises as ``checkpoint``.

        Not while some of a killed run may still be repeated: the next run could not tell them from
        those that are counted here.
        """
        if (
            acknowledged.counts != self._acknowledged.counts
            and acknowledged.counted_through == acknowledged.newest
        ):
            self._begin(None)
            self._write(None, acknowledged)

    def fail(self, reason: str, dead_letters: int) -> None:
        """Write why the run failed; never raises."""
        is_silent = self.has_failed or (self._is_test and not self._has_begun)
        if self._ledger is not None and not is_silent:
            self._ledger.fail(reason, dead_letters)

    def close(self) -> None:
        """Release the connection; idempotent."""
        if self._ledger is not None:
            self._ledger.close()

    def _try(self, act: Callable[[], T]) -> T:
        try:
            return act()
        except TargetError:
            self.has_failed = True
            raise


def _past(before: LedgerRow | None, stream: str, state: Mapping[str, object] | None) -> Past:
    """What the ledger's row tells of ``stream`` and of where ``state`` was in it."""
    if before is None:
        return Past(counted_through=0, why_unknown="the ledger knows of no earlier run")
    sequences = before.sequences.of(stream)
    counted = before.stream_sequence
    if counted is None:
        counted = Past().counted_through
    elif before.sequences.stream and not sequences.entries:
        counted = 0  # of another stream, or of one that had its name before
    failed = before.status != "SUCCESS"
    if state is not None:
        since = sequences.find(state, after_failure=failed)
    else:  # another tap; after a failure some of the last STATEs may not have arrived
        since = sequences.oldest if failed else sequences.newest
    unknown = "the ledger does not remember the state that the tap starts from"
    if not sequences.entries:
        unknown = "the ledger has no STATE_SEQUENCES of this stream"
    is_newest = state is None or since == sequences.newest
    return Past(since, counted, unknown, sequences.places if is_newest else {})
