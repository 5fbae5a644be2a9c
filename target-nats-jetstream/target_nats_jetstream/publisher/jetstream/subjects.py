"""Which subjects a subject filter covers, and those of dead letters. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo


REPLAYS: Final = "txlog.replay"
"""What the subjects of all replays begin with."""


def taken_by(subject: str) -> str:
    """The filter by which a stream is to take ``subject``: of a replay, that of all of them."""
    every = f"{REPLAYS}.>"
    return every if captures(every, subject) else subject


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


def consumer_filter(info: StreamInfo, ours: Sequence[str]) -> str | None:
    """The filter that leaves only our messages in, or None where none is needed or possible."""
    if all(any(captures(own, subject) for own in ours) for subject in info.subjects):
        return None
    if len(ours) == 1 and any(captures(subject, ours[0]) for subject in info.subjects):
        return ours[0]
    return None


def dead_letter_stream(stream: str) -> str:
    """The stream of the dead letters of ``stream``."""
    return f"{stream}_DLQ"


def dead_letter_subjects(stream: str) -> str:
    """The filter for all dead letters of ``stream``; the last token is the reason.

    It begins with ``dlq.`` and not with the message's own subject: that one may be what is wrong
    with the message, and a filter like ``txlog.>`` would capture it for the stream that cannot have
    it.
    """
    return f"dlq.{stream}.>"
