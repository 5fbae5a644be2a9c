"""Fast-ingest batches (ADR-50): each message is stored as it comes, one answer tells of hundreds.

The server closes a batch at the first message that is missing or refused, so what it stores is
always an unbroken beginning, in order, whoever leads the stream meanwhile. An answer on the way
only lets more messages go. What counts is the answer to the end of a batch: where the stream has
moved by just as many messages as were sent, all of them are in the stream (a known message and a
foreign one may cancel out, see docs/delivery.md).

It may have moved by another number, because some were known to it (their ids are skipped without a
word) or because others write to it. Then the epoch ends, and the next one reads the ids back.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_nats_jetstream.publisher.failures import Lost, Mismatch, NoBatch, NoResponders, Slow
from target_nats_jetstream.publisher.jetstream.epoch import refusal
from target_nats_jetstream.publisher.jetstream.wire import hpub, pipeline_line, pub

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nats.aio.msg import Msg

    from target_nats_jetstream.publisher.intake import Intake
    from target_nats_jetstream.publisher.jetstream.epoch import Epoch
    from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo

STRIDE = 250
"""Messages that are sent in one write."""
FLOW = 500
"""Messages for which we ask one answer; the servers' own limit."""
OPEN_ANSWERS = 8
"""Answers that may be due. Three are enough beside the server, a far one takes more."""
MAX_BATCH_MESSAGES = 10_000
"""A batch ends here, so that what is stored is certain now and then, and its ids can be read."""
MAX_BATCH_BYTES = 4 * 1024 * 1024
"""And here, so that large messages on a slow line are answered before ``ack_timeout``."""
MAX_BATCH_SECONDS = 1.0
"""And after this time, so that STATE does not wait for a slow server."""
LINGER_SECONDS = 0.25
"""How long a batch waits for more messages where the one before it has cost a connection."""
START, APPEND, END = 0, 1, 3
SLOW_MESSAGES_PER_SECOND = 10_000
"""What a server stores at least, unless it writes each message to the disk by itself."""
SLOW_ANSWERS = 3
TELLING_MESSAGES = 100
"""An answer for fewer says more of this process than of the server."""


@dataclass(slots=True)
class _FastBatch:
    """A run of positions without a gap: the message at ``start`` has the number 1."""

    id: str
    start: int
    before: int
    """Stream sequence of the last message before it."""
    began: float = 0
    """When its first message was sent (loop time)."""
    size: int = 0
    payloads: int = 0
    """Their bytes."""
    acked: int = 0
    """Number of the last message that is known to have come."""
    answer: bytes = b""
    """To its end."""

    @property
    def end(self) -> int:
        return self.start + self.size

    def has_enough(self, now: float) -> bool:
        """Whether it is to end, be there more to send or not."""
        is_full = self.size >= MAX_BATCH_MESSAGES or self.payloads >= MAX_BATCH_BYTES
        return is_full or bool(self.size and now > self.began + MAX_BATCH_SECONDS)


class Pace:
    """Whether messages are stored too slowly, told by the answers of the server. Pure.

    Only the time between two answers counts, and only where all that the second one tells of was
    sent before the first: our own pauses and the length of the way do not make it look slow. A line
    that carries little does; batches suit it as well.
    """

    def __init__(self) -> None:
        self._acked, self._sent, self._at = 0, 0, 0.0
        self._slow = 0

    def begin(self) -> None:
        """A new batch: its messages are counted anew."""
        self._acked = self._sent = 0

    def answered(self, acked: int, sent: int, now: float) -> None:
        """An answer came for message ``acked`` of a batch, of which ``sent`` are sent."""
        stored = acked - self._acked
        if stored >= TELLING_MESSAGES and acked <= self._sent:
            is_slow = stored < (now - self._at) * SLOW_MESSAGES_PER_SECOND
            self._slow = self._slow + 1 if is_slow else 0
        self._acked, self._sent, self._at = acked, sent, now

    @property
    def is_slow(self) -> bool:
        """Whether several answers in a row were."""
        return self._slow >= SLOW_ANSWERS


class Fast:
    """Publishes what is outstanding in fast-ingest batches.

    Args:
        limit: How many messages may be without an answer.
        lingers: Whether the first batch waits for more messages, up to ``LINGER_SECONDS``. Where
            others write all the time, each batch costs a connection: then there are few of them.
        watches_pace: Whether a slow server ends the epoch.
    """

    def __init__(  # noqa: PLR0913 - what it needs of its surroundings
        self,
        epoch: Epoch,
        intake: Intake,
        refill: Callable[[], Awaitable[None]],
        info: StreamInfo,
        *,
        limit: int,
        lingers: bool,
        watches_pace: bool,
    ) -> None:
        self._epoch = epoch
        self._intake = intake
        self._refill = refill
        self._info = info
        self._limit = limit
        self._lingers = lingers
        self._watches_pace = watches_pace
        self._whose = pipeline_line(intake.pipeline)
        self._asked_flow = min(FLOW, limit)
        self._flow = 1
        """Messages to an answer, as the server wants it."""
        self._inbox = ""
        self._ids = (f"{secrets.token_hex(4)}{number:x}" for number in itertools.count())
        self._batch = _FastBatch("", 0, 0)
        self._pace = Pace()

    async def pump(self) -> None:
        """Publish batch by batch, until the epoch is over.

        Raises:
            EpochEnded: The epoch is over.
        """
        async with self._epoch.inbox(self._on_answer) as self._inbox:
            while True:
                before = max(self._info.last_seq, self._intake.last_seq)
                self._batch = batch = _FastBatch(
                    next(self._ids), self._intake.outstanding.floor, before
                )
                self._pace.begin()
                await self._fill(batch)
                await self._end(batch)
                self._acknowledge(batch)
                self._lingers = False

    async def _fill(self, batch: _FastBatch) -> None:
        """Send messages as they come, until there are no more or the batch has enough."""
        clock = asyncio.get_running_loop().time
        while not batch.has_enough(clock()):
            await self._refill()
            room = self._room(batch)
            if self._send(batch, min(STRIDE, room, MAX_BATCH_MESSAGES - batch.size)):
                await self._epoch.drain()
            elif room <= 0:
                await self._epoch.wait(unanswered=True)
            elif not batch.size:
                await self._epoch.wait(unanswered=False)
            elif self._lingers and (left := batch.began + LINGER_SECONDS - clock()) > 0:
                await self._epoch.wait(unanswered=False, seconds=left)
            else:
                return

    def _room(self, batch: _FastBatch) -> int:
        return batch.acked + min(self._limit, OPEN_ANSWERS * self._flow) - batch.size

    def _send(self, batch: _FastBatch, count: int) -> int:
        """Send up to ``count`` messages, and return how many; one that is acknowledged already ends
        the batch.
        """
        out, size, commands = self._intake.outstanding, batch.size, list[bytes]()
        if not size:
            self._epoch.asked()
            batch.began = asyncio.get_running_loop().time()
        start, prefix, whose = batch.start, self._prefix(batch), self._whose
        operation = APPEND if size else START
        for number, message in enumerate(out.messages(batch.end, count), size + 1):
            if out.acked(start + number - 1) or batch.payloads >= MAX_BATCH_BYTES:
                break
            batch.size = number
            batch.payloads += len(message.payload)
            commands += hpub(message, f"{prefix}{number}.{operation}.$FI", whose=whose)
            operation = APPEND
        self._intake.sent = max(self._intake.sent, batch.end)
        self._epoch.send(commands)
        return batch.size - size

    def _prefix(self, batch: _FastBatch) -> str:
        """What the reply subjects of a batch have in common."""
        return f"{self._inbox}.{batch.id}.{self._asked_flow}.fail."

    async def _end(self, batch: _FastBatch) -> None:
        """End the batch, and wait for the answer to that."""
        last = self._intake.outstanding.messages(batch.end - 1, 1)[0]
        self._epoch.asked()
        reply = f"{self._prefix(batch)}{batch.size + 1}.{END}.$FI"
        self._epoch.send([pub(last.subject, reply)])
        while not batch.answer:
            await self._epoch.wait(unanswered=True)

    def _acknowledge(self, batch: _FastBatch) -> None:
        """Take the messages of the batch for stored, if that is certain.

        Raises:
            EpochEnded: It is not, or another mode may fit better from now on.
        """
        moved = json.loads(batch.answer)["seq"] - batch.before
        if moved != batch.size:
            self._epoch.end(Mismatch(batch.size, moved), batch.start, batch.end)
        else:
            self._intake.stored_before(batch.end, batch.size, batch.answer)
            if self._watches_pace and self._pace.is_slow:
                self._epoch.end(Slow(SLOW_MESSAGES_PER_SECOND))
        self._epoch.check()

    async def _on_answer(self, answer: Msg) -> None:
        batch, end_epoch = self._batch, self._epoch.end
        id_, *_, number, _, _ = answer.subject.removeprefix(f"{self._inbox}.").split(".")
        if id_ != batch.id:
            return  # its end has been answered, there is no news in it
        position = batch.start + int(number) - 1
        about = (position, position + 1) if position < batch.end else (batch.start, batch.end)
        if not answer.data:
            message = self._intake.outstanding.messages(about[0], 1)[0]
            end_epoch(NoResponders(message.subject), *about)
            return
        said = json.loads(answer.data)
        if "error" in said:
            end_epoch(refusal(said["error"]), *about)
        elif said.get("type") == "gap":
            end_epoch(Lost("a message was lost on the way"))
        elif said.get("type") == "ack":
            self._on_progress(batch, said["seq"], said["msgs"])
        elif (said.get("stream"), said.get("batch")) == (self._info.stream, batch.id):
            if said["count"] != batch.size:
                end_epoch(Lost("the server has closed the batch before its end"))
            batch.answer = answer.data
            self._epoch.answered()
        else:
            end_epoch(NoBatch(answer.data.decode()[:200]), batch.start, batch.end)

    def _on_progress(self, batch: _FastBatch, acked: int, flow: int) -> None:
        if acked > batch.acked:
            batch.acked = acked
            self._epoch.answered()
        else:
            self._epoch.told()  # the same again is no progress
        self._flow = flow
        self._pace.answered(batch.acked, batch.size, asyncio.get_running_loop().time())
