"""What stands in the stream already and may be sent again. Pure.

Two rules, told apart by the message itself:

- A keyed or named message is known by its id, wherever it stands.
- A placed message has no id that comes again. What this pipeline has stored behind the sequence of
  the STATE that the tap starts from is what the tap is going to repeat: record by record, for as
  long as they agree. From the first that differs on, everything is new.

The same entries tell what to count: a message of this pipeline that no run has counted yet counts
when it is recognised.
"""

from __future__ import annotations

import sys
from collections import deque
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from target_nats_jetstream.errors import DataError
from target_nats_jetstream.identity import content_of, mark_of, place_of, placed_by, stream_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_nats_jetstream.message import Message
    from target_nats_jetstream.publisher.jetstream.stored import Stored


class Past(NamedTuple):
    """What the runs before this one have left, as far as the ledger tells."""

    since: int | None = None
    """Stream sequence of the last message before the STATE that the tap starts from; None where
    that is not known."""
    counted_through: int = sys.maxsize
    """Stream sequence up to which runs before this one have counted what they stored."""
    why_unknown: str = ""
    """Why ``since`` is not known, for people; empty where nobody has to be told."""
    places: Mapping[str, str] = MappingProxyType({})
    """By Singer stream, the place of its last placed message before that STATE."""


class Found(NamedTuple):
    """A message that is in the stream already."""

    id: str
    """Its own: that of a placed message is another one each time."""
    sequence: int
    counts: bool
    """Whether it is this pipeline's own and no run has counted it yet."""


class Open(NamedTuple):
    """What stands in the stream and may still be repeated: the sequences where it begins."""

    first: int = 0
    """Of the first message of this pipeline; 0 for none. A STATE must not be taken to lie behind
    it."""
    uncounted: int = 0
    """Of the first one that no run has counted; 0 for none. Nothing from there on must be taken for
    counted."""


class Known:
    """The messages that were in the stream before this run, as far as they were read back.

    Args:
        pipeline: This pipeline's name, as its messages carry it.
        past: From where on messages of this pipeline are going to be repeated, and which of them
            are counted.
        give_up_after: After so many new messages in a row nothing more is expected to be repeated.
    """

    def __init__(self, pipeline: str, past: Past, *, give_up_after: float) -> None:
        self._pipeline = pipeline
        self._since = sys.maxsize if past.since is None else past.since
        self._counted_through = past.counted_through
        self._repeated_behind = min(self._since, self._counted_through)
        self._last_places = past.places
        self._give_up_after = give_up_after
        self._ids: dict[str, tuple[int, str]] = {}
        self._places: dict[str, deque[tuple[str, int]]] = {}
        self._own: list[int] = []
        self._open: set[int] = set()
        self._first = self._first_uncounted = 0
        self._new_in_a_row = 0

    def __len__(self) -> int:
        """How many ids are known."""
        return len(self._ids)

    def add(self, messages: Iterable[Stored]) -> None:
        """Take in what was read back, in the order of the stream."""
        for stored in messages:
            sequence, message_id = stored.sequence, stored.id
            self._ids[message_id] = sequence, stored.digest
            is_ours = is_own(message_id, stored.pipeline, self._pipeline)
            if not is_ours or sequence <= self._repeated_behind:
                continue
            if sequence <= self._counted_through:
                self._first_uncounted += 1
            self._own.append(sequence)
            self._open.add(sequence)
            if sequence > self._since and placed_by(message_id) is not None:
                self._add_place(message_id, sequence)

    def _add_place(self, message_id: str, sequence: int) -> None:
        stream = stream_of(message_id)
        repeated = self._places.setdefault(stream, deque())
        repeated.append((message_id, sequence))
        if place_of(message_id) == self._last_places.get(stream):
            self._give_up(repeated)  # all up to this one came before the STATE

    def has_none_of(self, messages: Iterable[Message]) -> bool:
        """Whether all are new, told for many at once."""
        if not self._ids:
            return True
        if self._places and any(message.placed for message in messages):
            return False
        return self._ids.keys().isdisjoint(message.id for message in messages)

    def find(self, message: Message) -> Found | None:
        """Where ``message`` stands in the stream already; None where it is new.

        Raises:
            DataError: Another record has its id.
        """
        found = self._by_place(message) if message.placed else None
        found_id, sequence = found or (message.id, self._by_id(message))
        if not sequence:
            self._new_in_a_row += 1
            return None
        self._new_in_a_row = 0
        counts = sequence in self._open and sequence > self._counted_through
        self._open.discard(sequence)
        return Found(found_id, sequence, counts)

    def _by_id(self, message: Message) -> int:
        sequence, digest = self._ids.get(message.id, (0, ""))
        if sequence and message.digest:
            if not digest:
                return 0  # nothing proves it: the server's answer will tell
            check_same(message, digest)
        return sequence

    def _by_place(self, message: Message) -> tuple[str, int] | None:
        """The next message of the stream that is to be repeated, if it is this one."""
        repeated = self._places.get(stream_of(message.id))
        if not repeated:
            return None
        if content_of(repeated[0][0]) == message.content:
            return repeated.popleft()
        self._give_up(repeated)
        return None

    def _give_up(self, repeated: deque[tuple[str, int]]) -> None:
        """Expect none of these any more."""
        self._open.difference_update(sequence for _, sequence in repeated)
        repeated.clear()

    def passed(self, new: int) -> None:
        """Note that so many messages were new, all at once."""
        self._new_in_a_row += new

    @property
    def open(self) -> Open:
        """What is still to come, if it comes at all."""
        if self._new_in_a_row > self._give_up_after:
            self._open.clear()
        self._first = self._next_open(self._first)
        self._first_uncounted = self._next_open(max(self._first, self._first_uncounted))
        return Open(self._own_at(self._first), self._own_at(self._first_uncounted))

    def _next_open(self, index: int) -> int:
        while index < len(self._own) and self._own[index] not in self._open:
            index += 1
        return index

    def _own_at(self, index: int) -> int:
        return self._own[index] if index < len(self._own) else 0


def is_own(message_id: str, pipeline: str, ours: str) -> bool:
    """Whether a stored message is of the pipeline ``ours``: the id of a placed one tells, else the
    name in its header.
    """
    mark = placed_by(message_id)
    return pipeline == ours if mark is None else mark == mark_of(ours)


def check_same(message: Message, digest: str) -> None:
    """Refuse to take a named message for one that another record has made.

    Raises:
        DataError: The digests differ.
    """
    if message.digest != digest:
        reason = (
            f"two different records of stream {message.stream} have the message id {message.id}"
        )
        remedy = "Give `message_id` fields that tell the records apart, or remove the setting"
        raise DataError(reason, remedy)
