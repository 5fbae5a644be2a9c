"""What was submitted and is not yet acknowledged, in order. Pure: no I/O, no time.

Every message has a position, counted from 0 over the whole run, and that position never changes: an
acknowledgement names it, a new connection resends from the first one that is missing. A batch is
done when each of its messages is acknowledged and each of its dead letters is stored;
``acked_through`` is the unbroken prefix of done batches.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from target_nats_jetstream.publisher.known import Open

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_nats_jetstream.message import Message

_stream = attrgetter("stream")


@dataclass(slots=True)
class PublishCounts:
    """What became of the messages of one run."""

    published: int = 0
    """Stored by this run."""
    known_to_server: int = 0
    """Stored before this run and recognised by the stream's duplicate window."""
    known_from_read_back: int = 0
    """Stored before this run and recognised by reading the newest messages back."""
    letters: Counter[str] = field(default_factory=Counter)
    """Dead letters by their reason."""
    epochs: int = 0
    """Connections that were opened."""
    outages: int = 0
    """Connections that were lost."""

    @property
    def dead_letters(self) -> int:
        """Dead letters, whatever their reason."""
        return self.letters.total()

    @property
    def duplicates(self) -> int:
        """Messages that were in the stream before this run, by whomever recognised."""
        return self.known_to_server + self.known_from_read_back


class Acknowledged(NamedTuple):
    """What is certain of all batches up to one, together."""

    sequence: int = 0
    """Stream sequence behind which everything stands that may be sent again after them; 0 while
    there is none."""
    counted_through: int = 0
    """Stream sequence up to which everything that is this pipeline's is counted; 0 while there is
    none."""
    newest: int = 0
    """Stream sequence of their newest message."""
    counts: Mapping[str, int] = MappingProxyType({})
    """Messages by Singer stream that are in the stream and that no run before has counted."""
    places: Mapping[str, str] = MappingProxyType({})
    """By Singer stream, the place of its last placed message (``Past.places`` of a later run)."""

    def and_then(self, batch: SubmittedBatch) -> Acknowledged:
        """What is certain with the next batch as well."""
        newest = max(self.newest, batch.sequence)
        return Acknowledged(
            _before(batch.open.first, newest),
            _before(batch.open.uncounted, newest),
            newest,
            batch.counts + Counter(self.counts),
            {**self.places, **batch.places},
        )


def _before(sequence: int, newest: int) -> int:
    """``newest``, or what is before ``sequence`` where there is one."""
    return min(newest, sequence - 1) if sequence else newest


def _by_stream(messages: Sequence[Message]) -> Counter[str]:
    """How many there are of each Singer stream; nearly always they are of one."""
    streams = set(map(_stream, messages))
    if len(streams) == 1:
        return Counter({streams.pop(): len(messages)})
    return Counter(map(_stream, messages))


@dataclass(slots=True)
class SubmittedBatch:
    """A batch of the caller's, as far as it is known."""

    number: int
    start: int
    messages: Sequence[Message]
    dead_letters: int
    """Of it that go another way, as dead letters."""
    sequence: int
    """Stream sequence of the newest of its messages that is known to be stored."""
    open: Open
    """What later batches may still repeat."""
    counts: Counter[str]
    places: Mapping[str, str]

    @property
    def end(self) -> int:
        """Position after its last message."""
        return self.start + len(self.messages)


class Outstanding:
    """The messages between ``submit`` and their acknowledgement."""

    def __init__(self) -> None:
        self._batches: deque[SubmittedBatch] = deque()
        self._acked: set[int] = set()
        self._ends: set[int] = set()
        self._number = 0
        self.floor = 0
        """Position of the first message that is not acknowledged."""
        self.end = 0
        """Position of the next message to be added."""
        self.acked_through = 0
        """Number of the last batch of the unbroken prefix of done ones."""
        self.done: deque[SubmittedBatch] = deque()
        """The batches of the prefix, for the caller's thread to take out."""

    def add(  # noqa: PLR0913 - what is known of a batch
        self,
        messages: Sequence[Message],
        dead_letters: int = 0,
        *,
        recovered: Counter[str] | None = None,
        sequence: int = 0,
        still_open: Open = Open(),  # noqa: B008 - it never changes
        places: Mapping[str, str] = MappingProxyType({}),
    ) -> int:
        """Append a batch.

        Args:
            messages: What is to be published.
            dead_letters: How many of the batch go another way, as dead letters.
            recovered: Messages of the batch that a killed run has stored and not counted.
            sequence: Stream sequence of the newest of the batch that was stored before this run.
            still_open: As ``Known.open``, once the batch was looked up.
            places: As ``Acknowledged.places``, of this batch.
        """
        self._number += 1
        counts = _by_stream(messages) + (recovered or Counter())
        self._batches.append(
            SubmittedBatch(
                self._number, self.end, messages, dead_letters, sequence, still_open, counts, places
            )
        )
        self.end += len(messages)
        self._ends.add(self.end)
        self._finish()
        return self._number

    def messages(self, start: int, limit: int) -> list[Message]:
        """At most ``limit`` messages in order, from position ``start`` on, across batches."""
        run: list[Message] = []
        for batch in self._batches:
            if len(run) >= limit:
                break
            offset = start + len(run) - batch.start
            if offset < len(batch.messages):
                run += batch.messages[offset : offset + limit - len(run)]
        return run

    def ends_batch(self, position: int) -> bool:
        """Whether the message at ``position`` is the last of a batch: its place is asked for."""
        return position + 1 in self._ends

    def are_together(self, position: int, later: int) -> bool:
        """Whether the message at ``position`` is of the same batch as a later one."""
        return self._batch_of(later).start <= position

    def note(self, position: int, sequence: int) -> None:
        """The message at ``position`` is in the stream, at ``sequence``."""
        batch = self._batch_of(position)
        batch.sequence = max(batch.sequence, sequence)

    def place(self, start: int, end: int, sequence: int) -> None:
        """The messages from ``start`` to before ``end`` are in the stream, one after the other, the
        last of them at ``sequence``. What lies behind the prefix must not move its sequence: the
        next run would take for counted what is not.
        """
        for batch in self._batches:
            if start < batch.end <= end:
                batch.sequence = max(batch.sequence, sequence - (end - batch.end))

    def acked(self, position: int) -> bool:
        """Whether the message at ``position`` is acknowledged."""
        return position < self.floor or position in self._acked

    def ack(self, position: int) -> None:
        """Acknowledge one message; a second time changes nothing."""
        if position == self.floor:
            self.ack_before(position + 1)
        elif position > self.floor:
            self._acked.add(position)

    def ack_before(self, position: int) -> None:
        """Acknowledge every message before ``position``."""
        if position <= self.floor:
            return
        if self._acked:
            self._acked.difference_update(range(self.floor, position))
            while position in self._acked:
                self._acked.remove(position)
                position += 1
        self.floor = position
        if self._batches[0].end <= self.floor:
            self._finish()

    def dead_letter(self, position: int) -> int:
        """Make the message at ``position`` a dead letter; returns the number of its batch."""
        batch = self._batch_of(position)
        batch.dead_letters += 1
        self.discount(position)
        self.ack(position)
        return batch.number

    def discount(self, position: int) -> None:
        """The message at ``position`` is counted already, or is somebody else's."""
        batch = self._batch_of(position)
        batch.counts[batch.messages[position - batch.start].stream] -= 1

    def _batch_of(self, position: int) -> SubmittedBatch:
        for batch in self._batches:
            if batch.start <= position < batch.end:
                return batch
        msg = f"position {position} is not outstanding"
        raise ValueError(msg)

    def dead_letter_stored(self, number: int) -> None:
        """One dead letter of batch ``number`` is stored."""
        for batch in self._batches:
            if batch.number == number:
                batch.dead_letters -= 1
        self._finish()

    def _finish(self) -> None:
        while self._batches:
            done = self._batches[0]
            if done.end > self.floor or done.dead_letters:
                return
            self._batches.popleft()
            self._ends.discard(done.end)
            done.messages = ()
            self.done.append(done)
            self.acked_through = done.number
