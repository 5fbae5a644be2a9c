"""Atomic batches (ADR-50): a batch is stored wholly, in order, at its commit, or not at all.

The server stages a batch until the message with the commit header comes. So the next batch is
staged while the answer to the last commit is on its way, and committed only after it: the order
never depends on luck, and neither side waits for the other.
"""

from __future__ import annotations

import itertools
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_nats_jetstream.publisher.failures import NoBatch, NoResponders, Tight
from target_nats_jetstream.publisher.jetstream.epoch import refusal
from target_nats_jetstream.publisher.jetstream.wire import hpub, pipeline_line
from target_nats_jetstream.publisher.limits import (
    BATCH_HEADER_BYTES,
    MAX_HEADER_BYTES,
    header_bytes,
    size_limit,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nats.aio.msg import Msg

    from target_nats_jetstream.message import Message
    from target_nats_jetstream.publisher.intake import Intake
    from target_nats_jetstream.publisher.jetstream.epoch import Epoch
    from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo

MAX_BATCH_MESSAGES = 1000
"""The servers' own limit, unless configured otherwise (jetstream.limits.batch)."""
MAX_BATCH_BYTES = 4 * 1024 * 1024
STRIDE = 250
"""Messages that are sent in one write, while the server stages those before them."""
COMMIT = "Nats-Batch-Commit: 1\r\n"
NO_RESPONDERS = "503"


@dataclass(slots=True)
class _AtomicBatch:
    """A batch on its way: what is staged, and the last message, which will carry the commit."""

    id: str
    start: int
    end: int
    size: int = 0
    bytes: int = 0
    last: Message | None = None
    full: bool = False


class Atomic:
    """Publishes what is outstanding in batches of at most ``limit`` messages."""

    def __init__(
        self,
        epoch: Epoch,
        intake: Intake,
        refill: Callable[[], Awaitable[None]],
        info: StreamInfo,
        *,
        limit: int,
    ) -> None:
        self._epoch = epoch
        self._intake = intake
        self._refill = refill
        self._stream = info.stream
        self._limit = min(limit, MAX_BATCH_MESSAGES)
        self._whose = pipeline_line(intake.pipeline)
        self._tight = size_limit(info) - BATCH_HEADER_BYTES - len(self._whose)
        self._inbox = ""
        self._began = 0
        """Where this epoch began: its first message asks for an answer, to be refused at once."""
        self._ids = (f"{secrets.token_hex(4)}{number:x}" for number in itertools.count())
        self._staging = _AtomicBatch("", 0, 0)
        self._committed: _AtomicBatch | None = None
        """The batch whose commit is not answered yet."""

    async def pump(self) -> None:
        """Publish batch by batch, until the epoch is over.

        Raises:
            EpochEnded: The epoch is over.
        """
        async with self._epoch.inbox(self._on_answer) as self._inbox:
            self._began = position = self._intake.outstanding.floor
            while True:
                self._staging = batch = _AtomicBatch(next(self._ids), position, position)
                self._commit(batch, await self._stage(batch))
                position = batch.end

    async def _stage(self, batch: _AtomicBatch) -> Message:
        """Send messages as they come, until the batch can be committed; returns the last one."""
        while True:
            end = batch.end
            if not batch.full:
                await self._refill()
                self._grow(batch)
                await self._epoch.drain()
            if batch.end > end:
                continue
            if batch.last is not None and self._committed is None:
                return batch.last
            await self._epoch.wait(unanswered=self._committed is not None)

    def _grow(self, batch: _AtomicBatch) -> None:
        """Add up to ``STRIDE`` messages; each new one lets the one before it go."""
        out = self._intake.outstanding
        commands = list[bytes]()
        for message in out.messages(batch.end, min(STRIDE, self._limit - batch.size)):
            if out.acked(batch.end):
                batch.end += 1
                continue
            if self._is_tight(message):
                batch.full = batch.last is not None
                if batch.last is None and self._committed is None:
                    self._epoch.end(Tight(batch.end), batch.end, batch.end + 1)
                break
            if batch.last is not None:
                first = batch.size == 1 and batch.start == self._began
                reply = f"{self._inbox}.first" if first else ""
                commands += _command(batch, batch.last, reply, whose=self._whose)
            batch.last = message
            batch.end += 1
            batch.size += 1
            batch.bytes += len(message.payload)
        else:
            batch.full = batch.size >= self._limit or batch.bytes >= MAX_BATCH_BYTES
        self._epoch.send(commands)

    def _is_tight(self, message: Message) -> bool:
        room = self._tight - len(message.payload)
        return room < MAX_HEADER_BYTES and room < header_bytes(message)

    def _commit(self, batch: _AtomicBatch, last: Message) -> None:
        self._committed = batch
        self._epoch.asked()
        self._intake.sent = max(self._intake.sent, batch.end)
        self._epoch.send(_command(batch, last, f"{self._inbox}.commit", COMMIT, whose=self._whose))

    async def _on_answer(self, answer: Msg) -> None:
        batch = self._committed or self._staging
        if not answer.data:
            if (answer.headers or {}).get("Status") == NO_RESPONDERS:
                subject = batch.last.subject if batch.last else ""
                self._epoch.end(NoResponders(subject), batch.start, batch.end)
            return  # an empty answer: the first message is staged
        said = json.loads(answer.data)
        if "error" in said:
            self._epoch.end(refusal(said["error"]), batch.start, batch.end)
        elif (said.get("stream"), said.get("batch"), said.get("count")) != (
            self._stream,
            batch.id,
            batch.size,
        ):
            self._epoch.end(NoBatch(answer.data.decode()[:200]), batch.start, batch.end)
        else:
            self._committed = None
            self._intake.stored_before(batch.end, batch.size, answer.data)
            self._epoch.answered()


def _command(
    batch: _AtomicBatch, message: Message, reply: str, commit: str = "", *, whose: str
) -> tuple[bytes, bytes, bytes]:
    """The newest message of ``batch`` on the wire."""
    place = f"Nats-Batch-Id: {batch.id}\r\nNats-Batch-Sequence: {batch.size}\r\n"
    return hpub(message, reply, place + commit, whose=whose)
