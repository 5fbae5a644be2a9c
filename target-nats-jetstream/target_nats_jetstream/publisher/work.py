"""What is to be delivered in this run, and what became of it.

The caller's thread only appends to the queue; everything else happens in the publisher's thread.
Each message is judged once, when it is taken from the queue: it can be sent, it is in the stream
already, or it is a dead letter.
"""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from target_nats_jetstream.errors import DataError
from target_nats_jetstream.publisher.outstanding import Outstanding, PublishCounts, Settled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_nats_jetstream.errors import TargetError
    from target_nats_jetstream.message import Message
    from target_nats_jetstream.publisher.facts import Fitness, Unfit

DATA_REMEDIES = {
    "too_large": "Raise max_payload or max_msg_size in NATS",
    "no_stream": "Add the subject to the stream",
}


class Letter(NamedTuple):
    """A message that cannot be published, and the batch that waits for it."""

    batch: int
    message: Message
    unfit: Unfit


class Work:
    """The messages of one run, between ``submit`` and their end.

    Args:
        bury: Whether a message that cannot be published is a dead letter, or the end of the run.
        on_change: Called when ``outstanding.acked_through`` or ``failure`` changes.
    """

    def __init__(self, *, bury: bool, on_change: Callable[[], None]) -> None:
        self._bury = bury
        self._on_change = on_change
        self._last_answer = b""
        self._last_seq = 0
        self._began_after = 0
        self.queue: deque[tuple[Sequence[Message], str, Unfit | None]] = deque()
        self.outstanding = Outstanding()
        self.settled = Settled(0, 0, {})
        """What the caller's thread may rely on; replaced as a whole."""
        self.counted_through = 0
        """Stream sequence up to which runs before this one have counted what they stored."""
        self.counts = PublishCounts()
        self.letters: deque[Letter] = deque()
        self.known: Mapping[str, int] | None = None
        """Ids and sequences that were in the stream before this run; None: not read yet."""
        self.sent = 0
        """Position after the last message that was ever sent."""
        self.doubtful = 0
        """Messages before this position may have been stored by this run without an answer."""
        self._doubtful_since = 0
        self._attributed: set[int] = set()
        """Sequences of messages that were in doubt: who is told of one again is a repeat."""
        self.failure: TargetError | None = None

    def begin_epoch(self, fitness: Fitness) -> None:
        """Judge anew what is to be sent again: the server may have come back with other limits.

        Raises:
            DataError: A message does not fit any more and may not be a dead letter.
        """
        out = self.outstanding
        for position, message in enumerate(out.run(out.floor, out.end - out.floor), out.floor):
            if out.acked(position):
                continue
            if unfit := fitness.unfit(message):
                self.divert(position, unfit)
            elif position < self.sent:
                self.counts.resent += 1

    def begin(self, last_seq: int) -> None:
        """Note where the stream ended before this run."""
        self._last_seq = self._began_after = last_seq

    def doubt(self, position: int, since: int) -> None:
        """Messages before ``position`` may have been stored after ``since``, a stream sequence, by
        this run and without an answer.
        """
        if self.outstanding.floor < self.doubtful:  # an older doubt is not settled yet
            position, since = max(position, self.doubtful), min(since, self._doubtful_since)
        self.doubtful, self._doubtful_since = position, since

    def fail(self, error: TargetError) -> None:
        """End the run; only the first failure counts."""
        if self.failure is None:
            self.failure = error
            self._on_change()

    # From the queue

    def take(self, fitness: Fitness) -> None:
        """Move the queue into ``outstanding`` and ``letters``.

        A message that cannot be published fails the run unless it may be a dead letter: then
        neither its batch nor a later one is sent, while earlier ones are finished.
        """
        while self.queue:
            if self.failure is not None:
                self.queue.clear()
                return
            self._take_batch(*self.queue.popleft(), fitness)

    def _take_batch(
        self, batch: Sequence[Message], label: str, why: Unfit | None, fitness: Fitness
    ) -> None:
        known = self.known or {}
        is_new = not known or known.keys().isdisjoint(message.id for message in batch)
        if why is None and is_new and fitness.all_fit(batch):
            self._add(batch, label)
            return
        good: list[Message] = []
        bad: list[tuple[Message, Unfit]] = []
        recovered, newest = 0, 0
        for message in batch:
            unfit = why or fitness.unfit(message)
            if unfit is not None:
                bad.append((message, unfit))
            elif message.id in known:
                self.counts.known_from_tail += 1
                newest = max(newest, known[message.id])
                recovered += known[message.id] > self.counted_through
            else:
                good.append(message)
        if bad and not self._bury:
            self.fail(unpublishable(*bad[0]))
        else:
            self._add(good, label, bad, recovered=recovered, sequence=newest)

    def _add(
        self,
        good: Sequence[Message],
        label: str,
        bad: Sequence[tuple[Message, Unfit]] = (),
        *,
        recovered: int = 0,
        sequence: int = 0,
    ) -> None:
        self.counts.bytes += sum(len(message.payload) for message in good)
        through = self.outstanding.acked_through
        number = self.outstanding.add(
            good, len(bad), label=label, recovered=recovered, sequence=sequence
        )
        self.letters.extend(Letter(number, *item) for item in bad)
        self._changed_since(through)

    # What became of it

    def stored(self, position: int, answer: bytes) -> None:
        """One message is in the stream, as ``answer`` says."""
        if b'"duplicate"' not in answer:
            self.counts.published += 1
            self._last_answer = answer
        else:
            self._known_to_server(position, json.loads(answer)["seq"])
        through = self.outstanding.acked_through
        if self.outstanding.ends_batch(position):
            self.outstanding.place(position, position + 1, json.loads(answer)["seq"])
        self.outstanding.ack(position)
        self._changed_since(through)

    def _known_to_server(self, position: int, sequence: int) -> None:
        """The id of the message at ``position`` is in the stream, at ``sequence``."""
        is_new = sequence > self._doubtful_since and sequence not in self._attributed
        if position < self.doubtful and is_new:
            self._attributed.add(sequence)
            self.counts.published += 1  # it had no answer of its own
            return
        self.counts.known_to_server += 1
        if sequence > self._began_after or sequence <= self.counted_through:
            self.outstanding.discount(position)  # its first coming counts

    def stored_before(self, position: int, messages: int, answer: bytes) -> None:
        """A batch of ``messages`` that ends before ``position`` is in the stream."""
        self._last_answer = answer
        through = self.outstanding.acked_through
        self.counts.published += messages
        self.outstanding.place(position - messages, position, self.last_seq)
        self.outstanding.ack_before(position)
        self._changed_since(through)

    def recognise(self, ids: dict[str, int]) -> int:
        """Settle the messages that were in doubt and are in the stream; tells how many.

        Args:
            ids: What was stored since the last message that was not in doubt, with sequences. An id
                that is found is taken out: the message of a second one was not stored.
        """
        out, found = self.outstanding, set[int]()
        through, start = out.acked_through, out.floor
        for position, message in enumerate(out.run(start, self.sent - start), start):
            if not out.acked(position) and (sequence := ids.pop(message.id, 0)):
                found.add(sequence)
                self._last_seq = max(self.last_seq, sequence)
                if out.ends_batch(position):
                    out.place(position, position + 1, sequence)
                out.ack(position)
        self._attributed = found
        self.counts.published += len(found)
        self._changed_since(through)
        return len(found)

    def divert(self, position: int, unfit: Unfit) -> None:
        """The stream refuses the message at ``position`` for good.

        Raises:
            DataError: It may not be a dead letter.
        """
        message = self.outstanding.run(position, 1)[0]
        if not self._bury:
            raise unpublishable(message, unfit)
        self.letters.append(Letter(self.outstanding.divert(position), message, unfit))

    def put_away(self, letter: Letter) -> None:
        """A dead letter has found its place."""
        self.counts.dead_letters += 1
        through = self.outstanding.acked_through
        self.outstanding.put_away(letter.batch)
        self._changed_since(through)

    @property
    def last_seq(self) -> int:
        """Stream sequence of the last message that is known to be stored."""
        if self._last_answer:
            self._last_seq = max(self._last_seq, json.loads(self._last_answer)["seq"])
            self._last_answer = b""
        return self._last_seq

    def _changed_since(self, through: int) -> None:
        out = self.outstanding
        if out.acked_through != through:
            self.settled = Settled(out.acked_through, out.sequence, dict(out.counts))
            self._on_change()


def unpublishable(message: Message, unfit: Unfit) -> DataError:
    """The error that ends a run at a message: its id and sizes, never its content."""
    remedy = DATA_REMEDIES.get(unfit.reason, "Mend the row or the template")
    return DataError(
        f"message {message.id} cannot be published: {unfit.detail}",
        f"{remedy}, or set `on_error: dead_letter`",
    )
