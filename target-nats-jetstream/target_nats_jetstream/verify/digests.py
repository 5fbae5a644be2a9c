"""Comparing digests instead of rows: of each bucket of time, the number of rows and one sum.

The source adds up what id and key of each row hash to, and the same is done here with the ids of
messages. So nothing of a row is kept, and nothing but numbers is held for a bucket; in return a
digest cannot name a row, nor tell whether its content is the same. A bucket that differs is
compared once more, by its records. Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from hashlib import md5
from typing import TYPE_CHECKING, Final

import msgspec

from target_nats_jetstream.errors import DataError
from target_nats_jetstream.identity import DIGEST_CHARACTERS, masked
from target_nats_jetstream.verify.values import key_of, normal, order, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_nats_jetstream.message import Message
    from target_nats_jetstream.publisher.jetstream.stored import Stored
    from target_nats_jetstream.verify.scope import Scope

SUFFIX: Final = "_digests"
"""Of the Singer stream that has the digests of another one."""
FIRST_DIGIT: Final = 17
"""Of the 32 hexadecimal digits of a hash, those from here on are added."""
_TAIL: Final = DIGEST_CHARACTERS + 1
_UTC: Final = "+00:00"
_MICROSECONDS: Final = len("2026-11-01T07:00:00.000000")


class SourceDigest(msgspec.Struct, frozen=True):
    """What a source says of the rows from ``since`` on and before ``before``."""

    stream: str
    since: str
    before: str
    rows: int
    digest: str


def digest_in(message: Message) -> SourceDigest | None:
    """The digest that a message would carry; None for that of a row."""
    if not message.stream.endswith(SUFFIX):
        return None
    try:
        return msgspec.json.decode(message.payload, type=SourceDigest)
    except msgspec.DecodeError:
        return None


class Bucket:
    """A digest of the source, and that of the messages so far."""

    __slots__ = ("messages", "source", "total")

    def __init__(self, source: SourceDigest) -> None:
        self.source = source
        self.messages = self.total = 0

    @property
    def is_equal(self) -> bool:
        """Whether both have the same rows."""
        return (self.messages, str(self.total)) == (self.source.rows, self.source.digest)


class Digests:
    """All buckets. Add those of the source first, then count the messages."""

    def __init__(self) -> None:
        self._buckets: dict[str, list[Bucket]] = {}
        self._starts: dict[str, list[str]] = {}

    def __bool__(self) -> bool:
        """Whether the source has sent digests."""
        return bool(self._buckets)

    def add(self, source: SourceDigest) -> None:
        """Take a digest of the source.

        Raises:
            DataError: It is of fewer than no rows or of no time, or begins before the last one of
                its stream has ended.
        """
        stream = masked(source.stream)
        if source.rows < 0:
            reason = f"a digest of stream {stream} counts {source.rows} rows"
            raise DataError(reason, "Send those of --digest as they come")
        before = self._buckets.setdefault(stream, [])
        is_next = not before or before[-1].source.before <= source.since
        if not is_next or source.since >= source.before:
            reason = f"the digests of stream {stream} are not in order"
            raise DataError(reason, "Send those of --digest as they come")
        before.append(Bucket(source))
        self._starts.setdefault(stream, []).append(source.since)

    def count(self, messages: Iterable[Stored], scope: Scope) -> None:
        """Add messages to the buckets in which they are."""
        for stored in messages:
            message_id = stored.id
            stream, _, rest = message_id.partition(":")
            if (starts := self._starts.get(stream)) is None or rest[-_TAIL : -_TAIL + 1] != ":":
                continue
            row, at = row_text(rest[:-_TAIL])
            if not at:
                continue
            if scope.is_trimmed:
                scope.begins_with(stream, at)
            place = bisect_right(starts, at) - 1
            bucket = self._buckets[stream][place]
            if place >= 0 and at < bucket.source.before:
                bucket.messages += 1
                bucket.total += hash_of(f"{row}|{at}")

    def buckets(self) -> Iterator[Bucket]:
        """All of them, in their order."""
        for buckets in self._buckets.values():
            yield from buckets

    def is_compared(self, bucket: Bucket, scope: Scope) -> bool:
        """Whether the pipeline has come to the end of a bucket, and nothing of it has expired."""
        stream, source = masked(bucket.source.stream), bucket.source
        end = scope.end_of(stream)
        if end is not None and order(source.before) > order(padded(end)):
            return False
        return not scope.has_lost(stream, source.since)


def row_text(key: str) -> tuple[str, str]:
    """Id and time in the key of a message id, as a source adds them up; no time for none."""
    start = key.rfind('"', 0, -2) + 1
    written = key[start:-2]
    if "\\" not in key and key[1:2].isdigit() and written.endswith(_UTC):  # as most are
        time = written[: -len(_UTC)]
        if len(time) == _MICROSECONDS and key.startswith("[") and "," not in key[1 : start - 2]:
            return key[1 : start - 2], f"{time}000"
    value = value_of(key)
    return key_of(key), "" if value is None else padded(normal(value))


def padded(time: str) -> str:
    """A time with nine digits of the second."""
    return time if "." not in time and len(time) != 19 else time.ljust(20, ".").ljust(29, "0")


def hash_of(row: str) -> int:
    """What is added for a row."""
    return int(md5(row.encode(), usedforsecurity=False).hexdigest()[FIRST_DIGIT:], 16)
