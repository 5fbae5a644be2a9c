"""What server and stream take, and which messages go beyond it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

from target_nats_jetstream.errors import DataError
from target_nats_jetstream.publisher.jetstream.subjects import captures
from target_nats_jetstream.publisher.jetstream.wire import FRAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_nats_jetstream.message import Message
    from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo

MAX_HEADER_BYTES = 65_535
MAX_SUBJECT_BYTES = 3_500
"""nats-server closes the connection at a protocol line of 4096 bytes, reply subject included."""
BATCH_HEADER_BYTES = 128
"""Room for Nats-Batch-Id, Nats-Batch-Sequence and Nats-Batch-Commit."""

Reason = Literal["too_large", "bad_header", "bad_subject", "no_stream", "refused", "invalid"]
"""Why a message is a dead letter: a part of its subject, and a label of its count."""

DATA_REMEDIES = {
    "too_large": "Raise max_payload or max_msg_size in NATS",
    "no_stream": "Add the subject to the stream",
    "bad_header": "Fix the row, or `headers` and `message_id`",
}

_payload, _subject, _headers = map(attrgetter, ("payload", "subject", "headers"))
_UNUSABLE = re.compile(r"[\s*>\x00-\x1f\x7f]|^\.|\.\.|\.$|^$")
_HEADER_KEY = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def header_bytes(message: Message) -> int:
    """Size of the headers on the wire: ``NATS/1.0``, the id, the message's own, an empty line; not
    that of the pipeline's name.
    """
    size = FRAME + len(message.id if message.id.isascii() else message.id.encode())
    for key, value in (message.headers or {}).items():
        size += len(key) + len(value if value.isascii() else value.encode()) + 4
    return size


def breaks_line(text: str) -> bool:
    """Whether a header with this value would be more than one."""
    return "\n" in text or "\r" in text


def size_limit(info: StreamInfo) -> int:
    """Largest size of headers and payload together that server and stream take."""
    return min(info.max_payload, info.max_msg_size if info.max_msg_size >= 0 else info.max_payload)


@dataclass(frozen=True, slots=True)
class Violation:
    """Why a message cannot be published, told without its content."""

    reason: Reason
    detail: str


def unpublishable(message: Message, violation: Violation) -> DataError:
    """The error that ends a run at a message: its id and sizes, never its content."""
    remedy = DATA_REMEDIES.get(violation.reason, "Fix the row or the template")
    return DataError(
        f"message {message.id} cannot be published: {violation.detail}",
        f"{remedy}, or set `on_error: dead_letter`",
    )


class Limits:
    """Whether messages can be published at all, judged before any of their bytes is sent.

    It has to be before: a header that goes over the limit makes the server close the connection,
    and within an atomic batch one refused message refuses its neighbours.
    """

    def __init__(self, info: StreamInfo, pipeline_line: str = "") -> None:
        self._info = info
        self._frame = len(pipeline_line)
        self._limit = size_limit(info)
        self._known_subjects: set[str] = set()

    def all_fit(self, messages: Sequence[Message]) -> bool:
        """Whether all are as nearly all messages are; if not, ``violation`` has to look at each.

        Together, because a call for each message costs more than what is looked at.
        """
        ids = [message.id for message in messages]
        together = "".join(ids)
        headers = self._frame + FRAME + max(map(len, ids), default=0)
        payload = max(map(len, map(_payload, messages)), default=0)
        return (
            together.isascii()
            and not breaks_line(together)
            and headers <= MAX_HEADER_BYTES
            and headers + payload <= self._limit
            and self._known_subjects.issuperset(map(_subject, messages))
            and not any(map(_headers, messages))
        )

    def violation(self, message: Message) -> Violation | None:
        """The reason why ``message`` cannot be published, or None when it can."""
        return self._header_violation(message) or self._subject_violation(message.subject)

    def _header_violation(self, message: Message) -> Violation | None:
        headers = self._frame + header_bytes(message)
        size = headers + len(message.payload)
        if size > self._limit:
            return Violation("too_large", f"{size:,} bytes with headers, limit {self._limit:,}")
        if headers > MAX_HEADER_BYTES:
            return Violation(
                "bad_header", f"headers of {headers:,} bytes, limit {MAX_HEADER_BYTES:,}"
            )
        own = message.headers or {}
        if not all(map(_HEADER_KEY.fullmatch, own)):
            return Violation("bad_header", "a header name that NATS does not allow")
        if any(map(breaks_line, (message.id, *own.values()))):
            return Violation("bad_header", "a header value with a line break in it")
        return None

    def _subject_violation(self, subject: str) -> Violation | None:
        if len(subject.encode(errors="replace")) > MAX_SUBJECT_BYTES:
            return Violation("bad_subject", f"subject of {len(subject):,} characters")
        if _UNUSABLE.search(subject):
            return Violation("bad_subject", "subject with blanks, wildcards or empty tokens")
        if subject in self._known_subjects:
            return None
        if not any(captures(pattern, subject) for pattern in self._info.subjects):
            return Violation("no_stream", f"stream {self._info.stream} does not capture {subject}")
        if len(self._known_subjects) >= 10_000:
            self._known_subjects.clear()
        self._known_subjects.add(subject)
        return None
