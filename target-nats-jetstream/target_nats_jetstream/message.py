"""What goes onto the wire for one record: subject, id, headers and payload.

The same row has the same id and the same bytes, always. That is what makes sending it again
harmless: JetStream recognises the id within its duplicate window, the publisher beyond it.
Therefore nothing random and no time of day goes into a message.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_nats_jetstream.subject import SubjectTemplate
    from target_nats_jetstream.template import Template

#: Namespace of the trace ids (RFC 9562, version 5): the trace id of a row is a function of its id.
TRACE_NAMESPACE = uuid.UUID("6f1c4a52-61d5-5d0e-9f0c-3a1d2b7e8c44")
MAX_ID_CHARACTERS = 256

_SAFE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
_encode = msgspec.json.Encoder(decimal_format="number", uuid_format="canonical").encode


class Message(NamedTuple):
    """One JetStream message, ready to send; ``id`` travels as ``Nats-Msg-Id``."""

    subject: str
    id: str
    payload: bytes
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class MessageBuilder:
    """Makes the messages of one Singer stream.

    Args:
        stream: The Singer stream.
        subject: The subject template.
        keys: The key properties; without any, the id is a hash of the payload, so that two rows
            that are equal in everything count as one.
        replication_key: The stream's replication key, when its SCHEMA names one: the id changes
            when the row does. Without it, or where it is null, a hash of the payload stands in.
        added: Fields that a record gets when it does not have them itself (``data_type``).
        add_trace_id: Whether a record that has no ``trace_id`` gets one.
        id_template: What the id is made of instead, when the operator knows better.
        headers: Templates of more headers, by name.
    """

    stream: str
    subject: SubjectTemplate
    keys: Sequence[str] = ()
    replication_key: str | None = None
    added: Mapping[str, object] = field(default_factory=dict)
    add_trace_id: bool = True
    id_template: Template | None = None
    headers: Mapping[str, Template] = field(default_factory=dict)

    def build(self, record: Mapping[str, object]) -> Message:
        """The message of ``record``."""
        message_id = self.message_id(record)
        payload = {**record}
        for name, value in self.added.items():
            payload.setdefault(name, value)
        if self.add_trace_id:
            payload.setdefault("trace_id", uuid.uuid5(TRACE_NAMESPACE, message_id))
        subject = self.subject.subject(self.stream, record)
        return Message(subject, message_id, _encode(payload), self._headers(record))

    def _headers(self, record: Mapping[str, object]) -> Mapping[str, str] | None:
        if not self.headers:
            return None
        return {
            name: template.render(self.stream, record, _header)
            for name, template in self.headers.items()
        }

    def message_id(self, record: Mapping[str, object]) -> str:
        """The id of ``record``; what a header cannot hold as it is becomes a hash."""
        if self.id_template is not None:
            text = self.id_template.render(self.stream, record, _part)
        else:
            text = self._derived_id(record)
        fits = len(text) <= MAX_ID_CHARACTERS and text.isascii() and text.isprintable()
        # NATS clients strip the values of headers.
        return text if fits and text == text.strip() else _hash(text.encode(errors="replace"))

    def _derived_id(self, record: Mapping[str, object]) -> str:
        """Stream, key and replication value, joined by colons."""
        parts = [_part(self.stream), *(_part(record.get(key)) for key in self.keys)]
        changed = record.get(self.replication_key) if self.keys and self.replication_key else None
        parts.append(_hash(_encode(record)) if changed is None else str(changed))
        return ":".join(parts)


def _part(value: object) -> str:
    """A part of an id; its own colons are masked: ``1:2, 3`` and ``1, 2:3`` are two keys."""
    return str(value).replace("%", "%25").replace(":", "%3A")


def _header(value: object) -> str:
    """The value of a header: printable ASCII, everything else percent-encoded; null is empty."""
    return "" if value is None else quote(str(value), safe=_SAFE)


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
