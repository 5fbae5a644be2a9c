"""What is compared: the rows of the input, and the copies of rows that the stream holds.

Both are made of message ids, so a row is read as a run would read it, and of the stream nothing has
to be read but headers. An id has two parts here: a name, which says which row it is, and what
differs when the row is another one. Pure.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from target_nats_jetstream.identity import (
    DIGEST_CHARACTERS,
    content_of,
    masked,
)
from target_nats_jetstream.message import Message  # noqa: TC001 - msgspec reads the annotation
from target_nats_jetstream.verify.values import normal, plain, readings, value_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from target_nats_jetstream.publisher.jetstream.stored import Stored

_TAIL: Final = DIGEST_CHARACTERS + 1


class Row(msgspec.Struct, frozen=True, gc=False):
    """A row of the input, once the message is made that a run would publish."""

    name: str
    content: str
    stream: str
    """The Singer stream, as ids begin with it."""
    value: str | None
    """The replication value, times in UTC; None where there is none."""
    local: str | None
    """The same, with times by their own clock."""
    number: int
    """Its place in the input."""
    placed: bool = False
    """Whether nothing but its content says which row it is: then there may be many of them."""
    message: Message | None = None
    """What is to be sent if the stream lacks it."""


class Copy(msgspec.Struct, frozen=True, gc=False):
    """A stored message."""

    name: str
    content: str
    stream: str
    """As with a row; empty where the id does not say."""
    value: str | None
    sequence: int
    """In the stream."""
    placed: bool = False


class Identity(NamedTuple):
    """The parts of a message id."""

    name: str
    content: str
    stream: str
    value: str | None
    """The replication value as it is written."""
    placed: bool


def identity_of(message_id: str, digest: str) -> Identity:
    """Take an id apart.

    Args:
        message_id: That of a stored message, or of one that a run would publish.
        digest: What the header says that ids by a template have beside them; else empty.
    """
    if digest:
        return Identity(message_id, digest, "", None, placed=False)
    stream, name, content = _stream_in(message_id), message_id[:-_TAIL], message_id[-_TAIL:]
    if content.startswith(":"):  # no placed id has a colon there
        return Identity(name, content, stream, value_of(name[len(stream) + 1 :]), placed=False)
    return Identity(content_of(message_id), "", stream, None, placed=True)


def row_of(
    message: Message, number: int, replication_key: str | None, *, payload: bool, keep: bool
) -> Row:
    """The row that a message is made of.

    Args:
        message: As a run would publish it.
        number: Its place in the input.
        replication_key: The column whose value is looked up where the id does not have it.
        payload: Whether payloads are compared as well.
        keep: Whether the message is going to be needed.
    """
    name, content, stream, value, placed = identity_of(message.id, message.digest)
    if value is None and replication_key:
        value = _value_in(message.payload, replication_key)
    if payload:
        content += digest_of(message.payload)
    utc, local = (None, None) if value is None else readings(value)
    stream, kept = stream or masked(message.stream), message if keep else None
    return Row(name, content, stream, utc, local, number, placed, kept)


def _stream_in(message_id: str) -> str:
    """The Singer stream of an id of any kind; keys may have colons, and it has none."""
    return message_id.partition(":")[0]


def _value_in(payload: bytes, column: str) -> str | None:
    record = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    value = record.get(column)
    return None if value is None or bytes(value) == b"null" else plain(value)


def copy_of(stored: Stored, streams: Collection[str]) -> Copy | None:
    """The copy that a stored message is; None where it is of none of ``streams``."""
    if not (stored.id + stored.digest).isascii():
        return None
    if not stored.digest and _stream_in(stored.id) not in streams:
        return None
    name, content, stream, value, placed = identity_of(stored.id, stored.digest)
    content += stored.payload
    return Copy(name, content, stream, value and normal(value), stored.sequence, placed)


def latest(copy: Copy) -> str:
    """The replication value of a copy that has one; of a time, the later one of both readings."""
    return max(readings(value_of(copy.name[len(copy.stream) + 1 :]) or ""))


def digest_of(payload: bytes) -> str:
    """What stands for a payload."""
    return sha256(payload).hexdigest()[:DIGEST_CHARACTERS]
