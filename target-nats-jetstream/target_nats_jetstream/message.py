"""What goes onto the wire for one record: subject, id, headers and payload.

The same record has the same bytes, always. Its id depends on what can be proven about it:

- A record with a key *and* a replication value (**keyed**): Singer stream, key, replication value
  and a digest of the record. Two such records with one id are one record sent twice.
- Any other record (**placed**): an equal one is a new event, because a value may come back. Its id
  is of Singer stream, digest and a place: pipeline, run and number in the run. So no two of them
  share one. After a kill the publisher recognises what is sent again by its place in the stream
  (``publisher.known``).
- A record that replaces the last one of its key (**upsert**) is always a placed one, because a
  value that comes back has to replace the one between. Its message is an empty one with the header
  of NATS KV where the row was deleted.
- A record whose id the operator makes by a template (**named**): the digest travels in a header, so
  that one id for two different records is noticed.

Values are written as JSON has them: null, ``"null"``, 1, ``"1"`` and true are five keys.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - msgspec reads the annotation
from hashlib import sha256
from itertools import repeat
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from target_nats_jetstream.identity import (
    DIGEST_CHARACTERS,
    content_of,
    fits,
    fitting,
    masked,
    new_places,
    short,
)
from target_nats_jetstream.template import header_text, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from target_nats_jetstream.subject import SubjectTemplate
    from target_nats_jetstream.template import Template

Records: TypeAlias = "Sequence[Mapping[str, Any]]"

#: The digit that carries a UUID's variant, by the digit in its place (RFC 9562, 4.1).
_VARIANTS = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
#: Carries the digest of a record whose id is made by a template.
DIGEST_HEADER = "Record-Digest"
#: The field by which Singer taps tell that a row was deleted.
DELETED_AT = "_sdc_deleted_at"
#: How NATS KV marks that a key has no value any more.
DELETED: Mapping[str, str] = {"KV-Operation": "DEL"}

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_payload = attrgetter("payload")
_encode, _encode_lines = _ENCODER.encode, _ENCODER.encode_lines


class Message(msgspec.Struct, frozen=True, gc=False):
    """One JetStream message, ready to send.

    ``id`` travels as ``Nats-Msg-Id``. ``placed`` says that the part behind its last colon is a
    place, and that what stands before it may come again for an equal record.
    """

    subject: str
    id: str
    payload: bytes
    headers: Mapping[str, str] | None = None
    stream: str = ""
    placed: bool = False

    @property
    def content(self) -> str:
        """What a placed message is recognised by: its id without the place."""
        return content_of(self.id)

    @property
    def digest(self) -> str:
        """The digest of a named record; empty where the id itself has it."""
        return (self.headers or {}).get(DIGEST_HEADER, "")


class MessageBuilder:
    """Makes the messages of one Singer stream, of many records at a time: a call for each of the
    steps of each record would cost more than the steps.

    Args:
        stream: The Singer stream.
        subject: The subject template.
        keys: The key properties.
        replication_key: The stream's replication key, when its SCHEMA names one.
        title: The SCHEMA's title, which tells two tables of one name apart.
        places: Where the places of placed records come from; shared by all streams of a run.
        added: Fields that a record gets when it does not have them itself (``data_type``).
        add_trace_id: Whether a record that has no ``trace_id`` gets one.
        id_template: What the id is made of instead, when the operator knows better.
        headers: Templates of more headers, by name.
        before: What all ids begin with, those of templates too.
    """

    def __init__(  # noqa: PLR0913 - each is one setting
        self,
        stream: str,
        subject: SubjectTemplate,
        keys: Sequence[str] = (),
        *,
        replication_key: str | None = None,
        title: str = "",
        places: Iterator[str] | None = None,
        added: Mapping[str, object] | None = None,
        add_trace_id: bool = True,
        id_template: Template | None = None,
        headers: Mapping[str, Template] | None = None,
        before: str = "",
    ) -> None:
        self._stream = stream
        self._is_upsert = subject.keys is not None
        self._subject = subject.by_key(keys) if self._is_upsert else subject
        self._places = new_places("") if places is None else places
        self._before = before
        self._prefix = before + masked(stream)
        self._seed = _encode([stream, title])
        self.is_keyed = bool(keys and replication_key and not self._is_upsert)
        """Whether key and replication value tell the records of this stream apart."""
        self._columns = (*keys, replication_key or "") if self.is_keyed else ("", "")
        self._take = itemgetter(*self._columns)
        self._added = {name: _member(name, value) for name, value in (added or {}).items()}
        self._add_trace_id = add_trace_id
        self._names = frozenset({*self._added, *(("trace_id",) if add_trace_id else ())})
        self._id_template = id_template
        self._needed = () if id_template is None else tuple(id_template.columns())
        self._headers = headers or {}

    def build(
        self, records: Records, encoded: Sequence[bytes], came: Sequence[bytes] | None = None
    ) -> list[Message]:
        """The messages of ``records``.

        Args:
            records: The records.
            encoded: The same as JSON objects, without blanks around them. They become the payloads
                as they are, so that no number and no character changes on the way.
            came: The records before this target added anything to them, where it did: what it adds
                (a time of day, for one) does not make another record.
        """
        digests = self._digests(encoded if came is None else came)
        subjects = self._subject.subjects(self._stream, records)
        payloads = self._payloads(records, encoded, digests)
        placed: Iterable[bool] = repeat(False)
        if self._id_template is not None:
            ids = self._named(records, digests)
        else:
            ids, placed = self._derived(records, digests)
        messages = list(
            map(
                Message,
                subjects,
                ids,
                payloads,
                self._all_headers(records, digests),
                repeat(self._stream),
                placed,
            )
        )
        if self._is_upsert:
            return list(map(_or_deleted, messages, records))
        return messages

    def dead_letter(self, came: bytes, record: Mapping[str, object] | None = None) -> Message:
        """The dead letter of a record that is not published.

        Its id has neither key nor replication value: they may be what is wrong, and ids are logged.

        Args:
            came: The record as it came.
            record: The same, where it could be decoded.
        """
        (digest,) = self._digests([came])
        subject = self._subject.sample()
        if record is not None:
            (subject,) = self._subject.subjects(self._stream, [record])
        if self.is_keyed:
            return Message(subject, f"{self._prefix}:{short(digest)}", came, None, self._stream)
        return Message(subject, self._placed_id(digest), came, None, self._stream, placed=True)

    def lacks(self, record: Mapping[str, object]) -> str | None:
        """A field that the id is made of by template, and that has no value in ``record``."""
        return next((name for name in self._needed if record.get(name) is None), None)

    def can_name_all(self, records: Records) -> bool:
        """Whether none of ``records`` lacks such a field."""
        return not self._needed or not any(map(self.lacks, records))

    @property
    def rule(self) -> str:
        """What tells two records of the stream from one that is sent again, for people."""
        if self._id_template is not None:
            return "duplicates are detected by the id from `message_id`"
        if self._is_upsert:
            return "the last record of each key is kept, under a subject of its own"
        if self.is_keyed:
            return "duplicates are detected by key, replication key and content"
        return (
            "without a key and a replication key every record is stored; after a kill, resent "
            "records are recognised by position"
        )

    # Identity

    def _digests(self, encoded: Sequence[bytes]) -> list[str]:
        seed = self._seed
        return [sha256(seed + text).hexdigest()[:DIGEST_CHARACTERS] for text in encoded]

    def _derived(
        self, records: Records, digests: Sequence[str]
    ) -> tuple[list[str], Iterable[bool]]:
        """Keyed ids, and placed ones where nothing tells records apart; and which are placed."""
        if not self.is_keyed:
            return list(map(self._placed_id, digests)), repeat(True)
        keys, together = self._keys(records)
        parts = keys if fits(together, max(map(len, keys), default=0)) else map(fitting, keys)
        prefix = self._prefix
        ids = [f"{prefix}:{key}:{digest}" for key, digest in zip(parts, digests, strict=True)]
        if "null" not in together:
            return ids, repeat(False)
        placed = [any(record.get(name) is None for name in self._columns) for record in records]
        each = zip(ids, digests, placed, strict=True)
        return [self._placed_id(d) if is_placed else id_ for id_, d, is_placed in each], placed

    def _placed_id(self, digest: str) -> str:
        return f"{self._prefix}:{short(digest)}:{next(self._places)}"

    def _keys(self, records: Records) -> tuple[list[str], str]:
        """Key and replication value of each record as a JSON array; and all of them together."""
        try:
            values = list(map(self._take, records))
        except KeyError:
            values = [tuple(map(record.get, self._columns)) for record in records]
        lines = _encode_lines(values).decode()
        return lines.split("\n")[:-1], lines.replace("\n", "")

    def _named(self, records: Records, digests: Sequence[str]) -> list[str]:
        """Ids by the operator's template; what a header cannot hold as it is becomes a hash."""
        template, ids = self._id_template, []
        assert template is not None  # noqa: S101 - asked before
        for record, digest in zip(records, digests, strict=True):
            text = template.render(self._stream, record, _part)
            ids.append(self._before + (digest if self.lacks(record) else fitting(text)))
        return ids

    # Payload and headers

    def _payloads(
        self, records: Records, encoded: Sequence[bytes], digests: Sequence[str]
    ) -> list[bytes]:
        traces = trace_ids(digests) if self._add_trace_id else [b""] * len(digests)
        if not (all(records) and all(map(self._names.isdisjoint, records))):
            each = zip(records, encoded, traces, strict=True)
            return [self._completed(*one) for one in each]  # some are empty or have such a field
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

    def _all_headers(
        self, records: Records, digests: Sequence[str]
    ) -> Iterator[Mapping[str, str] | None]:
        if self._id_template is not None:
            own = zip(records, digests, strict=True)
            return ({**self._rendered(one), DIGEST_HEADER: digest} for one, digest in own)
        return map(self._rendered, records) if self._headers else repeat(None)

    def _rendered(self, record: Mapping[str, object]) -> Mapping[str, str]:
        return {
            name: template.render(self._stream, record, _header)
            for name, template in self._headers.items()
        }


def payload_bytes(messages: Sequence[Message]) -> int:
    """The size of all payloads together."""
    return sum(map(len, map(_payload, messages)))


def encode(record: Mapping[str, object]) -> bytes:
    """``record`` as JSON; a ``Decimal`` is a number with all its digits."""
    return _encode(record)


def trace_ids(digests: Sequence[str]) -> list[bytes]:
    """UUIDs made of digests: of version 8, which is for such (RFC 9562, 5.8)."""
    texts = [
        f"{d[:8]}-{d[8:12]}-8{d[13:16]}-{_VARIANTS[d[16]]}{d[17:20]}-{d[20:32]}" for d in digests
    ]
    return list(map(str.encode, texts))


def _member(name: str, value: object) -> bytes:
    return b",%b:%b" % (_encode(name), _encode(value))


def _or_deleted(message: Message, record: Mapping[str, object]) -> Message:
    """The message, or that its key has no value any more where the row was deleted."""
    if record.get(DELETED_AT) is None:
        return message
    headers = {**(message.headers or {}), **DELETED}
    return msgspec.structs.replace(message, payload=b"", headers=headers)


def _part(value: object) -> str:
    """A part of an id; its own colons are masked: ``1:2, 3`` and ``1, 2:3`` are two keys."""
    return text_of(value).replace("%", "%25").replace(":", "%3A")


def _header(value: object) -> str:
    """The value of a header: printable ASCII, everything else percent-encoded; null is empty."""
    return "" if value is None else header_text(text_of(value))
