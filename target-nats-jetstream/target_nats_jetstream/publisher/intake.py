"""What is to be delivered in this run, and what became of it.

The caller's thread only appends to the queue; everything else happens in the publisher's thread.
Each message is looked at once, when it is taken from the queue: it can be sent, it is in the stream
already, or it is a dead letter.
"""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from target_nats_jetstream.publisher.known import Open, Past, check_same, is_own
from target_nats_jetstream.publisher.limits import unpublishable
from target_nats_jetstream.publisher.lookup import Lookup
from target_nats_jetstream.publisher.outstanding import Outstanding, PublishCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_nats_jetstream.errors import TargetError
    from target_nats_jetstream.message import Message
    from target_nats_jetstream.publisher.jetstream.stored import Stored
    from target_nats_jetstream.publisher.known import Known
    from target_nats_jetstream.publisher.limits import Limits, Violation


class DeadLetter(NamedTuple):
    """A message that cannot be published, and the batch that waits for it."""

    batch: int
    message: Message
    violation: Violation


class Suspect(NamedTuple):
    """A named message whose id is in the stream: whether it is the same record is to be seen."""

    position: int
    message: Message
    sequence: int


class Intake:
    """The messages of one run, between ``submit`` and their end.

    Args:
        pipeline: The name that this pipeline's messages carry.
        allow_dead_letters: Whether a message that cannot be published becomes a dead letter; else
            it ends the run.
        on_change: Called when ``outstanding.acked_through`` or ``failure`` changes.
    """

    def __init__(
        self, pipeline: str, *, allow_dead_letters: bool, on_change: Callable[[], None]
    ) -> None:
        self.pipeline = pipeline
        self._allow_dead_letters = allow_dead_letters
        self._on_change = on_change
        self._last_answer = b""
        self._last_seq = 0
        self._newest = -1, b""
        """Position of the newest message that was stored one by one, and the answer to it."""
        self._began_after = 0
        self.queue: deque[tuple[Sequence[Message], Violation | None]] = deque()
        self.outstanding = Outstanding()
        self.past = Past()
        """What the caller knows of the runs before; set before the first batch is submitted."""
        self.counts = PublishCounts()
        self.dead_letters: deque[DeadLetter] = deque()
        self.suspects: deque[Suspect] = deque()
        self.known: Known | None = None
        """What was in the stream before this run; None: not looked at yet."""
        self.is_blind = False
        """Whether what was in the stream could not be read back."""
        self.sent = 0
        """Position after the last message that was ever sent."""
        self.in_doubt_until = 0
        """Messages before this position may have been stored by this run without an answer."""
        self._in_doubt_since = 0
        self._credited: set[int] = set()
        """Sequences of messages that were in doubt; a second answer with one is a repeat."""
        self.failure: TargetError | None = None

    def begin_epoch(self, limits: Limits) -> None:
        """Judge anew what is to be sent again: the server may have come back with other limits.

        Raises:
            DataError: A message does not fit any more and may not be a dead letter.
        """
        out = self.outstanding
        self.suspects.clear()  # they are sent again
        for position, message in enumerate(out.messages(out.floor, out.end - out.floor), out.floor):
            if not out.acked(position) and (violation := limits.violation(message)):
                self.dead_letter(position, violation)

    def begin(self, last_seq: int) -> None:
        """Note where the stream ended before this run."""
        self._last_seq = self._began_after = last_seq

    def mark_in_doubt(self, position: int) -> None:
        """Note that this run may have stored messages before ``position`` without an answer, behind
        the last message that is known to be stored.
        """
        since = self.last_seq
        if self.outstanding.floor < self.in_doubt_until:  # older ones are still in doubt
            since = min(since, self._in_doubt_since)
        else:
            self._credited.clear()
        self.in_doubt_until, self._in_doubt_since = max(position, self.in_doubt_until), since

    def fail(self, error: TargetError) -> None:
        """End the run; only the first failure counts."""
        if self.failure is None:
            self.failure = error
            self._on_change()

    @property
    def achieved(self) -> int:
        """Grows with whatever is done, be it only that something turned out to be done already."""
        out, looked_back = self.outstanding, self.known is not None
        return out.floor + out.acked_through + self.counts.dead_letters + looked_back

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to be done."""
        out = self.outstanding
        return out.floor == out.end and not self.queue and not self.dead_letters

    # From the queue

    def take(self, limits: Limits) -> None:
        """Move the queue into ``outstanding`` and ``dead_letters``.

        A message that cannot be published fails the run unless it may be a dead letter: then
        neither its batch nor a later one is sent, while earlier ones are finished.
        """
        while self.queue:
            if self.failure is not None:
                self.queue.clear()
                return
            self._take_batch(*self.queue.popleft(), limits)

    def _take_batch(self, batch: Sequence[Message], why: Violation | None, limits: Limits) -> None:
        known = self.known
        if why is None and (known is None or known.has_none_of(batch)) and limits.all_fit(batch):
            if known is not None:
                known.passed(len(batch))
            self._add(Lookup.of_new(batch))
            return
        lookup = Lookup()
        bad: list[tuple[Message, Violation]] = []
        for message in batch:
            if violation := why or limits.violation(message):
                bad.append((message, violation))
            else:
                lookup.add(message, known.find(message) if known is not None else None)
        self.counts.known_from_read_back += lookup.known
        if bad and not self._allow_dead_letters:
            self.fail(unpublishable(*bad[0]))
        else:
            self._add(lookup, bad)

    def _add(self, lookup: Lookup, bad: Sequence[tuple[Message, Violation]] = ()) -> None:
        through = self.outstanding.acked_through
        number = self.outstanding.add(
            lookup.new,
            len(bad),
            recovered=lookup.recovered,
            sequence=lookup.newest,
            still_open=self.known.open if self.known else Open(),
            places=lookup.places,
        )
        self.dead_letters.extend(DeadLetter(number, *item) for item in bad)
        self._changed_since(through)

    # What became of it

    def stored(self, position: int, answer: bytes) -> None:
        """One message is in the stream, as ``answer`` says."""
        if b'"duplicate"' in answer:
            self._known_to_server(position, json.loads(answer)["seq"])
            return
        self.counts.published += 1
        self._last_answer = answer
        self._newest = position, answer
        self._acknowledge(position)

    def _acknowledge(self, position: int) -> None:
        """The message at ``position`` is in the stream.

        Where a batch ends, the newest message of it that was stored one by one gives its place: to
        read each answer would cost more, and the last message may be known from long ago.
        """
        out, through = self.outstanding, self.outstanding.acked_through
        if out.ends_batch(position):
            newest, answer = self._newest
            if out.are_together(newest, position):
                out.note(newest, json.loads(answer)["seq"])
        out.ack(position)
        self._changed_since(through)

    def _known_to_server(self, position: int, sequence: int) -> None:
        """The id of the message at ``position`` is in the stream, at ``sequence``."""
        message = self.outstanding.messages(position, 1)[0]
        if message.digest:
            self.suspects.append(Suspect(position, message, sequence))
        else:
            self._acknowledge_known(position, sequence)

    def compare(self, suspect: Suspect, digest: str) -> None:
        """Compare a suspect with the record that has made the stored message of its id.

        Raises:
            DataError: They differ.
        """
        check_same(suspect.message, digest)
        self._acknowledge_known(suspect.position, suspect.sequence)

    def _acknowledge_known(self, position: int, sequence: int) -> None:
        """One whose first answer was lost is this run's own, and told of for the first time."""
        is_new = sequence > self._in_doubt_since and sequence not in self._credited
        if position < self.in_doubt_until and is_new:
            self.counts.published += 1
            self._credited.add(sequence)
            self._last_seq = max(self.last_seq, sequence)
        else:
            self.counts.known_to_server += 1
            if not self._is_uncounted(sequence):
                self.outstanding.discount(position)
        self.outstanding.note(position, sequence)
        self._acknowledge(position)

    def _is_uncounted(self, sequence: int) -> bool:
        """Whether a killed run has stored it uncounted, where that could not be read back."""
        counted = self.past.counted_through
        if not (self.is_blind and counted < sequence <= self._began_after):
            return False
        self.past = self.past._replace(counted_through=sequence)
        return True

    def stored_before(self, position: int, messages: int, answer: bytes) -> None:
        """A batch of ``messages`` that ends before ``position`` is in the stream."""
        self._last_answer = answer
        through = self.outstanding.acked_through
        self.counts.published += messages
        self.outstanding.place(position - messages, position, self.last_seq)
        self.outstanding.ack_before(position)
        self._changed_since(through)

    def reconcile(self, stored: Mapping[str, Stored], *, keeps_last: bool = False) -> None:
        """Acknowledge the messages that were in doubt and are in the stream.

        Args:
            stored: By id, what was stored since the last message that was not in doubt. The second
                of two messages with one id was not stored: its answer is still to come.
            keeps_last: Whether a subject keeps its last message only. One that a later one of ours
                has replaced cannot be read back, and sent again it would replace that one.

        Raises:
            DataError: Another record has the id of a message.
        """
        out, found = self.outstanding, set[str]()
        start = out.floor
        for position, message in enumerate(out.messages(start, self.sent - start), start):
            twin = stored.get(message.id)
            if twin is None or message.id in found or out.acked(position):
                continue
            found.add(message.id)
            if message.digest:
                check_same(message, twin.digest)
            self._acknowledge_stored(position, twin)
        if keeps_last:
            self._acknowledge_replaced(start, stored)

    def _acknowledge_replaced(self, start: int, stored: Mapping[str, Stored]) -> None:
        out, later = self.outstanding, set[str]()
        sent = list(enumerate(out.messages(start, self.sent - start), start))
        for position, message in reversed(sent):
            if message.id in stored or out.acked(position):
                later.add(message.subject)
            elif message.subject in later:
                self.counts.published += 1
                self._acknowledge(position)

    def _acknowledge_stored(self, position: int, twin: Stored) -> None:
        self._last_seq = max(self.last_seq, twin.sequence)
        self._credited.add(twin.sequence)
        if is_own(twin.id, twin.pipeline, self.pipeline):
            self.counts.published += 1
        else:
            self.counts.known_to_server += 1
            self.outstanding.discount(position)
        self.outstanding.note(position, twin.sequence)
        self._acknowledge(position)

    def dead_letter(self, position: int, violation: Violation) -> None:
        """Make a dead letter of the message at ``position``: the stream refuses it for good.

        Raises:
            DataError: It may not be a dead letter.
        """
        message = self.outstanding.messages(position, 1)[0]
        if not self._allow_dead_letters:
            raise unpublishable(message, violation)
        self.dead_letters.append(
            DeadLetter(self.outstanding.dead_letter(position), message, violation)
        )

    def dead_letter_stored(self, letter: DeadLetter) -> None:
        """A dead letter is stored."""
        self.counts.letters[letter.violation.reason] += 1
        through = self.outstanding.acked_through
        self.outstanding.dead_letter_stored(letter.batch)
        self._changed_since(through)

    @property
    def last_seq(self) -> int:
        """Stream sequence of the last message that is known to be stored."""
        if self._last_answer:
            self._last_seq = max(self._last_seq, json.loads(self._last_answer)["seq"])
            self._last_answer = b""
        return self._last_seq

    def _changed_since(self, through: int) -> None:
        if self.outstanding.acked_through != through:
            self._on_change()
