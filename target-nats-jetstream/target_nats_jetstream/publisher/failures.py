"""What a failure means: the failure table as data. Pure.

The modes report what they saw, this table says what follows, the sender does it. Codes and their
meaning are those of nats-server's ``server/errors.json``; a code that is not in the table follows
from its HTTP class: the server's trouble passes, a refused request does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from target_nats_jetstream.errors import (
    AccessDeniedError,
    ConfigurationError,
    DataError,
    TargetError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class Action(Enum):
    """What the next connection does with the messages that are not acknowledged."""

    RESEND = auto()
    """Send them again in the same way."""
    SINGLY = auto()
    """Send those of the batch as single messages, then go on as before."""
    PREFER_ATOMIC = auto()
    """The same, then go on in atomic batches, if they may be chosen."""
    FALL_BACK = auto()
    """Send them, and all that follow, in the next slower mode."""
    SMALLER = auto()
    """Send them in batches of half the size."""
    DEAD_LETTER = auto()
    """Never send the one that was refused: it is a dead letter."""
    STOP = auto()
    """Nothing will help: end the run."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection ended, or the server stopped answering."""

    cause: str


@dataclass(frozen=True, slots=True)
class NoResponders:
    """No stream listens on the subject at the moment."""

    subject: str


@dataclass(frozen=True, slots=True)
class Forbidden:
    """The server reported a permissions violation; nats-py tells only its error callback."""

    error: AccessDeniedError


@dataclass(frozen=True, slots=True)
class Refused:
    """The stream answered with an error."""

    code: int
    err_code: int
    description: str


@dataclass(frozen=True, slots=True)
class NoBatch:
    """An answer is not that of a batch of ours."""

    answer: str


@dataclass(frozen=True, slots=True)
class Rewound:
    """The stream ends before a message that it has acknowledged."""

    last_seq: int
    acked_seq: int


@dataclass(frozen=True, slots=True)
class Tight:
    """A message fits the limits by itself, but not with the headers of a batch."""

    position: int


@dataclass(frozen=True, slots=True)
class Mismatch:
    """All messages of a batch are in the stream, but it has moved by another number of messages:
    some were in it already, or others write to it, or both.
    """

    sent: int
    moved: int


@dataclass(frozen=True, slots=True)
class Slow:
    """Fewer messages than this are stored in a second, one by one."""

    rate: int


Failure = Lost | NoResponders | Forbidden | Refused | NoBatch | Rewound | Tight | Mismatch | Slow


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do, why, and the error to end with: for STOP at once, else after ``max_outage``."""

    action: Action
    why: str
    error: TargetError | None = None


#: err_code -> action, where the answer does not follow from the HTTP class of the error.
ACTIONS: Mapping[int, Action] = {
    10002: Action.RESEND,  # account resources exceeded: until something is removed
    10028: Action.RESEND,  # memory resources exceeded
    10047: Action.RESEND,  # storage resources exceeded
    10054: Action.DEAD_LETTER,  # message larger than max_msg_size
    10059: Action.RESEND,  # stream not found: it was there, so it recovers or was removed
    10097: Action.DEAD_LETTER,  # headers larger than 64 KiB
    10109: Action.STOP,  # the stream is sealed
    10158: Action.RESEND,  # the same id is being stored by another leader at this moment
    10174: Action.FALL_BACK,  # atomic publish is disabled
    10175: Action.FALL_BACK,  # batch sequence is missing
    10176: Action.RESEND,  # the batch is incomplete: a part was lost, or ten seconds of silence
    10177: Action.FALL_BACK,  # a header that atomic batches do not support
    10179: Action.FALL_BACK,  # invalid batch id
    10198: Action.FALL_BACK,  # mirrors take no atomic batches
    10199: Action.SMALLER,  # more messages than the server allows in a batch
    10200: Action.FALL_BACK,  # invalid commit
    10201: Action.SINGLY,  # an id of the batch is known: nothing of the batch was stored
    10205: Action.FALL_BACK,  # fast-ingest is disabled
    10206: Action.FALL_BACK,  # its pattern is not understood
    10207: Action.FALL_BACK,  # invalid batch id
    10208: Action.RESEND,  # the batch was closed: ten seconds of silence
    10209: Action.FALL_BACK,  # mirrors take no fast-ingest
    10211: Action.FALL_BACK,  # more of its batches are open than the server allows
}

_PASSING_CLASSES = frozenset({408, 409, 429})


def verdict_on(  # noqa: PLR0911 - one case, one answer
    failure: Failure, *, stream: str, messages: int = 1, again: bool = False
) -> Verdict:
    """The verdict on ``failure``.

    Args:
        failure: What was seen.
        stream: The stream, for the error's text.
        messages: How many messages it may concern.
        again: The same happened before, without any progress in between.
    """
    match failure:
        case Lost(cause):
            return Verdict(Action.RESEND, cause)
        case NoResponders(subject):
            return Verdict(Action.RESEND, f"nobody answers on {subject}", _silent(subject, stream))
        case Forbidden(error):
            return Verdict(Action.STOP, error.reason, error)
        case NoBatch(answer):
            return Verdict(Action.FALL_BACK, f"a batch was not answered as one: {answer}")
        case Rewound(last_seq, acked_seq):
            reason = f"stream {stream} ends at {last_seq}, but message {acked_seq} was acknowledged"
            remedy = "Restore the stream, or run again from an older state"
            return Verdict(Action.RESEND, reason, TargetError(reason, remedy))
        case Mismatch():
            return _verdict_on_mismatch(failure)
        case Slow(rate):
            why = f"the server stores fewer than {rate:,} messages per second"
            return Verdict(Action.PREFER_ATOMIC, why)
        case Tight(position):
            return Verdict(Action.SINGLY, f"message {position} leaves no room for batch headers")
        case Refused():
            return _verdict_on_refusal(failure, stream, messages, again=again)


def _silent(subject: str, stream: str) -> ConfigurationError:
    if "JS." in subject:
        return ConfigurationError(
            f"JetStream does not answer on {subject}",
            "Turn JetStream on for the server and the account, or set `domain`",
        )
    return ConfigurationError(
        f"stream {stream} does not answer on {subject}", "Check the stream and its leader"
    )


def _verdict_on_mismatch(mismatch: Mismatch) -> Verdict:
    sent, moved = mismatch.sent, mismatch.moved
    if moved > sent:
        return Verdict(Action.PREFER_ATOMIC, "others are writing to the stream")
    return Verdict(Action.SINGLY, f"{sent} messages moved the stream by {moved}")


def _verdict_on_refusal(refusal: Refused, stream: str, messages: int, *, again: bool) -> Verdict:
    passing = refusal.code >= 500 or refusal.code in _PASSING_CLASSES
    action = ACTIONS.get(refusal.err_code, Action.RESEND if passing else Action.STOP)
    if messages > 1 and (action is Action.DEAD_LETTER or (refusal.err_code == 10176 and again)):
        action = Action.SINGLY  # one message of the batch is refused: find out which
    if messages > 1 and again and refusal.err_code == 10077:
        action = Action.SMALLER  # what is full for a batch may have room for a part of it
    why = f"{refusal.description} (error {refusal.err_code})"
    reason = f"stream {stream} refuses messages: {why}"
    match action:
        case Action.DEAD_LETTER:
            remedy = "Raise the limit, or set `on_error: dead_letter`"
            return Verdict(action, why, DataError(reason, remedy))
        case Action.STOP:
            remedy = "Change the stream's configuration, then run again"
            return Verdict(action, why, ConfigurationError(reason, remedy))
        case _:
            remedy = "Check the stream. The next run resends unacknowledged messages"
            return Verdict(action, why, TargetError(reason, remedy))
