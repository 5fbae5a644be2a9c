"""A record that cannot be published: what its dead letter and its error say.

One record is wrong, not the run: with ``on_error: dead_letter`` it is put aside as it came, byte
for byte, and the run goes on. Either way people get to know where it stands, its key and the cause,
and nothing else that is in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from target_nats_jetstream.decoding import FIX_TAP
from target_nats_jetstream.errors import DataError, one_line
from target_nats_jetstream.shown import shown

if TYPE_CHECKING:
    from target_nats_jetstream.message import Message

FIX_SCHEMA = "Fix the tap or its catalog, set `validate_records: false` to publish it all the same"
FIX_ID = "Correct `message_id`"
FIX_MAP = "Correct `stream_maps`"


class WrongRecord(NamedTuple):
    """One record, and why it cannot be published.

    Args:
        message: Its dead letter; the payload is the record as it came.
        why: Without content of the record.
        key: As people look it up, ``ID=7``; None where that is not known.
        remedy: What helps, besides putting it aside.
    """

    message: Message
    why: str
    key: str | None = None
    remedy: str = FIX_TAP

    def detail(self, place: str) -> str:
        """What its dead letter says; ``place`` is that in the input: ``line 7``."""
        return one_line(f"{place}{self._key}: {self.why}")

    def error(self, place: str) -> DataError:
        """The error that ends the run."""
        return DataError(
            f"{place} is a record of stream {shown(self.message.stream)} that cannot be published"
            f"{self._key}: {self.why}",
            f"{self.remedy}, or set `on_error: dead_letter`",
        )

    @property
    def _key(self) -> str:
        return f" ({self.key})" if self.key else ""
