"""Finding out what runs before this one have stored: how far to read back, and what to warn of.

JetStream recognises an id only within its duplicate window. Beyond it, what is sent again is
recognised by what is read back here: everything behind the STATE that the tap starts from, where
the ledger knows its place in the stream, and ``dedupe_tail`` messages of this pipeline at least.
"""

from __future__ import annotations

import base64
import logging
import math
import time
from contextlib import aclosing
from operator import attrgetter
from typing import TYPE_CHECKING

from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.message import DIGEST_HEADER
from target_nats_jetstream.publisher.jetstream.lifetime import EpochEnded
from target_nats_jetstream.publisher.jetstream.read_back import read_after, read_newest
from target_nats_jetstream.publisher.known import Known, is_own

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from target_nats_jetstream.publisher.intake import Suspect
    from target_nats_jetstream.publisher.jetstream.epoch import Epoch
    from target_nats_jetstream.publisher.jetstream.stored import Stored
    from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo
    from target_nats_jetstream.publisher.known import Past
    from target_nats_jetstream.publisher.settings import NatsSettings

MAX_SEARCHED = 10
"""Where others write to our subjects too, so many times ``dedupe_tail`` messages are looked at for
those of ours."""

logger = logging.getLogger(__name__)


def reads_back(settings: NatsSettings, info: StreamInfo) -> bool:
    """Whether the ids of stored messages are read back: where they can be, and are wanted."""
    return settings.tail > 0 and info.keeps_what_is_read


async def recall(
    epoch: Epoch, info: StreamInfo, settings: NatsSettings, pipeline: str, past: Past
) -> Known:
    """Read back what may be sent again; nothing where the stream cannot be read back.

    Raises:
        ConfigurationError: More may be sent again than is recognised, and ``on_unknown_past`` is
            ``fail``.
        EpochEnded: The stream could not be read.
    """
    known = Known(pipeline, past, give_up_after=settings.tail)
    if not info.messages or not reads_back(settings, info):
        return known
    began = time.monotonic()
    search = _Search(epoch, info, settings, pipeline)
    if past.since is not None:
        await search.behind(past.since)
    await search.newest(may_have_own=past.counted_through > 0)
    known.add(sorted(search.messages, key=attrgetter("sequence")))
    logger.log(
        logging.INFO if math.isinf(settings.tail) else logging.DEBUG,
        "read back %d messages of %s in %.1f s",
        len(known),
        info.stream,
        time.monotonic() - began,
    )
    if past.since is None and past.why_unknown and search.may_have_missed:
        _report_unknown_past(settings, info, past, len(known))
    return known


class _Search:
    """The messages that were read back, and how far back the search went."""

    def __init__(
        self, epoch: Epoch, info: StreamInfo, settings: NatsSettings, pipeline: str
    ) -> None:
        self._where = epoch, info, settings.stream_subjects
        self._pipeline = pipeline
        self._tail = settings.tail
        self._first, self._end = max(info.first_seq, 1), info.last_seq + 1
        self._own = 0
        self.messages: list[Stored] = []

    async def behind(self, sequence: int) -> None:
        """Read everything behind ``sequence``."""
        await self._take(read_after(*self._where, sequence), math.inf)
        self._end = min(self._end, sequence + 1)

    async def newest(self, *, may_have_own: bool) -> None:
        """Read on until ``dedupe_tail`` messages of this pipeline are found.

        Args:
            may_have_own: Whether it is worth while to look for them among those of others.
        """
        wanted = min(self._tail, self._end) - self._own
        if wanted > 0:
            most = MAX_SEARCHED * self._tail if may_have_own else self._tail
            chunks = read_newest(*self._where, int(wanted), counted=self._is_own, before=self._end)
            await self._take(chunks, most)
            oldest = min((stored.sequence for stored in self.messages), default=self._end)
            self._end = min(self._end, oldest)

    async def _take(self, chunks: AsyncGenerator[list[Stored], None], most: float) -> None:
        async with aclosing(chunks):
            async for chunk in chunks:
                self.messages += chunk
                self._own += sum(map(self._is_own, chunk))
                if len(self.messages) >= most:
                    return

    def _is_own(self, stored: Stored) -> bool:
        return is_own(stored.id, stored.pipeline, self._pipeline)

    @property
    def may_have_missed(self) -> bool:
        """Whether the stream may hold more of this pipeline than was read."""
        return self._own > 0 and self._end > self._first


def _report_unknown_past(settings: NatsSettings, info: StreamInfo, past: Past, known: int) -> None:
    reason = (
        f"stream {info.stream} holds {info.messages:,} messages, but only the newest {known:,} are "
        f"checked for duplicates, because {past.why_unknown}"
    )
    if settings.on_unknown_past == "fail":
        remedy = "Start the tap from its last state, or set `dedupe_tail: all`"
        raise ConfigurationError(reason, f"{remedy}, or `on_unknown_past: warn`")
    logger.warning("%s. Set `dedupe_tail: all` to check all of them", reason)


async def digest_of(epoch: Epoch, stream: str, suspect: Suspect) -> str:
    """The digest of the record that has made the stored message with a suspect's id; empty where
    the message does not say, or is gone.

    Raises:
        EpochEnded: The stream does not answer.
    """
    try:
        wanted = {"seq": suspect.sequence}
        found = (await epoch.api(f"STREAM.MSG.GET.{stream}", wanted))["message"]
    except EpochEnded as ended:
        if ended.is_not_found:
            return ""
        raise
    for line in base64.b64decode(found.get("hdrs") or "").decode(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name == DIGEST_HEADER:
            return value.strip()
    return suspect.message.digest if _payload(found) == suspect.message.payload else ""


def _payload(found: dict[str, str]) -> bytes:
    return base64.b64decode(found.get("data") or "")
