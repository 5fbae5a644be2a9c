"""What of a batch is in the stream already, and where. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Self

from target_nats_jetstream.identity import place_of, stream_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_nats_jetstream.message import Message
    from target_nats_jetstream.publisher.known import Found


class Lookup:
    """What the messages of a batch turned out to be: new, or in the stream already."""

    def __init__(self) -> None:
        self.new: list[Message] = []
        self.known = 0
        self.newest = 0
        """Stream sequence of the newest that is known."""
        self.recovered: Counter[str] = Counter()
        self.places: dict[str, str] = {}

    def add(self, message: Message, found: Found | None) -> None:
        """Take in one message, and where it stands already."""
        if found is None:
            self.new.append(message)
        else:
            self.known += 1
            self.newest = max(self.newest, found.sequence)
            self.recovered[message.stream] += found.counts
        if message.placed:
            self._note(message.id if found is None else found.id)

    @classmethod
    def of_new(cls, messages: Sequence[Message]) -> Self:
        """All of them are new: a call for each would cost more than the rest."""
        lookup = cls()
        lookup.new = list(messages)
        for message_id in [message.id for message in messages if message.placed]:
            lookup._note(message_id)
        return lookup

    def _note(self, message_id: str) -> None:
        self.places[stream_of(message_id)] = place_of(message_id)
