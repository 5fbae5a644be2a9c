"""What goes onto the wire for one record: subject, id, headers and payload.

The same row has the same id and the same bytes, always. That is what makes sending it again
harmless: JetStream recognises the id within its duplicate window, the publisher beyond it.
Therefore nothing random and no time of day goes into a message.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_nats_jetstream.subject import SubjectTemplate
    from target_nats_jetstream.template import Template

#: Namespace of the trace ids (RFC 9562, version 5): the trace id of a row is a function of its id.
TRACE_NAMESPACE = uuid.UUID("6f1c4a52-61d5-5d0e-9f0c-3a1d2b7e8c44")
_TRACE_SEED = TRACE_NAMESPACE.bytes
#: The digit that carries the variant, by the digit of the digest in its place (RFC 9562, 4.1).
_VARIANTS = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
MAX_ID_CHARACTERS = 256

_SAFE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Message(msgspec.Struct, frozen=True, gc=False):
    """One JetStream message, ready to send; ``id`` travels as ``Nats-Msg-Id``."""

    subject: str
    id: str
    payload: bytes
    headers: Mapping[str, str] | None = None


class MessageBuilder:
    """Makes the messages of one Singer stream.

    Args:
        stream: The Singer stream.
        subject: The subject template.
        keys: The key properties; without any, the id is a hash of the record's JSON, so that two
            rows that are equal in everything count as one.
        replication_key: The stream's replication key, when its SCHEMA names one: the id changes
            when the row does. Without it, or where it is null, a hash of the record's JSON stands
            in.
        added: Fields that a record gets when it does not have them itself (``data_type``).
        add_trace_id: Whether a record that has no ``trace_id`` gets one.
        id_template: What the id is made of instead, when the operator knows better.
        headers: Templates of more headers, by name.
    """

    def __init__(  # noqa: PLR0913 - each is one setting
        self,
        stream: str,
        subject: SubjectTemplate,
        keys: Sequence[str] = (),
        *,
        replication_key: str | None = None,
        added: Mapping[str, object] | None = None,
        add_trace_id: bool = True,
        id_template: Template | None = None,
        headers: Mapping[str, Template] | None = None,
    ) -> None:
        self._stream = stream
        self._subject = subject
        self._keys = keys
        self._replication_key = replication_key if keys else None
        self._added = {name: _member(name, value) for name, value in (added or {}).items()}
        self._all_added = b"".join(self._added.values())
        self._add_trace_id = add_trace_id
        self._id_template = id_template
        self._id_start = _part(stream) + ":"
        self._headers = headers or {}

    def build(self, record: Mapping[str, object], encoded: bytes) -> Message:
        """The message of ``record``.

        Args:
            record: The record.
            encoded: The same as a JSON object, without blanks around it. It becomes the payload as
                it is, so that no number and no character changes on the way.
        """
        id_ = self.message_id(record, encoded)
        more = self._all_added
        if not record.keys().isdisjoint(self._added):
            more = b"".join(text for name, text in self._added.items() if name not in record)
        if self._add_trace_id and "trace_id" not in record:
            more += b',"trace_id":"%b"' % trace_id(id_).encode()
        payload = encoded[:-1] + (more if record else more[1:]) + b"}"
        return Message(
            self._subject.subject(self._stream, record),
            id_,
            payload,
            self._rendered(record) if self._headers else None,
        )

    def _rendered(self, record: Mapping[str, object]) -> Mapping[str, str]:
        return {
            name: template.render(self._stream, record, _header)
            for name, template in self._headers.items()
        }

    def message_id(self, record: Mapping[str, object], encoded: bytes) -> str:
        """The id of ``record``; what a header cannot hold as it is becomes a hash."""
        if self._id_template is not None:
            text = self._id_template.render(self._stream, record, _part)
        else:
            text = self._derived_id(record, encoded)
        fits = len(text) <= MAX_ID_CHARACTERS and text.isascii() and text.isprintable()
        # NATS clients strip the values of headers.
        return text if fits and text == text.strip() else _hash(text.encode(errors="replace"))

    def _derived_id(self, record: Mapping[str, object], encoded: bytes) -> str:
        """Stream, key and replication value, joined by colons."""
        text = self._id_start
        for key in self._keys:
            text += _part(record.get(key)) + ":"
        changed = record.get(self._replication_key) if self._replication_key else None
        return text + (_hash(encoded) if changed is None else str(changed))


def encode(record: Mapping[str, object]) -> bytes:
    """``record`` as JSON; a ``Decimal`` is a number with all its digits."""
    return _encode(record)


def trace_id(message_id: str) -> str:
    """The trace id of a message: ``uuid.uuid5`` of its id, at a third of its cost."""
    digest = hashlib.sha1(_TRACE_SEED + message_id.encode(), usedforsecurity=False).hexdigest()
    variant = _VARIANTS[digest[16]]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def _member(name: str, value: object) -> bytes:
    return b",%b:%b" % (_encode(name), _encode(value))


def _part(value: object) -> str:
    """A part of an id; its own colons are masked: ``1:2, 3`` and ``1, 2:3`` are two keys."""
    text = str(value)
    return text if text.isalnum() else text.replace("%", "%25").replace(":", "%3A")


def _header(value: object) -> str:
    """The value of a header: printable ASCII, everything else percent-encoded; null is empty."""
    return "" if value is None else quote(str(value), safe=_SAFE)


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
