"""What a stream's server says of it, and what follows from that alone. Pure.

It is read on every connection: a version number alone does not say what a stream allows, and
servers before 2.12 ignore fields that they do not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ATOMIC_SINCE = (2, 12, 1)
"""2.12.0 knows atomic batches but refuses messages with an id in them (10177)."""
FAST_SINCE = (2, 14, 0)
NANOSECONDS = 10**9
KEPT_MESSAGES, KEPT_BYTES, KEPT_SECONDS = 100_000, 64 * 1024 * 1024, 60.0
"""What a stream keeps at least if a fast-ingest batch is to be read back: many times its size."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
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
    bytes: int = 0
    """What the messages take in the store."""
    oldest: float = 0
    """Seconds since the oldest message was stored, as the server told them."""
    sealed: bool = False
    """Whether nothing can be added any more."""
    mirrors: str = ""
    """The stream of which this one is a copy: nobody can publish to it."""
    refuses_next: bool = False
    """Whether a full subject refuses the next message, and keeps the one that it has."""
    acknowledges: bool = True
    """Whether a message is answered at all."""

    @classmethod
    def from_answer(
        cls,
        answer: Mapping[str, Any],
        *,
        version: tuple[int, int, int],
        max_payload: int,
        server: str,
    ) -> StreamInfo:
        """Read the answer to STREAM.INFO."""
        config, state = answer["config"], answer["state"]
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
            created=answer.get("created", ""),
            bytes=state.get("bytes", 0),
            oldest=_oldest(answer),
            sealed=bool(config.get("sealed")),
            mirrors=(config.get("mirror") or {}).get("name", ""),
            refuses_next=bool(config.get("discard_new_per_subject")),
            acknowledges=not config.get("no_ack"),
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
    def is_trimmed(self) -> bool:
        """Whether the limits of the stream have removed its first messages, or may have."""
        return self.first_seq > 1 and (
            self.max_age > 0 or self.max_msgs >= 0 or self.max_bytes >= 0
        )

    @property
    def keeps_last(self) -> bool:
        """Whether it keeps the last message of each subject, and no other one."""
        return self.max_msgs_per_subject == 1 and not self.refuses_next and self.keeps_what_is_read

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


def kept_by(info: StreamInfo) -> str:
    """What keeps a stream from holding the last message of each subject, and no other one."""
    if not info.keeps_what_is_read:
        return "a subject_transform" if info.transformed else f"retention {info.retention}"
    if info.refuses_next:
        return "discard_new_per_subject"
    return f"max_msgs_per_subject {info.max_msgs_per_subject}"


def _oldest(answer: Mapping[str, Any]) -> float:
    state = answer["state"]
    if not state["messages"]:
        return 0
    now = answer.get("ts", state["last_ts"])  # servers before 2.10 do not tell the time
    return (datetime.fromisoformat(now) - datetime.fromisoformat(state["first_ts"])).total_seconds()
