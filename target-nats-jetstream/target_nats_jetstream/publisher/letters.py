"""A dead letter as it is written down: the headers of a message, or a line of a file. Pure."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, unquote

import msgspec

from target_nats_jetstream.identity import of_no_run
from target_nats_jetstream.message import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_nats_jetstream.publisher.intake import DeadLetter

SUBJECT, REASON, DETAIL, HEADERS = (
    f"Dead-Letter-{name}" for name in ("Subject", "Reason", "Detail", "Headers")
)
#: The reason of a record that is wrong itself, whatever server and stream take.
INVALID: Final = "invalid"


def to_headers(letter: DeadLetter) -> dict[str, str]:
    """The headers of a dead letter: ASCII, whatever was in the message."""
    message = letter.message
    return {
        "Nats-Msg-Id": message.id,
        SUBJECT: quote(message.subject, safe=".*>"),
        REASON: letter.violation.reason,
        DETAIL: quote(letter.violation.detail, safe=" ,.:;()'\""),
        **({HEADERS: json.dumps(dict(message.headers))} if message.headers else {}),
    }


class StoredLetter(NamedTuple):
    """A dead letter that was put away: the message, and the reason in one word."""

    message: Message
    reason: str

    @property
    def replayed(self) -> Message:
        """The message as it is published again: by nobody's run, so that none looks for it among
        what its tap repeats.
        """
        return msgspec.structs.replace(self.message, id=of_no_run(self.message.id))


def from_headers(headers: Mapping[str, str], payload: bytes) -> StoredLetter | None:
    """The letter that a message in the stream is; None for a message of somebody else.

    Whoever may write to that stream must not make a message of ours do what only NATS does, such as
    roll up the stream: a letter never has a header of NATS.
    """
    try:
        own = msgspec.json.decode(headers.get(HEADERS, "{}"), type=dict[str, str])
        message_id, subject = headers["Nats-Msg-Id"], unquote(headers[SUBJECT])
        reason = headers[REASON]
    except (KeyError, ValueError, msgspec.DecodeError):
        return None
    if _has_nats_headers(own):
        return None
    return StoredLetter(Message(subject, message_id, payload, headers=own or None), reason)


def _has_nats_headers(headers: Mapping[str, str]) -> bool:
    return any(name.lower().startswith("nats-") for name in headers)


def to_line(letter: DeadLetter) -> str:
    """The line of the file that holds a dead letter."""
    message = letter.message
    line: dict[str, Any] = {
        "id": message.id,
        "subject": message.subject,
        "reason": letter.violation.reason,
        "detail": letter.violation.detail,
        "headers": dict(message.headers or {}),
    }
    try:
        line["payload"] = message.payload.decode()
    except UnicodeDecodeError:
        line["payload_base64"] = base64.b64encode(message.payload).decode()
    return json.dumps(line) + "\n"


class _Line(msgspec.Struct):
    """A line of the file; the payload is text, or base64 where it is none."""

    id: str
    subject: str
    reason: str
    headers: dict[str, str]
    payload: str = ""
    payload_base64: str = ""


def from_line(text: bytes | str) -> StoredLetter | None:
    """The letter that a line of the file holds; None where it holds none."""
    try:
        line = msgspec.json.decode(text, type=_Line)
        payload = base64.b64decode(line.payload_base64) or line.payload.encode()
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    if _has_nats_headers(line.headers):
        return None
    message = Message(line.subject, line.id, payload, headers=line.headers or None)
    return StoredLetter(message, line.reason)
