"""Where messages go that cannot be published: a stream of their own, else a file.

A dead letter is stored before its batch counts as done, so none disappears; a stream that does
not take it costs one short wait, so none blocks. Its id is that of the message, and sending it
again does no harm.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_nats_jetstream.publisher.failures import verdict_on
from target_nats_jetstream.publisher.jetstream.definition import letters_config
from target_nats_jetstream.publisher.jetstream.lifetime import EpochEnded
from target_nats_jetstream.publisher.jetstream.subjects import dead_letter_stream
from target_nats_jetstream.publisher.letter_file import append
from target_nats_jetstream.publisher.letters import to_headers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_nats_jetstream.publisher.intake import DeadLetter
    from target_nats_jetstream.publisher.jetstream.epoch import Epoch
    from target_nats_jetstream.publisher.settings import NatsSettings

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
