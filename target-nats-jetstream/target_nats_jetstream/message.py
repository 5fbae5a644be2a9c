"""What goes onto the wire for one record: subject, id, headers and payload.

The same row has the same id and the same bytes, always. That is what makes sending it again
harmless: JetStream recognises the id within its duplicate window, the publisher beyond it.
Therefore nothing random and no time of day goes into a message.
"""

from __future__ import annotations

import hashlib
import uuid
from hashlib import sha1
from itertools import repeat
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_nats_jetstream.subject import SubjectTemplate
    from target_nats_jetstream.template import Template

Records: TypeAlias = "Sequence[Mapping[str, Any]]"

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
    """Makes the messages of one Singer stream, of many records at a time: a call for each of the
    steps of each record would cost more than the steps.

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
        self._add_trace_id = add_trace_id
        self._names = frozenset({*self._added, *(("trace_id",) if add_trace_id else ())})
        self._id_template = id_template
        self._headers = headers or {}

    def build(self, records: Records, encoded: Sequence[bytes]) -> list[Message]:
        """The messages of ``records``.

        Args:
            records: The records.
            encoded: The same as JSON objects, without blanks around them. They become the payloads
                as they are, so that no number and no character changes on the way.
        """
        ids = self.message_ids(records, encoded)
        subjects = self._subject.subjects(self._stream, records)
        payloads = self._payloads(records, encoded, ids)
        headers = map(self._rendered, records) if self._headers else repeat(None)
        return list(map(Message, subjects, ids, payloads, headers))

    def _payloads(
        self, records: Records, encoded: Sequence[bytes], ids: Sequence[str]
    ) -> list[bytes]:
        traces = trace_ids(ids) if self._add_trace_id else [b""] * len(ids)
        if b"{}" in encoded or not all(map(self._names.isdisjoint, records)):
            each = zip(records, encoded, traces, strict=True)
            return [self._completed(*one) for one in each]  # some have a field of their own
        added = b"".join(self._added.values())
        if not self._add_trace_id:
            return [text[:-1] + added + b"}" for text in encoded]
        added += b',"trace_id":"'
        return [
            b'%b%b%b"}' % (text[:-1], added, trace)
            for text, trace in zip(encoded, traces, strict=True)
        ]

    def _completed(self, record: Mapping[str, object], encoded: bytes, trace: bytes) -> bytes:
        added = b"".join(text for name, text in self._added.items() if name not in record)
        if self._add_trace_id and "trace_id" not in record:
            added += b',"trace_id":"%b"' % trace
        return encoded[:-1] + (added if record else added[1:]) + b"}"

    def _rendered(self, record: Mapping[str, object]) -> Mapping[str, str]:
        return {
            name: template.render(self._stream, record, _header)
            for name, template in self._headers.items()
        }

    def message_ids(self, records: Records, encoded: Sequence[bytes]) -> list[str]:
        """The ids of ``records``; what a header cannot hold as it is becomes a hash."""
        if (template := self._id_template) is not None:
            texts = [template.render(self._stream, record, _part) for record in records]
        else:
            texts = self._derived_ids(records, encoded)
        together = "".join(texts)
        fit = together.isascii() and together.isprintable() and " " not in together
        if fit and max(map(len, texts), default=0) <= MAX_ID_CHARACTERS:
            return texts
        return list(map(_fitting, texts))

    def _derived_ids(self, records: Records, encoded: Sequence[bytes]) -> list[str]:
        """Stream, key and replication value, joined by colons."""
        columns = [_parts([record.get(key) for record in records]) for key in self._keys]
        name = self._replication_key
        changed = [record.get(name) for record in records] if name else repeat(None, len(records))
        last = [
            _hash(text) if value is None else str(value)
            for value, text in zip(changed, encoded, strict=True)
        ]
        stream = repeat(_part(self._stream), len(last))
        return list(map(":".join, zip(stream, *columns, last, strict=True)))


def encode(record: Mapping[str, object]) -> bytes:
    """``record`` as JSON; a ``Decimal`` is a number with all its digits."""
    return _encode(record)


def trace_ids(message_ids: Sequence[str]) -> list[bytes]:
    """The trace ids of messages: ``uuid.uuid5`` of their ids, at a third of its cost."""
    digests = [
        sha1(_TRACE_SEED + message_id.encode(), usedforsecurity=False).hexdigest()
        for message_id in message_ids
    ]
    texts = (
        f"{d[:8]}-{d[8:12]}-5{d[13:16]}-{_VARIANTS[d[16]]}{d[17:20]}-{d[20:32]}" for d in digests
    )
    return list(map(str.encode, texts))


def _member(name: str, value: object) -> bytes:
    return b",%b:%b" % (_encode(name), _encode(value))


def _parts(values: Sequence[object]) -> list[str]:
    """Parts of ids; numbers have no colons in them."""
    return list(map(str if set(map(type, values)) == {int} else _part, values))


def _part(value: object) -> str:
    """A part of an id; its own colons are masked: ``1:2, 3`` and ``1, 2:3`` are two keys."""
    return str(value).replace("%", "%25").replace(":", "%3A")


def _header(value: object) -> str:
    """The value of a header: printable ASCII, everything else percent-encoded; null is empty."""
    return "" if value is None else quote(str(value), safe=_SAFE)


def _fitting(text: str) -> str:
    """``text``, or its hash where a header cannot hold it; NATS clients strip the values."""
    fits = len(text) <= MAX_ID_CHARACTERS and text.isascii() and text.isprintable()
    return text if fits and text == text.strip() else _hash(text.encode(errors="replace"))


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
