"""What is known of the stream and its server, and what follows from it. Pure.

Facts come from the server's own answers, read anew on every connection: a version number alone does
not tell what a stream allows, and servers before 2.12 ignore fields that they do not know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from target_nats_jetstream.publisher.wire import FRAME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_nats_jetstream.message import Message

ATOMIC_SINCE = (2, 12, 1)
"""2.12.0 knows atomic batches but refuses messages with an id in them (10177)."""
FAST_SINCE = (2, 14, 0)
MAX_HEADER_BYTES = 65_535
MAX_SUBJECT_BYTES = 3_500
"""nats-server closes the connection at a protocol line of 4096 bytes, reply subject included."""
BATCH_HEADER_BYTES = 128
"""Room for Nats-Batch-Id, Nats-Batch-Sequence and Nats-Batch-Commit."""
NANOSECONDS = 10**9
KEPT_MESSAGES, KEPT_BYTES, KEPT_SECONDS = 100_000, 64 * 1024 * 1024, 60.0
"""What a stream keeps at least if a fast-ingest batch is to be read back: many times its size."""

_payload, _subject, _headers = map(attrgetter, ("payload", "subject", "headers"))
_UNUSABLE = re.compile(r"[\s*>\x00-\x1f\x7f]|^\.|\.\.|\.$|^$")
_HEADER_KEY = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """A stream as its server describes it."""

    stream: str
    subjects: tuple[str, ...]
    version: tuple[int, int, int]
    max_payload: int
    max_msg_size: int
    """-1: no limit of its own; so for the three that follow."""
    max_msgs: int
    max_msgs_per_subject: int
    max_bytes: int
    max_age: float
    """Seconds; 0: no limit."""
    replicas: int
    storage: str
    discard: str
    retention: str
    transformed: bool
    """Whether messages are stored under other subjects than they were sent to."""
    allow_atomic: bool
    allow_batched: bool
    duplicate_window: float
    """Seconds."""
    messages: int
    first_seq: int
    last_seq: int
    server: str = ""
    """URL of the server that answered."""
    created: str = ""
    """When the stream was created, as the server writes it."""

    @classmethod
    def from_info(
        cls,
        info: Mapping[str, Any],
        *,
        version: tuple[int, int, int],
        max_payload: int,
        server: str,
    ) -> StreamFacts:
        """Read the answer to STREAM.INFO."""
        config, state = info["config"], info["state"]
        return cls(
            stream=config["name"],
            subjects=tuple(config.get("subjects") or ()),
            version=version,
            max_payload=max_payload,
            max_msg_size=config.get("max_msg_size", -1),
            max_msgs=config.get("max_msgs") or -1,
            max_msgs_per_subject=config.get("max_msgs_per_subject") or -1,
            max_bytes=config.get("max_bytes") or -1,
            max_age=config.get("max_age", 0) / NANOSECONDS,
            replicas=config.get("num_replicas", 1),
            storage=config.get("storage", "file"),
            discard=config.get("discard", "old"),
            retention=config.get("retention", "limits"),
            transformed=bool(config.get("subject_transform")),
            allow_atomic=bool(config.get("allow_atomic")),
            allow_batched=bool(config.get("allow_batched")),
            duplicate_window=config.get("duplicate_window", 0) / NANOSECONDS,
            messages=state["messages"],
            first_seq=state["first_seq"],
            last_seq=state["last_seq"],
            server=server,
            created=info.get("created", ""),
        )

    @property
    def identity(self) -> str:
        """What tells this stream from one that had its name before, and other sequences."""
        return f"{self.stream} {self.created}"

    @property
    def keeps_what_is_read(self) -> bool:
        """Whether the ids of stored messages can be read: not where consuming removes them, or
        where they have other subjects than ours.
        """
        return self.retention == "limits" and not self.transformed

    @property
    def keeps_a_batch(self) -> bool:
        """Whether what was stored a moment ago can be read: limits may have removed it already."""
        removed_at = [self.max_msgs_per_subject]
        if self.discard == "old":
            removed_at.append(self.max_msgs)
        few = any(0 <= limit < KEPT_MESSAGES for limit in removed_at)
        small = self.discard == "old" and 0 <= self.max_bytes < KEPT_BYTES
        return not few and not small and not 0 < self.max_age < KEPT_SECONDS

    @property
    def window_keeps_order(self) -> bool:
        """Whether messages in flight cannot overtake one that is refused or lost.

        They can where a leader may change under them, and where a full stream refuses one and takes
        the next because a consumer made room in between.
        """
        return self.replicas == 1 and self.discard == "old"


@dataclass(frozen=True, slots=True)
class ModeChoice:
    """How to publish, and why so."""

    mode: str
    why: str


def choose_mode(
    asked: str, facts: StreamFacts, refused: Mapping[str, str] = MappingProxyType({})
) -> ModeChoice:
    """The fastest mode that keeps the order.

    Args:
        asked: The setting; nothing faster is chosen.
        facts: What stream and server allow.
        refused: Modes that did not do, and why.
    """
    if asked in {"window", "sync"}:
        return ModeChoice(asked, "as set")
    missing: list[str] = []
    for mode in _batch_modes(asked, facts):
        if not (why := _unavailable(mode, facts, refused)):
            return ModeChoice(mode, "; ".join(missing) or "stream and server allow it")
        missing.append(why)
    why = "; ".join(missing)
    if facts.window_keeps_order:
        return ModeChoice("window", why)
    return ModeChoice(
        "sync", f"{why}; and only one message in flight keeps the order in this stream"
    )


def _batch_modes(asked: str, facts: StreamFacts) -> Sequence[str]:
    """The modes with batches that may be tried, the best one first."""
    if asked == "atomic":
        return ("atomic",)
    if asked == "auto" and facts.replicas > 1:  # a batch is replicated as one
        return ("atomic", "fast")
    return ("fast", "atomic")


def _unavailable(mode: str, facts: StreamFacts, refused: Mapping[str, str]) -> str:
    """Why ``mode`` cannot be used; empty where it can."""
    since, setting, allowed = {
        "fast": (FAST_SINCE, "allow_batched", facts.allow_batched),
        "atomic": (ATOMIC_SINCE, "allow_atomic", facts.allow_atomic),
    }[mode]
    if mode in refused:
        return f"mode {mode} did not do, {refused[mode]}"
    if facts.version < since:
        return f"mode {mode} needs nats-server {'.'.join(map(str, since))}"
    if not allowed:
        return f"mode {mode} needs {setting} on the stream"
    if mode == "fast" and not (facts.keeps_what_is_read and facts.keeps_a_batch):
        return f"mode {mode} needs a stream that keeps messages for a while, under their subjects"
    return ""


def singly_mode(facts: StreamFacts) -> str:
    """How to send the messages of a refused batch: not as a batch, and in order."""
    return "window" if facts.window_keeps_order else "sync"


def captures(pattern: str, subject: str) -> bool:
    """Whether the subject filter ``pattern`` covers ``subject``, which may be a filter itself."""
    wanted, given = pattern.split("."), subject.split(".")
    for index, part in enumerate(wanted):
        if part == ">":
            return len(given) > index
        if index >= len(given) or given[index] == ">":
            return False
        if part not in {"*", given[index]}:
            return False
    return len(wanted) == len(given)


def consumer_filter(facts: StreamFacts, ours: Sequence[str]) -> str | None:
    """The filter that leaves only our messages in, or None where none is needed or possible."""
    if all(any(captures(own, subject) for own in ours) for subject in facts.subjects):
        return None
    if len(ours) == 1 and any(captures(subject, ours[0]) for subject in facts.subjects):
        return ours[0]
    return None


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


def size_limit(facts: StreamFacts) -> int:
    """Largest size of headers and payload together that server and stream take."""
    return min(
        facts.max_payload, facts.max_msg_size if facts.max_msg_size >= 0 else facts.max_payload
    )


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a message cannot be published, told without its content."""

    reason: str
    detail: str


class Fitness:
    """Whether messages can be published at all, judged before any of their bytes is sent.

    It has to be before: a header that goes over the limit makes the server close the connection,
    and within an atomic batch one refused message refuses its neighbours.
    """

    def __init__(self, facts: StreamFacts, pipeline_line: str = "") -> None:
        self._facts = facts
        self._frame = len(pipeline_line)
        self._limit = size_limit(facts)
        self._known_subjects: set[str] = set()

    def all_fit(self, messages: Sequence[Message]) -> bool:
        """Whether all are as nearly all messages are; where not, ``unfit`` has to look at each.

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

    def unfit(self, message: Message) -> Unfit | None:
        """The reason why ``message`` cannot be published, or None when it can."""
        return self._unfit_header(message) or self._unfit_subject(message.subject)

    def _unfit_header(self, message: Message) -> Unfit | None:
        headers = self._frame + header_bytes(message)
        size = headers + len(message.payload)
        if size > self._limit:
            return Unfit("too_large", f"{size:,} bytes with headers, limit {self._limit:,}")
        if headers > MAX_HEADER_BYTES:
            return Unfit("too_large", f"headers of {headers:,} bytes, limit {MAX_HEADER_BYTES:,}")
        own = message.headers or {}
        if not all(map(_HEADER_KEY.fullmatch, own)):
            return Unfit("bad_header", "a header name that NATS does not allow")
        if any(map(breaks_line, (message.id, *own.values()))):
            return Unfit("bad_header", "a header value with a line break in it")
        return None

    def _unfit_subject(self, subject: str) -> Unfit | None:
        if len(subject.encode(errors="replace")) > MAX_SUBJECT_BYTES:
            return Unfit("bad_subject", f"subject of {len(subject):,} characters")
        if _UNUSABLE.search(subject):
            return Unfit("bad_subject", "subject with blanks, wildcards or empty tokens")
        if subject in self._known_subjects:
            return None
        if not any(captures(pattern, subject) for pattern in self._facts.subjects):
            return Unfit("no_stream", f"stream {self._facts.stream} does not capture {subject}")
        if len(self._known_subjects) >= 10_000:
            self._known_subjects.clear()
        self._known_subjects.add(subject)
        return None
