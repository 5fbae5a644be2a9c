"""Sending dead letters again, once what was wrong with them is fixed.

A letter leaves its place only after the stream has acknowledged the message. One that still cannot
be published stays where it is and keeps no other one back; so does a message that is no letter.
"""

from __future__ import annotations

import base64
import dataclasses
import logging
from email.parser import BytesHeaderParser
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from target_nats_jetstream.errors import DataError, UnreachableError
from target_nats_jetstream.publisher.failures import Lost
from target_nats_jetstream.publisher.inspection import ask
from target_nats_jetstream.publisher.jetstream.lifetime import EpochEnded
from target_nats_jetstream.publisher.jetstream.subjects import dead_letter_stream
from target_nats_jetstream.publisher.letter_file import CHUNK, take_out
from target_nats_jetstream.publisher.letters import INVALID, from_headers
from target_nats_jetstream.publisher.limits import Limits
from target_nats_jetstream.publisher.publisher import Publisher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_nats_jetstream.message import Message
    from target_nats_jetstream.publisher.jetstream.epoch import Epoch
    from target_nats_jetstream.publisher.letters import StoredLetter
    from target_nats_jetstream.publisher.settings import NatsSettings

ACK_SECONDS = 60.0

logger = logging.getLogger(__name__)


@dataclasses.dataclass(slots=True)
class Replayed:
    """What became of the dead letters of the stream and of the file.

    Args:
        published: How many were published, and removed from where they were.
        invalid: How many stay because a wrong record would be wrong again: the tap has to send a
            correct one.
        unpublishable: How many stay because the server or the stream does not accept them. Each is
            reported in a warning.
        foreign: How many messages or lines stay because they are not dead letters.
    """

    published: int = 0
    invalid: int = 0
    unpublishable: int = 0
    foreign: int = 0


def replay_dead_letters(settings: NatsSettings) -> Replayed:
    """Publish the dead letters of the stream and of the file that can be published now.

    Raises:
        TargetError: NATS failed. Run it again: a letter that was published is not stored again.
    """
    replay = _Replay(settings)
    try:
        _from_stream(settings, replay)
        take_out(Path(settings.dead_letter_file), replay.take)
    finally:
        replay.close()
    return replay.replayed


class _Replay:
    """A publisher for letters, and what became of them."""

    def __init__(self, settings: NatsSettings) -> None:
        self._settings = msgspec.structs.replace(settings, on_error="fail")
        self.replayed = Replayed()
        self._start()

    def _start(self) -> None:
        self._publisher = Publisher(self._settings, ())
        self._limits = Limits(self._publisher.start())

    def close(self) -> None:
        self._publisher.close(timeout=5)

    def take(self, letters: Sequence[StoredLetter | None]) -> list[bool]:
        """Publish those that can be published; returns for each whether it is in the stream now."""
        messages = [self._fitting(letter) for letter in letters]
        stored = {id(message) for message in self._publish(list(filter(None, messages)))}
        self.replayed.published += len(stored)
        return [message is not None and id(message) in stored for message in messages]

    def _fitting(self, letter: StoredLetter | None) -> Message | None:
        """What can be published of it, as far as that is known before it is tried."""
        if letter is None:
            self.replayed.foreign += 1
        elif letter.reason == INVALID:
            self.replayed.invalid += 1
        elif violation := self._limits.violation(letter.replayed):
            self._tell(letter.message, violation.detail)
        else:
            return letter.replayed
        return None

    def _publish(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Those that are in the stream now: if one ends the publisher, the others come by
        themselves.
        """
        try:
            if messages:
                self._submit(messages)
        except DataError as error:
            self.close()
            self._start()
            if len(messages) > 1:
                return [stored for one in messages for stored in self._publish([one])]
            self._tell(messages[0], error.reason)
            return []
        return messages

    def _submit(self, messages: Sequence[Message]) -> None:
        number = self._publisher.submit(messages)
        if not self._publisher.wait(number, ACK_SECONDS):
            raise self._publisher.failure or UnreachableError(
                f"dead letters were not acknowledged within {ACK_SECONDS:g} s", "Run it again"
            )

    def _tell(self, message: Message, why: str) -> None:
        self.replayed.unpublishable += 1
        logger.warning("dead letter %s cannot be published: %s", message.id, why)


def _from_stream(settings: NatsSettings, replay: _Replay) -> None:
    stream, after = dead_letter_stream(settings.stream), 0
    while letters := ask(settings, partial(_read, stream=stream, after=after)):
        done = replay.take([letter for _, letter in letters])
        seqs = [seq for (seq, _), gone in zip(letters, done, strict=True) if gone]
        ask(settings, partial(_delete, stream=stream, seqs=seqs))
        after = letters[-1][0]


async def _read(epoch: Epoch, *, stream: str, after: int) -> list[tuple[int, StoredLetter | None]]:
    """The next messages after sequence ``after``; none where there is no such stream.

    Raises:
        EpochEnded: There is no answer, or one that comes again: that would have no end.
    """
    letters: list[tuple[int, StoredLetter | None]] = []
    while len(letters) < CHUNK:
        wanted = {"seq": after + 1, "next_by_subj": ">"}
        try:
            found = (await epoch.api(f"STREAM.MSG.GET.{stream}", wanted))["message"]
        except EpochEnded as ended:
            if ended.is_not_found:
                break
            raise
        if found["seq"] <= after:
            raise EpochEnded(
                Lost(f"it was asked for message {after + 1} of {stream} or a later one")
            )
        after = found["seq"]
        headers = BytesHeaderParser().parsebytes(
            base64.b64decode(found.get("hdrs") or "").removeprefix(b"NATS/1.0\r\n")
        )
        payload = base64.b64decode(found.get("data") or "")
        plain = {name: str(value) for name, value in headers.items()}
        letters.append((after, from_headers(plain, payload)))
    return letters


async def _delete(epoch: Epoch, *, stream: str, seqs: Sequence[int]) -> None:
    for seq in seqs:
        await epoch.api(f"STREAM.MSG.DELETE.{stream}", {"seq": seq})
