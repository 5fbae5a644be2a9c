"""Where messages go that cannot be published: a stream of their own, else a file.

A dead letter is stored before its batch counts as done, so none disappears; a stream that does
not take it costs one short wait, so none blocks. Its id is that of the message, and sending it
again does no harm.
"""

from __future__ import annotations

import base64
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, unquote

import msgspec

from target_nats_jetstream.errors import ConfigurationError, DataError
from target_nats_jetstream.message import Message
from target_nats_jetstream.private_files import open_private
from target_nats_jetstream.publisher.failures import verdict_on
from target_nats_jetstream.publisher.jetstream.definition import letters_config
from target_nats_jetstream.publisher.jetstream.epoch import EpochEnded
from target_nats_jetstream.publisher.jetstream.subjects import dead_letter_stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_nats_jetstream.publisher.intake import DeadLetter
    from target_nats_jetstream.publisher.jetstream.epoch import Epoch
    from target_nats_jetstream.publisher.settings import NatsSettings

SUBJECT, REASON, DETAIL, HEADERS = (
    f"Dead-Letter-{name}" for name in ("Subject", "Reason", "Detail", "Headers")
)
#: The reason of a record that is wrong itself, whatever server and stream take.
INVALID: Final = "invalid"
PLACE_SECONDS = 2.0

logger = logging.getLogger(__name__)


class DeadLetters:
    """Stores dead letters, for one epoch."""

    def __init__(self, settings: NatsSettings, epoch: Epoch) -> None:
        self._epoch = epoch
        self._stream = settings.stream
        self._create = settings.create_stream != "off"
        self._file = Path(settings.dead_letter_file)
        self._usable = True

    async def store(self, letter: DeadLetter) -> None:
        """Store one letter in the stream, or in the file when NATS does not take it.

        Raises:
            DataError: The file cannot be written either.
            EpochEnded: The epoch is over; the letter is still to be stored.
        """
        if not await self._to_stream(letter):
            append(self._file, letter)
        logger.warning(
            "dead letter %s: %s (%s)",
            letter.message.id,
            letter.violation.detail,
            letter.violation.reason,
            extra={"message_id": letter.message.id, "reason": letter.violation.reason},
        )

    async def _to_stream(self, letter: DeadLetter) -> bool:
        headers = to_headers(letter)
        size = (
            len(letter.message.payload) + sum(len(k) + len(v) + 4 for k, v in headers.items()) + 12
        )
        if not self._usable or size > self._epoch.max_payload:
            return False
        try:
            await self._ensure_stream()
            answer = await self._epoch.request(
                f"dlq.{self._stream}.{letter.violation.reason}",
                letter.message.payload,
                headers,
                seconds=PLACE_SECONDS,
            )
        except EpochEnded as ended:
            self._epoch.check()
            why = verdict_on(ended.failure, stream=dead_letter_stream(self._stream)).why
            logger.warning("dead letters go to %s: NATS does not accept them (%s)", self._file, why)
            self._usable = False
            return False
        return self._is_stored(letter, json.loads(answer))

    def _is_stored(self, letter: DeadLetter, answer: Mapping[str, Any]) -> bool:
        """Whether the stream of dead letters has taken it: an answer that refuses names it, too."""
        if error := answer.get("error"):
            why = error.get("description", "refused")
            logger.warning("dead letter %s goes to %s: %s", letter.message.id, self._file, why)
            return False
        return answer.get("stream") == dead_letter_stream(self._stream)

    async def _ensure_stream(self) -> None:
        """Create the stream, unless somebody has: with limits of its own, it is used as it is."""
        if self._create:
            name = dead_letter_stream(self._stream)
            config = letters_config(self._stream, self._epoch.version)
            try:
                await self._epoch.api(f"STREAM.CREATE.{name}", config)
            except EpochEnded as ended:
                if not ended.is_name_in_use:
                    raise
            self._create = False


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


def append(file: Path, letter: DeadLetter) -> None:
    """Append one line to the file, down to the disk.

    Raises:
        DataError: It cannot be written.
    """
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
    try:
        with open_private(file, "a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")
            lines.flush()
            os.fsync(lines.fileno())
    except OSError as error:
        reason = f"dead letter {message.id} cannot be written to {file}: {error.strerror}"
        raise DataError(reason, "Set `dead_letter_file` to a file that can be written") from error


def count_in(file: Path) -> int:
    """How many dead letters the file holds; none where it is not there.

    Raises:
        ConfigurationError: It cannot be read.
    """
    try:
        with file.open("rb") as lines:
            return sum(1 for line in lines if line.strip())
    except FileNotFoundError:
        return 0
    except OSError as error:
        reason = f"cannot read the dead letters in {file}: {error.strerror}"
        raise ConfigurationError(reason, "Make `dead_letter_file` readable") from error


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
